/* SPDX-License-Identifier: MIT */
#include "pipeline/pipeline.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/timerfd.h>

#include "common/units.h"
#include "pipeline/parts.h"

/* What a driver has to open its device: slow cameras take seconds. */
static const int64_t OPENING_NS = 15 * NS_PER_S;

/* --- making --- */

static int watch(int epoll_fd, int fd) {
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_fds(struct pipeline *p) {
    int r;

    p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    p->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (p->epoll_fd < 0 || p->wake_fd < 0 || p->timer_fd < 0)
        return -errno;
    r = watch(p->epoll_fd, p->wake_fd);
    return r < 0 ? r : watch(p->epoll_fd, p->timer_fd);
}

/* Ids of events must not repeat after a restart; those of a replay must be the same each time. */
static int choose_prefix(struct pipeline *p) {
    uint64_t bits = 0;

    if (!p->clock.virtual_ns && getrandom(&bits, sizeof(bits), 0) != sizeof(bits))
        return -errno;
    (void) snprintf(p->id_prefix, sizeof(p->id_prefix), "%016llx",
                    (unsigned long long) bits); /* fits */
    return 0;
}

int pipeline_new_at(int64_t virtual_ns, struct pipeline **ret) {
    _cleanup_(pipeline_freep) struct pipeline *p = NULL;
    int r;

    p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->epoll_fd = p->wake_fd = p->timer_fd = -1;
    p->armed_ns = INT64_MAX;
    p->delivering = NOWHERE;
    p->virtual_ns = virtual_ns;
    p->clock.virtual_ns = virtual_ns ? &p->virtual_ns : NULL;
    p->host = (struct task_host){
        .clock = &p->clock,
        .stages = p->stages,
        .id_prefix = p->id_prefix,
        .n_events = &p->n_events,
    };
    r = open_fds(p);
    if (r < 0)
        return r;
    r = choose_prefix(p);
    if (r < 0)
        return r;
    *ret = p;
    p = NULL; /* now the caller's */
    return 0;
}

int pipeline_new(struct pipeline **ret) {
    return pipeline_new_at(0, ret);
}

struct pipeline *pipeline_free(struct pipeline *pipeline) {
    const struct pipeline_options nothing = { 0 };
    struct parts none = { .n_sensors = 0 };

    if (!pipeline)
        return NULL;
    parts_switch(pipeline, &none, &nothing);
    recordings_free(pipeline);
    looks_free(pipeline);
    free(pipeline->farewells);
    closep(&pipeline->epoll_fd);
    closep(&pipeline->wake_fd);
    closep(&pipeline->timer_fd);
    free(pipeline);
    return NULL;
}

int pipeline_apply(struct pipeline *pipeline, const struct pipeline_options *options,
                   struct fault *fault) {
    _cleanup_(freep) struct parts *next = NULL; /* too large for the stack */
    int r;

    next = malloc(sizeof(*next));
    if (!next)
        return -ENOMEM;
    r = parts_plan(pipeline, options, next, fault);
    if (r < 0)
        return r;
    parts_switch(pipeline, next, options);
    return 0;
}

int pipeline_fd(const struct pipeline *pipeline) {
    return pipeline->epoll_fd;
}

void pipeline_wake(struct pipeline *p) {
    const uint64_t one = 1;

    (void) !write(p->wake_fd, &one, sizeof(one)); /* full means already awake */
}

void pipeline_retry(struct pipeline *pipeline) {
    for (size_t i = 0; i < pipeline->parts.n_sensors; i++)
        sensor_retry(pipeline->parts.sensors[i].sensor);
}

/* --- the next notice --- */

static int take_farewell(struct pipeline *p, struct notice *ret) {
    if (p->next_farewell == p->n_farewells)
        return 0;
    *ret = p->farewells[p->next_farewell++];
    if (p->next_farewell == p->n_farewells) {
        free(p->farewells);
        p->farewells = NULL;
        p->n_farewells = p->next_farewell = 0;
    }
    return 1;
}

static int take_sensor_notice(struct pipeline *p, struct notice *ret) {
    for (size_t i = 0; i < p->parts.n_sensors; i++)
        if (p->parts.sensors[i].changed) {
            p->parts.sensors[i].changed = false;
            ret->kind = NOTICE_SENSOR;
            return pipeline_sensor(p, i, &ret->sensor) == 0;
        }
    return 0;
}

static int take_task_notice(struct pipeline *p, struct notice *ret) {
    for (size_t i = 0; i < p->parts.n_tasks; i++)
        if (task_next(p->parts.tasks[i].task, ret))
            return 1;
    return 0;
}

/* What we say of a sensor: its thread's word, or that its data is bad. */
static void judge_sensor(struct sensor_part *part, int64_t at_ns) {
    enum sensor_state state = part->report.state;
    char reason[REASON_BYTES];

    (void) snprintf(reason, sizeof(reason), "%s", part->report.reason); /* one size */
    if (state == SENSOR_RUNNING && part->health.degraded) {
        state = SENSOR_DEGRADED;
        (void) snprintf(reason, sizeof(reason), "%s", part->health.reason); /* short */
    }
    if (state == part->state && strcmp(reason, part->reason) == 0)
        return;
    if (state != part->state)
        part->since_ns = at_ns;
    part->state = state;
    (void) strcpy(part->reason, reason); /* one size */
    part->changed = true;
}

static bool take_reports(struct pipeline *p) {
    bool any = false;

    for (size_t i = 0; i < p->parts.n_sensors; i++) {
        struct sensor_part *const part = &p->parts.sensors[i];

        if (!sensor_next_report(part->sensor, &part->report))
            continue;
        any = true;
        if (!sensor_is_live(part->report.state)) /* what it delivers next is judged anew */
            part->health = (struct health){ 0 };
        judge_sensor(part, part->report.at_ns);
        for (size_t e = 0; e < p->parts.n_encoders; e++)
            if (p->parts.encoders[e].sensor == (int) i) /* it had no data until now */
                p->parts.encoders[e].moved_ns = clock_ns(&p->clock);
    }
    if (any)
        parts_tell_tasks(p);
    return any;
}

/* When a sensor that starts is to be declared lost; INT64_MAX: it does not start. */
static int64_t give_up_ns(const struct sensor_part *part) {
    return part->report.state == SENSOR_STARTING ? sensor_beat_ns(part->sensor) + OPENING_NS
                                                 : INT64_MAX;
}

/* A driver may keep the thread that opens its device for good. If it ever lets go, that is
 * reported. */
static bool give_up_opening(struct pipeline *p) {
    const int64_t now = clock_ns(&p->clock);
    bool any = false;

    for (size_t i = 0; i < p->parts.n_sensors; i++) {
        struct sensor_part *const part = &p->parts.sensors[i];

        if (give_up_ns(part) > now)
            continue;
        any = true;
        part->report.state = SENSOR_LOST;
        (void) strcpy(part->report.reason, /* fits */
                      "its driver does not answer; unplug it and plug it in again; if that does "
                      "not help, restart this machine");
        judge_sensor(part, now);
    }
    if (any)
        parts_tell_tasks(p);
    return any;
}

static void note_embedding(struct pipeline *p, struct encoder_part *part,
                           const struct embedding *e) {
    struct sensor_part *const sensor = &p->parts.sensors[part->sensor];

    part->moved_ns = clock_ns(&p->clock);
    histogram_add(&p->stages[STAGE_CAPTURE], e->capture_took_ns);
    histogram_add(&p->stages[STAGE_QUEUE], e->queue_took_ns);
    histogram_add(&p->stages[STAGE_FEATURES], e->features_took_ns);
    histogram_add(&p->stages[STAGE_ENCODE], e->encode_took_ns);
    sensor->quality = e->quality;
    sensor->quality_reason = e->quality_reason;
    if (health_note(&sensor->health, e->quality, e->quality_reason, e->tick_ns))
        judge_sensor(sensor, e->tick_ns);
}

/* The embedding of the earliest tick, so that all of a tick come before any of the next. */
static bool begin_delivery(struct pipeline *p) {
    const struct embedding *first = NULL;

    for (size_t i = 0; i < p->parts.n_encoders; i++) {
        const struct embedding *const e = encoder_take_begin(p->parts.encoders[i].encoder);

        if (e && (!first || e->tick_ns < first->tick_ns)) {
            first = e;
            p->delivering = (int) i;
        }
    }
    if (!first)
        return false;
    p->next_task = 0;
    note_embedding(p, &p->parts.encoders[p->delivering], first);
    return true;
}

/* Hand the embedding to each task that uses its encoder. Returns when it is done or a notice may be
 * due. */
static void deliver(struct pipeline *p) {
    struct encoder *const encoder = p->parts.encoders[p->delivering].encoder;
    const struct embedding *const e = encoder_take_begin(encoder);

    for (; p->next_task < p->parts.n_tasks; p->next_task++) {
        const struct task_part *const part = &p->parts.tasks[p->next_task];
        const size_t n = task_options(part->task)->bundle->n_modalities;

        for (size_t m = 0; m < n; m++)
            if (part->encoders[m] == p->delivering && !task_put(part->task, m, e))
                return; /* it decided something before: first its notices, then once more */
    }
    encoder_take_end(encoder);
    p->delivering = NOWHERE;
}

static bool meet_deadlines(struct pipeline *p) {
    const int64_t now = clock_ns(&p->clock);
    bool any = false;

    for (size_t i = 0; i < p->parts.n_tasks; i++)
        if (task_deadline_ns(p->parts.tasks[i].task) <= now) {
            task_deadline(p->parts.tasks[i].task);
            any = true;
        }
    return any;
}

/* One step of work. Returns true if there may be more, or a notice. */
static bool advance(struct pipeline *p) {
    if (take_reports(p))
        return true;
    if (p->delivering != NOWHERE || begin_delivery(p)) {
        deliver(p);
        return true;
    }
    return meet_deadlines(p) || give_up_opening(p);
}

int64_t pipeline_deadline_ns(const struct pipeline *p) {
    int64_t deadline = INT64_MAX;

    for (size_t i = 0; i < p->parts.n_tasks; i++)
        if (task_deadline_ns(p->parts.tasks[i].task) < deadline)
            deadline = task_deadline_ns(p->parts.tasks[i].task);
    return deadline;
}

/* All recordings are over and nothing more is to be decided. */
static bool has_ended(const struct pipeline *p) {
    for (size_t i = 0; i < p->parts.n_sensors; i++)
        if (p->parts.sensors[i].state != SENSOR_OFF)
            return false;
    return p->parts.n_sensors > 0 && pipeline_deadline_ns(p) == INT64_MAX;
}

static void arm(struct pipeline *p) {
    int64_t at_ns = pipeline_deadline_ns(p);
    struct itimerspec timer = { 0 };

    for (size_t i = 0; i < p->parts.n_sensors; i++)
        if (give_up_ns(&p->parts.sensors[i]) < at_ns)
            at_ns = give_up_ns(&p->parts.sensors[i]);

    if (p->clock.virtual_ns || at_ns == p->armed_ns)
        return;
    if (at_ns != INT64_MAX)
        timer.it_value = (struct timespec){ at_ns / NS_PER_S, at_ns % NS_PER_S };
    (void) timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &timer,
                           NULL); /* a valid time: cannot fail */
    p->armed_ns = at_ns;
}

static int take_notice(struct pipeline *p, struct notice *ret) {
    return take_farewell(p, ret) || take_sensor_notice(p, ret) || take_task_notice(p, ret);
}

int pipeline_next(struct pipeline *pipeline, struct notice *ret) {
    bool reset = false;
    uint64_t wakes;

    for (;;) {
        if (take_notice(pipeline, ret)) {
            if (reset) /* whoever takes only some notices finds the descriptor ready */
                pipeline_wake(pipeline);
            return 1;
        }
        if (advance(pipeline))
            continue;
        /* Nothing left: whatever is pushed after this read makes the descriptor ready again. */
        if (read(pipeline->wake_fd, &wakes, sizeof(wakes)) < 0)
            break;
        reset = true;
    }
    parts_reap(pipeline);
    if (!pipeline->ended_told && has_ended(pipeline)) {
        pipeline->ended_told = true;
        ret->kind = NOTICE_ENDED;
        return 1;
    }
    arm(pipeline);
    return 0;
}
