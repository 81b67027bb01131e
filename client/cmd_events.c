/* SPDX-License-Identifier: MIT */
/* events: what the daemon still keeps of the past. */
#include <errno.h>
#include <inttypes.h>

#include "client/field.h"
#include "client/render_event.h"
#include "client/watch.h"

enum { SHOWN_DEFAULT = 20 };

static void show(const struct client *client, const json_t *events, int64_t gap) {
    const struct screen *screen = &client->screen;

    if (json_array_size(events) == 0)
        (void) fputs("No events are kept.\n", screen->out); /* ferror() is looked at by main() */
    else
        event_heading(screen);
    if (gap > 0)
        note_line(screen, COLOUR_WARN, "%" PRId64 " earlier event%s no longer kept", gap,
                  gap == 1 ? " is" : "s are");
    for (size_t i = 0; i < json_array_size(events); i++) {
        event_line(screen, json_array_get(events, i));
        if (client->options.long_form)
            event_details(screen, json_array_get(events, i));
    }
}

static int ask(const struct client *client, const struct cursor *cursor, struct reply *ret,
               struct fault *fault) {
    const double count = client->options.count;
    _cleanup_(json_decrefp) json_t *parameters = watch_parameters(&client->options, cursor);

    if (!parameters ||
        json_object_set_new(parameters, "limit",
                            json_integer(count > 0 ? (json_int_t) count : SHOWN_DEFAULT)) < 0)
        return fault_set(fault, -ENOMEM, "out of memory");
    return client_ask(client, "ListEvents", parameters, ret, fault);
}

int cmd_events(struct client *client, struct fault *fault) {
    _cleanup_(reply_clear) struct reply reply = { 0 };
    struct cursor cursor = { 0 };
    const json_t *events;
    int r = 0;

    if (client->options.since)
        r = cursor_parse(client->options.since, &cursor, fault);
    if (r == 0)
        r = ask(client, &cursor, &reply, fault);
    if (r < 0)
        return r;
    events = json_object_get(reply.parameters, "events");
    if (!client->options.json)
        show(client, events, field_integer(reply.parameters, "gap"));
    for (size_t i = 0; client->options.json && i < json_array_size(events); i++)
        client_json(client, json_array_get(events, i));
    return 0;
}
