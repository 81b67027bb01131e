/* SPDX-License-Identifier: MIT */
#include "pipeline/latest.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "tests/test.h"

static void put(struct latest *l, int value) {
    *(int *) latest_write_begin(l) = value;
    latest_write_end(l);
}

static void nothing_written_is_nothing_to_take(void **state) {
    _cleanup_(latest_freep) struct latest *l = NULL;

    assert_int_equal(latest_new(0, &l), -EINVAL);
    assert_int_equal(latest_new(sizeof(int), &l), 0);
    assert_null(latest_take(l));
}

static void a_value_is_taken_once(void **state) {
    _cleanup_(latest_freep) struct latest *l = NULL;

    assert_int_equal(latest_new(sizeof(int), &l), 0);
    put(l, 3);
    assert_int_equal(*(const int *) latest_take(l), 3);
    assert_null(latest_take(l));
}

static void the_newest_value_wins_and_the_rest_is_counted(void **state) {
    _cleanup_(latest_freep) struct latest *l = NULL;

    assert_int_equal(latest_new(sizeof(int), &l), 0);
    for (int i = 1; i <= 5; i++)
        put(l, i);
    assert_int_equal(*(const int *) latest_take(l), 5);
    assert_int_equal(latest_overwritten(l), 4);
}

static void a_taken_value_stays_while_new_ones_are_written(void **state) {
    _cleanup_(latest_freep) struct latest *l = NULL;
    const int *taken;

    assert_int_equal(latest_new(sizeof(int), &l), 0);
    put(l, 1);
    taken = latest_take(l);
    for (int i = 2; i < 9; i++)
        put(l, i);
    assert_int_equal(*taken, 1);
    assert_int_equal(*(const int *) latest_take(l), 8);
}

enum { STRESS_VALUES = 300000, WORDS = 32 };

static void *write_all(void *user) {
    for (uint64_t i = 1; i <= STRESS_VALUES; i++) {
        uint64_t *const words = latest_write_begin(user);
        for (size_t w = 0; w < WORDS; w++)
            words[w] = i;
        latest_write_end(user);
    }
    return NULL;
}

static void two_threads_see_whole_values_that_only_grow(void **state) {
    _cleanup_(latest_freep) struct latest *l = NULL;
    uint64_t newest = 0, n_taken = 0;
    pthread_t writer;

    assert_int_equal(latest_new(WORDS * sizeof(uint64_t), &l), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_all, l), 0);
    while (newest < STRESS_VALUES) {
        const uint64_t *const words = latest_take(l);
        if (!words) {
            (void) sched_yield();
            continue;
        }
        for (size_t w = 1; w < WORDS; w++)
            assert_int_equal(words[w], words[0]);
        assert_true(words[0] > newest);
        newest = words[0];
        n_taken++;
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(n_taken + latest_overwritten(l), STRESS_VALUES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_written_is_nothing_to_take),
        cmocka_unit_test(a_value_is_taken_once),
        cmocka_unit_test(the_newest_value_wins_and_the_rest_is_counted),
        cmocka_unit_test(a_taken_value_stays_while_new_ones_are_written),
        cmocka_unit_test(two_threads_see_whole_values_that_only_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
