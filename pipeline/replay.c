/* SPDX-License-Identifier: MIT */
/*
 * Method: discrete event simulation with one thread. The next thing to happen is the earliest of:
 * a block or frame that a recording has ready, a tick of a picture encoder, a deadline of a task.
 * Time jumps there, the same code as in the threads does it, all notices are handed out.
 */
#include <errno.h>
#include <stdbool.h>

#include "common/units.h"
#include "pipeline/parts.h"
#include "pipeline/pipeline.h"

/* Recordings without a time of their own begin here: a multiple of any hop of whole ms. */
#define REPLAY_START_NS (1000 * NS_PER_S)

struct replay {
    struct pipeline *pipeline;
    struct sensor_options sensors[SENSORS_MAX];
    int (*fn)(const struct notice *notice, void *user);
    void *user;
    int64_t last_data_ns; /* when data last came */
    bool is_due;          /* the last step let time pass up to something due */
};

static int prepare(struct replay *r, const struct pipeline_options *options, struct fault *fault) {
    struct pipeline_options changed = *options;
    int64_t start_ns = INT64_MAX;
    int e;

    if (options->n_sensors > SENSORS_MAX)
        return fault_set(fault, -EINVAL, "at most %d sensors", SENSORS_MAX);
    for (size_t i = 0; i < options->n_sensors; i++) {
        struct source_options *const source = &r->sensors[i].source;

        r->sensors[i] = options->sensors[i];
        if (source->kind != SOURCE_RECORDING || source->loop)
            return fault_set(fault, -EINVAL, "sensor %s: only recordings that end can be replayed",
                             r->sensors[i].name);
        if (source->start_ns == 0)
            source->start_ns = REPLAY_START_NS;
        start_ns = source->start_ns < start_ns ? source->start_ns : start_ns;
    }
    changed.sensors = r->sensors;
    e = pipeline_new_at(start_ns < INT64_MAX ? start_ns : REPLAY_START_NS, &r->pipeline);
    if (e < 0)
        return e;
    e = pipeline_apply(r->pipeline, &changed, fault);
    r->pipeline->ended_told = true; /* we tell it ourselves */
    return e;
}

static int open_all(struct pipeline *p, struct fault *fault) {
    for (size_t i = 0; i < p->parts.n_sensors; i++) {
        const int r = sensor_open(p->parts.sensors[i].sensor, fault);

        if (r < 0)
            return r;
    }
    return 0;
}

/* The sensor whose data comes next; NULL if all have ended. */
static struct sensor *next_sensor(const struct pipeline *p, int64_t *ret_ns) {
    struct sensor *first = NULL;

    *ret_ns = INT64_MAX;
    for (size_t i = 0; i < p->parts.n_sensors; i++) {
        const int64_t at_ns = sensor_next_ns(p->parts.sensors[i].sensor);

        if (at_ns < *ret_ns) {
            *ret_ns = at_ns;
            first = p->parts.sensors[i].sensor;
        }
    }
    return first;
}

static int64_t next_due_ns(const struct pipeline *p) {
    int64_t due_ns = pipeline_deadline_ns(p);

    for (size_t i = 0; i < p->parts.n_encoders; i++)
        if (encoder_due_ns(p->parts.encoders[i].encoder) < due_ns)
            due_ns = encoder_due_ns(p->parts.encoders[i].encoder);
    return due_ns;
}

static int64_t longest_hop_ns(const struct pipeline *p) {
    int64_t hop_ns = 0;

    for (size_t i = 0; i < p->parts.n_encoders; i++)
        if (encoder_hop_ns(p->parts.encoders[i].encoder) > hop_ns)
            hop_ns = encoder_hop_ns(p->parts.encoders[i].encoder);
    return hop_ns;
}

/* A picture encoder's tick is only due when all data of that instant has been read. */
static void pump(struct replay *r) {
    for (size_t i = 0; i < r->pipeline->parts.n_encoders; i++) {
        struct encoder *const encoder = r->pipeline->parts.encoders[i].encoder;

        if (r->is_due || encoder_due_ns(encoder) == INT64_MAX)
            encoder_pump(encoder);
    }
}

static int hand_out(struct replay *r) {
    struct notice notice;
    int e;

    pump(r);
    while ((e = pipeline_next(r->pipeline, &notice)) > 0) {
        e = r->fn(&notice, r->user);
        if (e != 0)
            return e;
    }
    return e;
}

/* Read what comes next, or only let time pass. Returns 0, 1 at the end of all, -errno. */
static int step(struct replay *r, struct fault *fault) {
    struct pipeline *const p = r->pipeline;
    const int64_t due_ns = next_due_ns(p);
    int64_t data_ns;
    struct sensor *const sensor = next_sensor(p, &data_ns);
    int e;

    if (!sensor && pipeline_deadline_ns(p) == INT64_MAX &&
        (due_ns == INT64_MAX || due_ns > r->last_data_ns + longest_hop_ns(p)))
        return 1;
    r->is_due = due_ns < data_ns;
    if (r->is_due) {
        p->virtual_ns = due_ns > p->virtual_ns ? due_ns : p->virtual_ns;
        return 0;
    }
    p->virtual_ns = data_ns > p->virtual_ns ? data_ns : p->virtual_ns;
    r->last_data_ns = p->virtual_ns;
    e = sensor_read(sensor, fault);
    return e == -ENODATA || e >= 0 ? 0 : e;
}

static int run(struct replay *r, struct fault *fault) {
    int e;

    r->last_data_ns = r->pipeline->virtual_ns;
    do {
        e = hand_out(r);
        if (e != 0)
            return e;
        e = step(r, fault);
    } while (e == 0);
    if (e < 0)
        return e;
    return r->fn(&(struct notice){ .kind = NOTICE_ENDED }, r->user);
}

int pipeline_replay(const struct pipeline_options *options,
                    int (*fn)(const struct notice *notice, void *user), void *user,
                    struct fault *fault) {
    struct replay *replay;
    int r;

    replay = calloc(1, sizeof(*replay));
    if (!replay)
        return -ENOMEM;
    replay->fn = fn;
    replay->user = user;
    r = prepare(replay, options, fault);
    if (r == 0)
        r = open_all(replay->pipeline, fault);
    if (r == 0)
        r = run(replay, fault);
    (void) pipeline_free(replay->pipeline); /* always NULL */
    free(replay);
    return r;
}
