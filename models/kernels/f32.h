/* SPDX-License-Identifier: MIT */
/*
 * f32 - the inner loops of float32 layers.
 *
 * Unlike integers, rows of kernels may differ in the last bits, but one row gives the same bits for
 * an output whatever else is computed with it: each sum runs over the depth (taps) upwards.
 */
#pragma once

#include <stddef.h>

#include "models/window.h"

struct f32_size {
    size_t rows, cols, depth;
};

/** A fused activation: -infinity to infinity if none. */
struct f32_clamp {
    float min, max;
};

struct f32_depthwise {
    struct window window;
    size_t channels;   /* of the output */
    size_t multiplier; /* output channel c reads input channel c / multiplier */
};

/** out = clamp(a + b), @n items; @out may be @a or @b. */
typedef void add_f32_fn(float *out, const float *a, const float *b, size_t n,
                        struct f32_clamp clamp);

struct f32_kernels {
    size_t tile_rows; /* gemm() is best with multiples of it */

    /** Floats of weights and biases as gemm() wants them. */
    size_t (*packed_items)(size_t cols, size_t depth);

    /** Fill @packed (zeroed) from @weight [cols, depth] and @bias [cols]. */
    void (*pack)(float *packed, const float *weight, const float *bias, size_t cols, size_t depth);

    /** out [rows, cols] = clamp(bias + in [rows, depth] x weights). */
    void (*gemm)(float *out, const float *in, const float *packed, struct f32_size size,
                 struct f32_clamp clamp);

    /** One image; @weight [taps, channels], @bias [channels]. */
    void (*depthwise)(float *out, const float *in, const float *weight, const float *bias,
                      const struct f32_depthwise *size, struct f32_clamp clamp);

    add_f32_fn *add;
};

extern const struct f32_kernels f32_c; /* in vectors of 4, which SSE2 and NEON have */
extern const struct f32_kernels f32_neon;
extern const struct f32_kernels f32_avx2;   /* needs CPU_AVX2 */
extern const struct f32_kernels f32_avx512; /* needs CPU_AVX512VNNI */
