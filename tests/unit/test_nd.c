/* SPDX-License-Identifier: MIT */
#include "models/nd.h"

#include "tests/test.h"

static void a_dense_array_collapses_to_one_run(void **state) {
    struct nd nd = { .rank = 3, .dims = { 2, 3, 4 } };

    nd_row_major(3, nd.dims, nd.strides[0]);
    nd_row_major(3, nd.dims, nd.strides[1]);
    nd_collapse(&nd);
    assert_int_equal(nd.rank, 1);
    assert_int_equal(nd.dims[0], 24);
    assert_int_equal(nd.strides[0][0], 1);
}

static void a_repeated_dimension_stays_apart(void **state) {
    /* [2,3,4] beside [1,1,4]: rows of four, six times from the same place. */
    struct nd nd = { .rank = 3, .dims = { 2, 3, 4 }, .strides = { { 12, 4, 1 }, { 0, 0, 1 } } };
    struct nd_place place = { 0 };
    int rows = 0;

    nd_collapse(&nd);
    assert_int_equal(nd.rank, 2);
    do {
        assert_int_equal(place.offsets[0], 4 * rows);
        assert_int_equal(place.offsets[1], 0);
        rows++;
    } while (nd_next(&nd, &place));
    assert_int_equal(rows, 6);
}

static void a_scalar_is_one_item(void **state) {
    struct nd nd = { .rank = 0 };
    struct nd_place place = { 0 };

    nd_collapse(&nd);
    assert_int_equal(nd.rank, 1);
    assert_int_equal(nd.dims[0], 1);
    assert_false(nd_next(&nd, &place));
}

static void a_walk_goes_backwards_along_negative_strides(void **state) {
    struct nd nd = { .rank = 2, .dims = { 3, 2 }, .strides = { { -4, 1 }, { 2, 1 } } };
    struct nd_place place = { 0 };

    nd_collapse(&nd);
    assert_true(nd_next(&nd, &place));
    assert_int_equal(place.offsets[0], -4);
    assert_int_equal(place.offsets[1], 2);
    assert_true(nd_next(&nd, &place));
    assert_int_equal(place.offsets[0], -8);
    assert_false(nd_next(&nd, &place));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dense_array_collapses_to_one_run),
        cmocka_unit_test(a_repeated_dimension_stays_apart),
        cmocka_unit_test(a_scalar_is_one_item),
        cmocka_unit_test(a_walk_goes_backwards_along_negative_strides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
