/* SPDX-License-Identifier: MIT */
/*
 * Method: exponential average whose weight follows the real time step,
 * a = 1 - exp(-dt / smooth), which is right for irregular steps (A. Eckner,
 * Algorithms for unevenly spaced time series, 2017, EMA with the next-point
 * rule); then a comparator with hysteresis and two timers per label.
 */
#include "pipeline/detector.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"

#define NEVER INT64_MIN

struct label_state {
    bool running;
    uint64_t number;
    double peak;      /* highest smoothed score of the running event */
    int64_t above_ns; /* at or above `on` since then, or NEVER */
    int64_t below_ns; /* below `off` since then, or NEVER */
    int64_t began_ns, told_ns;
};

struct detector {
    size_t n_labels;
    int64_t gap_ns;
    uint64_t n_events;
    int64_t last_ns; /* of the last decision, or NEVER */
    struct detector_options options[BUNDLE_LABELS_MAX];
    struct label_state labels[BUNDLE_LABELS_MAX];
    double smoothed[BUNDLE_LABELS_MAX];
    size_t n_detections, next_detection;
    struct detection detections[BUNDLE_LABELS_MAX]; /* at most one per label and call */
};

static int64_t ms_to_ns(double ms) {
    return (int64_t) (ms * (double) NS_PER_MS);
}

int detector_new(const struct detector_options *options, size_t n_labels, int64_t gap_ns,
                 struct detector **ret) {
    struct detector *d;

    assert(options && n_labels >= 1 && n_labels <= BUNDLE_LABELS_MAX);

    d = calloc(1, sizeof(*d));
    if (!d)
        return -ENOMEM;
    d->n_labels = n_labels;
    d->gap_ns = gap_ns;
    d->last_ns = NEVER;
    memcpy(d->options, options, n_labels * sizeof(*options));
    for (size_t i = 0; i < n_labels; i++)
        d->labels[i].above_ns = d->labels[i].below_ns = NEVER;
    *ret = d;
    return 0;
}

struct detector *detector_free(struct detector *d) {
    free(d);
    return NULL;
}

static void tell(struct detector *d, size_t label, enum event_phase phase, int64_t at_ns) {
    struct label_state *const state = &d->labels[label];

    state->told_ns = at_ns;
    d->detections[d->n_detections++] = (struct detection){
        .label = label,
        .number = state->number,
        .phase = phase,
        .confidence = phase == EVENT_END ? state->peak : d->smoothed[label],
        .began_ns = state->began_ns,
        .at_ns = at_ns,
    };
}

static void end(struct detector *d, size_t label, int64_t at_ns) {
    tell(d, label, EVENT_END, at_ns);
    d->labels[label].running = false;
    d->labels[label].above_ns = d->labels[label].below_ns = NEVER;
}

static void step_waiting(struct detector *d, size_t label, bool unknown, int64_t at_ns) {
    const struct detector_options *const o = &d->options[label];
    struct label_state *const state = &d->labels[label];

    if (!o->report || unknown || d->smoothed[label] < o->on) {
        state->above_ns = NEVER;
        return;
    }
    if (state->above_ns == NEVER)
        state->above_ns = at_ns;
    if (at_ns - state->above_ns < ms_to_ns(o->least_ms))
        return;

    state->running = true;
    state->number = ++d->n_events;
    state->began_ns = state->above_ns;
    state->peak = d->smoothed[label];
    tell(d, label, EVENT_BEGIN, at_ns);
}

static void step_running(struct detector *d, size_t label, int64_t at_ns) {
    const struct detector_options *const o = &d->options[label];
    struct label_state *const state = &d->labels[label];

    if (d->smoothed[label] > state->peak)
        state->peak = d->smoothed[label];
    if (d->smoothed[label] >= o->off)
        state->below_ns = NEVER;
    else if (state->below_ns == NEVER)
        state->below_ns = at_ns;

    if (state->below_ns != NEVER && at_ns - state->below_ns >= ms_to_ns(o->hold_ms))
        end(d, label, at_ns);
    else if (o->update_ms > 0 && at_ns - state->told_ns >= ms_to_ns(o->update_ms))
        tell(d, label, EVENT_UPDATE, at_ns);
}

static double smooth(double old, double score, int64_t step_ns, double smooth_ms) {
    if (smooth_ms <= 0)
        return score;
    return old + (1 - exp(-(double) step_ns / (smooth_ms * (double) NS_PER_MS))) * (score - old);
}

void detector_step(struct detector *d, const double *scores, bool unknown, int64_t at_ns) {
    const bool after_break = d->last_ns == NEVER || at_ns - d->last_ns > d->gap_ns;

    d->n_detections = d->next_detection = 0;
    for (size_t i = 0; i < d->n_labels; i++) {
        d->smoothed[i] = after_break ? scores[i]
                                     : smooth(d->smoothed[i], scores[i], at_ns - d->last_ns,
                                              d->options[i].smooth_ms);
        if (after_break) /* nobody knows what was in between */
            d->labels[i].above_ns = NEVER;
        if (d->labels[i].running)
            step_running(d, i, at_ns);
        else
            step_waiting(d, i, unknown, at_ns);
    }
    d->last_ns = at_ns;
}

void detector_silence(struct detector *d, int64_t at_ns) {
    d->n_detections = d->next_detection = 0;
    for (size_t i = 0; i < d->n_labels; i++)
        if (d->labels[i].running && at_ns - d->last_ns > d->gap_ns &&
            at_ns - d->last_ns >= ms_to_ns(d->options[i].hold_ms))
            end(d, i, at_ns);
}

void detector_finish(struct detector *d, int64_t at_ns) {
    d->n_detections = d->next_detection = 0;
    for (size_t i = 0; i < d->n_labels; i++)
        if (d->labels[i].running)
            end(d, i, at_ns);
}

int detector_next(struct detector *d, struct detection *ret) {
    if (d->next_detection == d->n_detections)
        return 0;
    *ret = d->detections[d->next_detection++];
    return 1;
}

bool detector_running(const struct detector *d) {
    for (size_t i = 0; i < d->n_labels; i++)
        if (d->labels[i].running)
            return true;
    return false;
}

const double *detector_scores(const struct detector *d) {
    return d->smoothed;
}
