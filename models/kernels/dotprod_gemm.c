/* SPDX-License-Identifier: MIT */
/*
 * Matrix products with SDOT: a tile of 4 rows x 16 columns of sums stays in registers, while four
 * bytes of a row at a time, an element of the vector that was loaded, meet the weights of the
 * columns.
 */
#include "models/kernels/dotprod.h"

enum {
    TILE_ROWS = 4, /* x 4 vectors of sums: with weights and inputs, 24 of 32 registers */
    BYTES_MOST = (1 << 17) - 1, /* inputs whose sum, times -128 x -8 x 16, stays within int32 */
};

/* Where the weights of the block that begins with column @c begin. */
static size_t block_at(size_t c, size_t n_runs, size_t run, bool int4) {
    return c / BLOCK * n_runs * parts(run, FOUR) * dotprod_four_bytes(BLOCK, int4);
}

size_t dotprod_packed_bytes(size_t cols, size_t n_runs, size_t run, bool int4) {
    const size_t last = cols % BLOCK;

    return block_at(cols, n_runs, run, int4) +
           (last ? n_runs * parts(run, FOUR) * dotprod_four_bytes(last, int4) : 0);
}

void dotprod_pack(void *packed, const int8_t *weight, size_t cols, size_t n_runs, size_t run,
                  bool int4) {
    uint8_t *out = packed;

    dotprod_clear(out, dotprod_packed_bytes(cols, n_runs, run, int4), int4);
    for (size_t c = 0; c < cols; c++) {
        const size_t four = dotprod_four_bytes(cols - c / BLOCK * BLOCK, int4);
        uint8_t *block = out + block_at(c, n_runs, run, int4);

        for (size_t k = 0; k < n_runs; k++)
            for (size_t d = 0; d < run; d++, weight++)
                dotprod_put(block + (k * parts(run, FOUR) + d / FOUR) * four, c % BLOCK, d % FOUR,
                            *weight, int4);
    }
}

/* Add the first @fours fours of 16 inputs of each row; returns the next weights. */
INLINE const int8_t *add(int32x4_t (*sums)[VECTORS], const int8x16_t *x, const int8_t *weights,
                         size_t fours, size_t rows, size_t vectors, bool int4) {
    int8x16_t w[VECTORS];

    UNROLL
    for (size_t lane = 0; lane < FOUR; lane++)
        if (lane < fours) {
            weights = dotprod_load(w, weights, vectors, int4);
            UNROLL
            for (size_t r = 0; r < rows; r++)
                UNROLL
            for (size_t v = 0; v < vectors; v++)
                dotprod_dot(&sums[r][v], w[v], x[r], lane);
        }
    return weights;
}

/* Of @rows rows, some runs @at where they begin. */
struct tile {
    const int8_t *const *runs;
    size_t n_runs, at[TILE_ROWS];
    const int8_t *last; /* if not NULL: what one row has behind its last sixteen */
};

/* @vectors x 4 sums of each row; @part: perhaps not all of the last 4. */
INLINE void run_tile(int8_t *out, const struct product *p, const struct tile *tile,
                     const int8_t *weights, const struct columns *columns, size_t rows,
                     size_t vectors, bool int4, bool part) {
    const size_t *at = tile->at, rest = p->in.run % BLOCK;
    int32x4_t sums[TILE_ROWS][VECTORS];
    int8x16_t x[TILE_ROWS];

    UNROLL
    for (size_t r = 0; r < rows; r++) {
        const int32_t *bias = columns->bias;

        __asm__ volatile("" : "+r"(bias)); /* loads, two at a time, are fewer than copies */
        UNROLL
        for (size_t v = 0; v < vectors; v++)
            sums[r][v] = vld1q_s32(bias + v * LANES);
    }
    for (size_t k = 0; k < tile->n_runs; k++) {
        const int8_t *a = tile->runs[k];

        for (size_t n = p->in.run / BLOCK; n > 0; n--, a += BLOCK) {
            UNROLL
            for (size_t r = 0; r < rows; r++)
                x[r] = vld1q_s8(a + at[r]);
            weights = add(sums, x, weights, FOUR, rows, vectors, int4);
        }
        if (rest > 0) {
            UNROLL
            for (size_t r = 0; r < rows; r++)
                x[r] = vld1q_s8(tile->last ? tile->last : a + at[r]);
            weights = add(sums, x, weights, parts(rest, FOUR), rows, vectors, int4);
        }
    }
    if (part)
        neon_finish(out, p->cols, sums, rows, vectors, columns, p->rq, p->ending);
    else
        neon_finish_whole(out, p->cols, sums, rows, vectors, columns, p->rq, p->ending);
}

/* Copies of what all tiles share are out of reach of what is stored. */
INLINE void tiles(int8_t *out, const struct product *shared, const int8_t *weights,
                  const struct columns *shared_columns, size_t rows, size_t vectors, bool int4,
                  bool part) {
    const struct requant rq = *shared->rq;
    const struct columns columns = *shared_columns;
    struct product p = *shared;
    const size_t whole = p.in.run / BLOCK * BLOCK, rest = p.in.run - whole;
    const size_t roomy = neon_roomy(&p.in, rows, whole + (rest > 0 ? BLOCK : 0));
    const size_t step = TILE_ROWS * p.cols;
    struct cursor cursor = { 0 };
    size_t r = 0;

    p.rq = &rq;
    if (p.in.n_runs == 1 && p.in.width >= rows) { /* one line: the rows are evenly spaced */
        const int8_t *in = p.in.runs[0];
        struct tile tile = { &in, 1, { 0 }, NULL };

        UNROLL
        for (size_t i = 0; i < TILE_ROWS; i++)
            tile.at[i] = i * p.in.pitch;
        for (; !int4 && r + TILE_ROWS <= roomy; r += TILE_ROWS, out += step) {
            run_tile(out, &p, &tile, weights, &columns, TILE_ROWS, vectors, int4, part);
            in += TILE_ROWS * p.in.pitch;
        }
        cursor.at = r * p.in.pitch;
    }
    for (; !int4 && r + TILE_ROWS <= roomy; r += TILE_ROWS, out += step) {
        struct tile tile = { p.in.runs, p.in.n_runs, { 0 }, NULL };

        neon_rows_at(tile.at, &p.in, &cursor, TILE_ROWS);
        run_tile(out, &p, &tile, weights, &columns, TILE_ROWS, vectors, int4, part);
    }
    for (; r < rows; r++, out += p.cols) {
        struct tile tile = { p.in.runs, p.in.n_runs, { 0 }, NULL };
        int8_t last[BLOCK] = { 0 };

        neon_rows_at(tile.at, &p.in, &cursor, 1);
        if (r >= roomy) { /* then there is one run */
            (void) memcpy(last, p.in.runs[0] + tile.at[0] + whole, rest);
            tile.last = last;
        }
        run_tile(out, &p, &tile, weights, &columns, 1, vectors, int4, part);
    }
}

INLINE void panel(int8_t *out, const struct product *p, const int8_t *weights,
                  const struct columns *columns, size_t rows, size_t vectors, bool int4,
                  bool part) {
    const size_t fours = p->in.n_runs * parts(p->in.run, FOUR);
    int8_t unpacked[UNPACKED_BYTES];

    if (!int4 || rows < TILE_ROWS || fours * vectors * BLOCK > UNPACKED_BYTES) {
        tiles(out, p, weights, columns, rows, vectors, int4, part);
        return;
    }
    dotprod_unpack(unpacked, weights, fours, vectors);
    tiles(out, p, unpacked, columns, rows, vectors, false, part);
}

/* The columns from @c on, of @vectors vectors a block. */
INLINE void panels(int8_t *out, const struct product *p, const int8_t *weights, const int32_t *bias,
                   size_t rows, size_t c, size_t end, size_t vectors, bool int4, bool part) {
    const size_t fours = p->in.n_runs * parts(p->in.run, FOUR);
    const size_t bytes = fours * (int4 ? parts(vectors, 2) : vectors) * BLOCK;
    struct some_columns some;

    for (; c < end; c += BLOCK, weights += bytes) {
        const struct columns columns = neon_columns(p->rq, bias, c, p->cols, &some);

        panel(out + c, p, weights, &columns, rows, vectors, int4, part);
    }
}

/*
 * As add() for int4 and one row, but nibbles are not taken apart: the first and third of @sums get
 * what low nibbles give, with NIBBLE_ZERO in them, the others what whole bytes do.
 */
INLINE const int8_t *add_bytes(int32x4_t *sums, int8x16_t x, const int8_t *weights, size_t fours) {
    int8x16_t both[VECTORS];

    UNROLL
    for (size_t lane = 0; lane < FOUR; lane += 2) /* two fours take as much as one of int8 */
        if (lane < fours) {
            const size_t n = lane + 1 < fours ? VECTORS : VECTORS / 2;

            weights = dotprod_load(both, weights, n, false);
            UNROLL
            for (size_t i = 0; i < n; i++) {
                const size_t v = i % 2 * 2, k = lane + i / 2;

                dotprod_dot(&sums[v], vandq_s8(both[i], vdupq_n_s8(15)), x, k);
                dotprod_dot(&sums[v + 1], both[i], x, k);
            }
        }
    return weights;
}

/* The sums of add_bytes(), which began with minus NIBBLE_ZERO times all inputs, as sums of weights.
 */
INLINE void part_bytes(int32x4_t *sums, const int32_t *bias) {
    UNROLL
    for (size_t v = 0; v < VECTORS; v += 2) {
        const int32x4_t high = vsubq_s32(sums[v + 1], sums[v]); /* x 16 */

        sums[v] = vaddq_s32(sums[v], vld1q_s32(bias + v * LANES));
        sums[v + 1] = vsraq_n_s32(vld1q_s32(bias + (v + 1) * LANES), high, 4);
    }
}

/* Minus NIBBLE_ZERO times all inputs; @last are those behind the last sixteen. */
INLINE int32x4_t begin_bytes(const int8_t *in, size_t run, int8x16_t last) {
    const int8x16_t zero = vdupq_n_s8(-NIBBLE_ZERO);
    int32x4_t sum = vdotq_s32(vdupq_n_s32(0), last, zero);

    for (size_t d = 0; d + BLOCK <= run; d += BLOCK)
        sum = vdotq_s32(sum, vld1q_s8(in + d), zero);
    return vdupq_n_s32(vaddvq_s32(sum));
}

/* One row of whole blocks of columns: as a tile does it, with less around it. */
INLINE void line(int8_t *out, const struct product *p, const int8_t *in, const int8_t *weights,
                 const int32_t *bias, size_t cols, bool int4) {
    const struct requant rq = *p->rq;
    const enum ending ending = p->ending;
    const size_t whole = p->in.run / BLOCK * BLOCK, rest = p->in.run - whole;
    const int8x16_t last = neon_load_some(in + whole, rest);
    const int32x4_t begin = int4 ? begin_bytes(in, whole, last) : vdupq_n_s32(0);

    for (size_t c = 0; c < cols; c += BLOCK) {
        const struct columns columns = { bias + c, rq.multiplier + c, rq.shift + c, BLOCK };
        int32x4_t sums[1][VECTORS];

        UNROLL
        for (size_t v = 0; v < VECTORS; v++)
            sums[0][v] = int4 ? begin : vld1q_s32(columns.bias + v * LANES);
        for (const int8_t *a = in; a < in + whole; a += BLOCK) {
            const int8x16_t x = vld1q_s8(a);

            weights = int4 ? add_bytes(sums[0], x, weights, FOUR)
                           : add(sums, &x, weights, FOUR, 1, VECTORS, false);
        }
        if (rest > 0)
            weights = int4 ? add_bytes(sums[0], last, weights, parts(rest, FOUR))
                           : add(sums, &last, weights, parts(rest, FOUR), 1, VECTORS, false);
        if (int4)
            part_bytes(sums[0], columns.bias);
        neon_finish_whole(out + c, 0, sums, 1, VECTORS, &columns, &rq, ending);
    }
}

/* Are rows better done one by one? */
INLINE bool by_lines(const struct product *p, size_t rows, bool int4) {
    const bool few = rows < TILE_ROWS || parts(p->in.run, FOUR) * VECTORS * BLOCK > UNPACKED_BYTES;

    return p->in.n_runs == 1 && p->in.width >= rows &&
           (int4 ? few && p->in.run <= BYTES_MOST : rows == 1);
}

INLINE void product(int8_t *out, const struct product *p, const void *packed, const int32_t *bias,
                    size_t rows, bool int4) {
    const size_t cols = p->cols, c = cols / BLOCK * BLOCK, vectors = parts(cols - c, LANES);
    const int8_t *last = (const int8_t *) packed + block_at(c, p->in.n_runs, p->in.run, int4);

    if (!by_lines(p, rows, int4))
        panels(out, p, packed, bias, rows, 0, c, VECTORS, int4, false);
    else
        for (size_t r = 0; r < rows; r++)
            line(out + r * cols, p, p->in.runs[0] + r * p->in.pitch, packed, bias, c, int4);
    if (vectors == 4)
        panels(out, p, last, bias, rows, c, cols, VECTORS, int4, true);
    else if (vectors == 3)
        panels(out, p, last, bias, rows, c, cols, 3, int4, true);
    else if (vectors == 2)
        panels(out, p, last, bias, rows, c, cols, 2, int4, true);
    else if (vectors == 1)
        panels(out, p, last, bias, rows, c, cols, 1, int4, true);
}

void dotprod_product_s8(int8_t *out, const struct product *p, const void *packed,
                        const int32_t *bias, size_t rows) {
    product(out, p, packed, bias, rows, false);
}

void dotprod_product_s4(int8_t *out, const struct product *p, const void *packed,
                        const int32_t *bias, size_t rows) {
    product(out, p, packed, bias, rows, true);
}

static size_t bytes_s8(size_t cols, size_t depth) {
    return dotprod_packed_bytes(cols, 1, depth, false);
}

static size_t bytes_s4(size_t cols, size_t depth) {
    return dotprod_packed_bytes(cols, 1, depth, true);
}

static void pack_s8(void *packed, const int8_t *weight, size_t cols, size_t depth) {
    dotprod_pack(packed, weight, cols, 1, depth, false);
}

static void pack_s4(void *packed, const int8_t *weight, size_t cols, size_t depth) {
    dotprod_pack(packed, weight, cols, 1, depth, true);
}

static void run_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, struct gemm_size size) {
    const struct product product = neon_gemm_product(&in, bias, rq, size, size.depth << 14);

    dotprod_product_s8(out, &product, packed, bias, size.rows);
}

static void run_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, struct gemm_size size) {
    const struct product product = neon_gemm_product(&in, bias, rq, size, size.depth << 14);

    dotprod_product_s4(out, &product, packed, bias, size.rows);
}

const struct gemm_kernel dotprod_gemm_s8 = { bytes_s8, pack_s8, run_s8 };
const struct gemm_kernel dotprod_gemm_s4 = { bytes_s4, pack_s4, run_s4 };
