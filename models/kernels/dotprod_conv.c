/* SPDX-License-Identifier: MIT */
/*
 * Convolutions with SDOT: straight from the image where that is possible, else matrix products over
 * the pixels of a strip, a run for each filter row.
 */
#include "models/kernels/dotprod.h"

static size_t run_bytes(const struct conv_size *size) {
    return (size_t) size->window.filter_w * size->in_channels;
}

static size_t packed_bytes(const struct conv_size *size, bool int4) {
    if (dotprod_direct_takes(size))
        return dotprod_direct_packed_bytes(size, int4);
    return dotprod_packed_bytes(size->out_channels, (size_t) size->window.filter_h, run_bytes(size),
                                int4);
}

static size_t bytes_s8(const struct conv_size *size) {
    return packed_bytes(size, false);
}

static size_t bytes_s4(const struct conv_size *size) {
    return packed_bytes(size, true);
}

static void pack(void *packed, const int8_t *weight, const struct conv_size *size, bool int4) {
    if (dotprod_direct_takes(size))
        dotprod_direct_pack(packed, weight, size, int4);
    else
        dotprod_pack(packed, weight, size->out_channels, (size_t) size->window.filter_h,
                     run_bytes(size), int4);
}

static void pack_s8(void *packed, const int8_t *weight, const struct conv_size *size) {
    pack(packed, weight, size, false);
}

static void pack_s4(void *packed, const int8_t *weight, const struct conv_size *size) {
    pack(packed, weight, size, true);
}

static size_t scratch_bytes(const struct conv_size *size) {
    return dotprod_direct_takes(size) ? 0 : neon_strip_bytes(size);
}

static void run_strips(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
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
    if (dotprod_direct_takes(size))
        dotprod_direct_run(out, in, packed, bias, rq, size, false);
    else
        run_strips(out, in, packed, bias, rq, size, scratch, dotprod_product_s8);
}

static void run_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, const struct conv_size *size, void *scratch) {
    if (dotprod_direct_takes(size))
        dotprod_direct_run(out, in, packed, bias, rq, size, true);
    else
        run_strips(out, in, packed, bias, rq, size, scratch, dotprod_product_s4);
}

const struct conv_kernel dotprod_conv_s8 = { neon_strip_takes, bytes_s8, pack_s8,
                                             scratch_bytes,    run_s8,   NULL };
const struct conv_kernel dotprod_conv_s4 = { neon_strip_takes, bytes_s4, pack_s4,
                                             scratch_bytes,    run_s4,   NULL };
