/* SPDX-License-Identifier: MIT */
/*
 * Matrix products with SDOT: a tile of 4 rows x 16 columns of sums stays in registers, while four
 * bytes of a row at a time, an element of the vector that was loaded, meet the weights of the
 * columns. int4 weights are widened first, a block of columns at a time, or for few rows multiplied
 * as they are: by bytes and by their high nibbles.
 */
#include "models/kernels/dotprod.h"

enum {
    TILE_ROWS = 4,    /* x 4 vectors of sums: with weights and inputs, 24 of 32 registers */
    UNPACK_ROWS = 20, /* so many, or as a fourth of the columns, pay for taking int4 apart first */
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
                dotprod_put(block + (k * parts(run, FOUR) + d / FOUR) * four, c % BLOCK,
                            cols - c / BLOCK * BLOCK, d % FOUR, *weight, int4);
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
 * As add() for int4, whose nibbles are not taken apart: the last two vectors of sums get what high
 * nibbles give, the first two what whole bytes do: 16 times as much, and what low nibbles give.
 */
INLINE const int8_t *add_bytes(int32x4_t (*sums)[VECTORS], const int8x16_t *x,
                               const int8_t *weights, size_t fours, size_t rows) {
    int8x16_t both[VECTORS];

    UNROLL
    for (size_t lane = 0; lane < FOUR; lane += 2) /* two fours take as much as one of int8 */
        if (lane < fours) {
            const size_t n = lane + 1 < fours ? VECTORS : PAIRS;

            weights = dotprod_load(both, weights, n, false);
            UNROLL
            for (size_t i = 0; i < n; i++) {
                const int8x16_t high = vshrq_n_s8(both[i], 4);

                UNROLL
                for (size_t r = 0; r < rows; r++) {
                    dotprod_dot(&sums[r][i % PAIRS], both[i], x[r], lane + i / PAIRS);
                    dotprod_dot(&sums[r][i % PAIRS + PAIRS], high, x[r], lane + i / PAIRS);
                }
            }
        }
    return weights;
}

/* Of some rows, what is used for each block of columns. */
struct few {
    int8_t last[TILE_ROWS][BLOCK];   /* inputs behind the last sixteen, and zeros */
    int32_t zeros[TILE_ROWS][LANES]; /* for int4: minus NIBBLE_ZERO times all inputs, 4 times */
};

INLINE void few_of(struct few *few, const struct lines *lines, const int8_t *in, size_t rows,
                   bool int4) {
    const size_t whole = lines->run / BLOCK * BLOCK, rest = lines->run - whole;
    const int8x16_t zero = vdupq_n_s8(-NIBBLE_ZERO);
    int32x4_t sums[TILE_ROWS];

    UNROLL
    for (size_t r = 0; r < rows && rest > 0; r++)
        vst1q_s8(few->last[r], neon_load_some(in + r * lines->pitch + whole, rest));
    if (!int4)
        return;
    UNROLL
    for (size_t r = 0; r < rows; r++)
        sums[r] = vdotq_s32(vdupq_n_s32(0), rest ? vld1q_s8(few->last[r]) : vdupq_n_s8(0), zero);
    for (const int8_t *a = in; a < in + whole; a += BLOCK)
        UNROLL
    for (size_t r = 0; r < rows; r++)
        sums[r] = vdotq_s32(sums[r], vld1q_s8(a + r * lines->pitch), zero);
    UNROLL
    for (size_t r = 0; r < rows; r++)
        vst1q_s32(few->zeros[r], vdupq_n_s32(vaddvq_s32(sums[r])));
}

/* What the sums of add() or add_bytes() begin with. */
INLINE void begin(int32x4_t (*sums)[VECTORS], const int32_t *bias, const struct few *few,
                  size_t rows, bool int4) {
    int32x4_t whole[PAIRS];

    UNROLL
    for (size_t v = 0; v < PAIRS; v++)
        whole[v] =
            vmlaq_n_s32(vld1q_s32(bias + v * LANES), vld1q_s32(bias + (v + PAIRS) * LANES), 16);
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        __asm__ volatile("" : "+r"(bias)); /* loads, two at a time, are fewer than copies */
        UNROLL
        for (size_t v = 0; v < VECTORS; v++)
            sums[r][v] = int4 && v < PAIRS ? vaddq_s32(whole[v], vld1q_s32(few->zeros[r]))
                                           : vld1q_s32(bias + v * LANES);
    }
}

/* Take what high nibbles gave out of what whole bytes did. */
INLINE void part(int32x4_t (*sums)[VECTORS], size_t rows) {
    UNROLL
    for (size_t r = 0; r < rows; r++)
        UNROLL
    for (size_t v = 0; v < PAIRS; v++)
        sums[r][v] = vmlsq_n_s32(sums[r][v], sums[r][v + PAIRS], 16);
}

/* Whole blocks of columns of @rows rows that lie in one line. */
INLINE void few_rows(int8_t *out, const struct product *p, const int8_t *in, const int8_t *weights,
                     const int32_t *bias, size_t cols, size_t rows, bool int4) {
    const struct requant rq = *p->rq;
    const enum ending ending = p->ending;
    const size_t whole = p->in.run / BLOCK * BLOCK, rest = p->in.run - whole;
    const size_t pitch = p->in.pitch, out_pitch = p->cols;
    int32x4_t sums[TILE_ROWS][VECTORS];
    int8x16_t x[TILE_ROWS];
    struct few room;

    few_of(&room, &p->in, in, rows, int4);
    for (size_t c = 0; c < cols; c += BLOCK) {
        const struct columns columns = { bias + c, rq.multiplier + c, rq.shift + c, BLOCK };
        const struct few *few = &room;

        __asm__ volatile("" : "+r"(few)); /* registers are for sums */
        begin(sums, columns.bias, few, rows, int4);
        for (const int8_t *a = in; a < in + whole; a += BLOCK) {
            UNROLL
            for (size_t r = 0; r < rows; r++)
                x[r] = vld1q_s8(a + r * pitch);
            weights = int4 ? add_bytes(sums, x, weights, FOUR, rows)
                           : add(sums, x, weights, FOUR, rows, VECTORS, false);
        }
        if (rest > 0) {
            UNROLL
            for (size_t r = 0; r < rows; r++)
                x[r] = vld1q_s8(few->last[r]);
            weights = int4 ? add_bytes(sums, x, weights, parts(rest, FOUR), rows)
                           : add(sums, x, weights, parts(rest, FOUR), rows, VECTORS, false);
        }
        if (int4)
            part(sums, rows);
        neon_finish_whole(out + c, out_pitch, sums, rows, VECTORS, &columns, &rq, ending);
    }
}

/* Are all blocks done for some rows at a time? */
INLINE bool are_few(const struct product *p, size_t rows, size_t cols, bool int4) {
    const bool deep = parts(p->in.run, FOUR) * VECTORS * BLOCK > UNPACKED_BYTES;

    return p->in.n_runs == 1 && p->in.width >= rows &&
           (rows == 1 || (int4 && (deep || rows < least(UNPACK_ROWS, cols / LANES))));
}

/* Whole blocks of columns. */
INLINE void blocks(int8_t *out, const struct product *p, const int8_t *weights, const int32_t *bias,
                   size_t rows, size_t cols, bool int4) {
    const int8_t *in = p->in.runs[0];

    if (!are_few(p, rows, cols, int4)) {
        panels(out, p, weights, bias, rows, 0, cols, VECTORS, int4, false);
        return;
    }
    for (; int4 && rows >= TILE_ROWS; rows -= TILE_ROWS) {
        few_rows(out, p, in, weights, bias, cols, TILE_ROWS, int4);
        out += TILE_ROWS * p->cols;
        in += TILE_ROWS * p->in.pitch;
    }
    if (rows == 1)
        few_rows(out, p, in, weights, bias, cols, 1, int4);
    else if (rows == 2 && int4)
        few_rows(out, p, in, weights, bias, cols, 2, int4);
    else if (rows == 3 && int4)
        few_rows(out, p, in, weights, bias, cols, 3, int4);
}

INLINE void product(int8_t *out, const struct product *p, const void *packed, const int32_t *bias,
                    size_t rows, bool int4) {
    const size_t cols = p->cols, c = cols / BLOCK * BLOCK, vectors = parts(cols - c, LANES);
    const int8_t *last = (const int8_t *) packed + block_at(c, p->in.n_runs, p->in.run, int4);

    blocks(out, p, packed, bias, rows, c, int4);
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
