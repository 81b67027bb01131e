/* SPDX-License-Identifier: MIT */
/* quantise - features to a model's int8 input: q = zero point + round(real / scale). */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { PIXEL_VALUES = 256 };

/**
 * Rounds half away from zero, saturates at -128 and 127; NaN gives the zero point.
 * @values  [@n_items] real values
 * @scale   of the model's input, > 0; @zero_point -128..127
 */
void quantise_values(const float *values, size_t n_items, float scale, int32_t zero_point,
                     int8_t *ret);

/** The int8 for every pixel value 0..255, whose real value is pixel / 255. */
void quantise_pixel_table(float scale, int32_t zero_point, int8_t ret[PIXEL_VALUES]);

/** Look @n_items pixels up in @table. */
void quantise_pixels(const uint8_t *pixels, size_t n_items, const int8_t table[PIXEL_VALUES],
                     int8_t *ret);
