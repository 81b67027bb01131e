/* SPDX-License-Identifier: MIT */
/*
 * parts - what a pipeline is made of; for pipeline.c, parts.c, replay.c, record.c and look.c only.
 *
 * Sensors, encoders and tasks refer to each other by index. parts_plan() makes the next
 * set from the present one, sharing what did not change; parts_switch() cannot fail.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/fault.h"
#include "pipeline/clock.h"
#include "pipeline/encoder.h"
#include "pipeline/health.h"
#include "pipeline/look.h"
#include "pipeline/pipeline.h"
#include "pipeline/sensor.h"
#include "pipeline/stats.h"
#include "pipeline/task.h"

struct recorder;

enum {
    ENCODERS_MAX = TASKS_MAX * BUNDLE_MODALITIES_MAX,
    RETIRED_MAX = 2 * ENCODERS_MAX,
    NOWHERE = -1,
    ID_PREFIX_BYTES = 17, /* 64 random bits in hex */
};

struct sensor_part {
    struct sensor *sensor;
    bool fresh;                  /* made by this plan */
    bool changed;                /* a notice is due */
    struct sensor_report report; /* the capture thread's last word */
    struct health health;
    double quality;
    const char *quality_reason;
    int64_t since_ns;        /* of what we last told */
    enum sensor_state state; /* the report's, or degraded by quality */
    char reason[REASON_BYTES];
};

struct encoder_part {
    struct encoder *encoder;
    bool fresh;
    int sensor; /* index */
    struct tap *tap;
    int64_t moved_ns;   /* for the watchdog: it gave something, or could not have */
    uint64_t n_dropped; /* as of moved_ns */
};

struct task_part {
    struct task *task;
    bool fresh;
    int sensors[BUNDLE_MODALITIES_MAX];  /* index or NOWHERE */
    int encoders[BUNDLE_MODALITIES_MAX]; /* index or NOWHERE */
};

struct parts {
    size_t n_sensors, n_encoders, n_tasks;
    struct sensor_part sensors[SENSORS_MAX];
    struct encoder_part encoders[ENCODERS_MAX];
    struct task_part tasks[TASKS_MAX];
};

/** An encoder that has stopped, whose tap the capture thread has not given up yet. */
struct retired {
    struct encoder *encoder;
    struct tap *tap;
    const struct sensor *sensor;
};

struct recording_part {
    struct recorder *recorder; /* NULL: this place is free */
    bool stopped;              /* only waits for its tap to be given up */
    unsigned id;
    char sensor[NAME_BYTES];
    enum source_data data;
    struct tap *tap; /* NULL while the sensor is not there */
    uint64_t n_lost; /* by taps before this one */
};

struct look_part {
    unsigned id;  /* 0: this place is free */
    bool stopped; /* only waits for its tap to be given up, or its own sensor's thread to end */
    char sensor[NAME_BYTES];
    enum source_data data;
    struct sensor *own;          /* of a device that is no sensor of the pipeline, or NULL */
    struct sensor_report report; /* own's last word */
    struct tap *tap;             /* NULL while the sensor is not there */
    struct queue *blocks;        /* SOURCE_SOUND: capture thread -> main, of struct heard */
    struct latest *views;        /* SOURCE_PICTURE: capture thread -> main, of struct seen */
    const struct seen *seen;     /* the last that was taken */
};

struct pipeline {
    struct clock clock;
    int64_t virtual_ns; /* replay only */
    int epoll_fd, wake_fd, timer_fd;
    int64_t armed_ns; /* what timer_fd is set to */
    struct task_host host;
    struct parts parts;
    size_t n_retired;
    struct retired retired[RETIRED_MAX];
    struct recording_part recordings[SENSORS_MAX];
    unsigned n_recordings; /* started so far, for ids */
    struct look_part looks[LOOKS_MAX];
    unsigned n_looks; /* as above */

    /* What parts_switch() has to say about those that went. */
    struct notice *farewells; /* [n_farewells] */
    size_t n_farewells, next_farewell;

    int delivering;   /* encoder whose oldest embedding is being handed to tasks, or NOWHERE */
    size_t next_task; /* who gets it next */
    bool ended_told;

    struct histogram stages[STAGE_COUNT];
    char id_prefix[ID_PREFIX_BYTES];
    uint64_t n_events;
    uint64_t n_encoded_gone, n_dropped_gone, n_decisions_gone, n_late_gone; /* of parts that went */
};

/** pipeline_new() with a virtual clock that stands at @virtual_ns, or with the real one if that is
 * 0. */
int pipeline_new_at(int64_t virtual_ns, struct pipeline **ret);

/**
 * Make the parts that @options ask for; what is equal to a present part is shared with it.
 * @ret  written on success only; free what is fresh with parts_drop_fresh(), or switch.
 * Returns 0, -EINVAL, -ENOTSUP, -EBUSY (too much is still stopping), -ENOMEM, -EAGAIN.
 */
int parts_plan(struct pipeline *p, const struct pipeline_options *options, struct parts *ret,
               struct fault *fault);

/** Free what a plan made. */
void parts_drop_fresh(struct parts *next);

/** Make @next the pipeline's parts: stop and free what is not in it, start what is fresh. */
void parts_switch(struct pipeline *p, struct parts *next, const struct pipeline_options *options);

/** Tell all tasks which of their sensors are running. */
void parts_tell_tasks(struct pipeline *p);

/** Make pipeline_fd() ready. */
void pipeline_wake(struct pipeline *p);

/** Free stopped encoders and recorders whose tap has been given up. */
void parts_reap(struct pipeline *p);

/** When the next decision must be made, INT64_MAX: nothing is waited for. */
int64_t pipeline_deadline_ns(const struct pipeline *p);

static inline bool sensor_is_live(enum sensor_state state) {
    return state == SENSOR_RUNNING || state == SENSOR_DEGRADED;
}

/** Index of the sensor called @name in @parts, or NOWHERE. */
int parts_find_sensor(const struct parts *parts, const char *name);

/** Recorders: detach from a sensor that goes away; attach to one that came. */
void recordings_detach(struct pipeline *p, const struct sensor *sensor);
void recordings_attach(struct pipeline *p);

/** Free stopped recorders whose tap has been given up. */
void recordings_reap(struct pipeline *p);

/** Stop and free all; no sensor is left. */
void recordings_free(struct pipeline *p);

/** The same for looks. */
void looks_detach(struct pipeline *p, const struct sensor *sensor);
void looks_attach(struct pipeline *p);
void looks_reap(struct pipeline *p);
void looks_free(struct pipeline *p);

/** Let the encoders of sensors that are looked at keep copies, and no others. */
void looks_show(struct pipeline *p);
