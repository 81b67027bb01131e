/* SPDX-License-Identifier: MIT */
#include "pipeline/health.h"

#include "tests/test.h"

static void a_short_dark_moment_is_no_illness(void **state) {
    struct health h = { 0 };

    assert_false(health_note(&h, 0, "dark", 0));
    assert_false(health_note(&h, 0, "dark", 4 * NS_PER_S));
    assert_false(health_note(&h, 1, NULL, 4 * NS_PER_S + 1));
    assert_false(health_note(&h, 0, "dark", 5 * NS_PER_S)); /* the five seconds begin anew */
    assert_false(health_note(&h, 0, "dark", 9 * NS_PER_S));
    assert_false(h.degraded);
}

static void bad_for_a_while_is_degraded_with_its_reason(void **state) {
    struct health h = { 0 };

    assert_false(health_note(&h, 0.1, "dark", 0));
    assert_true(health_note(&h, 0.1, "dark", HEALTH_BAD_NS));
    assert_true(h.degraded);
    assert_string_equal(h.reason, "dark");
    assert_true(health_note(&h, 0.1, "frozen", HEALTH_BAD_NS + 1));
    assert_string_equal(h.reason, "frozen");
}

static void good_for_a_while_is_well_again(void **state) {
    struct health h = { 0 };

    (void) health_note(&h, 0, NULL, 0);
    (void) health_note(&h, 0, NULL, HEALTH_BAD_NS);
    assert_string_equal(h.reason, "bad quality");
    assert_false(health_note(&h, 1, NULL, HEALTH_BAD_NS + 1));
    assert_true(h.degraded);
    assert_true(health_note(&h, 1, NULL, HEALTH_BAD_NS + 1 + HEALTH_GOOD_NS));
    assert_false(h.degraded);
    assert_null(h.reason);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_dark_moment_is_no_illness),
        cmocka_unit_test(bad_for_a_while_is_degraded_with_its_reason),
        cmocka_unit_test(good_for_a_while_is_well_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
