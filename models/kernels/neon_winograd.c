/* SPDX-License-Identifier: MIT */
/*
 * Convolutions of 3 x 3 at stride 1 with NEON, by Winograd's F(4 x 4, 3 x 3) (winograd.h). Weights
 * take 8 times the bytes, so this is for images that are not small.
 */
#include "models/kernels/neon.h"
#include "models/kernels/winograd.h"

enum {
    OUT = WINOGRAD_OUT,
    IN = WINOGRAD_IN,
    POINTS = WINOGRAD_POINTS,
    TILES = 4,      /* done together */
    COLS = 8,       /* output channels done together */
    DEPTH = 8,      /* input channels in a vector */
    DEPTH_MAX = 64, /* bounds what lies on the stack */
    WIDTH_LEAST = 8,
    STRIP_MOST = 1 << 14, /* bytes */
};

_Static_assert((int) DEPTH_MAX <= (int) WINOGRAD_CHANNELS_MAX, "or sums would not be exact");

static size_t tiles_across(const struct conv_size *size) {
    return winograd_tiles((size_t) size->window.out_w);
}

/* Rows of output for which there is a strip: of 4 tiles or more. */
size_t neon_winograd_rows(const struct conv_size *size) {
    return tiles_across(size) >= TILES ? OUT : 2 * OUT;
}

/* Bytes of a pixel row of the strip, as neon_strip_fill() lays it. */
static size_t row_bytes(const struct conv_size *size) {
    return (size_t) (size->window.out_w + 2) * size->in_channels;
}

bool neon_winograd_takes(const struct conv_size *size) {
    const struct window *w = &size->window;

    return window_is(w, 3, 1) && w->out_w >= WIDTH_LEAST && size->in_channels % DEPTH == 0 &&
           size->in_channels <= DEPTH_MAX && size->out_channels % COLS == 0 &&
           (neon_winograd_rows(size) + 2) * row_bytes(size) <= STRIP_MOST;
}

size_t neon_winograd_packed_bytes(const struct conv_size *size) {
    return POINTS * size->out_channels * size->in_channels * sizeof(int16_t) + BLOCK;
}

size_t neon_winograd_scratch_bytes(const struct conv_size *size) {
    /* Tiles may reach 3 pixels beyond the last row. */
    return (neon_winograd_rows(size) + 2) * row_bytes(size) + OUT * size->in_channels + BLOCK;
}

/* To int16 [cols / 8][points][depth][8]. */
void neon_winograd_pack(void *packed, const int8_t *weight, const struct conv_size *size) {
    const size_t depth = size->in_channels;

    for (size_t c = 0; c < size->out_channels; c++)
        for (size_t d = 0; d < depth; d++) {
            int16_t points[POINTS];

            winograd_weights(points, weight + c * 9 * depth + d, depth);
            for (size_t i = 0; i < POINTS; i++) {
                const size_t at = ((c / COLS * POINTS + i) * depth + d) * COLS + c % COLS;

                (void) memcpy((uint8_t *) packed + at * sizeof(*points), points + i,
                              sizeof(*points));
            }
        }
}

/* The six points of six inputs, in one direction. */
INLINE void transform_inputs(int16x8_t *out, size_t out_step, const int16x8_t *d) {
    const int16x8_t c = vsubq_s16(d[4], d[2]), t = vsubq_s16(d[3], d[1]), e = vaddq_s16(t, t);
    const int16x8_t a = vsubq_s16(d[4], vshlq_n_s16(d[2], 2));
    const int16x8_t b = vsubq_s16(d[3], vshlq_n_s16(d[1], 2));

    out[0] = vaddq_s16(vshlq_n_s16(vsubq_s16(d[0], d[2]), 2), c);
    out[out_step] = vaddq_s16(a, b);
    out[2 * out_step] = vsubq_s16(a, b);
    out[3 * out_step] = vaddq_s16(c, e);
    out[4 * out_step] = vsubq_s16(c, e);
    out[5 * out_step] = vsubq_s16(vsubq_s16(d[5], d[3]), vaddq_s16(e, e));
}

/* 8 channels of a tile; to every @step vectors of @out. */
static void transform_tile(int16x8_t *out, size_t step, const int8_t *in, size_t pixel,
                           size_t row) {
    int16x8_t half[POINTS], d[IN], points[IN];

    for (size_t x = 0; x < IN; x++) {
        UNROLL
        for (size_t y = 0; y < IN; y++)
            d[y] = vmovl_s8(vld1_s8(in + y * row + x * pixel));
        transform_inputs(half + x, IN, d);
    }
    for (size_t y = 0; y < IN; y++) {
        transform_inputs(points, 1, half + y * IN);
        UNROLL
        for (size_t x = 0; x < IN; x++)
            out[(y * IN + x) * step] = points[x];
    }
}

/* A lane is an immediate number. */
#define MULTIPLY_LANE(lane)                                                                        \
    case lane:                                                                                     \
        sums[0] = vmlal_laneq_s16(sums[0], vget_low_s16(w), x, lane);                              \
        sums[1] = vmlal_high_laneq_s16(sums[1], w, x, lane);                                       \
        break

INLINE void multiply_lane(int32x4_t *sums, int16x8_t w, int16x8_t x, size_t lane) {
    switch (lane) {
        MULTIPLY_LANE(0);
        MULTIPLY_LANE(1);
        MULTIPLY_LANE(2);
        MULTIPLY_LANE(3);
        MULTIPLY_LANE(4);
        MULTIPLY_LANE(5);
        MULTIPLY_LANE(6);
        MULTIPLY_LANE(7);
    }
}

/* The weights of 4 input channels from @first on; @begin: added to nothing yet. */
INLINE const int16_t *multiply_four(int32x4_t (*sums)[2], const int16_t *weights,
                                    const int16x8_t *x, size_t first, bool begin) {
    const int16x8x4_t w = vld1q_s16_x4(weights);

    weights += 4 * COLS;
    __asm__("" : "+r"(weights)); /* so that the load itself moves on */
    UNROLL
    for (size_t t = 0; begin && t < TILES; t++) {
        sums[t][0] = vmull_laneq_s16(vget_low_s16(w.val[0]), x[t], 0);
        sums[t][1] = vmull_high_laneq_s16(w.val[0], x[t], 0);
    }
    UNROLL
    for (size_t i = begin; i < 4; i++)
        UNROLL
    for (size_t t = 0; t < TILES; t++)
        multiply_lane(sums[t], w.val[i], x[t], first + i);
    return weights;
}

/* The weights of 8 input channels, which @v is [tiles] of. */
INLINE const int16_t *multiply_eight(int32x4_t (*sums)[2], const int16_t *weights,
                                     const int16x8_t *v, bool begin) {
    const int16x8_t x[TILES] = { v[0], v[1], v[2], v[3] };

    weights = multiply_four(sums, weights, x, 0, begin);
    return multiply_four(sums, weights, x, 4, false);
}

/* One point of 4 tiles and 8 columns: @v is [depth / 8][tiles]. */
INLINE void multiply_point(int32_t *out, const int16x8_t *v, const int16_t *weights, size_t depth) {
    int32x4_t sums[TILES][2];

    weights = multiply_eight(sums, weights, v, true);
    for (size_t d = DEPTH; d < depth; d += DEPTH)
        weights = multiply_eight(sums, weights, v += TILES, false);
    UNROLL
    for (size_t t = 0; t < TILES; t++) {
        vst1q_s32(out + t * POINTS * COLS, sums[t][0]);
        vst1q_s32(out + t * POINTS * COLS + LANES, sums[t][1]);
    }
}

/* The four outputs of six points, in one direction, times what winograd.h says. */
INLINE void transform_sums(int32x4_t *out, const int32x4_t *m) {
    const int32x4_t p = vaddq_s32(m[1], m[2]), q = vsubq_s32(m[1], m[2]);
    const int32x4_t u = vaddq_s32(m[3], m[4]), v = vsubq_s32(m[3], m[4]);

    out[0] = vsubq_s32(vaddq_s32(m[0], u), vshlq_n_s32(p, 2));
    out[1] = vsubq_s32(v, vaddq_s32(q, q));
    out[2] = vsubq_s32(u, p);
    out[3] = vaddq_s32(vsubq_s32(vaddq_s32(v, v), q), m[5]);
}

/* The sums of a tile's pixels [4][4] for 4 of the columns; @points is [36][8]. */
INLINE void finish_points(int32x4_t (*out)[4], const int32_t *points, const int32_t *biases,
                          size_t v) {
    const int32x4_t bias = vld1q_s32(biases + v * LANES);
    int32x4_t half[OUT][IN], m[IN], y[OUT];

    for (size_t x = 0; x < IN; x++) {
        UNROLL
        for (size_t i = 0; i < IN; i++)
            m[i] = vld1q_s32(points + (i * IN + x) * COLS + v * LANES);
        transform_sums(y, m);
        UNROLL
        for (size_t i = 0; i < OUT; i++)
            half[i][x] = y[i];
    }
    for (size_t i = 0; i < OUT; i++) {
        transform_sums(y, half[i]);
        UNROLL
        for (size_t x = 0; x < OUT; x++)
            out[i * OUT + x][v] =
                vsraq_n_s32(bias, vmulq_n_s32(y[x], winograd_factor(i, x)), WINOGRAD_BITS);
    }
}

/* Requantise the tile's pixels that are inside the output, @rows x @columns. */
static void finish_tile(int8_t *out, const int32_t *points, const struct columns *columns,
                        const struct product *p, size_t row, size_t rows, size_t across) {
    int32x4_t sums[OUT * OUT][4];

    finish_points(sums, points, columns->bias, 0);
    finish_points(sums, points, columns->bias, 1);
    for (size_t y = 0; y < rows; y++, out += row)
        if (across == OUT)
            neon_finish(out, p->cols, sums + y * OUT, OUT, 2, columns, p->rq, p->ending);
        else
            for (size_t x = 0; x < across; x++)
                neon_finish(out + x * p->cols, 0, sums + y * OUT + x, 1, 2, columns, p->rq,
                            p->ending);
}

/* The @n tiles of a strip from @first on. */
static void run_tiles(int8_t *out, const int8_t *strip, const int16_t *weights, const int32_t *bias,
                      const struct product *p, const struct conv_size *size, size_t lines,
                      size_t first, size_t n) {
    const size_t depth = size->in_channels, across = tiles_across(size), row = row_bytes(size);
    const size_t out_w = (size_t) size->window.out_w, out_row = out_w * p->cols;
    int16x8_t points[POINTS * TILES * DEPTH_MAX / DEPTH];
    int32_t sums[TILES * POINTS * COLS];
    struct some_columns some;

    for (size_t t = 0; t < TILES; t++) {
        const size_t tile = first + least(t, n - 1);
        const int8_t *in = strip + tile / across * OUT * row + tile % across * OUT * depth;

        for (size_t d = 0; d < depth; d += DEPTH)
            transform_tile(points + d / DEPTH * TILES + t, TILES * depth / DEPTH, in + d, depth,
                           row);
    }
    for (size_t c = 0; c < p->cols; c += COLS) {
        struct columns columns = neon_columns(p->rq, bias, c, p->cols, &some);

        columns.n = COLS;
        for (size_t i = 0; i < POINTS; i++, weights += depth * COLS)
            multiply_point(sums + i * COLS, points + i * TILES * depth / DEPTH, weights, depth);
        for (size_t t = 0; t < n; t++) {
            const size_t y = (first + t) / across * OUT, x = (first + t) % across * OUT;

            if (y < lines)
                finish_tile(out + y * out_row + x * p->cols + c, sums + t * POINTS * COLS, &columns,
                            p, out_row, least(lines - y, OUT), least(out_w - x, OUT));
        }
    }
}

void neon_winograd_run(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                       const struct requant *rq, const struct conv_size *size, void *scratch) {
    const size_t out_h = (size_t) size->window.out_h, lines = neon_winograd_rows(size);
    const size_t n_tiles = lines / OUT * tiles_across(size), cols = size->out_channels;
    const int16_t *weights = __builtin_assume_aligned(packed, sizeof(int16_t));
    const struct product p = {
        .rq = rq,
        .cols = cols,
        .ending = neon_ending(rq, bias, cols, (9 * size->in_channels) << 14, true),
    };
    int8_t *strip = scratch;

    (void) memset(strip, 0, neon_winograd_scratch_bytes(size));
    for (size_t y = 0; y < out_h; y += lines) {
        const size_t n = least(lines, out_h - y);

        neon_strip_fill(strip, in, size, (int64_t) y, n);
        for (size_t t = 0; t < n_tiles; t += TILES)
            run_tiles(out, strip, weights, bias, &p, size, n, t, least(TILES, n_tiles - t));
        out += n * (size_t) size->window.out_w * cols;
    }
}
