/* SPDX-License-Identifier: MIT */
/* Method: varlink.org, "org.varlink.service Interface"; ExpectedMore as sd-varlink of systemd has
 * it. */
#include "daemon/methods.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/bundle_list.h"
#include "daemon/check_config.h"
#include "daemon/client.h"
#include "daemon/device_list.h"
#include "daemon/diagnose.h"
#include "daemon/interface.h"
#include "daemon/parameters.h"
#include "daemon/refusal.h"
#include "daemon/status.h"
#include "daemon/unknown.h"

#define SERVICE "org.varlink.service"
#define LOOKOUT "org.lookoutd.Lookout1"

enum { LIST_EVENTS_LIMIT = 100, LIST_EVENTS_LIMIT_MAX = 65536 };

struct request {
    struct daemon *daemon;
    struct connection *connection;
    struct client *client;
    const struct varlink_call *call;
};

/* Returns the answer; NULL if there is no memory for one. */
typedef struct message *answer_fn(const struct request *request);

static struct message *service_error(const char *name, const char *key, const char *value) {
    char full[64];

    (void) snprintf(full, sizeof(full), SERVICE ".%s", name); /* short names */
    return varlink_error(full, key ? json_pack("{s:s}", key, value) : NULL);
}

/* One list under one name. */
static struct message *reply_with(const char *name, json_t *value) {
    return value ? varlink_reply(json_pack("{s:o}", name, value), false) : NULL;
}

static struct message *get_info(const struct request *request) {
    return varlink_reply(json_pack("{s:s, s:s, s:s, s:s, s:[s, s]}", "vendor", "Lookout", "product",
                                   "lookoutd", "version", LOOKOUT_VERSION, "url", "man:lookoutd(8)",
                                   "interfaces", SERVICE, LOOKOUT),
                         false);
}

static struct message *get_interface_description(const struct request *request) {
    const char *name = json_string_value(json_object_get(request->call->parameters, "interface"));

    if (!name)
        return refusal_of_parameter("interface");
    if (strcmp(name, LOOKOUT) == 0)
        return reply_with("description", json_string(interface_lookout));
    if (strcmp(name, SERVICE) == 0)
        return reply_with("description", json_string(interface_service));
    return service_error("InterfaceNotFound", "interface", name);
}

static struct message *status(const struct request *request) {
    json_t *all = status_all(request->daemon);

    return all ? varlink_reply(all, false) : NULL;
}

static struct message *list_sensors(const struct request *request) {
    return reply_with("sensors", status_sensors(request->daemon));
}

static struct message *list_tasks(const struct request *request) {
    return reply_with("tasks", status_tasks(request->daemon));
}

static struct message *list_bundles(const struct request *request) {
    json_t *bundles, *broken;
    bool installed = false;
    const char *wrong;

    if (parameter_bool(request->call->parameters, "installed", &installed, &wrong) < 0)
        return refusal_of_parameter(wrong);
    if (!installed)
        return reply_with("bundles", status_bundles(request->daemon));
    if (!connection_peer(request->connection)->is_admin) /* it opens and hashes every one of them */
        return refusal_of_peer();
    bundles = bundle_list(request->daemon, &broken);
    return varlink_reply(json_pack("{s:o, s:o}", "bundles", bundles, "broken", broken), false);
}

/* NULL: it is answered later. */
static struct message *list_devices(const struct request *request) {
    if (request->call->oneway)
        return reply_with("devices", json_array()); /* nobody wants to hear it */
    return device_list_ask(request->daemon->devices, request->connection);
}

static struct message *get_config(const struct request *request) {
    return reply_with("settings", status_settings(request->daemon));
}

static int add_setting(const struct settings_line *line, void *user) {
    return json_array_append_new(user, setting_json(line));
}

static struct message *check(const struct request *request) {
    if (!connection_peer(request->connection)->is_admin)
        return refusal_of_peer();
    return check_config(request->daemon, request->call->parameters);
}

static struct message *reload(const struct request *request) {
    json_t *changed;
    int r;

    if (!connection_peer(request->connection)->is_admin)
        return refusal_of_peer();
    changed = json_array();
    r = daemon_reload(request->daemon, add_setting, changed);
    if (r == 0)
        return reply_with("changed", changed);
    json_decref(changed);
    return r == -EBADMSG
               ? varlink_error(LOOKOUT ".BadConfig",
                               json_pack("{s:o}", "errors", status_errors(request->daemon)))
               : NULL;
}

static struct message *refuse_unknown(const struct daemon *daemon, const struct filter *filter) {
    const char *name = unknown_task(daemon, filter);

    if (name)
        return refusal_new("NoSuchTask", "name", name);
    name = unknown_label(daemon, filter);
    return name ? refusal_new("NoSuchLabel", "name", name) : NULL;
}

/* NULL, or the refusal. */
static struct message *read_filter(const struct request *request, struct filter *filter,
                                   int64_t *after) {
    const char *wrong;

    if (parameter_filter(request->call->parameters, filter, &wrong) < 0 ||
        parameter_cursor(request->call->parameters, request->daemon->boot, after, &wrong) < 0)
        return refusal_of_parameter(wrong);
    return refuse_unknown(request->daemon, filter);
}

static struct message *list_events(const struct request *request) {
    struct filter filter = { 0 };
    int64_t after = -1, limit = LIST_EVENTS_LIMIT;
    struct message *refusal = read_filter(request, &filter, &after), *message;
    _cleanup_(freep) char *list = NULL, *text = NULL;
    const char *wrong;
    int n;

    if (refusal)
        return refusal;
    if (parameter_int(request->call->parameters, "limit", 0, LIST_EVENTS_LIMIT_MAX, &limit,
                      &wrong) < 0)
        return refusal_of_parameter(wrong);
    list = publish_list_events(request->daemon->ring, &filter, after, (size_t) limit);
    if (!list)
        return NULL;
    n = asprintf(&text, "{\"parameters\":{\"events\":%s,\"gap\":%" PRId64 "}}", list,
                 after < 0 ? 0 : ring_gap(request->daemon->ring, after));
    message = n < 0 ? NULL : message_new(text, (size_t) n);
    return message;
}

/* NULL if it streams from now on. */
static struct message *watch(const struct request *request) {
    struct watch_request wanted = { .after = -1 };
    struct message *refusal;
    const char *wrong;

    if (!request->call->more)
        return service_error("ExpectedMore", NULL, NULL);
    refusal = read_filter(request, &wanted.filter, &wanted.after);
    if (refusal)
        return refusal;
    if (parameter_bool(request->call->parameters, "scores", &wanted.scores, &wrong) < 0)
        return refusal_of_parameter(wrong);
    if (publish_socket_subscribe(request->daemon->socket, request->connection, &wanted,
                                 request->daemon->boot, &request->client->subscription) < 0)
        connection_send(request->connection, NULL);
    return NULL;
}

static struct message *record(const struct request *request) {
    return recordings_start(&request->client->recordings, request->daemon, request->connection,
                            json_object_get(request->call->parameters, "sensors"));
}

static struct message *stop_record(const struct request *request) {
    if (request->client->recordings.n == 0)
        return refusal_new("BadRequest", "why",
                           "this connection records nothing; call Record first");
    return recordings_stop(&request->client->recordings, request->daemon);
}

/* NULL if it streams from now on. */
static struct message *look(const struct request *request) {
    if (!request->call->more)
        return service_error("ExpectedMore", NULL, NULL);
    return looker_new(request->daemon, request->connection, request->call->parameters,
                      &request->client->looker);
}

static struct message *diagnose(const struct request *request) {
    struct diagnosis diagnosis;
    json_t *all;

    diagnosis_read("/proc/self", &diagnosis);
    all = diagnosis_json(&diagnosis);
    return all ? varlink_reply(all, false) : NULL;
}

static const struct method {
    const char *name, *parameters;
    answer_fn *answer;

} methods[] = {
    { SERVICE ".GetInfo", "", get_info },
    { SERVICE ".GetInterfaceDescription", "interface", get_interface_description },
    { LOOKOUT ".Status", "", status },
    { LOOKOUT ".Watch", "after_boot_id after_sequence tasks labels min_confidence scores", watch },
    { LOOKOUT ".ListEvents", "after_boot_id after_sequence tasks labels min_confidence limit",
      list_events },
    { LOOKOUT ".ListSensors", "", list_sensors },
    { LOOKOUT ".ListDevices", "", list_devices },
    { LOOKOUT ".ListTasks", "", list_tasks },
    { LOOKOUT ".ListBundles", "installed", list_bundles },
    { LOOKOUT ".GetConfig", "", get_config },
    { LOOKOUT ".CheckConfig", "name text", check },
    { LOOKOUT ".Reload", "", reload },
    { LOOKOUT ".Record", "sensors", record },
    { LOOKOUT ".StopRecord", "", stop_record },
    { LOOKOUT ".Look", "sensor device", look },
    { LOOKOUT ".Diagnose", "", diagnose },
};

static const struct method *method_named(const char *name) {
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(methods[i].name, name) == 0)
            return &methods[i];
    return NULL;
}

/* Neither interface has it: say which part of the name is unknown. */
static struct message *no_such_method(const char *name) {
    const char *dot = strrchr(name, '.');
    const size_t n = dot ? (size_t) (dot - name) : 0;
    char interface[256];

    if (dot && ((n == strlen(SERVICE) && strncmp(name, SERVICE, n) == 0) ||
                (n == strlen(LOOKOUT) && strncmp(name, LOOKOUT, n) == 0)))
        return service_error("MethodNotFound", "method", name);
    (void) snprintf(interface, sizeof(interface), "%.*s", (int) (dot ? n : strlen(name)),
                    name); /* cut is fine */
    return varlink_error(SERVICE ".InterfaceNotFound",
                         json_pack("{s:o}", "interface", text_json(interface)));
}

static struct message *answer(const struct method *method, const struct request *request) {
    const char *wrong;

    if (!method)
        return no_such_method(request->call->method);
    if (parameters_known(request->call->parameters, method->parameters, &wrong) < 0)
        return refusal_of_parameter(wrong);
    return method->answer(request);
}

void methods_call(struct connection *connection, const struct varlink_call *call, void *user) {
    const struct method *method = method_named(call->method);
    struct request request = { user, connection, connection_user(connection), call };
    struct message *message;

    if (!request.client) {
        request.client = calloc(1, sizeof(*request.client));
        connection_set_user(connection, request.client);
    }
    message = request.client ? answer(method, &request) : NULL;
    if (message && call->oneway)
        message_unref(message);
    else if (message || !request.client ||
             !(request.client->subscription || request.client->looker ||
               request.client->waits_for_devices))
        connection_send(connection, message);
}

void methods_gone(struct connection *connection, void *user) {
    struct client *client = connection_user(connection);

    if (!client)
        return;
    subscription_free(client->subscription);
    looker_free(client->looker);
    if (client->recordings.n > 0)
        message_unref(recordings_stop(&client->recordings, user)); /* nobody is left to hear it */
    free(client);
}
