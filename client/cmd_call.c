/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "client/command.h"
#include "client/field.h"

/* Print what @reply brings. Returns 0, or -EREMOTEIO if it is an error. */
static int show(const struct client *client, const struct reply *reply, struct fault *fault) {
    if (!reply->error) {
        client_json(client, reply->parameters);
        return 0;
    }
    client_json(client, reply->whole);
    return reply_fault(reply, fault);
}

/* Print replies until the stream ends or ^C. */
static int follow(struct client *client, struct connection *connection, struct fault *fault) {
    for (bool continues = true; continues;) {
        _cleanup_(reply_clear) struct reply reply = { 0 };
        int r = connection_receive(connection, INT64_MAX, client->stop_fd, &reply, fault);
        if (r == -EINTR)
            return 0;
        if (r < 0)
            return r;
        r = show(client, &reply, fault);
        if (r < 0)
            return r;
        continues = reply.continues;
    }
    return 0;
}

static int parse(const char *text, json_t **ret, struct fault *fault) {
    json_error_t error;
    _cleanup_(json_decrefp) json_t *parameters = json_loads(text, JSON_REJECT_DUPLICATES, &error);

    if (!parameters)
        return fault_set(fault, -EINVAL, "the parameters are no JSON: %s", error.text);
    if (!json_is_object(parameters))
        return fault_set(fault, -EINVAL, "the parameters are no JSON object, like {\"name\": 1}");
    *ret = json_incref(parameters);
    return 0;
}

static int call_method(struct client *client, const json_t *parameters, struct fault *fault) {
    const struct call call = { .method = client->options.words[1],
                               .parameters = parameters,
                               .more = client->options.more };
    _cleanup_(connection_freep) struct connection *connection = NULL;
    _cleanup_(reply_clear) struct reply reply = { 0 };
    int r = connection_new(client->options.socket, &connection, fault);

    if (r < 0)
        return r;
    if (!call.more) {
        r = connection_call(connection, &call, &reply, fault);
        return r < 0 && r != -EREMOTEIO ? r : show(client, &reply, fault);
    }
    r = client_catch_stop(client, fault);
    if (r == 0)
        r = connection_send(connection, &call, fault);
    return r < 0 ? r : follow(client, connection, fault);
}

int cmd_call(struct client *client, struct fault *fault) {
    _cleanup_(json_decrefp) json_t *parameters = NULL;
    int r = 0;

    if (client->options.n_words > 2)
        r = parse(client->options.words[2], &parameters, fault);
    return r < 0 ? r : call_method(client, parameters, fault);
}
