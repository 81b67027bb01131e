/* SPDX-License-Identifier: MIT */
#include "models/quant.h"

#include <math.h>

#include "tests/test.h"

enum { N_RANDOM = 20000 };

static int32_t random_s32(void) {
    return (int32_t) ((uint32_t) rand() << 16 ^ (uint32_t) rand());
}

static void a_factor_is_its_multiplier_and_shift(void **state) {
    const double values[] = { 1, 0.5, 0.75, 1e-9, 3.14159, 1000.5, 1.0 / 3 };

    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        const struct factor f = factor_of(values[i]);
        const double back = ldexp(f.multiplier, f.shift - 31);

        assert_true(f.multiplier >= 1 << 30);
        assert_true(fabs(back / values[i] - 1) < 1e-9);
    }
}

static void a_factor_next_to_a_power_of_two_is_rounded_up_to_it(void **state) {
    const struct factor f = factor_of(nextafter(1.0, 0));

    assert_int_equal(f.multiplier, 1 << 30);
    assert_int_equal(f.shift, 1);
}

static void factors_out_of_range_are_nothing_or_stay_at_the_end(void **state) {
    assert_int_equal(factor_of(0).multiplier, 0);
    assert_int_equal(factor_of(ldexp(1, -40)).multiplier, 0);
    assert_int_equal(factor_of(ldexp(1, -40)).shift, 0);
    assert_int_equal(factor_of(ldexp(1, 100)).shift, 31);
}

static void the_high_product_rounds_to_nearest_with_ties_up(void **state) {
    srand(1);
    for (int i = 0; i < N_RANDOM; i++) {
        const int32_t a = random_s32(), b = random_s32();
        /* floor(x + 1/2) in a wider type */
        const __int128 product = (__int128) a * b + ((__int128) 1 << 30);

        assert_int_equal(srdhm(a, b), (int32_t) (product >> 31));
    }
    assert_int_equal(srdhm(INT32_MIN, INT32_MIN), INT32_MAX);
    assert_int_equal(srdhm(1 << 30, 1), 1);
    assert_int_equal(srdhm(1 << 30, -1), 0);
}

static void a_right_shift_rounds_ties_away_from_zero(void **state) {
    srand(2);
    for (int i = 0; i < N_RANDOM; i++) {
        const int32_t x = i % 2 ? random_s32() : rand() % 2001 - 1000, e = rand() % 32;

        assert_int_equal(rdivp(x, e), (int32_t) round(ldexp(x, -e)));
    }
    assert_int_equal(rdivp(-3, 1), -2);
    assert_int_equal(rdivp(3, 1), 2);
    assert_int_equal(rdivp(INT32_MIN, 31), -1);
    assert_int_equal(rdivp(12345, 32), 0);
}

static void both_roundings_happen_one_after_the_other(void **state) {
    /* 3/4 x 2 = 1.5 is rounded to 2 by the product, then 2 / 4 = 0.5 up to 1. */
    assert_int_equal(mbqm(2, (struct factor){ 3 << 29, -2 }), 1);
    assert_int_equal(mbqm(100, factor_of(0.5)), 50);
    assert_int_equal(mbqm(-100, factor_of(1.25)), -125);
}

static void raw_values_saturate_and_never_trap(void **state) {
    assert_int_equal(quantise(6, 0.5f, -3), 9);
    assert_int_equal(quantise(-0.25f, 0.5f, 0), -1);
    assert_int_equal(quantise(1e30f, 1e-30f, 5), INT32_MAX);
    assert_int_equal(quantise(-1e30f, 1e-30f, 5), INT32_MIN);
    assert_int_equal(quantise(NAN, 1, 5), INT32_MIN);
}

static void the_fixed_point_exponential_is_one(void **state) {
    for (int32_t i = 0; i < 1000; i++) {
        const double x = -31.0 * i / 1000;
        const int32_t raw = (int32_t) round(ldexp(x, 31 - 5));
        const double got = ldexp(fixed_exp_negative(raw, 5), -31);

        assert_true(fabs(got - exp(x)) < 1e-6);
    }
    assert_int_equal(fixed_exp_negative(0, 5), INT32_MAX);
}

static void the_fixed_point_fractions_are_what_they_are_called(void **state) {
    for (int32_t i = 0; i <= 1000; i++) {
        const double a = i / 1000.0;
        const int32_t raw = i == 1000 ? INT32_MAX : (int32_t) round(ldexp(a, 31));

        assert_true(fabs(ldexp(fixed_reciprocal(raw), -31) - 1 / (1 + a)) < 1e-7);
        assert_true(fabs(ldexp(fixed_tanh_fraction(raw), -31) - (1 - a) / (1 + a)) < 1e-7);
    }
}

static void the_inverse_square_root_is_one(void **state) {
    for (int64_t n = 2; n < INT64_C(1) << 40; n = n * 3 / 2 + 1) {
        const struct factor f = inverse_square_root(n);

        assert_true(fabs(ldexp(f.multiplier, f.shift - 31) * sqrt((double) n) - 1) < 1e-4);
    }
    assert_int_equal(inverse_square_root(0).multiplier, INT32_MAX);
    assert_int_equal(inverse_square_root(1).shift, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_factor_is_its_multiplier_and_shift),
        cmocka_unit_test(a_factor_next_to_a_power_of_two_is_rounded_up_to_it),
        cmocka_unit_test(factors_out_of_range_are_nothing_or_stay_at_the_end),
        cmocka_unit_test(the_high_product_rounds_to_nearest_with_ties_up),
        cmocka_unit_test(a_right_shift_rounds_ties_away_from_zero),
        cmocka_unit_test(both_roundings_happen_one_after_the_other),
        cmocka_unit_test(raw_values_saturate_and_never_trap),
        cmocka_unit_test(the_fixed_point_exponential_is_one),
        cmocka_unit_test(the_fixed_point_fractions_are_what_they_are_called),
        cmocka_unit_test(the_inverse_square_root_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
