/* SPDX-License-Identifier: MIT */
/*
 * sound_file - a WAV, FLAC, Ogg ... file as 16 kHz mono int16, for recordings and evaluation.
 *
 * Read by libsndfile, one channel chosen or all averaged, resampled by
 * resample.h. Samples of a 16 kHz mono S16 file come out unchanged.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"

struct sound_file;

/**
 * Open @path.
 * @channel  0: the mean of all, else 1 .. number of channels
 * Returns 0, -ENOENT, -EACCES ..., -EBADMSG (not a sound file, empty), -ENOTSUP (rate or
 * number of channels), -EINVAL (no such channel), -ENOMEM; @fault says which.
 */
int sound_file_new(const char *path, int32_t channel, struct sound_file **ret, struct fault *fault);

/** NULL is allowed. Returns NULL. */
struct sound_file *sound_file_free(struct sound_file *file);
DEFINE_CLEANUP(struct sound_file *, sound_file_free)

/**
 * The next samples at 16 kHz. Does not allocate.
 * @loop   at the end go on with the first sample, seamlessly
 * @out    [n] samples
 * Returns how many were written: fewer than @n only at the end of the file. -EIO if the
 * file turns out broken or shorter than its header says; @fault says where.
 */
int sound_file_read(struct sound_file *file, bool loop, int16_t *out, size_t n,
                    struct fault *fault);

/** The file's own format, for a person: "WAV 48000 Hz 2 ch"; valid until sound_file_free(). */
const char *sound_file_format(const struct sound_file *file);

/** The file's own rate. */
double sound_file_rate_hz(const struct sound_file *file);
