/* SPDX-License-Identifier: MIT */
/*
 * Method: mbqm() does not fall where the sum grows, nor does the float32 formula. So the two are
 * the same for every sum if they are at each threshold, the least sum that gives b or more, and at
 * the sum before it: at most 2 x 255 sums, and all of them are tried; and the ends of the range of
 * sums, just beyond which a threshold may lie. The scale's neighbours, and nudges from the range
 * that the thresholds leave, are gone through until a pair serves.
 *
 * With ReLU, where only what is above the zero point steps up, the offset makes the float come out
 * with the zero point, so that the nudge is small and precise. Else there is no offset: sums below
 * 0, whose halves are rounded down, need a nudge of their own; and with ReLU that helps, too, where
 * steps are narrow for a float32.
 *
 * Sums from 2^24 on may be rounded when they become floats. This does not fall either, and
 * thresholds there are refused.
 */
#include "models/quant_float.h"

#include <math.h>

enum {
    THRESHOLDS_MAX = 255,
    SHIFT_MAX = 20, /* to the right; so that tests in float64 are exact */
    NEIGHBOURS = 16,
    PARTS = 16,      /* of the range of nudges */
    FLOAT_BITS = 24, /* of a float32's fraction, the first one included */
};

/* The least sums that give outputs @first, @first + 1, ... */
struct thresholds {
    int32_t first;
    size_t n;
    int64_t sums[THRESHOLDS_MAX];
    size_t *tries; /* that are left to find what serves for them */
};

/*
 * For a shift to the right by e > 0, and p = sum x multiplier, mbqm() >= y wherever
 *   p >= (2 y - 1) 2^(30 + e) - 2^30 for y > 0: both roundings up from the half
 *   p >= (2 y - 1) 2^(30 + e) + 2^30 for others: the second rounds halves down there
 */
static int64_t threshold_of(struct factor factor, int64_t y) {
    const int64_t bit = INT64_C(1) << 30;
    const int64_t p = (2 * y - 1) * (bit << -factor.shift) + (y > 0 ? -bit : bit);
    const int64_t sum = p / factor.multiplier;

    return sum + (sum * factor.multiplier < p);
}

/* Those inside the range of sums. */
static void find_thresholds(struct thresholds *thresholds, const struct rounding *rounding) {
    thresholds->first = rounding->min + 1;
    thresholds->n = 0;
    for (int32_t b = thresholds->first; b <= rounding->max; b++) {
        const int64_t sum = threshold_of(rounding->factor, b - rounding->zero_point);

        if (sum <= rounding->least)
            continue;
        if (sum > rounding->most)
            return;
        if (thresholds->n == 0)
            thresholds->first = b;
        thresholds->sums[thresholds->n++] = sum;
    }
}

/* Exact: multiples of 2^-44 below 2^8. */
static float value_of(const struct float_rounding *f, int64_t sum) {
    const double x = (double) (float) (sum + f->offset);

    return (float) (x * (double) f->scale + (double) (x < 0 ? f->below : f->nudge));
}

/* Is @value @b or more when it is rounded, halves to even? */
static bool reaches(float value, int32_t b) {
    const float half = (float) b - 0.5F;

    return value > half || (value == half && b % 2 == 0);
}

/* For thresholds [first, last)? */
static bool serves(const struct float_rounding *f, const struct thresholds *thresholds,
                   size_t first, size_t last) {
    for (size_t i = first; i < last; i++) {
        const int32_t b = thresholds->first + (int32_t) i;

        if (!reaches(value_of(f, thresholds->sums[i]), b) ||
            reaches(value_of(f, thresholds->sums[i] - 1), b))
            return false;
    }
    return true;
}

/* For the offset and scale of @f one that serves for thresholds [first, last). */
static bool find_nudge(struct float_rounding f, const struct thresholds *thresholds, size_t first,
                       size_t last, float *ret) {
    const double scale = (double) f.scale;
    double least = -INFINITY, most = INFINITY;
    size_t *tries = thresholds->tries;

    for (size_t i = first; i < last; i++) {
        const double needed = (double) (thresholds->first + (int32_t) i) - 0.5 -
                              scale * (double) (thresholds->sums[i] + f.offset);

        least = needed > least ? needed : least;
        most = needed + scale < most ? needed + scale : most;
    }
    for (int parts = 2; parts <= PARTS && least < most; parts *= 2)
        for (int part = 1; *tries > 0 && part < parts; part += 2) {
            const double nudge = least + (most - least) * part / parts;

            --*tries;
            f.nudge = f.below = (float) ((double) (int64_t) (nudge * 0x1p32) * 0x1p-32);
            if (serves(&f, thresholds, first, last)) {
                *ret = f.nudge;
                return true;
            }
        }
    return false;
}

/* One below, for the first @n_below thresholds, and one for the others; the same if all are on one
 * side. */
static bool find_nudges(struct float_rounding *f, const struct thresholds *thresholds,
                        size_t n_below) {
    const size_t n = thresholds->n;

    if (n_below == 0 || n_below == n) {
        const bool found = find_nudge(*f, thresholds, 0, n, &f->nudge);

        f->below = f->nudge;
        return found;
    }
    return find_nudge(*f, thresholds, n_below, n, &f->nudge) &&
           find_nudge(*f, thresholds, 0, n_below, &f->below) &&
           value_of(f, -1 - f->offset) <= value_of(f, -f->offset) && serves(f, thresholds, 0, n);
}

static double scale_of(const struct rounding *rounding) {
    return ldexp(rounding->factor.multiplier, rounding->factor.shift - 31);
}

static int32_t rounded(const struct rounding *rounding, int64_t sum) {
    return clamp_to(mbqm((int32_t) sum, rounding->factor) + rounding->zero_point, rounding->min,
                    rounding->max);
}

static bool same(const struct float_rounding *f, const struct rounding *rounding, int64_t sum) {
    const float y = nearbyintf(value_of(f, sum));

    return fminf(fmaxf(y, (float) rounding->min), (float) rounding->max) ==
           (float) rounded(rounding, sum);
}

/* A scale near that of the factor, and nudges for it. */
static bool find_scale(struct float_rounding *f, const struct rounding *rounding,
                       const struct thresholds *thresholds, size_t n_below) {
    const double scale = scale_of(rounding);

    for (int i = 0; i <= NEIGHBOURS; i++) {
        const int steps = i % 2 ? (i + 1) / 2 : -i / 2;

        f->scale = (float) scale + (float) ldexp(steps, ilogb(scale) - FLOAT_BITS + 1);
        if (find_nudges(f, thresholds, n_below) && same(f, rounding, rounding->least) &&
            same(f, rounding, rounding->most))
            return true;
    }
    return false;
}

bool float_rounding_of(const struct rounding *rounding, size_t *tries, struct float_rounding *ret) {
    const struct factor factor = rounding->factor;
    const int64_t room = INT64_C(1) << FLOAT_BITS;
    const bool relu = rounding->min >= rounding->zero_point;
    struct float_rounding f = { 0 };
    struct thresholds thresholds = { .tries = tries };
    size_t n_below = 0;

    if (factor.shift >= 0 || rounding->least < INT32_MIN || rounding->most > INT32_MAX)
        return false; /* what wraps: sums, or results with the zero point */
    if (rounded(rounding, rounding->least) == rounded(rounding, rounding->most)) {
        f.nudge = f.below = (float) rounded(rounding, rounding->least);
        *ret = f;
        return true;
    }
    if (factor.shift < -SHIFT_MAX || *tries == 0)
        return false;
    find_thresholds(&thresholds, rounding);
    f.offset = relu ? (int32_t) nearbyint(rounding->zero_point / scale_of(rounding)) : 0;
    if (thresholds.sums[0] + f.offset <= -room ||
        thresholds.sums[thresholds.n - 1] + f.offset > room ||
        rounding->least + f.offset < INT32_MIN || rounding->most + f.offset > INT32_MAX)
        return false;
    while (n_below < thresholds.n && thresholds.sums[n_below] + f.offset < 0)
        n_below++;
    if (!(relu && find_scale(&f, rounding, &thresholds, 0)) &&
        !find_scale(&f, rounding, &thresholds, n_below))
        return false;
    *ret = f;
    return true;
}
