/* SPDX-License-Identifier: MIT */
/*
 * look - what a sensor shows now, for a person who wants to see whether it is right.
 *
 * A look is a tap of its own beside those of the encoders, and copies of what the
 * networks were given last. Nothing of it exists while nobody looks. A device that is
 * no sensor yet can be looked at too. Used by one thread (main).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "pipeline/encoder.h"
#include "pipeline/pipeline.h"

enum {
    LOOKS_MAX = 8, /* at a time */
    /* No more than quality.h judges, so that compressed pictures are decoded as if nobody looked;
     * and too few to know a face across a yard. */
    LOOK_WIDTH_PX = 160,
    LOOK_HEIGHT_PX = 120,
    LOOK_INPUTS_MAX = 4,
};

/** Root mean square and peak of full scale, of what came since the last look; dB. */
struct look_level {
    size_t n_samples; /* 0: nothing came, and the rest means nothing */
    double rms_db, peak_db;
    double clipped; /* share of the samples at full scale, 0..1 */
};

/** The newest picture, masks applied, squeezed to LOOK_WIDTH_PX x LOOK_HEIGHT_PX. */
struct look_view {
    const uint8_t *rgb; /* [LOOK_HEIGHT_PX, LOOK_WIDTH_PX, 3]; NULL: none yet */
    int64_t time_ns;
    int32_t width_px, height_px; /* of the frame */
    double brightness;           /* mean luma, 0..1 */
};

/** What one network of the sensor was given last. */
struct look_input {
    const char *task; /* the first that asks this network */
    const char *modality;
    struct encoder_shape shape;
    const struct encoder_input *input; /* NULL: none yet */
};

/** Pointers are valid until the next call of a pipeline_ function. */
struct look {
    enum source_data data;
    struct sensor_status sensor;
    struct look_level level; /* SOURCE_SOUND */
    struct look_view view;   /* SOURCE_PICTURE */
    size_t n_inputs;
    struct look_input inputs[LOOK_INPUTS_MAX];
};

/**
 * Begin to look at the sensor called @sensor, which may go and come back meanwhile.
 * Returns 0, -ENOENT, -EBUSY (LOOKS_MAX look already), -ENOMEM.
 */
int pipeline_look_start(struct pipeline *pipeline, const char *sensor, unsigned *ret_id,
                        struct fault *fault);

/** Begin to look at a device that is no sensor. Returns 0, -EBUSY, -ENOMEM, -EAGAIN. */
int pipeline_look_start_device(struct pipeline *pipeline, const struct source_options *source,
                               unsigned *ret_id, struct fault *fault);

/** What there is now. Returns 0, -ENOENT (no such look). */
int pipeline_look(struct pipeline *pipeline, unsigned id, struct look *ret);

/** End it. Waits for nothing. */
void pipeline_look_stop(struct pipeline *pipeline, unsigned id);
