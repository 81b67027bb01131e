/* SPDX-License-Identifier: MIT */
/*
 * avx512vnni_gemm - what matrix products and convolutions with AVX-512 VNNI share.
 *
 * Packed weights: what is to be added to the bias, int32 [cols]; then blocks of 32 columns, a last
 * one perhaps of 16
 *   int8  [steps][32][4]
 *   int4  [steps][16][4], with 8 added: the first half of the block's columns in the low nibbles,
 *         the second in the high ones
 * where a step is 4 values along the depth; each segment of the depth (all of it; of a convolution,
 * a row of taps) begins a step.
 */
#pragma once

#include "models/kernels/avx512vnni.h"

enum {
    BLOCK_VECTORS = 2, /* of columns */
    BLOCK = 2 * LANES, /* columns */
    SOME_ROWS = 5,     /* that make a tile; fewer are done one by one */
    NIBBLE_ZERO = 8,   /* added to an int4 */
};

/** What does not change from tile to tile. */
struct product {
    const void *packed;
    const int32_t *bias;
    const struct requant *rq;
    size_t cols;
    size_t n_segments, segment_bytes, segment_step; /* a row's; from one to the next, in bytes */
    bool int4;
    bool strip; /* inputs are flipped already, and GROUP bytes behind the last may be read */
};

/** Rows a step apart: where they come from and where their columns go to. */
struct rows {
    int8_t *out;
    const int8_t *in;
    size_t step; /* of in */
};

size_t vnni_packed_bytes(size_t cols, size_t n_segments, size_t segment_bytes, bool int4);

/** Fill zeroed @packed from @weight [cols, n_segments, segment_bytes]. */
void vnni_pack(void *packed, const int8_t *weight, size_t cols, size_t n_segments,
               size_t segment_bytes, bool int4);

/** All columns of @n_lines times @n rows, which begin @line_step bytes apart. */
void vnni_multiply(const struct product *p, const struct rows *first, size_t n, size_t line_step,
                   size_t n_lines);

/** As many columns of each of @n < SOME_ROWS rows as there are whole blocks of; returns how many.
 */
size_t vnni_lines(const struct product *p, const struct rows *first, size_t n);

INLINE size_t vnni_steps(size_t segment_bytes) {
    return (segment_bytes + GROUP - 1) / GROUP;
}

/** Weights of a step, of @vectors x 16 columns. */
INLINE size_t vnni_step_bytes(size_t vectors, bool int4) {
    return vectors * VECTOR / (int4 ? 2 : 1);
}

/** The weights of the block that begins with column @c. */
INLINE const uint8_t *vnni_block(const struct product *p, size_t c) {
    const size_t steps = p->n_segments * vnni_steps(p->segment_bytes);

    return (const uint8_t *) p->packed + (p->cols + LANES - 1) / LANES * VECTOR +
           steps * vnni_step_bytes(c / LANES, p->int4);
}

/** What is to be added to the bias from column @c on. */
INLINE const int32_t *vnni_offsets(const struct product *p, size_t c) {
    return (const int32_t *) p->packed + c;
}

/** 4 bytes of a row, for each column. */
INLINE __m512i vnni_broadcast(const int8_t *in, bool flip) {
    int32_t group;
    __m512i x;

    (void) memcpy(&group, in, sizeof(group));
    x = _mm512_set1_epi32(group);
    return flip ? vnni_flip(x) : x;
}
