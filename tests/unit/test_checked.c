/* SPDX-License-Identifier: MIT */
#include "common/checked.h"

#include <errno.h>

#include "tests/test.h"

static void a_product_that_fits_is_given(void **state) {
    size_t n = 7;

    assert_int_equal(checked_mul(640 * 480, 2, &n), 0);
    assert_int_equal(n, 640 * 480 * 2);
    assert_int_equal(checked_mul(SIZE_MAX, 0, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(checked_mul(SIZE_MAX, 1, &n), 0);
    assert_true(n == SIZE_MAX);
}

static void a_product_that_wraps_is_refused_and_nothing_written(void **state) {
    size_t n = 7;

    assert_int_equal(checked_mul(SIZE_MAX / 2 + 1, 2, &n), -EOVERFLOW);
    assert_int_equal(checked_mul(SIZE_MAX, SIZE_MAX, &n), -EOVERFLOW);
    assert_int_equal(n, 7);
}

static void a_sum_that_fits_is_given(void **state) {
    size_t n = 7;

    assert_int_equal(checked_add(SIZE_MAX - 1, 1, &n), 0);
    assert_true(n == SIZE_MAX);
}

static void a_sum_that_wraps_is_refused_and_nothing_written(void **state) {
    size_t n = 7;

    assert_int_equal(checked_add(SIZE_MAX, 1, &n), -EOVERFLOW);
    assert_int_equal(n, 7);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_product_that_fits_is_given),
        cmocka_unit_test(a_product_that_wraps_is_refused_and_nothing_written),
        cmocka_unit_test(a_sum_that_fits_is_given),
        cmocka_unit_test(a_sum_that_wraps_is_refused_and_nothing_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
