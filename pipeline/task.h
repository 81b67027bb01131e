/* SPDX-License-Identifier: MIT */
/*
 * task - one question asked of the sensors: embeddings in, events and scores out.
 *
 * Owns the alignment, fusion and detector of a task. Moved only by embeddings and
 * deadlines, so that any decision can be replayed. Used by one thread (main).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"
#include "pipeline/clock.h"
#include "pipeline/embedding.h"
#include "pipeline/pipeline.h"
#include "pipeline/stats.h"

struct task;

/** What all tasks of a pipeline share. Borrowed; must outlive the task. */
struct task_host {
    const struct clock *clock;
    struct histogram *stages; /* [STAGE_COUNT]; a task adds its align, decide and total */
    const char *id_prefix;    /* of event ids, unique across boots and restarts */
    uint64_t *n_events;       /* so far; makes ids unique within the prefix */
};

/** Hop of modality @i of @bundle, ns. */
int64_t task_hop_ns(const struct bundle *bundle, size_t i);

/**
 * @options  copied; the bundle is borrowed, see task_rebind()
 * @fault    which part of the bundle does not fit
 * Returns 0, -EINVAL (no sensor at all), -ENOTSUP, -ENOMEM. Nothing allocates afterwards.
 */
int task_new(const struct task_options *options, const struct task_host *host, struct task **ret,
             struct fault *fault);

/** NULL is allowed. Returns NULL. */
struct task *task_free(struct task *task);
DEFINE_CLEANUP(struct task *, task_free)

/** True if @options ask for what @task does (equal values, and a bundle of the same sha256). */
bool task_fits(const struct task *task, const struct task_options *options);

/** From now on refer to an equal bundle at another place. */
void task_rebind(struct task *task, const struct bundle *bundle);

const struct task_options *task_options(const struct task *task);

/** Bit per modality whose sensor is running; only they are waited for. */
void task_set_live(struct task *task, unsigned live);

/**
 * Take a copy of an embedding of modality @slot. Take all notices before the next call.
 * Returns true if it was taken; false: a decision had to be made before it: take the notices and
 * call again.
 */
bool task_put(struct task *task, size_t slot, const struct embedding *embedding);

/** When task_deadline() is to be called, CLOCK_MONOTONIC; INT64_MAX: never. */
int64_t task_deadline_ns(const struct task *task);

/** The deadline has passed: decide with what is there. Take all notices afterwards. */
void task_deadline(struct task *task);

/** The task goes away: end its events. Take all notices afterwards. */
void task_finish(struct task *task);

/** The next event or scores. Returns 1, or 0 if there is none. */
int task_next(struct task *task, struct notice *ret);

/** True while an event runs. */
bool task_busy(const struct task *task);

void task_status(const struct task *task, struct task_status *ret);

/** Decisions made; embeddings that came after their tick was decided. */
uint64_t task_n_decisions(const struct task *task);
uint64_t task_n_late(const struct task *task);
