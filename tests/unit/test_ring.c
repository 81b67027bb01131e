/* SPDX-License-Identifier: MIT */
/* The last N events, and what a client with a cursor gets of them. */
#include "daemon/ring.h"

#include <errno.h>

#include "tests/test.h"

static void add(struct ring *ring, int n) {
    for (int i = 0; i < n; i++) {
        const struct ring_event event = { .sequence = ring_next_sequence(ring),
                                          .message = message_new("{}", 2) };

        ring_add(ring, &event);
    }
}

static int64_t first_after(const struct ring *ring, int64_t after) {
    const struct ring_event *event = ring_after(ring, after);

    return event ? event->sequence : -1;
}

static int count_after(const struct ring *ring, int64_t after) {
    const struct ring_event *event;
    int n = 0;

    for (; (event = ring_after(ring, after)); after = event->sequence)
        n++;
    return n;
}

static void an_empty_ring_has_nothing_and_no_gap(void **state) {
    _cleanup_(ring_freep) struct ring *ring = NULL;

    (void) state;
    assert_int_equal(ring_new(4, 0, &ring), 0);
    assert_int_equal(ring_next_sequence(ring), 1);
    assert_int_equal(first_after(ring, 0), -1);
    assert_int_equal(ring_gap(ring, 0), 0);
}

static void a_cursor_goes_on_where_it_stood(void **state) {
    _cleanup_(ring_freep) struct ring *ring = NULL;

    (void) state;
    assert_int_equal(ring_new(4, 0, &ring), 0);
    add(ring, 3);
    assert_int_equal(first_after(ring, 0), 1);
    assert_int_equal(first_after(ring, 2), 3);
    assert_int_equal(first_after(ring, 3), -1);
    assert_int_equal(count_after(ring, 0), 3);
    assert_int_equal(ring_gap(ring, 0), 0);
}

static void the_oldest_go_and_the_gap_says_how_many(void **state) {
    _cleanup_(ring_freep) struct ring *ring = NULL;

    (void) state;
    assert_int_equal(ring_new(4, 0, &ring), 0);
    add(ring, 10);
    assert_int_equal(first_after(ring, 0), 7);
    assert_int_equal(count_after(ring, 0), 4);
    assert_int_equal(ring_gap(ring, 0), 6);
    assert_int_equal(ring_gap(ring, 5), 1);
    assert_int_equal(ring_gap(ring, 6), 0);
    assert_int_equal(ring_gap(ring, 10), 0);
}

static void the_sequence_goes_on_over_a_restart(void **state) {
    _cleanup_(ring_freep) struct ring *ring = NULL;

    (void) state;
    assert_int_equal(ring_new(4, 57, &ring), 0);
    assert_int_equal(ring_next_sequence(ring), 58);
    assert_int_equal(ring_gap(ring, 50), 7);
    assert_int_equal(ring_gap(ring, 57), 0);
    assert_int_equal(first_after(ring, 50), -1);
    add(ring, 1);
    assert_int_equal(first_after(ring, 50), 58);
}

static void a_cursor_from_the_future_waits(void **state) {
    _cleanup_(ring_freep) struct ring *ring = NULL;

    (void) state;
    assert_int_equal(ring_new(4, 0, &ring), 0);
    add(ring, 2);
    assert_int_equal(first_after(ring, 1000), -1);
    assert_int_equal(first_after(ring, INT64_MAX), -1);
    assert_int_equal(ring_gap(ring, 1000), 0);
}

static void resizing_keeps_the_newest(void **state) {
    _cleanup_(ring_freep) struct ring *ring = NULL;

    (void) state;
    assert_int_equal(ring_new(4, 0, &ring), 0);
    add(ring, 6);
    assert_int_equal(ring_resize(ring, 2), 0);
    assert_int_equal(count_after(ring, 0), 2);
    assert_int_equal(first_after(ring, 0), 5);
    assert_int_equal(ring_gap(ring, 0), 4);
    assert_int_equal(ring_resize(ring, 8), 0);
    add(ring, 7);
    assert_int_equal(count_after(ring, 0), 8);
    assert_int_equal(first_after(ring, 0), 6);
    assert_int_equal(ring_resize(ring, 0), -EINVAL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_ring_has_nothing_and_no_gap),
        cmocka_unit_test(a_cursor_goes_on_where_it_stood),
        cmocka_unit_test(the_oldest_go_and_the_gap_says_how_many),
        cmocka_unit_test(the_sequence_goes_on_over_a_restart),
        cmocka_unit_test(a_cursor_from_the_future_waits),
        cmocka_unit_test(resizing_keeps_the_newest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
