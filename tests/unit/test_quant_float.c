/* SPDX-License-Identifier: MIT */
#include "models/quant_float.h"

#include <math.h>

#include "tests/test.h"

static size_t tries = SIZE_MAX;

enum {
    N_RANDOM = 2000,
    SUMS = 40000, /* on each side of the thresholds, in steps */
};

static int32_t exactly(const struct rounding *r, int64_t sum) {
    return clamp_to(mbqm((int32_t) sum, r->factor) + r->zero_point, r->min, r->max);
}

static int32_t in_float(const struct rounding *r, const struct float_rounding *f, int64_t sum) {
    const float x = (float) (int32_t) (sum + f->offset);
    const float v = fmaf(x, f->scale, x < 0 ? f->below : f->nudge);

    return clamp_to((int32_t) lrintf(v), r->min, r->max);
}

static struct rounding as_after_relu(double factor) {
    return (struct rounding){ factor_of(factor), -128, -128, 127, -SUMS, SUMS };
}

/* One sum further out the output would be another. */
static void end_at_steps(struct rounding *r) {
    r->least = -(rand() % SUMS);
    r->most = rand() % SUMS;
    while (r->least > -SUMS && exactly(r, r->least - 1) == exactly(r, r->least))
        r->least--;
    while (r->most < SUMS && exactly(r, r->most + 1) == exactly(r, r->most))
        r->most++;
}

static void what_is_found_gives_the_same_for_every_sum(void **state) {
    size_t n_found = 0, n_split = 0;

    srand(1);
    for (int i = 0; i < N_RANDOM; i++) {
        struct rounding r = as_after_relu(ldexp(1 + rand() / (double) RAND_MAX, -2 - rand() % 7));
        struct float_rounding f;

        if (i % 3 == 0) { /* a part of the range, and no ReLU */
            r.zero_point = rand() % 256 - 128;
            r.min = -5 - rand() % 100;
            r.max = 5 + rand() % 100;
        }
        end_at_steps(&r);
        if (!float_rounding_of(&r, &tries, &f))
            continue;
        n_found++;
        n_split += f.below != f.nudge;
        for (int64_t sum = r.least; sum <= r.most; sum++)
            assert_int_equal(in_float(&r, &f, sum), exactly(&r, sum));
    }
    assert_true(n_found > N_RANDOM * 9 / 10);
    assert_true(n_split > N_RANDOM / 10);
}

static void sums_that_all_give_the_same_are_a_constant(void **state) {
    struct rounding r = { factor_of(0x1p-28), 3, -128, 127, -(1 << 26), 1 << 26 };
    struct float_rounding f;

    assert_true(float_rounding_of(&r, &tries, &f));
    assert_int_equal(in_float(&r, &f, r.least), 3);
    assert_int_equal(in_float(&r, &f, r.most), 3);
    r = (struct rounding){ factor_of(0.01), -128, -128, 127, INT32_MIN, -1 };
    assert_true(float_rounding_of(&r, &tries, &f));
    assert_int_equal(in_float(&r, &f, INT32_MIN), -128);
}

static void what_a_float_cannot_tell_apart_is_refused(void **state) {
    struct rounding r = as_after_relu(0.5);
    struct float_rounding f;

    assert_false(float_rounding_of(&r, &tries, &f)); /* sums that are odd are ties */
    r = as_after_relu(1.5);
    assert_false(float_rounding_of(&r, &tries, &f));
    r = (struct rounding){ factor_of(0x1.1p-20), -128, -128, 127, INT32_MIN, INT32_MAX };
    assert_false(float_rounding_of(&r, &tries, &f));
    r = as_after_relu(0.01);
    r.most = INT64_C(1) << 31;
    assert_false(float_rounding_of(&r, &tries, &f)); /* it would wrap */
    r = (struct rounding){ { INT32_MAX, 0 }, 127, -128, 127, INT32_MIN, INT32_MAX };
    assert_false(float_rounding_of(&r, &tries, &f)); /* the largest sum's output would */
}

static void nothing_is_found_once_no_tries_are_left(void **state) {
    struct rounding r = as_after_relu(0.01);
    struct float_rounding f;
    size_t few = 1, taken = 0;

    assert_true(float_rounding_of(&r, &few, &f));
    assert_int_equal(few, 0);
    assert_false(float_rounding_of(&r, &few, &f));
    for (int shift = -1; shift >= -20; shift--) { /* the most that one channel takes */
        size_t left = tries;

        r = (struct rounding){ { INT32_MAX, shift }, 3, -128, 127, -SUMS, SUMS };
        (void) float_rounding_of(&r, &left, &f);
        taken = tries - left > taken ? tries - left : taken;
    }
    assert_in_range(taken, 1, 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_found_gives_the_same_for_every_sum),
        cmocka_unit_test(sums_that_all_give_the_same_are_a_constant),
        cmocka_unit_test(what_a_float_cannot_tell_apart_is_refused),
        cmocka_unit_test(nothing_is_found_once_no_tries_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
