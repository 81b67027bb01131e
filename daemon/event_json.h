/* SPDX-License-Identifier: MIT */
/* event_json - what the pipeline says, as the types of org.lookoutd.Lookout1.varlink. */
#pragma once

#include <jansson.h>

#include "common/units.h"
#include "config/settings.h"
#include "pipeline/pipeline.h"

/** Each returns a new reference, or NULL without memory. @boot is this boot's id. */

json_t *instant_json(int64_t monotonic_ns, const char boot[BOOT_ID_BYTES]);

/** Text from outside, of which what is no UTF-8 becomes `?`. */
json_t *text_json(const char *text);

/** A number rounded to 1e-6; null if it is none. */
json_t *number_json(double value);

struct event_context {
    const char *boot; /* [BOOT_ID_BYTES] */
    const char *config_sha256;
    int64_t sequence;
};

json_t *event_json(const struct event *event, const struct event_context *context);
json_t *sensor_json(const struct sensor_status *sensor, const char boot[BOOT_ID_BYTES]);
json_t *change_json(const struct sensor_status *sensor, const struct event_context *context);
json_t *bundle_json(const struct bundle *bundle);
json_t *setting_json(const struct settings_line *line);

/** Label to score, in the order of the bundle. */
json_t *scores_json(const struct bundle *bundle, const double *values);

/** "camera", "microphone", "recording sound", "recording picture". */
const char *sensor_kind_name(enum source_kind kind, enum source_data data);
