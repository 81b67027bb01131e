/* SPDX-License-Identifier: MIT */
/*
 * Matrix products with AVX2: a tile of rows x 16 columns of sums stays in registers, while each
 * pair of a row's values, widened once, is broadcast against the weights of the columns.
 */
#include "models/kernels/avx2_gemm.h"

enum {
    NARROW_TILE_ROWS = 3, /* of weights that are not unpacked before */
    UNPACK_ROWS = 3,      /* from so many on it pays to unpack pairs first */
    QUADS_ROWS = 9,       /* up to so many it does not for quads in large products: */
    LARGE = 64,           /* columns, and depth */
    UNPACKED_VECTORS = WIDE_ITEMS / BLOCK,
};

static inline size_t pairs_of(const struct product *p) {
    return p->n_segments * p->segment_pairs;
}

INLINE void load_weights(__m256i w[2], const void *weights, size_t pair, size_t vectors,
                         enum weights kind) {
    const uint8_t *bytes = weights;

    if (kind == PAIRS_S16)
        for (size_t v = 0; v < vectors; v++)
            w[v] = _mm256_loadu_si256((const __m256i *) weights + pair * vectors + v);
    else if (kind == PAIRS_S8)
        avx2_weights(w, bytes + pair * vectors * PAIRS_BYTES, vectors, false);
    else
        avx2_weights(w, bytes + pair * PAIRS_BYTES, vectors, true);
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

INLINE void tile(int8_t *out, const int16_t *wide, const struct columns *columns, size_t rows,
                 size_t vectors, enum weights kind) {
    __m256i sums[TILE_ROWS][2];

    multiply(sums, wide, columns, rows, vectors, kind);
    avx2_finish(out, sums, columns, rows, vectors);
}

/* All of them of these columns, in tiles as even as can be. */
INLINE void tiles(int8_t *out, const int16_t *wide, const struct columns *columns,
                  const struct lines *lines, size_t vectors, enum weights kind) {
    const size_t stride = columns->product->stride, cols = columns->product->cols;
    const size_t most = kind == PAIRS_S16 ? TILE_ROWS : NARROW_TILE_ROWS;
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
    tiles(out, wide, columns, lines, 2, PAIRS_S16);
}

static void tiles_of_8(int8_t *out, const int16_t *wide, const struct columns *columns,
                       const struct lines *lines) {
    tiles(out, wide, columns, lines, 1, PAIRS_S16);
}

static inline bool in_quads(enum weights kind) {
    return kind == QUADS_S8 || kind == QUADS_S4;
}

/* Two pairs of 8 columns. */
INLINE void unpack_s8(__m256i *pairs, const uint8_t *packed, size_t step) {
    const __m256i bytes = _mm256_loadu_si256((const __m256i *) packed);

    pairs[0] = _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8);
    pairs[step] = _mm256_srai_epi16(bytes, 8);
}

/* Four. */
INLINE void unpack_s4(__m256i *pairs, const uint8_t *packed, size_t step) {
    const __m256i bytes = _mm256_xor_si256(_mm256_loadu_si256((const __m256i *) packed),
                                           _mm256_set1_epi8((char) NIBBLE_ZEROS));

    pairs[0] = _mm256_srai_epi16(_mm256_slli_epi16(bytes, 12), 12);
    pairs[step] = _mm256_srai_epi16(_mm256_slli_epi16(bytes, 4), 12);
    pairs[2 * step] = _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 12);
    pairs[3 * step] = _mm256_srai_epi16(bytes, 12);
}

/* Of 8 or 16 columns, as int16. */
INLINE void unpack(__m256i *unpacked, const uint8_t *packed, size_t pairs, size_t vectors,
                   enum weights kind) {
    const size_t step = kind == QUADS_S4 ? 4 : kind == QUADS_S8 ? 2 : 1;

    for (size_t k = 0; k < pairs; k += step)
        if (!in_quads(kind))
            load_weights(unpacked + k * vectors, packed, k, vectors, kind);
        else
            for (size_t v = 0; v < vectors; v++, packed += QUADS_BYTES)
                if (kind == QUADS_S8)
                    unpack_s8(unpacked + k * vectors + v, packed, vectors);
                else
                    unpack_s4(unpacked + k * vectors + v, packed, vectors);
}

INLINE void panel(int8_t *out, const int16_t *wide, const struct product *p,
                  const struct lines *lines, size_t c, size_t vectors, enum weights kind) {
    const size_t pairs = pairs_of(p), rows = lines->n * lines->n_lines;
    const uint8_t *packed =
        p->packed +
        c / BLOCK * avx2_packed_bytes(BLOCK, 2 * pairs, kind == PAIRS_S4 || kind == QUADS_S4);
    __m256i unpacked[UNPACKED_VECTORS];
    struct columns columns;

    avx2_set_columns(&columns, p, c, vectors);
    columns.weights = packed;
    if (!in_quads(kind) && (rows < UNPACK_ROWS || pairs * vectors > UNPACKED_VECTORS)) {
        tiles(out + c, wide, &columns, lines, vectors, kind);
        return;
    }
    unpack(unpacked, packed, pairs, vectors, kind);
    columns.weights = unpacked;
    if (vectors == 2)
        tiles_of_16(out + c, wide, &columns, lines);
    else
        tiles_of_8(out + c, wide, &columns, lines);
}

INLINE void panels(int8_t *out, const int16_t *wide, const struct product *p,
                   const struct lines *lines, enum weights kind) {
    size_t c = 0;

    for (; c + LANES < p->cols; c += BLOCK)
        panel(out, wide, p, lines, c, 2, kind);
    if (c < p->cols)
        panel(out, wide, p, lines, c, 1, kind);
}

void avx2_product(int8_t *out, const int16_t *wide, const struct product *p,
                  const struct lines *lines) {
    switch (p->kind) {
    case PAIRS_S8:
        panels(out, wide, p, lines, PAIRS_S8);
        break;
    case PAIRS_S4:
        panels(out, wide, p, lines, PAIRS_S4);
        break;
    case QUADS_S8:
        panels(out, wide, p, lines, QUADS_S8);
        break;
    case QUADS_S4:
        panels(out, wide, p, lines, QUADS_S4);
        break;
    case PAIRS_S16:
        break; /* nobody's */
    }
}

void avx2_requantise_columns(__m256i (*sums)[2], const struct columns *columns, size_t rows,
                             size_t vectors) {
    const struct product *p = columns->product;

    for (size_t v = 0; v < vectors; v++) {
        struct scaling scaling = { .how = ROUND_TWICE }; /* or compilers fear the rest */

        avx2_scaling(&scaling, p->rq, columns->c + v * LANES, p->cols);
        for (size_t r = 0; r < rows; r++)
            sums[r][v] = avx2_requantise(_mm256_add_epi32(sums[r][v], scaling.offset), &scaling);
    }
}

/* ---- packing ---- */

static inline size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

/* Quads, then a byte: whether they are pairs, for there is a weight of -128. */
static size_t bytes_s8(size_t cols, size_t depth) {
    return depth > WIDE_ITEMS ? c_gemm_s8.packed_bytes(cols, depth)
                              : round_up(cols, LANES) * round_up(depth, QUAD) + 1;
}

static size_t bytes_s4(size_t cols, size_t depth) {
    return depth > WIDE_ITEMS ? c_gemm_s4.packed_bytes(cols, depth)
                              : round_up(cols, LANES) * round_up(depth, 2 * QUAD) / 2;
}

static void pack_pairs(void *packed, const int8_t *weight, size_t cols, size_t depth) {
    for (size_t c = 0; c < cols; c++)
        for (size_t d = 0; d < depth; d++)
            avx2_pack(packed, cols, depth, false, c, d, weight[c * depth + d]);
}

static void pack_quads(uint8_t *packed, const int8_t *weight, size_t cols, size_t depth,
                       bool int4) {
    const size_t together = int4 ? 2 * QUAD : QUAD; /* along the depth, in a column's 4 bytes */
    const size_t column_bytes = round_up(depth, together) / together * QUAD;

    for (size_t c = 0; c < cols; c++) {
        const size_t first = c / BLOCK * BLOCK, vectors = cols - first > LANES ? 2 : 1;
        uint8_t *column = packed + first * column_bytes + c % BLOCK * QUAD;

        for (size_t d = 0; d < depth; d++, weight++) {
            uint8_t *to = column + d / together * vectors * QUADS_BYTES + avx2_quad_order[d % QUAD];

            *to ^= (uint8_t) (int4 ? (*weight & 15) << d % together / QUAD * 4 : *weight);
        }
    }
}

static void pack_s8(void *packed, const int8_t *weight, size_t cols, size_t depth) {
    uint8_t *is_pairs = (uint8_t *) packed + bytes_s8(cols, depth) - 1;

    if (depth > WIDE_ITEMS) {
        c_gemm_s8.pack(packed, weight, cols, depth);
        return;
    }
    *is_pairs = memchr(weight, (uint8_t) INT8_MIN, cols * depth) ? 1 : 0;
    if (*is_pairs)
        pack_pairs(packed, weight, cols, depth);
    else
        pack_quads(packed, weight, cols, depth, false);
}

static void pack_s4(void *packed, const int8_t *weight, size_t cols, size_t depth) {
    if (depth > WIDE_ITEMS) {
        c_gemm_s4.pack(packed, weight, cols, depth);
        return;
    }
    (void) memset(packed, NIBBLE_ZEROS, bytes_s4(cols, depth));
    pack_quads(packed, weight, cols, depth, true);
}

/* ---- running ---- */

static void run_rows(int8_t *out, const int8_t *in, const struct product *p,
                     struct gemm_size size) {
    const int8_t *end = in + size.rows * size.depth;
    int16_t wide[WIDE_ITEMS + BLOCK];
    size_t n;

    for (size_t left = size.rows; left > 0; left -= n, in += n * size.depth, out += n * p->cols) {
        n = least(left, WIDE_ITEMS / p->stride);
        for (size_t r = 0; r < n; r++)
            avx2_widen(wide + r * p->stride, in + r * size.depth, size.depth, end);
        avx2_product(out, wide, p, &(struct lines){ n, 0, 1 });
    }
}

/* Are they better done one by one, against the weights as they lie? */
static bool few_rows(struct gemm_size size) {
    const bool large = size.cols >= LARGE && size.depth >= LARGE;

    return size.rows < UNPACK_ROWS || (large && size.rows <= QUADS_ROWS);
}

static void run(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                const struct requant *rq, struct gemm_size size, enum weights kind) {
    const size_t together = kind == QUADS_S4 ? 2 * QUAD : kind == QUADS_S8 ? QUAD : 2;
    const struct product p = { .packed = packed,
                               .kind = kind,
                               .bias = bias,
                               .rq = rq,
                               .cols = size.cols,
                               .stride = round_up(size.depth, BLOCK),
                               .n_segments = 1,
                               .segment_pairs = round_up(size.depth, together) / 2 };

    if (!in_quads(kind) || (!few_rows(size) && p.segment_pairs * 2 <= UNPACKED_VECTORS))
        run_rows(out, in, &p, size);
    else
        for (size_t r = 0; r < size.rows; r++)
            avx2_row(out + r * size.cols, in + r * size.depth, &p, size.depth);
}

static void run_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, struct gemm_size size) {
    const uint8_t *is_pairs = (const uint8_t *) packed + bytes_s8(size.cols, size.depth) - 1;

    if (size.depth > WIDE_ITEMS)
        c_gemm_s8.run(out, in, packed, bias, rq, size);
    else
        run(out, in, packed, bias, rq, size, *is_pairs ? PAIRS_S8 : QUADS_S8);
}

static void run_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, struct gemm_size size) {
    if (size.depth > WIDE_ITEMS)
        c_gemm_s4.run(out, in, packed, bias, rq, size);
    else
        run(out, in, packed, bias, rq, size, QUADS_S4);
}

const struct gemm_kernel avx2_gemm_s8 = { bytes_s8, pack_s8, run_s8 };
const struct gemm_kernel avx2_gemm_s4 = { bytes_s4, pack_s4, run_s4 };
