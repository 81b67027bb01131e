/* SPDX-License-Identifier: MIT */
/*
 * features_api - the front ends as a plain C library for training (liblookout-features.so).
 *
 * The functions are those of mel.h, picture.h and quantise.h under names and types
 * that Python's ctypes can call; models/training/frontend.py is the other side.
 * Handles serve one thread at a time. Errors are -errno.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/recipe.h"

/** Counts up with every change of a function or struct below. */
enum { FEATURES_API_VERSION = 2 };

struct mel;
struct picture;

int lookout_features_version(void);

/**
 * @error_text  [@error_bytes] what is wrong with which option, for a person; may be NULL
 * Returns 0, -ERANGE, -ENOMEM.
 */
int lookout_sound_new(const struct sound_features *options, struct mel **ret, char *error_text,
                      size_t error_bytes);
void lookout_sound_free(struct mel *mel);

/** Samples of a window and of a hop, rows of a window, values of a row. */
size_t lookout_sound_window_items(const struct mel *mel);
size_t lookout_sound_hop_items(const struct mel *mel);
size_t lookout_sound_n_rows(const struct mel *mel);
size_t lookout_sound_n_values(const struct mel *mel);

/**
 * Features of @n_windows windows, the i-th from sample i x @hop on; @samples beyond @n_items
 * count as zeros.
 * @ret  [n_windows][n_rows][n_values] float32
 * Returns 0, -ENOMEM.
 */
int lookout_sound_windows(struct mel *mel, const int16_t *samples, size_t n_items, size_t hop,
                          size_t n_windows, float *ret);

/** Rows of a whole clip of @n_items samples: 1 + (n - n_frame) / n_step, 0 if shorter than a frame.
 */
size_t lookout_sound_clip_rows(const struct mel *mel, size_t n_items);

/**
 * All rows of a clip, each as in a window that begins where it likes; `normalise` is left out,
 * since it belongs to a window.
 * @ret  [lookout_sound_clip_rows()][n_values] float32
 */
void lookout_sound_rows(struct mel *mel, const int16_t *samples, size_t n_items, float *ret);

/**
 * Read a WAV, FLAC or Ogg file as the daemon does: mean of the channels, resampled to 16 kHz.
 * @ret        [@max_items] samples; the rest of a longer file is left unread
 * @ret_items  samples read
 * Returns 0, or as sound_file_new() and sound_file_read() with @error_text.
 */
int lookout_sound_read(const char *path, int16_t *ret, size_t max_items, size_t *ret_items,
                       char *error_text, size_t error_bytes);

/** Plan for RGB pictures of one size. Returns 0, -ERANGE, -ENOMEM. */
int lookout_picture_new(const struct picture_features *options, int32_t width_px, int32_t height_px,
                        struct picture **ret);
void lookout_picture_free(struct picture *picture);

/**
 * Shrink @n pictures.
 * @rgb  [n][@height_px][@width_px][3] u8, sizes as planned
 * @ret  [n][height][width][1 or 3] u8, @bytes each
 */
void lookout_picture_shrink(struct picture *picture, const uint8_t *rgb, size_t n, int32_t width_px,
                            int32_t height_px, size_t bytes, uint8_t *ret);

/** As quantise_values(). */
void lookout_quantise_values(const float *values, size_t n_items, float scale, int32_t zero_point,
                             int8_t *ret);

/** Pixels 0..255 (real value pixel / 255) to int8. */
void lookout_quantise_pixels(const uint8_t *pixels, size_t n_items, float scale, int32_t zero_point,
                             int8_t *ret);
