/* SPDX-License-Identifier: MIT */
/*
 * Matrix products with NEON: a tile of 2 rows x 16 columns, each sum in a lane. Inputs are loaded
 * in pairs into all lanes (LD4R: four such), weights lie as pairs of 4 columns. Two products of
 * int8 fit into an int16 (SMULL, SMLAL2), unless both weights are -128, and are then added in pairs
 * to int32 (SADALP): 16 products in three instructions. Where weights are small, as all of int4
 * are, four products fit: 32 in five instructions.
 */
#include "models/kernels/neon_gemm.h"

enum {
    TILE_ROWS = 2,
    UNPACKED_BYTES = 1 << 14, /* of int4 weights of a block */
};

/* What weights are multiplied, and how many of their products are added as int16. */
enum how { INT8_TWO, INT8_FOUR, INT4 };

/* Four inputs, pairs in all lanes, times 4 columns. */
INLINE int16x8_t multiply_four(int16x8_t first, int16x8_t second, int8x16_t w) {
    const int8x16_t a = vreinterpretq_s8_s16(first), b = vreinterpretq_s8_s16(second);

    return vmlal_s8(vmull_high_s8(b, w), vget_low_s8(a), vget_low_s8(w));
}

/* The same added to the products of four others. */
INLINE int16x8_t add_four(int16x8_t sums, int16x8_t first, int16x8_t second, int8x16_t w) {
    const int8x16_t a = vreinterpretq_s8_s16(first), b = vreinterpretq_s8_s16(second);

    return vmlal_s8(vmlal_high_s8(sums, b, w), vget_low_s8(a), vget_low_s8(w));
}

/* Add eight inputs of each row. */
INLINE const int8_t *add_eight(int32x4_t (*sums)[TILE_VECTORS], const int8_t **in,
                               const int8_t *weights, size_t rows, size_t vectors, enum how how) {
    int8x16_t low[TILE_VECTORS], high[TILE_VECTORS];

    if (how == INT4) {
        weights = neon_load_vectors(high, weights, vectors);
        UNROLL
        for (size_t v = 0; v < vectors; v++) {
            low[v] = vshrq_n_s8(vshlq_n_s8(high[v], 4), 4);
            high[v] = vshrq_n_s8(high[v], 4);
        }
    } else {
        weights = neon_load_vectors(low, weights, vectors);
        weights = neon_load_vectors(high, weights, vectors);
    }
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        const int16x8x4_t x = vld4q_dup_s16((const void *) in[r]);

        in[r] += EIGHT;
        __asm__("" : "+r"(in[r]));
        if (how == INT8_TWO) {
            UNROLL
            for (size_t v = 0; v < vectors; v++)
                sums[r][v] = vpadalq_s16(sums[r][v], multiply_four(x.val[0], x.val[1], low[v]));
            UNROLL
            for (size_t v = 0; v < vectors; v++)
                sums[r][v] = vpadalq_s16(sums[r][v], multiply_four(x.val[2], x.val[3], high[v]));
        } else {
            UNROLL
            for (size_t v = 0; v < vectors; v++)
                sums[r][v] =
                    vpadalq_s16(sums[r][v], add_four(multiply_four(x.val[0], x.val[1], low[v]),
                                                     x.val[2], x.val[3], high[v]));
        }
    }
    return weights;
}

/* Add the four inputs of each row behind its last eight. */
INLINE const int8_t *add_last_four(int32x4_t (*sums)[TILE_VECTORS], const int8_t *const *in,
                                   const int8_t *weights, size_t rows, size_t vectors) {
    int8x16_t w[TILE_VECTORS];

    weights = neon_load_vectors(w, weights, vectors);
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        const int16x8x2_t x = vld2q_dup_s16((const void *) in[r]);

        UNROLL
        for (size_t v = 0; v < vectors; v++)
            sums[r][v] = vpadalq_s16(sums[r][v], multiply_four(x.val[0], x.val[1], w[v]));
    }
    return weights;
}

/* Add a run of each row; what is behind its last eight is in @last, if that may not be read. */
INLINE const int8_t *add_run(int32x4_t (*sums)[TILE_VECTORS], const int8_t **in, const int8_t *last,
                             const int8_t *weights, size_t run, size_t rows, size_t vectors,
                             enum how how) {
    const size_t rest = run % EIGHT;

    for (size_t n = run / (2 * EIGHT); n > 0; n--) {
        weights = add_eight(sums, in, weights, rows, vectors, how);
        weights = add_eight(sums, in, weights, rows, vectors, how);
    }
    if (run & EIGHT)
        weights = add_eight(sums, in, weights, rows, vectors, how);
    if (rest == 0)
        return weights;
    if (last)
        in[0] = last;
    if (how == INT4 || rest > FOUR)
        return add_eight(sums, in, weights, rows, vectors, how);
    return add_last_four(sums, in, weights, rows, vectors);
}

INLINE void begin(int32x4_t (*sums)[TILE_VECTORS], const int32_t *bias, size_t rows,
                  size_t vectors) {
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        UNROLL
        for (size_t v = 0; v < vectors; v++)
            sums[r][v] = vld1q_s32(bias + v * LANES);
        __asm__("" : "+r"(bias)); /* loaded again, which takes less than copies */
    }
}

/* @rows rows of sums, which begin @at, of a block of @vectors vectors. */
INLINE void tile(int8_t *out, const struct product *p, const size_t *at, const int8_t *last,
                 const int8_t *weights, const struct columns *columns, size_t rows, size_t vectors,
                 enum how how) {
    const int8_t *const *runs = p->in.runs, *const *end = runs + p->in.n_runs;
    int32x4_t sums[TILE_ROWS][TILE_VECTORS];

    begin(sums, columns->bias, rows, vectors);
    for (; runs < end; runs++) {
        const int8_t *in[TILE_ROWS];

        UNROLL
        for (size_t r = 0; r < rows; r++)
            in[r] = *runs + at[r];
        weights = add_run(sums, in, last, weights, p->in.run, rows, vectors, how);
    }
    neon_finish(out, p->cols, sums, rows, vectors, columns, p->rq, p->ending);
}

/* Pairs of rows of one run, one behind the other, with less around them than tile() has. */
INLINE void pairs_as(int8_t *out, const struct product *p, const int8_t *weights,
                     const struct columns *columns, size_t rows, size_t vectors, enum how how,
                     enum ending ending) {
    const struct requant limits = { .zero_point = p->rq->zero_point,
                                    .min = p->rq->min,
                                    .max = p->rq->max };
    const size_t pitch = p->in.pitch, run = p->in.run, cols = p->cols;
    const struct columns some = *columns;
    const int8_t *in = p->in.runs[0];

    for (; rows > 0; rows -= TILE_ROWS, in += TILE_ROWS * pitch) {
        const int8_t *at[TILE_ROWS] = { in, in + pitch };
        int32x4_t sums[TILE_ROWS][TILE_VECTORS];

        begin(sums, some.bias, TILE_ROWS, vectors);
        (void) add_run(sums, at, NULL, weights, run, TILE_ROWS, vectors, how);
        neon_finish_as(out, cols, sums, TILE_ROWS, vectors, &some, &limits, ending);
        out += TILE_ROWS * cols;
    }
}

static void pairs(int8_t *out, const struct product *p, const int8_t *weights,
                  const struct columns *columns, size_t rows, enum how how) {
    const bool relu = p->ending == ENDING_RELU, four = how == INT8_FOUR;

    if (columns->n == BLOCK && relu && four)
        pairs_as(out, p, weights, columns, rows, 4, INT8_FOUR, ENDING_RELU);
    else if (columns->n == BLOCK && relu)
        pairs_as(out, p, weights, columns, rows, 4, INT8_TWO, ENDING_RELU);
    else if (columns->n == BLOCK && four)
        pairs_as(out, p, weights, columns, rows, 4, INT8_FOUR, ENDING_RIGHT);
    else if (columns->n == BLOCK)
        pairs_as(out, p, weights, columns, rows, 4, INT8_TWO, ENDING_RIGHT);
    else if (relu)
        pairs_as(out, p, weights, columns, rows, 2, INT8_TWO, ENDING_RELU);
    else
        pairs_as(out, p, weights, columns, rows, 2, INT8_TWO, ENDING_RIGHT);
}

/*
 * All rows of a block, int8 weights: what it can in pairs(). Copies of what all tiles share are out
 * of reach of what is stored.
 */
INLINE void tiles(int8_t *out, const struct product *shared, const int8_t *weights,
                  const struct columns *shared_columns, size_t rows, size_t vectors, enum how how) {
    const enum how tile_how = how == INT4 ? INT4 : INT8_TWO;
    const struct requant rq = *shared->rq;
    const struct columns columns = *shared_columns;
    struct product p = *shared;
    const size_t run = p.in.run, rest = run % EIGHT;
    const size_t roomy = neon_roomy(&p.in, rows, neon_fours(run, how == INT4) * FOUR);
    struct cursor cursor = { 0 };
    size_t at[TILE_ROWS], r = 0;

    p.rq = &rq;
    if (how != INT4 && vectors > 1 && columns.n == vectors * LANES && p.in.n_runs == 1 &&
        rows <= p.in.width && p.ending != ENDING_ANY) {
        r = roomy / TILE_ROWS * TILE_ROWS;
        pairs(out, &p, weights, &columns, r, how);
        out += r * p.cols;
        cursor = (struct cursor){ r, r * p.in.pitch };
    }
    for (; how != INT4 && r + TILE_ROWS <= roomy; r += TILE_ROWS, out += TILE_ROWS * p.cols) {
        neon_rows_at(at, &p.in, &cursor, TILE_ROWS);
        tile(out, &p, at, NULL, weights, &columns, TILE_ROWS, vectors, INT8_TWO);
    }
    for (; r < rows; r++, out += p.cols) {
        int8_t last[EIGHT] = { 0 };

        neon_rows_at(at, &p.in, &cursor, 1);
        if (r >= roomy) /* then there is one run */
            (void) memcpy(last, p.in.runs[0] + at[0] + run - rest, rest);
        tile(out, &p, at, r < roomy ? NULL : last, weights, &columns, 1, vectors, tile_how);
    }
}

/* The int4 weights of a block of @vectors vectors as int8. */
static void unpack(int8_t *out, const int8_t *weights, size_t n_runs, size_t run, size_t vectors) {
    const size_t n_fours = neon_fours(run, false), step = vectors * BLOCK;

    for (size_t k = 0; k < n_runs; k++)
        for (size_t i = 0; i < n_fours; i += 2) {
            const bool two = i + 1 < n_fours;

            for (size_t v = 0; v < vectors; v++, weights += BLOCK, out += BLOCK) {
                const int8x16_t both = vld1q_s8(weights);

                vst1q_s8(out, vshrq_n_s8(vshlq_n_s8(both, 4), 4));
                if (two)
                    vst1q_s8(out + step, vshrq_n_s8(both, 4));
            }
            out += two ? step : 0;
        }
}

/* All rows of a block; @how is no constant for int8. */
INLINE void panel(int8_t *out, const struct product *p, const int8_t *weights,
                  const struct columns *columns, size_t rows, size_t vectors, enum how how) {
    const struct shape shape = { .n_runs = p->in.n_runs, .run = p->in.run };
    int8_t unpacked[UNPACKED_BYTES];

    if (how != INT4 || rows < TILE_ROWS || neon_vectors_bytes(vectors, &shape) > UNPACKED_BYTES) {
        tiles(out, p, weights, columns, rows, vectors, how);
        return;
    }
    unpack(unpacked, weights, p->in.n_runs, p->in.run, vectors);
    tiles(out, p, unpacked, columns, rows, vectors, INT8_FOUR);
}

static struct block block_header(const int8_t *at) {
    struct block block;

    (void) memcpy(&block, at, sizeof(block));
    return block;
}

/* One row of blocks @at like the first, of columns from @first on, with less around them than
 * tile() has; returns how many columns. Nobody looks for a shorter ending for so few rows. */
INLINE size_t line_as(int8_t *out, const struct product *p, const int8_t *at, const int32_t *bias,
                      size_t first, enum how how) {
    const struct shape shape = { p->cols, 1, p->in.run, how == INT4 };
    const size_t bytes = BLOCK + neon_vectors_bytes(TILE_VECTORS, &shape);
    const uint32_t fit = block_header(at).fit;
    const struct requant rq = *p->rq;
    const int8_t *in = p->in.runs[0];
    size_t c = first;

    for (; c + BLOCK <= shape.cols && block_header(at).fit == fit; c += BLOCK, at += bytes) {
        const struct columns columns = { bias + c, rq.multiplier + c, rq.shift + c, BLOCK };
        const int8_t *from[TILE_ROWS] = { in };
        int32x4_t sums[1][TILE_VECTORS];

        begin(sums, columns.bias, 1, TILE_VECTORS);
        (void) add_run(sums, from, NULL, at + BLOCK, shape.run, 1, TILE_VECTORS, how);
        neon_finish_as(out + c, 0, sums, 1, TILE_VECTORS, &columns, &rq, ENDING_RIGHT);
    }
    return c - first;
}

static size_t line(int8_t *out, const struct product *p, const int8_t *at, const int32_t *bias,
                   size_t c, enum how how) {
    if (how == INT4)
        return line_as(out, p, at, bias, c, INT4);
    if (how == INT8_FOUR)
        return line_as(out, p, at, bias, c, INT8_FOUR);
    return line_as(out, p, at, bias, c, INT8_TWO);
}

/* Columns [c, c + n) one by one, for weights that the tiles cannot do. */
static void plain(int8_t *out, const struct product *p, const int8_t *packed, const int32_t *bias,
                  size_t rows, size_t c, size_t n) {
    const struct shape shape = { p->cols, p->in.n_runs, p->in.run, false };
    const struct requant *rq = p->rq;
    struct cursor cursor = { 0 };
    size_t at[1];

    for (size_t r = 0; r < rows; r++) {
        neon_rows_at(at, &p->in, &cursor, 1);
        for (size_t i = c; i < c + n; i++) {
            uint32_t sum = (uint32_t) bias[i];
            int32_t y;

            for (size_t k = 0; k < shape.n_runs; k++)
                for (size_t d = 0; d < shape.run; d++)
                    sum += (uint32_t) (p->in.runs[k][at[0] + d] *
                                       packed[neon_weight_at(&shape, i, k, d)]);
            y = mbqm((int32_t) sum, (struct factor){ rq->multiplier[i], rq->shift[i] });
            out[r * p->cols + i] = (int8_t) clamp_to(wrap_add(y, rq->zero_point), rq->min, rq->max);
        }
    }
}

/* All rows of the block @at of columns from @c on. */
INLINE void block_rows(int8_t *out, const struct product *p, const int8_t *at, const int32_t *bias,
                       size_t rows, size_t c, enum how how) {
    const size_t vectors = neon_block_vectors(p->cols - c);
    struct some_columns some;
    struct columns columns = neon_columns(p->rq, bias, c, p->cols, &some);

    columns.n = least(columns.n, vectors * LANES);
    if (vectors == 4)
        panel(out + c, p, at + BLOCK, &columns, rows, 4, how);
    else if (vectors == 2)
        panel(out + c, p, at + BLOCK, &columns, rows, 2, how);
    else
        panel(out + c, p, at + BLOCK, &columns, rows, 1, how);
}

INLINE void product(int8_t *out, const struct product *p, const int8_t *packed, const int32_t *bias,
                    size_t rows, bool int4) {
    const struct shape shape = { p->cols, p->in.n_runs, p->in.run, int4 };
    const size_t bytes = neon_vectors_bytes(1, &shape), cols = p->cols;
    const bool is_line =
        rows == 1 && shape.n_runs == 1 && shape.run % EIGHT == 0 && p->ending != ENDING_ANY;
    const int8_t *at = packed + HEADER_BYTES;
    size_t n;

    for (size_t c = 0; c < cols; c += n) {
        const size_t vectors = neon_block_vectors(cols - c);
        const uint32_t fit = block_header(at).fit;
        const enum how how = int4 ? INT4 : fit == FIT_FOUR ? INT8_FOUR : INT8_TWO;

        n = least(vectors * LANES, cols - c);
        if (fit == FIT_ONE)
            plain(out, p, packed, bias, rows, c, n);
        else if (is_line && n == BLOCK)
            n = line(out, p, at, bias, c, how);
        else
            block_rows(out, p, at, bias, rows, c, how);
        at += parts(n, BLOCK) * BLOCK + parts(n, LANES) * bytes;
    }
}

void neon_product_s8(int8_t *out, const struct product *p, const void *packed, const int32_t *bias,
                     size_t rows) {
    product(out, p, packed, bias, rows, false);
}

void neon_product_s4(int8_t *out, const struct product *p, const void *packed, const int32_t *bias,
                     size_t rows) {
    product(out, p, packed, bias, rows, true);
}

static size_t bytes_s8(size_t cols, size_t depth) {
    return neon_packed_bytes(cols, 1, depth, false);
}

static size_t bytes_s4(size_t cols, size_t depth) {
    return neon_packed_bytes(cols, 1, depth, true);
}

static void pack_s8(void *packed, const int8_t *weight, size_t cols, size_t depth) {
    neon_pack(packed, weight, cols, 1, depth, false);
}

static void pack_s4(void *packed, const int8_t *weight, size_t cols, size_t depth) {
    neon_pack(packed, weight, cols, 1, depth, true);
}

static void run_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, struct gemm_size size) {
    const struct product product = neon_gemm_product(&in, bias, rq, size, neon_reach(packed));

    neon_product_s8(out, &product, packed, bias, size.rows);
}

static void run_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, struct gemm_size size) {
    const struct product product = neon_gemm_product(&in, bias, rq, size, neon_reach(packed));

    neon_product_s4(out, &product, packed, bias, size.rows);
}

const struct gemm_kernel neon_gemm_s8 = { bytes_s8, pack_s8, run_s8 };
const struct gemm_kernel neon_gemm_s4 = { bytes_s4, pack_s4, run_s4 };
