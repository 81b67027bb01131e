/* SPDX-License-Identifier: MIT */
/*
 * crew - threads that do the parts of one piece of work together with their caller.
 *
 * One crew serves any number of runners: whoever takes it has its help until it gives it back, and
 * who finds it taken works alone meanwhile. So models side by side never run more threads than
 * there are. A thread that finds nothing to do looks out for a moment and then sleeps.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/cleanup.h"

enum { CREW_THREADS_MAX = 16 };

struct crew;

/** Do part @part of the work @user. @thread is 0 for the caller of crew_run(), else 1.. */
typedef void crew_part_fn(void *user, size_t part, size_t thread);

/**
 * Start a crew of @n_threads, the caller's own among them: one less is started, on the CPUs that
 * the caller may use, with all signals blocked.
 * Returns 0, -EINVAL (not from 1 to CREW_THREADS_MAX), -ENOMEM, -errno of pthread_create(3).
 */
int crew_new(size_t n_threads, struct crew **ret);

/** End its threads. Nobody may have it. NULL is allowed. Returns NULL. */
struct crew *crew_free(struct crew *crew);
DEFINE_CLEANUP(struct crew *, crew_free)

/** Threads of @crew, the caller's among them. */
size_t crew_n_threads(const struct crew *crew);

/** Take @crew until crew_give(). Returns false if another thread has it. Any thread; does not
 * block. */
bool crew_take(struct crew *crew);

/** Threads that are there for crew_run() now, the caller's among them; calls those that sleep. */
size_t crew_ready(struct crew *crew);

/** Give back what crew_take() took. */
void crew_give(struct crew *crew);

/**
 * Do @n_parts of work, at least 1 and at most crew_n_threads(), at once as far as helpers are
 * awake; return when all are done. Only between crew_take() and crew_give(). Allocates nothing.
 */
void crew_run(struct crew *crew, crew_part_fn *fn, void *user, size_t n_parts);
