/* SPDX-License-Identifier: MIT */
#include "pipeline/task.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"
#include "pipeline/align.h"
#include "pipeline/detector.h"
#include "pipeline/evidence.h"
#include "pipeline/fusion.h"

enum {
    /* Two decisions so far apart have a break between them: 2.5 hops, in half hops. */
    GAP_HALF_HOPS = 5,
};

struct task {
    struct task_options options; /* its bundle: see task_rebind() */
    const struct task_host *host;
    struct align align;
    struct fusion *fusion;
    struct detector *detector;
    unsigned live;
    uint64_t n_decisions;
    struct decision decision; /* the last */
    double skew_ms;
    struct stage_latency latencies[STAGES_MAX];
    size_t n_latencies;
    bool scores_pending;                 /* not taken yet */
    uint64_t numbers[BUNDLE_LABELS_MAX]; /* of the running or last event, for its id */
};

int64_t task_hop_ns(const struct bundle *bundle, size_t i) {
    const struct modality *const m = &bundle->modalities[i];
    const double hop_ms = m->kind == MODALITY_SOUND ? m->sound.hop_ms : m->picture.hop_ms;

    return llround(hop_ms * (double) NS_PER_MS);
}

static int start_align(struct task *t, struct fault *fault) {
    const struct bundle *const bundle = t->options.bundle;
    int64_t hops_ns[BUNDLE_MODALITIES_MAX] = { 0 };
    size_t n = 0;

    for (size_t i = 0; i < bundle->n_modalities; i++) {
        if (!t->options.sensors[i][0])
            continue;
        hops_ns[i] = task_hop_ns(bundle, i);
        if (hops_ns[i] <= 0)
            return fault_set(fault, -EINVAL, "task %s: modality %s has no hop", t->options.name,
                             bundle->modalities[i].name);
        n++;
    }
    if (n == 0)
        return fault_set(fault, -EINVAL, "task %s: it has no sensor", t->options.name);
    align_init(&t->align, hops_ns, bundle->n_modalities);
    return 0;
}

static int64_t gap_ns(const struct task *t) {
    return t->align.hop_ns * GAP_HALF_HOPS / 2;
}

int task_new(const struct task_options *options, const struct task_host *host, struct task **ret,
             struct fault *fault) {
    _cleanup_(task_freep) struct task *t = NULL;
    int r;

    t = calloc(1, sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->options = *options;
    t->host = host;
    t->skew_ms = NAN;
    r = start_align(t, fault);
    if (r < 0)
        return r;
    r = fusion_new(options->bundle, &t->fusion, fault);
    if (r < 0)
        return r;
    r = detector_new(t->options.detectors, options->bundle->n_labels, gap_ns(t), &t->detector);
    if (r < 0)
        return r;
    *ret = t;
    t = NULL; /* now the caller's */
    return 0;
}

struct task *task_free(struct task *task) {
    if (!task)
        return NULL;
    (void) fusion_free(task->fusion);     /* always NULL */
    (void) detector_free(task->detector); /* always NULL */
    free(task);
    return NULL;
}

static bool same_detector(const struct detector_options *a, const struct detector_options *b) {
    return a->on == b->on && a->off == b->off && a->least_ms == b->least_ms &&
           a->hold_ms == b->hold_ms && a->smooth_ms == b->smooth_ms &&
           a->update_ms == b->update_ms && a->report == b->report;
}

bool task_fits(const struct task *task, const struct task_options *options) {
    const struct task_options *const o = &task->options;

    if (strcmp(o->name, options->name) != 0 || o->unknown != options->unknown ||
        strcmp(o->bundle->sha256, options->bundle->sha256) != 0 ||
        o->bundle->n_labels != options->bundle->n_labels ||
        o->bundle->n_modalities != options->bundle->n_modalities)
        return false;
    for (size_t i = 0; i < o->bundle->n_modalities; i++)
        if (strcmp(o->sensors[i], options->sensors[i]) != 0)
            return false;
    for (size_t i = 0; i < o->bundle->n_labels; i++)
        if (!same_detector(&o->detectors[i], &options->detectors[i]))
            return false;
    return true;
}

void task_rebind(struct task *task, const struct bundle *bundle) {
    task->options.bundle = (struct bundle *) bundle; /* the options' type; nobody writes to it */
}

const struct task_options *task_options(const struct task *task) {
    return &task->options;
}

void task_set_live(struct task *task, unsigned live) {
    task->live = live;
}

/* --- deciding --- */

/* The embedding that the decision had to wait for: the last to be ready. */
static const struct embedding *last_ready(const struct align *align) {
    const struct embedding *last = NULL;

    for (size_t i = 0; i < align->n_slots; i++)
        if (align->slots[i].fresh && (!last || align->slots[i].embedding.ready_ns > last->ready_ns))
            last = &align->slots[i].embedding;
    return last;
}

static void note_latencies(struct task *t, const struct embedding *last, int64_t began_ns) {
    const int64_t now = clock_ns(t->host->clock);
    const int64_t took_ns[STAGE_COUNT] = {
        [STAGE_CAPTURE] = last->capture_took_ns,   [STAGE_QUEUE] = last->queue_took_ns,
        [STAGE_FEATURES] = last->features_took_ns, [STAGE_ENCODE] = last->encode_took_ns,
        [STAGE_ALIGN] = began_ns - last->ready_ns, [STAGE_DECIDE] = now - began_ns,
        [STAGE_TOTAL] = now - t->decision.at_ns,
    };

    for (size_t i = 0; i < STAGE_COUNT; i++)
        t->latencies[i] = (struct stage_latency){
            .stage = stage_name((enum stage) i),
            .ms = (double) took_ns[i] / (double) NS_PER_MS,
        };
    t->n_latencies = STAGE_COUNT;
    for (size_t i = STAGE_ALIGN; i < STAGE_COUNT; i++) /* the rest is counted per embedding */
        histogram_add(&t->host->stages[i], took_ns[i]);
}

static void decide(struct task *t) {
    const int64_t began_ns = clock_ns(t->host->clock);
    const int8_t *values[BUNDLE_MODALITIES_MAX] = { NULL };
    struct decision *const d = &t->decision;

    d->present = align_present(&t->align);
    d->used = evidence_usable(&t->align);
    d->at_ns = t->align.tick_ns;
    for (size_t i = 0; i < t->align.n_slots; i++)
        if ((d->used & 1U << i) && t->align.slots[i].embedding.capture_ns > d->at_ns)
            d->at_ns = t->align.slots[i].embedding.capture_ns;
    t->skew_ms = evidence_skew_ms(&t->align, d->used);

    evidence_values(&t->align, values);
    fusion_score(t->fusion, values, d->used, d->scores);
    d->unknown =
        d->scores[fusion_best(d->scores, t->options.bundle->n_labels)] < t->options.unknown;
    detector_step(t->detector, d->scores, d->unknown, d->at_ns);

    note_latencies(t, last_ready(&t->align), began_ns);
    t->n_decisions++;
    t->scores_pending = true;
    align_advance(&t->align);
}

/* Nothing came for the tick that ends now. */
static void note_silence(struct task *t, int64_t tick_ns) {
    if (tick_ns - t->decision.at_ns > gap_ns(t))
        t->decision.present = t->decision.used = 0;
    t->skew_ms = NAN;
    t->n_latencies = 0;
    detector_silence(t->detector, tick_ns);
}

bool task_put(struct task *task, size_t slot, const struct embedding *embedding) {
    struct align *const a = &task->align;

    if (align_behind(a, embedding->tick_ns)) {
        if (align_fresh(a)) {
            decide(task);
        } else { /* a jump: nothing came for all the ticks in between */
            align_rest(a);
            note_silence(task, embedding->tick_ns - a->hop_ns);
        }
        return false;
    }
    align_put(a, slot, embedding);
    if (align_complete(a, task->live))
        decide(task);
    return true;
}

int64_t task_deadline_ns(const struct task *task) {
    return align_deadline_ns(&task->align);
}

void task_deadline(struct task *task) {
    struct align *const a = &task->align;
    const int64_t tick_ns = a->deadline_ns - a->hop_ns / 2;

    if (align_fresh(a)) {
        decide(task);
        return;
    }
    align_postpone(a);
    note_silence(task, tick_ns);
    if (!detector_running(task->detector) && tick_ns - task->decision.at_ns > gap_ns(task))
        align_rest(a);
}

void task_finish(struct task *task) {
    task->scores_pending = false;
    detector_finish(task->detector, task->decision.at_ns);
}

/* --- telling --- */

static void copy_text(char *ret, size_t n_bytes, const char *text) {
    (void) snprintf(ret, n_bytes, "%s", text); /* names fit by the settings' and bundle's limits */
}

static void fill_event(struct task *t, const struct detection *detection, struct event *ret) {
    const struct bundle *const bundle = t->options.bundle;

    *ret = (struct event){
        .phase = detection->phase,
        .confidence = detection->confidence,
        .began_ns = detection->began_ns,
        .at_ns = detection->at_ns,
        .n_evidence = bundle->n_modalities,
        .skew_ms = t->skew_ms,
        .n_latencies = t->n_latencies,
    };
    if (detection->phase == EVENT_BEGIN)
        t->numbers[detection->label] = ++*t->host->n_events;
    (void) snprintf(ret->id, sizeof(ret->id), "%s-%llu", t->host->id_prefix,
                    (unsigned long long) t->numbers[detection->label]); /* 17 + 20 digits fit */
    copy_text(ret->task, sizeof(ret->task), t->options.name);
    copy_text(ret->label, sizeof(ret->label), bundle->labels[detection->label]);
    copy_text(ret->bundle, sizeof(ret->bundle), bundle->name);
    copy_text(ret->bundle_version, sizeof(ret->bundle_version), bundle->version);
    copy_text(ret->bundle_sha256, sizeof(ret->bundle_sha256), bundle->sha256);
    memcpy(ret->latencies, t->latencies, sizeof(ret->latencies));
    evidence_fill(&t->align, t->fusion, &t->decision, &t->options, detection->label, ret->evidence);
}

int task_next(struct task *task, struct notice *ret) {
    struct detection detection;

    if (detector_next(task->detector, &detection)) {
        ret->kind = NOTICE_EVENT;
        fill_event(task, &detection, &ret->event);
        return 1;
    }
    if (!task->scores_pending)
        return 0;
    task->scores_pending = false;
    ret->kind = NOTICE_SCORES;
    ret->scores = (struct scores){
        .at_ns = task->decision.at_ns,
        .bundle = task->options.bundle,
        .unknown = task->decision.unknown,
    };
    copy_text(ret->scores.task, sizeof(ret->scores.task), task->options.name);
    memcpy(ret->scores.values, task->decision.scores, sizeof(ret->scores.values));
    return 1;
}

bool task_busy(const struct task *task) {
    return detector_running(task->detector);
}

static enum task_state state_of(const struct task *t) {
    unsigned all = 0;

    for (size_t i = 0; i < t->align.n_slots; i++)
        if (t->align.slots[i].hop_ns > 0)
            all |= 1U << i;
    if (t->decision.used == 0)
        return TASK_STOPPED;
    return t->decision.used == all ? TASK_RUNNING : TASK_DEGRADED;
}

void task_status(const struct task *task, struct task_status *ret) {
    const struct bundle *const bundle = task->options.bundle;

    *ret = (struct task_status){
        .bundle = bundle,
        .state = state_of(task),
        .unknown = task->decision.unknown,
    };
    copy_text(ret->name, sizeof(ret->name), task->options.name);
    for (size_t i = 0; i < bundle->n_modalities; i++)
        if (task->decision.used & 1U << i)
            copy_text(ret->present[ret->n_present++], BUNDLE_NAME_BYTES,
                      bundle->modalities[i].name);
    memcpy(ret->scores, detector_scores(task->detector), sizeof(*ret->scores) * bundle->n_labels);
}

uint64_t task_n_decisions(const struct task *task) {
    return task->n_decisions;
}

uint64_t task_n_late(const struct task *task) {
    return task->align.n_late;
}
