/* SPDX-License-Identifier: MIT */
/*
 * recording - a file or a directory as a source, in real time or as fast as possible.
 *
 * Sound: whatever libsndfile reads. Pictures: Y4M, Motion JPEG, raw frames, one
 * picture file, or a directory of PNG and JPEG files in the order of their names'
 * bytes. Item i has the time start + i / rate; frames of a Motion JPEG with
 * `lookout-time-ns=` comments keep the distances these give.
 */
#pragma once

#include "pipeline/source.h"

/** Rate of pictures where neither the options nor the file tell one. */
#define RECORDING_RATE_HZ 10.0

/**
 * See source_open(). `format`: "auto" or "" looks at the file; raw frames ("yuyv", "nv12", "i420",
 * "grey", "rgb24") must be named, and their size given.
 * Pictures that cannot be decoded are counted in the next frame's n_lost_before. Half a
 * raw frame or less than 10 ms of sound at the end is left out; after half a frame
 * the end comes with a fault text. A loop goes on in time as if the recording were longer.
 * Returns 0, -ENOENT, -EACCES, -EBADMSG (empty, wrong kind, damaged), -ENOTSUP, -EINVAL (size
 * or rate missing), -ENOMEM.
 */
int recording_open(const struct source_options *options, struct source **ret, struct fault *fault);

/** The two kinds, behind recording_open(). */
int recording_open_sound(const struct source_options *options, struct source **ret,
                         struct fault *fault);
int recording_open_pictures(const struct source_options *options, struct source **ret,
                            struct fault *fault);
