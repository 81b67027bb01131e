/* SPDX-License-Identifier: MIT */
#include "models/crew.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "common/units.h"
#include "tests/test.h"

enum { N_PARTS = 4, N_ROUNDS = 1000, PATH_BYTES = 300, TEXT_BYTES = 4096, PATIENCE_MS = 10000 };

struct work {
    atomic_int done[N_PARTS]; /* how often each part was done */
    size_t n_threads;
};

static void count(void *user, size_t part, size_t thread) {
    struct work *const work = user;

    if (thread >= work->n_threads) /* in any thread: cmocka's own checks are for its own */
        abort();
    atomic_fetch_add(&work->done[part], 1);
}

static void each_part_is_done_once(void **state) {
    (void) state;
    for (size_t n_threads = 1; n_threads <= N_PARTS; n_threads++) {
        _cleanup_(crew_freep) struct crew *crew = NULL;

        assert_int_equal(crew_new(n_threads, &crew), 0);
        assert_int_equal(crew_n_threads(crew), n_threads);
        assert_true(crew_take(crew));
        for (size_t round = 0; round < N_ROUNDS; round++) {
            struct work work = { .n_threads = n_threads };
            const size_t n = 1 + round % n_threads;

            crew_run(crew, count, &work, n);
            for (size_t part = 0; part < N_PARTS; part++)
                assert_int_equal(work.done[part], part < n);
        }
        crew_give(crew);
    }
}

static void only_one_has_a_crew(void **state) {
    _cleanup_(crew_freep) struct crew *crew = NULL;
    (void) state;

    assert_int_equal(crew_new(2, &crew), 0);
    assert_true(crew_take(crew));
    assert_false(crew_take(crew));
    crew_give(crew);
    assert_true(crew_take(crew));
    crew_give(crew);
}

static void *take_turns(void *user) {
    struct crew *const crew = user;

    for (size_t round = 0; round < N_ROUNDS; round++) {
        struct work work = { .n_threads = N_PARTS };

        if (!crew_take(crew))
            continue;
        crew_run(crew, count, &work, N_PARTS);
        crew_give(crew);
        for (size_t part = 0; part < N_PARTS; part++)
            if (work.done[part] != 1)
                return user;
    }
    return NULL;
}

static void threads_take_turns_with_a_crew(void **state) {
    _cleanup_(crew_freep) struct crew *crew = NULL;
    pthread_t threads[3];
    (void) state;

    assert_int_equal(crew_new(N_PARTS, &crew), 0);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_turns, crew), 0);
    for (size_t i = 0; i < 3; i++) {
        void *failed;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

static void odd_numbers_of_threads_are_refused(void **state) {
    struct crew *crew = NULL;
    (void) state;

    assert_int_equal(crew_new(0, &crew), -EINVAL);
    assert_int_equal(crew_new(CREW_THREADS_MAX + 1, &crew), -EINVAL);
    assert_null(crew);
    assert_null(crew_free(NULL));
}

/* Calls @look with the status (proc_pid_status(5)) of each thread but the first; false if one says
 * so. */
static bool all_others(bool (*look)(const char *status)) {
    DIR *const tasks = opendir("/proc/self/task");
    const struct dirent *entry;
    bool all = true;

    assert_non_null(tasks);
    while ((entry = readdir(tasks))) {
        char path[PATH_BYTES], text[TEXT_BYTES];
        size_t n;
        FILE *file;

        if (entry->d_name[0] == '.' || strtol(entry->d_name, NULL, 10) == getpid())
            continue;
        (void) snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
        file = fopen(path, "re");
        if (!file)
            continue; /* it has just ended */
        n = fread(text, 1, sizeof(text) - 1, file);
        text[n] = '\0';
        all = look(text) && all;
        (void) fclose(file);
    }
    (void) closedir(tasks);
    return all;
}

static bool is_a_helper(const char *status) {
    return strstr(status, "Name:\tcrew") != NULL;
}

static bool sleeps(const char *status) {
    return !is_a_helper(status) || strstr(status, "State:\tS") != NULL;
}

static bool blocks_signals(const char *status) {
    const char *line = strstr(status, "SigBlk:\t");
    const unsigned long long blocked = line ? strtoull(line + strlen("SigBlk:\t"), NULL, 16) : 0;
    const unsigned long long wanted = 1ull << (SIGTERM - 1) | 1ull << (SIGINT - 1);

    return !is_a_helper(status) || (blocked & wanted) == wanted;
}

static int n_seen;

static bool count_helpers(const char *status) {
    n_seen += is_a_helper(status);
    return true;
}

static void helpers_take_no_signals_and_sleep_when_idle(void **state) {
    _cleanup_(crew_freep) struct crew *crew = NULL;
    struct work work = { .n_threads = N_PARTS };
    int64_t end_ns;
    (void) state;

    assert_int_equal(crew_new(N_PARTS, &crew), 0);
    assert_true(crew_take(crew));
    crew_run(crew, count, &work, N_PARTS);
    crew_give(crew);
    n_seen = 0;
    assert_true(all_others(count_helpers));
    assert_int_equal(n_seen, N_PARTS - 1);
    assert_true(all_others(blocks_signals));
    end_ns = now_ns() + PATIENCE_MS * NS_PER_MS;
    while (!all_others(sleeps))
        assert_true(now_ns() < end_ns);

    (void) memset(&work.done, 0, sizeof(work.done)); /* and they wake again */
    assert_true(crew_take(crew));
    crew_run(crew, count, &work, N_PARTS);
    crew_give(crew);
    for (size_t part = 0; part < N_PARTS; part++)
        assert_int_equal(work.done[part], 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part_is_done_once),
        cmocka_unit_test(only_one_has_a_crew),
        cmocka_unit_test(threads_take_turns_with_a_crew),
        cmocka_unit_test(odd_numbers_of_threads_are_refused),
        cmocka_unit_test(helpers_take_no_signals_and_sleep_when_idle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
