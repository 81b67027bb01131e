/* SPDX-License-Identifier: MIT */
/*
 * masks - privacy rectangles, made black in a frame before anything else sees it.
 *
 * Edges are rounded outwards to even pixels, so that neither a pixel that a
 * rectangle touches, nor the chroma it shares with its neighbour, remains.
 */
#pragma once

#include <stddef.h>

#include "pipeline/source.h"

/** True if all rectangles lie within 0..MASK_PARTS and cover something. */
bool masks_valid(const struct mask *masks, size_t n_masks);

/**
 * Black out @masks in the planes of @frame, in place.
 * @frame  its planes must be writable memory of the caller, though `const` in struct frame
 * @masks  [n_masks], masks_valid(); parts outside the frame are cut off
 * Any thread that owns the pixels. Touches nothing outside the rows of the frame.
 */
void masks_apply(const struct frame *frame, const struct mask *masks, size_t n_masks);
