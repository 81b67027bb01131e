/* SPDX-License-Identifier: MIT */
#include "pipeline/stats.h"

#include "common/units.h"
#include "tests/test.h"

static void assert_within_a_bucket(double got, double wanted) {
    if (got < wanted / 1.1 || got > wanted * 1.1)
        fail_msg("%f is not within 10 %% of %f", got, wanted);
}

static void an_empty_histogram_says_zero(void **state) {
    const struct histogram h = { 0 };

    assert_true(histogram_ms(&h, 0.5) == 0);
}

static void median_and_p99_are_right_within_a_bucket(void **state) {
    struct histogram h = { 0 };

    for (int i = 1; i <= 1000; i++)
        histogram_add(&h, i * 10 * NS_PER_US); /* 0.01 .. 10 ms, evenly */
    assert_within_a_bucket(histogram_ms(&h, 0.5), 5.0);
    assert_within_a_bucket(histogram_ms(&h, 0.99), 9.9);
}

static void values_out_of_range_go_to_the_ends(void **state) {
    struct histogram h = { 0 };

    histogram_add(&h, -5);
    histogram_add(&h, 0);
    assert_int_equal(h.counts[0], 2);
    histogram_add(&h, INT64_MAX);
    assert_int_equal(h.counts[HISTOGRAM_BUCKETS - 1], 1);
}

static void old_values_fade(void **state) {
    struct histogram h = { 0 };

    for (int i = 0; i < HISTOGRAM_MEMORY; i++)
        histogram_add(&h, NS_PER_MS);
    for (int i = 0; i < 2 * HISTOGRAM_MEMORY; i++)
        histogram_add(&h, 100 * NS_PER_MS);
    assert_true(h.n <= HISTOGRAM_MEMORY);
    assert_within_a_bucket(histogram_ms(&h, 0.5), 100);
}

static void every_stage_has_two_names_of_its_own(void **state) {
    struct histogram stages[STAGE_COUNT] = { 0 };

    for (int i = 0; i < STAGE_COUNT; i++)
        histogram_add(&stages[i], (i + 1) * NS_PER_MS);
    assert_string_equal(stats_name(0), "capture_ms_p50");
    assert_string_equal(stats_name(STAGE_TOTAL * STATS_PER_STAGE + 1), "total_ms_p99");
    assert_string_equal(stage_name(STAGE_ALIGN), "align");
    for (size_t i = 0; i < STAGE_COUNT * STATS_PER_STAGE; i++)
        assert_within_a_bucket(stats_value(stages, i), (double) (i / STATS_PER_STAGE) + 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_histogram_says_zero),
        cmocka_unit_test(median_and_p99_are_right_within_a_bucket),
        cmocka_unit_test(values_out_of_range_go_to_the_ends),
        cmocka_unit_test(old_values_fade),
        cmocka_unit_test(every_stage_has_two_names_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
