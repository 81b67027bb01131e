/* SPDX-License-Identifier: MIT */
/*
 * quality - how far a sensor's data can be trusted, from the raw signal alone.
 *
 * 1 is good, 0 useless; between two thresholds it falls linearly. The reason is the
 * worst fault, given once the quality is below QUALITY_GOOD.
 *
 * sound, over the window:
 *   silent   RMS without its mean: 1 from 8, 0 from 2 steps of int16 (-72 and -84 dB of full scale)
 *   clipped  samples within 64 steps of full scale: 1 up to 0.1 %, 0 from 2 %
 * picture:
 *   dark     largest of the mean and half the 99th percentile of luma (0..255): 1 from 24, 0 from 8
 *   blurred  variance of the Laplacian by variance of the luma, on a grid of at most
 *            160 x 120 points: 1 from 0.02, 0 from 0.004; not judged where luma varies by less than
 * 16 (squared) frozen   the grid has not changed at all for 5 s (a live sensor's noise always
 * changes it): 0
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "pipeline/source.h"

static const double QUALITY_GOOD = 0.5;

struct quality {
    double value;       /* 0..1 */
    const char *reason; /* static: "silent", "clipped", "dark", "blurred", "frozen"; NULL if good */
};

struct sound_quality;

/**
 * Watch windows of @n_window samples.
 * Returns 0, -EINVAL if it is 0, -ENOMEM. Nothing allocates afterwards. One thread at a time.
 */
int sound_quality_new(size_t n_window, struct sound_quality **ret);

/** NULL is allowed. Returns NULL. */
struct sound_quality *sound_quality_free(struct sound_quality *q);
DEFINE_CLEANUP(struct sound_quality *, sound_quality_free)

/** The next @n_items samples. The window is followed in steps of up to 10 ms. */
void sound_quality_push(struct sound_quality *q, const int16_t *samples, size_t n_items);

/** Of the last window, or of what came since the start; good if nothing came. */
struct quality sound_quality_get(const struct sound_quality *q);

struct picture_quality;

/** Returns 0, -ENOMEM. Nothing allocates afterwards. One thread at a time. */
int picture_quality_new(struct picture_quality **ret);

/** NULL is allowed. Returns NULL. */
struct picture_quality *picture_quality_free(struct picture_quality *q);
DEFINE_CLEANUP(struct picture_quality *, picture_quality_free)

/** Look at @frame (of any format and size). Reads at most 160 x 120 points of 2 x 2 pixels. */
struct quality picture_quality_push(struct picture_quality *q, const struct frame *frame);
