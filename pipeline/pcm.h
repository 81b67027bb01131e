/* SPDX-License-Identifier: MIT */
/*
 * pcm - interleaved samples of a sound card to mono int16.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/** Sample layouts, all little endian. S24 has its 24 bits in the low bytes of 4, S24_3 in 3 bytes.
 */
enum pcm_format { PCM_S16, PCM_S24, PCM_S24_3, PCM_S32 };

/** Bytes of one sample. */
size_t pcm_sample_bytes(enum pcm_format format);

/** "s16", "s24", "s24_3", "s32" as in the settings; never NULL. */
const char *pcm_name(enum pcm_format format);

/** The format of that name. Returns 0, -ENOENT. */
int pcm_parse(const char *name, enum pcm_format *ret);

/**
 * Mix down or pick.
 * @in       [n_frames, n_channels] samples in @format, any alignment
 * @channel  0: the mean of all channels, else 1 .. n_channels
 * @out      [n_frames] samples, rounded to nearest
 */
void pcm_to_mono(const uint8_t *in, enum pcm_format format, size_t n_frames, size_t n_channels,
                 size_t channel, int16_t *out);
