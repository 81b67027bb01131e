/* SPDX-License-Identifier: MIT */
/*
 * watch: subscribe, show, and when the daemon goes away come back to where we
 * were. An end is asked for by ^C, --for or --count; nothing else but an error is one.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "client/field.h"
#include "client/render_event.h"
#include "client/render_time.h"
#include "client/watch.h"

enum { RETRY_MS_MIN = 100, RETRY_MS_MAX = 2000 };

struct watch {
    struct client *client;
    struct connection *connection; /* owned; NULL while the daemon is away */
    struct cursor cursor;
    struct tally tally;
    int64_t start_ns, end_ns; /* end_ns is INT64_MAX without --for */
};

/* A line of our own for a person; programs see it in what follows. */
static void note(const struct watch *watch, enum colour colour, const char *text) {
    if (watch->client->options.json)
        (void) fprintf(stderr, "lookoutctl: %s\n", text);
    else
        note_line(&watch->client->screen, colour, "%s", text);
    (void) fflush(watch->client->screen.out); /* ferror() is looked at by main() */
}

/* Connect and subscribe from the cursor on. Returns 0, -errno. */
static int subscribe(struct watch *watch, struct fault *fault) {
    const struct options *options = &watch->client->options;
    _cleanup_(json_decrefp) json_t *parameters = watch_parameters(options, &watch->cursor);
    const struct call call = { .method = "Watch", .parameters = parameters, .more = true };
    _cleanup_(connection_freep) struct connection *connection = NULL;
    int r;

    if (!parameters)
        return fault_set(fault, -ENOMEM, "out of memory");
    r = connection_new(options->socket, &connection, fault);
    if (r < 0)
        return r;
    r = connection_send(connection, &call, fault);
    if (r < 0)
        return r;
    watch->connection = connection;
    connection = NULL; /* now the watch's */
    return 0;
}

/* Wait up to @ms for ^C or --for. Returns true if it is time to end. */
static bool ends_within(const struct watch *watch, int ms) {
    struct pollfd stop = { .fd = watch->client->stop_fd, .events = POLLIN };
    const int64_t left_ms =
        watch->end_ns == INT64_MAX ? ms : (watch->end_ns - now_ns()) / NS_PER_MS;

    if (left_ms <= 0)
        return true;
    return poll(&stop, 1, left_ms < ms ? (int) left_ms : ms) > 0 || now_ns() >= watch->end_ns;
}

/* No connection any more, for the reason @why: wait for one. Returns 1, 0 if it is time to end,
 * -errno. */
static int come_back(struct watch *watch, const char *why, struct fault *fault) {
    const int64_t gone_ns = now_ns();
    int ms = RETRY_MS_MIN;
    char span[TIME_BYTES], text[128];

    watch->connection = connection_free(watch->connection);
    note(watch, COLOUR_WARN, why);
    while (!ends_within(watch, ms)) {
        int r = subscribe(watch, fault);
        if (r == 0) {
            time_span(now_ns() - gone_ns, span);
            (void) snprintf(text, sizeof(text), "lookoutd is back after %s", span); /* fits */
            note(watch, COLOUR_GOOD, text);
            return 1;
        }
        if (r != -EHOSTDOWN && r != -ECONNRESET)
            return r;
        ms = ms * 2 < RETRY_MS_MAX ? ms * 2 : RETRY_MS_MAX;
    }
    return 0;
}

/* Show one reply. Returns 1 to go on, 0 if it was the last one asked for, -errno. */
static int take(struct watch *watch, const struct reply *reply, struct fault *fault) {
    const double count = watch->client->options.count;

    if (reply->error)
        return reply_fault(reply, fault);
    screen_measure(&watch->client->screen);
    watch_show(watch->client, reply->parameters);
    cursor_follow(&watch->cursor, reply->parameters);
    tally_count(&watch->tally, reply->parameters);
    return count > 0 && (double) watch->tally.n_messages >= count ? 0 : 1;
}

static bool is_too_slow(const struct reply *reply) {
    return reply->error && strcmp(reply->error, LOOKOUT_INTERFACE ".TooSlow") == 0;
}

/* Take replies, through restarts of the daemon. Returns 0 at the end that was asked for, -errno. */
static int follow(struct watch *watch, struct fault *fault) {
    for (int r = 1; r > 0;) {
        _cleanup_(reply_clear) struct reply reply = { 0 };
        r = connection_receive(watch->connection, watch->end_ns, watch->client->stop_fd, &reply,
                               fault);
        if (r == -EINTR)
            return 0;
        if (r == -ECONNRESET)
            r = come_back(watch, "lookoutd is gone; waiting for it (^C ends)", fault);
        else if (r > 0 && is_too_slow(&reply))
            r = come_back(watch, "lookoutd dropped us: this output is read too slowly", fault);
        else if (r > 0)
            r = take(watch, &reply, fault);
        if (r <= 0)
            return r;
    }
    return 0;
}

/* A person who sees nothing come must know why: what does not work already at the beginning. */
static int show_troubles(const struct client *client, struct fault *fault) {
    _cleanup_(reply_clear) struct reply reply = { 0 };
    int r = client_ask(client, "Status", NULL, &reply, fault);
    const json_t *sensors = json_object_get(reply.parameters, "sensors");
    const json_t *tasks = json_object_get(reply.parameters, "tasks");

    if (r < 0)
        return r;
    for (size_t i = 0; i < json_array_size(sensors); i++)
        sensor_line(&client->screen, json_array_get(sensors, i));
    for (size_t i = 0; i < json_array_size(tasks); i++) {
        const json_t *task = json_array_get(tasks, i);
        if (*field_text(task, "reason"))
            note_line(&client->screen, COLOUR_BAD, "the task %s does not run: %s",
                      field_text(task, "name"), field_text(task, "reason"));
    }
    if (json_array_size(tasks) == 0)
        note_line(&client->screen, COLOUR_WARN, "no task is configured, so no events will come");
    return 0;
}

static int run(struct watch *watch, struct fault *fault) {
    const struct client *client = watch->client;
    int r = subscribe(watch, fault);

    if (r < 0)
        return r;
    if (!client->options.json) {
        event_heading(&client->screen);
        r = show_troubles(client, fault);
        (void) fflush(client->screen.out); /* ferror() is looked at by main() */
    }
    r = r < 0 ? r : follow(watch, fault);
    if (!client->options.json)
        tally_write(&client->screen, &watch->tally, now_ns() - watch->start_ns, &watch->cursor);
    return r;
}

int cmd_watch(struct client *client, struct fault *fault) {
    const struct options *options = &client->options;
    struct watch watch = { .client = client, .start_ns = now_ns(), .end_ns = INT64_MAX };
    int r = client_catch_stop(client, fault);

    if (r == 0 && options->since)
        r = cursor_parse(options->since, &watch.cursor, fault);
    if (r < 0)
        return r;
    if (options->for_s > 0)
        watch.end_ns = watch.start_ns + (int64_t) (options->for_s * (double) NS_PER_S);
    r = run(&watch, fault);
    watch.connection = connection_free(watch.connection);
    return r;
}
