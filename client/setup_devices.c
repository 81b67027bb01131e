/* SPDX-License-Identifier: MIT */
/*
 * Which camera, which microphone: those that can be used, each with what it sees or hears now, so
 * that a person finds out by covering or tapping it. The list is drawn over itself above the
 * question: DECSC and DECRC (ECMA-48 has no such thing; every terminal since the VT100 has) keep
 * what is being typed where it is.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/field.h"
#include "client/look.h"
#include "client/setup.h"

enum { NAME_COLUMNS = 34, METER_COLUMNS = 34 };

/* One device in the list, being looked at. */
struct meter {
    const json_t *device;
    struct connection *connection; /* NULL: it cannot be looked at */
    struct reply look;             /* the last */
    struct fault fault;
};

struct meters {
    struct client *client;
    size_t n;
    struct meter *items; /* [n], with room for every device */
    bool drawn;
};

static void meters_clear(struct meters *meters) {
    for (size_t i = 0; i < meters->n; i++) {
        meters->items[i].connection = connection_free(meters->items[i].connection);
        reply_clear(&meters->items[i].look);
    }
    free(meters->items);
}

static bool is_usable(const json_t *device, const char *kind) {
    return strcmp(field_text(device, "kind"), kind) == 0 && field_true(device, "usable");
}

static void start(struct meters *meters, const json_t *device) {
    struct meter *const meter = &meters->items[meters->n++];
    _cleanup_(json_decrefp) json_t *parameters =
        json_pack("{s:s}", "device", field_text(device, "device"));
    const struct call call = { .method = "Look", .parameters = parameters, .more = true };

    *meter = (struct meter){ .device = device };
    if (connection_new(meters->client->options.socket, &meter->connection, &meter->fault) == 0 &&
        connection_send(meter->connection, &call, &meter->fault) < 0)
        meter->connection = connection_free(meter->connection);
}

/* Take what came since the last time. */
static void take(struct meter *meter) {
    struct reply reply = { 0 };

    while (meter->connection &&
           connection_receive(meter->connection, now_ns(), -1, &reply, &meter->fault) > 0) {
        reply_clear(&meter->look);
        if (reply.error) {
            (void) reply_fault(&reply, &meter->fault);
            meter->connection = connection_free(meter->connection);
            reply_clear(&reply);
            return;
        }
        meter->look = reply;
        reply = (struct reply){ 0 };
    }
}

static void draw_meter(const struct screen *screen, const struct meter *meter) {
    const json_t *look = meter->look.parameters, *picture = json_object_get(look, "picture"),
                 *level = json_object_get(look, "level");
    const char *reason = field_text(json_object_get(look, "sensor"), "reason");

    if (json_is_object(level)) {
        look_level_bar(screen, level, METER_COLUMNS);
    } else if (json_is_object(picture)) {
        (void) fprintf(screen->out, "bright %3.0f %% ", field_number(picture, "brightness") * 100);
        screen_bar(screen, field_number(picture, "brightness"), METER_COLUMNS - 13);
    } else if (*reason) {
        (void) screen_text(screen, COLOUR_WARN, reason, METER_COLUMNS + 4);
    } else {
        (void) screen_text(screen, COLOUR_DIM, meter->connection ? "..." : meter->fault.text,
                           METER_COLUMNS + 4);
    }
}

/* The lines above the question. */
static void draw(void *user) {
    struct meters *const meters = user;
    const struct screen *const screen = &meters->client->screen;

    if (meters->drawn)
        (void) fprintf(screen->out, "\0337\033[%zuA\r", meters->n); /* main() looks at ferror() */
    for (size_t i = 0; i < meters->n; i++) {
        const struct meter *const meter = &meters->items[i];

        take(&meters->items[i]);
        (void) fprintf(screen->out, "  %zu  ", i + 1);
        screen_cell(screen, COLOUR_BOLD, field_text(meter->device, "name"), NAME_COLUMNS);
        draw_meter(screen, meter);
        (void) fputs("\033[K\n", screen->out);
    }
    if (meters->drawn)
        (void) fputs("\0338", screen->out);
    meters->drawn = true;
}

/* Those that cannot be used, with why and what to do. */
static void show_unusable(const struct screen *screen, const json_t *devices, const char *kind) {
    for (size_t i = 0; i < json_array_size(devices); i++) {
        const json_t *device = json_array_get(devices, i);

        if (strcmp(field_text(device, "kind"), kind) != 0 || field_true(device, "usable"))
            continue;
        (void) fputs("  -  ", screen->out); /* ferror() is looked at by main() */
        (void) screen_text(screen, COLOUR_DIM, field_text(device, "name"), NAME_COLUMNS);
        (void) fputs(": ", screen->out);
        (void) screen_text(screen, COLOUR_DIM, field_text(device, "why"), SIZE_MAX);
        (void) fputs("; ", screen->out);
        (void) screen_text(screen, COLOUR_DIM, field_text(device, "what_to_do"), SIZE_MAX);
        (void) fputc('\n', screen->out);
    }
}

/* Returns 0 and *@ret, or -EAGAIN: ask once more. */
static int chosen_by(const struct meters *meters, const char *answer, const json_t **ret) {
    char *end;
    const unsigned long number = *answer ? strtoul(answer, &end, 10) : 1;

    if (*answer == 'n' || *answer == 'N') {
        *ret = NULL;
        return 0;
    }
    if (number < 1 || number > meters->n || (*answer && *end))
        return -EAGAIN;
    *ret = meters->items[number - 1].device;
    return 0;
}

static int ask(struct client *client, const json_t *devices, const char *kind, const json_t **ret,
               struct fault *fault) {
    const size_t n = json_array_size(devices);
    _cleanup_(meters_clear) struct meters meters = {
        .client = client, .items = calloc(n + 1, sizeof(struct meter)), /* never of 0 bytes */
    };
    const bool is_camera = strcmp(kind, "camera") == 0;
    char question[96], answer[ANSWER_BYTES];
    int r;

    if (!meters.items)
        return fault_set(fault, -ENOMEM, "out of memory");
    (void) fprintf(client->screen.out, "\n%s\n", /* ferror() is looked at by main() */
                   is_camera ? "Cameras (cover one to see which it is)"
                             : "Microphones (tap one to hear which it is)");
    for (size_t i = 0; i < n; i++)
        if (is_usable(json_array_get(devices, i), kind))
            start(&meters, json_array_get(devices, i));
    show_unusable(&client->screen, devices, kind);
    if (meters.n == 0) {
        (void) fprintf(client->screen.out, "  none that can be used\n");
        *ret = NULL;
        return 0;
    }
    draw(&meters);
    (void) snprintf(question, sizeof(question), "Which %s? A number, or n for none [1]:", kind);
    do {
        r = setup_ask(client, question, draw, &meters, answer, fault);
        if (r == 0)
            r = chosen_by(&meters, answer, ret);
        meters.drawn = false; /* what was typed has moved it */
        if (r == -EAGAIN)
            draw(&meters);
    } while (r == -EAGAIN);
    return r;
}

static bool is_called(const json_t *device, const char *name) {
    return strcmp(field_text(device, "stable"), name) == 0 ||
           strcmp(field_text(device, "device"), name) == 0 ||
           strcmp(field_text(device, "name"), name) == 0;
}

/* The one device of @kind called @wanted. */
static int find(const json_t *devices, const char *kind, const char *wanted, const json_t **ret,
                struct fault *fault) {
    const json_t *found = NULL;

    for (size_t i = 0; i < json_array_size(devices); i++) {
        const json_t *device = json_array_get(devices, i);

        if (strcmp(field_text(device, "kind"), kind) != 0 || !is_called(device, wanted))
            continue;
        if (found)
            return fault_set(fault, -ENODEV, "two %ss are called %s; name one by %s or %s", kind,
                             wanted, field_text(found, "stable"), field_text(device, "stable"));
        found = device;
    }
    if (!found)
        return fault_set(fault, -ENODEV, "there is no %s %s; `lookoutctl devices` lists them", kind,
                         wanted);
    if (!field_true(found, "usable"))
        return fault_set(fault, -ENODEV, "%s: %s; %s", wanted, field_text(found, "why"),
                         field_text(found, "what_to_do"));
    *ret = found;
    return 0;
}

int setup_device(struct client *client, const json_t *devices, const char *kind, const char *wanted,
                 const json_t **ret, struct fault *fault) {
    *ret = NULL;
    if (wanted && strcmp(wanted, "none") == 0)
        return 0;
    if (wanted)
        return find(devices, kind, wanted, ret, fault);
    if (!client->options.yes)
        return ask(client, devices, kind, ret, fault);
    for (size_t i = 0; i < json_array_size(devices) && !*ret; i++) /* the first */
        if (is_usable(json_array_get(devices, i), kind))
            *ret = json_array_get(devices, i);
    return 0;
}
