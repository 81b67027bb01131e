/* SPDX-License-Identifier: MIT */
/*
 * Matrix products with AVX2: a tile of rows x 16 columns of sums stays in registers, while each
 * pair of a row's values, widened once, is broadcast against the weights of the columns.
 */
#include "models/kernels/avx2.h"

enum {
    TILE_ROWS = 4,      /* x 2 vectors of sums: with weights and values, 14 of the 16 registers */
    WIDE_ITEMS = 12288, /* room for a tile's rows */
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
    for (size_t d = 0; d < depth; d += BLOCK) {
        __m128i bytes = _mm_setzero_si128();

        if (end - (in + d) >= BLOCK)
            bytes = _mm_loadu_si128((const __m128i *) (in + d));
        else
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

/* @rows x @vectors x 8 sums, from column @c on. */
INLINE void tile(int8_t *out, const int16_t *wide, const struct product *p, size_t c, size_t rows,
                 size_t vectors, bool int4) {
    const size_t cols = p->size.cols, step = PAIRS_BYTES * (int4 ? 1 : vectors);
    const uint8_t *weights = p->packed + c / BLOCK * avx2_packed_bytes(BLOCK, p->size.depth, int4);
    const __m256i zero_point = _mm256_set1_epi32(p->rq->zero_point);
    __m256i sums[TILE_ROWS][2], w[2];

    for (size_t v = 0; v < vectors; v++)
        for (size_t r = 0; r < rows; r++)
            sums[r][v] = avx2_load(p->bias + c + v * LANES, cols - c - v * LANES);
    for (size_t d = 0; d < p->size.depth; d += 2, weights += step) {
        avx2_weights(w, weights, vectors, int4);
        for (size_t r = 0; r < rows; r++) {
            int32_t pair;
            __m256i x;

            (void) memcpy(&pair, wide + r * p->stride + d, sizeof(pair));
            x = _mm256_set1_epi32(pair);
            for (size_t v = 0; v < vectors; v++)
                sums[r][v] = _mm256_add_epi32(sums[r][v], _mm256_madd_epi16(x, w[v]));
        }
    }
    for (size_t v = 0; v < vectors; v++) {
        const struct scaling s = avx2_scaling(p->rq, c + v * LANES, cols);

        for (size_t r = 0; r < rows; r++)
            sums[r][v] = _mm256_add_epi32(avx2_scale(sums[r][v], &s), zero_point);
    }
    for (size_t r = 0; r < rows; r++)
        avx2_store(out + r * cols + c, sums[r], vectors, cols - c, p->rq->min, p->rq->max);
}

INLINE void strip(int8_t *out, const int16_t *wide, const struct product *p, size_t rows,
                  bool int4) {
    size_t c = 0;

    for (; c + LANES < p->size.cols; c += BLOCK)
        tile(out, wide, p, c, rows, 2, int4);
    if (c < p->size.cols)
        tile(out, wide, p, c, rows, 1, int4);
}

/* Rows for the next tile: the largest size there is that is not above @n. */
static size_t tile_rows(size_t n) {
    return n >= 4 ? 4 : n >= 2 ? 2 : 1;
}

INLINE void gemm(int8_t *out, const int8_t *in, const struct product *p, bool int4) {
    const size_t depth = p->size.depth, cols = p->size.cols;
    const int8_t *end = in + p->size.rows * depth;
    int16_t wide[WIDE_ITEMS + BLOCK];
    size_t n;

    for (size_t left = p->size.rows; left > 0; left -= n, in += n * depth, out += n * cols) {
        n = tile_rows(least(left, WIDE_ITEMS / p->stride));
        for (size_t r = 0; r < n; r++)
            widen(wide + r * p->stride, in + r * depth, depth, end);
        if (n == 4)
            strip(out, wide, p, 4, int4);
        else if (n == 2)
            strip(out, wide, p, 2, int4);
        else
            strip(out, wide, p, 1, int4);
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
