/* SPDX-License-Identifier: MIT */
/* Pooling and addition with AVX2. */
#include "models/kernels/add_short.h"
#include "models/kernels/avx2.h"

enum {
    SUM_TAPS_MAX = 1 << 23, /* int8 whose sum stays inside int32 */
};

/* (sum -+ n / 2) / n towards zero. In double: a quotient within 2^-23 of a whole number is whole.
 */
INLINE __m128i mean4(__m128i sum, int32_t n) {
    const __m128i half = _mm_sign_epi32(_mm_set1_epi32(n / 2), sum);

    return _mm256_cvttpd_epi32(
        _mm256_div_pd(_mm256_cvtepi32_pd(_mm_add_epi32(sum, half)), _mm256_set1_pd((double) n)));
}

/* One output pixel's channels [c, c + 8). */
static void average_pixel(int8_t *out, const int8_t *in, const struct pool_size *size, int64_t y,
                          int64_t x, size_t c) {
    const struct window *w = &size->window;
    const struct taps rows = window_rows(w, y), columns = window_columns(w, x);
    const int32_t n = (int32_t) ((rows.last - rows.first) * (columns.last - columns.first));
    __m256i sum = _mm256_setzero_si256();

    for (int64_t ky = rows.first; ky < rows.last; ky++)
        for (int64_t kx = columns.first; kx < columns.last; kx++) {
            const int8_t *pixel = in + window_pixel(w, y, x, ky, kx) * size->channels + c;

            sum = _mm256_add_epi32(sum,
                                   _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *) pixel)));
        }
    sum = _mm256_set_m128i(mean4(_mm256_extracti128_si256(sum, 1), n),
                           mean4(_mm256_castsi256_si128(sum), n));
    avx2_store(out + c, &sum, 1, LANES, size->min, size->max);
}

void avx2_average_pool_s8(int8_t *out, const int8_t *in, const struct pool_size *size) {
    const struct window *w = &size->window;
    const size_t channels = size->channels;

    if (channels < LANES || (int64_t) w->filter_h * w->filter_w > SUM_TAPS_MAX) {
        c_average_pool_s8(out, in, size);
        return;
    }
    for (int64_t y = 0; y < w->out_h; y++)
        for (int64_t x = 0; x < w->out_w; x++, out += channels)
            for (size_t c = 0; c < channels; c += LANES) /* the last 8 may overlap */
                average_pixel(out, in, size, y, x, least(c, channels - LANES));
}

/* One output pixel's channels [c, c + 16). */
INLINE void max_pixel(int8_t *out, const int8_t *in, const struct pool_size *size, int64_t y,
                      int64_t x, size_t c) {
    const struct window *w = &size->window;
    const struct taps rows = window_rows(w, y), columns = window_columns(w, x);
    __m128i most = _mm_set1_epi8((char) size->min);

    for (int64_t ky = rows.first; ky < rows.last; ky++)
        for (int64_t kx = columns.first; kx < columns.last; kx++) {
            const int8_t *pixel = in + window_pixel(w, y, x, ky, kx) * size->channels + c;

            most = _mm_max_epi8(most, _mm_loadu_si128((const __m128i *) pixel));
        }
    most = _mm_min_epi8(most, _mm_set1_epi8((char) size->max));
    _mm_storeu_si128((__m128i *) (out + c), most);
}

void avx2_max_pool_s8(int8_t *out, const int8_t *in, const struct pool_size *size) {
    const struct window *w = &size->window;
    const size_t channels = size->channels;

    if (channels < BLOCK) {
        c_max_pool_s8(out, in, size);
        return;
    }
    for (int64_t y = 0; y < w->out_h; y++)
        for (int64_t x = 0; x < w->out_w; x++, out += channels)
            for (size_t c = 0; c < channels; c += BLOCK) /* the last 16 may overlap */
                max_pixel(out, in, size, y, x, least(c, channels - BLOCK));
}

/* @left: a shift that goes before. */
static struct scaling scaling_of(const struct factor *factor, int32_t left, bool once) {
    struct scaling scaling = { 0 };

    avx2_scaling_of(&scaling, _mm256_set1_epi32(factor->multiplier),
                    _mm256_set1_epi32(factor->shift), once);
    if (scaling.how == ROUND_TWICE)
        scaling.left = _mm256_add_epi32(scaling.left, _mm256_set1_epi32(left));
    return scaling;
}

/* How two values become one. */
struct sum {
    __m256i a_zero_point, b_zero_point, out_zero_point;
    struct scaling a, b, out;
    bool subtract;
    struct add_short sure;
};

/* As the formula is written. */
INLINE __m256i add8(__m256i va, __m256i vb, const struct sum *sum) {
    const __m256i ya = avx2_scale(_mm256_sub_epi32(va, sum->a_zero_point), &sum->a);
    const __m256i yb = avx2_scale(_mm256_sub_epi32(vb, sum->b_zero_point), &sum->b);
    const __m256i y = sum->subtract ? _mm256_sub_epi32(ya, yb) : _mm256_add_epi32(ya, yb);

    return _mm256_add_epi32(avx2_scale(y, &sum->out), sum->out_zero_point);
}

static void add16_exactly(__m256i y[2], const __m256i a[2], const __m256i b[2],
                          const struct sum *sum) {
    for (size_t i = 0; i < 2; i++)
        y[i] = add8(a[i], b[i], sum);
}

/* 16 sums; not clamped. */
INLINE void add16(__m256i y[2], const int8_t *a, const int8_t *b, const struct sum *sum) {
    const struct add_short *sure = &sum->sure;
    const __m256i start = _mm256_set1_epi32(sure->start), edge = _mm256_set1_epi32(sure->edge);
    __m256i near = _mm256_setzero_si256(), va[2], vb[2];

    for (size_t i = 0; i < 2; i++) {
        va[i] = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *) (a + i * LANES)));
        vb[i] = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *) (b + i * LANES)));
        y[i] = _mm256_add_epi32(_mm256_mullo_epi32(va[i], _mm256_set1_epi32(sure->a)), start);
        y[i] = _mm256_add_epi32(_mm256_mullo_epi32(vb[i], _mm256_set1_epi32(sure->b)), y[i]);
        near = _mm256_or_si256(
            near, _mm256_cmpeq_epi32(_mm256_and_si256(y[i], edge), _mm256_setzero_si256()));
        y[i] = _mm256_sra_epi32(y[i], _mm_cvtsi32_si128(sure->bits));
    }
    if (sure->bits == 0 || !_mm256_testz_si256(near, near))
        add16_exactly(y, va, vb, sum);
}

void avx2_add_s8(int8_t *out, const int8_t *a, size_t a_step, const int8_t *b, size_t b_step,
                 size_t n, const struct add_terms *terms) {
    const struct sum sum = {
        .a_zero_point = _mm256_set1_epi32(terms->a_zero_point),
        .b_zero_point = _mm256_set1_epi32(terms->b_zero_point),
        .out_zero_point = _mm256_set1_epi32(terms->out_zero_point),
        .a = scaling_of(&terms->a, ADD_LEFT_SHIFT, false),
        .b = scaling_of(&terms->b, ADD_LEFT_SHIFT, false),
        .out = scaling_of(&terms->out, 0, terms->min >= terms->out_zero_point),
        .subtract = terms->subtract,
        .sure = add_short_of(terms),
    };
    size_t i = 0;

    for (; a_step == 1 && b_step == 1 && i + BLOCK <= n; i += BLOCK) {
        __m256i y[2];

        add16(y, a + i, b + i, &sum);
        avx2_store(out + i, y, 2, BLOCK, terms->min, terms->max);
    }
    c_add_s8(out + i, a + i * a_step, a_step, b + i * b_step, b_step, n - i, terms);
}
