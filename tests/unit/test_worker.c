/* SPDX-License-Identifier: MIT */
#include "pipeline/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "common/units.h"
#include "tests/test.h"

/* What a test's worker did; written by the worker, read after it ended or by atomics. */
struct record {
    int read_fd;
    atomic_int n_woken, n_bytes;
    sigset_t blocked;
    char name[WORKER_NAME_BYTES];
};

static void wait_for_stop(struct worker *worker, void *user) {
    struct record *const record = user;

    (void) pthread_sigmask(SIG_SETMASK, NULL, &record->blocked);
    (void) pthread_getname_np(pthread_self(), record->name, sizeof(record->name));
    while (worker_wait(worker, NULL, 0, WORKER_FOREVER) != -ECANCELED)
        record->n_woken++;
}

static void read_bytes(struct worker *worker, void *user) {
    struct record *const record = user;
    struct pollfd fd = { .fd = record->read_fd, .events = POLLIN };
    char byte;
    int n;

    while ((n = worker_wait(worker, &fd, 1, WORKER_FOREVER)) != -ECANCELED)
        if (n > 0 && fd.revents && read(record->read_fd, &byte, 1) == 1)
            record->n_bytes++;
}

/* Until *@counter is @wanted, or 5 s. */
static bool becomes(atomic_int *counter, int wanted) {
    for (int i = 0; i < 5000 && *counter != wanted; i++)
        (void) poll(NULL, 0, 1);
    return *counter == wanted;
}

static void a_worker_stops_when_asked(void **state) {
    struct record record = { 0 };
    struct worker *worker = NULL;

    assert_int_equal(worker_new("test", wait_for_stop, &record, &worker), 0);
    assert_null(worker_free(worker));
    assert_null(worker_free(NULL));
}

static void a_worker_has_its_name_and_no_signals(void **state) {
    struct record record = { 0 };
    struct worker *worker = NULL;

    assert_int_equal(worker_new("a-name-that-is-too-long", wait_for_stop, &record, &worker), 0);
    worker_wake(worker);
    assert_true(becomes(&record.n_woken, 1));
    worker_free(worker);
    assert_string_equal(record.name, "a-name-that-is-");
    assert_true(sigismember(&record.blocked, SIGTERM));
    assert_true(sigismember(&record.blocked, SIGHUP));
    assert_true(sigismember(&record.blocked, SIGPIPE));
}

static void a_worker_is_woken_by_its_data(void **state) {
    struct record record = { 0 };
    struct worker *worker = NULL;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    record.read_fd = ends[0];
    assert_int_equal(worker_new("test", read_bytes, &record, &worker), 0);
    assert_int_equal(write(ends[1], "abc", 3), 3);
    assert_true(becomes(&record.n_bytes, 3));
    worker_free(worker);
    close(ends[0]);
    close(ends[1]);
}

static void sleep_once(struct worker *worker, void *user) {
    const int64_t until_ns = now_ns() + 30 * NS_PER_MS;

    assert_int_equal(worker_wait(worker, NULL, 0, until_ns), 0);
    *(atomic_int *) user = now_ns() >= until_ns ? 1 : -1;
}

static void a_wait_ends_at_its_time_and_not_before(void **state) {
    atomic_int result = 0;
    struct worker *worker = NULL;

    assert_int_equal(worker_new("test", sleep_once, &result, &worker), 0);
    assert_true(becomes(&result, 1));
    worker_free(worker);
}

static void a_joined_worker_may_still_be_woken(void **state) {
    struct record record = { 0 };
    struct worker *worker = NULL;

    assert_int_equal(worker_new("test", wait_for_stop, &record, &worker), 0);
    worker_join(worker);
    worker_wake(worker);
    worker_join(worker);
    worker_free(worker);
}

static void wait_twice_for_stop(struct worker *worker, void *user) {
    while (worker_wait(worker, NULL, 0, WORKER_FOREVER) != -ECANCELED)
        ;
    assert_int_equal(worker_wait(worker, NULL, 0, WORKER_FOREVER), -ECANCELED);
    *(atomic_int *) user = 1;
}

static void a_stopped_worker_never_waits_again(void **state) {
    atomic_int result = 0;
    struct worker *worker = NULL;

    assert_int_equal(worker_new("test", wait_twice_for_stop, &result, &worker), 0);
    worker_free(worker);
    assert_int_equal(result, 1);
}

static void the_heart_beats_with_each_wait(void **state) {
    struct record record = { 0 };
    struct worker *worker = NULL;
    int64_t before_ns;

    assert_int_equal(worker_new("test", wait_for_stop, &record, &worker), 0);
    before_ns = now_ns();
    worker_wake(worker);
    assert_true(becomes(&record.n_woken, 1));
    assert_true(worker_beat_ns(worker) >= before_ns);
    worker_free(worker);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_stops_when_asked),
        cmocka_unit_test(a_worker_has_its_name_and_no_signals),
        cmocka_unit_test(a_worker_is_woken_by_its_data),
        cmocka_unit_test(a_wait_ends_at_its_time_and_not_before),
        cmocka_unit_test(a_joined_worker_may_still_be_woken),
        cmocka_unit_test(a_stopped_worker_never_waits_again),
        cmocka_unit_test(the_heart_beats_with_each_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
