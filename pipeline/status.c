/* SPDX-License-Identifier: MIT */
/* What a pipeline tells of itself: states, statistics, and whether it moves. */
#include <errno.h>
#include <string.h>

#include "common/units.h"
#include "pipeline/parts.h"
#include "pipeline/pipeline.h"

const char *sensor_state_name(enum sensor_state state) {
    switch (state) {
    case SENSOR_STARTING:
        return "starting";
    case SENSOR_RUNNING:
        return "running";
    case SENSOR_DEGRADED:
        return "degraded";
    case SENSOR_LOST:
        return "lost";
    case SENSOR_OFF:
        return "off";
    }
    return "";
}

const char *task_state_name(enum task_state state) {
    switch (state) {
    case TASK_RUNNING:
        return "running";
    case TASK_DEGRADED:
        return "degraded";
    case TASK_STOPPED:
        return "stopped";
    }
    return "";
}

const char *event_phase_name(enum event_phase phase) {
    switch (phase) {
    case EVENT_BEGIN:
        return "begin";
    case EVENT_UPDATE:
        return "update";
    case EVENT_END:
        return "end";
    }
    return "";
}

int pipeline_sensor(const struct pipeline *pipeline, size_t i, struct sensor_status *ret) {
    const struct sensor_part *part;
    const struct sensor_options *options;

    if (i >= pipeline->parts.n_sensors)
        return -ENOENT;
    part = &pipeline->parts.sensors[i];
    options = sensor_options(part->sensor);
    *ret = (struct sensor_status){
        .kind = options->source.kind,
        .data = options->source.data,
        .state = part->state,
        .since_ns = part->since_ns,
        .rate_hz = part->report.rate_hz,
        .quality = part->quality,
        .quality_reason = part->quality_reason,
        .n_gaps = sensor_n_gaps(part->sensor),
        .n_lost = sensor_n_lost(part->sensor),
    };
    /* Each into an array of its own size. */
    (void) strcpy(ret->name, options->name);
    (void) strcpy(ret->reason, part->reason);
    (void) strcpy(ret->format, part->report.format);
    (void) strcpy(ret->note, part->report.note);
    (void) strcpy(ret->device,
                  part->report.device[0] ? part->report.device : options->source.device);
    return 0;
}

int pipeline_task(const struct pipeline *pipeline, size_t i, struct task_status *ret) {
    if (i >= pipeline->parts.n_tasks)
        return -ENOENT;
    task_status(pipeline->parts.tasks[i].task, ret);
    return 0;
}

enum count { COUNT_DECISIONS, COUNT_EVENTS, COUNT_ENCODED, COUNT_DROPPED, COUNT_LATE, COUNT_COUNT };

static const char *const count_names[COUNT_COUNT] = {
    [COUNT_DECISIONS] = "decisions",     [COUNT_EVENTS] = "events",
    [COUNT_ENCODED] = "windows_encoded", [COUNT_DROPPED] = "windows_dropped",
    [COUNT_LATE] = "windows_late",
};

static uint64_t count_of(const struct pipeline *p, enum count count) {
    uint64_t encoded = p->n_encoded_gone, dropped = p->n_dropped_gone;
    uint64_t decisions = p->n_decisions_gone, late = p->n_late_gone;

    for (size_t i = 0; i < p->parts.n_encoders; i++) {
        encoded += encoder_n_encoded(p->parts.encoders[i].encoder);
        dropped += encoder_n_dropped(p->parts.encoders[i].encoder);
    }
    for (size_t i = 0; i < p->parts.n_tasks; i++) {
        decisions += task_n_decisions(p->parts.tasks[i].task);
        late += task_n_late(p->parts.tasks[i].task);
    }
    switch (count) {
    case COUNT_DECISIONS:
        return decisions;
    case COUNT_EVENTS:
        return p->n_events;
    case COUNT_ENCODED:
        return encoded;
    case COUNT_DROPPED:
        return dropped;
    case COUNT_LATE:
        return late;
    case COUNT_COUNT:
        break;
    }
    return 0;
}

int pipeline_statistic(const struct pipeline *pipeline, size_t i, struct statistic *ret) {
    const size_t n_stages = STAGE_COUNT * STATS_PER_STAGE;

    if (i >= n_stages + COUNT_COUNT)
        return -ENOENT;
    if (i < n_stages)
        *ret = (struct statistic){ stats_name(i), stats_value(pipeline->stages, i) };
    else
        *ret = (struct statistic){
            count_names[i - n_stages],
            (double) count_of(pipeline, (enum count)(i - n_stages)),
        };
    return 0;
}

/* --- the watchdog --- */

/* Its patience with a thread; windows and hops come on top. */
static const int64_t PATIENCE_NS = 10 * NS_PER_S;

/* One that starts is given time, and then declared lost: a restart would only hang there again. */
static bool sensor_moves(const struct sensor_part *part, int64_t now) {
    return !sensor_is_live(part->state) || now - sensor_beat_ns(part->sensor) < PATIENCE_NS;
}

/* Data came and somebody asks for embeddings: it must give some, or drop windows for a reason. */
static bool encoder_moves(const struct pipeline *p, struct encoder_part *part, int64_t now) {
    const struct sensor_part *const sensor = &p->parts.sensors[part->sensor];
    const uint64_t n_dropped = encoder_n_dropped(part->encoder);

    if (n_dropped != part->n_dropped || !sensor_is_live(sensor->state) ||
        sensor_data_ns(sensor->sensor) <= part->moved_ns)
        part->moved_ns = now;
    part->n_dropped = n_dropped;
    return now - part->moved_ns < PATIENCE_NS + encoder_window_ns(part->encoder);
}

bool pipeline_progresses(struct pipeline *pipeline) {
    const int64_t now = clock_ns(&pipeline->clock);
    bool all = true;

    for (size_t i = 0; i < pipeline->parts.n_sensors; i++)
        all = all && sensor_moves(&pipeline->parts.sensors[i], now);
    for (size_t i = 0; i < pipeline->parts.n_encoders; i++)
        all = encoder_moves(pipeline, &pipeline->parts.encoders[i], now) && all;
    return all;
}
