/* SPDX-License-Identifier: MIT */
/*
 * dotprod - what the files of the row with SDOT share.
 *
 * SDOT adds four products of int8 to an int32, for four columns at once. So weights lie in fours
 * along the depth, for 4 columns (a vector of sums), and the vectors of 16 columns side by side:
 *   int8  [cols / 16][depth / 4][4][4 columns][4]
 * with zeros behind the depth, and as many vectors as there are columns for in the last block. Of
 * int4, the first half of a block's vectors is in the low nibbles of bytes, with 8 added so that
 * these have no sign, and the other in the high nibbles.
 */
#pragma once

#include "models/kernels/neon.h"

#ifndef __ARM_FEATURE_DOTPROD
#error "build this file with -march=armv8.2-a+dotprod"
#endif

enum {
    NIBBLE_ZERO = 8,          /* added to what is in a low nibble */
    FOUR = 4,                 /* products in one lane of SDOT */
    VECTORS = BLOCK / LANES,  /* of sums in a block of columns */
    PAIRS = VECTORS / 2,      /* whose int4 weights share bytes */
    UNPACKED_BYTES = 1 << 16, /* of int4 weights of a block */
};

extern const struct gemm_kernel dotprod_gemm_s8, dotprod_gemm_s4;
extern const struct conv_kernel dotprod_conv_s8, dotprod_conv_s4;

/** Bytes of weights of @cols columns with @n_runs runs of @run bytes. */
size_t dotprod_packed_bytes(size_t cols, size_t n_runs, size_t run, bool int4);

/** Fill zeroed @packed from @weight [cols, n_runs, run]. */
void dotprod_pack(void *packed, const int8_t *weight, size_t cols, size_t n_runs, size_t run,
                  bool int4);

/** @rows rows of output; weights of int8 or int4 as dotprod_pack() lays them. */
product_fn dotprod_product_s8, dotprod_product_s4;

/** Convolutions of 3 columns that need no strip; as the fields of struct conv_kernel. */
bool dotprod_direct_takes(const struct conv_size *size);
size_t dotprod_direct_packed_bytes(const struct conv_size *size, bool int4);
void dotprod_direct_pack(void *packed, const int8_t *weight, const struct conv_size *size,
                         bool int4);
void dotprod_direct_run(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                        const struct requant *rq, const struct conv_size *size, bool int4);

/** Bytes of the weights of the block that @cols columns begin with, for one four of the depth. */
INLINE size_t dotprod_four_bytes(size_t cols, bool int4) {
    const size_t vectors = parts(least(cols, BLOCK), LANES);

    return (int4 ? parts(vectors, 2) : vectors) * BLOCK;
}

/** Fill @bytes of weights with zeros. */
INLINE void dotprod_clear(uint8_t *weights, size_t bytes, bool int4) {
    (void) memset(weights, int4 ? NIBBLE_ZERO : 0, bytes);
}

/** Put a weight, the @d-th of a four, of column @c of a block of @cols, where the four begins. */
INLINE void dotprod_put(uint8_t *four, size_t c, size_t cols, size_t d, int8_t weight, bool int4) {
    const size_t pairs = parts(parts(least(cols, BLOCK), LANES), 2);
    const size_t vector = c / LANES, at = c % LANES * FOUR + d;

    if (int4)
        four[at + vector % pairs * BLOCK] ^= (uint8_t) ((weight & 15) << (vector / pairs * 4));
    else
        four[at + vector * BLOCK] = (uint8_t) weight;
}

/** The weights of @vectors x 4 columns, for one four of the depth; returns what is behind. */
INLINE const int8_t *dotprod_load(int8x16_t *w, const int8_t *at, size_t vectors, bool int4) {
    if (!int4)
        return neon_load_vectors(w, at, vectors);
    UNROLL
    for (size_t v = 0; v < parts(vectors, 2); v++, at += BLOCK) {
        const int8x16_t both = vld1q_s8(at);

        w[v] = vsubq_s8(vandq_s8(both, vdupq_n_s8(15)), vdupq_n_s8(NIBBLE_ZERO));
        if (v + parts(vectors, 2) < vectors)
            w[v + parts(vectors, 2)] = vshrq_n_s8(both, 4);
    }
    return at;
}

/** Widen int4 weights of @vectors x 4 columns, of @fours fours, into @out. */
INLINE void dotprod_unpack(int8_t *out, const int8_t *weights, size_t fours, size_t vectors) {
#pragma GCC unroll 2
    for (; fours > 0; fours--, out += vectors * BLOCK) {
        int8x16x4_t w;

        weights = dotprod_load(w.val, weights, vectors, true);
        if (vectors == VECTORS)
            vst1q_s8_x4(out, w);
        for (size_t v = 0; v < vectors && vectors < VECTORS; v++)
            vst1q_s8(out + v * BLOCK, w.val[v]);
    }
}

/**
 * Add to each of 4 @sum the products of a four of @w and the four @lane of @x, a constant. As
 * vdotq_laneq_s32(), for which gcc 12 copies sums.
 */
INLINE void dotprod_dot(int32x4_t *sum, int8x16_t w, int8x16_t x, size_t lane) {
    if (lane == 0)
        __asm__("sdot %0.4s, %1.16b, %2.4b[0]" : "+w"(*sum) : "w"(w), "w"(x));
    else if (lane == 1)
        __asm__("sdot %0.4s, %1.16b, %2.4b[1]" : "+w"(*sum) : "w"(w), "w"(x));
    else if (lane == 2)
        __asm__("sdot %0.4s, %1.16b, %2.4b[2]" : "+w"(*sum) : "w"(w), "w"(x));
    else
        __asm__("sdot %0.4s, %1.16b, %2.4b[3]" : "+w"(*sum) : "w"(w), "w"(x));
}
