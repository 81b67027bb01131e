/* SPDX-License-Identifier: MIT */
/*
 * Method: affine quantisation as TensorFlow Lite's QUANTIZE (8-bit quantization
 * specification; shared rule of models/: round half away from zero, then clamp).
 */
#include "pipeline/quantise.h"

#include <math.h>

static int8_t quantise(float real, float scale, int32_t zero_point) {
    const float steps =
        roundf(real / scale) + (float) zero_point; /* whole numbers: exact where it matters */

    if (isnan(steps))
        return (int8_t) zero_point;
    return (int8_t) fminf(fmaxf(steps, INT8_MIN), INT8_MAX);
}

void quantise_values(const float *values, size_t n_items, float scale, int32_t zero_point,
                     int8_t *ret) {
    for (size_t i = 0; i < n_items; i++)
        ret[i] = quantise(values[i], scale, zero_point);
}

void quantise_pixel_table(float scale, int32_t zero_point, int8_t ret[PIXEL_VALUES]) {
    for (int pixel = 0; pixel < PIXEL_VALUES; pixel++)
        ret[pixel] = quantise((float) pixel / 255.0f, scale, zero_point);
}

void quantise_pixels(const uint8_t *pixels, size_t n_items, const int8_t table[PIXEL_VALUES],
                     int8_t *ret) {
    for (size_t i = 0; i < n_items; i++)
        ret[i] = table[pixels[i]];
}
