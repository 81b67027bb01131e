/* SPDX-License-Identifier: MIT */
/* Addition with AVX-512, the short way where that is sure (add_short.h). */
#include "models/kernels/avx512vnni.h"

#include "models/kernels/add_short.h"

enum { FOURTHS = 4 /* of a vector of bytes: 16 values each */ };

/* How two values become one. */
struct sum {
    __m512i a_zero_point, b_zero_point, out_zero_point;
    struct scaling a, b, out;
    bool subtract;
    struct add_short sure;
};

/* @left: a shift that goes before. */
static struct scaling scaling_of(const struct factor *factor, int32_t left) {
    struct scaling scaling = vnni_scaling_of(_mm512_set1_epi32(factor->multiplier),
                                             _mm512_set1_epi32(factor->shift), ROUND_ANY);

    scaling.left = _mm512_add_epi32(scaling.left, _mm512_set1_epi32(left));
    return scaling;
}

/* 16 values of @bytes. */
INLINE __m512i widen(__m512i bytes, size_t fourth) {
    const __m128i fourths[] = { _mm512_castsi512_si128(bytes), _mm512_extracti32x4_epi32(bytes, 1),
                                _mm512_extracti32x4_epi32(bytes, 2),
                                _mm512_extracti32x4_epi32(bytes, 3) };

    return _mm512_cvtepi8_epi32(fourths[fourth]);
}

/* As the formula is written. */
static __m512i add_exactly(__m512i a, __m512i b, const struct sum *sum) {
    __m512i y[FOURTHS];

    for (size_t i = 0; i < FOURTHS; i++) {
        const __m512i ya =
            vnni_scale(_mm512_sub_epi32(widen(a, i), sum->a_zero_point), &sum->a, ROUND_ANY);
        const __m512i yb =
            vnni_scale(_mm512_sub_epi32(widen(b, i), sum->b_zero_point), &sum->b, ROUND_ANY);

        y[i] = sum->subtract ? _mm512_sub_epi32(ya, yb) : _mm512_add_epi32(ya, yb);
        y[i] = _mm512_add_epi32(vnni_scale(y[i], &sum->out, ROUND_ANY), sum->out_zero_point);
    }
    return vnni_sort(vnni_narrow(y[0], y[1], y[2], y[3]));
}

/* 64 sums; not clamped. */
INLINE __m512i add64(__m512i a, __m512i b, const struct sum *sum) {
    const struct add_short *sure = &sum->sure;
    const __m512i a_factor = _mm512_set1_epi32(sure->a), b_factor = _mm512_set1_epi32(sure->b);
    const __m512i start = _mm512_set1_epi32(sure->start), edge = _mm512_set1_epi32(sure->edge);
    const __m128i bits = _mm_cvtsi32_si128(sure->bits);
    __mmask16 near = 0;
    __m512i y[FOURTHS];

    if (sure->bits == 0)
        return add_exactly(a, b, sum);
#pragma GCC unroll 4
    for (size_t i = 0; i < FOURTHS; i++) {
        y[i] = _mm512_add_epi32(_mm512_mullo_epi32(widen(a, i), a_factor), start);
        y[i] = _mm512_add_epi32(_mm512_mullo_epi32(widen(b, i), b_factor), y[i]);
        near |= _mm512_testn_epi32_mask(y[i], edge);
        y[i] = _mm512_sra_epi32(y[i], bits);
    }
    return near ? add_exactly(a, b, sum) : vnni_sort(vnni_narrow(y[0], y[1], y[2], y[3]));
}

void vnni_add_s8(int8_t *out, const int8_t *a, size_t a_step, const int8_t *b, size_t b_step,
                 size_t n, const struct add_terms *terms) {
    const __m512i min = _mm512_set1_epi8((char) terms->min);
    const __m512i max = _mm512_set1_epi8((char) terms->max);
    const struct sum sum = {
        .a_zero_point = _mm512_set1_epi32(terms->a_zero_point),
        .b_zero_point = _mm512_set1_epi32(terms->b_zero_point),
        .out_zero_point = _mm512_set1_epi32(terms->out_zero_point),
        .a = scaling_of(&terms->a, ADD_LEFT_SHIFT),
        .b = scaling_of(&terms->b, ADD_LEFT_SHIFT),
        .out = scaling_of(&terms->out, 0),
        .subtract = terms->subtract,
        .sure = add_short_of(terms),
    };

    for (size_t i = 0; i < n; i += VECTOR) {
        const __mmask64 some = vnni_bytes(n - i);
        const __m512i va = a_step ? _mm512_maskz_loadu_epi8(some, a + i) : _mm512_set1_epi8(*a);
        const __m512i vb = b_step ? _mm512_maskz_loadu_epi8(some, b + i) : _mm512_set1_epi8(*b);
        const __m512i y = _mm512_min_epi8(_mm512_max_epi8(add64(va, vb, &sum), min), max);

        if (n - i >= VECTOR)
            _mm512_storeu_si512(out + i, y);
        else
            _mm512_mask_storeu_epi8(out + i, some, y);
    }
}
