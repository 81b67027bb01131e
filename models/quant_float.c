/* SPDX-License-Identifier: MIT */
/*
 * Method: mbqm() does not fall where the sum grows, nor does the float32 formula. So the two are
 * the same for every sum if they are at each threshold, the least sum that gives b or more, and at
 * the sum before it: at most 2 x 255 sums, and all of them are tried. The offset makes the float
 * come out with the output's zero point, where it is precise; the scale's neighbours, and nudges
 * from the range that the thresholds leave, are gone through until a pair serves.
 *
 * Sums from 2^24 on may be rounded when they become floats. This does not fall either, and
 * thresholds there are refused.
 */
#include "models/quant_float.h"

#include <math.h>
#include <stddef.h>

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
    return (float) ((double) (sum + f->offset) * (double) f->scale + (double) f->nudge);
}

static bool serves(const struct float_rounding *f, const struct thresholds *thresholds) {
    for (size_t i = 0; i < thresholds->n; i++) {
        const float half = (float) (thresholds->first + (int32_t) i) - 0.5F;

        if (value_of(f, thresholds->sums[i]) <= half ||
            value_of(f, thresholds->sums[i] - 1) >= half)
            return false;
    }
    return true;
}

/* A nudge for its offset and scale. */
static bool find_nudge(struct float_rounding *f, const struct thresholds *thresholds) {
    const double scale = (double) f->scale;
    double least = -INFINITY, most = INFINITY;

    for (size_t i = 0; i < thresholds->n; i++) {
        const double needed = (double) (thresholds->first + (int32_t) i) - 0.5 -
                              scale * (double) (thresholds->sums[i] + f->offset);

        least = needed > least ? needed : least;
        most = needed + scale < most ? needed + scale : most;
    }
    for (int parts = 2; parts <= PARTS && least < most; parts *= 2)
        for (int part = 1; part < parts; part += 2) {
            const double nudge = least + (most - least) * part / parts;

            f->nudge = (float) ((double) (int64_t) (nudge * 0x1p32) * 0x1p-32);
            if (serves(f, thresholds))
                return true;
        }
    return false;
}

static int32_t rounded(const struct rounding *rounding, int64_t sum) {
    return clamp_to(mbqm((int32_t) sum, rounding->factor) + rounding->zero_point, rounding->min,
                    rounding->max);
}

bool float_rounding_of(const struct rounding *rounding, struct float_rounding *ret) {
    const struct factor factor = rounding->factor;
    const double scale = ldexp(factor.multiplier, factor.shift - 31);
    const int64_t room = INT64_C(1) << FLOAT_BITS;
    struct float_rounding f = { 0 };
    struct thresholds thresholds;

    if (factor.shift > 0 || rounding->least < INT32_MIN || rounding->most > INT32_MAX)
        return false; /* sums that wrap */
    if (rounded(rounding, rounding->least) == rounded(rounding, rounding->most)) {
        *ret = (struct float_rounding){ .nudge = (float) rounded(rounding, rounding->least) };
        return true;
    }
    if (factor.shift == 0 || factor.shift < -SHIFT_MAX)
        return false;
    find_thresholds(&thresholds, rounding);
    f.offset = (int32_t) nearbyint(rounding->zero_point / scale);
    if (thresholds.sums[0] + f.offset <= -room ||
        thresholds.sums[thresholds.n - 1] + f.offset > room ||
        rounding->least + f.offset < INT32_MIN || rounding->most + f.offset > INT32_MAX)
        return false;
    for (int i = 0; i <= NEIGHBOURS; i++) {
        const int steps = i % 2 ? (i + 1) / 2 : -i / 2;

        f.scale = (float) scale + (float) ldexp(steps, ilogb(scale) - FLOAT_BITS + 1);
        if (find_nudge(&f, &thresholds)) {
            *ret = f;
            return true;
        }
    }
    return false;
}
