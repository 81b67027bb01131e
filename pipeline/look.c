/* SPDX-License-Identifier: MIT */
/* The looks of a pipeline: which tap of which sensor each one reads. */
#include "pipeline/look.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"
#include "pipeline/parts.h"

enum {
    BLOCKS = 128, /* 1.28 s of sound: more than passes between two looks */
    FULL_SCALE = 32768,
    CLIPPED_FROM = FULL_SCALE - 64, /* as quality.h */
    CHANNELS = 3,
};

static const double LEAST_DB = -96; /* of 16 bits */

static const struct picture_features view_features = {
    .width_px = LOOK_WIDTH_PX,
    .height_px = LOOK_HEIGHT_PX,
    .colour = COLOUR_RGB,
    .crop = CROP_NONE,
};

/* --- one look --- */

static struct look_part *find(struct pipeline *p, unsigned id) {
    for (size_t i = 0; i < LOOKS_MAX; i++)
        if (p->looks[i].id == id && !p->looks[i].stopped)
            return &p->looks[i];
    return NULL;
}

static struct look_part *find_free(struct pipeline *p) {
    for (size_t i = 0; i < LOOKS_MAX; i++)
        if (p->looks[i].id == 0)
            return &p->looks[i];
    return NULL;
}

static void clear(struct look_part *part) {
    (void) sensor_free(part->own); /* this and the following: always NULL */
    (void) queue_free(part->blocks);
    (void) latest_free(part->views);
    *part = (struct look_part){ .id = 0 };
}

/* The sensor that is looked at, or NULL while it is not there. */
static struct sensor *sensor_of(const struct pipeline *p, const struct look_part *part) {
    const int i = part->own ? NOWHERE : parts_find_sensor(&p->parts, part->sensor);

    return part->own ? part->own : i == NOWHERE ? NULL : p->parts.sensors[i].sensor;
}

/* Without a tap nothing comes; that is how a look waits for its sensor. */
static void attach(struct pipeline *p, struct look_part *part) {
    struct sensor *const sensor = sensor_of(p, part);
    const struct tap_options tap = {
        /* As a recorder, for what it is too slow for is no gap of the sensor. */
        .kind = part->data == SOURCE_SOUND ? TAP_SOUND_RECORDER : TAP_PICTURE,
        .queue = part->blocks,
        .latest = part->views,
        .features = part->data == SOURCE_SOUND ? (struct picture_features){ 0 } : view_features,
    };

    if (sensor && sensor_options(sensor)->source.data == part->data)
        part->tap = sensor_add_tap(sensor, &tap);
}

static int start(struct pipeline *p, struct look_part *part, unsigned *ret_id) {
    const int r =
        part->data == SOURCE_SOUND
            ? queue_new(sizeof(struct heard), BLOCKS, &part->blocks)
            : latest_new(sizeof(struct seen) + picture_bytes(&view_features), &part->views);

    if (r < 0) {
        clear(part);
        return r;
    }
    part->id = ++p->n_looks;
    attach(p, part);
    looks_show(p);
    if (part->own)
        sensor_go(part->own);
    *ret_id = part->id;
    return 0;
}

static int too_many(struct fault *fault) {
    return fault_set(fault, -EBUSY, "%d look already; let one of them end first", LOOKS_MAX);
}

int pipeline_look_start(struct pipeline *pipeline, const char *sensor, unsigned *ret_id,
                        struct fault *fault) {
    const int i = parts_find_sensor(&pipeline->parts, sensor);
    struct look_part *const part = find_free(pipeline);

    if (i == NOWHERE)
        return fault_set(fault, -ENOENT, "there is no sensor called %s", sensor);
    if (!part)
        return too_many(fault);
    *part =
        (struct look_part){ .data =
                                sensor_options(pipeline->parts.sensors[i].sensor)->source.data };
    (void) snprintf(part->sensor, sizeof(part->sensor), "%s", sensor); /* it is one's name */
    return start(pipeline, part, ret_id);
}

int pipeline_look_start_device(struct pipeline *pipeline, const struct source_options *source,
                               unsigned *ret_id, struct fault *fault) {
    const struct sensor_options options = { .name = "look", .source = *source };
    struct look_part *const part = find_free(pipeline);
    int r;

    if (!part)
        return too_many(fault);
    *part = (struct look_part){ .data = source->data };
    r = sensor_new(&options, pipeline->wake_fd, &pipeline->clock, &part->own);
    if (r < 0)
        return fault_set(fault, r, "%s: cannot be started: %s", source->device, strerror(-r));
    part->report = (struct sensor_report){ .state = SENSOR_STARTING };
    return start(pipeline, part, ret_id);
}

void pipeline_look_stop(struct pipeline *pipeline, unsigned id) {
    struct look_part *const part = find(pipeline, id);

    if (!part)
        return;
    part->stopped = true;
    if (part->own)
        sensor_stop(part->own);
    else if (part->tap) /* its sensor is there as long as the tap is */
        sensor_remove_tap(sensor_of(pipeline, part), part->tap);
    looks_show(pipeline);
    looks_reap(pipeline);
}

/* --- for parts.c --- */

void looks_show(struct pipeline *p) {
    for (size_t e = 0; e < p->parts.n_encoders; e++) {
        const struct encoder_part *const encoder = &p->parts.encoders[e];
        const struct sensor *const sensor = p->parts.sensors[encoder->sensor].sensor;
        bool looked_at = false;

        for (size_t i = 0; i < LOOKS_MAX; i++)
            looked_at = looked_at || (p->looks[i].id && !p->looks[i].stopped &&
                                      sensor_of(p, &p->looks[i]) == sensor);
        (void) encoder_show(encoder->encoder, looked_at); /* without memory: not shown */
    }
}

void looks_detach(struct pipeline *p, const struct sensor *sensor) {
    for (size_t i = 0; i < LOOKS_MAX; i++) {
        struct look_part *const part = &p->looks[i];

        /* By name: other sensors of p->parts may be gone already. */
        if (!part->id || part->own || strcmp(part->sensor, sensor_options(sensor)->name) != 0)
            continue;
        part->tap = NULL;
        part->seen = NULL;
    }
}

void looks_attach(struct pipeline *p) {
    for (size_t i = 0; i < LOOKS_MAX; i++)
        if (p->looks[i].id && !p->looks[i].stopped && !p->looks[i].tap)
            attach(p, &p->looks[i]);
    looks_show(p);
}

void looks_reap(struct pipeline *p) {
    for (size_t i = 0; i < LOOKS_MAX; i++) {
        struct look_part *const part = &p->looks[i];

        if (part->stopped &&
            (part->own ? sensor_ended(part->own) : !(part->tap && tap_busy(part->tap))))
            clear(part);
    }
}

void looks_free(struct pipeline *p) {
    for (size_t i = 0; i < LOOKS_MAX; i++)
        clear(&p->looks[i]);
}

/* --- what it shows --- */

static double decibels(double power) {
    return power > 0 ? fmax(10 * log10(power), LEAST_DB) : LEAST_DB;
}

static struct look_level take_level(struct look_part *part) {
    const double full = (double) FULL_SCALE * FULL_SCALE;
    struct look_level level = { .n_samples = 0 };
    double sum = 0, peak = 0, n_clipped = 0;
    const struct heard *heard;

    while ((heard = queue_pop_begin(part->blocks))) {
        for (size_t i = 0; i < SOUND_BLOCK_ITEMS; i++) {
            const double sample = fabs((double) heard->block.samples[i]);

            sum += sample * sample;
            peak = fmax(peak, sample);
            n_clipped += sample >= CLIPPED_FROM;
        }
        level.n_samples += SOUND_BLOCK_ITEMS;
        queue_pop_end(part->blocks);
    }
    if (level.n_samples == 0)
        return level;
    level.rms_db = decibels(sum / (double) level.n_samples / full);
    level.peak_db = decibels(peak * peak / full);
    level.clipped = n_clipped / (double) level.n_samples;
    return level;
}

static double brightness(const uint8_t *rgb) {
    const size_t n = (size_t) LOOK_WIDTH_PX * LOOK_HEIGHT_PX;
    double sum = 0;

    for (size_t i = 0; i < n; i++, rgb += CHANNELS) /* BT.601 */
        sum += 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
    return sum / (double) n / UINT8_MAX;
}

static struct look_view take_view(struct look_part *part) {
    const struct seen *const fresh = latest_take(part->views);

    if (fresh)
        part->seen = fresh;
    if (!part->seen)
        return (struct look_view){ .rgb = NULL };
    return (struct look_view){
        .rgb = part->seen->pixels,
        .time_ns = part->seen->time_ns,
        .width_px = part->seen->width_px,
        .height_px = part->seen->height_px,
        .brightness = brightness(part->seen->pixels),
    };
}

/* The first task that uses encoder @e. */
static void name_input(const struct pipeline *p, size_t e, struct look_input *ret) {
    for (size_t t = 0; t < p->parts.n_tasks; t++) {
        const struct task_part *const part = &p->parts.tasks[t];
        const struct bundle *const bundle = task_options(part->task)->bundle;

        for (size_t m = 0; m < bundle->n_modalities; m++)
            if (part->encoders[m] == (int) e) {
                ret->task = task_options(part->task)->name;
                ret->modality = bundle->modalities[m].name;
                return;
            }
    }
}

static void take_inputs(const struct pipeline *p, int sensor, struct look *ret) {
    for (size_t e = 0; e < p->parts.n_encoders && ret->n_inputs < LOOK_INPUTS_MAX; e++) {
        struct encoder *const encoder = p->parts.encoders[e].encoder;
        struct look_input *const input = &ret->inputs[ret->n_inputs];

        if (p->parts.encoders[e].sensor != sensor)
            continue;
        *input = (struct look_input){ "", "", encoder_shape(encoder), encoder_shown(encoder) };
        name_input(p, e, input);
        ret->n_inputs++;
    }
}

static void own_status(struct look_part *part, struct sensor_status *ret) {
    const struct source_options *const source = &sensor_options(part->own)->source;

    while (sensor_next_report(part->own, &part->report))
        ;
    *ret = (struct sensor_status){
        .kind = source->kind,
        .data = source->data,
        .state = part->report.state,
        .rate_hz = part->report.rate_hz,
        .n_gaps = sensor_n_gaps(part->own),
        .n_lost = sensor_n_lost(part->own),
        .quality = part->seen ? part->seen->quality : 1,
        .quality_reason = part->seen ? part->seen->quality_reason : NULL,
    };
    /* Each into an array of its own size. */
    (void) strcpy(ret->reason, part->report.reason);
    (void) strcpy(ret->format, part->report.format);
    (void) strcpy(ret->device, source->device);
}

int pipeline_look(struct pipeline *pipeline, unsigned id, struct look *ret) {
    struct look_part *const part = find(pipeline, id);
    const int sensor =
        part && !part->own ? parts_find_sensor(&pipeline->parts, part->sensor) : NOWHERE;

    if (!part)
        return -ENOENT;
    *ret = (struct look){ .data = part->data };
    if (part->data == SOURCE_SOUND)
        ret->level = take_level(part);
    else
        ret->view = take_view(part);
    if (part->own)
        own_status(part, &ret->sensor);
    else if (sensor != NOWHERE) {
        (void) pipeline_sensor(pipeline, (size_t) sensor, &ret->sensor); /* it is there */
        take_inputs(pipeline, sensor, ret);
    } else {
        ret->sensor = (struct sensor_status){ .data = part->data, .state = SENSOR_OFF };
        (void) strcpy(ret->sensor.name, part->sensor);             /* arrays of one size */
        (void) strcpy(ret->sensor.reason, "no longer configured"); /* fits */
    }
    return 0;
}
