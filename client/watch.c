/* SPDX-License-Identifier: MIT */
#include "client/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "client/field.h"
#include "client/render_event.h"
#include "client/render_table.h"
#include "client/render_time.h"

int cursor_parse(const char *text, struct cursor *ret, struct fault *fault) {
    const char *colon = strrchr(text, ':'), *number = colon ? colon + 1 : text;
    struct cursor cursor = { .known = true };
    char *end;

    errno = 0;
    cursor.sequence = strtoll(number, &end, 10);
    if (end == number || *end || errno || cursor.sequence < 0 ||
        (colon && (size_t) (colon - text) >= sizeof(cursor.boot_id)))
        return fault_set(fault, -EINVAL, "--since takes BOOT_ID:SEQUENCE or SEQUENCE, not `%s`",
                         text);
    if (colon)
        (void) memcpy(cursor.boot_id, text, (size_t) (colon - text));
    *ret = cursor;
    return 0;
}

static json_t *strings(const struct names *names) {
    _cleanup_(json_decrefp) json_t *array = json_array();

    for (size_t i = 0; array && i < names->n; i++)
        if (json_array_append_new(array, json_string(names->items[i])) < 0)
            return NULL;
    return json_incref(array);
}

/* Set @name to the new @value. Returns 0, -ENOMEM. */
static int set(json_t *object, const char *name, json_t *value) {
    return json_object_set_new(object, name, value) < 0 ? -ENOMEM : 0;
}

json_t *watch_parameters(const struct options *options, const struct cursor *cursor) {
    _cleanup_(json_decrefp) json_t *parameters = json_object();
    int r = parameters ? 0 : -ENOMEM;

    if (r == 0 && cursor->known && *cursor->boot_id)
        r = set(parameters, "after_boot_id", json_string(cursor->boot_id));
    if (r == 0 && cursor->known)
        r = set(parameters, "after_sequence", json_integer(cursor->sequence));
    if (r == 0 && options->tasks.n > 0)
        r = set(parameters, "tasks", strings(&options->tasks));
    if (r == 0 && options->labels.n > 0)
        r = set(parameters, "labels", strings(&options->labels));
    if (r == 0 && options->min_confidence > 0)
        r = set(parameters, "min_confidence", json_real(options->min_confidence));
    if (r == 0 && options->scores)
        r = set(parameters, "scores", json_true());
    return r < 0 ? NULL : json_incref(parameters);
}

void cursor_follow(struct cursor *cursor, const json_t *parameters) {
    const json_t *event = json_object_get(parameters, "event");
    const json_t *change = json_object_get(parameters, "sensor_change");
    const json_t *newest = json_is_object(event)    ? event
                           : json_is_object(change) ? change
                                                    : parameters;
    const char *boot_id =
        field_text(newest == event ? json_object_get(event, "at") : newest, "boot_id");

    if (!json_is_integer(json_object_get(newest, "sequence")) ||
        strlen(boot_id) >= sizeof(cursor->boot_id))
        return;                              /* scores have no place in the order */
    (void) strcpy(cursor->boot_id, boot_id); /* its length was checked */
    cursor->sequence = field_integer(newest, "sequence");
    cursor->known = true;
}

/* The row of @name; NULL if all are taken by others. */
static struct tally_label *row_of(struct tally *tally, const char *name) {
    struct tally_label *row;

    for (size_t i = 0; i < tally->n_labels; i++)
        if (strncmp(tally->labels[i].name, name, TALLY_NAME_BYTES - 1) == 0)
            return &tally->labels[i];
    if (tally->n_labels == TALLY_LABELS_MAX)
        return NULL;
    row = &tally->labels[tally->n_labels++];
    (void) snprintf(row->name, sizeof(row->name), "%s", name); /* cut is fine */
    return row;
}

static void count_event(struct tally *tally, const json_t *event) {
    struct tally_label *row = row_of(tally, field_text(event, "label"));
    const int64_t lasted_ns = field_ns(json_object_get(event, "at"), "monotonic_ns") -
                              field_ns(json_object_get(event, "began"), "monotonic_ns");

    tally->n_messages++;
    if (!row)
        return;
    if (strcmp(field_text(event, "phase"), "begin") == 0 || row->n_events == 0)
        row->n_events++; /* it may have begun before we came */
    row->best = fmax(row->best, field_number(event, "confidence"));
    row->longest_ns = lasted_ns > row->longest_ns ? lasted_ns : row->longest_ns;
}

void tally_count(struct tally *tally, const json_t *parameters) {
    const json_t *event = json_object_get(parameters, "event");
    const int64_t gap = field_integer(parameters, "gap");

    if (json_is_object(event))
        count_event(tally, event);
    if (gap > 0)
        tally->n_gap += (uint64_t) gap;
}

static void show_plain(const struct client *client, const json_t *parameters) {
    const struct screen *screen = &client->screen;
    const json_t *event = json_object_get(parameters, "event");
    const json_t *change = json_object_get(parameters, "sensor_change");
    const json_t *scores = json_object_get(parameters, "scores");
    const int64_t gap = field_integer(parameters, "gap");

    if (gap > 0)
        note_line(screen, COLOUR_WARN, "%" PRId64 " earlier event%s no longer kept by lookoutd",
                  gap, gap == 1 ? " is" : "s are");
    if (json_is_object(change))
        change_line(screen, change);
    if (json_is_object(scores))
        scores_line(screen, scores, field_text(parameters, "task"),
                    json_object_get(parameters, "at"));
    if (json_is_object(event))
        event_line(screen, event);
    if (json_is_object(event) && client->options.long_form)
        event_details(screen, event);
}

void watch_show(const struct client *client, const json_t *parameters) {
    if (client->options.json)
        client_json(client, parameters);
    else
        show_plain(client, parameters);
    (void) fflush(client->screen.out); /* ferror() is looked at by main() */
}

static int write_labels(const struct screen *screen, const struct tally *tally) {
    static const struct column columns[] = { { .heading = "LABEL", .shrink = true },
                                             { .heading = "EVENTS", .right = true },
                                             { .heading = "BEST", .right = true },
                                             { .heading = "LONGEST", .right = true } };
    _cleanup_(table_freep) struct table *table = NULL;
    int r = table_new(columns, sizeof(columns) / sizeof(*columns), &table);

    for (size_t i = 0; r == 0 && i < tally->n_labels; i++) {
        const struct tally_label *row = &tally->labels[i];
        char longest[TIME_BYTES];
        time_span(row->longest_ns, longest);
        r = table_add(table, COLOUR_NONE, row->name);
        r = r < 0 ? r : table_addf(table, COLOUR_NONE, "%" PRIu64, row->n_events);
        r = r < 0 ? r : table_addf(table, COLOUR_NONE, "%.0f %%", row->best * 100);
        r = r < 0 ? r : table_add(table, COLOUR_NONE, longest);
    }
    if (r == 0)
        table_write(table, screen, 2);
    return r;
}

void tally_write(const struct screen *screen, const struct tally *tally, int64_t lasted_ns,
                 const struct cursor *cursor) {
    uint64_t n_events = 0;
    char span[TIME_BYTES];

    for (size_t i = 0; i < tally->n_labels; i++)
        n_events += tally->labels[i].n_events;
    time_span(lasted_ns, span);
    (void) fprintf(screen->out, "\n%" PRIu64 " event%s in %s", n_events, n_events == 1 ? "" : "s",
                   span);
    if (tally->n_gap > 0)
        (void) fprintf(screen->out, ", %" PRIu64 " earlier no longer kept", tally->n_gap);
    (void) fputc('\n', screen->out); /* ferror() is looked at by main() */
    if (tally->n_labels > 0)
        (void) write_labels(screen, tally); /* without memory the count above must do */
    if (cursor->known && tally->n_messages > 0) {
        (void) fputs("Go on from here: lookoutctl watch --since ", screen->out);
        (void) screen_text(screen, COLOUR_NONE, cursor->boot_id, SIZE_MAX);
        (void) fprintf(screen->out, "%s%" PRId64 "\n", *cursor->boot_id ? ":" : "",
                       cursor->sequence);
    }
}
