/* SPDX-License-Identifier: MIT */
/*
 * Matrix products of a few rows with AVX-512 VNNI, row by row: weights are met once or little more,
 * so they are loaded in the order they lie in and, int4, not taken apart.
 */
#include "models/kernels/avx512vnni_gemm.h"

enum {
    LINE_VECTORS = 4, /* of columns */
    LINE = 4 * LANES, /* columns */
    LINE_BYTES = 16,  /* of the row at a time */
    PARTS = LINE_BYTES / GROUP,
    BYTES_MAX_S4 = INT32_MAX / (16 * 15 * 128), /* of a row, for 16 sums of nibbles in an int32 */
};

/* Columns of some rows. */
struct part {
    const struct product *product;
    const uint8_t *weights;
    size_t block_bytes; /* of weights */
    size_t c;           /* the first one */
};

/*
 * Products of 4 bytes of a row, for each column, with a step's weights of @vectors x 16 columns.
 * int4 ones meet inputs with sign and are not taken apart: of the two vectors of a block, the first
 * gets what low nibbles give, the second what whole bytes do, which is 16 times what high nibbles
 * would and the first.
 */
INLINE void multiply_group(__m512i *sums, __m512i group, const uint8_t *weights,
                           const struct part *part, size_t vectors, bool int4) {
#pragma GCC unroll 2
    for (size_t v = 0; v < vectors; v += BLOCK_VECTORS, weights += part->block_bytes) {
        const __m512i w = _mm512_loadu_si512(weights);

        if (int4) {
            vnni_dot(&sums[v], _mm512_and_si512(w, _mm512_set1_epi8(15)), group);
            vnni_dot(&sums[v + 1], w, group);
        } else {
            vnni_dot(&sums[v], group, w);
            vnni_dot(&sums[v + 1], group, _mm512_loadu_si512(weights + VECTOR));
        }
    }
}

/* Products of 16 bytes of a row, 4 times @x, each 4 of them in sums of their own, which hides
 * latencies. */
INLINE void multiply_line(__m512i sums[PARTS][LINE_VECTORS], __m512i x, const uint8_t *weights,
                          const struct part *part, size_t vectors, bool int4) {
    const __m512i groups[] = { _mm512_shuffle_epi32(x, _MM_PERM_AAAA),
                               _mm512_shuffle_epi32(x, _MM_PERM_BBBB),
                               _mm512_shuffle_epi32(x, _MM_PERM_CCCC),
                               _mm512_shuffle_epi32(x, _MM_PERM_DDDD) };

#pragma GCC unroll 4
    for (size_t i = 0; i < PARTS; i++)
        multiply_group(sums[i], groups[i], weights + i * vnni_step_bytes(BLOCK_VECTORS, int4), part,
                       vectors, int4);
}

/* All products of one row with @vectors x 16 columns. */
INLINE void sum_up_line(__m512i *sums, const struct part *part, const int8_t *row, size_t vectors,
                        bool int4, bool flip) {
    const struct product *p = part->product;
    const size_t step = vnni_step_bytes(BLOCK_VECTORS, int4), rest = p->segment_bytes % LINE_BYTES;
    const size_t n_segments = flip ? 1 : p->n_segments;
    const bool turn = flip != int4; /* int4 wants inputs as they are */
    const uint8_t *weights = part->weights;
    __m512i parts[PARTS][LINE_VECTORS];

#pragma GCC unroll 4
    for (size_t i = 0; i < PARTS; i++)
#pragma GCC unroll 4
        for (size_t v = 0; v < vectors; v++)
            parts[i][v] = _mm512_setzero_si512();
    for (size_t s = 0; s < n_segments; s++, row += p->segment_step) {
        const int8_t *in = row, *end = in + p->segment_bytes - rest;
        int8_t bytes[LINE_BYTES];

        for (; in < end; in += LINE_BYTES, weights += PARTS * step) {
            const __m512i x = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *) in));

            multiply_line(parts, turn ? vnni_flip(x) : x, weights, part, vectors, int4);
        }
        if (rest == 0)
            continue;
        (void) memset(bytes, flip ? 0 : FLIP, sizeof(bytes));
        (void) memcpy(bytes, in, rest); /* nothing behind a row may be read */
        for (size_t d = 0; d < rest; d += GROUP, weights += step)
            multiply_group(parts[0], vnni_broadcast(bytes + d, turn), weights, part, vectors, int4);
    }

#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++)
        sums[v] = _mm512_add_epi32(_mm512_add_epi32(parts[0][v], parts[1][v]),
                                   _mm512_add_epi32(parts[2][v], parts[3][v]));
}

/* What a row adds to each sum of int4 weights: NIBBLE_ZERO times all that it has. */
INLINE int32_t zeros_of(const struct product *p, const int8_t *row, bool flip) {
    __m512i sum = _mm512_setzero_si512();

    for (size_t s = 0; s < (flip ? 1 : p->n_segments); s++, row += p->segment_step)
        for (size_t d = 0; d < p->segment_bytes; d += VECTOR) {
            const __mmask64 some = vnni_bytes(p->segment_bytes - d);
            const __m512i x = _mm512_maskz_loadu_epi8(some, row + d);

            vnni_dot(&sum, _mm512_set1_epi8(NIBBLE_ZERO),
                     flip ? x : _mm512_maskz_mov_epi8(some, vnni_flip(x)));
        }
    return _mm512_reduce_add_epi32(sum);
}

/* @vectors x 16 columns of a row, 2 or 4; @zeros are what zeros_of() says, for int4. */
INLINE void line(int8_t *out, const int8_t *row, const struct part *part, int32_t zeros,
                 size_t vectors, enum rounding how, bool int4, bool flip) {
    const struct product *p = part->product;
    size_t c = part->c;
    __m512i y[LINE_VECTORS], bytes;

    sum_up_line(y, part, row, vectors, int4, flip);
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++, c += LANES) {
        const struct scaling scaling = vnni_scaling(p->rq, c, LANES, how);

        if (int4 && v % 2 == 0)
            y[v + 1] = _mm512_srai_epi32(_mm512_sub_epi32(y[v + 1], y[v]), 4);
        y[v] = _mm512_add_epi32(y[v], _mm512_loadu_si512(p->bias + c));
        y[v] = int4 ? _mm512_sub_epi32(y[v], _mm512_set1_epi32(zeros))
                    : _mm512_add_epi32(y[v], _mm512_loadu_si512(vnni_offsets(p, c)));
        y[v] = vnni_scale(y[v], &scaling, how);
    }
    for (size_t v = vectors; v < LINE_VECTORS; v++)
        y[v] = y[0];
    bytes = vnni_clamp(vnni_sort(vnni_narrow_scaled(y, p->rq->zero_point, how)), p->rq);
    if (vectors == LINE_VECTORS)
        _mm512_storeu_si512(out, bytes);
    else
        _mm256_storeu_si256((__m256i *) out, _mm512_castsi512_si256(bytes));
}

/* @vectors x 16 columns of each of @n single rows. */
INLINE void some_lines(const struct part *part, const struct rows *first, size_t n,
                       const int32_t *zeros, size_t vectors, bool int4, bool flip) {
    const struct product *p = part->product;
    const enum rounding how = vnni_rounding(p->rq, part->c, vectors * LANES);
    const int8_t *in = first->in;
    int8_t *out = first->out + part->c;

    for (size_t i = 0; i < n; i++, in += first->step, out += p->cols)
        if (how == ROUND_POSITIVE)
            line(out, in, part, zeros[i], vectors, ROUND_POSITIVE, int4, flip);
        else if (how == ROUND_RIGHT)
            line(out, in, part, zeros[i], vectors, ROUND_RIGHT, int4, flip);
        else
            line(out, in, part, zeros[i], vectors, ROUND_ANY, int4, flip);
}

INLINE size_t lines(const struct product *p, const struct rows *first, size_t n, bool int4,
                    bool flip) {
    const size_t steps = p->n_segments * vnni_steps(p->segment_bytes);
    struct part part = { p, vnni_block(p, 0), steps * vnni_step_bytes(BLOCK_VECTORS, int4), 0 };
    int32_t zeros[SOME_ROWS] = { 0 };

    if (p->cols < BLOCK || (int4 && steps * GROUP > BYTES_MAX_S4))
        return 0;
    for (size_t i = 0; i < n && int4; i++)
        zeros[i] = zeros_of(p, first->in + i * first->step, flip);
    for (; part.c + LINE <= p->cols; part.c += LINE) {
        some_lines(&part, first, n, zeros, LINE_VECTORS, int4, flip);
        part.weights += LINE_VECTORS / BLOCK_VECTORS * part.block_bytes;
    }
    if (part.c + BLOCK <= p->cols) {
        some_lines(&part, first, n, zeros, BLOCK_VECTORS, int4, flip);
        part.c += BLOCK;
    }
    return part.c;
}

size_t vnni_lines(const struct product *p, const struct rows *first, size_t n) {
    if (p->strip)
        return p->int4 ? lines(p, first, n, true, false) : lines(p, first, n, false, false);
    return p->int4 ? lines(p, first, n, true, true) : lines(p, first, n, false, true);
}
