/* SPDX-License-Identifier: MIT */
/*
 * Convolutions with AVX2: matrix products on rows that overlap. A strip of the image is widened
 * into scratch, with zero points around it, where each row of a pixel's taps lies in one piece (a
 * segment). Each segment's weights begin with a pair of their own. Some of 3 x 3 go
 * elsewhere (tiles.h).
 */
#include "models/kernels/avx2_gemm.h"
#include "models/kernels/avx2_tiles.h"

enum {
    CONV_WIDTH = 5,       /* outputs in a row that a convolution is worth a strip for */
    SCRATCH_BYTES = 4096, /* of a convolution, unless one row of output needs more */
};

static size_t segment_items(const struct conv_size *size) {
    return (size_t) size->window.filter_w * size->in_channels;
}

/* Of weights, with a segment's last pair whole. */
static size_t padded_depth(const struct conv_size *size) {
    return (size_t) size->window.filter_h * ((segment_items(size) + 1) / 2 * 2);
}

static bool takes(const struct conv_size *size) {
    return size->window.dilation_w == 1 && size->window.out_w >= CONV_WIDTH &&
           padded_depth(size) <= WIDE_ITEMS;
}

/* A row of the image with all that taps see beside it. */
static size_t row_items(const struct conv_size *size) {
    const struct window *w = &size->window;

    return ((size_t) (w->out_w - 1) * (size_t) w->stride_w + (size_t) w->filter_w) *
           size->in_channels;
}

/* Rows of the image under @n rows of output. */
static size_t rows_under(const struct window *w, size_t n) {
    return (n - 1) * (size_t) w->stride_h + (size_t) (w->filter_h - 1) * (size_t) w->dilation_h + 1;
}

/* Rows of output at a time. */
static size_t strip_rows(const struct conv_size *size) {
    const size_t most = SCRATCH_BYTES / sizeof(int16_t) / row_items(size);
    const size_t first = rows_under(&size->window, 1);
    const size_t n = most > first ? (most - first) / (size_t) size->window.stride_h + 1 : 1;

    return least(n, (size_t) size->window.out_h);
}

/* Widening writes, and the last pair reads, up to 16 items behind; 16 bytes to align it. */
static size_t scratch_bytes(const struct conv_size *size) {
    return (rows_under(&size->window, strip_rows(size)) * row_items(size) + BLOCK) *
               sizeof(int16_t) +
           16;
}

/* The one for @size with int8 weights; NULL. */
static const struct tiling *tiling_of(const struct conv_size *size) {
    return tiles_take(&avx2_winograd, size)  ? &avx2_winograd
           : tiles_take(&avx2_stride2, size) ? &avx2_stride2
                                             : NULL;
}

static size_t scratch_bytes_s8(const struct conv_size *size) {
    const struct tiling *tiling = tiling_of(size);

    return tiling ? tiles_scratch_bytes(tiling, size) : scratch_bytes(size);
}

static size_t conv_bytes_s8(const struct conv_size *size) {
    const struct tiling *tiling = tiling_of(size);

    return tiling ? tiles_packed_bytes(tiling, size)
                  : avx2_packed_bytes(size->out_channels, padded_depth(size), false);
}

static size_t conv_bytes_s4(const struct conv_size *size) {
    return avx2_packed_bytes(size->out_channels, padded_depth(size), true);
}

static void conv_pack(void *packed, const int8_t *weight, const struct conv_size *size, bool int4) {
    const size_t n_segments = (size_t) size->window.filter_h, items = segment_items(size);
    const size_t depth = padded_depth(size);

    for (size_t c = 0; c < size->out_channels; c++)
        for (size_t s = 0; s < n_segments; s++)
            for (size_t i = 0; i < items; i++)
                avx2_pack(packed, size->out_channels, depth, int4, c, s * (depth / n_segments) + i,
                          *weight++);
}

static void conv_pack_s8(void *packed, const int8_t *weight, const struct conv_size *size) {
    const struct tiling *tiling = tiling_of(size);

    if (tiling)
        tiles_pack(tiling, packed, weight, size);
    else
        conv_pack(packed, weight, size, false);
}

static void conv_pack_s4(void *packed, const int8_t *weight, const struct conv_size *size) {
    conv_pack(packed, weight, size, true);
}

static void fill(int16_t *out, int16_t value, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = value;
}

/* Widen what output row @y and those behind it see into @strip, @n rows. */
static void fill_strip(int16_t *strip, const int8_t *in, const struct conv_size *size, size_t y,
                       size_t n) {
    const struct window *w = &size->window;
    const size_t channels = size->in_channels, items = row_items(size);
    const size_t left = (size_t) w->pad_left * channels, in_items = (size_t) w->in_w * channels;
    const size_t inside = least(in_items, items - left);
    const int8_t *end = in + (size_t) w->in_h * in_items;
    const int16_t outside = (int16_t) size->in_zero_point;
    int64_t row = (int64_t) y * w->stride_h - w->pad_top;

    for (size_t i = 0; i < n; i++, row++, strip += items) {
        if (row < 0 || row >= w->in_h) {
            fill(strip, outside, items);
            continue;
        }
        fill(strip, outside, left);
        avx2_widen(strip + left, in + (size_t) row * in_items, inside, end);
        fill(strip + left + inside, outside, items - left - inside);
    }
}

static void conv(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                 const struct requant *rq, const struct conv_size *size, void *scratch, bool int4) {
    const struct window *w = &size->window;
    const size_t most = strip_rows(size), items = row_items(size), out_h = (size_t) w->out_h;
    int16_t *strip = (int16_t *) (((uintptr_t) scratch + 15) & ~(uintptr_t) 15);
    const struct product p = { .packed = packed,
                               .kind = int4 ? PAIRS_S4 : PAIRS_S8,
                               .bias = bias,
                               .rq = rq,
                               .cols = size->out_channels,
                               .stride = (size_t) w->stride_w * size->in_channels,
                               .n_segments = (size_t) w->filter_h,
                               .segment_pairs = (segment_items(size) + 1) / 2,
                               .segment_step = (size_t) w->dilation_h * items };
    struct lines lines = { (size_t) w->out_w, (size_t) w->stride_h * items, 0 };

    for (size_t y = 0; y < out_h; y += lines.n_lines) {
        lines.n_lines = least(most, out_h - y);
        fill_strip(strip, in, size, y, rows_under(w, lines.n_lines));
        avx2_product(out + y * lines.n * p.cols, strip, &p, &lines);
    }
}

static void conv_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                    const struct requant *rq, const struct conv_size *size, void *scratch) {
    const struct tiling *tiling = tiling_of(size);
    struct tile_batch batch = { .bias = bias, .rq = rq };

    if (tiling)
        tiles_run(tiling, &batch, out, in, packed, size, scratch);
    else
        conv(out, in, packed, bias, rq, size, scratch, false);
}

static size_t conv_rows_s8(const struct conv_size *size) {
    const struct tiling *tiling = tiling_of(size);

    return tiling ? tiles_rows(tiling) : 1;
}

static void conv_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                    const struct requant *rq, const struct conv_size *size, void *scratch) {
    conv(out, in, packed, bias, rq, size, scratch, true);
}

const struct conv_kernel avx2_conv_s8 = { takes,   conv_bytes_s8, conv_pack_s8, scratch_bytes_s8,
                                          conv_s8, conv_rows_s8 };
const struct conv_kernel avx2_conv_s4 = { takes,         conv_bytes_s4, conv_pack_s4,
                                          scratch_bytes, conv_s4,       NULL };
