/* SPDX-License-Identifier: MIT */
#include "pipeline/parts.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"

/* --- what is equal --- */

static bool same_masks(const struct source_options *a, const struct source_options *b) {
    if (a->n_masks != b->n_masks)
        return false;
    for (size_t i = 0; i < a->n_masks; i++)
        if (a->masks[i].x != b->masks[i].x || a->masks[i].y != b->masks[i].y ||
            a->masks[i].width != b->masks[i].width || a->masks[i].height != b->masks[i].height)
            return false;
    return true;
}

static bool same_source(const struct source_options *a, const struct source_options *b) {
    return a->kind == b->kind && a->data == b->data && strcmp(a->device, b->device) == 0 &&
           strcmp(a->format, b->format) == 0 && a->width_px == b->width_px &&
           a->height_px == b->height_px && a->rate_hz == b->rate_hz && a->channel == b->channel &&
           same_masks(a, b) && a->loop == b->loop &&
           a->as_fast_as_possible == b->as_fast_as_possible && a->start_ns == b->start_ns;
}

int parts_find_sensor(const struct parts *parts, const char *name) {
    for (size_t i = 0; i < parts->n_sensors; i++)
        if (strcmp(sensor_options(parts->sensors[i].sensor)->name, name) == 0)
            return (int) i;
    return NOWHERE;
}

/* --- planning: nothing of the present parts is touched --- */

static int plan_sensor(struct pipeline *p, const struct sensor_options *options, struct parts *next,
                       struct fault *fault) {
    struct sensor_part *const part = &next->sensors[next->n_sensors];
    const int present = parts_find_sensor(&p->parts, options->name);
    int r;

    if (!options->name[0])
        return fault_set(fault, -EINVAL, "a sensor has no name");
    if (parts_find_sensor(next, options->name) != NOWHERE)
        return fault_set(fault, -EINVAL, "two sensors are called %s", options->name);
    if (options->source.as_fast_as_possible != (p->clock.virtual_ns != NULL))
        return fault_set(fault, -EINVAL,
                         "recording %s: clock = virtual is for replays, where all sensors are such",
                         options->name);
    if (present != NOWHERE &&
        same_source(&sensor_options(p->parts.sensors[present].sensor)->source, &options->source)) {
        *part = p->parts.sensors[present];
        part->fresh = false;
        next->n_sensors++;
        return 0;
    }
    *part = (struct sensor_part){
        .fresh = true,
        .changed = true,
        .state = SENSOR_STARTING,
        .quality = 1,
        .since_ns = clock_ns(&p->clock),
    };
    r = sensor_new(options, p->wake_fd, &p->clock, &part->sensor);
    if (r < 0)
        return fault_set(fault, r, "sensor %s: cannot be started: %s", options->name, strerror(-r));
    next->n_sensors++;
    return 0;
}

static bool kind_fits(enum modality_kind kind, enum source_data data) {
    return (kind == MODALITY_SOUND) == (data == SOURCE_SOUND);
}

/* The index of an encoder that does what is asked on that sensor, or NOWHERE. */
static int find_encoder(const struct parts *parts, const struct sensor *sensor,
                        const struct encoder_options *options) {
    for (size_t i = 0; i < parts->n_encoders; i++)
        if (parts->sensors[parts->encoders[i].sensor].sensor == sensor &&
            encoder_fits(parts->encoders[i].encoder, options))
            return (int) i;
    return NOWHERE;
}

/* Returns the index of the encoder in @next, or -errno. */
static int plan_encoder(struct pipeline *p, int sensor, const struct encoder_options *options,
                        struct parts *next, struct fault *fault) {
    struct encoder_part *const part = &next->encoders[next->n_encoders];
    const struct sensor *const s = next->sensors[sensor].sensor;
    int i, r;

    i = find_encoder(next, s, options);
    if (i != NOWHERE)
        return i;
    i = find_encoder(&p->parts, s, options);
    if (i != NOWHERE) {
        *part = p->parts.encoders[i];
        part->fresh = false;
    } else {
        *part = (struct encoder_part){ .fresh = true };
        r = encoder_new(options, sensor_options(s)->name, p->wake_fd, &p->clock, &part->encoder,
                        fault);
        if (r < 0)
            return r;
    }
    part->sensor = sensor;
    return (int) next->n_encoders++;
}

static int plan_modality(struct pipeline *p, const struct task_options *options, size_t i,
                         struct parts *next, struct fault *fault) {
    const struct modality *const m = &options->bundle->modalities[i];
    const struct encoder_options encoder = { .modality = m,
                                             .hop_ns = task_hop_ns(options->bundle, i) };
    struct task_part *const part = &next->tasks[next->n_tasks];
    const int sensor = parts_find_sensor(next, options->sensors[i]);
    int r;

    part->sensors[i] = part->encoders[i] = NOWHERE;
    if (!options->sensors[i][0])
        return 0;
    if (sensor == NOWHERE)
        return fault_set(fault, -EINVAL, "task %s: there is no sensor called %s", options->name,
                         options->sensors[i]);
    if (!kind_fits(m->kind, sensor_options(next->sensors[sensor].sensor)->source.data))
        return fault_set(fault, -EINVAL,
                         "task %s: sensor %s does not deliver what modality %s needs",
                         options->name, options->sensors[i], m->name);
    if (encoder.hop_ns <= 0)
        return fault_set(fault, -EINVAL, "task %s: modality %s has no hop", options->name, m->name);
    r = plan_encoder(p, sensor, &encoder, next, fault);
    if (r < 0)
        return r;
    part->sensors[i] = sensor;
    part->encoders[i] = r;
    return 0;
}

static int find_task(const struct parts *parts, const char *name) {
    for (size_t i = 0; i < parts->n_tasks; i++)
        if (strcmp(task_options(parts->tasks[i].task)->name, name) == 0)
            return (int) i;
    return NOWHERE;
}

static int plan_task(struct pipeline *p, const struct task_options *options, struct parts *next,
                     struct fault *fault) {
    struct task_part *const part = &next->tasks[next->n_tasks];
    const int present = find_task(&p->parts, options->name);
    int r;

    *part = (struct task_part){ .fresh = true };
    if (!options->name[0] || !options->bundle)
        return fault_set(fault, -EINVAL, "a task has no name or no bundle");
    if (find_task(next, options->name) != NOWHERE)
        return fault_set(fault, -EINVAL, "two tasks are called %s", options->name);
    for (size_t i = 0; i < options->bundle->n_modalities; i++) {
        r = plan_modality(p, options, i, next, fault);
        if (r < 0)
            return r;
    }
    if (present != NOWHERE && task_fits(p->parts.tasks[present].task, options)) {
        part->task = p->parts.tasks[present].task;
        part->fresh = false;
    } else {
        r = task_new(options, &p->host, &part->task, fault);
        if (r < 0)
            return r;
    }
    next->n_tasks++;
    return 0;
}

/* Every fresh encoder needs a tap of its sensor, and whoever goes needs a place to wait in. */
static int check_room(const struct pipeline *p, const struct parts *next, struct fault *fault) {
    size_t n_wanted[SENSORS_MAX] = { 0 };

    for (size_t i = 0; i < next->n_encoders; i++)
        n_wanted[next->encoders[i].sensor] += next->encoders[i].fresh;
    for (size_t i = 0; i < next->n_sensors; i++)
        if (n_wanted[i] > sensor_n_free_taps(next->sensors[i].sensor))
            return fault_set(fault, -EBUSY, "sensor %s: too many changes at once, try again",
                             sensor_options(next->sensors[i].sensor)->name);
    if (p->n_retired + p->parts.n_encoders > RETIRED_MAX)
        return fault_set(fault, -EBUSY, "too much is still stopping, try again");
    return 0;
}

static int plan_all(struct pipeline *p, const struct pipeline_options *options, struct parts *next,
                    struct fault *fault) {
    int r;

    for (size_t i = 0; i < options->n_sensors; i++) {
        r = plan_sensor(p, &options->sensors[i], next, fault);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < options->n_tasks; i++) {
        r = plan_task(p, &options->tasks[i], next, fault);
        if (r < 0)
            return r;
    }
    return check_room(p, next, fault);
}

int parts_plan(struct pipeline *p, const struct pipeline_options *options, struct parts *ret,
               struct fault *fault) {
    int r;

    if (options->n_sensors > SENSORS_MAX || options->n_tasks > TASKS_MAX)
        return fault_set(fault, -EINVAL, "at most %d sensors and %d tasks", SENSORS_MAX, TASKS_MAX);
    ret->n_sensors = ret->n_encoders = ret->n_tasks = 0;
    r = plan_all(p, options, ret, fault);
    if (r < 0)
        parts_drop_fresh(ret);
    return r;
}

void parts_drop_fresh(struct parts *next) {
    for (size_t i = 0; i < next->n_tasks; i++)
        if (next->tasks[i].fresh)
            next->tasks[i].task = task_free(next->tasks[i].task);
    for (size_t i = 0; i < next->n_encoders; i++)
        if (next->encoders[i].fresh)
            next->encoders[i].encoder = encoder_free(next->encoders[i].encoder);
    for (size_t i = 0; i < next->n_sensors; i++)
        if (next->sensors[i].fresh)
            next->sensors[i].sensor = sensor_free(next->sensors[i].sensor);
    next->n_sensors = next->n_encoders = next->n_tasks = 0;
}

/* --- switching: nothing here can fail --- */

static void say_farewell(struct pipeline *p, const struct notice *notice) {
    struct notice *const more = realloc(p->farewells, (p->n_farewells + 1) * sizeof(*p->farewells));

    if (!more)
        return; /* out of memory: the end of an event of a task that is gone is not told */
    p->farewells = more;
    p->farewells[p->n_farewells++] = *notice;
}

static bool has_task(const struct parts *parts, const struct task *task) {
    for (size_t i = 0; i < parts->n_tasks; i++)
        if (parts->tasks[i].task == task)
            return true;
    return false;
}

static bool has_encoder(const struct parts *parts, const struct encoder *encoder) {
    for (size_t i = 0; i < parts->n_encoders; i++)
        if (parts->encoders[i].encoder == encoder)
            return true;
    return false;
}

static bool has_sensor(const struct parts *parts, const struct sensor *sensor) {
    for (size_t i = 0; i < parts->n_sensors; i++)
        if (parts->sensors[i].sensor == sensor)
            return true;
    return false;
}

/* Events only: scores refer to a bundle that may go. */
static void keep_events(struct pipeline *p, struct task *task) {
    struct notice notice;

    while (task_next(task, &notice))
        if (notice.kind == NOTICE_EVENT)
            say_farewell(p, &notice);
}

static void drop_tasks(struct pipeline *p, const struct parts *next) {
    for (size_t i = 0; i < p->parts.n_tasks; i++) {
        struct task *const task = p->parts.tasks[i].task;

        if (has_task(next, task))
            continue;
        keep_events(p, task);
        task_finish(task);
        keep_events(p, task);
        p->n_decisions_gone += task_n_decisions(task);
        p->n_late_gone += task_n_late(task);
        (void) task_free(task); /* always NULL */
    }
}

static void drop_encoders(struct pipeline *p, const struct parts *next) {
    for (size_t i = 0; i < p->parts.n_encoders; i++) {
        const struct encoder_part *const part = &p->parts.encoders[i];
        struct sensor *const sensor = p->parts.sensors[part->sensor].sensor;

        if (has_encoder(next, part->encoder))
            continue;
        sensor_remove_tap(sensor, part->tap);
        encoder_stop(part->encoder);
        p->n_encoded_gone += encoder_n_encoded(part->encoder);
        p->n_dropped_gone += encoder_n_dropped(part->encoder);
        p->retired[p->n_retired++] =
            (struct retired){ .encoder = part->encoder, .tap = part->tap, .sensor = sensor };
    }
}

/* Its taps go with it, so nobody needs to wait for them. */
static void forget_taps(struct pipeline *p, const struct sensor *sensor) {
    for (size_t i = 0; i < p->n_retired; i++)
        if (p->retired[i].sensor == sensor) {
            p->retired[i].sensor = NULL;
            p->retired[i].tap = NULL;
        }
    recordings_detach(p, sensor);
    looks_detach(p, sensor);
}

static void drop_sensors(struct pipeline *p, const struct parts *next) {
    for (size_t i = 0; i < p->parts.n_sensors; i++) {
        struct sensor *const sensor = p->parts.sensors[i].sensor;
        struct notice notice = { .kind = NOTICE_SENSOR };

        if (has_sensor(next, sensor))
            continue;
        (void) pipeline_sensor(p, i, &notice.sensor); /* it is there */
        notice.sensor.state = SENSOR_OFF;
        notice.sensor.since_ns = clock_ns(&p->clock);
        (void) snprintf(notice.sensor.reason, REASON_BYTES, "no longer configured"); /* fits */
        if (parts_find_sensor(next, notice.sensor.name) == NOWHERE)
            say_farewell(p, &notice);
        forget_taps(p, sensor);
        (void) sensor_free(sensor); /* always NULL */
    }
}

static void start_fresh(struct pipeline *p, struct parts *next) {
    for (size_t i = 0; i < next->n_encoders; i++) {
        struct encoder_part *const part = &next->encoders[i];
        const struct tap_options tap = encoder_tap(part->encoder);

        if (!part->fresh)
            continue;
        part->tap = sensor_add_tap(next->sensors[part->sensor].sensor, &tap);
        assert(part->tap); /* check_room() counted */
        part->moved_ns = clock_ns(&p->clock);
    }
    for (size_t i = 0; i < next->n_sensors; i++)
        if (next->sensors[i].fresh)
            sensor_go(next->sensors[i].sensor);
}

void parts_tell_tasks(struct pipeline *p) {
    for (size_t i = 0; i < p->parts.n_tasks; i++) {
        const struct task_part *const part = &p->parts.tasks[i];
        unsigned live = 0;

        for (size_t m = 0; m < BUNDLE_MODALITIES_MAX; m++)
            if (part->encoders[m] != NOWHERE && part->task &&
                m < task_options(part->task)->bundle->n_modalities &&
                sensor_is_live(p->parts.sensors[part->sensors[m]].state))
                live |= 1U << m;
        task_set_live(part->task, live);
    }
}

void parts_switch(struct pipeline *p, struct parts *next, const struct pipeline_options *options) {
    if (p->delivering !=
        NOWHERE) /* its tasks may be others now; at most one decision is affected */
        encoder_take_end(p->parts.encoders[p->delivering].encoder);
    p->delivering = NOWHERE;
    drop_tasks(p, next);
    drop_encoders(p, next);
    drop_sensors(p, next);
    parts_reap(p);
    for (size_t i = 0; i < next->n_tasks; i++)
        task_rebind(next->tasks[i].task, options->tasks[i].bundle);
    start_fresh(p, next);
    p->parts = *next;
    p->ended_told = false;
    parts_tell_tasks(p); /* a new task on a sensor that runs: it will not be reported again */
    recordings_attach(p);
    looks_attach(p);
    pipeline_wake(p); /* for what there is to say of those that went and came */
}

void parts_reap(struct pipeline *p) {
    size_t n = 0;

    for (size_t i = 0; i < p->n_retired; i++)
        if (p->retired[i].tap && tap_busy(p->retired[i].tap))
            p->retired[n++] = p->retired[i];
        else
            (void) encoder_free(p->retired[i].encoder); /* always NULL */
    p->n_retired = n;
    recordings_reap(p);
    looks_reap(p);
}
