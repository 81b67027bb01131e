/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "client/command.h"
#include "client/field.h"
#include "client/render_list.h"
#include "client/render_table.h"
#include "client/render_time.h"

enum { INDENT_COLUMNS = 2, STAGE_BYTES = 32, COUNTS_COLUMNS = 100 };

#define COUNT_MAX 1e15 /* whole numbers stay exact below, and have few digits */

static enum colour state_colour(const char *state) {
    if (strcmp(state, "running") == 0)
        return COLOUR_GOOD;
    return strcmp(state, "idle") == 0 ? COLOUR_NONE : COLOUR_WARN;
}

static void heading(const struct screen *screen, const char *text) {
    (void) fputc('\n', screen->out); /* ferror() is looked at by main() */
    (void) screen_text(screen, COLOUR_BOLD, text, SIZE_MAX);
    (void) fputc('\n', screen->out);
}

/* "lookoutd 0.1.0 is running since 3 min 5 s ago (pid 1234)" */
static void write_head(const struct screen *screen, const json_t *status) {
    const char *state = field_text(status, "state");
    const json_t *since = json_object_get(status, "since");
    char text[TIME_BYTES];

    (void) fputs("lookoutd ", screen->out);
    (void) screen_text(screen, COLOUR_BOLD, field_text(status, "version"), 40);
    (void) fputs(" is ", screen->out);
    (void) screen_text(screen, state_colour(state), state, 40);
    time_ago(screen, since, text);
    (void) fprintf(screen->out, ", started %s, pid %lld\n", *text ? text : "at an unknown time",
                   (long long) field_integer(status, "pid"));
    if (json_is_false(json_object_get(since, "synchronised"))) {
        (void) screen_text(screen, COLOUR_WARN,
                           "The clock of this box is not synchronised: wall times may be off.",
                           SIZE_MAX);
        (void) fputc('\n', screen->out);
    }
}

static void write_errors(const struct screen *screen, const json_t *errors) {
    if (json_array_size(errors) == 0)
        return;
    heading(screen, "Mistakes in the configuration");
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const char *line = json_string_value(json_array_get(errors, i));
        screen_space(screen, INDENT_COLUMNS);
        (void) screen_text(screen, COLOUR_BAD, line ? line : "", SIZE_MAX); /* the terminal wraps */
        (void) fputc('\n', screen->out);
    }
}

/* The stage of "encode_ms_p50", so that its two numbers stand in one row; false for any other name.
 */
static bool stage_of(const char *name, const char *suffix, char ret[STAGE_BYTES]) {
    const size_t n = strlen(name), n_suffix = strlen(suffix);

    if (n <= n_suffix || n - n_suffix >= STAGE_BYTES || strcmp(name + n - n_suffix, suffix) != 0)
        return false;
    (void) snprintf(ret, STAGE_BYTES, "%.*s", (int) (n - n_suffix),
                    name); /* its length was checked */
    return true;
}

static int write_stages(const struct screen *screen, json_t *statistics) {
    static const struct column columns[] = { { .heading = "STAGE" },
                                             { .heading = "MEDIAN", .right = true },
                                             { .heading = "99 % UNDER", .right = true } };
    _cleanup_(table_freep) struct table *table = NULL;
    char stage[STAGE_BYTES], p99[STAGE_BYTES + sizeof("_ms_p99")];
    const char *name;
    json_t *value;
    int r = table_new(columns, sizeof(columns) / sizeof(*columns), &table);

    json_object_foreach(statistics, name, value) {
        if (r < 0 || !stage_of(name, "_ms_p50", stage))
            continue;
        (void) snprintf(p99, sizeof(p99), "%s_ms_p99", stage); /* fits */
        if (!(field_number(statistics, p99) > 0))
            continue; /* nothing went through it yet */
        r = table_add(table, COLOUR_NONE, stage);
        r = r < 0 ? r : table_addf(table, COLOUR_NONE, "%.1f ms", json_number_value(value));
        r = r < 0 ? r : table_addf(table, COLOUR_NONE, "%.1f ms", field_number(statistics, p99));
    }
    if (r == 0 && table_n_rows(table) > 0)
        table_write(table, screen, INDENT_COLUMNS);
    return r;
}

/* "events 12, windows late 1 ...", broken into lines that fit. */
static void write_counts(const struct screen *screen, json_t *statistics) {
    const size_t columns_max = screen->columns ? screen->columns : COUNTS_COLUMNS;
    size_t column = 0;
    char stage[STAGE_BYTES], text[96];
    const char *name;
    json_t *value;

    json_object_foreach(statistics, name, value) {
        if (stage_of(name, "_ms_p50", stage) || stage_of(name, "_ms_p99", stage))
            continue;
        (void) snprintf(text, sizeof(text), "%.60s %.*f", name, /* fits */
                        json_number_value(value) == floor(json_number_value(value)) ? 0 : 2,
                        fmin(json_number_value(value), COUNT_MAX));
        for (char *c = text; *c; c++)
            *c = *c == '_' ? ' ' : *c;
        if (column > 0 && column + 2 + screen_columns(screen, text) >= columns_max) {
            (void) fputs(",\n", screen->out);
            column = 0;
        } else if (column > 0) {
            column += screen_text(screen, COLOUR_NONE, ", ", 2);
        }
        if (column == 0)
            screen_space(screen, column = INDENT_COLUMNS);
        column += screen_text(screen, COLOUR_NONE, text, SIZE_MAX);
    }
    (void) fputs(column ? "\n" : "", screen->out);
}

static int write_statistics(const struct screen *screen, json_t *statistics) {
    int r;

    if (json_object_size(statistics) == 0)
        return 0;
    heading(screen, "Statistics");
    r = write_stages(screen, statistics);
    write_counts(screen, statistics);
    return r;
}

static int write_status(const struct screen *screen, const json_t *status) {
    const json_t *sensors = json_object_get(status, "sensors"),
                 *tasks = json_object_get(status, "tasks");
    int r = 0;

    write_head(screen, status);
    write_errors(screen, json_object_get(status, "config_errors"));
    heading(screen, json_array_size(sensors) ? "Sensors" : "No sensors");
    if (json_array_size(sensors) > 0)
        r = render_sensors(screen, sensors, INDENT_COLUMNS);
    heading(screen, json_array_size(tasks) ? "Tasks" : "No tasks");
    if (r == 0 && json_array_size(tasks) > 0)
        r = render_tasks(screen, tasks, INDENT_COLUMNS);
    return r < 0 ? r : write_statistics(screen, json_object_get(status, "statistics"));
}

int cmd_status(struct client *client, struct fault *fault) {
    _cleanup_(reply_clear) struct reply reply = { 0 };
    int r = client_ask(client, "Status", NULL, &reply, fault);

    if (r < 0)
        return r;
    if (client->options.json) {
        client_json(client, reply.parameters);
        return 0;
    }
    r = write_status(&client->screen, reply.parameters);
    return r < 0 ? fault_set(fault, r, "out of memory") : 0;
}
