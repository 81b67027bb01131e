/* SPDX-License-Identifier: MIT */
/*
 * winograd - convolutions of 3 x 3 at stride 1 with a quarter of the products: Winograd's
 * F(4 x 4, 3 x 3) (A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks, 2015),
 * exact in integers. What rows of kernels that do so share.
 *
 * Sixteen outputs come from 36 products, one for each of the points that the 6 x 6 inputs and the
 * 3 x 3 weights under them are transformed to. In one direction, with d inputs, g weights and y
 * outputs,
 *   inputs    4 d0 - 5 d2 + d4, +-(d3 - 4 d1) + (d4 - 4 d2), +-2 (d3 - d1) + (d4 - d2),
 *             4 d1 - 5 d3 + d5
 *   weights   6 g0, g0 +- g1 + g2, g0 +- 2 g1 + 4 g2, 6 g2
 *   sums      m0 - 4 (m1 + m2) + (m3 + m4) = 24 y0,  (m3 - m4) - 2 (m1 - m2) = 12 y1,
 *             (m3 + m4) - (m1 + m2) = 6 y2,  2 (m3 - m4) - (m1 - m2) + m5 = 6 y3
 * which are the usual transforms with the rows for the weights times 24, -6, -6, 24, 24 and 6, so
 * that they are whole numbers. Inputs grow at most 100 times in both directions, weights 49 times:
 * both stay in int16. Sums are mod 2^32; by one factor they become 576 times the result, divided by
 * 9 with its inverse; then a shift divides by 64. That is exact as long as 64 times the result fits
 * into int32, so for WINOGRAD_CHANNELS_MAX input channels at most.
 */
#pragma once

#include "models/kernels/kernels.h"

enum {
    WINOGRAD_OUT = 4,     /* pixels of output of a tile, each way */
    WINOGRAD_IN = 6,      /* pixels of input */
    WINOGRAD_POINTS = 36, /* products of a tile, for each pair of channels */
    WINOGRAD_BITS = 6,    /* of 64 */
    WINOGRAD_CHANNELS_MAX = (1 << 25) / (9 << 14), /* of the input */
};

/** Tiles for @n pixels of output. */
static inline size_t winograd_tiles(size_t n) {
    return (n + WINOGRAD_OUT - 1) / WINOGRAD_OUT;
}

/**
 * What the sums for row @y and column @x of a tile's output are multiplied by, mod 2^32, to be 64
 * times the result.
 */
static inline int32_t winograd_factor(size_t y, size_t x) {
    static const uint32_t ninth = 954437177; /* x 9 = 1 mod 2^32 */
    static const uint32_t factors[WINOGRAD_OUT][WINOGRAD_OUT] = {
        { 1 * ninth, 2 * ninth, 4 * ninth, 4 * ninth },
        { 2 * ninth, 4 * ninth, 8 * ninth, 8 * ninth },
        { 4 * ninth, 8 * ninth, 16 * ninth, 16 * ninth },
        { 4 * ninth, 8 * ninth, 16 * ninth, 16 * ninth },
    };

    return (int32_t) factors[y][x];
}

static inline void winograd_three_taps(int32_t *out, size_t out_step, const int32_t *in,
                                       size_t in_step) {
    const int32_t a = in[0], b = in[in_step], c = in[2 * in_step];

    out[0] = 6 * a;
    out[out_step] = a + b + c;
    out[2 * out_step] = a - b + c;
    out[3 * out_step] = a + 2 * b + 4 * c;
    out[4 * out_step] = a - 2 * b + 4 * c;
    out[5 * out_step] = 6 * c;
}

/** The points of the filter [3][3] at @weight, whose taps are @step bytes apart. */
static inline void winograd_weights(int16_t points[WINOGRAD_POINTS], const int8_t *weight,
                                    size_t step) {
    int32_t taps[9], half[3 * WINOGRAD_IN], whole[WINOGRAD_POINTS];

    for (size_t tap = 0; tap < 9; tap++)
        taps[tap] = weight[tap * step];
    for (size_t x = 0; x < 3; x++)
        winograd_three_taps(half + x, 3, taps + x, 3);
    for (size_t y = 0; y < WINOGRAD_IN; y++)
        winograd_three_taps(whole + y * WINOGRAD_IN, 1, half + y * 3, 1);
    for (size_t i = 0; i < WINOGRAD_POINTS; i++)
        points[i] = (int16_t) whole[i];
}
