/* SPDX-License-Identifier: MIT */
/* events: what the daemon's ring still holds, then the end. */
#include <errno.h>
#include <stdlib.h>

#include "client/field.h"
#include "client/render_event.h"
#include "client/watch.h"

/* The ring comes at once; silence as long as this is its end. */
enum { SILENCE_MS = 300, SHOWN_DEFAULT = 20 };

/* Collect the events of the ring, oldest first. Returns 0, -errno. */
static int collect(struct connection *connection, json_t *events, struct fault *fault) {
    for (int r = 1; r > 0;) {
        _cleanup_(reply_clear) struct reply reply = { 0 };
        r = connection_receive(connection, now_ns() + SILENCE_MS * NS_PER_MS, -1, &reply, fault);
        if (r <= 0)
            return r;
        if (reply.error)
            return reply_fault(&reply, fault);
        if (json_is_object(json_object_get(reply.parameters, "event")) &&
            json_array_append(events, reply.parameters) < 0)
            return fault_set(fault, -ENOMEM, "out of memory");
    }
    return 0;
}

static int ask(const struct client *client, const struct cursor *cursor, json_t *events,
               struct fault *fault) {
    _cleanup_(json_decrefp) json_t *parameters = watch_parameters(&client->options, cursor);
    const struct call call = { .method = "Watch", .parameters = parameters, .more = true };
    _cleanup_(connection_freep) struct connection *connection = NULL;
    int r;

    if (!parameters)
        return fault_set(fault, -ENOMEM, "out of memory");
    r = connection_new(client->options.socket, &connection, fault);
    if (r == 0)
        r = connection_send(connection, &call, fault);
    return r < 0 ? r : collect(connection, events, fault);
}

static void show(const struct client *client, const json_t *events) {
    const size_t n = json_array_size(events);
    const size_t n_shown =
        client->options.count > 0 ? (size_t) client->options.count : SHOWN_DEFAULT;

    if (n == 0 && !client->options.json)
        (void) fputs("No events are kept.\n",
                     client->screen.out); /* ferror() is looked at by main() */
    else if (!client->options.json)
        event_heading(&client->screen);
    for (size_t i = n > n_shown ? n - n_shown : 0; i < n; i++)
        watch_show(client, json_array_get(events, i));
}

int cmd_events(struct client *client, struct fault *fault) {
    struct cursor cursor = { .known = true }; /* from the oldest on */
    _cleanup_(json_decrefp) json_t *events = json_array();
    int r = events ? 0 : fault_set(fault, -ENOMEM, "out of memory");

    if (r == 0 && client->options.since)
        r = cursor_parse(client->options.since, &cursor, fault);
    if (r == 0)
        r = ask(client, &cursor, events, fault);
    if (r < 0)
        return r;
    show(client, events);
    return 0;
}
