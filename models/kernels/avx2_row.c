/* SPDX-License-Identifier: MIT */
/*
 * Products of one row with AVX2, of a few row by row: weights are met so seldom that they are used
 * as they lie. vpmaddubsw multiplies bytes without sign by bytes with: |x| by weights that take x's
 * sign. Two such products are at most 2 x 128 x 127 as long as no weight is -128.
 */
#include "models/kernels/avx2_gemm.h"

enum {
    BLOCKS = 4,    /* of 16 columns together: 8 sums */
    BLOCKS_S4 = 2, /* 4, and 4 of int16 */
    STEPS = 4,     /* of two products each that go into an int16 */
};

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

/* Of @n items, whole quads. */
static int32_t sum_of(const struct row *row, size_t n) {
    int32_t sum = 0;

    for (size_t d = 0; d < n; d++)
        sum += row->signs[d];
    return sum;
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

/*
 * The same of int4. As 8 is added to each weight, so is 8 times the row's sum to each sum;
 * @start is minus that. Eight products of up to 2 x 15 x 128 go into an int16.
 */
INLINE void multiply_s4(__m256i sums[BLOCKS][2], const struct row *row, const uint8_t *weights,
                        size_t n_steps, __m256i start, size_t n_blocks, size_t vectors) {
    const size_t step = vectors * QUADS_BYTES, block_bytes = n_steps * step;
    const __m256i ones = _mm256_set1_epi16(1), nibble = _mm256_set1_epi8(15);
    const int8_t *x = row->signs;
    __m256i s[BLOCKS][2], words[BLOCKS][2];

#pragma GCC unroll 4
    for (size_t b = 0; b < n_blocks; b++)
#pragma GCC unroll 2
        for (size_t v = 0; v < vectors; v++)
            s[b][v] = start;
    for (size_t k = 0; k < n_steps; k += STEPS) {
#pragma GCC unroll 4
        for (size_t b = 0; b < n_blocks; b++)
#pragma GCC unroll 2
            for (size_t v = 0; v < vectors; v++)
                words[b][v] = _mm256_setzero_si256();
        for (size_t i = k; i < least(k + STEPS, n_steps); i++, weights += step, x += 2 * QUAD) {
            const __m256i x0 = quad_of(x), x1 = quad_of(x + QUAD);

#pragma GCC unroll 4
            for (size_t b = 0; b < n_blocks; b++)
#pragma GCC unroll 2
                for (size_t v = 0; v < vectors; v++) {
                    const __m256i w = _mm256_loadu_si256(
                        (const __m256i *) (weights + b * block_bytes + v * QUADS_BYTES));
                    const __m256i low = _mm256_and_si256(w, nibble);
                    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(w, 4), nibble);

                    words[b][v] = _mm256_add_epi16(words[b][v], _mm256_maddubs_epi16(low, x0));
                    words[b][v] = _mm256_add_epi16(words[b][v], _mm256_maddubs_epi16(high, x1));
                }
        }
#pragma GCC unroll 4
        for (size_t b = 0; b < n_blocks; b++)
#pragma GCC unroll 2
            for (size_t v = 0; v < vectors; v++)
                s[b][v] = _mm256_add_epi32(s[b][v], _mm256_madd_epi16(words[b][v], ones));
    }
#pragma GCC unroll 4
    for (size_t b = 0; b < n_blocks; b++)
#pragma GCC unroll 2
        for (size_t v = 0; v < vectors; v++)
            sums[b][v] = s[b][v];
}

/* These by themselves, so that compilers keep the sums in registers. */
static __attribute__((noinline)) void multiply_wide(__m256i sums[BLOCKS][2], const struct row *row,
                                                    const uint8_t *weights, size_t n_quads) {
    multiply(sums, row, weights, n_quads, BLOCKS, 2);
}

static __attribute__((noinline)) void multiply_narrow(__m256i sums[BLOCKS][2],
                                                      const struct row *row, const uint8_t *weights,
                                                      size_t n_quads, size_t vectors) {
    if (vectors == 2)
        multiply(sums, row, weights, n_quads, 1, 2);
    else
        multiply(sums, row, weights, n_quads, 1, 1);
}

static __attribute__((noinline)) void multiply_wide_s4(__m256i sums[BLOCKS][2],
                                                       const struct row *row,
                                                       const uint8_t *weights, size_t n_steps,
                                                       __m256i start) {
    multiply_s4(sums, row, weights, n_steps, start, BLOCKS_S4, 2);
}

static __attribute__((noinline)) void multiply_narrow_s4(__m256i sums[BLOCKS][2],
                                                         const struct row *row,
                                                         const uint8_t *weights, size_t n_steps,
                                                         __m256i start, size_t vectors) {
    if (vectors == 2)
        multiply_s4(sums, row, weights, n_steps, start, 1, 2);
    else
        multiply_s4(sums, row, weights, n_steps, start, 1, 1);
}

/* @n_blocks whole blocks; false if float32 does not do for all of them. */
INLINE bool finish_in_float(int8_t *out, __m256i sums[BLOCKS][2], const struct product *p, size_t c,
                            size_t n_blocks) {
    const struct float_requant *in_float = &p->rq->in_float;
    const __m256i min = _mm256_set1_epi8((char) p->rq->min);
    const __m256i max = _mm256_set1_epi8((char) p->rq->max);
    __m256 missing = _mm256_setzero_ps();
    __m256i y[BLOCKS][2];

    if (!in_float->nudge)
        return false;
#pragma GCC unroll 8
    for (size_t i = 0; i < 2 * n_blocks; i++) {
        const size_t at = c + i * LANES;
        const __m256 nudge = _mm256_loadu_ps(in_float->nudge + at);
        const __m256i sum = _mm256_add_epi32(sums[i / 2][i % 2], avx2_load(p->bias + at, LANES));

        missing = _mm256_or_ps(missing, _mm256_cmp_ps(nudge, nudge, _CMP_UNORD_Q));
        y[i / 2][i % 2] = avx2_round_split(
            _mm256_add_epi32(sum, avx2_load(in_float->offset + at, LANES)),
            _mm256_loadu_ps(in_float->scale + at), nudge, _mm256_loadu_ps(in_float->below + at));
    }
    if (_mm256_movemask_ps(missing) != 0)
        return false;
#pragma GCC unroll 2
    for (size_t b = 0; b < n_blocks; b += 2) {
        const __m256i bytes = avx2_narrow(y[b][0], y[b][1], y[b + 1][0], y[b + 1][1]);

        _mm256_storeu_si256((__m256i *) (out + c + b * BLOCK),
                            _mm256_min_epi8(_mm256_max_epi8(bytes, min), max));
    }
    return true;
}

static void finish(int8_t *out, const __m256i sums[2], const struct product *p, size_t c) {
    const size_t vectors = p->cols - c > LANES ? 2 : 1;
    struct columns columns;
    __m256i row[1][2];

    avx2_set_columns(&columns, p, c, vectors);
    for (size_t v = 0; v < vectors; v++)
        row[0][v] = _mm256_add_epi32(sums[v], columns.bias[v]);
    if (vectors == 2)
        avx2_finish(out + c, row, &columns, 1, 2);
    else
        avx2_finish(out + c, row, &columns, 1, 1);
}

/* @n_blocks whole ones. */
INLINE void finish_blocks(int8_t *out, __m256i sums[BLOCKS][2], const struct product *p, size_t c,
                          size_t n_blocks) {
    if (!finish_in_float(out, sums, p, c, n_blocks))
        for (size_t b = 0; b < n_blocks; b++)
            finish(out, sums[b], p, c + b * BLOCK);
}

static void row_s8(int8_t *out, const struct row *row, const struct product *p) {
    const size_t n_quads = p->segment_pairs / 2, column_bytes = n_quads * QUAD;
    __m256i sums[BLOCKS][2];
    size_t c = 0;

    for (; c + BLOCKS * BLOCK <= p->cols; c += BLOCKS * BLOCK) {
        multiply_wide(sums, row, p->packed + c * column_bytes, n_quads);
        finish_blocks(out, sums, p, c, BLOCKS);
    }
    for (; c < p->cols; c += BLOCK) {
        const size_t vectors = p->cols - c > LANES ? 2 : 1;

        multiply_narrow(sums, row, p->packed + c * column_bytes, n_quads, vectors);
        finish(out, sums[0], p, c);
    }
}

static void row_s4(int8_t *out, const struct row *row, const struct product *p) {
    const size_t n_steps = p->segment_pairs / 4, column_bytes = n_steps * QUAD;
    const __m256i start = _mm256_set1_epi32(-8 * sum_of(row, 2 * p->segment_pairs));
    __m256i sums[BLOCKS][2];
    size_t c = 0;

    for (; c + BLOCKS_S4 * BLOCK <= p->cols; c += BLOCKS_S4 * BLOCK) {
        multiply_wide_s4(sums, row, p->packed + c * column_bytes, n_steps, start);
        finish_blocks(out, sums, p, c, BLOCKS_S4);
    }
    for (; c < p->cols; c += BLOCK) {
        const size_t vectors = p->cols - c > LANES ? 2 : 1;

        multiply_narrow_s4(sums, row, p->packed + c * column_bytes, n_steps, start, vectors);
        finish(out, sums[0], p, c);
    }
}

void avx2_row(int8_t *out, const int8_t *in, const struct product *p, size_t depth) {
    struct row row;

    set_row(&row, in, depth);
    if (p->kind == QUADS_S8)
        row_s8(out, &row, p);
    else
        row_s4(out, &row, p);
}
