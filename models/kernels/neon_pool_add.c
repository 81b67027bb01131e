/* SPDX-License-Identifier: MIT */
/* Pooling and addition with NEON. */
#include "models/kernels/neon.h"

enum {
    SUM_TAPS_MAX = 1 << 23, /* int8 whose sum stays inside int32 */
    ADD_LEFT_SHIFT = 20,
    HALF_MULTIPLIER = 1 << 30, /* with shift 0: a factor of 1/2 */
    HALF_LEFT = 5,             /* (u << 5) x 2^14 is u << 20, halved */
    HALF_FACTOR = 1 << 14,
    SUM_REACH = 1 << 29, /* no sum of two is beyond */
};

/* Sums of 16 channels over the taps of one row. */
INLINE void add_row(int32x4_t *sums, const int8_t *in, size_t n, size_t channels) {
    for (; n > 0; n--, in += channels) {
        const int8x16_t x = vld1q_s8(in);
        const int16x8_t low = vmovl_s8(vget_low_s8(x)), high = vmovl_high_s8(x);

        sums[0] = vaddw_s16(sums[0], vget_low_s16(low));
        sums[1] = vaddw_high_s16(sums[1], low);
        sums[2] = vaddw_s16(sums[2], vget_low_s16(high));
        sums[3] = vaddw_high_s16(sums[3], high);
    }
}

/* Where the taps of an output pixel lie: rows of @columns pixels. */
struct pixel {
    const int8_t *in;
    size_t rows, columns, row_bytes, channels;
};

static struct pixel pixel_of(const int8_t *in, const struct pool_size *size, int64_t y, int64_t x) {
    const struct window *w = &size->window;
    const struct taps rows = window_rows(w, y), columns = window_columns(w, x);

    return (struct pixel){
        .in = in + window_pixel(w, y, x, rows.first, columns.first) * size->channels,
        .rows = (size_t) (rows.last - rows.first),
        .columns = (size_t) (columns.last - columns.first),
        .row_bytes = (size_t) w->in_w * size->channels,
        .channels = size->channels,
    };
}

/* Channels [c, c + 16). */
static void average_block(int8_t *out, const struct pixel *pixel, size_t c,
                          const struct pool_size *size) {
    const int32_t n = (int32_t) (pixel->rows * pixel->columns);
    int32x4_t sums[4] = { vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0), vdupq_n_s32(0) };
    int32_t sum[BLOCK];

    for (size_t i = 0; i < pixel->rows; i++)
        add_row(sums, pixel->in + i * pixel->row_bytes + c, pixel->columns, pixel->channels);
    for (size_t v = 0; v < 4; v++)
        vst1q_s32(sum + v * LANES, sums[v]);
    for (size_t i = 0; i < BLOCK; i++) {
        const int32_t mean = (sum[i] > 0 ? sum[i] + n / 2 : sum[i] - n / 2) / n;

        out[c + i] = (int8_t) clamp_to(mean, size->min, size->max);
    }
}

static void max_block(int8_t *out, const struct pixel *pixel, size_t c,
                      const struct pool_size *size) {
    int8x16_t most = vdupq_n_s8(INT8_MIN);

    for (size_t i = 0; i < pixel->rows; i++) {
        const int8_t *in = pixel->in + i * pixel->row_bytes + c;

        for (size_t k = 0; k < pixel->columns; k++, in += pixel->channels)
            most = vmaxq_s8(most, vld1q_s8(in));
    }
    most = vminq_s8(vmaxq_s8(most, vdupq_n_s8((int8_t) size->min)), vdupq_n_s8((int8_t) size->max));
    vst1q_s8(out + c, most);
}

typedef void block_fn(int8_t *out, const struct pixel *pixel, size_t c,
                      const struct pool_size *size);

INLINE void pool(int8_t *out, const int8_t *in, const struct pool_size *size, block_fn *block) {
    const struct window *w = &size->window;
    const size_t channels = size->channels;

    for (int64_t y = 0; y < w->out_h; y++)
        for (int64_t x = 0; x < w->out_w; x++, out += channels) {
            const struct pixel pixel = pixel_of(in, size, y, x);

            for (size_t c = 0; c < channels; c += BLOCK) /* the last 16 may overlap */
                block(out, &pixel, least(c, channels - BLOCK), size);
        }
}

void neon_average_pool_s8(int8_t *out, const int8_t *in, const struct pool_size *size) {
    if (size->channels < BLOCK ||
        (int64_t) size->window.filter_h * size->window.filter_w > SUM_TAPS_MAX)
        c_average_pool_s8(out, in, size);
    else
        pool(out, in, size, average_block);
}

void neon_max_pool_s8(int8_t *out, const int8_t *in, const struct pool_size *size) {
    if (size->channels < BLOCK)
        c_max_pool_s8(out, in, size);
    else
        pool(out, in, size, max_block);
}

/* One of the two has the larger scale, and with it a factor of just 1/2. */
static bool is_half(const struct factor *factor) {
    return factor->multiplier == HALF_MULTIPLIER && factor->shift == 0;
}

/* @u << 20, times a factor below 1/2, and the other one's @h << 19 added; 4 values. */
INLINE int32x4_t sum4(int16x4_t h, int16x4_t u, int32x4_t multiplier, int32x4_t shift) {
    int32x4_t y = vqrdmulhq_s32(vshll_n_s16(u, 16), multiplier);

    y = vrshlq_s32(vsraq_n_s32(y, y, 31), shift);
    return vmlal_n_s16(y, h, HALF_FACTOR);
}

/* @a is of factor 1/2. */
INLINE void add_blocks(int8_t *out, const int8_t *a, const int8_t *b, size_t n,
                       const struct add_terms *t, int32_t a_zero_point, int32_t b_zero_point,
                       const struct factor *factor, enum ending ending) {
    const int8x8_t za = vdup_n_s8((int8_t) a_zero_point), zb = vdup_n_s8((int8_t) b_zero_point);
    const int32x4_t multiplier = vdupq_n_s32(factor->multiplier);
    const int32x4_t shift = vdupq_n_s32(factor->shift);
    const int32x4_t out_multiplier = vdupq_n_s32(t->out.multiplier);
    const int32x4_t out_shift = vdupq_n_s32(t->out.shift);
    const struct requant limits = { .zero_point = t->out_zero_point, .min = t->min, .max = t->max };

    for (size_t i = 0; i < n; i += BLOCK) {
        const int8x16_t xa = vld1q_s8(a + i), xb = vld1q_s8(b + i);
        int32x4_t y[4];

        UNROLL
        for (size_t k = 0; k < 2; k++) {
            const int8x8_t pa = k ? vget_high_s8(xa) : vget_low_s8(xa);
            const int8x8_t pb = k ? vget_high_s8(xb) : vget_low_s8(xb);
            const int16x8_t h = vshlq_n_s16(vsubl_s8(pa, za), HALF_LEFT);
            const int16x8_t u = vshlq_n_s16(vsubl_s8(pb, zb), ADD_LEFT_SHIFT - 16);

            y[2 * k] = sum4(vget_low_s16(h), vget_low_s16(u), multiplier, shift);
            y[2 * k + 1] = sum4(vget_high_s16(h), vget_high_s16(u), multiplier, shift);
        }
        UNROLL
        for (size_t v = 0; v < 4; v++)
            y[v] = neon_scale(y[v], out_multiplier, out_shift, limits.zero_point, ending);
        vst1q_s8(out + i, neon_narrow(y, 4, &limits, ending));
    }
}

void neon_add_s8(int8_t *out, const int8_t *a, size_t a_step, const int8_t *b, size_t b_step,
                 size_t n, const struct add_terms *terms) {
    const struct requant rq = {
        .multiplier = &terms->out.multiplier,
        .shift = &terms->out.shift,
        .zero_point = terms->out_zero_point,
        .min = terms->min,
        .max = terms->max,
    };
    const int32_t zero = 0;
    const enum ending ending = neon_ending(&rq, &zero, 1, SUM_REACH, true);
    const size_t whole = n / BLOCK * BLOCK;
    size_t done = 0;

    if (a_step == 1 && b_step == 1 && !terms->subtract && ending != ENDING_ANY) {
        if (is_half(&terms->a) && terms->b.shift < 0)
            done = whole;
        else if (is_half(&terms->b) && terms->a.shift < 0)
            done = whole;
        if (done > 0 && is_half(&terms->a) && ending == ENDING_RELU)
            add_blocks(out, a, b, whole, terms, terms->a_zero_point, terms->b_zero_point, &terms->b,
                       ENDING_RELU);
        else if (done > 0 && is_half(&terms->a))
            add_blocks(out, a, b, whole, terms, terms->a_zero_point, terms->b_zero_point, &terms->b,
                       ENDING_RIGHT);
        else if (done > 0 && ending == ENDING_RELU)
            add_blocks(out, b, a, whole, terms, terms->b_zero_point, terms->a_zero_point, &terms->a,
                       ENDING_RELU);
        else if (done > 0)
            add_blocks(out, b, a, whole, terms, terms->b_zero_point, terms->a_zero_point, &terms->a,
                       ENDING_RIGHT);
    }
    c_add_s8(out + done, a + done * a_step, a_step, b + done * b_step, b_step, n - done, terms);
}
