/* SPDX-License-Identifier: MIT */
/*
 * kernels - the engine's inner loops: one table row per instruction set.
 *
 * Rule: every row computes bit for bit what kernels_c computes, but for floats (f32.h). The C row
 * is the specification; tests/kernels/check_kernels.c holds every other row to it. No alignment is
 * needed of in and out, and nothing outside the shapes is read.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/fault.h"
#include "models/kernels/f32.h"
#include "models/quant.h"
#include "models/window.h"

/** What the CPU offers; bits of `needs` below. */
enum cpu_feature {
    CPU_NEON = 1 << 0,       /* Pi Zero 2, 3, 4, 5 */
    CPU_DOTPROD = 1 << 1,    /* Pi 5: Cortex-A76, SDOT */
    CPU_AVX2 = 1 << 2,       /* and FMA */
    CPU_AVX512VNNI = 1 << 3, /* with F, BW, DQ and VL */
};

/** For each column what float_rounding_of() found; a nudge of NAN where it found nothing. */
struct float_requant {
    const int32_t *offset;
    const float *scale, *nudge, *below;
};

/** int32 accumulator -> int8 output: clamp(mbqm(acc, factor of the column) + zero_point). */
struct requant {
    const int32_t *multiplier;     /* [cols], Q31 */
    const int32_t *shift;          /* [cols], -31..31, > 0 is left */
    int32_t zero_point;            /* of the output, -128..127 */
    int32_t min, max;              /* fused activation clamp, -128..127 */
    struct float_requant in_float; /* gives the same; all NULL if the row does not use it */
};

struct gemm_size {
    size_t rows, cols, depth;
};

/**
 * A matrix product against constant weights:
 *   out[r][c] = requant(bias[c] + sum over d of in[r][d] * weight[c][d])
 * in int32 that wraps. Pointwise and dense layers as they are, other
 * convolutions on rows of patches.
 */
struct gemm_kernel {
    /** Bytes of weights [cols, depth] as this row wants them. */
    size_t (*packed_bytes)(size_t cols, size_t depth);

    /** Fill @packed (zeroed) from @weight int8 [cols, depth]; int4 kernels: -8..7. */
    void (*pack)(void *packed, const int8_t *weight, size_t cols, size_t depth);

    /**
     * @out   int8 [rows, cols], does not overlap @in
     * @in    int8 [rows, depth]
     * @bias  int32 [cols], the input's zero point already folded in
     */
    void (*run)(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                const struct requant *requant, struct gemm_size size);
};

/**
 * Convolutions, depthwise or not, whose window does not pass window_sees_at_most() with this are
 * never given to a row: the C row, or patches and a gemm, do them. So products of a filter, a
 * dilation, a stride and the width fit into an int32, and what a row of output sees into memory.
 */
enum { KERNEL_SEES_MAX = 1 << 18 };

struct depthwise_size {
    struct window window;
    size_t channels;       /* of the output */
    size_t multiplier;     /* output channel c reads input channel c / multiplier */
    int32_t in_zero_point; /* -128..127 */
};

/**
 * Depthwise convolution of one image [in_h, in_w, channels / multiplier]:
 *   out[y][x][c] = requant(bias[c] + sum over taps inside of (in - in_zero_point) * weight[tap][c])
 * in int32 that wraps.
 */
struct depthwise_kernel {
    /** Bytes of weights [taps, channels] as this row wants them. */
    size_t (*packed_bytes)(size_t taps, size_t channels);

    /** Fill @packed (zeroed) from @weight int8 [taps, channels]; int4 kernels: -8..7. */
    void (*pack)(void *packed, const int8_t *weight, size_t taps, size_t channels);

    /** @out int8 [out_h, out_w, channels], does not overlap @in; @bias int32 [channels]. */
    void (*run)(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                const struct requant *requant, const struct depthwise_size *size);
};

struct conv_size {
    struct window window;
    size_t in_channels, out_channels;
    int32_t in_zero_point; /* -128..127 */
};

/**
 * A convolution that reads the image [in_h, in_w, in_channels] as it lies, where that beats patches
 * for a gemm:
 *   out[y][x][c] = requant(bias[c] + sum over taps and channels of in * weight[c][tap][channel])
 * in int32 that wraps; taps outside read in_zero_point.
 *
 * The window may be a strip of a layer's (window_strip()): takes() and the packed weights depend on
 * nothing of @size that differs from strip to strip.
 */
struct conv_kernel {
    /** Is it the one for @size? If not, patches are gathered for the gemm. */
    bool (*takes)(const struct conv_size *size);

    /** Bytes of weights as this kernel wants them. */
    size_t (*packed_bytes)(const struct conv_size *size);

    /** Fill @packed (zeroed) from @weight int8 [out_channels, taps, in_channels]; int4: -8..7. */
    void (*pack)(void *packed, const int8_t *weight, const struct conv_size *size);

    /** Of what run() needs beside the image; no more for a strip than for the whole. */
    size_t (*scratch_bytes)(const struct conv_size *size);

    /**
     * @out      int8 [out_h, out_w, out_channels], does not overlap @in
     * @bias     int32 [out_channels], the input's zero point already folded in
     * @scratch  scratch_bytes(), not aligned
     */
    void (*run)(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                const struct requant *requant, const struct conv_size *size, void *scratch);

    /** Rows of the output it makes at a time, where part of them costs as much as all; NULL: 1. */
    size_t (*rows)(const struct conv_size *size);
};

struct pool_size {
    struct window window; /* dilation 1 */
    size_t channels;
    int32_t min, max; /* fused activation clamp */
};

/** Mean or maximum over the taps inside, of one image; the mean rounds ties away from zero. */
typedef void pool_s8_fn(int8_t *out, const int8_t *in, const struct pool_size *size);

/** The sum (or difference) of two quantised values. */
struct add_terms {
    int32_t a_zero_point, b_zero_point, out_zero_point;
    struct factor a, b, out; /* a and b after a shift left by 20 */
    int32_t min, max;
    bool subtract;
};

/**
 * out[i] = a[i * a_step] + b[i * b_step], @n items; steps are 0 or 1.
 * @out may be @a or @b where that has step 1.
 */
typedef void add_s8_fn(int8_t *out, const int8_t *a, size_t a_step, const int8_t *b, size_t b_step,
                       size_t n, const struct add_terms *terms);

struct kernels {
    const char *name;   /* what --kernels takes */
    unsigned needs;     /* enum cpu_feature bits; 0 for the C row */
    bool float_requant; /* it can use requant.in_float */
    size_t patch_rows; /* a convolution gathers patches for one gemm call in multiples of it; 1.. */
    const struct gemm_kernel *gemm_s8, *gemm_s4;
    const struct conv_kernel *conv_s8, *conv_s4; /* NULL: takes none */
    const struct depthwise_kernel *depthwise_s8, *depthwise_s4;
    pool_s8_fn *average_pool_s8, *max_pool_s8;
    add_s8_fn *add_s8;
    const struct f32_kernels *f32; /* NULL: f32_c */
};

static inline const struct f32_kernels *f32_of(const struct kernels *kernels) {
    return kernels->f32 ? kernels->f32 : &f32_c;
}

extern const struct kernels kernels_c;
extern const struct kernels kernels_avx2;                  /* needs HAVE_AVX2 */
extern const struct kernels kernels_avx512vnni;            /* needs HAVE_AVX512VNNI */
extern const struct kernels kernels_neon, kernels_dotprod; /* need HAVE_NEON, HAVE_DOTPROD */

/** Parts of the C row for other rows to fall back on. */
extern const struct gemm_kernel c_gemm_s8, c_gemm_s4;
extern const struct depthwise_kernel c_depthwise_s8, c_depthwise_s4;
pool_s8_fn c_average_pool_s8, c_max_pool_s8;
add_s8_fn c_add_s8;

/** Parts of the AVX2 row for that of AVX-512. */
pool_s8_fn avx2_average_pool_s8, avx2_max_pool_s8;

/** Features of this CPU. Any thread. */
unsigned cpu_features(void);

/** Row @i of those built in, fastest first; NULL past the last. */
const struct kernels *kernels_row(size_t i);

/**
 * Choose a row.
 * @name  of the row; NULL or "": LOOKOUT_KERNELS from the environment, else the fastest here.
 * @fault lists the rows if the name is unknown or this CPU lacks what it needs.
 * Returns 0, -ENOTSUP. Any thread (reads the environment).
 */
int kernels_choose(const char *name, const struct kernels **ret, struct fault *fault);
