/* SPDX-License-Identifier: MIT */
/*
 * microphone - an ALSA capture device as a source.
 */
#pragma once

#include "pipeline/source.h"

/**
 * See source_open(). `device`: an ALSA name such as "hw:CARD=Device,DEV=0" or "default"; "auto":
 * the first card that captures, else "default". `format`: "auto", "s16", "s24", "s24_3", "s32".
 * `rate_hz`: 0, or what the device must have.
 * An overrun is repaired and counted in the next block's n_lost_before. source_read() returns
 * -ENODEV when the card is gone, -EIO when it does nothing but overrun.
 */
int microphone_open(const struct source_options *options, struct source **ret, struct fault *fault);
