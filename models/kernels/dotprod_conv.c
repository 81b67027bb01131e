/* SPDX-License-Identifier: MIT */
/* Convolutions with SDOT: straight from the image where that is possible, else as NEON's. */
#include "models/kernels/dotprod.h"

/* A patch takes as much as it saves, unless it is for more than one block of columns. */
static bool patches(const struct conv_size *size) {
    return neon_conv_is_short(size) && size->out_channels > BLOCK;
}

/* How far from its bias a sum may be. */
static size_t reach(const struct conv_size *size) {
    const struct runs runs = neon_conv_runs(size, false);

    return (runs.n * runs.bytes) << 14;
}

static size_t packed_bytes(const struct conv_size *size, bool int4) {
    const struct runs runs = neon_conv_runs(size, patches(size));

    if (dotprod_direct_takes(size))
        return dotprod_direct_packed_bytes(size, int4);
    return dotprod_packed_bytes(size->out_channels, runs.n, runs.bytes, int4);
}

static size_t bytes_s8(const struct conv_size *size) {
    return packed_bytes(size, false);
}

static size_t bytes_s4(const struct conv_size *size) {
    return packed_bytes(size, true);
}

static void pack(void *packed, const int8_t *weight, const struct conv_size *size, bool int4) {
    const struct runs runs = neon_conv_runs(size, patches(size));

    if (dotprod_direct_takes(size))
        dotprod_direct_pack(packed, weight, size, int4);
    else
        dotprod_pack(packed, weight, size->out_channels, runs.n, runs.bytes, int4);
}

static void pack_s8(void *packed, const int8_t *weight, const struct conv_size *size) {
    pack(packed, weight, size, false);
}

static void pack_s4(void *packed, const int8_t *weight, const struct conv_size *size) {
    pack(packed, weight, size, true);
}

static size_t scratch_bytes(const struct conv_size *size) {
    return dotprod_direct_takes(size) ? 0 : neon_conv_scratch_bytes(size, patches(size));
}

static void run_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, const struct conv_size *size, void *scratch) {
    if (dotprod_direct_takes(size))
        dotprod_direct_run(out, in, packed, bias, rq, size, false);
    else
        neon_conv_run(out, in, packed, bias, rq, size, scratch,
                      (struct conv_way){ dotprod_product_s8, reach(size), patches(size) });
}

static void run_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, const struct conv_size *size, void *scratch) {
    if (dotprod_direct_takes(size))
        dotprod_direct_run(out, in, packed, bias, rq, size, true);
    else
        neon_conv_run(out, in, packed, bias, rq, size, scratch,
                      (struct conv_way){ dotprod_product_s4, reach(size), patches(size) });
}

const struct conv_kernel dotprod_conv_s8 = { neon_strip_takes, bytes_s8, pack_s8,
                                             scratch_bytes,    run_s8,   NULL };
const struct conv_kernel dotprod_conv_s4 = { neon_strip_takes, bytes_s4, pack_s4,
                                             scratch_bytes,    run_s4,   NULL };
