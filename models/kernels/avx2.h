/* SPDX-License-Identifier: MIT */
/*
 * avx2 - what the AVX2 row's files share: packed weights, requantisation, stores.
 *
 * Products are vpmaddwd's: two int8 widened to int16 against two weights, summed into an int32,
 * exact for every int8. So weights lie in pairs along the depth, for 8 columns (a vector of
 * sums), and two such vectors side by side wherever there are more than 8 columns left:
 *   int8  [cols / 16][pairs][2][8][2], a last block of up to 8 columns [pairs][8][2]
 *   int4  [cols / 16][pairs][8][2], columns 0..7 in the low nibbles, 8..15 in the high ones
 */
#pragma once

#include "models/kernels/kernels.h"

#if !defined(__AVX2__) || !defined(__FMA__)
#error "build this file with -mavx2 -mfma"
#endif

#include <immintrin.h>
#include <string.h>

enum {
    LANES = 8,        /* int32 sums in a vector */
    BLOCK = 16,       /* columns done together */
    PAIRS_BYTES = 16, /* a pair of weights for each of 8 columns, or of 16 as int4 */
};

#define INLINE static inline __attribute__((always_inline))

extern const struct gemm_kernel avx2_gemm_s8, avx2_gemm_s4;
extern const struct conv_kernel avx2_conv_s8, avx2_conv_s4;
extern const struct depthwise_kernel avx2_depthwise_s8, avx2_depthwise_s4;
add_s8_fn avx2_add_s8;

INLINE size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/** Bytes of packed weights of @cols columns. */
INLINE size_t avx2_packed_bytes(size_t cols, size_t depth, bool int4) {
    const size_t lanes = int4 ? BLOCK : LANES;

    return (cols + lanes - 1) / lanes * ((depth + 1) / 2) * PAIRS_BYTES;
}

/** Put weight @d of column @c, -8..7 if @int4, into zeroed @packed. */
INLINE void avx2_pack(uint8_t *packed, size_t cols, size_t depth, bool int4, size_t c, size_t d,
                      int8_t weight) {
    const size_t block = c / BLOCK, half = c % BLOCK / LANES;
    const size_t halves = !int4 && cols - block * BLOCK > LANES ? 2 : 1;
    const size_t in_pairs = c % LANES * 2 + d % 2;

    packed += block * avx2_packed_bytes(BLOCK, depth, int4);
    if (int4)
        packed[d / 2 * PAIRS_BYTES + in_pairs] |= (uint8_t) ((weight & 15) << (4 * half));
    else
        packed[(d / 2 * halves + half) * PAIRS_BYTES + in_pairs] = (uint8_t) weight;
}

/** The weights of one pair as int16: of @vectors x 8 columns. */
INLINE void avx2_weights(__m256i w[2], const uint8_t *pairs, size_t vectors, bool int4) {
    const __m256i bytes = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *) pairs));

    w[0] = int4 ? _mm256_srai_epi16(_mm256_slli_epi16(bytes, 12), 12) : bytes;
    if (vectors == 2)
        w[1] = int4
                   ? _mm256_srai_epi16(bytes, 4)
                   : _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *) (pairs + PAIRS_BYTES)));
}

/** -1 in the first @n lanes. */
INLINE __m256i avx2_lanes(size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int32_t) least(n, LANES)),
                              _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/** Up to 8 of the @n int32 left at @values; zeros behind. */
INLINE __m256i avx2_load(const int32_t *values, size_t n) {
    return n >= LANES ? _mm256_loadu_si256((const __m256i *) values)
                      : _mm256_maskload_epi32(values, avx2_lanes(n));
}

INLINE __m256 avx2_load_floats(const float *values, size_t n) {
    return n >= LANES ? _mm256_loadu_ps(values) : _mm256_maskload_ps(values, avx2_lanes(n));
}

/** How 8 sums become bytes, from what takes the most steps to what takes the fewest. */
enum rounding_steps {
    ROUND_TWICE, /* as mbqm() does */
    ROUND_ONCE,
    ROUND_SPLIT,    /* in float32, with another nudge below 0 */
    ROUND_IN_FLOAT, /* with the same */
};

/** With these nudges for 8 columns; ROUND_TWICE where one is NAN. */
INLINE enum rounding_steps avx2_rounding(__m256 nudge, __m256 below) {
    if (_mm256_movemask_ps(_mm256_cmp_ps(nudge, nudge, _CMP_UNORD_Q)) != 0)
        return ROUND_TWICE;
    return _mm256_movemask_ps(_mm256_cmp_ps(nudge, below, _CMP_NEQ_UQ)) ? ROUND_SPLIT
                                                                        : ROUND_IN_FLOAT;
}

/** How 8 columns are requantised. */
struct scaling {
    __m256i multiplier, multiplier_odd, zero_point;
    __m256i left, sign, half, one;              /* ROUND_TWICE */
    __m256i nudge, nudge_odd, right, right_odd; /* ROUND_ONCE */
    __m256 float_scale, float_nudge;            /* ROUND_IN_FLOAT, ROUND_SPLIT */
    __m256 float_below;                         /* ROUND_SPLIT */
    __m256i offset;                             /* to add to the bias */
    enum rounding_steps how;
};

/**
 * Where the activation keeps only what is not below the zero point, and each factor is below 1/2,
 * sums below 0 may count as 0 (@once), and for the others the two roundings collapse:
 *   floor((floor((p + 2^30) / 2^31) + 2^(e - 1)) / 2^e) = floor((p + 2^30 + 2^(30 + e)) / 2^(31 +
 * e))
 */
INLINE void avx2_scaling_of(struct scaling *s, __m256i multiplier, __m256i shift, bool once) {
    const __m256i zero = _mm256_setzero_si256(), one = _mm256_set1_epi32(1);
    const __m256i e = _mm256_max_epi32(_mm256_sub_epi32(zero, shift), zero);

    s->multiplier = multiplier;
    s->multiplier_odd = _mm256_srli_epi64(multiplier, 32);
    s->offset = zero;
    if (once && _mm256_movemask_epi8(_mm256_cmpgt_epi32(e, zero)) == -1) {
        const __m256i even = _mm256_srli_epi64(_mm256_slli_epi64(e, 32), 32);
        const __m256i odd = _mm256_srli_epi64(e, 32), bit = _mm256_set1_epi64x(1 << 30);

        s->nudge = _mm256_add_epi64(_mm256_sllv_epi64(bit, even), bit);
        s->nudge_odd = _mm256_add_epi64(_mm256_sllv_epi64(bit, odd), bit);
        s->right = _mm256_add_epi64(even, _mm256_set1_epi64x(31));
        s->right_odd = _mm256_sub_epi64(odd, _mm256_set1_epi64x(1)); /* ends in the high half */
        s->how = ROUND_ONCE;
    } else {
        s->left = _mm256_max_epi32(shift, zero);
        s->one = _mm256_min_epi32(e, one);
        s->half = _mm256_sub_epi32(e, s->one);
        s->sign = _mm256_sub_epi32(_mm256_set1_epi32(32), s->one); /* a shift by 32 leaves 0 */
        s->how = ROUND_TWICE;
    }
}

/** Of columns @c and the 7 behind it, as far as there are any. Field by field into @s: gcc copies
 * structs by 16 bytes, for which loads of 32 have to wait. */
INLINE void avx2_scaling(struct scaling *s, const struct requant *rq, size_t c, size_t cols) {
    if (rq->in_float.nudge) {
        s->float_nudge = avx2_load_floats(rq->in_float.nudge + c, cols - c);
        s->float_below = avx2_load_floats(rq->in_float.below + c, cols - c);
        s->how = avx2_rounding(s->float_nudge, s->float_below);
        if (s->how != ROUND_TWICE) {
            s->float_scale = avx2_load_floats(rq->in_float.scale + c, cols - c);
            s->offset = avx2_load(rq->in_float.offset + c, cols - c);
            return;
        }
    }
    avx2_scaling_of(s, avx2_load(rq->multiplier + c, cols - c), avx2_load(rq->shift + c, cols - c),
                    rq->min >= rq->zero_point);
    s->zero_point = _mm256_set1_epi32(rq->zero_point);
}

/** srdhm() of 8 values, with a multiplier that is not negative. */
INLINE __m256i avx2_srdhm(__m256i x, __m256i multiplier, __m256i multiplier_odd) {
    const __m256i nudge = _mm256_set1_epi64x(1 << 30);
    const __m256i even = _mm256_add_epi64(_mm256_mul_epi32(x, multiplier), nudge);
    const __m256i odd =
        _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64(x, 32), multiplier_odd), nudge);

    return _mm256_blend_epi32(_mm256_srli_epi64(even, 31), _mm256_slli_epi64(odd, 1), 0xaa);
}

/** mbqm() of 8 sums, or anything not above 0 where that clamps. */
INLINE __m256i avx2_scale(__m256i x, const struct scaling *s) {
    if (s->how == ROUND_ONCE) {
        const __m256i y = _mm256_max_epi32(x, _mm256_setzero_si256());
        const __m256i even = _mm256_mul_epu32(y, s->multiplier);
        const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(y, 32), s->multiplier_odd);

        return _mm256_blend_epi32(
            _mm256_srlv_epi64(_mm256_add_epi64(even, s->nudge), s->right),
            _mm256_srlv_epi64(_mm256_add_epi64(odd, s->nudge_odd), s->right_odd), 0xaa);
    }
    x = avx2_srdhm(_mm256_sllv_epi32(x, s->left), s->multiplier, s->multiplier_odd);
    x = _mm256_sub_epi32(x, _mm256_srlv_epi32(x, s->sign)); /* ties away from zero */
    return _mm256_srav_epi32(_mm256_add_epi32(_mm256_srav_epi32(x, s->half), s->one), s->one);
}

/** What ROUND_IN_FLOAT makes of 8 sums with the offset added. */
INLINE __m256i avx2_round_in_float(__m256i sums, __m256 scale, __m256 nudge) {
    return _mm256_cvtps_epi32(_mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), scale, nudge));
}

/** What ROUND_SPLIT makes of them. */
INLINE __m256i avx2_round_split(__m256i sums, __m256 scale, __m256 nudge, __m256 below) {
    return avx2_round_in_float(sums, scale,
                               _mm256_blendv_ps(nudge, below, _mm256_castsi256_ps(sums)));
}

/** 8 sums with the scaling's offset added, and the zero point of the output; not clamped. */
INLINE __m256i avx2_requantise(__m256i sums, const struct scaling *s) {
    if (s->how == ROUND_IN_FLOAT)
        return avx2_round_in_float(sums, s->float_scale, s->float_nudge);
    if (s->how == ROUND_SPLIT)
        return avx2_round_split(sums, s->float_scale, s->float_nudge, s->float_below);
    return _mm256_add_epi32(avx2_scale(sums, s), s->zero_point);
}

/** 4 x 8 values as bytes in this order, saturated. */
INLINE __m256i avx2_narrow(__m256i a, __m256i b, __m256i c, __m256i d) {
    return _mm256_permutevar8x32_epi32(
        _mm256_packs_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d)),
        _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/** Clamp @vectors x 8 values and store the first @n as int8. */
INLINE void avx2_store(int8_t *out, const __m256i *y, size_t vectors, size_t n, int32_t min,
                       int32_t max) {
    const __m256i words = _mm256_packs_epi32(y[0], y[vectors - 1]);
    __m128i bytes =
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    int8_t some[BLOCK];

    bytes = _mm_shuffle_epi32(bytes, _MM_SHUFFLE(3, 1, 2, 0));
    bytes = _mm_max_epi8(bytes, _mm_set1_epi8((char) min));
    bytes = _mm_min_epi8(bytes, _mm_set1_epi8((char) max));
    if (vectors == 2 && n >= BLOCK) {
        _mm_storeu_si128((__m128i *) out, bytes);
    } else if (vectors == 1 && n >= LANES) {
        _mm_storel_epi64((__m128i *) out, bytes);
    } else {
        _mm_storeu_si128((__m128i *) some, bytes);
        (void) memcpy(out, some, n);
    }
}

/**
 * Clamp @n x 8 values, n 1..4 (others of @y may be anything), to bytes @min and @max, and store the
 * first @channels of each as int8, @step bytes apart.
 */
INLINE void avx2_store_pixels(int8_t *out, size_t step, const __m256i y[4], size_t n,
                              size_t channels, __m256i min, __m256i max) {
    const __m256i bytes = avx2_narrow(y[0], y[n > 1 ? 1 : 0], y[n > 2 ? 2 : 0],
                                      y[n > 3   ? 3
                                        : n > 1 ? 1
                                                : 0]);
    const __m256i pixels = _mm256_min_epi8(_mm256_max_epi8(bytes, min), max);
    const __m128i first = _mm256_castsi256_si128(pixels);
    const __m128i second = _mm256_extracti128_si256(pixels, 1);
    int8_t some[4 * LANES];

    if (channels < LANES) {
        _mm256_storeu_si256((__m256i *) some, pixels);
        for (size_t i = 0; i < n; i++)
            (void) memcpy(out + i * step, some + i * LANES, channels);
        return;
    }
    _mm_storel_epi64((__m128i *) out, first);
    if (n > 1)
        _mm_storeh_pi((__m64 *) (out + step), _mm_castsi128_ps(first));
    if (n > 2)
        _mm_storel_epi64((__m128i *) (out + 2 * step), second);
    if (n > 3)
        _mm_storeh_pi((__m64 *) (out + 3 * step), _mm_castsi128_ps(second));
}
