/* SPDX-License-Identifier: MIT */
/*
 * picture - shrinks a frame to the network's small picture.
 *
 * Every pixel of the result is the area average of what it covers in the frame
 * (after the crop), with fractions of pixels weighed by their area, in exact
 * integer arithmetic. A frame smaller than the result is enlarged by the same
 * rule: each result pixel averages the one to four frame pixels under it. Chroma
 * of subsampled formats stands for all pixels it covers. Colour is converted
 * after averaging:
 *   YUYV, NV12, I420  BT.601, limited range (16..235, 16..240) to full range RGB;
 *                     grey is luma stretched to full range
 *   RGB24             grey is BT.601 luma, 0.299 R + 0.587 G + 0.114 B
 *   GREY              full range; rgb repeats it three times
 * Averages keep 8 fractional bits (rounded half up) until the last rounding.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/recipe.h"
#include "pipeline/source.h"

struct picture;

/**
 * Plan for frames of one format and size; nothing allocates afterwards. One picture
 * serves one thread at a time (it owns scratch).
 * Returns 0, -ERANGE (a size below 1 or above FRAME_SIDE_MAX_PX, PICTURE_SIDE_PX_MAX), -ENOMEM.
 */
int picture_new(const struct picture_features *options, enum pixel_format format, int32_t width_px,
                int32_t height_px, struct picture **ret);

/** NULL is allowed. Returns NULL. */
struct picture *picture_free(struct picture *picture);
DEFINE_CLEANUP(struct picture *, picture_free)

/** True if @picture was planned for frames like @frame (format and size). */
bool picture_fits(const struct picture *picture, const struct frame *frame);

/** Bytes of a result: height x width x (1 or 3). */
size_t picture_bytes(const struct picture_features *options);

/**
 * Shrink @frame, for which picture_fits() must hold.
 * @ret  [height, width, 1 or 3] u8, R first
 */
void picture_shrink(struct picture *picture, const struct frame *frame, uint8_t *ret);
