/* SPDX-License-Identifier: MIT */
/*
 * Matrix products with AVX2: a tile of rows x 16 columns of sums stays in registers, while each
 * pair of a row's values, widened once, is broadcast against the weights of the columns.
 */
#include "models/kernels/avx2.h"

enum {
    TILE_ROWS = 4,      /* x 2 vectors of sums: with weights and values, 14 of the 16 registers */
    WIDE_ITEMS = 12288, /* room for a panel of rows, and for 16 columns of weights, as int16 */
    UNPACK_ROWS = 8,    /* from so many on it pays to unpack weights first */
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

/* A row as int16; up to 15 items behind it are written, and read where they lie before @end. */
static inline void widen(int16_t *wide, const int8_t *in, size_t depth, const int8_t *end) {
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

/* What does not change from tile to tile. */
struct product {
    const uint8_t *packed;
    const int32_t *bias;
    const struct requant *rq;
    struct gemm_size size;
    size_t stride; /* of wide rows, in items */
};

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

/* Columns [c, c + vectors x 8) of the product and how they end. */
struct columns {
    const struct product *product;
    const void *weights;
    size_t c;
    struct scaling scalings[2];
};

/* @rows x @vectors x 8 sums. */
INLINE void tile(int8_t *out, const int16_t *wide, const struct columns *columns, size_t rows,
                 size_t vectors, enum weights kind) {
    const struct product *p = columns->product;
    const size_t left = p->size.cols - columns->c, pairs = (p->size.depth + 1) / 2;
    const __m256i zero_point = _mm256_set1_epi32(p->rq->zero_point);
    __m256i sums[TILE_ROWS][2], w[2];

    for (size_t v = 0; v < vectors; v++)
        for (size_t r = 0; r < rows; r++)
            sums[r][v] = avx2_load(p->bias + columns->c + v * LANES, left - v * LANES);
    for (size_t k = 0; k < pairs; k++) {
        load_weights(w, columns->weights, k, vectors, kind);
        for (size_t r = 0; r < rows; r++) {
            int32_t pair;
            __m256i x;

            (void) memcpy(&pair, wide + r * p->stride + 2 * k, sizeof(pair));
            x = _mm256_set1_epi32(pair);
            for (size_t v = 0; v < vectors; v++)
                sums[r][v] = _mm256_add_epi32(sums[r][v], _mm256_madd_epi16(x, w[v]));
        }
    }
    for (size_t r = 0; r < rows; r++) {
        for (size_t v = 0; v < vectors; v++)
            sums[r][v] =
                _mm256_add_epi32(avx2_scale(sums[r][v], &columns->scalings[v]), zero_point);
        avx2_store(out + r * p->size.cols, sums[r], vectors, left, p->rq->min, p->rq->max);
    }
}

/* The panel's @rows rows of these columns. */
INLINE void tiles(int8_t *out, const int16_t *wide, const struct columns *columns, size_t rows,
                  size_t vectors, enum weights kind) {
    const size_t stride = columns->product->stride, cols = columns->product->size.cols;
    size_t r = 0;

    for (; r + TILE_ROWS <= rows; r += TILE_ROWS)
        tile(out + r * cols, wide + r * stride, columns, TILE_ROWS, vectors, kind);
    for (; r < rows; r++)
        tile(out + r * cols, wide + r * stride, columns, 1, vectors, kind);
}

INLINE void panel(int8_t *out, const int16_t *wide, const struct product *p, size_t rows, size_t c,
                  size_t vectors, bool int4) {
    const uint8_t *packed = p->packed + c / BLOCK * avx2_packed_bytes(BLOCK, p->size.depth, int4);
    const enum weights kind = int4 ? WEIGHTS_INT4 : WEIGHTS_INT8;
    const size_t pairs = (p->size.depth + 1) / 2;
    struct columns columns = { .product = p, .weights = packed, .c = c };
    __m256i unpacked[WIDE_ITEMS / BLOCK], w[2];

    for (size_t v = 0; v < vectors; v++)
        columns.scalings[v] = avx2_scaling(p->rq, c + v * LANES, p->size.cols);
    if (rows < UNPACK_ROWS || pairs * vectors > WIDE_ITEMS / BLOCK) {
        tiles(out + c, wide, &columns, rows, vectors, kind);
        return;
    }
    for (size_t k = 0; k < pairs; k++) {
        load_weights(w, packed, k, vectors, kind);
        for (size_t v = 0; v < vectors; v++)
            unpacked[k * vectors + v] = w[v];
    }
    columns.weights = unpacked;
    tiles(out + c, wide, &columns, rows, vectors, WEIGHTS_INT16);
}

INLINE void gemm(int8_t *out, const int8_t *in, const struct product *p, bool int4) {
    const size_t depth = p->size.depth, cols = p->size.cols;
    const int8_t *end = in + p->size.rows * depth;
    int16_t wide[WIDE_ITEMS + BLOCK];
    size_t n, c;

    for (size_t left = p->size.rows; left > 0; left -= n, in += n * depth, out += n * cols) {
        n = least(left, WIDE_ITEMS / p->stride);
        for (size_t r = 0; r < n; r++)
            widen(wide + r * p->stride, in + r * depth, depth, end);
        for (c = 0; c + LANES < cols; c += BLOCK)
            panel(out, wide, p, n, c, 2, int4);
        if (c < cols)
            panel(out, wide, p, n, c, 1, int4);
    }
}

static void run_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, struct gemm_size size) {
    const struct product p = { packed, bias, rq, size, (size.depth + BLOCK - 1) / BLOCK * BLOCK };

    if (size.depth > WIDE_ITEMS)
        c_gemm_s8.run(out, in, packed, bias, rq, size);
    else
        gemm(out, in, &p, false);
}

static void run_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, struct gemm_size size) {
    const struct product p = { packed, bias, rq, size, (size.depth + BLOCK - 1) / BLOCK * BLOCK };

    if (size.depth > WIDE_ITEMS)
        c_gemm_s4.run(out, in, packed, bias, rq, size);
    else
        gemm(out, in, &p, true);
}

const struct gemm_kernel avx2_gemm_s8 = { bytes_s8, pack_s8, run_s8 };
const struct gemm_kernel avx2_gemm_s4 = { bytes_s4, pack_s4, run_s4 };
