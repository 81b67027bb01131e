/* SPDX-License-Identifier: MIT */
/*
 * pixels - how the bytes of a frame without padding lie, per pixel format.
 */
#pragma once

#include <stddef.h>

#include "pipeline/source.h"

/** No side of a frame is longer: 8K video. Keeps every product of sides in 32 bits. */
enum { FRAME_SIDE_MAX_PX = 8192 };

/** "yuyv", "nv12" ... as in the settings; never NULL. */
const char *pixels_name(enum pixel_format format);

/** The format of that name. Returns 0, -ENOENT. */
int pixels_parse(const char *name, enum pixel_format *ret);

/** 0 if a frame may have this size: sides 1 .. FRAME_SIDE_MAX_PX, even width for YUYV; else
 * -EINVAL. */
int pixels_check(enum pixel_format format, int32_t width_px, int32_t height_px);

/** Bytes of a frame whose rows follow each other without padding; size as checked by
 * pixels_check(). */
size_t pixels_bytes(enum pixel_format format, int32_t width_px, int32_t height_px);

/** Bytes of a row of the first plane, without padding. */
size_t pixels_row_bytes(enum pixel_format format, int32_t width_px);

/** Bytes of a frame whose first plane has rows of @stride_bytes; the other planes follow from it.
 */
size_t pixels_strided_bytes(enum pixel_format format, int32_t height_px, size_t stride_bytes);

/**
 * Point the planes of @frame (format and size set) at @data [pixels_bytes()].
 * @stride_bytes  of the first plane; 0: no padding. The other planes have what follows from it.
 */
void pixels_lay(struct frame *frame, const uint8_t *data, size_t stride_bytes);
