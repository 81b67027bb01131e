/* SPDX-License-Identifier: MIT */
/*
 * Method: TensorFlow Lite's reference kernels with double rounding (tensorflow/lite/kernels/
 * internal/quantization_util.cc QuantizeMultiplier, GetInvSqrtQuantizedMultiplierExp) and
 * gemmlowp's fixedpoint/fixedpoint.h (exp_on_negative_values, one_over_one_plus_x_for_x_in_0_1,
 * one_minus_x_over_one_plus_x_for_x_in_0_1). Qm is an int32 with m integer bits.
 */
#include "models/quant.h"

#include <assert.h>
#include <math.h>

struct factor factor_of(double m) {
    int shift;
    const double fraction = frexp(m, &shift);
    int64_t q = llround(fraction * 2147483648.0 /* 2^31 */);

    assert(isfinite(m) && m >= 0);
    if (q == INT64_C(1) << 31) {
        q = INT64_C(1) << 30;
        shift++;
    }
    if (m == 0 || shift < -31)
        return (struct factor){ 0, 0 };
    return (struct factor){ (int32_t) q, shift < 31 ? shift : 31 };
}

int32_t quantise(float v, float scale, int32_t zero_point) {
    const float r = roundf(v / scale);
    int64_t raw;

    if (!(r > -2147483648.0f)) /* NaN too */
        return INT32_MIN;
    if (r >= 2147483648.0f)
        return INT32_MAX;
    raw = (int64_t) r + zero_point;
    return (int32_t) (raw < INT32_MIN ? INT32_MIN : raw > INT32_MAX ? INT32_MAX : raw);
}

/* Multiply by 2^k: to fewer integer bits, saturating. */
static int32_t saturating_shift(int32_t x, int k) {
    const int32_t most = (int32_t) ((INT64_C(1) << (31 - k)) - 1);

    if (x > most)
        return INT32_MAX;
    if (x < -most)
        return INT32_MIN;
    return shift_left(x, k);
}

int32_t fixed_exp_negative(int32_t a, int m) {
    static const int32_t factors[] = { 1672461947, 1302514674, 790015084, 290630308,
                                       39332535,   720401,     242 }; /* exp(-2^e), e = -2 .. 4 */
    const int32_t quarter = INT32_C(1) << (29 - m);
    const int32_t u = (a & (quarter - 1)) - quarter, rem = wrap_sub(u, a);
    const int32_t x = wrap_add(saturating_shift(u, m), INT32_C(1) << 28);
    const int32_t x2 = srdhm(x, x), x3 = srdhm(x2, x), x4 = srdhm(x2, x2);
    const int32_t p =
        rdivp(wrap_add(srdhm(wrap_add(rdivp(x4, 2), x3), 715827883 /* 1/3 */), x2), 1);
    int32_t r = wrap_add(1895147668 /* exp(-1/8) */, srdhm(1895147668, wrap_add(x, p)));

    if (a == 0)
        return INT32_MAX;
    for (int e = -2; e < m; e++)
        if (rem & (INT32_C(1) << (31 - m + e)))
            r = srdhm(r, factors[e + 2]);
    return r;
}

/* Newton's division: 1 / half((1 + a)) in Q2. */
static int32_t newton_reciprocal(int32_t a) {
    const int64_t sum = (int64_t) a + INT32_MAX;
    const int32_t half = (int32_t) ((sum + (sum >= 0 ? 1 : -1)) / 2);
    int32_t x = wrap_add(1515870810 /* 48/17 */, srdhm(half, -1010580540 /* -32/17 */));

    for (int i = 0; i < 3; i++) {
        const int32_t error = wrap_sub(INT32_C(1) << 29, srdhm(half, x));

        x = wrap_add(x, saturating_shift(srdhm(x, error), 2));
    }
    return x;
}

int32_t fixed_reciprocal(int32_t a) {
    return saturating_shift(newton_reciprocal(a), 1);
}

int32_t fixed_tanh_fraction(int32_t a) {
    return saturating_shift(wrap_sub(newton_reciprocal(a), INT32_C(1) << 29), 2);
}

/* Newton's inverse square root of @n (28 .. 30 bits) in Q3. */
static int32_t newton_inverse_square_root(int32_t n) {
    const int32_t half = rdivp(n >> 1, 1);
    int32_t x = INT32_C(1) << 28;

    for (int i = 0; i < 5; i++) {
        const int32_t cube = saturating_shift(srdhm(srdhm(x, x), x), 6); /* Q9 to Q3 */

        x = saturating_shift(wrap_sub(srdhm(402653184 /* 3/2 */, x), srdhm(half, cube)), 3);
    }
    return x;
}

struct factor inverse_square_root(int64_t n) {
    int32_t shift = 11, bits, q;

    if (n <= 1)
        return (struct factor){ INT32_MAX, 0 };
    while (n >= INT64_C(1) << 29) {
        n /= 4;
        shift++;
    }
    bits = (__builtin_clz((unsigned) n) - 1) / 2 - 1;
    shift -= bits;
    q = srdhm(newton_inverse_square_root((int32_t) (n << (2 * bits))), 1518500250 /* sqrt(1/2) */);
    if (shift < 0) {
        q = shift_left(q, -shift);
        shift = 0;
    }
    return (struct factor){ q, -shift };
}
