/* SPDX-License-Identifier: MIT */
/*
 * image - small RGB pictures: made of what Look sends, scaled, written as PNG.
 *
 * What comes from the socket is checked: a picture whose bytes do not fit its size is refused.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"

enum { IMAGE_SIDE_PX_MAX = 4096 };

struct image {
    size_t width_px, height_px; /* 1..IMAGE_SIDE_PX_MAX */
    uint8_t rgb[];              /* [height_px, width_px, 3] */
};

/** All black. Returns 0, -ERANGE, -ENOMEM. The caller frees. */
int image_new(size_t width_px, size_t height_px, struct image **ret);

/** NULL is allowed. Returns NULL. */
struct image *image_free(struct image *image);
DEFINE_CLEANUP(struct image *, image_free)

/** From a Picture of the interface, stretched to the shape of the camera's frames. Returns 0,
 * -EBADMSG (it is none), -ENOMEM. */
int image_of_picture(const json_t *picture, struct image **ret);

/**
 * From an Input of the interface: a picture as the network gets it; of sound the spectra, time to
 * the right, frequency upwards, loud bright.
 * Returns 0, -EBADMSG (it is none, or nothing came yet), -ENOMEM.
 */
int image_of_input(const json_t *input, struct image **ret);

/** @image at another size: the mean of what a pixel covers, or the nearest one. Returns 0, -ERANGE,
 * -ENOMEM. */
int image_scale(const struct image *image, size_t width_px, size_t height_px, struct image **ret);

/** Copy @from into @to with its corner at @x, @y, where it must fit. */
void image_place(struct image *to, const struct image *from, size_t x, size_t y);

/** Write @image into the file @path, readable by its owner only. Returns 0, -errno, -EIO. */
int image_write_png(const struct image *image, const char *path, struct fault *fault);
