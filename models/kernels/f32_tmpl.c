/* SPDX-License-Identifier: MIT */
/*
 * f32_tmpl - the float32 kernels for any width of vectors; the file that includes it defines
 * F32_LANES, F32_ROWS, F32_TABLE, F32_FMA(a, b, c), which is a x b + c, perhaps F32_FMA_LANE(a,
 * lane, b, c), which is a[lane] x b + c, with F32_WHOLE(a) for what was loaded, and F32_NARROW, a
 * table for fewer channels. Left to compilers, some sums would be rounded twice and others once.
 *
 * Method: GotoBLAS (K. Goto, R. van de Geijn, Anatomy of High-Performance Matrix Multiplication,
 * ACM TOMS 34(3), 2008) without its outer blocks, as layers fit in the second cache: panels of two
 * vectors of columns, biases first, against tiles of F32_ROWS rows, whose sums stay in registers.
 * One row alone takes WIDE panels at a time. Depthwise: channels in vectors; 3x3 windows inside the
 * image keep their weights in registers.
 */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "models/kernels/f32.h"

enum { LANES = F32_LANES, ROWS = F32_ROWS, PANEL = 2 * LANES, WIDE = 4, TAPS_3X3 = 9 };

typedef float lanes __attribute__((vector_size(F32_LANES * sizeof(float))));
typedef int32_t lane_mask __attribute__((vector_size(F32_LANES * sizeof(int32_t))));

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE lanes load(const float *from) {
    lanes x;

    (void) memcpy(&x, from, sizeof(x));
    return x;
}

ALWAYS_INLINE void store(float *to, lanes x) {
    (void) memcpy(to, &x, sizeof(x));
}

ALWAYS_INLINE lanes all(float x) {
    const lanes zero = { 0 };

    return x - zero; /* just x, also if it is -0 */
}

/* Where @mask is set @a, else @b. */
ALWAYS_INLINE lanes choose(lane_mask mask, lanes a, lanes b) {
    return (lanes) ((mask & (lane_mask) a) | (~mask & (lane_mask) b));
}

/* As clamp_f32(): what is no number stays. */
ALWAYS_INLINE lanes clamped(lanes x, struct f32_clamp clamp) {
    const lanes min = all(clamp.min), max = all(clamp.max);

    x = choose(x < min, min, x);
    return choose(x > max, max, x);
}

/* ---- products ---- */

/* Columns of the panel that begins at @col: two vectors, or one if that holds all that is left. */
ALWAYS_INLINE size_t panel_width(size_t cols, size_t col) {
    return cols - col > LANES ? PANEL : LANES;
}

static size_t packed_items(size_t cols, size_t depth) {
    size_t n = 0;

    for (size_t col = 0; col < cols; col += PANEL)
        n += panel_width(cols, col) * (depth + 1);
    return n;
}

static void pack(float *packed, const float *weight, const float *bias, size_t cols, size_t depth) {
    for (size_t col = 0; col < cols; col += PANEL) {
        const size_t width = panel_width(cols, col), n = cols - col < width ? cols - col : width;

        for (size_t c = 0; c < n; c++) {
            packed[c] = bias[col + c];
            for (size_t d = 0; d < depth; d++)
                packed[(d + 1) * width + c] = weight[(col + c) * depth + d];
        }
        packed += width * (depth + 1);
    }
}

/* @n of the columns in @x. */
ALWAYS_INLINE void store_some(float *to, lanes x, size_t n) {
    if (n >= LANES)
        store(to, x);
    else
        (void) memcpy(to, &x, n * sizeof(*to));
}

#ifdef F32_FMA_LANE
/* Add what a vector of each row gives; returns its last columns in the panel. */
ALWAYS_INLINE const float *add_lanes(lanes (*sum)[2], const float *in, const float *panel,
                                     size_t depth, size_t n_rows, size_t n_vectors) {
    lanes x[F32_ROWS];

    for (size_t r = 0; r < n_rows; r++) {
        x[r] = load(in + r * depth);
        F32_WHOLE(x[r]);
    }
#pragma GCC unroll 16
    for (int lane = 0; lane < LANES; lane++) {
        panel += n_vectors * LANES;
        for (size_t r = 0; r < n_rows; r++)
            for (size_t v = 0; v < n_vectors; v++)
                sum[r][v] = F32_FMA_LANE(x[r], lane, load(panel + v * LANES), sum[r][v]);
    }
    return panel;
}
#endif

/* @n_rows, @n_vectors: constants. @n columns are to be stored. */
ALWAYS_INLINE void tile(float *out, const float *in, const float *panel, struct f32_size size,
                        struct f32_clamp clamp, size_t n_rows, size_t n_vectors, size_t n) {
    lanes sum[F32_ROWS][2];
    size_t d = 0;

    for (size_t r = 0; r < n_rows; r++)
        for (size_t v = 0; v < n_vectors; v++)
            sum[r][v] = load(panel + v * LANES);
#ifdef F32_FMA_LANE
    for (; d + LANES <= size.depth; d += LANES)
        panel = add_lanes(sum, in + d, panel, size.depth, n_rows, n_vectors);
#endif
    for (; d < size.depth; d++) {
        panel += n_vectors * LANES;
        for (size_t r = 0; r < n_rows; r++)
            for (size_t v = 0; v < n_vectors; v++)
                sum[r][v] =
                    F32_FMA(all(in[r * size.depth + d]), load(panel + v * LANES), sum[r][v]);
    }
    for (size_t r = 0; r < n_rows; r++)
        for (size_t v = 0; v < n_vectors && n > v * LANES; v++)
            store_some(out + r * size.cols + v * LANES, clamped(sum[r][v], clamp), n - v * LANES);
}

/* One panel against all rows. */
ALWAYS_INLINE void panel_product(float *out, const float *in, const float *panel,
                                 struct f32_size size, struct f32_clamp clamp, size_t n_vectors,
                                 size_t n) {
    size_t r = 0;

    for (; r + ROWS <= size.rows; r += ROWS)
        tile(out + r * size.cols, in + r * size.depth, panel, size, clamp, ROWS, n_vectors, n);
    for (; r + 4 <= size.rows; r += 4)
        tile(out + r * size.cols, in + r * size.depth, panel, size, clamp, 4, n_vectors, n);
    for (; r + 2 <= size.rows; r += 2)
        tile(out + r * size.cols, in + r * size.depth, panel, size, clamp, 2, n_vectors, n);
    if (r < size.rows)
        tile(out + r * size.cols, in + r * size.depth, panel, size, clamp, 1, n_vectors, n);
}

/* WIDE whole panels against one row. */
static void wide_row(float *out, const float *in, const float *panels, size_t depth,
                     struct f32_clamp clamp) {
    const size_t step = PANEL * (depth + 1);
    lanes sum[WIDE][2];

    for (size_t p = 0; p < WIDE; p++)
        for (size_t v = 0; v < 2; v++)
            sum[p][v] = load(panels + p * step + v * LANES);
    for (size_t d = 0; d < depth; d++) {
        panels += PANEL;
        for (size_t p = 0; p < WIDE; p++)
            for (size_t v = 0; v < 2; v++)
                sum[p][v] = F32_FMA(all(in[d]), load(panels + p * step + v * LANES), sum[p][v]);
    }
    for (size_t p = 0; p < WIDE; p++)
        for (size_t v = 0; v < 2; v++)
            store(out + p * PANEL + v * LANES, clamped(sum[p][v], clamp));
}

static void gemm(float *out, const float *in, const float *packed, struct f32_size size,
                 struct f32_clamp clamp) {
    size_t col = 0;

    for (; size.rows == 1 && col + WIDE * PANEL <= size.cols; col += WIDE * PANEL) {
        wide_row(out + col, in, packed, size.depth, clamp);
        packed += WIDE * PANEL * (size.depth + 1);
    }
    for (; col < size.cols; col += PANEL) {
        const size_t width = panel_width(size.cols, col);

        if (width == PANEL)
            panel_product(out + col, in, packed, size, clamp, 2, size.cols - col);
        else
            panel_product(out + col, in, packed, size, clamp, 1, size.cols - col);
        packed += width * (size.depth + 1);
    }
}

/* ---- depthwise ---- */

/* Index of the pixel under tap 0, 0 of output pixel @y, @x; below 0 if that is outside. */
ALWAYS_INLINE int64_t origin(const struct window *w, int64_t y, int64_t x) {
    return (y * w->stride_h - w->pad_top) * w->in_w + x * w->stride_w - w->pad_left;
}

/* How far tap @ky, @kx is from there. */
ALWAYS_INLINE int64_t tap_pixel(const struct window *w, int64_t ky, int64_t kx) {
    return ky * w->dilation_h * w->in_w + kx * w->dilation_w;
}

/* One vector of channels of output pixel @y, @x. All begin at its first channel. */
ALWAYS_INLINE lanes pixel_sum(const float *in, const float *weight, const float *bias,
                              const struct f32_depthwise *size, int64_t y, int64_t x) {
    const struct window *w = &size->window;
    const struct taps rows = window_rows(w, y), columns = window_columns(w, x);
    const int64_t channels = (int64_t) size->channels, kx = columns.first;
    lanes sum = load(bias);

    for (int64_t ky = rows.first; ky < rows.last; ky++) {
        const float *pixel = in + (origin(w, y, x) + tap_pixel(w, ky, kx)) * channels;
        const float *tap = weight + (ky * w->filter_w + kx) * channels;

        for (int64_t n = columns.last - kx; n > 0; n--) {
            sum = F32_FMA(load(pixel), load(tap), sum);
            pixel += w->dilation_w * channels;
            tap += channels;
        }
    }
    return sum;
}

/* Output pixels [first, last) of row @y, all of whose 3x3 taps are inside. */
ALWAYS_INLINE void inside_3x3(float *out, const float *in, const float *weight, const float *bias,
                              const struct f32_depthwise *size, struct f32_clamp clamp, int64_t y,
                              struct taps columns) {
    const struct window *w = &size->window;
    const int64_t channels = (int64_t) size->channels;
    const lanes none = load(bias);
    lanes taps[TAPS_3X3];

    for (int64_t t = 0; t < TAPS_3X3; t++)
        taps[t] = load(weight + t * channels);
    for (int64_t x = columns.first; x < columns.last; x++) {
        const float *pixel = in + origin(w, y, x) * channels;
        lanes sum = none;

        for (int64_t t = 0; t < TAPS_3X3; t++)
            sum = F32_FMA(load(pixel + tap_pixel(w, t / 3, t % 3) * channels), taps[t], sum);
        store(out + x * channels, clamped(sum, clamp));
    }
}

static bool all_inside(const struct window *w, int64_t x) {
    const struct taps columns = window_columns(w, x);

    return columns.first == 0 && columns.last == w->filter_w;
}

/* Columns of the output all of whose taps are inside. */
static struct taps inside_columns(const struct window *w) {
    struct taps inside = { 0, w->out_w };

    while (inside.first < w->out_w && !all_inside(w, inside.first))
        inside.first++;
    while (inside.last > inside.first && !all_inside(w, inside.last - 1))
        inside.last--;
    return inside;
}

/* Output row @y, one vector of channels. All begin at its first channel; @out is the row's. */
ALWAYS_INLINE void row_lanes(float *out, const float *in, const float *weight, const float *bias,
                             const struct f32_depthwise *size, struct f32_clamp clamp, int64_t y,
                             struct taps inside) {
    const struct window *w = &size->window;
    const struct taps rows = window_rows(w, y);

    if (w->filter_h != 3 || w->filter_w != 3 || rows.first > 0 || rows.last < 3)
        inside = (struct taps){ 0, 0 };
    for (int64_t x = 0; x < inside.first; x++)
        store(out + x * (int64_t) size->channels,
              clamped(pixel_sum(in, weight, bias, size, y, x), clamp));
    if (inside.first < inside.last) /* else there may be fewer taps to load */
        inside_3x3(out, in, weight, bias, size, clamp, y, inside);
    for (int64_t x = inside.last; x < w->out_w; x++)
        store(out + x * (int64_t) size->channels,
              clamped(pixel_sum(in, weight, bias, size, y, x), clamp));
}

/* One channel at a time, for few channels and for multipliers; how its sums are rounded is left to
 * compilers. */
static void depthwise_single(float *out, const float *in, const float *weight, const float *bias,
                             const struct f32_depthwise *size, struct f32_clamp clamp, int64_t y,
                             int64_t x) {
    const struct window *w = &size->window;
    const struct taps rows = window_rows(w, y), columns = window_columns(w, x);
    const int64_t in_channels = (int64_t) (size->channels / size->multiplier);

    for (size_t c = 0; c < size->channels; c++) {
        const int64_t from = (int64_t) (c / size->multiplier);
        float sum = bias[c];

        for (int64_t ky = rows.first; ky < rows.last; ky++)
            for (int64_t kx = columns.first; kx < columns.last; kx++)
                sum += in[(origin(w, y, x) + tap_pixel(w, ky, kx)) * in_channels + from] *
                       weight[(size_t) (ky * w->filter_w + kx) * size->channels + c];
        out[c] = sum < clamp.min ? clamp.min : sum > clamp.max ? clamp.max : sum;
    }
}

static void depthwise(float *out, const float *in, const float *weight, const float *bias,
                      const struct f32_depthwise *size, struct f32_clamp clamp) {
    const struct f32_depthwise own = *size; /* out of reach of what is stored */
    const struct window *w = &own.window;
    const struct taps inside = inside_columns(w);
    const size_t channels = own.channels;

#ifdef F32_NARROW
    if (channels < LANES) {
        F32_NARROW.depthwise(out, in, weight, bias, size, clamp);
        return;
    }
#endif
    for (int64_t y = 0; y < w->out_h; y++, out += (size_t) w->out_w * channels)
        if (own.multiplier > 1 || channels < LANES)
            for (int64_t x = 0; x < w->out_w; x++)
                depthwise_single(out + (size_t) x * channels, in, weight, bias, size, clamp, y, x);
        else
            for (size_t c = 0; c < channels; c += LANES) {
                const size_t at = c + LANES <= channels ? c : channels - LANES; /* some twice */

                row_lanes(out + at, in + at, weight + at, bias + at, &own, clamp, y, inside);
            }
}

static void add(float *out, const float *a, const float *b, size_t n, struct f32_clamp clamp) {
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        store(out + i, clamped(load(a + i) + load(b + i), clamp));
    for (; i < n; i++) {
        const float sum = a[i] + b[i];

        out[i] = sum < clamp.min ? clamp.min : sum > clamp.max ? clamp.max : sum;
    }
}

const struct f32_kernels F32_TABLE = {
    .tile_rows = ROWS,
    .packed_items = packed_items,
    .pack = pack,
    .gemm = gemm,
    .depthwise = depthwise,
    .add = add,
};
