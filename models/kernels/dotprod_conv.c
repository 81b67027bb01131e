/* SPDX-License-Identifier: MIT */
/* Convolutions with SDOT: matrix products over the pixels of a strip, a run for each filter row. */
#include "models/kernels/dotprod.h"

static size_t run_bytes(const struct conv_size *size) {
    return (size_t) size->window.filter_w * size->in_channels;
}

static size_t bytes_s8(const struct conv_size *size) {
    return dotprod_packed_bytes(size->out_channels, (size_t) size->window.filter_h, run_bytes(size),
                                false);
}

static size_t bytes_s4(const struct conv_size *size) {
    return dotprod_packed_bytes(size->out_channels, (size_t) size->window.filter_h, run_bytes(size),
                                true);
}

static void pack_s8(void *packed, const int8_t *weight, const struct conv_size *size) {
    dotprod_pack(packed, weight, size->out_channels, (size_t) size->window.filter_h,
                 run_bytes(size), false);
}

static void pack_s4(void *packed, const int8_t *weight, const struct conv_size *size) {
    dotprod_pack(packed, weight, size->out_channels, (size_t) size->window.filter_h,
                 run_bytes(size), true);
}

static void run(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                const struct requant *rq, const struct conv_size *size, int8_t *strip,
                product_fn *product) {
    const size_t lines = neon_strip_lines(size), out_h = (size_t) size->window.out_h;
    const size_t cols = size->out_channels,
                 depth = (size_t) size->window.filter_h * run_bytes(size);
    const int8_t *runs[STRIP_RUNS];
    const struct product p = {
        .in = neon_strip_runs(runs, strip, size),
        .rq = rq,
        .cols = cols,
        .ending = neon_ending(rq, bias, cols, depth << 14, true),
    };

    for (size_t y = 0; y < out_h; y += lines) {
        const size_t n = least(lines, out_h - y), pixels = n * (size_t) size->window.out_w;

        neon_strip_fill(strip, in, size, (int64_t) y, n);
        product(out, &p, packed, bias, pixels);
        out += pixels * cols;
    }
}

static void run_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, const struct conv_size *size, void *scratch) {
    run(out, in, packed, bias, rq, size, scratch, dotprod_product_s8);
}

static void run_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, const struct conv_size *size, void *scratch) {
    run(out, in, packed, bias, rq, size, scratch, dotprod_product_s4);
}

const struct conv_kernel dotprod_conv_s8 = { neon_strip_takes, bytes_s8, pack_s8,
                                             neon_strip_bytes, run_s8,   NULL };
const struct conv_kernel dotprod_conv_s4 = { neon_strip_takes, bytes_s4, pack_s4,
                                             neon_strip_bytes, run_s4,   NULL };
