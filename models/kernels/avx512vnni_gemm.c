/* SPDX-License-Identifier: MIT */
/*
 * Matrix products with AVX-512 VNNI: a tile of rows x 32 columns of sums stays in registers, while
 * each group of 4 of a row's values is broadcast against the weights of the columns. int4 ones are
 * taken apart first. Fewer rows than make a tile are done line by line (avx512vnni_line.c).
 */
#include "models/kernels/avx512vnni_gemm.h"

enum {
    TILE_ROWS = 8,    /* x 2 vectors of sums: 16 products under way hide their latency */
    NARROW_ROWS = 16, /* x 1 vector */
    ROWS_MAX = 16,
    POINTER_ROWS = 3,    /* that share a pointer: more pointers than registers cost more */
    NIBBLE_ZEROS = 0x88, /* two int4 of 0 */
};

size_t vnni_packed_bytes(size_t cols, size_t n_segments, size_t segment_bytes, bool int4) {
    const size_t vectors = (cols + LANES - 1) / LANES;

    return vectors * VECTOR +
           n_segments * vnni_steps(segment_bytes) * vnni_step_bytes(vectors, int4);
}

void vnni_pack(void *packed, const int8_t *weight, size_t cols, size_t n_segments,
               size_t segment_bytes, bool int4) {
    const size_t vectors = (cols + LANES - 1) / LANES,
                 steps = n_segments * vnni_steps(segment_bytes);
    uint32_t *offsets = packed;
    uint8_t *blocks = (uint8_t *) packed + vectors * VECTOR;

    if (int4)
        (void) memset(blocks, NIBBLE_ZEROS, steps * vnni_step_bytes(vectors, true));
    for (size_t c = 0; c < cols; c++) {
        const size_t before = c / BLOCK * BLOCK_VECTORS;
        const size_t block_vectors = least(vectors - before, BLOCK_VECTORS);
        const size_t half = block_vectors * LANES / 2, column = c % BLOCK;
        uint8_t *first = blocks + steps * vnni_step_bytes(before, int4) +
                         (int4 ? column % half : column) * GROUP;

        for (size_t s = 0; s < n_segments; s++)
            for (size_t d = 0; d < segment_bytes; d++, weight++) {
                const size_t step = s * vnni_steps(segment_bytes) + d / GROUP;
                uint8_t *to = first + step * vnni_step_bytes(block_vectors, int4) + d % GROUP;

                offsets[c] -= (uint32_t) (FLIP * *weight);
                if (int4)
                    *to ^= (uint8_t) ((*weight & 15) << (column / half * 4));
                else
                    *to = (uint8_t) *weight;
            }
    }
}

/* Some columns of the product, and how they end. */
struct columns {
    const struct product *product;
    const uint8_t *weights;
    size_t c, n; /* columns [c, c + n) */
    enum rounding how;
    const struct scaling *scalings; /* of each vector, for more than one row */
};

/* A step's weights of @vectors x 16 columns. */
INLINE void load_weights(__m512i w[BLOCK_VECTORS], const uint8_t *weights, size_t vectors,
                         bool int4) {
    const __m512i high = _mm512_setr_epi64(0, 0, 0, 0, 4, 4, 4, 4);

    if (int4 && vectors == 1) {
        w[0] = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i *) weights));
        w[0] = _mm512_srlv_epi64(w[0], high);
    } else {
        w[0] = _mm512_loadu_si512(weights);
        if (vectors == 2)
            w[1] = int4 ? _mm512_srli_epi16(w[0], 4) : _mm512_loadu_si512(weights + VECTOR);
    }
#pragma GCC unroll 2
    for (size_t v = 0; v < vectors && int4; v++)
        w[v] = _mm512_sub_epi8(_mm512_and_si512(w[v], _mm512_set1_epi8(15)),
                               _mm512_set1_epi8(NIBBLE_ZERO));
}

/* 4 products of each of @rows with the columns of @vectors. */
INLINE void multiply(__m512i *sums, const int8_t *const *in, size_t in_step, const uint8_t *weights,
                     size_t rows, size_t vectors, bool int4, bool flip) {
    __m512i w[BLOCK_VECTORS];

    load_weights(w, weights, vectors, int4);
#pragma GCC unroll 16
    for (size_t r = 0; r < rows; r++) {
        const __m512i x = vnni_broadcast(in[r / POINTER_ROWS] + r % POINTER_ROWS * in_step, flip);

#pragma GCC unroll 16
        for (size_t v = 0; v < vectors; v++)
            vnni_dot(&sums[r * vectors + v], x, w[v]);
    }
}

/* All products of @rows with the columns of @vectors. */
INLINE void sum_up(__m512i *sums, const struct rows *from, const uint8_t *weights,
                   const struct product *p, size_t rows, size_t vectors, bool int4, bool flip) {
    const size_t advance = vnni_step_bytes(vectors, int4);
    const size_t n_pointers = (rows + POINTER_ROWS - 1) / POINTER_ROWS;
    const size_t whole = flip ? p->segment_bytes / GROUP : vnni_steps(p->segment_bytes);
    const size_t rest = flip ? p->segment_bytes % GROUP : 0;
    const size_t in_step = from->step;
    int8_t ends[ROWS_MAX][GROUP] = { 0 };
    const int8_t *in[ROWS_MAX];

    for (size_t s = 0; s < p->n_segments; s++) {

#pragma GCC unroll 16
        for (size_t i = 0; i < n_pointers; i++)
            in[i] = from->in + s * p->segment_step + i * POINTER_ROWS * in_step;
        for (size_t d = 0; d < whole; d++, weights += advance) {
            multiply(sums, in, in_step, weights, rows, vectors, int4, flip);

#pragma GCC unroll 16
            for (size_t i = 0; i < n_pointers; i++)
                in[i] += GROUP;
        }
    }
    if (rest == 0)
        return;
    for (size_t r = 0; r < rows; r++) /* nothing behind the last row may be read */
        (void) memcpy(ends[r], from->in + r * in_step + whole * GROUP, rest);
    for (size_t i = 0; i < n_pointers; i++)
        in[i] = ends[i * POINTER_ROWS];
    multiply(sums, in, GROUP, weights, rows, vectors, int4, flip);
}

/* A fourth of 4 x 16 outputs for each vector. */
INLINE void store_apart(int8_t *out, __m512i bytes, const struct columns *columns, size_t i,
                        size_t at_once, size_t vectors) {
    const size_t cols = columns->product->cols, n = columns->n;
    const __m128i fourths[] = { _mm512_castsi512_si128(bytes), _mm512_extracti32x4_epi32(bytes, 1),
                                _mm512_extracti32x4_epi32(bytes, 2),
                                _mm512_extracti32x4_epi32(bytes, 3) };

#pragma GCC unroll 16
    for (size_t k = 0; k < at_once; k++) {
        const size_t c = (i + k) % vectors * LANES;
        int8_t *to = out + (i + k) / vectors * cols + c;

        if (c + LANES <= n)
            _mm_storeu_si128((__m128i *) to, fourths[k]);
        else if (c < n)
            _mm_mask_storeu_epi8(to, vnni_lanes(n - c), fourths[k]);
    }
}

/* 4 x 16 outputs, of @vectors for a row, from vector @i on. */
INLINE void store(int8_t *out, __m512i bytes, const struct columns *columns, size_t i,
                  size_t at_once, size_t vectors) {
    const size_t cols = columns->product->cols, n = columns->n;

    if (at_once == 4 && (vectors >= 4 || cols == vectors * LANES)) {
        _mm512_storeu_si512(out + i * LANES, bytes); /* lie side by side */
        return;
    }
    if (at_once == 4 && vectors == 2 && n == BLOCK) {
        _mm256_storeu_si256((__m256i *) (out + i / 2 * cols), _mm512_castsi512_si256(bytes));
        _mm256_storeu_si256((__m256i *) (out + (i / 2 + 1) * cols),
                            _mm512_extracti64x4_epi64(bytes, 1));
        return;
    }
    store_apart(out, bytes, columns, i, at_once, vectors);
}

/* Sums become bytes, 4 vectors at a time. */
INLINE void finish(int8_t *out, const __m512i *sums, const struct columns *columns, size_t rows,
                   size_t vectors, enum rounding how) {
    const struct requant *rq = columns->product->rq;

#pragma GCC unroll 16
    for (size_t i = 0; i < rows * vectors; i += 4) {
        const size_t at_once = least(rows * vectors - i, 4);
        __m512i y[4];

#pragma GCC unroll 16
        for (size_t k = 0; k < at_once; k++) {
            const size_t v = (i + k) % vectors, c = columns->c + v * LANES;
            const struct scaling scaling = /* columns of one row are seldom used again */
                rows == 1 ? vnni_scaling(rq, c, columns->n - v * LANES, how) : columns->scalings[v];

            y[k] = vnni_scale(sums[i + k], &scaling, how);
        }
        for (size_t k = at_once; k < 4; k++)
            y[k] = y[0];
        store(out, vnni_clamp(vnni_sort(vnni_narrow_scaled(y, rq->zero_point, how)), rq), columns,
              i, at_once, vectors);
    }
}

INLINE void finish_as_fits(int8_t *out, const __m512i *sums, const struct columns *columns,
                           size_t rows, size_t vectors) {
    if (columns->how == ROUND_IN_FLOAT)
        finish(out, sums, columns, rows, vectors, ROUND_IN_FLOAT);
    else if (columns->how == ROUND_SPLIT)
        finish(out, sums, columns, rows, vectors, ROUND_SPLIT);
    else if (columns->how == ROUND_POSITIVE)
        finish(out, sums, columns, rows, vectors, ROUND_POSITIVE);
    else if (columns->how == ROUND_RIGHT)
        finish(out, sums, columns, rows, vectors, ROUND_RIGHT);
    else
        finish(out, sums, columns, rows, vectors, ROUND_ANY);
}

/* What the sums of vector @v begin with. */
INLINE __m512i start(const struct columns *columns, size_t v) {
    const struct product *p = columns->product;
    const size_t c = columns->c + v * LANES, n = columns->n - v * LANES;
    const __m512i sums =
        _mm512_add_epi32(vnni_load(p->bias + c, n), _mm512_loadu_si512(vnni_offsets(p, c)));

    return columns->how >= ROUND_SPLIT
               ? _mm512_add_epi32(sums, vnni_load(p->rq->in_float.offset + c, n))
               : sums;
}

INLINE void tile(const struct rows *from, const struct columns *columns, size_t rows,
                 size_t vectors, bool int4, bool flip) {
    __m512i sums[ROWS_MAX * BLOCK_VECTORS];

#pragma GCC unroll 16
    for (size_t i = 0; i < rows * vectors; i++)
        sums[i] = i < vectors ? start(columns, i) : sums[i - vectors];
    sum_up(sums, from, columns->weights, columns->product, rows, vectors, int4, flip);
    finish_as_fits(from->out, sums, columns, rows, vectors);
}

typedef void tile_fn(const struct rows *from, const struct columns *columns);

/* Functions of their own, so that each has the registers to itself. */
#define TILES(kind, int4, flip)                                                                    \
    static void kind##_16x1(const struct rows *from, const struct columns *columns) {              \
        tile(from, columns, NARROW_ROWS, 1, int4, flip);                                           \
    }                                                                                              \
    static void kind##_5x1(const struct rows *from, const struct columns *columns) {               \
        tile(from, columns, SOME_ROWS, 1, int4, flip);                                             \
    }                                                                                              \
    static void kind##_1x1(const struct rows *from, const struct columns *columns) {               \
        tile(from, columns, 1, 1, int4, flip);                                                     \
    }                                                                                              \
    static void kind##_8x2(const struct rows *from, const struct columns *columns) {               \
        tile(from, columns, TILE_ROWS, 2, int4, flip);                                             \
    }                                                                                              \
    static void kind##_5x2(const struct rows *from, const struct columns *columns) {               \
        tile(from, columns, SOME_ROWS, 2, int4, flip);                                             \
    }                                                                                              \
    static void kind##_1x2(const struct rows *from, const struct columns *columns) {               \
        tile(from, columns, 1, 2, int4, flip);                                                     \
    }                                                                                              \
    static const struct tiles kind##_tiles = {                                                     \
        { { kind##_16x1, NARROW_ROWS }, { kind##_5x1, SOME_ROWS }, { kind##_1x1, 1 } },            \
        { { kind##_8x2, TILE_ROWS }, { kind##_5x2, SOME_ROWS }, { kind##_1x2, 1 } },               \
    }

struct tiles {
    struct tile_of {
        tile_fn *run;
        size_t rows;
    } narrow[3], block[3]; /* of 1 and 2 vectors of columns, for many rows, some and one */
};

TILES(s8, false, true);
TILES(s4, true, true);
TILES(strip_s8, false, false);
TILES(strip_s4, true, false);

/* @n rows; the last tile may compute some once more. */
static void run_rows(const struct tile_of tiles[3], const struct columns *columns,
                     const struct rows *first, size_t n) {
    const size_t many = tiles[0].rows, some = tiles[1].rows;

    for (size_t i = 0, left = n; left > 0; left = n - i) {
        const struct tile_of *tile = n >= many && left > some ? &tiles[0]
                                     : n >= some && left > 1  ? &tiles[1]
                                                              : &tiles[2];
        struct rows rows; /* field by field: a vector of two of them waits for both stores */

        i = least(i, n - tile->rows);
        rows.out = first->out + i * columns->product->cols;
        rows.in = first->in + i * first->step;
        rows.step = first->step;
        tile->run(&rows, columns);
        i += tile->rows;
    }
}

/* @vectors x 16 columns from @c on of @n_lines times @n rows, which begin @line_step apart. */
static void panel(const struct tile_of tiles[3], const struct product *p, size_t c, size_t vectors,
                  const struct rows *first, size_t n, size_t line_step, size_t n_lines) {
    struct scaling scalings[BLOCK_VECTORS];
    struct columns columns;
    struct rows rows = { first->out + c, first->in, first->step };

    columns = (struct columns){
        .product = p,
        .weights = vnni_block(p, c),
        .c = c,
        .n = least(p->cols - c, vectors * LANES),
        .how = vnni_rounding_of_many(p->rq, c, least(p->cols - c, vectors * LANES)),
        .scalings = scalings,
    };
    for (size_t v = 0; v < vectors && n > 1; v++) /* a tile of one row has its own */
        scalings[v] = vnni_scaling(p->rq, c + v * LANES, p->cols - c - v * LANES, columns.how);
    for (; n_lines > 0; n_lines--, rows.in += line_step, rows.out += n * p->cols)
        run_rows(tiles, &columns, &rows, n);
}

void vnni_multiply(const struct product *p, const struct rows *first, size_t n, size_t line_step,
                   size_t n_lines) {
    const struct tiles *tiles = p->strip  ? (p->int4 ? &strip_s4_tiles : &strip_s8_tiles)
                                : p->int4 ? &s4_tiles
                                          : &s8_tiles;
    size_t c = 0;

    for (size_t i = 0; i < n_lines && n < SOME_ROWS; i++) {
        const struct rows rows = { first->out + i * n * p->cols, first->in + i * line_step,
                                   first->step };

        c = vnni_lines(p, &rows, n);
    }
    for (; c + LANES < p->cols; c += BLOCK)
        panel(tiles->block, p, c, BLOCK_VECTORS, first, n, line_step, n_lines);
    if (c < p->cols)
        panel(tiles->narrow, p, c, 1, first, n, line_step, n_lines);
}

static size_t bytes_s8(size_t cols, size_t depth) {
    return vnni_packed_bytes(cols, 1, depth, false);
}

static size_t bytes_s4(size_t cols, size_t depth) {
    return vnni_packed_bytes(cols, 1, depth, true);
}

static void pack_s8(void *packed, const int8_t *weight, size_t cols, size_t depth) {
    vnni_pack(packed, weight, cols, 1, depth, false);
}

static void pack_s4(void *packed, const int8_t *weight, size_t cols, size_t depth) {
    vnni_pack(packed, weight, cols, 1, depth, true);
}

static void run(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                const struct requant *rq, struct gemm_size size, bool int4) {
    const struct product p = { .packed = packed,
                               .bias = bias,
                               .rq = rq,
                               .cols = size.cols,
                               .n_segments = 1,
                               .segment_bytes = size.depth,
                               .int4 = int4 };
    const struct rows first = { out, in, size.depth };

    vnni_multiply(&p, &first, size.rows, 0, 1);
}

static void run_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, struct gemm_size size) {
    run(out, in, packed, bias, rq, size, false);
}

static void run_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, struct gemm_size size) {
    run(out, in, packed, bias, rq, size, true);
}

const struct gemm_kernel vnni_gemm_s8 = { bytes_s8, pack_s8, run_s8 };
const struct gemm_kernel vnni_gemm_s4 = { bytes_s4, pack_s4, run_s4 };
