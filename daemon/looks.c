/* SPDX-License-Identifier: MIT */
#include "daemon/looks.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "daemon/event_json.h"
#include "daemon/journal.h"
#include "daemon/refusal.h"
#include "daemon/status.h"
#include "pipeline/devices.h"
#include "pipeline/look.h"

enum {
    PERIOD_USEC = 200 * 1000,
    SLACK_USEC = 20 * 1000,
    /* Asked of a camera that is no sensor yet: as the defaults of [camera]. */
    WIDTH_PX = 640,
    HEIGHT_PX = 480,
    RATE_HZ = 10,
};

struct looker {
    struct daemon *daemon;
    struct connection *connection;
    sd_event_source *timer;
    unsigned id;
    char what[SOURCE_PATH_BYTES + 16]; /* "sensor gate", "device /dev/video0", for the journal */
};

/* --- an answer --- */

static json_t *base64_json(const void *bytes, size_t n_bytes) {
    const size_t n_text = sodium_base64_encoded_len(n_bytes, sodium_base64_VARIANT_ORIGINAL);
    _cleanup_(freep) char *text = malloc(n_text);

    if (!text)
        return NULL;
    (void) sodium_bin2base64(text, n_text, bytes, n_bytes, sodium_base64_VARIANT_ORIGINAL);
    return json_stringn_nocheck(text, n_text - 1); /* without its NUL */
}

static json_t *level_json(const struct look_level *level) {
    if (level->n_samples == 0)
        return json_null();
    return json_pack("{s:o, s:o, s:o}", "rms_db", number_json(level->rms_db), "peak_db",
                     number_json(level->peak_db), "clipped", number_json(level->clipped));
}

static json_t *view_json(const struct look_view *view, const char *boot) {
    if (!view->rgb)
        return json_null();
    return json_pack("{s:i, s:i, s:i, s:i, s:o, s:o, s:o}", "width_px", LOOK_WIDTH_PX, "height_px",
                     LOOK_HEIGHT_PX, "frame_width_px", view->width_px, "frame_height_px",
                     view->height_px, "brightness", number_json(view->brightness), "at",
                     instant_json(view->time_ns, boot), "rgb",
                     base64_json(view->rgb, (size_t) LOOK_WIDTH_PX * LOOK_HEIGHT_PX * 3));
}

static json_t *input_json(const struct look_input *input, const char *boot) {
    const struct encoder_shape *const shape = &input->shape;
    const struct encoder_input *const last = input->input;
    const size_t n_items = shape->n_rows * shape->n_columns * shape->n_channels;

    return json_pack("{s:s, s:s, s:s, s:[i, i, i], s:f, s:i, s:o, s:o}", "task", input->task,
                     "modality", input->modality, "kind",
                     shape->kind == MODALITY_SOUND ? "sound" : "picture", "shape",
                     (int) shape->n_rows, (int) shape->n_columns, (int) shape->n_channels, "scale",
                     (double) shape->scale, "zero_point", (int) shape->zero_point, "at",
                     last ? instant_json(last->capture_ns, boot) : json_null(), "values",
                     last ? base64_json(last->values, n_items) : json_null());
}

static json_t *inputs_json(const struct look *look, const char *boot) {
    json_t *list = json_array();

    for (size_t i = 0; i < look->n_inputs; i++)
        if (json_array_append_new(list, input_json(&look->inputs[i], boot)) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static struct message *answer(const struct daemon *daemon, const struct look *look) {
    const char *const boot = daemon->boot;
    const bool is_sound = look->data == SOURCE_SOUND;

    return varlink_reply(
        json_pack("{s:o, s:o, s:o, s:o, s:o}", "sensor", sensor_json(&look->sensor, boot), "level",
                  is_sound ? level_json(&look->level) : json_null(), "picture",
                  is_sound ? json_null() : view_json(&look->view, boot), "inputs",
                  inputs_json(look, boot), "tasks", status_tasks_of(daemon, look->sensor.name)),
        true);
}

/* The newest, unless the last is still on its way; what then passed unseen is no part of the next.
 */
static int on_tick(sd_event_source *source, uint64_t usec, void *user) {
    struct looker *const looker = user;
    struct look look;

    if (pipeline_look(looker->daemon->pipeline, looker->id, &look) == 0 &&
        !connection_is_dead(looker->connection) && connection_n_waiting(looker->connection) == 0)
        connection_send(looker->connection, answer(looker->daemon, &look));
    return sd_event_source_set_time_relative(source, PERIOD_USEC);
}

/* --- who may look, and at what --- */

static struct message *refusal_of(int r, const char *name, const struct fault *fault) {
    if (r == -ENOENT)
        return refusal_new("NoSuchSensor", "name", name);
    return refusal_new("BadRequest", "why", fault->text[0] ? fault->text : strerror(-r));
}

static struct message *begin_sensor(struct looker *looker, const char *sensor) {
    struct fault fault = { "" };
    const int r = pipeline_look_start(looker->daemon->pipeline, sensor, &looker->id, &fault);

    if (r < 0)
        return refusal_of(r, sensor, &fault);
    (void) snprintf(looker->what, sizeof(looker->what), "sensor %s", sensor); /* it is one's name */
    return NULL;
}

/* The sensor that has @node open, or NULL. */
static const char *sensor_with(const struct daemon *daemon, const char *node,
                               struct sensor_status *status) {
    char other[PATH_MAX];

    for (size_t i = 0; pipeline_sensor(daemon->pipeline, i, status) == 0; i++)
        if (status->state != SENSOR_OFF && devices_node(status->kind, status->device, other) == 0 &&
            strcmp(other, node) == 0)
            return status->name;
    return NULL;
}

/* Nobody makes the daemon open what is no camera or microphone. */
static struct message *begin_device(struct looker *looker, const char *name) {
    const bool is_camera = name[0] == '/';
    struct source_options source = {
        .kind = is_camera ? SOURCE_V4L2 : SOURCE_ALSA,
        .data = is_camera ? SOURCE_PICTURE : SOURCE_SOUND,
        .format = "auto",
        .width_px = is_camera ? WIDTH_PX : 0,
        .height_px = is_camera ? HEIGHT_PX : 0,
        .rate_hz = is_camera ? RATE_HZ : 0,
    };
    struct sensor_status status;
    struct fault fault = { "" };
    const char *sensor;
    char node[PATH_MAX];
    int r;

    if (strlen(name) >= sizeof(source.device) || devices_node(source.kind, name, node) < 0)
        return refusal_new("BadRequest", "why", "there is no such device; ListDevices names them");
    sensor = sensor_with(looker->daemon, node, &status);
    if (sensor)
        return begin_sensor(looker, sensor);
    (void) strcpy(source.device, name); /* its length was checked */
    r = pipeline_look_start_device(looker->daemon->pipeline, &source, &looker->id, &fault);
    if (r < 0)
        return refusal_of(r, name, &fault);
    (void) snprintf(looker->what, sizeof(looker->what), "device %s", name); /* fits */
    return NULL;
}

static void log_look(const struct looker *looker, const char *what) {
    const struct peer *const peer = connection_peer(looker->connection);
    char pid[16], uid[16];

    (void) snprintf(pid, sizeof(pid), "%d", (int) peer->pid); /* these fit */
    (void) snprintf(uid, sizeof(uid), "%u", peer->uid);
    journal_send(LOG_NOTICE, JOURNAL_LOOK,
                 JOURNAL_FIELDS({ "CLIENT_PID", pid }, { "CLIENT_UID", uid }),
                 "%s: %s by process %s of user %s", looker->what, what, pid, uid);
}

static int start_timer(struct looker *looker) {
    int r = sd_event_add_time_relative(looker->daemon->event, &looker->timer, CLOCK_MONOTONIC,
                                       PERIOD_USEC, SLACK_USEC, on_tick, looker);

    if (r >= 0)
        r = sd_event_source_set_priority(looker->timer,
                                         SD_EVENT_PRIORITY_IDLE); /* decisions first */
    return r < 0 ? r : sd_event_source_set_enabled(looker->timer, SD_EVENT_ON);
}

struct message *looker_new(struct daemon *daemon, struct connection *connection,
                           const json_t *parameters, struct looker **ret) {
    const char *const sensor = json_string_value(json_object_get(parameters, "sensor"));
    const char *const device = json_string_value(json_object_get(parameters, "device"));
    _cleanup_(looker_freep) struct looker *looker = NULL;
    struct message *refusal;

    if (!connection_peer(connection)->is_admin)
        return refusal_of_peer();
    if (!sensor == !device)
        return refusal_of_parameter("sensor");
    looker = calloc(1, sizeof(*looker));
    if (!looker)
        return NULL;
    looker->daemon = daemon;
    looker->connection = connection;
    refusal = sensor ? begin_sensor(looker, sensor) : begin_device(looker, device);
    if (refusal)
        return refusal;
    if (start_timer(looker) < 0)
        return NULL;
    log_look(looker, "looked at");
    connection_set_streaming(connection, true);
    *ret = looker;
    looker = NULL; /* now the caller's */
    return NULL;
}

struct looker *looker_free(struct looker *looker) {
    if (!looker)
        return NULL;
    if (looker->timer)
        log_look(looker, "no longer looked at");
    sd_event_source_disable_unref(looker->timer);
    pipeline_look_stop(looker->daemon->pipeline, looker->id);
    free(looker);
    return NULL;
}
