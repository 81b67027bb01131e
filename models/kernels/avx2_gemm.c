/* SPDX-License-Identifier: MIT */
/*
 * Matrix products with AVX2: a tile of rows x 16 columns of sums stays in registers, while each
 * pair of a row's values, widened once, is broadcast against the weights of the columns.
 */
#include "models/kernels/avx2_gemm.h"

enum {
    TILE_ROWS = 6, /* x 2 vectors of sums: with weights, values and a product, 16 registers */
    NARROW_TILE_ROWS = 3, /* of weights that are not unpacked before */
    UNPACK_ROWS = 3,      /* from so many on it pays to unpack weights first */
};

static size_t bytes_s8(size_t cols, size_t depth) {
    return depth > WIDE_ITEMS ? c_gemm_s8.packed_bytes(cols, depth)
                              : avx2_packed_bytes(cols, depth, false);
}

static size_t bytes_s4(size_t cols, size_t depth) {
    return depth > WIDE_ITEMS ? c_gemm_s4.packed_bytes(cols, depth)
                              : avx2_packed_bytes(cols, depth, true);
}

static void pack(void *packed, const int8_t *weight, size_t cols, size_t depth, bool int4) {
    for (size_t c = 0; c < cols; c++)
        for (size_t d = 0; d < depth; d++)
            avx2_pack(packed, cols, depth, int4, c, d, weight[c * depth + d]);
}

static void pack_s8(void *packed, const int8_t *weight, size_t cols, size_t depth) {
    if (depth > WIDE_ITEMS)
        c_gemm_s8.pack(packed, weight, cols, depth);
    else
        pack(packed, weight, cols, depth, false);
}

static void pack_s4(void *packed, const int8_t *weight, size_t cols, size_t depth) {
    if (depth > WIDE_ITEMS)
        c_gemm_s4.pack(packed, weight, cols, depth);
    else
        pack(packed, weight, cols, depth, true);
}

static inline size_t pairs_of(const struct product *p) {
    return p->n_segments * p->segment_pairs;
}

/* How the weights of the columns at hand lie. */
enum weights { WEIGHTS_INT16, WEIGHTS_INT8, WEIGHTS_INT4 };

INLINE void load_weights(__m256i w[2], const void *weights, size_t pair, size_t vectors,
                         enum weights kind) {
    const uint8_t *bytes = weights;

    if (kind == WEIGHTS_INT16)
        for (size_t v = 0; v < vectors; v++)
            w[v] = _mm256_loadu_si256((const __m256i *) weights + pair * vectors + v);
    else if (kind == WEIGHTS_INT8)
        avx2_weights(w, bytes + pair * vectors * PAIRS_BYTES, vectors, false);
    else
        avx2_weights(w, bytes + pair * PAIRS_BYTES, vectors, true);
}

/* Columns [c, c + n) of the product and how they end. */
struct columns {
    const struct product *product;
    const void *weights;
    size_t c, n;             /* n: 1 .. 16 */
    enum rounding_steps how; /* in float32, ROUND_TWICE stands for the other ways */
    __m256i bias[2];         /* in float32: with the offsets */
    __m256 scale[2], nudge[2], below[2];
    __m256i min, max; /* bytes */
};

INLINE void set_columns(struct columns *columns, const struct product *p, size_t c,
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

/* Products of @rows rows and @vectors x 8 columns. */
INLINE void multiply(__m256i sums[TILE_ROWS][2], const int16_t *wide, const struct columns *columns,
                     size_t rows, size_t vectors, enum weights kind) {
    const struct product *p = columns->product;
    const size_t pairs = p->segment_pairs, stride = p->stride;
    size_t pair = 0;

#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t v = 0; v < vectors; v++)
            sums[r][v] = columns->bias[v];
    for (size_t s = 0; s < p->n_segments; s++, wide += p->segment_step)
        for (size_t k = 0; k < pairs; k++, pair++) {
            __m256i w[2];

            load_weights(w, columns->weights, pair, vectors, kind);
#pragma GCC unroll 8
            for (size_t r = 0; r < rows; r++) {
                int32_t values;
                __m256i x;

                (void) memcpy(&values, wide + r * stride + 2 * k, sizeof(values));
                x = _mm256_set1_epi32(values);
#pragma GCC unroll 2
                for (size_t v = 0; v < vectors; v++)
                    sums[r][v] = _mm256_add_epi32(sums[r][v], _mm256_madd_epi16(x, w[v]));
            }
        }
}

/* Store 32 bytes: @n of each of 32 / @row_bytes rows of which there are @rows. */
INLINE void store_rows(int8_t *out, __m256i bytes, size_t row_bytes, size_t n, size_t cols,
                       size_t rows) {
    const __m128i half[] = { _mm256_castsi256_si128(bytes), _mm256_extracti128_si256(bytes, 1) };
    int8_t some[2 * BLOCK];

    if (row_bytes == BLOCK && n == BLOCK) {
        _mm_storeu_si128((__m128i *) out, half[0]);
        if (rows > 1)
            _mm_storeu_si128((__m128i *) (out + cols), half[1]);
        return;
    }
    _mm256_storeu_si256((__m256i *) some, bytes);
    for (size_t r = 0; r < least(rows, sizeof(some) / row_bytes); r++)
        if (n == LANES)
            (void) memcpy(out + r * cols, some + r * row_bytes, LANES);
        else
            (void) memcpy(out + r * cols, some + r * row_bytes, n);
}

/* Where float32 does not do; rare. */
static __attribute__((noinline)) void requantise(__m256i (*sums)[2], const struct columns *columns,
                                                 size_t rows, size_t vectors) {
    const struct product *p = columns->product;

    for (size_t v = 0; v < vectors; v++) {
        struct scaling scaling;

        avx2_scaling(&scaling, p->rq, columns->c + v * LANES, p->cols);
        for (size_t r = 0; r < rows; r++)
            sums[r][v] = avx2_requantise(_mm256_add_epi32(sums[r][v], scaling.offset), &scaling);
    }
}

/* Requantise and store; two rows of 16 columns, or four of 8, go together. */
INLINE void finish(int8_t *out, __m256i sums[TILE_ROWS][2], const struct columns *columns,
                   size_t rows, size_t vectors) {
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
        requantise(kept, columns, rows, vectors);
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (size_t v = 0; v < vectors; v++)
                sums[r][v] = kept[r][v];
    }
#pragma GCC unroll 4
    for (size_t r = 0; r < rows; r += together) {
        __m256i y[4], bytes;

#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++)
            y[i] = sums[least(r + i / vectors, rows - 1)][i % vectors];
        bytes = avx2_narrow(y[0], y[1], y[2], y[3]);
        bytes = _mm256_min_epi8(_mm256_max_epi8(bytes, columns->min), columns->max);
        store_rows(out + r * cols, bytes, vectors * LANES, columns->n, cols, rows - r);
    }
}

INLINE void tile(int8_t *out, const int16_t *wide, const struct columns *columns, size_t rows,
                 size_t vectors, enum weights kind) {
    __m256i sums[TILE_ROWS][2];

    multiply(sums, wide, columns, rows, vectors, kind);
    finish(out, sums, columns, rows, vectors);
}

/* All of them of these columns, in tiles as even as can be. */
INLINE void tiles(int8_t *out, const int16_t *wide, const struct columns *columns,
                  const struct lines *lines, size_t vectors, enum weights kind) {
    const size_t stride = columns->product->stride, cols = columns->product->cols;
    const size_t most = kind == WEIGHTS_INT16 ? TILE_ROWS : NARROW_TILE_ROWS;
    const size_t n_tiles = (lines->n + most - 1) / most;
    const size_t rows = lines->n / n_tiles, more = lines->n % n_tiles;

    for (size_t y = 0; y < lines->n_lines; y++, wide += lines->step, out += lines->n * cols)
        for (size_t i = 0, r = 0; i < n_tiles; i++) {
            const size_t n = i < more ? rows + 1 : rows;
            int8_t *to = out + r * cols;
            const int16_t *from = wide + r * stride;

            if (most > 3 && n == 6)
                tile(to, from, columns, 6, vectors, kind);
            else if (most > 3 && n == 5)
                tile(to, from, columns, 5, vectors, kind);
            else if (most > 3 && n == 4)
                tile(to, from, columns, 4, vectors, kind);
            else if (n == 3)
                tile(to, from, columns, 3, vectors, kind);
            else if (n == 2)
                tile(to, from, columns, 2, vectors, kind);
            else
                tile(to, from, columns, 1, vectors, kind);
            r += n;
        }
}

/* Weights unpacked to int16 before. */
static void tiles_of_16(int8_t *out, const int16_t *wide, const struct columns *columns,
                        const struct lines *lines) {
    tiles(out, wide, columns, lines, 2, WEIGHTS_INT16);
}

static void tiles_of_8(int8_t *out, const int16_t *wide, const struct columns *columns,
                       const struct lines *lines) {
    tiles(out, wide, columns, lines, 1, WEIGHTS_INT16);
}

INLINE void panel(int8_t *out, const int16_t *wide, const struct product *p,
                  const struct lines *lines, size_t c, size_t vectors, bool int4) {
    const size_t pairs = pairs_of(p);
    const uint8_t *packed = p->packed + c / BLOCK * avx2_packed_bytes(BLOCK, 2 * pairs, int4);
    const enum weights kind = int4 ? WEIGHTS_INT4 : WEIGHTS_INT8;
    struct columns columns;
    __m256i unpacked[WIDE_ITEMS / BLOCK], w[2];

    set_columns(&columns, p, c, vectors);
    if (lines->n * lines->n_lines < UNPACK_ROWS || pairs * vectors > WIDE_ITEMS / BLOCK) {
        columns.weights = packed;
        tiles(out + c, wide, &columns, lines, vectors, kind);
        return;
    }
    for (size_t k = 0; k < pairs; k++) {
        load_weights(w, packed, k, vectors, kind);
        for (size_t v = 0; v < vectors; v++)
            unpacked[k * vectors + v] = w[v];
    }
    columns.weights = unpacked;
    if (vectors == 2)
        tiles_of_16(out + c, wide, &columns, lines);
    else
        tiles_of_8(out + c, wide, &columns, lines);
}

INLINE void panels(int8_t *out, const int16_t *wide, const struct product *p,
                   const struct lines *lines, bool int4) {
    size_t c = 0;

    for (; c + LANES < p->cols; c += BLOCK)
        panel(out, wide, p, lines, c, 2, int4);
    if (c < p->cols)
        panel(out, wide, p, lines, c, 1, int4);
}

void avx2_product(int8_t *out, const int16_t *wide, const struct product *p,
                  const struct lines *lines, bool int4) {
    if (int4)
        panels(out, wide, p, lines, true);
    else
        panels(out, wide, p, lines, false);
}

/* ---- matrix products ---- */

static void gemm(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                 const struct requant *rq, struct gemm_size size, bool int4) {
    const struct product p = { .packed = packed,
                               .bias = bias,
                               .rq = rq,
                               .cols = size.cols,
                               .stride = (size.depth + BLOCK - 1) / BLOCK * BLOCK,
                               .n_segments = 1,
                               .segment_pairs = (size.depth + 1) / 2 };
    const int8_t *end = in + size.rows * size.depth;
    int16_t wide[WIDE_ITEMS + BLOCK];
    size_t n;

    for (size_t left = size.rows; left > 0; left -= n, in += n * size.depth, out += n * p.cols) {
        n = least(left, WIDE_ITEMS / p.stride);
        for (size_t r = 0; r < n; r++)
            avx2_widen(wide + r * p.stride, in + r * size.depth, size.depth, end);
        avx2_product(out, wide, &p, &(struct lines){ n, 0, 1 }, int4);
    }
}

static void run_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, struct gemm_size size) {
    if (size.depth > WIDE_ITEMS)
        c_gemm_s8.run(out, in, packed, bias, rq, size);
    else
        gemm(out, in, packed, bias, rq, size, false);
}

static void run_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, struct gemm_size size) {
    if (size.depth > WIDE_ITEMS)
        c_gemm_s4.run(out, in, packed, bias, rq, size);
    else
        gemm(out, in, packed, bias, rq, size, true);
}

const struct gemm_kernel avx2_gemm_s8 = { bytes_s8, pack_s8, run_s8 };
const struct gemm_kernel avx2_gemm_s4 = { bytes_s4, pack_s4, run_s4 };
