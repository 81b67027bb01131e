/* SPDX-License-Identifier: MIT */
#include "pipeline/worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "common/units.h"

struct worker {
    worker_fn *fn;
    void *user;
    char name[WORKER_NAME_BYTES];
    int wake_fd; /* eventfd: written by anyone, read by the worker */
    bool started;
    pthread_t thread;
    atomic_bool stopping;         /* stored by worker_stop(), read by the worker */
    atomic_int_least64_t beat_ns; /* stored by the worker, read by worker_beat_ns() */
};

static void beat(struct worker *worker) {
    /* Relaxed: a time on its own; nothing else is read by it. */
    atomic_store_explicit(&worker->beat_ns, now_ns(), memory_order_relaxed);
}

static void *run(void *user) {
    struct worker *const worker = user;

    (void) pthread_setname_np(pthread_self(), worker->name); /* only cosmetic */
    worker->fn(worker, worker->user);
    return NULL;
}

/* The new thread inherits a mask that blocks everything. */
static int start(struct worker *worker) {
    sigset_t all, before;
    int r;

    (void) sigfillset(&all);                            /* cannot fail */
    (void) pthread_sigmask(SIG_SETMASK, &all, &before); /* fails for bad arguments only */
    r = pthread_create(&worker->thread, NULL, run, worker);
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL); /* as above */
    worker->started = r == 0;
    return -r;
}

int worker_new(const char *name, worker_fn *fn, void *user, struct worker **ret) {
    _cleanup_(worker_freep) struct worker *worker = NULL;
    int r;

    assert(name && fn && ret);

    worker = calloc(1, sizeof(*worker));
    if (!worker)
        return -ENOMEM;
    worker->fn = fn;
    worker->user = user;
    (void) strncpy(worker->name, name,
                   sizeof(worker->name) - 1); /* cut is fine; ends in NUL by calloc */
    beat(worker);
    worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->wake_fd < 0)
        return -errno;

    r = start(worker);
    if (r < 0)
        return r;

    *ret = worker;
    worker = NULL; /* now the caller's */
    return 0;
}

struct worker *worker_free(struct worker *worker) {
    if (!worker)
        return NULL;
    worker_join(worker);
    closep(&worker->wake_fd);
    free(worker);
    return NULL;
}

void worker_join(struct worker *worker) {
    if (!worker->started)
        return;
    worker_stop(worker);
    (void) pthread_join(worker->thread, NULL); /* it was started and is joined once */
    worker->started = false;
}

void worker_wake(struct worker *worker) {
    const uint64_t one = 1;

    (void) !write(worker->wake_fd, &one, sizeof(one)); /* full means already awake */
}

void worker_stop(struct worker *worker) {
    /* Relaxed: the flag alone says it; what was written before is ordered by the join. */
    atomic_store_explicit(&worker->stopping, true, memory_order_relaxed);
    worker_wake(worker);
}

bool worker_stopping(const struct worker *worker) {
    return atomic_load_explicit(&worker->stopping, memory_order_relaxed);
}

int64_t worker_beat_ns(const struct worker *worker) {
    return atomic_load_explicit(&worker->beat_ns, memory_order_relaxed);
}

static struct timespec remaining(int64_t until_ns) {
    const int64_t left_ns = until_ns - now_ns();

    if (left_ns <= 0)
        return (struct timespec){ 0 };
    return (struct timespec){ .tv_sec = left_ns / NS_PER_S, .tv_nsec = left_ns % NS_PER_S };
}

int worker_wait(struct worker *worker, struct pollfd *fds, size_t n_fds, int64_t until_ns) {
    struct pollfd all[WORKER_FDS_MAX + 1];
    struct timespec timeout;
    uint64_t wakes;
    int n;

    assert(n_fds <= WORKER_FDS_MAX);

    beat(worker);
    if (worker_stopping(worker)) /* an earlier wait may have read the stop's wake */
        return -ECANCELED;
    if (n_fds > 0)
        memcpy(all, fds, n_fds * sizeof(*fds));
    all[n_fds] = (struct pollfd){ .fd = worker->wake_fd, .events = POLLIN };
    if (until_ns != WORKER_FOREVER)
        timeout = remaining(until_ns);
    n = ppoll(all, n_fds + 1, until_ns != WORKER_FOREVER ? &timeout : NULL, NULL);
    beat(worker);

    if (n > 0 && all[n_fds].revents) {
        (void) !read(worker->wake_fd, &wakes, sizeof(wakes)); /* nonblocking; reset to 0 */
        n--;
    }
    if (worker_stopping(worker))
        return -ECANCELED;
    for (size_t i = 0; i < n_fds; i++)
        fds[i].revents = n > 0 ? all[i].revents : 0;
    return n < 0 ? 0 : n; /* signals are blocked, so only ENOMEM is left: try again */
}
