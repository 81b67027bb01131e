/* SPDX-License-Identifier: MIT */
/*
 * avx512vnni - what the AVX-512 VNNI row's files share: requantisation and stores of 16 int32 sums
 * a vector.
 *
 * Products are vpdpbusd's: four bytes without sign against four with, summed into an int32 that
 * wraps. Inputs are made unsigned by flipping their top bit, which adds 128 to each; 128 x the sum
 * of a column's weights is taken off its bias, so every int8 is exact.
 */
#pragma once

#include "models/kernels/kernels.h"

#if !defined(__AVX512VNNI__) || !defined(__AVX512BW__) || !defined(__AVX512DQ__) ||                \
    !defined(__AVX512VL__)
#error "build this file with -mavx512bw -mavx512dq -mavx512vl -mavx512vnni"
#endif

#include <immintrin.h>
#include <string.h>

enum {
    LANES = 16,  /* int32 sums in a vector */
    GROUP = 4,   /* products summed in a lane at once */
    VECTOR = 64, /* bytes */
    FLIP = 128,  /* what flipping the top bit adds to an int8 */
    ODD_LANES = 0xaaaa,
    EVEN_LANES = 0x5555,
    ALL_PAIRS = 0xff,
};

#define INLINE static inline __attribute__((always_inline))

extern const struct gemm_kernel vnni_gemm_s8, vnni_gemm_s4;
extern const struct conv_kernel vnni_conv_s8, vnni_conv_s4;
extern const struct depthwise_kernel vnni_depthwise_s8, vnni_depthwise_s4;
extern const struct tiling vnni_winograd; /* tiles.h */
add_s8_fn vnni_add_s8;

INLINE size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

INLINE size_t round_up(size_t n, size_t to) {
    return (n + to - 1) / to * to;
}

INLINE __m512i vnni_flip(__m512i bytes) {
    return _mm512_xor_si512(bytes, _mm512_set1_epi8((char) FLIP));
}

/** Add the products of bytes @x, without sign, and @y. As _mm512_dpbusd_epi32(), for which gcc 12
 * copies the sum first. */
INLINE void vnni_dot(__m512i *sum, __m512i x, __m512i y) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(*sum) : "v"(x), "v"(y));
}

/** Bit i: byte i is one of the first @n. */
INLINE __mmask64 vnni_bytes(size_t n) {
    return n < VECTOR ? (UINT64_C(1) << n) - 1 : ~UINT64_C(0);
}

/** As memset(), for few bytes. */
INLINE void vnni_fill(int8_t *out, int byte, size_t n) {
    const __m512i bytes = _mm512_set1_epi8((char) byte);

    for (; n >= VECTOR; n -= VECTOR, out += VECTOR)
        _mm512_storeu_si512(out, bytes);
    if (n > 0)
        _mm512_mask_storeu_epi8(out, vnni_bytes(n), bytes);
}

INLINE void vnni_copy_flipped(int8_t *out, const int8_t *in, size_t n) {
    size_t i = 0;

    for (; i + VECTOR <= n; i += VECTOR)
        _mm512_storeu_si512(out + i, vnni_flip(_mm512_loadu_si512(in + i)));
    if (i < n)
        _mm512_mask_storeu_epi8(out + i, vnni_bytes(n - i),
                                vnni_flip(_mm512_maskz_loadu_epi8(vnni_bytes(n - i), in + i)));
}

/** Bit i: lane i is one of the first @n. */
INLINE __mmask16 vnni_lanes(size_t n) {
    return (__mmask16) ((1u << least(n, LANES)) - 1);
}

/** Up to 16 of the @n int32 left at @values; zeros behind. */
INLINE __m512i vnni_load(const int32_t *values, size_t n) {
    return _mm512_maskz_loadu_epi32(vnni_lanes(n), values);
}

/** How sums may be rounded: each kind in fewer steps than that before. */
enum rounding {
    ROUND_ANY,
    ROUND_RIGHT,    /* every shift is to the right */
    ROUND_POSITIVE, /* and what is below 0 gets clamped */
    ROUND_SPLIT,    /* as requant.in_float */
    ROUND_IN_FLOAT, /* and its two nudges are the same */
};

/** How 16 sums are requantised; 64-bit lanes of the even and of the odd ones. */
struct scaling {
    __m512i multiplier, multiplier_odd, right, right_odd;
    __m512i left, nudge, nudge_odd, sign, sign_odd; /* for ROUND_ANY */
    __m512 float_scale, float_nudge, float_below;   /* in float32, instead of all that */
};

/**
 * mbqm() is floor((p + 2^30 + [e > 0] 2^(30 + e) - [e > 0 and p < 0] 2^31) / 2^(31 + e)), with
 * p = (x << left) x multiplier and e the shift to the right: both roundings in one, the second
 * one's ties away from zero. (p in [-2^30, 0) would need no 2^31: only p = -2^30 occurs, where it
 * changes nothing.)
 *
 * Where every e > 0 it is floor((t + 1) / 2), with t = floor((p + 2^30 - [p < 0] 2^31) / 2^(30 +
 * e)); where what is below 0 gets clamped, the 2^31 makes no difference.
 */
INLINE struct scaling vnni_scaling_of(__m512i multiplier, __m512i shift, enum rounding how) {
    const __m512i zero = _mm512_setzero_si512(), bit = _mm512_set1_epi64(1 << 30);
    const __m512i e = _mm512_max_epi32(_mm512_sub_epi32(zero, shift), zero);
    const __m512i even = _mm512_maskz_mov_epi32(EVEN_LANES, e), odd = _mm512_srli_epi64(e, 32);
    const __m512i bits = _mm512_set1_epi64(31);
    const __mmask8 rounds = _mm512_test_epi64_mask(even, even);
    const __mmask8 rounds_odd = _mm512_test_epi64_mask(odd, odd);

    if (how != ROUND_ANY) {
        const __m512i right = _mm512_sub_epi32(_mm512_set1_epi32(30), shift);

        return (struct scaling){
            .multiplier = multiplier,
            .multiplier_odd = _mm512_shuffle_epi32(multiplier, _MM_PERM_DDBB),
            .right = _mm512_maskz_mov_epi32(EVEN_LANES, right),
            .right_odd = _mm512_srli_epi64(right, 32),
        };
    }
    return (struct scaling){
        .multiplier = multiplier,
        .multiplier_odd = _mm512_shuffle_epi32(multiplier, _MM_PERM_DDBB),
        .right = _mm512_add_epi64(even, bits),
        .right_odd = _mm512_add_epi64(odd, bits),
        .left = _mm512_max_epi32(shift, zero),
        .nudge = _mm512_mask_add_epi64(bit, rounds, bit, _mm512_sllv_epi64(bit, even)),
        .nudge_odd = _mm512_mask_add_epi64(bit, rounds_odd, bit, _mm512_sllv_epi64(bit, odd)),
        .sign = _mm512_maskz_set1_epi64(rounds, INT64_C(1) << 31),
        .sign_odd = _mm512_maskz_set1_epi64(rounds_odd, INT64_C(1) << 31),
    };
}

/** How columns [c, c + @n) may be rounded in integers. */
INLINE enum rounding vnni_rounding(const struct requant *rq, size_t c, size_t n) {
    __mmask16 not_right = 0;

    for (size_t i = 0; i < n; i += LANES)
        not_right |= _mm512_mask_cmpge_epi32_mask(
            vnni_lanes(n - i), vnni_load(rq->shift + c + i, n - i), _mm512_setzero_si512());
    return not_right ? ROUND_ANY : rq->min >= rq->zero_point ? ROUND_POSITIVE : ROUND_RIGHT;
}

/** In whatever takes the fewest steps for many sums. In float32, requant.in_float's offset is to be
 * added to them first. */
INLINE enum rounding vnni_rounding_of_many(const struct requant *rq, size_t c, size_t n) {
    __mmask16 no_number = 0, other = 0;

    if (!rq->in_float.nudge)
        return vnni_rounding(rq, c, n);
    for (size_t i = 0; i < n; i += LANES) {
        const __mmask16 lanes = vnni_lanes(n - i);
        const __m512 nudge = _mm512_maskz_loadu_ps(lanes, rq->in_float.nudge + c + i);
        const __m512 below = _mm512_maskz_loadu_ps(lanes, rq->in_float.below + c + i);

        no_number |= _mm512_cmp_ps_mask(nudge, nudge, _CMP_UNORD_Q);
        other |= _mm512_cmp_ps_mask(nudge, below, _CMP_NEQ_UQ);
    }
    return no_number ? vnni_rounding(rq, c, n) : other ? ROUND_SPLIT : ROUND_IN_FLOAT;
}

/** Of the @n columns from @c on. */
INLINE struct scaling vnni_scaling(const struct requant *rq, size_t c, size_t n,
                                   enum rounding how) {
    const __m512i ones = _mm512_set1_epi32(-1); /* shifts where there is no column */

    if (how >= ROUND_SPLIT)
        return (struct scaling){
            .float_scale = _mm512_maskz_loadu_ps(vnni_lanes(n), rq->in_float.scale + c),
            .float_nudge = _mm512_maskz_loadu_ps(vnni_lanes(n), rq->in_float.nudge + c),
            .float_below = _mm512_maskz_loadu_ps(vnni_lanes(n), rq->in_float.below + c),
        };
    return vnni_scaling_of(vnni_load(rq->multiplier + c, n),
                           _mm512_mask_loadu_epi32(ones, vnni_lanes(n), rq->shift + c), how);
}

/** Into registers, for more than one use: compilers would rather load again for each. */
INLINE struct scaling vnni_load_scaling(const struct scaling *from, enum rounding how) {
    struct scaling s = *from;

    if (how == ROUND_IN_FLOAT)
        __asm__("" : "+v"(s.float_scale), "+v"(s.float_nudge));
    else if (how == ROUND_SPLIT)
        __asm__("" : "+v"(s.float_scale), "+v"(s.float_nudge), "+v"(s.float_below));
    else
        __asm__("" : "+v"(s.multiplier), "+v"(s.multiplier_odd), "+v"(s.right), "+v"(s.right_odd));
    return s;
}

/** mbqm() of 16 sums, or anything not above 0 where that clamps; but for ROUND_ANY its t; in float
 * with the zero point of the output. */
INLINE __m512i vnni_scale(__m512i x, const struct scaling *s, enum rounding how) {
    const __m512i bit = _mm512_set1_epi64(1 << 30), two = _mm512_set1_epi64(INT64_C(1) << 31);
    const bool any = how == ROUND_ANY;
    __m512i even, odd;

    if (how >= ROUND_SPLIT) {
        const __m512 nudge =
            how == ROUND_IN_FLOAT
                ? s->float_nudge
                : _mm512_mask_mov_ps(s->float_nudge, _mm512_movepi32_mask(x), s->float_below);

        return _mm512_cvtps_epi32(_mm512_fmadd_ps(_mm512_cvtepi32_ps(x), s->float_scale, nudge));
    }
    if (any)
        x = _mm512_sllv_epi32(x, s->left);
    even = _mm512_mul_epi32(x, s->multiplier);
    odd = _mm512_mul_epi32(_mm512_shuffle_epi32(x, _MM_PERM_DDBB), s->multiplier_odd);
    if (how != ROUND_POSITIVE) {
        even = _mm512_mask_sub_epi64(even, _mm512_movepi64_mask(even), even, any ? s->sign : two);
        odd = _mm512_mask_sub_epi64(odd, _mm512_movepi64_mask(odd), odd, any ? s->sign_odd : two);
    }
    even = _mm512_srav_epi64(_mm512_add_epi64(even, any ? s->nudge : bit), s->right);
    odd = _mm512_srav_epi64(_mm512_add_epi64(odd, any ? s->nudge_odd : bit), s->right_odd);
    return _mm512_mask_shuffle_epi32(even, ODD_LANES, odd, _MM_PERM_CDAB);
}

/** 4 x 16 values as saturated bytes, which interleave: in each fourth of the vector 4 of each. */
INLINE __m512i vnni_narrow(__m512i a, __m512i b, __m512i c, __m512i d) {
    return _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
}

/** (t + 1) / 2 + @zero_point: what is beyond 16 bits is beyond 8, too. */
INLINE __m512i vnni_halve(__m512i t, int32_t zero_point) {
    return _mm512_adds_epi16(_mm512_mulhrs_epi16(t, _mm512_set1_epi16(1 << 14)),
                             _mm512_set1_epi16((int16_t) zero_point));
}

/** As vnni_narrow(), what vnni_scale() gave, with the zero point of the output. */
INLINE __m512i vnni_narrow_scaled(const __m512i y[4], int32_t zero_point, enum rounding how) {
    const __m512i z = _mm512_set1_epi32(zero_point);

    if (how >= ROUND_SPLIT)
        return vnni_narrow(y[0], y[1], y[2], y[3]);
    if (how != ROUND_ANY)
        return _mm512_packs_epi16(vnni_halve(_mm512_packs_epi32(y[0], y[1]), zero_point),
                                  vnni_halve(_mm512_packs_epi32(y[2], y[3]), zero_point));
    return vnni_narrow(_mm512_add_epi32(y[0], z), _mm512_add_epi32(y[1], z),
                       _mm512_add_epi32(y[2], z), _mm512_add_epi32(y[3], z));
}

/** Those of a in the first fourth, then b, c, d. */
INLINE __m512i vnni_sort(__m512i narrowed) {
    return _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), narrowed);
}

INLINE __m512i vnni_clamp(__m512i bytes, const struct requant *rq) {
    return _mm512_min_epi8(_mm512_max_epi8(bytes, _mm512_set1_epi8((char) rq->min)),
                           _mm512_set1_epi8((char) rq->max));
}
