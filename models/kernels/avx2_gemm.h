/* SPDX-License-Identifier: MIT */
/* avx2_gemm - what matrix products and convolutions share: sums of products of wide rows. */
#pragma once

#include "models/kernels/avx2.h"

enum { WIDE_ITEMS = 12288 }; /* room for a panel of rows, and for 16 columns of weights, as int16 */

/**
 * A row as int16; up to 15 items behind it are written, and read where they lie before @end.
 */
INLINE void avx2_widen(int16_t *wide, const int8_t *in, size_t depth, const int8_t *end) {
    const size_t whole = (size_t) (end - in) / BLOCK * BLOCK;
    __m128i bytes = _mm_setzero_si128();
    size_t d = 0;

    for (; d < least(depth, whole); d += BLOCK)
        _mm256_storeu_si256((__m256i *) (wide + d),
                            _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *) (in + d))));
    if (d < depth) {
        (void) memcpy(&bytes, in + d, depth - d);
        _mm256_storeu_si256((__m256i *) (wide + d), _mm256_cvtepi8_epi16(bytes));
    }
}

/** What does not change from tile to tile. */
struct product {
    const uint8_t *packed;
    const int32_t *bias;
    const struct requant *rq;
    size_t cols;
    size_t stride;                                  /* of wide rows, in items */
    size_t n_segments, segment_pairs, segment_step; /* a row's; from one to the next, in items */
};

/** Rows of a panel: @n_lines times @n, @step items apart. */
struct lines {
    size_t n, step, n_lines;
};

/** Each of these rows of @wide against all columns. */
void avx2_product(int8_t *out, const int16_t *wide, const struct product *p,
                  const struct lines *lines, bool int4);
