/* SPDX-License-Identifier: MIT */
/*
 * Matrix products with NEON: a tile of 2 rows x 16 columns, each sum in a lane. Inputs are loaded
 * in pairs into all lanes (LD4R: four such), weights lie as pairs of 4 columns. Two products of
 * int8 fit into an int16 (SMULL, SMLAL2), unless both weights are -128, and are then added in pairs
 * to int32 (SADALP): 16 products in three instructions.
 *
 * Weights lie in fours along the depth of each run, a vector for 4 columns, the vectors of a block
 * side by side: of 16 columns, at the end of 8 or 4. int4: an even number of fours, two a vector.
 */
#include "models/kernels/neon.h"

enum {
    TILE_ROWS = 2,
    TILE_VECTORS = 4,
    PAIR = 2,  /* of depth, side by side in a vector */
    FOUR = 4,  /* of depth, that a vector of weights is for */
    EIGHT = 8, /* of depth, that LD4R loads */
    HEADER_BYTES = BLOCK,
    UNPACKED_BYTES = 1 << 14, /* of int4 weights of a block */
};

/* Begins the packed weights. */
struct header {
    int32_t careful; /* there are pairs of -128 */
};

/* How many fours of a run are multiplied. */
static size_t fours(size_t run, bool int4) {
    return int4 ? parts(run, EIGHT) * 2 : parts(run, FOUR);
}

/* Vectors of the next block, of @cols columns that are left. */
static size_t block_vectors(size_t cols) {
    return cols > 3 * LANES ? TILE_VECTORS : cols > LANES ? 2 : 1;
}

static size_t vectors_bytes(size_t vectors, size_t n_runs, size_t run, bool int4) {
    return vectors * n_runs * fours(run, int4) * (int4 ? BLOCK / 2 : BLOCK);
}

/* Where weight @d of run @k of column @c is; for int4 the byte that it shares. */
static size_t weight_at(size_t cols, size_t n_runs, size_t run, bool int4, size_t c, size_t k,
                        size_t d) {
    const size_t whole = c / BLOCK * BLOCK, eight = 2 * LANES;
    const bool last = block_vectors(cols - whole) == 2 && c - whole >= eight;
    const size_t first = last ? whole + eight : whole, vectors = block_vectors(cols - first);
    const size_t four = k * fours(run, int4) + d / FOUR;
    const size_t vector = (int4 ? four / 2 : four) * vectors + (c - first) / LANES;

    return HEADER_BYTES + vectors_bytes(first / LANES, n_runs, run, int4) + vector * BLOCK +
           d % FOUR / PAIR * (BLOCK / 2) + c % LANES * PAIR + d % PAIR;
}

size_t neon_packed_bytes(size_t cols, size_t n_runs, size_t run, bool int4) {
    return HEADER_BYTES + vectors_bytes(parts(cols, LANES), n_runs, run, int4);
}

void neon_pack(void *packed, const int8_t *weight, size_t cols, size_t n_runs, size_t run,
               bool int4) {
    struct header header = { 0 };
    uint8_t *out = packed;

    for (size_t c = 0; c < cols; c++)
        for (size_t k = 0; k < n_runs; k++, weight += run)
            for (size_t d = 0; d < run; d++) {
                const size_t at = weight_at(cols, n_runs, run, int4, c, k, d);
                const uint8_t w = (uint8_t) weight[d];

                out[at] = int4 ? (uint8_t) (out[at] | (w & 15) << (d / FOUR % 2 * 4)) : w;
                if (weight[d] == INT8_MIN && d % FOUR >= PAIR && weight[d - PAIR] == INT8_MIN)
                    header.careful = true;
            }
    (void) memcpy(packed, &header, sizeof(header));
}

/* The next @vectors vectors of weights. */
INLINE const int8_t *load_weights(int8x16_t *w, const int8_t *at, size_t vectors) {
    if (vectors == 4) {
        const int8x16x4_t all = vld1q_s8_x4(at);

        UNROLL
        for (size_t v = 0; v < 4; v++)
            w[v] = all.val[v];
    } else {
        UNROLL
        for (size_t v = 0; v < vectors; v++)
            w[v] = vld1q_s8(at + v * BLOCK);
    }
    at += vectors * BLOCK;
    __asm__("" : "+r"(at)); /* so that the load itself moves on */
    return at;
}

/* Add four inputs, pairs in all lanes, times 4 columns in each vector. */
INLINE void add_four(int32x4_t *sums, int16x8_t first, int16x8_t second, const int8x16_t *w,
                     size_t vectors) {
    const int8x8_t a = vget_low_s8(vreinterpretq_s8_s16(first));
    const int8x16_t b = vreinterpretq_s8_s16(second);

    UNROLL
    for (size_t v = 0; v < vectors; v++)
        sums[v] = vpadalq_s16(sums[v], vmlal_high_s8(vmull_s8(a, vget_low_s8(w[v])), b, w[v]));
}

/* Add eight inputs of each row. */
INLINE const int8_t *add_eight(int32x4_t (*sums)[TILE_VECTORS], const int8_t **in,
                               const int8_t *weights, size_t rows, size_t vectors, bool int4) {
    int8x16_t low[TILE_VECTORS], high[TILE_VECTORS];

    if (int4) {
        weights = load_weights(high, weights, vectors);
        UNROLL
        for (size_t v = 0; v < vectors; v++) {
            low[v] = vshrq_n_s8(vshlq_n_s8(high[v], 4), 4);
            high[v] = vshrq_n_s8(high[v], 4);
        }
    } else {
        weights = load_weights(low, weights, vectors);
        weights = load_weights(high, weights, vectors);
    }
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        const int16x8x4_t x = vld4q_dup_s16((const void *) in[r]);

        in[r] += EIGHT;
        __asm__("" : "+r"(in[r]));
        add_four(sums[r], x.val[0], x.val[1], low, vectors);
        add_four(sums[r], x.val[2], x.val[3], high, vectors);
    }
    return weights;
}

/* Add the four inputs of each row behind its last eight. */
INLINE const int8_t *add_last_four(int32x4_t (*sums)[TILE_VECTORS], const int8_t *const *in,
                                   const int8_t *weights, size_t rows, size_t vectors) {
    int8x16_t w[TILE_VECTORS];

    weights = load_weights(w, weights, vectors);
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        const int16x8x2_t x = vld2q_dup_s16((const void *) in[r]);

        add_four(sums[r], x.val[0], x.val[1], w, vectors);
    }
    return weights;
}

/* Add a run of each row; what is behind its last eight is in @last, if that may not be read. */
INLINE const int8_t *add_run(int32x4_t (*sums)[TILE_VECTORS], const int8_t **in, const int8_t *last,
                             const int8_t *weights, size_t run, size_t rows, size_t vectors,
                             bool int4) {
    const size_t rest = run % EIGHT;

    for (size_t n = run / (2 * EIGHT); n > 0; n--) {
        weights = add_eight(sums, in, weights, rows, vectors, int4);
        weights = add_eight(sums, in, weights, rows, vectors, int4);
    }
    if (run & EIGHT)
        weights = add_eight(sums, in, weights, rows, vectors, int4);
    if (rest == 0)
        return weights;
    if (last)
        in[0] = last;
    if (int4 || rest > FOUR)
        return add_eight(sums, in, weights, rows, vectors, int4);
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
                 bool int4) {
    const int8_t *const *runs = p->in.runs, *const *end = runs + p->in.n_runs;
    int32x4_t sums[TILE_ROWS][TILE_VECTORS];

    begin(sums, columns->bias, rows, vectors);
    for (; runs < end; runs++) {
        const int8_t *in[TILE_ROWS];

        UNROLL
        for (size_t r = 0; r < rows; r++)
            in[r] = *runs + at[r];
        weights = add_run(sums, in, last, weights, p->in.run, rows, vectors, int4);
    }
    neon_finish(out, p->cols, sums, rows, vectors, columns, p->rq, p->ending);
}

/* 1 to 4 vectors of int32. */
INLINE void load_factors(int32x4_t *out, const int32_t *values, size_t vectors) {
    if (vectors == 4) {
        const int32x4x4_t all = vld1q_s32_x4(values);

        UNROLL
        for (size_t v = 0; v < 4; v++)
            out[v] = all.val[v];
    } else {
        UNROLL
        for (size_t v = 0; v < vectors; v++)
            out[v] = vld1q_s32(values + v * LANES);
    }
}

/* As neon_finish_as(), but all factors are loaded at once. */
INLINE void finish(int8_t *out, size_t pitch, int32x4_t (*sums)[TILE_VECTORS], size_t rows,
                   size_t vectors, const struct columns *columns, const struct requant *rq,
                   enum ending ending) {
    int32x4_t multipliers[TILE_VECTORS], shifts[TILE_VECTORS];

    load_factors(multipliers, columns->multiplier, vectors);
    load_factors(shifts, columns->shift, vectors);
    UNROLL
    for (size_t v = 0; v < vectors; v++)
        UNROLL
    for (size_t r = 0; r < rows; r++)
        sums[r][v] = neon_scale(sums[r][v], multipliers[v], shifts[v], 0, ending);
    UNROLL
    for (size_t r = 0; r < rows; r++, out += pitch)
        neon_store(out, neon_narrow(sums[r], vectors, rq, ending), vectors);
}

/* Pairs of rows of one run, one behind the other, with less around them than tile() has. */
INLINE void pairs_as(int8_t *out, const struct product *p, const int8_t *weights,
                     const struct columns *columns, size_t rows, size_t vectors,
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
        (void) add_run(sums, at, NULL, weights, run, TILE_ROWS, vectors, false);
        finish(out, cols, sums, TILE_ROWS, vectors, &some, &limits, ending);
        out += TILE_ROWS * cols;
    }
}

static __attribute__((noinline)) void relu_pairs(int8_t *out, const struct product *p,
                                                 const int8_t *weights,
                                                 const struct columns *columns, size_t rows) {
    if (columns->n == BLOCK)
        pairs_as(out, p, weights, columns, rows, TILE_VECTORS, ENDING_RELU);
    else
        pairs_as(out, p, weights, columns, rows, 2, ENDING_RELU);
}

static __attribute__((noinline)) void right_pairs(int8_t *out, const struct product *p,
                                                  const int8_t *weights,
                                                  const struct columns *columns, size_t rows) {
    if (columns->n == BLOCK)
        pairs_as(out, p, weights, columns, rows, TILE_VECTORS, ENDING_RIGHT);
    else
        pairs_as(out, p, weights, columns, rows, 2, ENDING_RIGHT);
}

/* Copies of what all tiles share are out of reach of what is stored. */
INLINE void tiles(int8_t *out, const struct product *shared, const int8_t *weights,
                  const struct columns *shared_columns, size_t rows, size_t vectors, bool int4) {
    const struct requant rq = *shared->rq;
    const struct columns columns = *shared_columns;
    struct product p = *shared;
    const size_t run = p.in.run, rest = run % EIGHT;
    const size_t roomy = neon_roomy(&p.in, rows, fours(run, int4) * FOUR);
    struct cursor cursor = { 0 };
    size_t at[TILE_ROWS], r = 0;

    p.rq = &rq;
    if (!int4 && vectors > 1 && columns.n == vectors * LANES && p.in.n_runs == 1 &&
        rows <= p.in.width && p.ending != ENDING_ANY) {
        r = roomy / TILE_ROWS * TILE_ROWS;
        if (p.ending == ENDING_RELU)
            relu_pairs(out, &p, weights, &columns, r);
        else
            right_pairs(out, &p, weights, &columns, r);
        out += r * p.cols;
        cursor = (struct cursor){ r, r * p.in.pitch };
    }
    for (; !int4 && r + TILE_ROWS <= roomy; r += TILE_ROWS, out += TILE_ROWS * p.cols) {
        neon_rows_at(at, &p.in, &cursor, TILE_ROWS);
        tile(out, &p, at, NULL, weights, &columns, TILE_ROWS, vectors, int4);
    }
    for (; r < rows; r++, out += p.cols) {
        int8_t last[EIGHT] = { 0 };

        neon_rows_at(at, &p.in, &cursor, 1);
        if (r >= roomy) /* then there is one run */
            (void) memcpy(last, p.in.runs[0] + at[0] + run - rest, rest);
        tile(out, &p, at, r < roomy ? NULL : last, weights, &columns, 1, vectors, int4);
    }
}

/* The int4 weights of a block of @vectors vectors as int8. */
static void unpack(int8_t *out, const int8_t *weights, size_t n_runs, size_t run, size_t vectors) {
    const size_t n_fours = fours(run, false), step = vectors * BLOCK;

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

INLINE void panel(int8_t *out, const struct product *p, const int8_t *weights,
                  const struct columns *columns, size_t rows, size_t vectors, bool int4) {
    int8_t unpacked[UNPACKED_BYTES];

    if (!int4 || rows < TILE_ROWS ||
        vectors_bytes(vectors, p->in.n_runs, p->in.run, false) > UNPACKED_BYTES) {
        tiles(out, p, weights, columns, rows, vectors, int4);
        return;
    }
    unpack(unpacked, weights, p->in.n_runs, p->in.run, vectors);
    tiles(out, p, unpacked, columns, rows, vectors, false);
}

/* One row of whole blocks of 16 columns, with less around them than tile() has. */
INLINE void line_as(int8_t *out, const struct product *p, const int8_t *weights,
                    const int32_t *bias, size_t cols, bool int4, enum ending ending) {
    const struct requant rq = *p->rq;
    const size_t run = p->in.run;
    const int8_t *in = p->in.runs[0];

    for (size_t c = 0; c < cols; c += BLOCK) {
        const struct columns columns = { bias + c, rq.multiplier + c, rq.shift + c, BLOCK };
        const int8_t *at[TILE_ROWS] = { in };
        int32x4_t sums[1][TILE_VECTORS];

        begin(sums, columns.bias, 1, TILE_VECTORS);
        weights = add_run(sums, at, NULL, weights, run, 1, TILE_VECTORS, int4);
        finish(out + c, 0, sums, 1, TILE_VECTORS, &columns, &rq, ending);
    }
}

static __attribute__((noinline)) void line(int8_t *out, const struct product *p,
                                           const int8_t *weights, const int32_t *bias, size_t cols,
                                           bool int4) {
    if (int4 && p->ending == ENDING_RELU)
        line_as(out, p, weights, bias, cols, true, ENDING_RELU);
    else if (int4)
        line_as(out, p, weights, bias, cols, true, ENDING_RIGHT);
    else if (p->ending == ENDING_RELU)
        line_as(out, p, weights, bias, cols, false, ENDING_RELU);
    else
        line_as(out, p, weights, bias, cols, false, ENDING_RIGHT);
}

INLINE void product(int8_t *out, const struct product *p, const int8_t *weights,
                    const int32_t *bias, size_t rows, bool int4) {
    const size_t run = p->in.run;
    size_t c = 0;

    if (rows == 1 && p->in.n_runs == 1 && run % EIGHT == 0 && p->ending != ENDING_ANY) {
        c = p->cols / BLOCK * BLOCK;
        line(out, p, weights, bias, c, int4);
        weights += c / BLOCK * vectors_bytes(TILE_VECTORS, 1, run, int4);
    }
    while (c < p->cols) {
        const size_t vectors = block_vectors(p->cols - c);
        struct some_columns some;
        struct columns columns = neon_columns(p->rq, bias, c, p->cols, &some);

        columns.n = least(columns.n, vectors * LANES);
        if (vectors == 4)
            panel(out + c, p, weights, &columns, rows, 4, int4);
        else if (vectors == 2)
            panel(out + c, p, weights, &columns, rows, 2, int4);
        else
            panel(out + c, p, weights, &columns, rows, 1, int4);
        weights += vectors_bytes(vectors, p->in.n_runs, run, int4);
        c += vectors * LANES;
    }
}

/* All of it one by one, for weights that the tiles cannot do. */
static void plain(int8_t *out, const struct product *p, const int8_t *packed, const int32_t *bias,
                  size_t rows) {
    const struct lines *in = &p->in;
    struct cursor cursor = { 0 };
    size_t at[1];

    for (size_t r = 0; r < rows; r++) {
        neon_rows_at(at, in, &cursor, 1);
        for (size_t c = 0; c < p->cols; c++, out++) {
            uint32_t sum = (uint32_t) bias[c];
            int32_t y;

            for (size_t k = 0; k < in->n_runs; k++)
                for (size_t d = 0; d < in->run; d++)
                    sum += (uint32_t) (in->runs[k][at[0] + d] *
                                       packed[weight_at(p->cols, in->n_runs, in->run, false, c, k,
                                                        d)]);
            y = mbqm((int32_t) sum, (struct factor){ p->rq->multiplier[c], p->rq->shift[c] });
            *out = (int8_t) clamp_to(wrap_add(y, p->rq->zero_point), p->rq->min, p->rq->max);
        }
    }
}

void neon_product_s8(int8_t *out, const struct product *p, const void *packed, const int32_t *bias,
                     size_t rows) {
    struct header header;

    (void) memcpy(&header, packed, sizeof(header));
    if (header.careful)
        plain(out, p, packed, bias, rows);
    else
        product(out, p, (const int8_t *) packed + HEADER_BYTES, bias, rows, false);
}

void neon_product_s4(int8_t *out, const struct product *p, const void *packed, const int32_t *bias,
                     size_t rows) {
    product(out, p, (const int8_t *) packed + HEADER_BYTES, bias, rows, true);
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
    const struct product product = neon_gemm_product(&in, bias, rq, size);

    neon_product_s8(out, &product, packed, bias, size.rows);
}

static void run_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, struct gemm_size size) {
    const struct product product = neon_gemm_product(&in, bias, rq, size);

    neon_product_s4(out, &product, packed, bias, size.rows);
}

const struct gemm_kernel neon_gemm_s8 = { bytes_s8, pack_s8, run_s8 };
const struct gemm_kernel neon_gemm_s4 = { bytes_s4, pack_s4, run_s4 };
