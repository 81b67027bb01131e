/* SPDX-License-Identifier: MIT */
/*
 * worker - a thread with one blocking place, a stop and a heartbeat.
 *
 * Its function runs until worker_wait() says that it is to stop. All signals
 * are blocked in it, so that they reach the main thread. There is no
 * cancellation: between two waits a worker does a bounded piece of work.
 */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"

struct worker;

enum {
    WORKER_FDS_MAX = 3,
    WORKER_NAME_BYTES = 16, /* pthread_setname_np(3) */
};

#define WORKER_FOREVER INT64_MAX

/** The worker's function; runs on the new thread and returns when worker_wait() returned
 * -ECANCELED. */
typedef void worker_fn(struct worker *worker, void *user);

/**
 * Start a thread.
 * @name  what `top -H` shows, cut to 15 characters.
 * @user  handed to @fn; must live until worker_free().
 * Returns 0, -EAGAIN (no more threads), -EMFILE, -ENOMEM.
 */
int worker_new(const char *name, worker_fn *fn, void *user, struct worker **ret);

/** Ask to stop and wait until the thread has ended. NULL is allowed. Returns NULL. */
struct worker *worker_free(struct worker *worker);
DEFINE_CLEANUP(struct worker *, worker_free)

/**
 * Ask to stop and wait until the thread has ended; worker_wake() stays allowed
 * until worker_free(), so that others can be told after it. Twice is allowed.
 */
void worker_join(struct worker *worker);

/** Any thread: ask to stop, without waiting. */
void worker_stop(struct worker *worker);

/** Any thread: make the worker's current or next worker_wait() return 0 early. */
void worker_wake(struct worker *worker);

/**
 * The worker itself: block until one of @fds is ready, a wake, a stop, or @until_ns.
 * @fds     at most WORKER_FDS_MAX; their revents are set. May be NULL with @n_fds 0.
 * @until_ns  CLOCK_MONOTONIC, or WORKER_FOREVER.
 * Returns the number of ready @fds, 0 (woken, or the time has come), or -ECANCELED: stop now.
 */
int worker_wait(struct worker *worker, struct pollfd *fds, size_t n_fds, int64_t until_ns);

/** The worker itself, in work longer than usual: true if it is to stop. */
bool worker_stopping(const struct worker *worker);

/** Any thread: when (CLOCK_MONOTONIC) it last came to worker_wait() or left it. */
int64_t worker_beat_ns(const struct worker *worker);
