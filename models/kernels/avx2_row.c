/* SPDX-License-Identifier: MIT */
/*
 * One row against many columns with AVX2: weights are met once, so that they are used as they lie.
 * vpmaddubsw multiplies bytes without sign by bytes with: |x| by weights that take x's sign. Two
 * such products are at most 2 x 128 x 127 as long as no weight is -128.
 */
#include "models/kernels/avx2_gemm.h"

enum { BLOCKS = 4 }; /* of 16 columns together: 8 sums */

struct row {
    int8_t signs[WIDE_ITEMS + QUADS_BYTES]; /* in quads' order, zeros up to a whole vector */
    int8_t sizes[WIDE_ITEMS + QUADS_BYTES];
};

static void set_row(struct row *row, const int8_t *in, size_t depth) {
    const __m256i order = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15));

    for (size_t d = 0; d < depth; d += QUADS_BYTES) {
        __m256i x = _mm256_setzero_si256();

        if (d + QUADS_BYTES <= depth)
            x = _mm256_loadu_si256((const __m256i *) (in + d));
        else
            (void) memcpy(&x, in + d, depth - d);
        x = _mm256_shuffle_epi8(x, order);
        _mm256_storeu_si256((__m256i *) (row->signs + d), x);
        _mm256_storeu_si256((__m256i *) (row->sizes + d), _mm256_abs_epi8(x));
    }
}

INLINE __m256i quad_of(const int8_t *at) {
    int32_t quad;

    (void) memcpy(&quad, at, sizeof(quad));
    return _mm256_set1_epi32(quad);
}

/* Of @n_blocks times @vectors x 8 columns, whose weights begin at @weights. */
INLINE void multiply(__m256i sums[BLOCKS][2], const struct row *row, const uint8_t *weights,
                     size_t n_quads, size_t n_blocks, size_t vectors) {
    const size_t step = vectors * QUADS_BYTES, block_bytes = n_quads * step;
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i s[BLOCKS][2];

#pragma GCC unroll 4
    for (size_t b = 0; b < n_blocks; b++)
#pragma GCC unroll 2
        for (size_t v = 0; v < vectors; v++)
            s[b][v] = _mm256_setzero_si256();
    for (size_t k = 0; k < n_quads; k++, weights += step) {
        const __m256i sign = quad_of(row->signs + k * QUAD), size = quad_of(row->sizes + k * QUAD);

#pragma GCC unroll 4
        for (size_t b = 0; b < n_blocks; b++)
#pragma GCC unroll 2
            for (size_t v = 0; v < vectors; v++) {
                const __m256i w = _mm256_loadu_si256(
                    (const __m256i *) (weights + b * block_bytes + v * QUADS_BYTES));
                const __m256i pairs = _mm256_maddubs_epi16(size, _mm256_sign_epi8(w, sign));

                s[b][v] = _mm256_add_epi32(s[b][v], _mm256_madd_epi16(pairs, ones));
            }
    }
#pragma GCC unroll 4
    for (size_t b = 0; b < n_blocks; b++)
#pragma GCC unroll 2
        for (size_t v = 0; v < vectors; v++)
            sums[b][v] = s[b][v];
}

/* By themselves, so that compilers keep the sums in registers. */
static __attribute__((noinline)) void multiply_64(__m256i sums[BLOCKS][2], const struct row *row,
                                                  const uint8_t *weights, size_t n_quads) {
    multiply(sums, row, weights, n_quads, BLOCKS, 2);
}

static __attribute__((noinline)) void multiply_16(__m256i sums[BLOCKS][2], const struct row *row,
                                                  const uint8_t *weights, size_t n_quads) {
    multiply(sums, row, weights, n_quads, 1, 2);
}

static __attribute__((noinline)) void multiply_8(__m256i sums[BLOCKS][2], const struct row *row,
                                                 const uint8_t *weights, size_t n_quads) {
    multiply(sums, row, weights, n_quads, 1, 1);
}

INLINE void finish(int8_t *out, __m256i sums[BLOCKS][2], const struct product *p, size_t c,
                   size_t n_blocks, size_t vectors) {
    struct columns columns;

    for (size_t b = 0; b < n_blocks; b++) {
        __m256i block[1][2];

        avx2_set_columns(&columns, p, c + b * BLOCK, vectors);
        for (size_t v = 0; v < vectors; v++)
            block[0][v] = _mm256_add_epi32(sums[b][v], columns.bias[v]);
        avx2_finish(out + c + b * BLOCK, block, &columns, 1, vectors);
    }
}

void avx2_row(int8_t *out, const int8_t *in, const struct product *p, size_t depth) {
    const size_t n_quads = p->segment_pairs / 2, column_bytes = n_quads * QUAD;
    __m256i sums[BLOCKS][2];
    struct row row;
    size_t c = 0;

    set_row(&row, in, depth);
    for (; c + BLOCKS * BLOCK <= p->cols; c += BLOCKS * BLOCK) {
        multiply_64(sums, &row, p->packed + c * column_bytes, n_quads);
        finish(out, sums, p, c, BLOCKS, 2);
    }
    for (; c + LANES < p->cols; c += BLOCK) {
        multiply_16(sums, &row, p->packed + c * column_bytes, n_quads);
        finish(out, sums, p, c, 1, 2);
    }
    if (c < p->cols) {
        multiply_8(sums, &row, p->packed + c * column_bytes, n_quads);
        finish(out, sums, p, c, 1, 1);
    }
}
