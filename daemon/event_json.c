/* SPDX-License-Identifier: MIT */
#include "daemon/event_json.h"

#include <inttypes.h>
#include <math.h>

#define ROUND_TO 1e6 /* six digits behind the point are more than any of it is worth */

json_t *number_json(double value) {
    return isfinite(value) ? json_real(round(value * ROUND_TO) / ROUND_TO) : json_null();
}

json_t *text_json(const char *text) {
    char plain[512];
    json_t *json = json_string(text);
    size_t n = 0;

    if (json)
        return json;
    for (; text[n] && n < sizeof(plain) - 1; n++) /* no UTF-8, so some old 8-bit code */
        plain[n] = (text[n] & 0x80) ? '?' : text[n];
    plain[n] = '\0';
    return json_string(plain);
}

static json_t *text_or_null(const char *text) {
    return text && text[0] ? text_json(text) : json_null();
}

json_t *instant_json(int64_t monotonic_ns, const char boot[BOOT_ID_BYTES]) {
    const struct instant at = instant_at(monotonic_ns, boot);
    char ns[24];

    (void) snprintf(ns, sizeof(ns), "%" PRId64, at.monotonic_ns); /* fits */
    return json_pack("{s:s, s:s, s:s, s:b}", "boot_id", at.boot_id, "monotonic_ns", ns, "wall",
                     at.wall, "synchronised", at.synchronised);
}

static json_t *evidence_json(const struct evidence *evidence) {
    return json_pack("{s:s, s:s, s:b, s:o, s:o, s:o, s:o}", "modality", evidence->modality,
                     "sensor", evidence->sensor, "present", evidence->present, "age_ms",
                     number_json(evidence->present ? evidence->age_ms : 0), "quality",
                     number_json(evidence->quality), "quality_reason",
                     text_or_null(evidence->quality_reason), "share", number_json(evidence->share));
}

static json_t *all_evidence_json(const struct event *event) {
    json_t *list = json_array();

    for (size_t i = 0; i < event->n_evidence; i++)
        if (json_array_append_new(list, evidence_json(&event->evidence[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *latencies_json(const struct event *event) {
    json_t *map = json_object();

    for (size_t i = 0; i < event->n_latencies; i++)
        if (json_object_set_new(map, event->latencies[i].stage,
                                number_json(event->latencies[i].ms)) < 0) {
            json_decref(map);
            return NULL;
        }
    return map;
}

json_t *event_json(const struct event *event, const struct event_context *context) {
    return json_pack(
        "{s:I, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:s}", "sequence",
        (json_int_t) context->sequence, "id", event->id, "phase", event_phase_name(event->phase),
        "task", event->task, "label", event->label, "confidence", number_json(event->confidence),
        "began", instant_json(event->began_ns, context->boot), "at",
        instant_json(event->at_ns, context->boot), "evidence", all_evidence_json(event), "skew_ms",
        number_json(event->skew_ms), "latency_ms", latencies_json(event), "bundle", event->bundle,
        "bundle_version", event->bundle_version, "bundle_sha256", event->bundle_sha256,
        "config_sha256", context->config_sha256);
}

const char *sensor_kind_name(enum source_kind kind, enum source_data data) {
    switch (kind) {
    case SOURCE_V4L2:
        return "camera";
    case SOURCE_ALSA:
        return "microphone";
    case SOURCE_RECORDING:
        return data == SOURCE_SOUND ? "recording sound" : "recording picture";
    }
    return "";
}

json_t *sensor_json(const struct sensor_status *sensor, const char boot[BOOT_ID_BYTES]) {
    const char *reason = sensor->reason[0] ? sensor->reason : sensor->quality_reason;

    return json_pack("{s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o}", "name",
                     sensor->name, "kind", sensor_kind_name(sensor->kind, sensor->data), "device",
                     text_json(sensor->device), "state", sensor_state_name(sensor->state), "reason",
                     text_or_null(reason), "since", instant_json(sensor->since_ns, boot), "format",
                     text_or_null(sensor->format), "rate",
                     sensor->rate_hz > 0 ? number_json(sensor->rate_hz) : json_null(), "quality",
                     number_json(sensor->quality), "n_gaps", (json_int_t) sensor->n_gaps, "n_lost",
                     (json_int_t) sensor->n_lost, "note", text_or_null(sensor->note));
}

json_t *change_json(const struct sensor_status *sensor, const struct event_context *context) {
    const char *reason = sensor->reason[0]        ? sensor->reason
                         : sensor->quality_reason ? sensor->quality_reason
                                                  : "";

    return json_pack("{s:s, s:I, s:s, s:s, s:o, s:o}", "boot_id", context->boot, "sequence",
                     (json_int_t) context->sequence, "sensor", sensor->name, "state",
                     sensor_state_name(sensor->state), "reason", text_json(reason), "at",
                     instant_json(sensor->since_ns, context->boot));
}

static const char *trust_name(enum bundle_trust trust) {
    switch (trust) {
    case TRUST_PACKAGE:
        return "package";
    case TRUST_SIGNED:
        return "signed";
    case TRUST_UNSIGNED:
        return "unsigned";
    }
    return "";
}

static json_t *modalities_json(const struct bundle *bundle) {
    json_t *list = json_array();

    for (size_t i = 0; i < bundle->n_modalities; i++)
        (void) json_array_append_new(
            list, json_string(bundle->modalities[i].kind == MODALITY_SOUND ? "sound" : "picture"));
    return list;
}

json_t *bundle_json(const struct bundle *bundle) {
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:o, s:o, s:o}", "name", bundle->name,
                     "version", bundle->version, "sha256", bundle->sha256, "licence",
                     bundle->licence, "non_commercial", bundle->non_commercial, "trust",
                     trust_name(bundle->trust), "path", text_json(bundle->path), "description",
                     text_or_null(bundle->description), "modalities", modalities_json(bundle));
}

json_t *setting_json(const struct settings_line *line) {
    return json_pack("{s:s, s:s, s:o, s:o}", "section", line->section, "key", line->key, "value",
                     text_json(line->value), "origin", text_json(line->origin));
}

json_t *scores_json(const struct bundle *bundle, const double *values) {
    json_t *map = json_object();

    for (size_t i = 0; i < bundle->n_labels; i++)
        if (json_object_set_new(map, bundle->labels[i], number_json(values[i])) < 0) {
            json_decref(map);
            return NULL;
        }
    return map;
}
