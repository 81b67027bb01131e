/* SPDX-License-Identifier: MIT */
/*
 * record: we make the files, the daemon writes into them. Descriptors travel
 * with the call (unix(7), SCM_RIGHTS), so that the daemon needs no right to our
 * directory and we need none to its devices.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>

#include "client/command.h"
#include "client/field.h"
#include "client/record_files.h"
#include "client/render_table.h"
#include "client/render_time.h"

struct recording {
    struct client *client;
    struct connection *connection; /* the recording lives as long as it does */
    struct record_files *files;
    json_t *results; /* []: what StopRecord told */
};

static void recording_clear(struct recording *recording) {
    recording->connection = connection_free(recording->connection);
    recording->files = record_files_free(recording->files);
    json_decref(recording->results);
}

static int check_usage(const struct options *options, struct fault *fault) {
    if (options->sensors.n == 0)
        return fault_set(fault, -EINVAL,
                         "`record` needs --sensor NAME; `lookoutctl sensors` lists them");
    if (options->for_s <= 0)
        return fault_set(fault, -EINVAL, "`record` needs --for SECONDS");
    for (size_t i = 0; i < options->sensors.n; i++)
        for (size_t k = 0; k < i; k++)
            if (strcmp(options->sensors.items[i], options->sensors.items[k]) == 0)
                return fault_set(fault, -EINVAL, "the sensor %s is named twice",
                                 options->sensors.items[i]);
    return 0;
}

/* Hand the files over. Returns 0, -errno; then the daemon holds none of them. */
static int start(struct recording *recording, struct fault *fault) {
    const struct names *sensors = &recording->client->options.sensors;
    _cleanup_(json_decrefp) json_t *parameters = json_pack("{s: []}", "sensors");
    _cleanup_(reply_clear) struct reply reply = { 0 };
    int fds[OPTION_NAMES_MAX];

    for (size_t i = 0; i < sensors->n; i++) {
        json_t *names = json_object_get(parameters, "sensors");
        if (json_array_append_new(names, json_string(sensors->items[i])) < 0)
            return fault_set(fault, -ENOMEM, "out of memory");
        fds[i] = record_files_at(recording->files, i)->fd;
    }
    return connection_call(
        recording->connection,
        &(struct call){
            .method = "Record", .parameters = parameters, .fds = fds, .n_fds = sensors->n },
        &reply, fault);
}

/* Wait for the time to pass, ^C, or the daemon's end. Returns 0, -ECONNRESET ... */
static int wait_out(const struct recording *recording, struct fault *fault) {
    const struct client *client = recording->client;
    const int64_t end_ns = now_ns() + (int64_t) (client->options.for_s * (double) NS_PER_S);
    _cleanup_(reply_clear) struct reply reply = { 0 };
    const int r = connection_receive(recording->connection, end_ns, client->stop_fd, &reply, fault);

    if (r == 1)
        return fault_set(fault, -EPROTO,
                         "lookoutd said something nobody asked for while recording");
    return r == -EINTR ? 0 : r;
}

/* Ask for the end and note what the daemon tells of each sensor. */
static int stop(struct recording *recording, struct fault *fault) {
    _cleanup_(reply_clear) struct reply reply = { 0 };
    int r = connection_call(recording->connection, &(struct call){ .method = "StopRecord" }, &reply,
                            fault);

    if (r < 0)
        return r;
    recording->results = json_incref(json_object_get(reply.parameters, "results"));
    for (size_t i = 0; i < json_array_size(recording->results); i++) {
        const json_t *result = json_array_get(recording->results, i);
        struct recorded *item = record_files_find(recording->files, field_text(result, "sensor"));
        if (!item)
            continue;
        item->first_ns = field_ns(json_object_get(result, "first"), "monotonic_ns");
        item->last_ns = field_ns(json_object_get(result, "last"), "monotonic_ns");
        item->n_items = field_integer(result, "items");
        item->n_lost = field_integer(result, "lost");
    }
    return 0;
}

static int add_result(struct table *table, const struct recorded *item, const char *error) {
    static const char *const datas[] = { "nothing", "sound", "picture" };
    const bool nothing = item->data == RECORDED_NOTHING;
    char span[TIME_BYTES];
    int r;

    time_span(item->last_ns - item->first_ns, span);
    r = table_add(table, COLOUR_BOLD, item->sensor);
    r = r < 0 ? r : table_add(table, nothing ? COLOUR_BAD : COLOUR_NONE, datas[item->data]);
    r = r < 0 ? r : table_add(table, COLOUR_NONE, item->file);
    r = r < 0 ? r : table_add(table, COLOUR_NONE, span);
    r = r < 0 ? r : table_addf(table, COLOUR_NONE, "%" PRId64, item->n_items);
    r = r < 0 ? r
              : table_addf(table, item->n_lost ? COLOUR_BAD : COLOUR_DIM, "%" PRId64, item->n_lost);
    return r < 0 ? r : table_add(table, COLOUR_BAD, error);
}

/* The daemon's word on why writing @sensor failed; "" if it did not. */
static const char *error_of(const json_t *results, const char *sensor) {
    for (size_t i = 0; i < json_array_size(results); i++)
        if (strcmp(field_text(json_array_get(results, i), "sensor"), sensor) == 0)
            return field_text(json_array_get(results, i), "error");
    return "lookoutd told nothing about it";
}

static int report_plain(const struct recording *recording) {
    static const struct column columns[] = {
        { .heading = "SENSOR", .shrink = true },
        { .heading = "DATA" },
        { .heading = "FILE" },
        { .heading = "TIME", .right = true },
        { .heading = "ITEMS", .right = true },
        { .heading = "LOST", .right = true },
        { .heading = "ERROR" },
    };
    const struct client *client = recording->client;
    _cleanup_(table_freep) struct table *table = NULL;
    const struct recorded *item;
    int r = table_new(columns, sizeof(columns) / sizeof(*columns), &table);

    for (size_t i = 0; r == 0 && (item = record_files_at(recording->files, i)); i++)
        r = add_result(table, item, error_of(recording->results, item->sensor));
    if (r < 0)
        return r;
    table_write(table, &client->screen, 0);
    (void) fprintf(client->screen.out, /* ferror() is looked at by main() */
                   "In %s, with pairs.csv (times) and replay.ini (plays it back).\n",
                   client->options.words[1]);
    return 0;
}

static int report_json(const struct recording *recording) {
    const struct recorded *item;

    for (size_t i = 0; (item = record_files_at(recording->files, i)); i++) {
        const char *error = error_of(recording->results, item->sensor);
        _cleanup_(json_decrefp) json_t *line = json_pack(
            "{s: s, s: s, s: I, s: I, s: I, s: s?}", "sensor", item->sensor, "file", item->file,
            "duration_ms", (json_int_t) ((item->last_ns - item->first_ns) / NS_PER_MS), "items",
            (json_int_t) item->n_items, "lost", (json_int_t) item->n_lost, "error",
            *error ? error : NULL);
        if (!line)
            return -ENOMEM;
        client_json(recording->client, line);
    }
    return 0;
}

/* Say what came out. Returns 0, or -EIO if a sensor gave nothing or writing failed. */
static int report(const struct recording *recording, struct fault *fault) {
    const struct recorded *item;
    int r = recording->client->options.json ? report_json(recording) : report_plain(recording);

    if (r < 0)
        return fault_set(fault, r, "out of memory");
    for (size_t i = 0; (item = record_files_at(recording->files, i)); i++) {
        const char *error = error_of(recording->results, item->sensor);
        if (*error)
            return fault_set(fault, -EIO, "recording %s failed: %s", item->sensor, error);
        if (item->data == RECORDED_NOTHING)
            return fault_set(fault, -EIO, "nothing came from %s; see `lookoutctl sensors`",
                             item->sensor);
    }
    return 0;
}

/* "2026-11-21T14:03:22.512345+01:00" of now. */
static void wall_now(char ret[WALL_BYTES]) {
    char boot[BOOT_ID_BYTES];

    boot_id(boot);
    (void) memcpy(ret, instant_at(now_ns(), boot).wall, WALL_BYTES);
}

static void announce(const struct client *client) {
    const struct names *sensors = &client->options.sensors;
    char span[TIME_BYTES];

    if (client->options.json)
        return;
    time_span((int64_t) (client->options.for_s * (double) NS_PER_S), span);
    (void) fputs("Recording ", client->screen.out); /* ferror() is looked at by main() */
    for (size_t i = 0; i < sensors->n; i++)
        (void) fprintf(client->screen.out, "%s%s", i ? ", " : "", sensors->items[i]);
    (void) fprintf(client->screen.out, " for %s (^C ends it early)\n", span);
    (void) fflush(client->screen.out);
}

static int run(struct recording *recording, struct fault *fault) {
    const struct options *options = &recording->client->options;
    char when[WALL_BYTES];
    int r = connection_new(options->socket, &recording->connection, fault);

    if (r < 0)
        return r;
    r = record_files_new(options->words[1], options->sensors.items, options->sensors.n,
                         &recording->files, fault);
    if (r < 0)
        return r;
    r = start(recording, fault);
    if (r < 0) {
        record_files_remove(recording->files);
        return r;
    }
    wall_now(when);
    announce(recording->client);
    r = wait_out(recording, fault);
    if (r == 0)
        r = stop(recording, fault);
    if (r == 0)
        r = record_files_finish(recording->files, when, fault);
    return r < 0 ? r : report(recording, fault);
}

int cmd_record(struct client *client, struct fault *fault) {
    _cleanup_(recording_clear) struct recording recording = { .client = client };
    int r = check_usage(&client->options, fault);

    if (r == 0)
        r = client_catch_stop(client, fault);
    return r < 0 ? r : run(&recording, fault);
}
