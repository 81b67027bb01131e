/* SPDX-License-Identifier: MIT */
/*
 * add_short - when the sum of two quantised values may be rounded once.
 *
 * The formula of add_s8_fn rounds three times, with products of 64 bits. Nearly always a sum in 32
 * bits that is rounded once says the same; where that falls so near to a rounding's edge that it
 * might not, all is to be computed as the formula is written. The method is that of filtered
 * predicates (J. R. Shewchuk, Adaptive Precision Floating-Point Arithmetic, 1997).
 */
#pragma once

#include <math.h>

#include "models/kernels/kernels.h"

/**
 * y = a x @a + b x @b + @start is y >> @bits once rounded and sure, unless y & @edge is 0.
 * @bits 0: never sure.
 */
struct add_short {
    int bits;
    int32_t a, b, start, edge;
};

enum { ADD_LEFT_SHIFT = 20, ADD_BITS_MIN = 12 /* fewer are hardly ever sure */ };

static inline double add_real(const struct factor *factor) {
    return ldexp(factor->multiplier, factor->shift - 31);
}

/*
 * In units of 2^-bits of an output step y is off by at most 1/2 x 128 for each factor, and 1/2 for
 * start; the formula by 1 for each of a and b, times the last factor, and by the first rounding of
 * the last shift. The edge is a power of 2 not below twice the sum of these, and start half of it
 * too much, so that an edge is all zeros.
 */
static inline struct add_short add_short_of(const struct add_terms *t) {
    const double out = add_real(&t->out);
    const double a = ldexp(add_real(&t->a) * out, ADD_LEFT_SHIFT);
    const double b = ldexp(add_real(&t->b) * out, ADD_LEFT_SHIFT) * (t->subtract ? -1 : 1);
    const int bits = 30 - ilogb(512 * (a + fabs(b) + 1)); /* 512: nothing leaves 32 bits */
    const double off = 129 + ldexp(2 * out, bits) + ldexp(1, bits + t->out.shift);
    const double start = t->out_zero_point + 0.5 - a * t->a_zero_point - b * t->b_zero_point;
    const int edge = ilogb(off) + 2;

    if (t->a.shift > 0 || t->b.shift > 0 || t->out.shift > 0 || /* the formula may wrap */
        bits < ADD_BITS_MIN || edge >= bits)
        return (struct add_short){ 0 };
    return (struct add_short){
        .bits = bits,
        .a = (int32_t) lrint(ldexp(a, bits)),
        .b = (int32_t) lrint(ldexp(b, bits)),
        .start = (int32_t) (lrint(ldexp(start, bits)) + (INT32_C(1) << (edge - 1))),
        .edge = (INT32_C(1) << bits) - (INT32_C(1) << edge),
    };
}
