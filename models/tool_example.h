/* SPDX-License-Identifier: MIT */
/*
 * tool_example - a sound or picture file as what one encoder sees: the windows of a clip, or one
 * picture.
 *
 * Sound is read and resampled as a recording is; window i begins at i hops, and the last one ends
 * at or before the clip's end. A clip shorter than a window is one window with zeros behind it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"
#include "models/bundle.h"

struct example;

/** For files of @modality, which is used as long as the example. Returns 0, -ERANGE, -ENOMEM. */
int example_new(const struct modality *modality, struct example **ret, struct fault *fault);

/** NULL is allowed. Returns NULL. */
struct example *example_free(struct example *example);
DEFINE_CLEANUP(struct example *, example_free)

/** Read the file @path in place of the last one. Returns 0, -errno as the readers of such files;
 * @fault names it. */
int example_read(struct example *example, const char *path, struct fault *fault);

/** Windows of the file read last; 1 for a picture. */
size_t example_n_windows(const struct example *example);

/** Rows, values of a sound; height, width, channels of a picture. Returns how many: 2 or 3. */
size_t example_shape(const struct example *example, size_t ret[3]);

/** Items of one window: the product of its shape. */
size_t example_n_items(const struct example *example);

/** Window @i as real numbers into @ret[n_items]: features, or pixel / 255. */
void example_values(struct example *example, size_t i, float *ret);

/** Window @i as the encoder's int8 input into @ret[n_items]. */
void example_input(struct example *example, size_t i, int8_t *ret);

/** True if the file's first bytes are those of a PNG or JPEG. */
bool example_is_picture(const char *path);
