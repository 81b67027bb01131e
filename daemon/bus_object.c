/* SPDX-License-Identifier: MIT */
#include "daemon/bus_object.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/event_json.h"
#include "daemon/message.h"
#include "daemon/publish_socket.h"
#include "daemon/status.h"
#include "daemon/unknown.h"

enum { LIST_EVENTS_LIMIT = 100 };

/* One {key: variant} of an a{sv}. Text that is no UTF-8 would be refused by the bus, so it is
 * mended. */
static int append_text(sd_bus_message *message, const char *key, const char *value) {
    json_t *text = text_json(value);
    const int r =
        sd_bus_message_append(message, "{sv}", key, "s", text ? json_string_value(text) : "");

    json_decref(text);
    return r;
}

static int append_number(sd_bus_message *message, const char *key, double value) {
    return sd_bus_message_append(message, "{sv}", key, "d", value);
}

static int append_count(sd_bus_message *message, const char *key, uint64_t value) {
    return sd_bus_message_append(message, "{sv}", key, "t", value);
}

static int append_sensor(sd_bus_message *message, const struct sensor_status *sensor) {
    int r = sd_bus_message_open_container(message, 'e', "sa{sv}");

    r = r < 0 ? r : sd_bus_message_append(message, "s", sensor->name);
    r = r < 0 ? r : sd_bus_message_open_container(message, 'a', "{sv}");
    r = r < 0 ? r : append_text(message, "kind", sensor_kind_name(sensor->kind, sensor->data));
    r = r < 0 ? r : append_text(message, "device", sensor->device);
    r = r < 0 ? r : append_text(message, "state", sensor_state_name(sensor->state));
    r = r < 0 ? r : append_text(message, "reason", sensor->reason);
    r = r < 0 ? r : append_text(message, "format", sensor->format);
    r = r < 0 ? r : append_number(message, "rate", sensor->rate_hz);
    r = r < 0 ? r : append_number(message, "quality", sensor->quality);
    r = r < 0 ? r : append_count(message, "n_gaps", sensor->n_gaps);
    r = r < 0 ? r : append_count(message, "n_lost", sensor->n_lost);
    r = r < 0 ? r : sd_bus_message_close_container(message);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int append_task(sd_bus_message *message, const char *name, const char *bundle,
                       const char *state, const char *reason) {
    int r = sd_bus_message_open_container(message, 'e', "sa{sv}");

    r = r < 0 ? r : sd_bus_message_append(message, "s", name);
    r = r < 0 ? r : sd_bus_message_open_container(message, 'a', "{sv}");
    r = r < 0 ? r : append_text(message, "bundle", bundle);
    r = r < 0 ? r : append_text(message, "state", state);
    r = r < 0 ? r : append_text(message, "reason", reason);
    r = r < 0 ? r : sd_bus_message_close_container(message);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *user, sd_bus_error *error) {
    return sd_bus_message_append(reply, "s", LOOKOUT_VERSION);
}

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *user, sd_bus_error *error) {
    return sd_bus_message_append(reply, "s", status_state(user));
}

static int get_sensors(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *user, sd_bus_error *error) {
    const struct daemon *daemon = user;
    struct sensor_status sensor;
    int r = sd_bus_message_open_container(reply, 'a', "{sa{sv}}");

    for (size_t i = 0; r >= 0 && pipeline_sensor(daemon->pipeline, i, &sensor) == 0; i++)
        r = append_sensor(reply, &sensor);
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

static const char *live_task_state(const struct daemon *daemon, const char *name) {
    struct task_status task;

    for (size_t i = 0; pipeline_task(daemon->pipeline, i, &task) == 0; i++)
        if (strcmp(task.name, name) == 0)
            return task_state_name(task.state);
    return task_state_name(TASK_STOPPED);
}

static int get_tasks(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *user, sd_bus_error *error) {
    const struct daemon *daemon = user;
    int r = sd_bus_message_open_container(reply, 'a', "{sa{sv}}");

    for (size_t i = 0; r >= 0 && daemon->plan && i < daemon->plan->n_all_tasks; i++) {
        const struct plan_task *task = &daemon->plan->all_tasks[i];

        r = append_task(reply, task->name, task->bundle ? task->bundle->name : "",
                        live_task_state(daemon, task->name), task->reason);
    }
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* The bus has checked who may call; so do we, as the policy file may be another's. */
static int check_admin(sd_bus_message *call) {
    const uint64_t wanted =
        SD_BUS_CREDS_EUID | SD_BUS_CREDS_SUPPLEMENTARY_GIDS | SD_BUS_CREDS_AUGMENT;
    sd_bus_creds *creds = NULL;
    const gid_t *groups = NULL;
    bool is_admin = false;
    uid_t uid;
    int n;

    if (sd_bus_query_sender_creds(call, wanted, &creds) < 0)
        return -EACCES;
    n = sd_bus_creds_get_supplementary_gids(creds, &groups);
    if (sd_bus_creds_get_euid(creds, &uid) >= 0)
        is_admin = peer_is_admin(uid, groups, n > 0 ? (size_t) n : 0);
    sd_bus_creds_unref(creds);
    return is_admin ? 0 : -EACCES;
}

static int on_reload(sd_bus_message *call, void *user, sd_bus_error *error) {
    struct daemon *daemon = user;
    int r;

    if (check_admin(call) < 0)
        return sd_bus_error_setf(error, "org.lookoutd.Lookout1.NotAllowed", "Reload needs %s",
                                 peer_needs);
    r = daemon_reload(daemon, NULL, NULL);
    if (r == -EBADMSG)
        return sd_bus_error_setf(error, "org.lookoutd.Lookout1.BadConfig", "%s%s",
                                 daemon->problems.n > 0 ? daemon->problems.texts[0]
                                                        : "out of memory",
                                 daemon->problems.n > 1 ? " (and more, see GetStatus)" : "");
    return r < 0 ? r : sd_bus_reply_method_return(call, NULL);
}

static int on_get_status(sd_bus_message *call, void *user, sd_bus_error *error) {
    _cleanup_(message_unrefp) struct message *text = message_from_json(status_all(user));

    return text ? sd_bus_reply_method_return(call, "s", text->text) : -ENOMEM;
}

static bool starts(const char *text, const char *prefix, const char **ret_rest) {
    const size_t n = strlen(prefix);

    *ret_rest = text + n;
    return strncmp(text, prefix, n) == 0;
}

/* "task=yard", "label=dog", "min_confidence=0.8", "after=SEQUENCE", "limit=20". */
static int read_filter(const char *text, struct filter *filter, int64_t *after, int64_t *limit) {
    const char *value;
    char *stop = NULL;

    if (starts(text, "task=", &value) && filter->n_tasks < FILTER_NAMES_MAX &&
        strlen(value) < NAME_BYTES)
        (void) strcpy(filter->tasks[filter->n_tasks++], value); /* its length was checked */
    else if (starts(text, "label=", &value) && filter->n_labels < FILTER_NAMES_MAX &&
             strlen(value) < BUNDLE_NAME_BYTES)
        (void) strcpy(filter->labels[filter->n_labels++], value); /* its length was checked */
    else if (starts(text, "min_confidence=", &value))
        filter->min_confidence = strtod(value, &stop);
    else if (starts(text, "after=", &value))
        *after = strtoll(value, &stop, 10);
    else if (starts(text, "limit=", &value))
        *limit = strtoll(value, &stop, 10);
    else
        return -EINVAL;
    return stop && (*stop != '\0' || stop == value || *after < 0 || *limit < 0) ? -EINVAL : 0;
}

/* The events as strings, one JSON object each. */
static int reply_events(sd_bus_message *call, const char *list) {
    json_t *events = json_loads(list, 0, NULL), *event;
    sd_bus_message *reply = NULL;
    size_t i;
    int r = events ? sd_bus_message_new_method_return(call, &reply) : -ENOMEM;

    r = r < 0 ? r : sd_bus_message_open_container(reply, 'a', "s");
    json_array_foreach(events, i, event) {
        _cleanup_(message_unrefp) struct message *text = message_from_json(json_incref(event));

        r = r < 0 ? r : text ? sd_bus_message_append(reply, "s", text->text) : -ENOMEM;
    }
    r = r < 0 ? r : sd_bus_message_close_container(reply);
    r = r < 0 ? r : sd_bus_send(NULL, reply, NULL);
    sd_bus_message_unref(reply);
    json_decref(events);
    return r;
}

static int on_list_events(sd_bus_message *call, void *user, sd_bus_error *error) {
    const struct daemon *daemon = user;
    struct filter filter = { 0 };
    int64_t after = 0, limit = LIST_EVENTS_LIMIT;
    _cleanup_(freep) char *list = NULL;
    const char *text;
    int r = sd_bus_message_enter_container(call, 'a', "s");

    while (r >= 0 && (r = sd_bus_message_read(call, "s", &text)) > 0)
        if (read_filter(text, &filter, &after, &limit) < 0)
            return sd_bus_error_setf(
                error, SD_BUS_ERROR_INVALID_ARGS,
                "`%s` is none of task=NAME, label=NAME, min_confidence=0..1, after=SEQUENCE, "
                "limit=N",
                text);
    if (r < 0)
        return r;
    if ((text = unknown_task(daemon, &filter)))
        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "there is no task %s", text);
    if ((text = unknown_label(daemon, &filter)))
        return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "no task has the label %s",
                                 text);
    list = publish_list_events(daemon->ring, &filter, after, (size_t) limit);
    return list ? reply_events(call, list) : -ENOMEM;
}

#define EVENT_SIGNAL(name)                                                                         \
    SD_BUS_SIGNAL_WITH_NAMES(name, "sssda{sv}",                                                    \
                             SD_BUS_PARAM(id) SD_BUS_PARAM(task) SD_BUS_PARAM(label)               \
                                 SD_BUS_PARAM(confidence) SD_BUS_PARAM(evidence),                  \
                             0)

static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("State", "s", get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Sensors", "a{sa{sv}}", get_sensors, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Tasks", "a{sa{sv}}", get_tasks, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_METHOD("Reload", "", "", on_reload, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("GetStatus", "", , "s", SD_BUS_PARAM(json), on_get_status,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("ListEvents", "as", SD_BUS_PARAM(filters), "as", SD_BUS_PARAM(json),
                             on_list_events, SD_BUS_VTABLE_UNPRIVILEGED),
    EVENT_SIGNAL("EventBegan"),
    EVENT_SIGNAL("EventUpdated"),
    EVENT_SIGNAL("EventEnded"),
    SD_BUS_SIGNAL_WITH_NAMES("SensorChanged", "sss",
                             SD_BUS_PARAM(name) SD_BUS_PARAM(state) SD_BUS_PARAM(reason), 0),
    SD_BUS_VTABLE_END,
};

int bus_object_add(sd_bus *bus, struct daemon *daemon) {
    return sd_bus_add_object_vtable(bus, NULL, BUS_OBJECT_PATH, BUS_OBJECT_INTERFACE, vtable,
                                    daemon);
}

/* {modality: a{sv}} */
static int append_evidence(sd_bus_message *message, const struct evidence *evidence) {
    int r = sd_bus_message_open_container(message, 'e', "sv");

    r = r < 0 ? r : sd_bus_message_append(message, "s", evidence->modality);
    r = r < 0 ? r : sd_bus_message_open_container(message, 'v', "a{sv}");
    r = r < 0 ? r : sd_bus_message_open_container(message, 'a', "{sv}");
    r = r < 0 ? r : append_text(message, "sensor", evidence->sensor);
    r = r < 0 ? r : sd_bus_message_append(message, "{sv}", "present", "b", evidence->present);
    r = r < 0 ? r : append_number(message, "age_ms", evidence->present ? evidence->age_ms : 0);
    r = r < 0 ? r : append_number(message, "quality", evidence->quality);
    r = r < 0 ? r
              : append_text(message, "quality_reason",
                            evidence->quality_reason ? evidence->quality_reason : "");
    r = r < 0 ? r : append_number(message, "share", evidence->share);
    r = r < 0 ? r : sd_bus_message_close_container(message);
    r = r < 0 ? r : sd_bus_message_close_container(message);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static const char *signal_name(enum event_phase phase) {
    switch (phase) {
    case EVENT_BEGIN:
        return "EventBegan";
    case EVENT_UPDATE:
        return "EventUpdated";
    case EVENT_END:
        return "EventEnded";
    }
    return "";
}

int bus_object_emit_event(sd_bus *bus, const struct event *event) {
    sd_bus_message *message = NULL;
    int r = sd_bus_message_new_signal(bus, &message, BUS_OBJECT_PATH, BUS_OBJECT_INTERFACE,
                                      signal_name(event->phase));

    r = r < 0 ? r
              : sd_bus_message_append(message, "sssd", event->id, event->task, event->label,
                                      event->confidence);
    r = r < 0 ? r : sd_bus_message_open_container(message, 'a', "{sv}");
    for (size_t i = 0; i < event->n_evidence; i++)
        r = r < 0 ? r : append_evidence(message, &event->evidence[i]);
    r = r < 0 ? r : sd_bus_message_close_container(message);
    r = r < 0 ? r : sd_bus_send(bus, message, NULL);
    sd_bus_message_unref(message);
    return r < 0 ? r : 0;
}

int bus_object_emit_change(sd_bus *bus, const struct sensor_status *sensor) {
    json_t *reason = text_json(sensor->reason);
    const int r = sd_bus_emit_signal(bus, BUS_OBJECT_PATH, BUS_OBJECT_INTERFACE, "SensorChanged",
                                     "sss", sensor->name, sensor_state_name(sensor->state),
                                     reason ? json_string_value(reason) : "");

    json_decref(reason);
    return r < 0 ? r : 0;
}

int bus_object_emit_properties(sd_bus *bus) {
    const int r = sd_bus_emit_properties_changed(bus, BUS_OBJECT_PATH, BUS_OBJECT_INTERFACE,
                                                 "State", "Sensors", "Tasks", NULL);

    return r < 0 ? r : 0;
}

void bus_object_state(const struct daemon *daemon, char ret[BUS_OBJECT_STATE_BYTES]) {
    struct sensor_status sensor;
    size_t n = (size_t) snprintf(ret, BUS_OBJECT_STATE_BYTES, "%s", status_state(daemon));

    for (size_t i = 0;
         n < BUS_OBJECT_STATE_BYTES && pipeline_sensor(daemon->pipeline, i, &sensor) == 0; i++)
        n += (size_t) snprintf(ret + n, BUS_OBJECT_STATE_BYTES - n, " %s=%d,%s", sensor.name,
                               (int) sensor.state, sensor.format);
    for (size_t i = 0; n < BUS_OBJECT_STATE_BYTES && daemon->plan && i < daemon->plan->n_all_tasks;
         i++) {
        const char *name = daemon->plan->all_tasks[i].name;

        n += (size_t) snprintf(ret + n, BUS_OBJECT_STATE_BYTES - n, " %s=%s", name,
                               live_task_state(daemon, name));
    }
}
