/* SPDX-License-Identifier: MIT */
/*
 * sound_window - the rolling int8 input of a sound encoder.
 *
 * Samples go in as they come; every row is computed once, when its last sample is
 * there. The network's input at any row end is the last n_rows rows. What comes out
 * equals mel_window() on the same samples, quantised.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"
#include "common/recipe.h"
#include "pipeline/mel.h"

struct sound_window;

/**
 * An empty window. @scale and @zero_point are those of the encoder's input. Nothing
 * allocates afterwards. One thread at a time.
 * Returns 0, -ERANGE (as mel_new()), -ENOMEM.
 */
int sound_window_new(const struct sound_features *options, float scale, int32_t zero_point,
                     struct sound_window **ret, struct fault *fault);

/** NULL is allowed. Returns NULL. */
struct sound_window *sound_window_free(struct sound_window *window);
DEFINE_CLEANUP(struct sound_window *, sound_window_free)

/** Sizes; valid as long as @window. */
const struct sound_shape *sound_window_shape(const struct sound_window *window);

/**
 * Take samples up to the end of the next row at most.
 * @ret_row  true if a row was completed: it ends with the last sample taken
 * Returns the number of samples taken; call again with the rest.
 */
size_t sound_window_push(struct sound_window *window, const int16_t *samples, size_t n_items,
                         bool *ret_row);

/** True once n_rows rows came since the start or the last reset. */
bool sound_window_full(const struct sound_window *window);

/** The last n_rows rows, oldest first, into @ret[n_rows][n_values]; must be full. */
void sound_window_write(struct sound_window *window, int8_t *ret);

/** Forget everything, as after a gap. */
void sound_window_reset(struct sound_window *window);
