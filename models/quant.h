/* SPDX-License-Identifier: MIT */
/*
 * quant - the integer arithmetic of TensorFlow Lite's int8 reference kernels.
 *
 * Everything wraps or saturates where the reference leaves the result
 * undefined, so no file can make it misbehave. Shifts are those of a file's
 * scales; > 0 is left.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/** A real factor as multiplier / 2^31 x 2^shift. */
struct factor {
    int32_t multiplier; /* 0, or 2^30 .. 2^31 - 1 */
    int32_t shift;      /* -31 .. 31 */
};

/** @m >= 0 and finite, as multiplier and shift; past 2^31 the shift stays 31. */
struct factor factor_of(double m);

/** Saturate to [min, max]. */
static inline int32_t clamp_to(int32_t x, int32_t min, int32_t max) {
    return x < min ? min : x > max ? max : x;
}

/** (a x b) / 2^31, rounded to nearest, ties up; saturating (gemmlowp
 * SaturatingRoundingDoublingHighMul). */
static inline int32_t srdhm(int32_t a, int32_t b) {
    const int64_t product = (int64_t) a * b;

    if (a == INT32_MIN && b == INT32_MIN)
        return INT32_MAX;
    return (int32_t) ((product + (product >= 0 ? INT64_C(1) << 30 : 1 - (INT64_C(1) << 30))) /
                      (INT64_C(1) << 31));
}

/** x / 2^e, rounded to nearest, ties away from zero; @e 0..31, beyond: 0 (gemmlowp
 * RoundingDivideByPOT). */
static inline int32_t rdivp(int32_t x, int32_t e) {
    const int64_t mask = (INT64_C(1) << (e & 31)) - 1;
    const int64_t threshold = (mask >> 1) + (x < 0);

    if (e > 31)
        return 0;
    return (int32_t) (((int64_t) x >> e) + ((x & mask) > threshold));
}

/** x x 2^e, @e 0..31, wrapping. */
static inline int32_t shift_left(int32_t x, int32_t e) {
    return (int32_t) ((uint32_t) x << e);
}

/** a + b, a - b, a x b, wrapping. */
static inline int32_t wrap_add(int32_t a, int32_t b) {
    return (int32_t) ((uint32_t) a + (uint32_t) b);
}
static inline int32_t wrap_sub(int32_t a, int32_t b) {
    return (int32_t) ((uint32_t) a - (uint32_t) b);
}

/** MultiplyByQuantizedMultiplier with double rounding. */
static inline int32_t mbqm(int32_t x, struct factor f) {
    const int32_t left = f.shift > 0 ? f.shift : 0, right = f.shift > 0 ? 0 : -f.shift;

    return rdivp(srdhm(shift_left(x, left), f.multiplier), right);
}

/** What value @v of a tensor of @scale, @zero_point is as a raw number, saturated to int32. */
int32_t quantise(float v, float scale, int32_t zero_point);

/** exp(a) for a <= 0 in Q@m (m integer bits, 1..5), as Q0. */
int32_t fixed_exp_negative(int32_t a, int m);

/** 1 / (1 + a) and (1 - a) / (1 + a) for a in 0..1 in Q0, as Q0. */
int32_t fixed_reciprocal(int32_t a);
int32_t fixed_tanh_fraction(int32_t a);

/** 1 / sqrt(n) as multiplier and shift for L2_NORMALIZATION, n >= 0. */
struct factor inverse_square_root(int64_t n);
