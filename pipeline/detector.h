/* SPDX-License-Identifier: MIT */
/*
 * detector - scores over time -> events that begin, go on and end, per label.
 *
 * A label's smoothed score must stay at or above `on` for least_ms before its
 * event begins, and below `off` for hold_ms before it ends. All time is capture
 * time, so a decision can be replayed. One thread (main).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "models/bundle.h"
#include "pipeline/pipeline.h"

struct detector;

/** One thing that happened to one label's event. */
struct detection {
    size_t label;
    uint64_t
        number; /* the same in begin, update, end; grows from 1 with each event of this detector */
    enum event_phase phase;
    double confidence; /* smoothed score; at the end: the highest that it had */
    int64_t began_ns, at_ns;
};

/**
 * @options  [n_labels] copied; values were checked by bundle_open() and the settings.
 * @n_labels 1..BUNDLE_LABELS_MAX.
 * @gap_ns   longest step between two decisions that still counts as without a break.
 * Returns 0, -ENOMEM.
 */
int detector_new(const struct detector_options *options, size_t n_labels, int64_t gap_ns,
                 struct detector **ret);

/** NULL is allowed. Returns NULL. */
struct detector *detector_free(struct detector *d);
DEFINE_CLEANUP(struct detector *, detector_free)

/**
 * One decision. Take all detections before the next call.
 * @scores   [n_labels] 0..1
 * @unknown  the best score is below the task's threshold: no event begins now.
 * @at_ns    capture time; later than in the call before.
 */
void detector_step(struct detector *d, const double *scores, bool unknown, int64_t at_ns);

/**
 * It is @at_ns and no sensor told anything. Events end with what is known when
 * this lasts as long as hold_ms (and longer than gap_ns).
 */
void detector_silence(struct detector *d, int64_t at_ns);

/** End what is running, because the task goes away; @at_ns as above. */
void detector_finish(struct detector *d, int64_t at_ns);

/** The next thing that happened in the last call. Returns 1, or 0 if there is none. */
int detector_next(struct detector *d, struct detection *ret);

/** True while an event runs. */
bool detector_running(const struct detector *d);

/** Smoothed scores [n_labels], all 0 before the first decision; valid until the next call. */
const double *detector_scores(const struct detector *d);
