/* SPDX-License-Identifier: MIT */
#include "pipeline/queue.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "tests/test.h"

static void a_full_queue_refuses_and_counts(void **state) {
    _cleanup_(queue_freep) struct queue *q = NULL;
    int item = 7;

    assert_int_equal(queue_new(sizeof(item), 2, &q), 0);
    assert_int_equal(queue_push(q, &item), 0);
    assert_int_equal(queue_push(q, &item), 0);
    assert_int_equal(queue_push(q, &item), -ENOBUFS);
    assert_int_equal(queue_refused(q), 1);
    assert_int_equal(queue_pop(q, &item), 1);
    assert_int_equal(queue_pop(q, &item), 1);
    assert_int_equal(queue_pop(q, &item), 0);
}

static void a_capacity_that_is_no_power_of_two_is_refused(void **state) {
    struct queue *q = NULL;

    assert_int_equal(queue_new(4, 0, &q), -EINVAL);
    assert_int_equal(queue_new(4, 3, &q), -EINVAL);
    assert_int_equal(queue_new(0, 4, &q), -EINVAL);
    assert_int_equal(queue_new((size_t) 1 << 40, (size_t) 1 << 40, &q), -EINVAL);
    assert_null(q);
}

static void items_come_out_in_the_order_they_went_in(void **state) {
    _cleanup_(queue_freep) struct queue *q = NULL;
    int got = 0;

    assert_int_equal(queue_new(sizeof(int), 4, &q), 0);
    for (int i = 0; i < 100; i++) { /* many times around the ring */
        assert_int_equal(queue_push(q, &i), 0);
        assert_int_equal(queue_pop(q, &got), 1);
        assert_int_equal(got, i);
    }
}

static void what_was_begun_but_not_ended_is_not_seen(void **state) {
    _cleanup_(queue_freep) struct queue *q = NULL;
    int *room;

    assert_int_equal(queue_new(sizeof(int), 2, &q), 0);
    room = queue_push_begin(q);
    assert_non_null(room);
    *room = 5;
    assert_null(queue_pop_begin(q));
    queue_push_end(q);
    assert_int_equal(*(const int *) queue_pop_begin(q), 5);
    queue_pop_end(q);
    assert_null(queue_pop_begin(q));
}

/* A value whose halves must agree, so that a torn copy is seen. */
struct pair {
    uint64_t number, inverse;
    uint64_t padding[7];
};

enum { STRESS_ITEMS = 200000 };

static void *push_all(void *user) {
    struct queue *const q = user;

    for (uint64_t i = 0; i < STRESS_ITEMS; i++) {
        const struct pair item = { .number = i, .inverse = ~i };
        while (queue_push(q, &item) < 0)
            (void) sched_yield();
    }
    return NULL;
}

static void two_threads_lose_nothing_and_tear_nothing(void **state) {
    _cleanup_(queue_freep) struct queue *q = NULL;
    pthread_t writer;
    struct pair item;

    assert_int_equal(queue_new(sizeof(item), 8, &q), 0);
    assert_int_equal(pthread_create(&writer, NULL, push_all, q), 0);
    for (uint64_t i = 0; i < STRESS_ITEMS; i++) {
        while (!queue_pop(q, &item))
            (void) sched_yield();
        if (item.number != i || item.inverse != ~i)
            fail_msg("item %llu came as %llu", (unsigned long long) i,
                     (unsigned long long) item.number);
    }
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(queue_pop(q, &item), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_queue_refuses_and_counts),
        cmocka_unit_test(a_capacity_that_is_no_power_of_two_is_refused),
        cmocka_unit_test(items_come_out_in_the_order_they_went_in),
        cmocka_unit_test(what_was_begun_but_not_ended_is_not_seen),
        cmocka_unit_test(two_threads_lose_nothing_and_tear_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
