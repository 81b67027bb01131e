/* SPDX-License-Identifier: MIT */
/* neon - what the files of the aarch64 rows share: requantisation, loads, stores. */
#pragma once

#include "models/kernels/kernels.h"

#ifndef __ARM_NEON
#error "build this file with -march=armv8-a"
#endif

#include <arm_neon.h>
#include <string.h>

enum {
    LANES = 4,  /* int32 sums in a vector */
    BLOCK = 16, /* int8 in a vector */
};

/* A loop over sums in registers, which have no index. */
#define UNROLL _Pragma("GCC unroll 16")

#define INLINE static inline __attribute__((always_inline))

extern const struct gemm_kernel neon_gemm_s8, neon_gemm_s4;
extern const struct conv_kernel neon_conv_s8, neon_conv_s4;
extern const struct depthwise_kernel neon_depthwise_s8, neon_depthwise_s4;
pool_s8_fn neon_average_pool_s8, neon_max_pool_s8;
add_s8_fn neon_add_s8;

/** Rows of input as a matrix product reads them: each row is some runs of bytes, in other places.
 */
struct lines {
    const int8_t *const *runs; /* [n_runs], of row 0 */
    size_t n_runs, run;        /* bytes of a run */
    size_t pitch;              /* from row to row of a line */
    size_t width;              /* rows of a line */
    size_t line;               /* bytes from line to line */
    size_t room;               /* bytes that may be read from the beginning of each run on */
};

enum { STRIP_RUNS = 16 }; /* rows of a filter */

/** Is @size for a strip? */
bool neon_strip_takes(const struct conv_size *size);

/** How many rows of output one strip is for, and its bytes. */
size_t neon_strip_lines(const struct conv_size *size);
size_t neon_strip_bytes(const struct conv_size *size);

/** Fill @strip with what output rows [y, y + lines) see. */
void neon_strip_fill(int8_t *strip, const int8_t *in, const struct conv_size *size, int64_t y,
                     size_t lines);

/** The pixels of a strip as rows of a matrix; fills @runs [STRIP_RUNS]. */
struct lines neon_strip_runs(const int8_t **runs, const int8_t *strip,
                             const struct conv_size *size);

INLINE size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/** @a / @b, rounded up. */
INLINE size_t parts(size_t a, size_t b) {
    return (a + b - 1) / b;
}

/** Up to 4 of the @n int32 left at @values; @other behind. */
INLINE int32x4_t neon_load4(const int32_t *values, size_t n, int32_t other) {
    int32_t some[LANES] = { other, other, other, other };

    if (n >= LANES)
        return vld1q_s32(values);
    (void) memcpy(some, values, n * sizeof(*some));
    return vld1q_s32(some);
}

/** @n < 16 bytes; zeros behind. */
INLINE int8x16_t neon_load_some(const int8_t *values, size_t n) {
    int8_t some[BLOCK] = { 0 };

    (void) memcpy(some, values, n);
    return vld1q_s8(some);
}

/** How sums become int8. */
enum ending {
    ENDING_ANY,   /* as mbqm() does it */
    ENDING_RIGHT, /* all factors are below 1/2, so nothing is shifted left and nothing wraps */
    ENDING_FULL,  /* also: no clamp but that of int8, and no result leaves int16 */
    ENDING_RELU,  /* also: the zero point is -128 */
};

/** Largest shift and result so far, with 4 more columns whose sums stay within @sum. */
INLINE void neon_bound(int32x4_t *shifts, int32x4_t *most, int32x4_t multiplier, int32x4_t shift,
                       int32x4_t sum) {
    *shifts = vmaxq_s32(*shifts, shift);
    *most = vmaxq_s32(*most, vrshlq_s32(vqrdmulhq_s32(sum, multiplier), shift));
}

/**
 * How the sums of @cols columns end, none of which is further from its bias than @reach; if there
 * are
 * @many of each, so that it pays to look at more than the shifts.
 * SQRDMULH is srdhm(). SRSHL rounds ties up where rdivp() rounds them away from zero, so one is
 * first taken off what is negative, unless it clamps.
 */
INLINE enum ending neon_ending(const struct requant *rq, const int32_t *bias, size_t cols,
                               size_t reach, bool many) {
    const bool full = many && rq->min == INT8_MIN && rq->max == INT8_MAX;
    const int32x4_t far = vdupq_n_s32((int32_t) least(reach, INT32_MAX));
    int32x4_t shifts = vdupq_n_s32(INT32_MIN), most = vdupq_n_s32(0);
    size_t c = 0;

    for (; c + BLOCK <= cols && !full; c += BLOCK) {
        UNROLL
        for (size_t v = 0; v < BLOCK; v += LANES)
            shifts = vmaxq_s32(shifts, vld1q_s32(rq->shift + c + v));
    }
    for (; c + LANES <= cols; c += LANES)
        neon_bound(&shifts, &most, vld1q_s32(rq->multiplier + c), vld1q_s32(rq->shift + c),
                   vqaddq_s32(vqabsq_s32(vld1q_s32(bias + c)), far));
    if (c < cols)
        neon_bound(&shifts, &most, neon_load4(rq->multiplier + c, cols - c, 0),
                   neon_load4(rq->shift + c, cols - c, -1),
                   vqaddq_s32(vqabsq_s32(neon_load4(bias + c, cols - c, 0)), far));
    if (vmaxvq_s32(shifts) >= 0)
        return ENDING_ANY;
    if (!full || vmaxvq_s32(most) >= INT16_MAX)
        return ENDING_RIGHT;
    return rq->zero_point == INT8_MIN ? ENDING_RELU : ENDING_FULL;
}

/** mbqm() of 4 sums, plus the zero point unless the ending adds it later. */
INLINE int32x4_t neon_scale(int32x4_t x, int32x4_t multiplier, int32x4_t shift, int32_t zero_point,
                            enum ending ending) {
    const int32x4_t zero = vdupq_n_s32(0);

    if (ending == ENDING_ANY) {
        const int32x4_t right = vminq_s32(shift, zero);

        x = vqrdmulhq_s32(vshlq_s32(x, vmaxq_s32(shift, zero)), multiplier);
        x = vaddq_s32(x, vandq_s32(vshrq_n_s32(x, 31), vshrq_n_s32(right, 31)));
        return vaddq_s32(vrshlq_s32(x, right), vdupq_n_s32(zero_point));
    }
    x = vqrdmulhq_s32(x, multiplier);
    if (ending != ENDING_RELU)
        x = vsraq_n_s32(x, x, 31);
    return vrshlq_s32(x, shift);
}

/** 8 scaled values as int16: saturated, or known to be in it. */
INLINE int16x8_t neon_halves(int32x4_t a, int32x4_t b, enum ending ending) {
    if (ending == ENDING_RELU || ending == ENDING_FULL)
        return vuzp1q_s16(vreinterpretq_s16_s32(a), vreinterpretq_s16_s32(b));
    return vqmovn_high_s32(vqmovn_s32(a), b);
}

/** Clamp @vectors x 4 scaled values to int8; 1 to 4 vectors. */
INLINE int8x16_t neon_narrow(const int32x4_t *y, size_t vectors, const struct requant *rq,
                             enum ending ending) {
    const bool wide = vectors > 2;
    int16x8_t low, high;
    int8x16_t bytes;

    low = neon_halves(y[0], y[vectors > 1], ending);
    high = wide ? neon_halves(y[2], y[vectors > 3 ? 3 : 2], ending) : low;
    if (ending == ENDING_RELU) {
        const uint8x8_t first = vqmovun_s16(low);

        return vreinterpretq_s8_u8(
            veorq_u8(wide ? vqmovun_high_s16(first, high) : vcombine_u8(first, vdup_n_u8(0)),
                     vdupq_n_u8(0x80)));
    }
    if (ending != ENDING_ANY) {
        low = vqaddq_s16(low, vdupq_n_s16((int16_t) rq->zero_point));
        high = vqaddq_s16(high, vdupq_n_s16((int16_t) rq->zero_point));
    }
    bytes =
        wide ? vqmovn_high_s16(vqmovn_s16(low), high) : vcombine_s8(vqmovn_s16(low), vdup_n_s8(0));
    if (ending == ENDING_FULL)
        return bytes;
    bytes = vmaxq_s8(bytes, vdupq_n_s8((int8_t) rq->min));
    return vminq_s8(bytes, vdupq_n_s8((int8_t) rq->max));
}

/** Store @vectors x 4 bytes. */
INLINE void neon_store(int8_t *out, int8x16_t bytes, size_t vectors) {
    const int32x4_t words = vreinterpretq_s32_s8(bytes);
    int32_t last;

    if (vectors == 4) {
        vst1q_s8(out, bytes);
        return;
    }
    if (vectors >= 2)
        vst1_s8(out, vget_low_s8(bytes));
    if (vectors % 2 == 1) {
        last = vectors == 1 ? vgetq_lane_s32(words, 0) : vgetq_lane_s32(words, 2);
        (void) memcpy(out + (vectors - 1) * LANES, &last, sizeof(last));
    }
}

/** Store 8 bytes in each of two places. */
INLINE void neon_store_two(int8_t *a, int8_t *b, int8x16_t bytes) {
    vst1_s8(a, vget_low_s8(bytes));
    vst1_s8(b, vget_high_s8(bytes));
}

/** Of some columns, whole vectors of: what their sums begin with and what becomes of them. */
struct columns {
    const int32_t *bias, *multiplier, *shift;
    size_t n;
};

/** Room for those of a part of a block. */
struct some_columns {
    int32_t bias[BLOCK], multiplier[BLOCK], shift[BLOCK];
};

/** Columns [c, c + 16) as far as there are any. */
INLINE struct columns neon_columns(const struct requant *rq, const int32_t *bias, size_t c,
                                   size_t cols, struct some_columns *some) {
    const size_t n = least(cols - c, BLOCK);

    if (n % LANES == 0)
        return (struct columns){ bias + c, rq->multiplier + c, rq->shift + c, n };
    (void) memset(some, 0, sizeof(*some));
    (void) memcpy(some->bias, bias + c, n * sizeof(int32_t));
    (void) memcpy(some->multiplier, rq->multiplier + c, n * sizeof(int32_t));
    (void) memcpy(some->shift, rq->shift + c, n * sizeof(int32_t));
    return (struct columns){ some->bias, some->multiplier, some->shift, n };
}

/** Load 1 to 4 vectors; returns what is behind them. */
INLINE const int8_t *neon_load_vectors(int8x16_t *w, const int8_t *at, size_t vectors) {
    if (vectors == 4) {
        const int8x16x4_t all = vld1q_s8_x4(at);

        UNROLL
        for (size_t v = 0; v < 4; v++)
            w[v] = all.val[v];
    } else {
        UNROLL
        for (size_t v = 0; v < vectors; v++)
            w[v] = vld1q_s8(at + v * BLOCK);
    }
    at += vectors * BLOCK;
    __asm__("" : "+r"(at)); /* so that the load itself moves on */
    return at;
}

/** 1 to 4 vectors of int32. */
INLINE void neon_load_factors(int32x4_t *out, const int32_t *values, size_t vectors) {
    if (vectors == 4) {
        const int32x4x4_t all = vld1q_s32_x4(values);

        UNROLL
        for (size_t v = 0; v < 4; v++)
            out[v] = all.val[v];
    } else {
        UNROLL
        for (size_t v = 0; v < vectors; v++)
            out[v] = vld1q_s32(values + v * LANES);
    }
}

INLINE void neon_finish_as(int8_t *out, size_t pitch, int32x4_t (*sums)[4], size_t rows,
                           size_t vectors, const struct columns *columns, const struct requant *rq,
                           enum ending ending) {
    const struct requant limits = { .zero_point = rq->zero_point, .min = rq->min, .max = rq->max };
    int32x4_t multipliers[4], shifts[4];

    neon_load_factors(multipliers, columns->multiplier, vectors);
    neon_load_factors(shifts, columns->shift, vectors);
    UNROLL
    for (size_t v = 0; v < vectors; v++)
        UNROLL
    for (size_t r = 0; r < rows; r++)
        sums[r][v] = neon_scale(sums[r][v], multipliers[v], shifts[v], limits.zero_point, ending);
    UNROLL
    for (size_t r = 0; r < rows; r++, out += pitch)
        neon_store(out, neon_narrow(sums[r], vectors, &limits, ending), vectors);
}

/** The ending that is rare, kept away from the registers of the others. */
static __attribute__((noinline)) void neon_finish_any(int8_t *out, size_t pitch,
                                                      const int32_t *sums, size_t rows,
                                                      size_t vectors, const struct columns *columns,
                                                      const struct requant *rq) {
    for (size_t r = 0; r < rows; r++, out += pitch)
        for (size_t v = 0; v < vectors; v++, sums += LANES) {
            const int32x4_t y =
                neon_scale(vld1q_s32(sums), vld1q_s32(columns->multiplier + v * LANES),
                           vld1q_s32(columns->shift + v * LANES), rq->zero_point, ENDING_ANY);

            neon_store(out + v * LANES, neon_narrow(&y, 1, rq, ENDING_ANY), 1);
        }
}

/** The first @n bytes of some rows of 16. */
static __attribute__((noinline)) void
neon_copy_rows(int8_t *out, size_t pitch, const int8_t (*in)[BLOCK], size_t rows, size_t n) {
    for (size_t r = 0; r < rows; r++)
        (void) memcpy(out + r * pitch, in[r], n);
}

/** Requantise and store @rows x @vectors x 4 sums, all of them. */
INLINE void neon_finish_whole(int8_t *out, size_t pitch, int32x4_t (*sums)[4], size_t rows,
                              size_t vectors, const struct columns *columns,
                              const struct requant *rq, enum ending ending) {
    int32_t plain[16 * LANES];

    if (ending == ENDING_RELU) {
        neon_finish_as(out, pitch, sums, rows, vectors, columns, rq, ENDING_RELU);
    } else if (ending == ENDING_FULL) {
        neon_finish_as(out, pitch, sums, rows, vectors, columns, rq, ENDING_FULL);
    } else if (ending == ENDING_RIGHT) {
        neon_finish_as(out, pitch, sums, rows, vectors, columns, rq, ENDING_RIGHT);
    } else {
        UNROLL
        for (size_t r = 0; r < rows; r++)
            UNROLL
        for (size_t v = 0; v < vectors; v++)
            vst1q_s32(plain + (r * vectors + v) * LANES, sums[r][v]);
        neon_finish_any(out, pitch, plain, rows, vectors, columns, rq);
    }
}

/** The same for as many columns as there are. */
INLINE void neon_finish(int8_t *out, size_t pitch, int32x4_t (*sums)[4], size_t rows,
                        size_t vectors, const struct columns *columns, const struct requant *rq,
                        enum ending ending) {
    const bool part = columns->n % LANES != 0;
    int8_t some[4][BLOCK];

    neon_finish_whole(part ? some[0] : out, part ? BLOCK : pitch, sums, rows, vectors, columns, rq,
                      ending);
    if (part)
        neon_copy_rows(out, pitch, some, rows, columns->n);
}

/** How a product ends and where it goes. */
struct product {
    struct lines in;
    const struct requant *rq;
    size_t cols; /* of the whole output: its pitch */
    enum ending ending;
};

/** Of a matrix, no sum of which is further from its bias than @reach; @in lives as long. */
INLINE struct product neon_gemm_product(const int8_t *const *in, const int32_t *bias,
                                        const struct requant *rq, struct gemm_size size,
                                        size_t reach) {
    return (struct product){
        .in = { .runs = in,
                .n_runs = 1,
                .run = size.depth,
                .pitch = size.depth,
                .width = size.rows,
                .room = size.rows * size.depth },
        .rq = rq,
        .cols = size.cols,
        .ending = neon_ending(rq, bias, size.cols, reach, size.rows >= LANES),
    };
}

/** Row @x of a line, which begins @at bytes behind row 0. */
struct cursor {
    size_t x, at;
};

/** Where the next @rows rows begin. */
INLINE void neon_rows_at(size_t *at, const struct lines *in, struct cursor *cursor, size_t rows) {
    if (cursor->x + rows < in->width) {
        UNROLL
        for (size_t r = 0; r < rows; r++)
            at[r] = cursor->at + r * in->pitch;
        cursor->at += rows * in->pitch;
        cursor->x += rows;
        return;
    }
    UNROLL
    for (size_t r = 0; r < rows; r++) {
        at[r] = cursor->at;
        cursor->at += in->pitch;
        if (++cursor->x == in->width) {
            cursor->x = 0;
            cursor->at += in->line - in->width * in->pitch;
        }
    }
}

/** How many of @rows rows are followed by so much that @bytes may be read from where each begins.
 */
INLINE size_t neon_roomy(const struct lines *in, size_t rows, size_t bytes) {
    if (in->room == SIZE_MAX)
        return rows;
    return in->room < bytes ? 0 : least(rows, (in->room - bytes) / in->pitch + 1);
}

typedef void product_fn(int8_t *out, const struct product *product, const void *packed,
                        const int32_t *bias, size_t rows);

/** @rows rows of output; weights of int8 or int4 as neon_pack() lays them. */
product_fn neon_product_s8, neon_product_s4;

/** Bytes of weights of @cols columns with @n_runs runs of @run bytes. */
size_t neon_packed_bytes(size_t cols, size_t n_runs, size_t run, bool int4);

/** Fill zeroed @packed from @weight [cols, n_runs, run]. */
void neon_pack(void *packed, const int8_t *weight, size_t cols, size_t n_runs, size_t run,
               bool int4);

/** How far from its bias a sum may be, with these packed weights. */
size_t neon_reach(const void *packed);

/** Under a filter. */
struct runs {
    size_t n, bytes; /* bytes: of each */
};

/** What a product sees of a convolution: runs of a strip as they lie, or one patch of them all. */
struct runs neon_conv_runs(const struct conv_size *size, bool patches);

/** Would runs leave most of a vector empty, but not patches? */
bool neon_conv_is_short(const struct conv_size *size);

struct conv_way {
    product_fn *product; /* of weights packed for neon_conv_runs() */
    size_t reach;        /* how far from its bias a sum may be */
    bool patches;
};

size_t neon_conv_scratch_bytes(const struct conv_size *size, bool patches);
void neon_conv_run(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, const struct conv_size *size, void *scratch,
                   struct conv_way way);

/** As the fields of struct conv_kernel, for 3 x 3 at stride 1 on images that are not small. */
bool neon_winograd_takes(const struct conv_size *size);
size_t neon_winograd_rows(const struct conv_size *size);
size_t neon_winograd_packed_bytes(const struct conv_size *size);
size_t neon_winograd_scratch_bytes(const struct conv_size *size);
void neon_winograd_pack(void *packed, const int8_t *weight, const struct conv_size *size);
void neon_winograd_run(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                       const struct requant *rq, const struct conv_size *size, void *scratch);
