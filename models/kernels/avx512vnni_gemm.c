/* SPDX-License-Identifier: MIT */
/*
 * Matrix products and convolutions with AVX-512 VNNI: a tile of rows x 32 columns of sums stays in
 * registers, while each group of 4 of a row's values is broadcast against the weights of the
 * columns. A convolution is the same on rows that overlap: it copies a strip of the image into
 * scratch, with zero points around it, where each row of a pixel's taps lies in one piece.
 *
 * Packed weights: what is to be added to the bias, int32 [cols]; then blocks of 32 columns, a last
 * one perhaps of 16
 *   int8  [steps][32][4]
 *   int4  [steps][16][4], with 8 added: the first half of the block's columns in the low nibbles,
 *         the second in the high ones
 * where a step is 4 values along the depth; each segment of the depth (all of it; of a convolution,
 * a row of taps) begins a step.
 */
#include "models/kernels/avx512vnni.h"

enum {
    BLOCK_VECTORS = 2, /* of columns */
    BLOCK = 2 * LANES, /* columns */
    TILE_ROWS = 8,     /* x 2 vectors of sums: 16 products under way hide their latency */
    NARROW_ROWS = 16,  /* x 1 vector */
    SOME_ROWS = 5,     /* where there are no 8 */
    ROWS_MAX = 16,
    LINE_VECTORS = 4, /* of columns for a single row */
    LINE = 4 * LANES, /* columns */
    LINE_BYTES = 16,  /* of the row at a time */
    PARTS = LINE_BYTES / GROUP,
    LINE_BYTES_MAX_S4 =
        INT32_MAX / (16 * 15 * 128), /* of a row whose sums of bytes stay in int32 */
    POINTER_ROWS = 3,     /* that share a pointer: more pointers than registers cost more */
    NIBBLE_ZERO = 8,      /* added to an int4 */
    NIBBLE_ZEROS = 0x88,  /* two of weight 0 */
    SCRATCH_BYTES = 4096, /* of a convolution, unless one row of output needs more */
};

static size_t steps_of(size_t segment_bytes) {
    return (segment_bytes + GROUP - 1) / GROUP;
}

/* Weights of a step, of @vectors x 16 columns. */
INLINE size_t step_bytes(size_t vectors, bool int4) {
    return vectors * VECTOR / (int4 ? 2 : 1);
}

static size_t packed_bytes(size_t cols, size_t n_segments, size_t segment_bytes, bool int4) {
    const size_t vectors = (cols + LANES - 1) / LANES;

    return vectors * VECTOR + n_segments * steps_of(segment_bytes) * step_bytes(vectors, int4);
}

static void pack(void *packed, const int8_t *weight, size_t cols, size_t n_segments,
                 size_t segment_bytes, bool int4) {
    const size_t vectors = (cols + LANES - 1) / LANES, steps = n_segments * steps_of(segment_bytes);
    uint32_t *offsets = packed;
    uint8_t *blocks = (uint8_t *) packed + vectors * VECTOR;

    if (int4)
        (void) memset(blocks, NIBBLE_ZEROS, steps * step_bytes(vectors, true));
    for (size_t c = 0; c < cols; c++) {
        const size_t before = c / BLOCK * BLOCK_VECTORS;
        const size_t block_vectors = least(vectors - before, BLOCK_VECTORS);
        const size_t half = block_vectors * LANES / 2, column = c % BLOCK;
        uint8_t *first =
            blocks + steps * step_bytes(before, int4) + (int4 ? column % half : column) * GROUP;

        for (size_t s = 0; s < n_segments; s++)
            for (size_t d = 0; d < segment_bytes; d++, weight++) {
                const size_t step = s * steps_of(segment_bytes) + d / GROUP;
                uint8_t *to = first + step * step_bytes(block_vectors, int4) + d % GROUP;

                offsets[c] -= (uint32_t) (FLIP * *weight);
                if (int4)
                    *to ^= (uint8_t) ((*weight & 15) << (column / half * 4));
                else
                    *to = (uint8_t) *weight;
            }
    }
}

/* What does not change from tile to tile. */
struct product {
    const uint8_t *weights; /* behind the offsets */
    const int32_t *bias, *offsets;
    const struct requant *rq;
    const struct tiles *tiles;
    size_t cols;
    size_t n_segments, segment_bytes, segment_step; /* a row's; from one to the next, in bytes */
    size_t block_bytes;                             /* of weights */
};

/* Some columns of the product, and how they end. */
struct columns {
    const struct product *product;
    const uint8_t *weights;
    size_t c, n; /* columns [c, c + n) */
    enum rounding how;
    const struct scaling *scalings; /* of each vector, for more than one row */
};

/* Rows a step apart: where they come from and where their columns go to. */
struct rows {
    int8_t *out;
    const int8_t *in;
    size_t step; /* of in */
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

/* 4 bytes of a row, for each column. */
INLINE __m512i broadcast(const int8_t *in, bool flip) {
    int32_t group;
    __m512i x;

    (void) memcpy(&group, in, sizeof(group));
    x = _mm512_set1_epi32(group);
    return flip ? vnni_flip(x) : x;
}

/* 4 products of each of @rows with the columns of @vectors. */
INLINE void multiply(__m512i *sums, const int8_t *const *in, size_t in_step, const uint8_t *weights,
                     size_t rows, size_t vectors, bool int4, bool flip) {
    __m512i w[BLOCK_VECTORS];

    load_weights(w, weights, vectors, int4);
#pragma GCC unroll 16
    for (size_t r = 0; r < rows; r++) {
        const __m512i x = broadcast(in[r / POINTER_ROWS] + r % POINTER_ROWS * in_step, flip);

#pragma GCC unroll 16
        for (size_t v = 0; v < vectors; v++)
            vnni_dot(&sums[r * vectors + v], x, w[v]);
    }
}

/* All products of @rows with the columns of @vectors. */
INLINE void sum_up(__m512i *sums, const struct rows *from, const uint8_t *weights,
                   const struct product *p, size_t rows, size_t vectors, bool int4, bool flip) {
    const size_t advance = step_bytes(vectors, int4);
    const size_t n_pointers = (rows + POINTER_ROWS - 1) / POINTER_ROWS;
    const size_t whole = flip ? p->segment_bytes / GROUP : steps_of(p->segment_bytes);
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

/*
 * Products of 4 bytes of a row, for each column, with a block's weights. int4 ones meet inputs with
 * sign and are not taken apart: the first vector of @sums gets what low nibbles give, the second
 * what whole bytes do, which is 16 times what high nibbles would and the first.
 */
INLINE void multiply_group(__m512i sums[BLOCK_VECTORS], __m512i group, const uint8_t *weights,
                           bool int4) {
    const __m512i w = _mm512_loadu_si512(weights);

    if (int4) {
        vnni_dot(&sums[0], _mm512_and_si512(w, _mm512_set1_epi8(15)), group);
        vnni_dot(&sums[1], w, group);
    } else {
        vnni_dot(&sums[0], group, w);
        vnni_dot(&sums[1], group, _mm512_loadu_si512(weights + VECTOR));
    }
}

/* Products of 16 bytes of a row, each 4 of them in sums of their own, which hides latencies. */
INLINE void multiply_line(__m512i parts[PARTS][BLOCK_VECTORS], const int8_t *in,
                          const uint8_t *weights, bool int4, bool flip) {
    const __m512i bytes = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *) in));
    const __m512i x = flip ? vnni_flip(bytes) : bytes;
    const __m512i groups[] = { _mm512_shuffle_epi32(x, _MM_PERM_AAAA),
                               _mm512_shuffle_epi32(x, _MM_PERM_BBBB),
                               _mm512_shuffle_epi32(x, _MM_PERM_CCCC),
                               _mm512_shuffle_epi32(x, _MM_PERM_DDDD) };

#pragma GCC unroll 4
    for (size_t i = 0; i < PARTS; i++)
        multiply_group(parts[i], groups[i], weights + i * step_bytes(BLOCK_VECTORS, int4), int4);
}

/* All products of one row with a block's columns: weights are read in the order they lie in. */
INLINE void sum_up_line(__m512i *sums, const struct product *p, const int8_t *row,
                        const uint8_t *weights, bool int4, bool flip) {
    const size_t step = step_bytes(BLOCK_VECTORS, int4), rest = p->segment_bytes % LINE_BYTES;
    const size_t n_segments = flip ? 1 : p->n_segments;
    const bool turn = flip != int4; /* int4 wants inputs as they are */
    __m512i parts[PARTS][BLOCK_VECTORS];

#pragma GCC unroll 4
    for (size_t i = 0; i < PARTS; i++)
        parts[i][0] = parts[i][1] = _mm512_setzero_si512();
    for (size_t s = 0; s < n_segments; s++, row += p->segment_step) {
        const int8_t *in = row, *end = in + p->segment_bytes - rest;
        int8_t bytes[LINE_BYTES];

        for (; in < end; in += LINE_BYTES, weights += PARTS * step)
            multiply_line(parts, in, weights, int4, turn);
        if (rest == 0)
            continue;
        (void) memset(bytes, flip ? 0 : FLIP, sizeof(bytes));
        (void) memcpy(bytes, in, rest); /* nothing behind a row may be read */
        for (size_t d = 0; d < rest; d += GROUP, weights += step)
            multiply_group(parts[0], broadcast(bytes + d, turn), weights, int4);
    }

#pragma GCC unroll 2
    for (size_t v = 0; v < BLOCK_VECTORS; v++)
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
    if (columns->how == ROUND_POSITIVE)
        finish(out, sums, columns, rows, vectors, ROUND_POSITIVE);
    else if (columns->how == ROUND_RIGHT)
        finish(out, sums, columns, rows, vectors, ROUND_RIGHT);
    else
        finish(out, sums, columns, rows, vectors, ROUND_ANY);
}

/* What the sums of vector @v begin with. */
INLINE __m512i start(const struct columns *columns, size_t v) {
    const struct product *p = columns->product;
    const size_t c = columns->c + v * LANES;

    return _mm512_add_epi32(vnni_load(p->bias + c, columns->n - v * LANES),
                            _mm512_loadu_si512(p->offsets + c));
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

/* @vectors x 16 columns from @c on of a row, 2 or 4; @zeros are what zeros_of() says, for int4. */
INLINE void line(int8_t *out, const int8_t *row, const struct product *p, size_t c, int32_t zeros,
                 size_t vectors, enum rounding how, bool int4, bool flip) {
    const uint8_t *weights = p->weights + c / BLOCK * p->block_bytes;
    __m512i y[LINE_VECTORS], bytes;

#pragma GCC unroll 2
    for (size_t v = 0; v < vectors; v += BLOCK_VECTORS, weights += p->block_bytes)
        sum_up_line(y + v, p, row, weights, int4, flip);
#pragma GCC unroll 4
    for (size_t v = 0; v < vectors; v++, c += LANES) {
        const struct scaling scaling = vnni_scaling(p->rq, c, LANES, how);

        if (int4 && v % 2 == 0)
            y[v + 1] = _mm512_srai_epi32(_mm512_sub_epi32(y[v + 1], y[v]), 4);
        y[v] = _mm512_add_epi32(y[v], _mm512_loadu_si512(p->bias + c));
        y[v] = int4 ? _mm512_sub_epi32(y[v], _mm512_set1_epi32(zeros))
                    : _mm512_add_epi32(y[v], _mm512_loadu_si512(p->offsets + c));
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

/* @vectors x 16 columns from @c on of each of @n single rows. */
INLINE void some_lines(const struct product *p, const struct rows *first, size_t n, size_t c,
                       const int32_t *zeros, size_t vectors, bool int4, bool flip) {
    const enum rounding how = vnni_rounding(p->rq, c, vectors * LANES);
    const int8_t *in = first->in;
    int8_t *out = first->out + c;

    for (size_t i = 0; i < n; i++, in += first->step, out += p->cols)
        if (how == ROUND_POSITIVE)
            line(out, in, p, c, zeros[i], vectors, ROUND_POSITIVE, int4, flip);
        else if (how == ROUND_RIGHT)
            line(out, in, p, c, zeros[i], vectors, ROUND_RIGHT, int4, flip);
        else
            line(out, in, p, c, zeros[i], vectors, ROUND_ANY, int4, flip);
}

/* As many columns of each of @n single rows as there are whole blocks of; returns how many. */
INLINE size_t lines(const struct product *p, const struct rows *first, size_t n, bool int4,
                    bool flip) {
    int32_t zeros[SOME_ROWS] = { 0 };
    size_t c = 0;

    if (p->cols < BLOCK || (int4 && p->n_segments * p->segment_bytes > LINE_BYTES_MAX_S4))
        return 0;
    for (size_t i = 0; i < n && int4; i++)
        zeros[i] = zeros_of(p, first->in + i * first->step, flip);
    for (; c + LINE <= p->cols; c += LINE)
        some_lines(p, first, n, c, zeros, LINE_VECTORS, int4, flip);
    if (c + BLOCK <= p->cols) {
        some_lines(p, first, n, c, zeros, BLOCK_VECTORS, int4, flip);
        c += BLOCK;
    }
    return c;
}

typedef void tile_fn(const struct rows *from, const struct columns *columns);
typedef size_t lines_fn(const struct product *p, const struct rows *first, size_t n);

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
    static size_t kind##_lines(const struct product *p, const struct rows *first, size_t n) {      \
        return lines(p, first, n, int4, flip);                                                     \
    }                                                                                              \
    static const struct tiles kind##_tiles = {                                                     \
        { { kind##_16x1, NARROW_ROWS }, { kind##_5x1, SOME_ROWS }, { kind##_1x1, 1 } },            \
        { { kind##_8x2, TILE_ROWS }, { kind##_5x2, SOME_ROWS }, { kind##_1x2, 1 } },               \
        kind##_lines,                                                                              \
    }

struct tiles {
    struct tile_of {
        tile_fn *run;
        size_t rows;
    } narrow[3], block[3]; /* of 1 and 2 vectors of columns, for many rows, some and one */
    lines_fn *lines;
};

TILES(gemm_s8, false, true);
TILES(gemm_s4, true, true);
TILES(conv_s8, false, false);
TILES(conv_s4, true, false);

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
        .weights = p->weights + c / BLOCK * p->block_bytes,
        .c = c,
        .n = least(p->cols - c, vectors * LANES),
        .how = vnni_rounding(p->rq, c, least(p->cols - c, vectors * LANES)),
        .scalings = scalings,
    };
    for (size_t v = 0; v < vectors && n > 1; v++) /* a tile of one row has its own */
        scalings[v] = vnni_scaling(p->rq, c + v * LANES, p->cols - c - v * LANES, columns.how);
    for (; n_lines > 0; n_lines--, rows.in += line_step, rows.out += n * p->cols)
        run_rows(tiles, &columns, &rows, n);
}

static void multiply_all(const struct product *p, const struct rows *first, size_t n,
                         size_t line_step, size_t n_lines) {
    const struct tiles *tiles = p->tiles;
    size_t c = 0;

    for (size_t i = 0; i < n_lines && n < SOME_ROWS; i++) {
        const struct rows rows = { first->out + i * n * p->cols, first->in + i * line_step,
                                   first->step };

        c = tiles->lines(p, &rows, n);
    }
    for (; c + LANES < p->cols; c += BLOCK)
        panel(tiles->block, p, c, BLOCK_VECTORS, first, n, line_step, n_lines);
    if (c < p->cols)
        panel(tiles->narrow, p, c, 1, first, n, line_step, n_lines);
}

static struct product product_of(const void *packed, const int32_t *bias, const struct requant *rq,
                                 size_t cols, size_t n_segments, size_t segment_bytes, bool int4) {
    return (struct product){
        .weights = (const uint8_t *) packed + (cols + LANES - 1) / LANES * VECTOR,
        .bias = bias,
        .offsets = packed,
        .rq = rq,
        .cols = cols,
        .n_segments = n_segments,
        .segment_bytes = segment_bytes,
        .block_bytes = n_segments * steps_of(segment_bytes) * step_bytes(BLOCK_VECTORS, int4),
    };
}

/* ---- matrix products ---- */

static size_t gemm_bytes_s8(size_t cols, size_t depth) {
    return packed_bytes(cols, 1, depth, false);
}

static size_t gemm_bytes_s4(size_t cols, size_t depth) {
    return packed_bytes(cols, 1, depth, true);
}

static void gemm_pack_s8(void *packed, const int8_t *weight, size_t cols, size_t depth) {
    pack(packed, weight, cols, 1, depth, false);
}

static void gemm_pack_s4(void *packed, const int8_t *weight, size_t cols, size_t depth) {
    pack(packed, weight, cols, 1, depth, true);
}

static void gemm_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                    const struct requant *rq, struct gemm_size size) {
    struct product p = product_of(packed, bias, rq, size.cols, 1, size.depth, false);
    const struct rows first = { out, in, size.depth };

    p.tiles = &gemm_s8_tiles;
    multiply_all(&p, &first, size.rows, 0, 1);
}

static void gemm_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                    const struct requant *rq, struct gemm_size size) {
    struct product p = product_of(packed, bias, rq, size.cols, 1, size.depth, true);
    const struct rows first = { out, in, size.depth };

    p.tiles = &gemm_s4_tiles;
    multiply_all(&p, &first, size.rows, 0, 1);
}

const struct gemm_kernel vnni_gemm_s8 = { gemm_bytes_s8, gemm_pack_s8, gemm_s8 };
const struct gemm_kernel vnni_gemm_s4 = { gemm_bytes_s4, gemm_pack_s4, gemm_s4 };
/* ---- convolutions ---- */

static bool takes(const struct conv_size *size) {
    return size->window.dilation_w == 1;
}

static size_t segment_of(const struct conv_size *size) {
    return (size_t) size->window.filter_w * size->in_channels;
}

/* A row of the image with all that taps see beside it. */
static size_t strip_row_bytes(const struct conv_size *size) {
    const struct window *w = &size->window;

    return (size_t) ((w->out_w - 1) * w->stride_w + w->filter_w) * size->in_channels;
}

/* Rows of the image under @n rows of output. */
static size_t strip_rows(const struct window *w, size_t n) {
    return (n - 1) * (size_t) w->stride_h + (size_t) ((w->filter_h - 1) * w->dilation_h) + 1;
}

/* Rows of output at a time. */
static size_t strip_out_rows(const struct conv_size *size) {
    const size_t most = SCRATCH_BYTES / strip_row_bytes(size), first = strip_rows(&size->window, 1);
    const size_t n = most > first ? (most - first) / (size_t) size->window.stride_h + 1 : 1;

    return least(n, (size_t) size->window.out_h);
}

static size_t scratch_bytes(const struct conv_size *size) {
    if (size->window.filter_h == 1 && size->window.filter_w == 1)
        return 0;
    return strip_rows(&size->window, strip_out_rows(size)) * strip_row_bytes(size) + GROUP;
}

static size_t conv_bytes_s8(const struct conv_size *size) {
    return packed_bytes(size->out_channels, (size_t) size->window.filter_h, segment_of(size),
                        false);
}

static size_t conv_bytes_s4(const struct conv_size *size) {
    return packed_bytes(size->out_channels, (size_t) size->window.filter_h, segment_of(size), true);
}

static void conv_pack_s8(void *packed, const int8_t *weight, const struct conv_size *size) {
    pack(packed, weight, size->out_channels, (size_t) size->window.filter_h, segment_of(size),
         false);
}

static void conv_pack_s4(void *packed, const int8_t *weight, const struct conv_size *size) {
    pack(packed, weight, size->out_channels, (size_t) size->window.filter_h, segment_of(size),
         true);
}

/* Flip what output row @y and those behind it see into @strip, @n rows. */
static void fill_strip(int8_t *strip, const int8_t *in, const struct conv_size *size, int64_t y,
                       size_t n) {
    const struct window *w = &size->window;
    const size_t channels = size->in_channels, bytes = strip_row_bytes(size);
    const size_t left = (size_t) w->pad_left * channels;
    const size_t inside = least((size_t) w->in_w * channels, bytes - left);
    const int outside = size->in_zero_point ^ FLIP;

    for (size_t i = 0; i < n; i++, strip += bytes) {
        const int64_t row = y * w->stride_h - w->pad_top + (int64_t) i;

        if (row < 0 || row >= w->in_h) {
            vnni_fill(strip, outside, bytes);
            continue;
        }
        vnni_fill(strip, outside, left);
        vnni_copy_flipped(strip + left, in + (size_t) (row * w->in_w) * channels, inside);
        vnni_fill(strip + left + inside, outside, bytes - left - inside);
    }
}

static void conv(int8_t *out, const int8_t *in, struct product *p, const struct conv_size *size,
                 int8_t *strip, bool int4) {
    const struct window *w = &size->window;
    const size_t most = strip_out_rows(size), out_h = (size_t) w->out_h, out_w = (size_t) w->out_w;
    const size_t line_step = (size_t) w->stride_h * strip_row_bytes(size);
    struct rows first = { out, strip, (size_t) w->stride_w * size->in_channels };

    if (w->filter_h == 1 && w->filter_w == 1) { /* a product of some of the image's pixels */
        first.in = in;
        p->tiles = int4 ? &gemm_s4_tiles : &gemm_s8_tiles;
        multiply_all(p, &first, out_w, (size_t) w->stride_h * (size_t) w->in_w * size->in_channels,
                     out_h);
        return;
    }
    p->tiles = int4 ? &conv_s4_tiles : &conv_s8_tiles;
    p->segment_step = (size_t) w->dilation_h * strip_row_bytes(size);
    for (size_t y = 0, n; y < out_h; y += n, first.out += n * out_w * p->cols) {
        n = least(most, out_h - y);
        fill_strip(strip, in, size, (int64_t) y, strip_rows(w, n));
        multiply_all(p, &first, out_w, line_step, n);
    }
}

static void conv_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                    const struct requant *rq, const struct conv_size *size, void *scratch) {
    struct product p = product_of(packed, bias, rq, size->out_channels,
                                  (size_t) size->window.filter_h, segment_of(size), false);

    conv(out, in, &p, size, scratch, false);
}

static void conv_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                    const struct requant *rq, const struct conv_size *size, void *scratch) {
    struct product p = product_of(packed, bias, rq, size->out_channels,
                                  (size_t) size->window.filter_h, segment_of(size), true);

    conv(out, in, &p, size, scratch, true);
}

const struct conv_kernel vnni_conv_s8 = { takes,         conv_bytes_s8, conv_pack_s8,
                                          scratch_bytes, conv_s8,       NULL };
const struct conv_kernel vnni_conv_s4 = { takes,         conv_bytes_s4, conv_pack_s4,
                                          scratch_bytes, conv_s4,       NULL };
