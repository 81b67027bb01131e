/* SPDX-License-Identifier: MIT */
/*
 * Convolutions with AVX-512 VNNI: matrix products of rows that overlap. A strip of the image is
 * copied into scratch, with zero points around it, where each row of a pixel's taps lies in one
 * piece. Some of 3 x 3 go elsewhere (tiles.h).
 */
#include "models/kernels/avx512vnni_gemm.h"
#include "models/kernels/tiles.h"

enum { SCRATCH_BYTES = 4096 }; /* unless one row of output needs more */

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

static size_t bytes(const struct conv_size *size, bool int4) {
    return vnni_packed_bytes(size->out_channels, (size_t) size->window.filter_h, segment_of(size),
                             int4);
}

static size_t bytes_s8(const struct conv_size *size) {
    return tiles_take(&vnni_winograd, size) ? tiles_packed_bytes(&vnni_winograd, size)
                                            : bytes(size, false);
}

static size_t bytes_s4(const struct conv_size *size) {
    return bytes(size, true);
}

static void pack(void *packed, const int8_t *weight, const struct conv_size *size, bool int4) {
    vnni_pack(packed, weight, size->out_channels, (size_t) size->window.filter_h, segment_of(size),
              int4);
}

static void pack_s8(void *packed, const int8_t *weight, const struct conv_size *size) {
    if (tiles_take(&vnni_winograd, size))
        tiles_pack(&vnni_winograd, packed, weight, size);
    else
        pack(packed, weight, size, false);
}

static void pack_s4(void *packed, const int8_t *weight, const struct conv_size *size) {
    pack(packed, weight, size, true);
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

static void run(int8_t *out, const int8_t *in, const struct conv_size *size, struct product *p,
                int8_t *strip) {
    const struct window *w = &size->window;
    const size_t most = strip_out_rows(size), out_h = (size_t) w->out_h, out_w = (size_t) w->out_w;
    const size_t line_step = (size_t) w->stride_h * strip_row_bytes(size);
    struct rows first = { out, strip, (size_t) w->stride_w * size->in_channels };

    p->cols = size->out_channels;
    p->n_segments = (size_t) w->filter_h;
    p->segment_bytes = segment_of(size);
    if (w->filter_h == 1 && w->filter_w == 1) { /* a product of some of the image's pixels */
        first.in = in;
        vnni_multiply(p, &first, out_w, (size_t) w->stride_h * (size_t) w->in_w * size->in_channels,
                      out_h);
        return;
    }
    p->strip = true;
    p->segment_step = (size_t) w->dilation_h * strip_row_bytes(size);
    for (size_t y = 0, n; y < out_h; y += n, first.out += n * out_w * p->cols) {
        n = least(most, out_h - y);
        fill_strip(strip, in, size, (int64_t) y, strip_rows(w, n));
        vnni_multiply(p, &first, out_w, line_step, n);
    }
}

static void run_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, const struct conv_size *size, void *scratch) {
    struct product p = { .packed = packed, .bias = bias, .rq = rq };
    struct tile_batch batch = { .bias = bias, .rq = rq };

    if (tiles_take(&vnni_winograd, size))
        tiles_run(&vnni_winograd, &batch, out, in, packed, size, scratch);
    else
        run(out, in, size, &p, scratch);
}

static size_t scratch_bytes_s8(const struct conv_size *size) {
    return tiles_take(&vnni_winograd, size) ? tiles_scratch_bytes(&vnni_winograd, size)
                                            : scratch_bytes(size);
}

static size_t rows_s8(const struct conv_size *size) {
    return tiles_take(&vnni_winograd, size) ? tiles_rows(&vnni_winograd) : 1;
}

static void run_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, const struct conv_size *size, void *scratch) {
    struct product p = { .packed = packed, .bias = bias, .rq = rq, .int4 = true };

    run(out, in, size, &p, scratch);
}

const struct conv_kernel vnni_conv_s8 = { takes,  bytes_s8, pack_s8, scratch_bytes_s8,
                                          run_s8, rows_s8 };
const struct conv_kernel vnni_conv_s4 = { takes, bytes_s4, pack_s4, scratch_bytes, run_s4, NULL };
