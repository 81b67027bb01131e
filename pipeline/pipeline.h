/* SPDX-License-Identifier: MIT */
/*
 * pipeline - sensors in, notices (events, sensor changes, scores) out.
 *
 * Owns every source, worker thread, encoder, and per-task fusion and detector.
 * Used by one thread (main): it polls pipeline_fd() and then takes notices until
 * there is none. All decisions are made inside pipeline_next(), on the caller's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"
#include "models/bundle.h"
#include "pipeline/source.h"

struct pipeline;

enum {
    NAME_BYTES = 64,    /* of sensors and tasks, with NUL */
    REASON_BYTES = 384, /* a whole fault */
    SENSORS_MAX = 16,
    TASKS_MAX = 16,
    EVENT_ID_BYTES = 40,
    STAGES_MAX = 8,
};

struct sensor_options {
    char name[NAME_BYTES];
    struct source_options source;
};

struct task_options {
    char name[NAME_BYTES];
    struct bundle
        *bundle; /* borrowed; must outlive the pipeline's use of it, see pipeline_apply() */
    char sensors[BUNDLE_MODALITIES_MAX]
                [NAME_BYTES]; /* sensor for each modality of the bundle, "" = not there */
    /* thresholds of the bundle, already overlaid by the INI */
    double unknown;
    struct detector_options detectors[BUNDLE_LABELS_MAX];
};

struct pipeline_options {
    size_t n_sensors, n_tasks;
    const struct sensor_options *sensors;
    const struct task_options *tasks;
};

enum sensor_state { SENSOR_STARTING, SENSOR_RUNNING, SENSOR_DEGRADED, SENSOR_LOST, SENSOR_OFF };
enum task_state { TASK_RUNNING, TASK_DEGRADED, TASK_STOPPED };
enum event_phase { EVENT_BEGIN, EVENT_UPDATE, EVENT_END };

/** Names as in the socket interface: "running", "degraded" ...; never NULL. */
const char *sensor_state_name(enum sensor_state state);
const char *task_state_name(enum task_state state);
const char *event_phase_name(enum event_phase phase);

/** What one modality contributed to a decision. */
struct evidence {
    char modality[BUNDLE_NAME_BYTES], sensor[NAME_BYTES];
    bool present;
    double age_ms;  /* of its embedding at the decision; meaningless if not present */
    double quality; /* 0..1 */
    const char *
        quality_reason; /* static: "dark", "frozen", "blurred", "silent", "clipped"; NULL if good */
    double share;       /* -1..1: confidence with all less confidence without this one */
};

struct stage_latency {
    const char *stage; /* static: "capture", "features", "encode", "align", "decide" ... */
    double ms;
};

struct event {
    char id[EVENT_ID_BYTES]; /* the same in begin, update, end; unique across boots */
    enum event_phase phase;
    char task[NAME_BYTES], label[BUNDLE_NAME_BYTES];
    double confidence;
    int64_t began_ns, at_ns; /* capture times (end of window) */
    size_t n_evidence;
    struct evidence evidence[BUNDLE_MODALITIES_MAX];
    double skew_ms; /* between the oldest and newest embedding used; NAN with one modality */
    size_t n_latencies;
    struct stage_latency latencies[STAGES_MAX];
    char bundle[BUNDLE_NAME_BYTES], bundle_version[BUNDLE_NAME_BYTES];
    char bundle_sha256[SHA256_HEX_BYTES];
};

struct sensor_status {
    char name[NAME_BYTES];
    enum source_kind kind;
    enum source_data data;
    char device[SOURCE_PATH_BYTES];
    enum sensor_state state;
    char reason[REASON_BYTES]; /* "" if there is none */
    int64_t since_ns;
    char format[SOURCE_FORMAT_BYTES]; /* "" until negotiated */
    char note[SOURCE_NOTE_BYTES];     /* why this device, if nobody named one; "" */
    double rate_hz;                   /* 0 until negotiated */
    double quality;
    const char *quality_reason; /* static or NULL */
    uint64_t n_gaps;            /* overruns, dropped frames, queue refusals */
    uint64_t n_lost;            /* times the device was lost */
};

struct task_status {
    char name[NAME_BYTES];
    const struct bundle *bundle; /* borrowed until the next pipeline_apply() */
    enum task_state state;
    size_t n_present;
    char present[BUNDLE_MODALITIES_MAX][BUNDLE_NAME_BYTES];
    double scores[BUNDLE_LABELS_MAX]; /* smoothed, in the order of the bundle's labels */
    bool unknown; /* the last answer was `unknown`: no score reached the task's threshold */
};

struct scores {
    char task[NAME_BYTES];
    int64_t at_ns;
    const struct bundle *bundle;      /* borrowed until the next pipeline_apply() */
    double values[BUNDLE_LABELS_MAX]; /* of this decision, in the order of the bundle's labels */
    bool unknown;                     /* the best of them is below the task's threshold */
};

enum notice_kind {
    NOTICE_EVENT,
    NOTICE_SENSOR,
    NOTICE_SCORES,
    NOTICE_ENDED /* all recordings ended */
};

struct notice {
    enum notice_kind kind;
    union {
        struct event event;
        struct sensor_status sensor; /* its state or reason changed */
        struct scores scores;
    };
};

/** One named number for Status; see pipeline_statistic(). */
struct statistic {
    const char *name; /* static: "encode_ms_p50", "windows_dropped" ... */
    double value;
};

/** An empty pipeline without sensors. Returns 0, -errno. */
int pipeline_new(struct pipeline **ret);

/** Stop all threads, end all events silently, free. NULL is allowed. Returns NULL. */
struct pipeline *pipeline_free(struct pipeline *pipeline);
DEFINE_CLEANUP(struct pipeline *, pipeline_free)

/**
 * Make it so: start what is new, stop what is gone, leave what did not change
 * running (a sensor with equal options keeps its thread and device; a task with
 * equal options and the same bundle sha256 keeps its detector state, and the
 * pipeline then refers to the new bundle pointer). Waits for the threads that go, so for as long
 * as their driver needs to close a device. When it returns, no bundle of
 * earlier options is used any more.
 * Returns 0; on -errno nothing has changed and @fault says why (a task names a
 * sensor that is not there or of the wrong kind ...).
 */
int pipeline_apply(struct pipeline *pipeline, const struct pipeline_options *options,
                   struct fault *fault);

/** Poll for POLLIN, then call pipeline_next() until it returns 0. */
int pipeline_fd(const struct pipeline *pipeline);

/** The next notice. Returns 1, 0 if there is none now, -errno (never for input's sake). */
int pipeline_next(struct pipeline *pipeline, struct notice *ret);

/** Status of sensor or task @i. Returns 0, or -ENOENT past the last. */
int pipeline_sensor(const struct pipeline *pipeline, size_t i, struct sensor_status *ret);
int pipeline_task(const struct pipeline *pipeline, size_t i, struct task_status *ret);

/** A device came or changed: sensors that are lost look for theirs at once. */
void pipeline_retry(struct pipeline *pipeline);

/** Statistic @i (per stage: median and p99 in ms, counts). Returns 0, or -ENOENT past the last. */
int pipeline_statistic(const struct pipeline *pipeline, size_t i, struct statistic *ret);

/** True while every sensor moves as far as something asks of it or is declared lost: feeds the
 * watchdog. */
bool pipeline_progresses(struct pipeline *pipeline);

/**
 * Replay under a virtual clock: all sensors are recordings with as_fast_as_possible.
 * One thread, no timers, no wall clock: sources are read in the order of their
 * capture times and @fn gets every notice. Same result each time, bit for bit.
 * Returns 0 at the end of all recordings, or what @fn returned if not 0, -errno.
 */
int pipeline_replay(const struct pipeline_options *options,
                    int (*fn)(const struct notice *notice, void *user), void *user,
                    struct fault *fault);

/** What to record from one sensor and where to. */
struct record_request {
    char sensor[NAME_BYTES];
    int fd; /* regular file or pipe, opened by the client for writing; owned by the pipeline from a
               successful call on */
};

/**
 * Start to write a sensor's data, masks applied, to the descriptor: sound as WAV (16 kHz, mono,
 * S16), pictures as Motion JPEG. A thread of its own writes; a slow or full disk loses data,
 * counted, never stops capture.
 * @ret_id  a number for pipeline_record_stop().
 * Returns 0, -ENOENT (no such sensor), -EBUSY (already recorded), -errno.
 */
int pipeline_record_start(struct pipeline *pipeline, const struct record_request *request,
                          unsigned *ret_id, struct fault *fault);

struct record_result {
    int64_t first_ns, last_ns; /* capture times of the first and last item; 0 if none came */
    uint64_t n_items;          /* blocks or frames written */
    uint64_t n_lost;           /* not written */
    int error;                 /* 0, or -errno of the write that failed, e.g. -ENOSPC */
};

/** Finish the file (WAV header), close the descriptor. Returns 0, -ENOENT. */
int pipeline_record_stop(struct pipeline *pipeline, unsigned id, struct record_result *ret);
