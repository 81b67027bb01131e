/* SPDX-License-Identifier: MIT */
/*
 * Matrix products with NEON: a tile of 2 rows x 8 columns, with 4 partial sums of each in a
 * register. Two products of int8 fit into an int16 (SMULL, SMLAL2), unless both weights are -128,
 * and are then added in pairs to int32 (SADALP): 16 products in three instructions.
 *
 * Weights lie in sixteens along the depth of each run, those of 8 columns side by side, or of up to
 * 4 in the last block; what is left of a run is eight or sixteen. int4: a pair of columns a byte.
 */
#include "models/kernels/neon.h"

enum {
    TILE_ROWS = 2,
    TILE_COLS = 8,
    HALF = BLOCK / 2,
    HEADER_BYTES = BLOCK,
    UNPACKED_BYTES = 1 << 14, /* of int4 weights of a block */
};

/* Begins the packed weights. */
struct header {
    int32_t careful; /* there are pairs of -128 */
};

/* A run as it is multiplied: whole sixteens and an eight or a sixteen behind. */
static size_t padded(size_t run) {
    return parts(run, HALF) % 2 ? parts(run, HALF) * HALF : parts(run, BLOCK) * BLOCK;
}

/* Columns for which there is room in a block of which @cols are left. */
static size_t block_cols(size_t cols) {
    return cols > LANES ? TILE_COLS : LANES;
}

static size_t block_bytes(size_t cols, size_t n_runs, size_t run, bool int4) {
    return block_cols(cols) * n_runs * padded(run) / (int4 ? 2 : 1);
}

/* Where weight @d of run @k of column @c is; for int4 the byte that it shares. */
static size_t weight_at(size_t cols, size_t n_runs, size_t run, bool int4, size_t c, size_t k,
                        size_t d) {
    const size_t first = c / TILE_COLS * TILE_COLS, in_block = c - first, whole = run / BLOCK;
    const size_t width = d / BLOCK < whole || padded(run) % BLOCK == 0 ? BLOCK : HALF;
    const size_t block = first / TILE_COLS * block_bytes(TILE_COLS, n_runs, run, false);
    const size_t columns = block_cols(cols - first);
    const size_t at = block + columns * (k * padded(run) + d / BLOCK * BLOCK);

    if (int4)
        return HEADER_BYTES + at / 2 + in_block / 2 * width + d % BLOCK;
    return HEADER_BYTES + at + in_block * width + d % BLOCK;
}

size_t neon_packed_bytes(size_t cols, size_t n_runs, size_t run, bool int4) {
    const size_t last = cols % TILE_COLS;

    return HEADER_BYTES + cols / TILE_COLS * block_bytes(TILE_COLS, n_runs, run, int4) +
           (last ? block_bytes(last, n_runs, run, int4) : 0);
}

void neon_pack(void *packed, const int8_t *weight, size_t cols, size_t n_runs, size_t run,
               bool int4) {
    struct header header = { 0 };
    uint8_t *out = packed;

    for (size_t c = 0; c < cols; c++)
        for (size_t k = 0; k < n_runs; k++, weight += run)
            for (size_t d = 0; d < run; d++) {
                const uint8_t w = (uint8_t) weight[d];
                const size_t at = weight_at(cols, n_runs, run, int4, c, k, d);

                out[at] = int4 ? (uint8_t) (out[at] | (w & 15) << (c % 2 * 4)) : w;
                if (weight[d] == INT8_MIN && d % BLOCK >= HALF && weight[d - HALF] == INT8_MIN)
                    header.careful = true;
            }
    (void) memcpy(packed, &header, sizeof(header));
}

/* The next sixteen weights of @cols columns; returns what is behind. */
INLINE const int8_t *load_weights(int8x16_t *w, const int8_t *at, size_t cols, bool int4) {
    UNROLL
    for (size_t c = 0; c < cols; c += 4) {
        if (int4) {
            const int8x16_t a = vld1q_s8(at), b = vld1q_s8(at + BLOCK);

            w[c] = vshrq_n_s8(vshlq_n_s8(a, 4), 4);
            w[c + 1] = vshrq_n_s8(a, 4);
            w[c + 2] = vshrq_n_s8(vshlq_n_s8(b, 4), 4);
            w[c + 3] = vshrq_n_s8(b, 4);
            at += 2 * BLOCK;
        } else {
            const int8x16x4_t all = vld1q_s8_x4(at);

            UNROLL
            for (size_t i = 0; i < 4; i++)
                w[c + i] = all.val[i];
            at += 4 * BLOCK;
            __asm__("" : "+r"(at)); /* so that the load itself moves on */
        }
    }
    return at;
}

/* Add sixteen inputs of each row; @first: to nothing yet. */
INLINE const int8_t *add(int32x4_t (*sums)[TILE_COLS], const int8x16_t *x, const int8_t *weights,
                         size_t rows, size_t cols, bool int4, bool first) {
    int8x16_t w[4];

    UNROLL
    for (size_t c = 0; c < cols; c += 4) {
        weights = load_weights(w, weights, 4, int4);
        UNROLL
        for (size_t i = 0; i < 4; i++)
            UNROLL
        for (size_t r = 0; r < rows; r++) {
            const int16x8_t both =
                vmlal_high_s8(vmull_s8(vget_low_s8(x[r]), vget_low_s8(w[i])), x[r], w[i]);

            sums[r][c + i] = first ? vpaddlq_s16(both) : vpadalq_s16(sums[r][c + i], both);
        }
    }
    return weights;
}

/* The sums of 4 vectors of partial ones. */
INLINE int32x4_t sum4(const int32x4_t *partial) {
    return vpaddq_s32(vpaddq_s32(partial[0], partial[1]), vpaddq_s32(partial[2], partial[3]));
}

/* Add eight inputs of each row. */
INLINE const int8_t *add_half(int32x4_t (*sums)[TILE_COLS], const int8x8_t *x,
                              const int8_t *weights, size_t rows, size_t cols, bool int4) {
    UNROLL
    for (size_t c = 0; c < cols; c += 2) {
        int8x8_t w[2];

        if (int4) {
            const int8x8_t both = vld1_s8(weights);

            w[0] = vshr_n_s8(vshl_n_s8(both, 4), 4);
            w[1] = vshr_n_s8(both, 4);
            weights += HALF;
        } else {
            const int8x16_t both = vld1q_s8(weights);

            w[0] = vget_low_s8(both);
            w[1] = vget_high_s8(both);
            weights += BLOCK;
        }
        UNROLL
        for (size_t i = 0; i < 2; i++)
            UNROLL
        for (size_t r = 0; r < rows; r++)
            sums[r][c + i] = vpadalq_s16(sums[r][c + i], vmull_s8(x[r], w[i]));
    }
    return weights;
}

/*
 * @rows x @cols sums of the rows that begin @at; @last is what the one row has behind its last
 * sixteen, if that may not be read as a vector.
 */
INLINE void tile(int8_t *out, const struct product *p, const size_t *at, const int8_t *last,
                 const int8_t *weights, const struct columns *columns, size_t rows, size_t cols,
                 bool int4) {
    const size_t whole = p->in.run / BLOCK * BLOCK, rest = p->in.run - whole;
    const int8_t *const *runs = p->in.runs, *const *end = runs + p->in.n_runs;
    int32x4_t partial[TILE_ROWS][TILE_COLS], sums[TILE_ROWS][4];
    int8x16_t x[TILE_ROWS];
    int8x8_t half[TILE_ROWS];
    size_t d = 0;

    if (whole > 0) {
        UNROLL
        for (size_t r = 0; r < rows; r++)
            x[r] = vld1q_s8(*runs + at[r]);
        weights = add(partial, x, weights, rows, cols, int4, true);
        d = BLOCK;
    } else {
        UNROLL
        for (size_t r = 0; r < rows; r++)
            UNROLL
        for (size_t c = 0; c < cols; c++)
            partial[r][c] = vdupq_n_s32(0);
    }
    for (; runs < end; runs++, d = 0) {
        const int8_t *a = *runs;

        for (a += d; d < whole; d += BLOCK, a += BLOCK) {
            UNROLL
            for (size_t r = 0; r < rows; r++)
                x[r] = vld1q_s8(a + at[r]);
            weights = add(partial, x, weights, rows, cols, int4, false);
        }
        if (rest > HALF) {
            UNROLL
            for (size_t r = 0; r < rows; r++)
                x[r] = vld1q_s8(last ? last : a + at[r]);
            weights = add(partial, x, weights, rows, cols, int4, false);
        } else if (rest > 0) {
            UNROLL
            for (size_t r = 0; r < rows; r++)
                half[r] = vld1_s8(last ? last : a + at[r]);
            weights = add_half(partial, half, weights, rows, cols, int4);
        }
    }
    UNROLL
    for (size_t r = 0; r < rows; r++)
        UNROLL
    for (size_t c = 0; c < cols; c += LANES)
        sums[r][c / LANES] =
            vaddq_s32(vld1q_s32(columns->bias + c),
                      vpaddq_s32(vpaddq_s32(partial[r][c], partial[r][c + 1]),
                                 vpaddq_s32(partial[r][c + 2], partial[r][c + 3])));
    neon_finish(out, p->cols, sums, rows, cols / LANES, columns, p->rq, p->ending);
}

/* Add two sixteens of two rows. */
INLINE const int8_t *add_two(int32x4_t (*sums)[TILE_COLS], const int8_t *a, const int8_t *b,
                             const int8_t *weights, bool first) {
    const int8x16_t a0 = vld1q_s8(a), a1 = vld1q_s8(a + BLOCK);
    const int8x16_t b0 = vld1q_s8(b), b1 = vld1q_s8(b + BLOCK);
    const int8x16_t x[] = { a0, b0 }, y[] = { a1, b1 };

    weights = add(sums, x, weights, TILE_ROWS, TILE_COLS, false, first);
    return add(sums, y, weights, TILE_ROWS, TILE_COLS, false, false);
}

/*
 * The usual case with less around it: pairs of rows of one run of whole eights, 8 columns, clamped
 * as ReLU does.
 */
static void relu_tiles(int8_t *out, const struct product *p, const int8_t *weights,
                       const struct columns *columns, size_t rows) {
    const size_t whole = p->in.run / BLOCK * BLOCK, pitch = p->in.pitch, cols = p->cols;
    const int32_t *biases = columns->bias, *multipliers = columns->multiplier;
    const int32_t *shifts = columns->shift;
    const bool half = p->in.run > whole;
    const int8_t *in = p->in.runs[0];

    for (; rows >= TILE_ROWS; rows -= TILE_ROWS, in += TILE_ROWS * pitch) {
        const int8_t *a = in, *b = in + pitch, *behind = in + whole, *w = weights;
        int32x4_t partial[TILE_ROWS][TILE_COLS], y[4];

        if (behind - a >= 2 * BLOCK) {
            w = add_two(partial, a, b, w, true);
            a += 2 * BLOCK;
            b += 2 * BLOCK;
        } else {
            UNROLL
            for (size_t c = 0; c < TILE_COLS; c++)
                partial[0][c] = partial[1][c] = vdupq_n_s32(0);
        }
        for (; behind - a >= 2 * BLOCK; a += 2 * BLOCK, b += 2 * BLOCK)
            w = add_two(partial, a, b, w, false);
        if (a < behind) {
            const int8x16_t x[] = { vld1q_s8(a), vld1q_s8(b) };

            w = add(partial, x, w, TILE_ROWS, TILE_COLS, false, false);
            a += BLOCK;
            b += BLOCK;
        }
        if (half) {
            const int8x8_t x[] = { vld1_s8(a), vld1_s8(b) };

            (void) add_half(partial, x, w, TILE_ROWS, TILE_COLS, false);
        }
        UNROLL
        for (size_t v = 0; v < 2; v++) {
            const int32x4_t bias = vld1q_s32(biases + v * LANES);
            const int32x4_t multiplier = vld1q_s32(multipliers + v * LANES);
            const int32x4_t shift = vld1q_s32(shifts + v * LANES);

            UNROLL
            for (size_t r = 0; r < TILE_ROWS; r++)
                y[r * 2 + v] = neon_scale(vaddq_s32(bias, sum4(&partial[r][v * LANES])), multiplier,
                                          shift, 0, ENDING_RELU);
        }
        neon_store_two(out, out + cols, neon_narrow(y, 4, p->rq, ENDING_RELU));
        out += TILE_ROWS * cols;
    }
}

/* Copies of what all tiles share are out of reach of what is stored. */
INLINE void tiles(int8_t *out, const struct product *shared, const int8_t *weights,
                  const struct columns *shared_columns, size_t rows, size_t cols, bool int4) {
    const struct requant rq = *shared->rq;
    const struct columns columns = *shared_columns;
    struct product p = *shared;
    const size_t whole = p.in.run / BLOCK * BLOCK, rest = p.in.run - whole;
    const size_t read = rest > HALF ? BLOCK : rest > 0 ? HALF : 0;
    const size_t roomy = neon_roomy(&p.in, rows, whole + read);
    struct cursor cursor = { 0 };
    size_t at[TILE_ROWS], r = 0;

    p.rq = &rq;
    if (!int4 && cols == TILE_COLS && columns.n == TILE_COLS && p.ending == ENDING_RELU &&
        p.in.n_runs == 1 && p.in.run % HALF == 0 && rows <= p.in.width) {
        r = rows / TILE_ROWS * TILE_ROWS;
        relu_tiles(out, &p, weights, &columns, r);
        out += r * p.cols;
        cursor = (struct cursor){ r, r * p.in.pitch };
    }
    for (; !int4 && r + TILE_ROWS <= roomy; r += TILE_ROWS, out += TILE_ROWS * p.cols) {
        neon_rows_at(at, &p.in, &cursor, TILE_ROWS);
        tile(out, &p, at, NULL, weights, &columns, TILE_ROWS, cols, int4);
    }
    for (; r < rows; r++, out += p.cols) {
        int8_t last[BLOCK] = { 0 };

        neon_rows_at(at, &p.in, &cursor, 1);
        if (r >= roomy) /* then there is one run */
            (void) memcpy(last, p.in.runs[0] + at[0] + whole, rest);
        tile(out, &p, at, r < roomy ? NULL : last, weights, &columns, 1, cols, int4);
    }
}

static int8_t *unpack_some(int8_t *out, const int8_t *weights, size_t n) {
    for (size_t i = 0; i < n; i += HALF, out += BLOCK) {
        const int8x8_t both = vld1_s8(weights + i);

        vst1_s8(out, vshr_n_s8(vshl_n_s8(both, 4), 4));
        vst1_s8(out + HALF, vshr_n_s8(both, 4));
    }
    return out;
}

/* The int4 weights of a block of @cols columns as int8. */
static void unpack(int8_t *out, const int8_t *weights, size_t n_runs, size_t run, size_t cols) {
    const size_t whole = padded(run) / BLOCK * BLOCK * cols / 2;
    const size_t rest = padded(run) % BLOCK * cols / 2;

    for (size_t k = 0; k < n_runs; k++, weights += whole + rest) {
        for (size_t i = 0; i < whole; i += BLOCK, out += 2 * BLOCK) {
            const int8x16_t both = vld1q_s8(weights + i);

            vst1q_s8(out, vshrq_n_s8(vshlq_n_s8(both, 4), 4));
            vst1q_s8(out + BLOCK, vshrq_n_s8(both, 4));
        }
        out = unpack_some(out, weights + whole, rest);
    }
}

INLINE void panel(int8_t *out, const struct product *p, const int8_t *weights,
                  const struct columns *columns, size_t rows, size_t cols, bool int4) {
    const size_t bytes = cols * p->in.n_runs * padded(p->in.run);
    int8_t unpacked[UNPACKED_BYTES];

    if (!int4 || rows < TILE_ROWS || bytes > UNPACKED_BYTES) {
        tiles(out, p, weights, columns, rows, cols, int4);
        return;
    }
    unpack(unpacked, weights, p->in.n_runs, p->in.run, cols);
    tiles(out, p, unpacked, columns, rows, cols, false);
}

/* One row of pairs of whole blocks of columns: as a tile does it, with less around it. */
INLINE void line(int8_t *out, const struct product *p, const int8_t *weights, const int32_t *bias,
                 size_t cols, bool int4) {
    const struct requant rq = *p->rq;
    const enum ending ending = p->ending;
    const size_t run = p->in.run, bytes = block_bytes(TILE_COLS, 1, run, int4);
    const int8_t *in = p->in.runs[0];

    for (size_t c = 0; c < cols; c += 2 * TILE_COLS, weights += 2 * bytes) {
        const struct columns columns = { bias + c, rq.multiplier + c, rq.shift + c, 2 * TILE_COLS };
        const int8_t *left = weights, *right = weights + bytes;
        int32x4_t partial[2][TILE_COLS], sums[1][4];
        int8x16_t x = vld1q_s8(in);

        left = add(&partial[0], &x, left, 1, TILE_COLS, int4, true);
        right = add(&partial[1], &x, right, 1, TILE_COLS, int4, true);
        for (size_t d = BLOCK; d < run; d += BLOCK) {
            x = vld1q_s8(in + d);
            left = add(&partial[0], &x, left, 1, TILE_COLS, int4, false);
            right = add(&partial[1], &x, right, 1, TILE_COLS, int4, false);
        }
        UNROLL
        for (size_t v = 0; v < 4; v++)
            sums[0][v] = vaddq_s32(vld1q_s32(columns.bias + v * LANES),
                                   sum4(&partial[v / 2][v % 2 * LANES]));
        neon_finish(out + c, 0, sums, 1, 4, &columns, &rq, ending);
    }
}

INLINE void product(int8_t *out, const struct product *p, const int8_t *weights,
                    const int32_t *bias, size_t rows, bool int4) {
    const size_t whole = p->cols / (2 * TILE_COLS) * (2 * TILE_COLS), run = p->in.run;
    size_t c = 0;

    if (rows == 1 && p->in.n_runs == 1 && run > 0 && run % BLOCK == 0) {
        line(out, p, weights, bias, whole, int4);
        weights += whole / TILE_COLS * block_bytes(TILE_COLS, 1, run, int4);
        c = whole;
    }
    for (; c < p->cols; c += TILE_COLS) {
        struct some_columns some;
        struct columns columns = neon_columns(p->rq, bias, c, p->cols, &some);

        columns.n = least(columns.n, TILE_COLS);
        if (columns.n > LANES)
            panel(out + c, p, weights, &columns, rows, TILE_COLS, int4);
        else
            panel(out + c, p, weights, &columns, rows, LANES, int4);
        weights += block_bytes(TILE_COLS, p->in.n_runs, run, int4);
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
