/* SPDX-License-Identifier: MIT */
/* The recordings of a pipeline: which recorder is on which sensor's tap. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"
#include "pipeline/parts.h"
#include "pipeline/pipeline.h"
#include "pipeline/pixels.h"
#include "pipeline/recorder.h"

enum {
    /* Room for a frame before the camera has told its size. */
    LEAST_WIDTH_PX = 1920,
    LEAST_HEIGHT_PX = 1080,
};

/* The queue holds whole frames of what was asked for, RGB24 at most. */
static size_t frame_room(const struct source_options *source) {
    const int32_t width = source->width_px > LEAST_WIDTH_PX ? source->width_px : LEAST_WIDTH_PX;
    const int32_t height =
        source->height_px > LEAST_HEIGHT_PX ? source->height_px : LEAST_HEIGHT_PX;

    return source->data == SOURCE_PICTURE ? pixels_bytes(PIXEL_RGB24, width, height) : 0;
}

static struct recording_part *find(struct pipeline *p, const char *sensor) {
    for (size_t i = 0; i < SENSORS_MAX; i++)
        if (p->recordings[i].recorder && !p->recordings[i].stopped &&
            strcmp(p->recordings[i].sensor, sensor) == 0)
            return &p->recordings[i];
    return NULL;
}

static struct recording_part *find_free(struct pipeline *p) {
    for (size_t i = 0; i < SENSORS_MAX; i++)
        if (!p->recordings[i].recorder)
            return &p->recordings[i];
    return NULL;
}

/* Without a tap nothing comes; that is how a recording waits for its sensor. */
static void attach(struct pipeline *p, struct recording_part *part) {
    const int sensor = parts_find_sensor(&p->parts, part->sensor);
    const struct tap_options tap = recorder_tap(part->recorder);

    if (sensor != NOWHERE &&
        sensor_options(p->parts.sensors[sensor].sensor)->source.data == part->data)
        part->tap = sensor_add_tap(p->parts.sensors[sensor].sensor, &tap);
}

int pipeline_record_start(struct pipeline *pipeline, const struct record_request *request,
                          unsigned *ret_id, struct fault *fault) {
    const int sensor = parts_find_sensor(&pipeline->parts, request->sensor);
    struct recording_part *const part = find_free(pipeline);
    const struct source_options *source;
    struct recorder *recorder;
    int r;

    if (sensor == NOWHERE)
        return fault_set(fault, -ENOENT, "there is no sensor called %s", request->sensor);
    if (find(pipeline, request->sensor))
        return fault_set(fault, -EBUSY, "sensor %s is already being recorded", request->sensor);
    if (!part || sensor_n_free_taps(pipeline->parts.sensors[sensor].sensor) == 0)
        return fault_set(fault, -EBUSY, "sensor %s: too many recordings", request->sensor);
    source = &sensor_options(pipeline->parts.sensors[sensor].sensor)->source;
    r = recorder_new(request->fd, source->data, frame_room(source), request->sensor, &recorder,
                     fault);
    if (r < 0)
        return r;
    *part = (struct recording_part){ .recorder = recorder,
                                     .id = ++pipeline->n_recordings,
                                     .data = source->data };
    (void) strcpy(part->sensor, request->sensor); /* arrays of one size */
    attach(pipeline, part);
    *ret_id = part->id;
    return 0;
}

static uint64_t tap_n_lost(const struct tap *tap) {
    return tap ? atomic_load_explicit(&tap->n_lost, memory_order_relaxed)
               : 0; /* a count on its own */
}

int pipeline_record_stop(struct pipeline *pipeline, unsigned id, struct record_result *ret) {
    for (size_t i = 0; i < SENSORS_MAX; i++) {
        struct recording_part *const part = &pipeline->recordings[i];
        const int sensor = parts_find_sensor(&pipeline->parts, part->sensor);

        if (!part->recorder || part->stopped || part->id != id)
            continue;
        if (part->tap) /* its sensor is there as long as the tap is */
            sensor_remove_tap(pipeline->parts.sensors[sensor].sensor, part->tap);
        recorder_stop(part->recorder, ret);
        ret->n_lost += part->n_lost + tap_n_lost(part->tap);
        part->stopped = true;
        recordings_reap(pipeline);
        return 0;
    }
    return -ENOENT;
}

void recordings_detach(struct pipeline *p, const struct sensor *sensor) {
    for (size_t i = 0; i < SENSORS_MAX; i++) {
        struct recording_part *const part = &p->recordings[i];

        /* By name: other sensors of p->parts may be gone already. */
        if (!part->recorder || strcmp(part->sensor, sensor_options(sensor)->name) != 0)
            continue;
        part->n_lost += tap_n_lost(part->tap);
        part->tap = NULL;
    }
}

void recordings_attach(struct pipeline *p) {
    for (size_t i = 0; i < SENSORS_MAX; i++)
        if (p->recordings[i].recorder && !p->recordings[i].stopped && !p->recordings[i].tap)
            attach(p, &p->recordings[i]);
}

void recordings_reap(struct pipeline *p) {
    for (size_t i = 0; i < SENSORS_MAX; i++) {
        struct recording_part *const part = &p->recordings[i];

        if (part->stopped && !(part->tap && tap_busy(part->tap)))
            *part = (struct recording_part){ .recorder = recorder_free(part->recorder) };
    }
}

void recordings_free(struct pipeline *p) {
    for (size_t i = 0; i < SENSORS_MAX; i++)
        p->recordings[i].recorder = recorder_free(p->recordings[i].recorder);
}
