/* SPDX-License-Identifier: MIT */
/*
 * Convolutions with NEON: matrix products over the pixels of a strip, a run for each filter row.
 * Short runs would leave most of a vector empty, so they are put together to patches first.
 */
#include "models/kernels/neon.h"

enum { PATCHES = 32 }; /* put together at a time */

static size_t run_bytes(const struct conv_size *size) {
    return (size_t) size->window.filter_w * size->in_channels;
}

static size_t depth_of(const struct conv_size *size) {
    return (size_t) size->window.filter_h * run_bytes(size);
}

bool neon_conv_is_short(const struct conv_size *size) {
    return size->window.filter_h > 1 && run_bytes(size) < BLOCK;
}

/* Of a patch; its last run, too, is written as a vector. */
static size_t patch_bytes(size_t n_runs, size_t run) {
    return (n_runs - 1) * run + BLOCK;
}

struct runs neon_conv_runs(const struct conv_size *size, bool patches) {
    if (patches)
        return (struct runs){ 1, depth_of(size) };
    return (struct runs){ (size_t) size->window.filter_h, run_bytes(size) };
}

static size_t packed_bytes(const struct conv_size *size, bool int4) {
    const struct runs runs = neon_conv_runs(size, neon_conv_is_short(size));

    return neon_packed_bytes(size->out_channels, runs.n, runs.bytes, int4);
}

static void pack(void *packed, const int8_t *weight, const struct conv_size *size, bool int4) {
    const struct runs runs = neon_conv_runs(size, neon_conv_is_short(size));

    neon_pack(packed, weight, size->out_channels, runs.n, runs.bytes, int4);
}

static size_t bytes_s8(const struct conv_size *size) {
    if (neon_winograd_takes(size))
        return neon_winograd_packed_bytes(size);
    return packed_bytes(size, false);
}

static size_t bytes_s4(const struct conv_size *size) {
    return packed_bytes(size, true);
}

static void pack_s8(void *packed, const int8_t *weight, const struct conv_size *size) {
    if (neon_winograd_takes(size))
        neon_winograd_pack(packed, weight, size);
    else
        pack(packed, weight, size, false);
}

static void pack_s4(void *packed, const int8_t *weight, const struct conv_size *size) {
    pack(packed, weight, size, true);
}

size_t neon_conv_scratch_bytes(const struct conv_size *size, bool patches) {
    const size_t patch = patch_bytes((size_t) size->window.filter_h, run_bytes(size));

    return neon_strip_bytes(size) + (patches ? PATCHES * patch + BLOCK : 0);
}

static size_t scratch_bytes(const struct conv_size *size) {
    return neon_conv_scratch_bytes(size, neon_conv_is_short(size));
}

static size_t scratch_bytes_s8(const struct conv_size *size) {
    return neon_winograd_takes(size) ? neon_winograd_scratch_bytes(size) : scratch_bytes(size);
}

/* @n pixels of a line, from byte @from on: run by run, each over what the one before has written
 * behind its own. */
static void gather_line(int8_t *patches, const struct lines *in, size_t from, size_t n,
                        size_t pitch) {
    const size_t step = in->pitch;

    for (size_t k = 0; k < in->n_runs; k++) {
        const int8_t *at = in->runs[k] + from;
        int8_t *to = patches + k * in->run;
        size_t i = 0;

        for (; i + 2 <= n; i += 2, at += 2 * step, to += 2 * pitch) {
            const int8x16_t one = vld1q_s8(at), two = vld1q_s8(at + step);

            vst1q_s8(to, one);
            vst1q_s8(to + pitch, two);
        }
        if (i < n)
            vst1q_s8(to, vld1q_s8(at));
    }
}

/* The next @n pixels as patches. */
static void gather(int8_t *patches, const struct lines *in, struct cursor *cursor, size_t n,
                   size_t pitch) {
    while (n > 0) {
        const size_t some = least(n, in->width - cursor->x);

        gather_line(patches, in, cursor->at, some, pitch);
        patches += some * pitch;
        n -= some;
        cursor->x += some;
        cursor->at += some * in->pitch;
        if (cursor->x == in->width) {
            cursor->x = 0;
            cursor->at += in->line - in->width * in->pitch;
        }
    }
}

static void run_patches(int8_t *out, const struct product *p, int8_t *patches, const void *packed,
                        const int32_t *bias, size_t rows, product_fn *product) {
    const size_t pitch = patch_bytes(p->in.n_runs, p->in.run);
    const int8_t *from = patches;
    struct product of_patches = *p;
    struct cursor cursor = { 0 };

    of_patches.in = (struct lines){ .runs = &from,
                                    .n_runs = 1,
                                    .run = p->in.n_runs * p->in.run,
                                    .pitch = pitch,
                                    .width = PATCHES,
                                    .room = SIZE_MAX };
    for (size_t i = 0; i < rows; i += PATCHES, out += PATCHES * p->cols) {
        const size_t n = least(PATCHES, rows - i);

        gather(patches, &p->in, &cursor, n, pitch);
        product(out, &of_patches, packed, bias, n);
    }
}

void neon_conv_run(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, const struct conv_size *size, void *scratch,
                   struct conv_way way) {
    int8_t *strip = scratch, *patches = strip + neon_strip_bytes(size);
    const size_t lines = neon_strip_lines(size), out_h = (size_t) size->window.out_h;
    const int8_t *runs[STRIP_RUNS];
    const struct product p = {
        .in = neon_strip_runs(runs, strip, size),
        .rq = rq,
        .cols = size->out_channels,
        .ending = neon_ending(rq, bias, size->out_channels, way.reach, true),
    };

    for (size_t y = 0; y < out_h; y += lines) {
        const size_t n = least(lines, out_h - y), pixels = n * (size_t) size->window.out_w;

        neon_strip_fill(strip, in, size, (int64_t) y, n);
        if (way.patches)
            run_patches(out, &p, patches, packed, bias, pixels, way.product);
        else
            way.product(out, &p, packed, bias, pixels);
        out += pixels * size->out_channels;
    }
}

static void run_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, const struct conv_size *size, void *scratch) {
    if (neon_winograd_takes(size))
        neon_winograd_run(out, in, packed, bias, rq, size, scratch);
    else
        neon_conv_run(
            out, in, packed, bias, rq, size, scratch,
            (struct conv_way){ neon_product_s8, neon_reach(packed), neon_conv_is_short(size) });
}

static void run_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, const struct conv_size *size, void *scratch) {
    neon_conv_run(
        out, in, packed, bias, rq, size, scratch,
        (struct conv_way){ neon_product_s4, neon_reach(packed), neon_conv_is_short(size) });
}

static size_t rows_s8(const struct conv_size *size) {
    return neon_winograd_takes(size) ? neon_winograd_rows(size) : 1;
}

const struct conv_kernel neon_conv_s8 = { neon_strip_takes, bytes_s8, pack_s8,
                                          scratch_bytes_s8, run_s8,   rows_s8 };
const struct conv_kernel neon_conv_s4 = { neon_strip_takes, bytes_s4, pack_s4,
                                          scratch_bytes,    run_s4,   NULL };
