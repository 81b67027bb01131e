/* SPDX-License-Identifier: MIT */
#include "client/render_list.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "client/field.h"
#include "client/render_event.h"
#include "client/render_table.h"
#include "client/render_time.h"

enum { N_SCORES_SHOWN = 3 };

static enum colour state_colour(const char *state) {
    if (strcmp(state, "running") == 0)
        return COLOUR_GOOD;
    if (strcmp(state, "lost") == 0 || strcmp(state, "stopped") == 0)
        return COLOUR_BAD;
    return strcmp(state, "off") == 0 ? COLOUR_DIM : COLOUR_WARN;
}

/* "97 %"; "" for what is no number. */
static int add_percent(struct table *table, double fraction) {
    return isnan(fraction) ? table_add(table, COLOUR_NONE, "")
                           : table_addf(table, COLOUR_NONE, "%.0f %%", fraction * 100);
}

/* A count that is only worth a look if it is not 0. */
static int add_count(struct table *table, int64_t n) {
    return table_addf(table, n ? COLOUR_WARN : COLOUR_DIM, "%lld", (long long) n);
}

/* "YUYV 640x480, 10/s"; the format of sound tells its rate: "S16_LE 48000 Hz 1 ch". */
static int add_format(struct table *table, const json_t *sensor) {
    const char *format = field_text(sensor, "format");
    const double rate = field_number(sensor, "rate");

    return rate > 0 && !strstr(format, " Hz")
               ? table_addf(table, COLOUR_NONE, "%s%s%g/s", format, *format ? ", " : "", rate)
               : table_add(table, COLOUR_NONE, format);
}

static int add_sensor(struct table *table, const struct screen *screen, const json_t *sensor) {
    const char *state = field_text(sensor, "state");
    const bool delivers = strcmp(state, "running") == 0 || strcmp(state, "degraded") == 0;
    char lasts[TIME_BYTES];
    int r;

    time_lasting(screen, json_object_get(sensor, "since"), lasts);
    r = table_add(table, COLOUR_BOLD, field_text(sensor, "name"));
    r = r < 0 ? r : table_add(table, COLOUR_NONE, field_text(sensor, "kind"));
    r = r < 0 ? r : table_add(table, state_colour(state), state);
    r = r < 0 ? r : table_add(table, COLOUR_NONE, lasts);
    r = r < 0 ? r : add_percent(table, delivers ? field_number(sensor, "quality") : (double) NAN);
    r = r < 0 ? r : add_count(table, field_integer(sensor, "n_gaps"));
    r = r < 0 ? r : add_count(table, field_integer(sensor, "n_lost"));
    r = r < 0 ? r : add_format(table, sensor);
    r = r < 0 ? r : table_add(table, COLOUR_NONE, field_text(sensor, "device"));
    if (r < 0)
        return r;
    if (*field_text(sensor, "reason"))
        return table_add(table, state_colour(state), field_text(sensor, "reason"));
    return table_add(table, COLOUR_DIM, field_text(sensor, "note"));
}

int render_sensors(const struct screen *screen, const json_t *list, size_t indent) {
    static const struct column columns[] = {
        { .heading = "NAME", .shrink = true },
        { .heading = "KIND", .shrink = true },
        { .heading = "STATE" },
        { .heading = "FOR" },
        { .heading = "QUALITY", .right = true },
        { .heading = "GAPS", .right = true },
        { .heading = "LOST", .right = true },
        { .heading = "FORMAT", .shrink = true, .drop = true },
        { .heading = "DEVICE", .shrink = true, .drop = true },
        { .heading = "WHY", .note = true },
    };
    _cleanup_(table_freep) struct table *table = NULL;
    int r = table_new(columns, sizeof(columns) / sizeof(*columns), &table);

    for (size_t i = 0; r == 0 && i < json_array_size(list); i++)
        r = add_sensor(table, screen, json_array_get(list, i));
    if (r == 0)
        table_write(table, screen, indent);
    return r;
}

/* The strings of @array behind each other. */
static void join(const json_t *array, char *ret, size_t ret_bytes) {
    size_t n = 0;

    ret[0] = '\0';
    for (size_t i = 0; i < json_array_size(array) && n < ret_bytes; i++) {
        const char *item = json_string_value(json_array_get(array, i));
        n += (size_t) snprintf(ret + n, ret_bytes - n, "%s%s", i ? ", " : "",
                               item ? item : ""); /* cut is fine */
    }
}

/* A task that the daemon did not start has a reason; one that runs may have nothing to go by. */
static const char *why_task(const json_t *task) {
    const char *reason = field_text(task, "reason");

    if (*reason || strcmp(field_text(task, "state"), "stopped") != 0)
        return reason;
    return "none of its sensors delivers";
}

static int add_task(struct table *table, const json_t *task) {
    const char *state = field_text(task, "state");
    struct score best[BEST_SCORES_MAX];
    size_t n_best = best_scores(json_object_get(task, "scores"), best), n = 0;
    char present[128], scores[256] = "";
    int r;

    join(json_object_get(task, "present"), present, sizeof(present));
    for (size_t i = 0; *present && i < n_best && i < N_SCORES_SHOWN && n < sizeof(scores); i++)
        n += (size_t) snprintf(scores + n, sizeof(scores) - n, "%s%.60s %.2f",
                               i ? ", " : "", /* cut is fine */
                               best[i].label, best[i].value);
    r = table_add(table, COLOUR_BOLD, field_text(task, "name"));
    r = r < 0 ? r : table_add(table, COLOUR_NONE, field_text(task, "bundle"));
    r = r < 0 ? r : table_add(table, state_colour(state), state);
    r = r < 0
            ? r
            : table_add(table, *present ? COLOUR_NONE : COLOUR_BAD, *present ? present : "nothing");
    r = r < 0 ? r : table_add(table, COLOUR_NONE, scores);
    return r < 0 ? r : table_add(table, state_colour(state), why_task(task));
}

int render_tasks(const struct screen *screen, const json_t *list, size_t indent) {
    static const struct column columns[] = {
        { .heading = "NAME", .shrink = true },
        { .heading = "BUNDLE", .shrink = true },
        { .heading = "STATE" },
        { .heading = "HAS NOW", .shrink = true },
        { .heading = "SCORES NOW", .shrink = true },
        { .heading = "WHY", .note = true },
    };
    _cleanup_(table_freep) struct table *table = NULL;
    int r = table_new(columns, sizeof(columns) / sizeof(*columns), &table);

    for (size_t i = 0; r == 0 && i < json_array_size(list); i++)
        r = add_task(table, json_array_get(list, i));
    if (r == 0)
        table_write(table, screen, indent);
    return r;
}

static int add_bundle(struct table *table, const json_t *bundle) {
    const char *trust = field_text(bundle, "trust");
    int r = table_add(table, COLOUR_BOLD, field_text(bundle, "name"));

    r = r < 0 ? r : table_add(table, COLOUR_NONE, field_text(bundle, "version"));
    r = r < 0 ? r
              : table_add(table, strcmp(trust, "unsigned") == 0 ? COLOUR_WARN : COLOUR_GOOD, trust);
    r = r < 0 ? r
              : table_addf(table, COLOUR_NONE, "%s%s", field_text(bundle, "licence"),
                           field_true(bundle, "non_commercial") ? " (non-commercial)" : "");
    r = r < 0 ? r : table_addf(table, COLOUR_DIM, "%.12s", field_text(bundle, "sha256"));
    return r < 0 ? r : table_add(table, COLOUR_NONE, field_text(bundle, "path"));
}

int render_bundles(const struct screen *screen, const json_t *list, size_t indent) {
    static const struct column columns[] = {
        { .heading = "NAME", .shrink = true },
        { .heading = "VERSION" },
        { .heading = "TRUST" },
        { .heading = "LICENCE", .shrink = true },
        { .heading = "SHA256" },
        { .heading = "PATH", .shrink = true },
    };
    _cleanup_(table_freep) struct table *table = NULL;
    int r = table_new(columns, sizeof(columns) / sizeof(*columns), &table);

    for (size_t i = 0; r == 0 && i < json_array_size(list); i++)
        r = add_bundle(table, json_array_get(list, i));
    if (r == 0)
        table_write(table, screen, indent);
    return r;
}

static int add_setting(struct table *table, const json_t *setting, const char *section_before) {
    const char *section = field_text(setting, "section"), *origin = field_text(setting, "origin");
    const bool is_default = strcmp(origin, "default") == 0;
    int r = table_add(table, COLOUR_BOLD, strcmp(section, section_before) == 0 ? "" : section);

    r = r < 0 ? r : table_add(table, COLOUR_NONE, field_text(setting, "key"));
    r = r < 0
            ? r
            : table_add(table, is_default ? COLOUR_DIM : COLOUR_NONE, field_text(setting, "value"));
    return r < 0 ? r : table_add(table, is_default ? COLOUR_DIM : COLOUR_NONE, origin);
}

int render_settings(const struct screen *screen, const json_t *list, size_t indent) {
    static const struct column columns[] = {
        { .heading = "SECTION" },
        { .heading = "KEY" },
        { .heading = "VALUE", .shrink = true },
        { .heading = "SET BY", .shrink = true },
    };
    _cleanup_(table_freep) struct table *table = NULL;
    const char *section = "";
    int r = table_new(columns, sizeof(columns) / sizeof(*columns), &table);

    for (size_t i = 0; r == 0 && i < json_array_size(list); i++) {
        const json_t *setting = json_array_get(list, i);
        r = add_setting(table, setting, section);
        section = field_text(setting, "section");
    }
    if (r == 0)
        table_write(table, screen, indent);
    return r;
}

/* Who has it, or why it cannot be used and what to do. */
static int add_device_note(struct table *table, const json_t *device) {
    const char *why = field_text(device, "why"), *what_to_do = field_text(device, "what_to_do");
    const char *sensor = field_text(device, "sensor"), *holder = field_text(device, "holder");

    if (*why)
        return table_addf(table, COLOUR_WARN, "%s; %s", why, what_to_do);
    if (*sensor)
        return table_addf(table, COLOUR_DIM, "sensor %s has it", sensor);
    return table_addf(table, COLOUR_WARN, "%s%s", *holder ? "in use by " : "", holder);
}

static int add_device(struct table *table, const json_t *device) {
    const char *stable = field_text(device, "stable"), *why = field_text(device, "why");
    int r = table_add(table, COLOUR_NONE, field_text(device, "kind"));

    r = r < 0 ? r : table_add(table, COLOUR_BOLD, field_text(device, "name"));
    r = r < 0 ? r
              : table_add(table, *why ? COLOUR_BAD : COLOUR_GOOD,
                          *stable ? stable : field_text(device, "device"));
    r = r < 0 ? r : table_add(table, COLOUR_NONE, field_text(device, "driver"));
    r = r < 0 ? r : table_add(table, COLOUR_NONE, field_text(device, "formats"));
    return r < 0 ? r : add_device_note(table, device);
}

int render_devices(const struct screen *screen, const json_t *list, size_t indent) {
    static const struct column columns[] = {
        { .heading = "KIND" },
        { .heading = "NAME", .shrink = true },
        { .heading = "DEVICE =" }, /* never cut: it goes into the INI */
        { .heading = "DRIVER", .drop = true },
        { .heading = "FORMATS", .shrink = true, .drop = true },
        { .heading = "NOTE", .note = true },
    };
    _cleanup_(table_freep) struct table *table = NULL;
    int r = table_new(columns, sizeof(columns) / sizeof(*columns), &table);

    for (size_t i = 0; r == 0 && i < json_array_size(list); i++)
        r = add_device(table, json_array_get(list, i));
    if (r == 0)
        table_write(table, screen, indent);
    return r;
}
