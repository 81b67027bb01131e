/* SPDX-License-Identifier: MIT */
/*
 * Nothing allocates from the device buffer to the detector after start (raw formats). This
 * program's malloc() and friends stand before the C library's and count, in all threads.
 */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>

#include "common/units.h"
#include "tests/replay/scene.h"

static atomic_bool counting;
static atomic_uint n_allocations;

void *__libc_malloc(size_t n_bytes);
void *__libc_calloc(size_t n_items, size_t item_bytes);
void *__libc_realloc(void *old, size_t n_bytes);
void *__libc_memalign(size_t alignment, size_t n_bytes);
void __libc_free(void *memory);

static void count(void) {
    if (counting)
        n_allocations++;
}

void *malloc(size_t n_bytes) {
    count();
    return __libc_malloc(n_bytes);
}

void *calloc(size_t n_items, size_t item_bytes) {
    count();
    return __libc_calloc(n_items, item_bytes);
}

void *realloc(void *old, size_t n_bytes) {
    count();
    return __libc_realloc(old, n_bytes);
}

void *aligned_alloc(size_t alignment, size_t n_bytes) {
    count();
    return __libc_memalign(alignment, n_bytes);
}

int posix_memalign(void **ret, size_t alignment, size_t n_bytes) {
    count();
    *ret = __libc_memalign(alignment, n_bytes);
    return *ret ? 0 : ENOMEM;
}

void free(void *memory) {
    __libc_free(memory);
}

static void the_counter_counts(void **state) {
    void *volatile memory;

    n_allocations = 0;
    counting = true;
    memory = malloc(10);
    counting = false;
    free(memory);
    assert_int_equal(n_allocations, 1);
}

struct progress {
    unsigned n_scores, n_events;
    unsigned n_counted; /* decisions made while counting */
};

/* From the first decision on, until the first recording ends and is closed. */
static int count_from_first_score(const struct notice *notice, void *user) {
    struct progress *const p = user;

    p->n_events += notice->kind == NOTICE_EVENT;
    if (notice->kind == NOTICE_SCORES && p->n_scores++ == 0)
        counting = true;
    p->n_counted += counting && notice->kind == NOTICE_SCORES;
    if (notice->kind == NOTICE_SENSOR && notice->sensor.state == SENSOR_OFF)
        counting = false;
    return 0;
}

static void a_replay_allocates_nothing_from_source_to_event(void **state) {
    struct progress p = { 0 };
    struct scene scene;
    struct fault fault;

    n_allocations = 0;
    scene_open(&scene, true);
    assert_int_equal(pipeline_replay(&scene.options, count_from_first_score, &p, &fault), 0);
    counting = false;
    scene_close(&scene);
    assert_true(p.n_counted >= 20);
    assert_true(p.n_events >= 6);
    assert_int_equal(n_allocations, 0);
}

static void threads_allocate_nothing_from_source_to_event(void **state) {
    const int64_t until_ns = now_ns() + 6 * NS_PER_S;
    struct pipeline *pipeline = NULL;
    struct progress p = { 0 };
    struct scene scene;
    struct notice notice;

    n_allocations = 0;
    scene_open(&scene, false);
    assert_int_equal(pipeline_new(&pipeline), 0);
    assert_int_equal(pipeline_apply(pipeline, &scene.options, NULL), 0);
    while (now_ns() < until_ns && (p.n_events == 0 || p.n_counted < 5)) {
        struct pollfd fd = { .fd = pipeline_fd(pipeline), .events = POLLIN };

        while (pipeline_next(pipeline, &notice) == 1)
            (void) count_from_first_score(&notice, &p);
        (void) poll(&fd, 1, 50);
    }
    counting = false;
    pipeline_free(pipeline);
    scene_close(&scene);
    assert_true(p.n_counted >= 5);
    assert_true(p.n_events > 0);
    assert_int_equal(n_allocations, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_counter_counts),
        cmocka_unit_test(a_replay_allocates_nothing_from_source_to_event),
        cmocka_unit_test(threads_allocate_nothing_from_source_to_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
