/* SPDX-License-Identifier: MIT */
/*
 * sensor - one camera, microphone or recording and the thread that captures from it.
 *
 * The thread opens the source, hands what it delivers to the taps, and opens it again
 * with a growing pause when it is lost: a lost sensor is a state, not an error. It
 * reports its state by queue; the functions below are for main.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"
#include "pipeline/clock.h"
#include "pipeline/pipeline.h"
#include "pipeline/tap.h"

struct sensor;

enum { TAPS_MAX = 50 }; /* an encoder per task, a recorder and looks, and as many being given up */

/** A change of state as the capture thread saw it. */
struct sensor_report {
    enum sensor_state state;
    char reason[REASON_BYTES];
    char device[SOURCE_PATH_BYTES];
    char format[SOURCE_FORMAT_BYTES];
    char note[SOURCE_NOTE_BYTES];
    double rate_hz;
    int64_t at_ns;
};

/**
 * Make the sensor, with its thread (which waits for sensor_go()) unless the clock is virtual.
 * @wake_fd  eventfd written with each report; must outlive the sensor, as @clock.
 * Returns 0, -ENOMEM, -EAGAIN, -EMFILE.
 */
int sensor_new(const struct sensor_options *options, int wake_fd, const struct clock *clock,
               struct sensor **ret);

/** Stop and wait for the thread, close the source. NULL is allowed. Returns NULL. */
struct sensor *sensor_free(struct sensor *sensor);
DEFINE_CLEANUP(struct sensor *, sensor_free)

/** Ask the thread to stop, without waiting; sensor_ended() says when sensor_free() will not wait
 * either. The thread writes to the wake_fd when it ends. */
void sensor_stop(struct sensor *sensor);
bool sensor_ended(const struct sensor *sensor);

/** Let the thread open the source. */
void sensor_go(struct sensor *sensor);

/** A device came: if this one is lost, look for it at once instead of after the pause. */
void sensor_retry(struct sensor *sensor);

const struct sensor_options *sensor_options(const struct sensor *sensor);

/** The next change of state. Returns 1, or 0 if there is none. */
int sensor_next_report(struct sensor *sensor, struct sensor_report *ret);

/** Number of taps that could be set up now. */
size_t sensor_n_free_taps(const struct sensor *sensor);

/** Set up a tap. Returns it, or NULL if none is free. */
struct tap *sensor_add_tap(struct sensor *sensor, const struct tap_options *options);

/** Retire a tap; what it points to must stay until tap_busy() is false or the sensor is freed. */
void sensor_remove_tap(struct sensor *sensor, struct tap *tap);

/** Overruns, dropped frames, refused blocks; times the device was lost. */
uint64_t sensor_n_gaps(const struct sensor *sensor);
uint64_t sensor_n_lost(const struct sensor *sensor);

/** When the capture thread last came by (CLOCK_MONOTONIC), and when data last came (0: never). */
int64_t sensor_beat_ns(const struct sensor *sensor);
int64_t sensor_data_ns(const struct sensor *sensor);

/** Virtual clock only: open now. As source_open(). */
int sensor_open(struct sensor *sensor, struct fault *fault);

/** Virtual clock only: time of what comes next, INT64_MAX at the end. */
int64_t sensor_next_ns(const struct sensor *sensor);

/** Virtual clock only: hand what comes next to the taps. As source_read(); -ENODATA at the end. */
int sensor_read(struct sensor *sensor, struct fault *fault);
