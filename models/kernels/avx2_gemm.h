/* SPDX-License-Identifier: MIT */
/* avx2_gemm - what matrix products and convolutions share: sums of products of wide rows. */
#pragma once

#include "models/kernels/avx2.h"

enum {
    WIDE_ITEMS = 12288, /* room for a panel of rows, and for 16 columns of weights, as int16 */
    TILE_ROWS = 6,      /* x 2 vectors of sums: with weights, values and a product, 16 registers */
    QUAD = 4,
    QUADS_BYTES = 32,    /* a quad of weights for each of 8 columns, or two as int4 */
    NIBBLE_ZEROS = 0x88, /* two int4 of 0, in quads */
};

/**
 * How weights lie: pairs as in avx2.h, or int16, or quads along the depth:
 *   int8  [cols / 16][quads][2][8][4], a last block of up to 8 columns [quads][8][4]
 *   int4  the same of two quads, one in the low nibbles; 8 is added to each
 */
enum weights { PAIRS_S8, PAIRS_S4, PAIRS_S16, QUADS_S8, QUADS_S4 };

/** Where a quad's weights lie in it: its even bytes are a pair, and its odd ones. */
static const uint8_t avx2_quad_order[QUAD] = { 0, 2, 1, 3 };

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
    enum weights kind;
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
                  const struct lines *lines);

/** One row against quads. */
void avx2_row(int8_t *out, const int8_t *in, const struct product *p, size_t depth);

/** Columns [c, c + n) of the product and how they end. */
struct columns {
    const struct product *product;
    const void *weights;
    size_t c, n;             /* n: 1 .. 16 */
    enum rounding_steps how; /* in float32, ROUND_TWICE stands for the other ways */
    __m256i bias[2];         /* in float32: with the offsets */
    __m256 scale[2], nudge[2], below[2];
    __m256i min, max; /* bytes */
};

INLINE void avx2_set_columns(struct columns *columns, const struct product *p, size_t c,
                             size_t vectors) {
    const struct float_requant *in_float = &p->rq->in_float;

    columns->product = p;
    columns->c = c;
    columns->n = least(p->cols - c, BLOCK);
    columns->how = in_float->nudge ? ROUND_IN_FLOAT : ROUND_TWICE;
    columns->min = _mm256_set1_epi8((char) p->rq->min);
    columns->max = _mm256_set1_epi8((char) p->rq->max);
    for (size_t v = 0; v < vectors; v++) {
        const size_t at = c + v * LANES, n = p->cols - at;
        enum rounding_steps how;

        columns->bias[v] = avx2_load(p->bias + at, n);
        if (!in_float->nudge)
            continue;
        columns->scale[v] = avx2_load_floats(in_float->scale + at, n);
        columns->nudge[v] = avx2_load_floats(in_float->nudge + at, n);
        columns->below[v] = avx2_load_floats(in_float->below + at, n);
        how = avx2_rounding(columns->nudge[v], columns->below[v]);
        columns->how = how < columns->how ? how : columns->how;
    }
    for (size_t v = 0; v < vectors && columns->how != ROUND_TWICE; v++)
        columns->bias[v] = _mm256_add_epi32(
            columns->bias[v], avx2_load(in_float->offset + c + v * LANES, p->cols - c - v * LANES));
}

/** Where float32 does not do; rare. */
void avx2_requantise_columns(__m256i (*sums)[2], const struct columns *columns, size_t rows,
                             size_t vectors);

/** Store 16 bytes of each of 2 rows, or of 1, @cols apart; the first @n of each. */
INLINE void avx2_store_rows(int8_t *out, __m256i bytes, size_t rows, size_t n, size_t cols) {
    int8_t some[2][BLOCK];

    if (n == BLOCK) {
        _mm_storeu_si128((__m128i *) out, _mm256_castsi256_si128(bytes));
        if (rows > 1)
            _mm_storeu_si128((__m128i *) (out + cols), _mm256_extracti128_si256(bytes, 1));
        return;
    }
    _mm256_storeu_si256((__m256i *) some, bytes);
    for (size_t r = 0; r < rows; r++)
        (void) memcpy(out + r * cols, some[r], n);
}

/** Requantise and store @rows rows of sums; two rows of 16 columns, or four of 8, go together. */
INLINE void avx2_finish(int8_t *out, __m256i (*sums)[2], const struct columns *columns, size_t rows,
                        size_t vectors) {
    const size_t cols = columns->product->cols, together = 4 / vectors;
    __m256i kept[TILE_ROWS][2];

    if (columns->how == ROUND_IN_FLOAT) {
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (size_t v = 0; v < vectors; v++)
                sums[r][v] = avx2_round_in_float(sums[r][v], columns->scale[v], columns->nudge[v]);
    } else if (columns->how == ROUND_SPLIT) {
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (size_t v = 0; v < vectors; v++)
                sums[r][v] = avx2_round_split(sums[r][v], columns->scale[v], columns->nudge[v],
                                              columns->below[v]);
    } else { /* a copy, so that the sums themselves are never in memory */
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (size_t v = 0; v < vectors; v++)
                kept[r][v] = sums[r][v];
        avx2_requantise_columns(kept, columns, rows, vectors);
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (size_t v = 0; v < vectors; v++)
                sums[r][v] = kept[r][v];
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r += together) {
        const size_t n = least(rows - r, together);
        __m256i y[4];

#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++)
            y[i] = sums[least(r + i / vectors, rows - 1)][i % vectors];
        if (vectors == 1)
            avx2_store_pixels(out + r * cols, cols, y, n, columns->n, columns->min, columns->max);
        else
            avx2_store_rows(
                out + r * cols,
                _mm256_min_epi8(_mm256_max_epi8(avx2_narrow(y[0], y[1], y[2], y[3]), columns->min),
                                columns->max),
                n, columns->n, cols);
    }
}
