/* SPDX-License-Identifier: MIT */
#include "client/render_event.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "client/field.h"
#include "client/render_time.h"

enum {
    CLOCK_COLUMNS = 10,
    PHASE_COLUMNS = 6,
    PERCENT_COLUMNS = 5,
    BAR_COLUMNS = 10,
    LABEL_COLUMNS = 12,
    BAR_FROM_COLUMNS = 88, /* narrower terminals have no room for the bar */
    LINE_BYTES = 512,
};

static const double SMALL_SHARE = 0.1, SURE = 0.5;

static bool has_bar(const struct screen *screen) {
    return screen->columns == 0 || screen->columns >= BAR_FROM_COLUMNS;
}

/* Columns left of the evidence. */
static size_t head_columns(const struct screen *screen) {
    return CLOCK_COLUMNS + 2 + PHASE_COLUMNS + 2 + LABEL_COLUMNS + 2 +
           (has_bar(screen) ? BAR_COLUMNS + 1 : 0) + PERCENT_COLUMNS + 2;
}

/* "97 %", "--" if unknown. */
static void percent(double fraction, char ret[16]) {
    if (isnan(fraction))
        (void) strcpy(ret, "--"); /* 3 bytes */
    else
        (void) snprintf(ret, 16, "%.0f %%", fmin(fmax(fraction, -9.99), 9.99) * 100);
}

static enum colour phase_colour(const char *phase) {
    if (strcmp(phase, "begin") == 0)
        return COLOUR_GOOD;
    return strcmp(phase, "end") == 0 ? COLOUR_DIM : COLOUR_NONE;
}

void event_heading(const struct screen *screen) {
    screen_cell(screen, COLOUR_BOLD, "TIME", CLOCK_COLUMNS + 2);
    screen_cell(screen, COLOUR_BOLD, "PHASE", PHASE_COLUMNS + 2);
    screen_cell(screen, COLOUR_BOLD, "LABEL", LABEL_COLUMNS + 2);
    if (has_bar(screen))
        screen_cell(screen, COLOUR_BOLD, "CONFIDENCE", BAR_COLUMNS + 1 + PERCENT_COLUMNS + 2);
    else
        screen_cell(screen, COLOUR_BOLD, "SURE", PERCENT_COLUMNS + 2);
    (void) screen_text(screen, COLOUR_BOLD, "BECAUSE OF", SIZE_MAX); /* the last one */
    (void) fputc('\n', screen->out); /* ferror() is looked at when the program ends */
}

/* " (dark, quality 30 %)"; "" if it is good. */
static void grade_text(const json_t *evidence, char *ret, size_t ret_bytes) {
    const char *reason = field_text(evidence, "quality_reason");
    const double quality = field_number(evidence, "quality");

    ret[0] = '\0';
    if (*reason)
        (void) snprintf(ret, ret_bytes, " (%s, quality %.0f %%)", reason,
                        quality * 100); /* cut is fine */
    else if (quality < 0.995)
        (void) snprintf(ret, ret_bytes, " (quality %.0f %%)", quality * 100);
}

/* "sound +42 %", "picture missing". */
static void evidence_text(const json_t *evidence, char *ret, size_t ret_bytes) {
    const char *modality = field_text(evidence, "modality");
    const char *reason = field_text(evidence, "quality_reason");
    const double share = field_number(evidence, "share");
    char grade[64];

    grade_text(evidence, grade, sizeof(grade));
    if (!field_true(evidence, "present"))
        (void) snprintf(ret, ret_bytes, "%s missing%s%s%s", modality, *reason ? " (" : "",
                        reason, /* cut is fine */
                        *reason ? ")" : "");
    else if (isnan(share))
        (void) snprintf(ret, ret_bytes, "%s%s", modality, grade);
    else /* aligned: +5, +100; and no sign of a zero that was negative */
        (void) snprintf(ret, ret_bytes, "%s %+4.0f %%%s", modality, round(share * 100) + 0.0,
                        grade);
}

static enum colour evidence_colour(const json_t *evidence) {
    if (!field_true(evidence, "present"))
        return COLOUR_BAD;
    if (*field_text(evidence, "quality_reason") || field_number(evidence, "share") <= -SMALL_SHARE)
        return COLOUR_WARN; /* poor, or of another opinion */
    return COLOUR_NONE;
}

/* Where each modality is sure without the others all shares are small, which needs a word. */
static bool do_agree(const json_t *event) {
    const json_t *list = json_object_get(event, "evidence");

    if (json_array_size(list) < 2 || !(field_number(event, "confidence") >= SURE))
        return false;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *evidence = json_array_get(list, i);
        if (!field_true(evidence, "present") ||
            !(fabs(field_number(evidence, "share")) < SMALL_SHARE))
            return false;
    }
    return true;
}

/* All modalities of @event behind each other, as far as the terminal goes. */
static void evidence_list(const struct screen *screen, const json_t *event) {
    const json_t *list = json_object_get(event, "evidence");
    size_t room =
        screen->columns > head_columns(screen) ? screen->columns - head_columns(screen) : SIZE_MAX;
    char text[LINE_BYTES];

    for (size_t i = 0; i < json_array_size(list) && room > 2; i++) {
        const json_t *evidence = json_array_get(list, i);
        if (i > 0)
            room -= screen_text(screen, COLOUR_NONE, ", ", 2);
        evidence_text(evidence, text, sizeof(text));
        room -= screen_text(screen, evidence_colour(evidence), text, room);
    }
    if (do_agree(event) && room > 2) {
        const char *full = ", each sure alone";
        const bool fits = screen_columns(screen, full) <= room;

        (void) screen_text(screen, COLOUR_DIM, fits ? full : ", all sure", room); /* the last one */
    }
}

/* How long an event lasted, from its two instants. */
static void lasted(const json_t *event, char ret[TIME_BYTES]) {
    time_span(field_ns(json_object_get(event, "at"), "monotonic_ns") -
                  field_ns(json_object_get(event, "began"), "monotonic_ns"),
              ret);
}

void event_line(const struct screen *screen, const json_t *event) {
    const char *phase = field_text(event, "phase");
    const double confidence = field_number(event, "confidence");
    const enum colour colour = phase_colour(phase);
    char clock[TIME_BYTES], number[16], span[TIME_BYTES];

    time_clock(json_object_get(event, "at"), clock);
    percent(confidence, number);
    screen_cell(screen, COLOUR_DIM, clock, CLOCK_COLUMNS + 2);
    screen_cell(screen, colour, phase, PHASE_COLUMNS);
    screen_space(screen, 2);
    screen_cell(screen, colour == COLOUR_GOOD ? COLOUR_BOLD : colour, field_text(event, "label"),
                LABEL_COLUMNS);
    screen_space(screen, 2);
    if (has_bar(screen)) {
        screen_bar(screen, confidence, BAR_COLUMNS);
        screen_space(screen, 1);
    }
    screen_space(screen, PERCENT_COLUMNS - screen_columns(screen, number));
    (void) screen_text(screen, colour, number, PERCENT_COLUMNS); /* its width is known */
    screen_space(screen, 2);
    if (strcmp(phase, "end") == 0) {
        lasted(event, span);
        (void) fprintf(screen->out, "lasted %s",
                       span); /* ferror() is looked at when the program ends */
    } else {
        evidence_list(screen, event);
    }
    (void) fputc('\n', screen->out);
}

/* "yard-mic (sound) 100 ms old, gate (picture) missing" */
static void details_sensors(const struct screen *screen, const json_t *event) {
    const json_t *list = json_object_get(event, "evidence");
    char text[LINE_BYTES], age[32];

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *evidence = json_array_get(list, i);
        const char *sensor = field_text(evidence, "sensor");
        (void) snprintf(age, sizeof(age), "%.0f ms old",
                        field_number(evidence, "age_ms")); /* cut is fine */
        (void) snprintf(text, sizeof(text), "%s%.100s (%.100s) %s", i ? ", " : "",
                        *sensor ? sensor : "no sensor", field_text(evidence, "modality"),
                        field_true(evidence, "present") ? age : "missing");
        (void) screen_text(screen, COLOUR_DIM, text, SIZE_MAX); /* the terminal wraps */
    }
}

/* One indented line "name: text"; nothing if there is no text. */
static void details_line(const struct screen *screen, const char *name, const char *text) {
    if (!*text)
        return;
    screen_space(screen, CLOCK_COLUMNS + 2);
    screen_cell(screen, COLOUR_DIM, name, 9);
    (void) screen_text(screen, COLOUR_DIM, text, SIZE_MAX); /* the terminal wraps */
    (void) fputc('\n', screen->out);
}

void event_details(const struct screen *screen, const json_t *event) {
    json_t *latencies = json_object_get(event, "latency_ms"), *value;
    const double skew_ms = field_number(event, "skew_ms");
    const char *stage;
    char text[LINE_BYTES] = "";
    size_t n = 0;

    screen_space(screen, CLOCK_COLUMNS + 2);
    screen_cell(screen, COLOUR_DIM, "sensors", 9);
    details_sensors(screen, event);
    (void) fputc('\n', screen->out);

    json_object_foreach(latencies, stage, value) {
        if (n < sizeof(text)) /* cut is fine, here and below */
            n += (size_t) snprintf(text + n, sizeof(text) - n, "%s%s %.1f ms", n ? ", " : "", stage,
                                   json_number_value(value));
    }
    if (!isnan(skew_ms) && n < sizeof(text))
        (void) snprintf(text + n, sizeof(text) - n, "; sensors %.1f ms apart", skew_ms);
    details_line(screen, "latency", text);

    (void) snprintf(text, sizeof(text), "%s, %s %s, sha256 %.12s, event %lld",
                    field_text(event, "task"), field_text(event, "bundle"),
                    field_text(event, "bundle_version"), field_text(event, "bundle_sha256"),
                    (long long) field_integer(event, "sequence"));
    details_line(screen, "task", text);
}

/* "14:03:22.5  sensor  gate is lost: no such device" */
static void state_line(const struct screen *screen, const char *name, const json_t *object,
                       const json_t *instant) {
    const char *state = field_text(object, "state"), *reason = field_text(object, "reason");
    enum colour colour = COLOUR_WARN;
    char clock[TIME_BYTES], text[LINE_BYTES];

    if (strcmp(state, "running") == 0)
        colour = COLOUR_GOOD;
    else if (strcmp(state, "lost") == 0)
        colour = COLOUR_BAD;
    time_clock(instant, clock);
    (void) snprintf(text, sizeof(text), "%s is %s%s%s", name, state, *reason ? ": " : "",
                    reason); /* cut is fine */
    screen_cell(screen, COLOUR_DIM, clock, CLOCK_COLUMNS + 2);
    screen_cell(screen, colour, "sensor", PHASE_COLUMNS + 2);
    (void) screen_text(screen, colour, text, SIZE_MAX); /* the terminal wraps */
    (void) fputc('\n', screen->out);
}

void change_line(const struct screen *screen, const json_t *change) {
    state_line(screen, field_text(change, "sensor"), change, json_object_get(change, "at"));
}

void sensor_line(const struct screen *screen, const json_t *sensor) {
    const char *state = field_text(sensor, "state");

    if (strcmp(state, "lost") == 0 || strcmp(state, "degraded") == 0 || strcmp(state, "off") == 0)
        state_line(screen, field_text(sensor, "name"), sensor, json_object_get(sensor, "since"));
}

size_t best_scores(const json_t *scores, struct score *ret) {
    const char *label;
    json_t *value;
    size_t n = 0;

    json_object_foreach((json_t *) (uintptr_t) scores, label, value) {
        const double score = json_number_value(value);
        size_t place = n;
        while (place > 0 && ret[place - 1].value < score)
            place--;
        if (place == BEST_SCORES_MAX)
            continue;
        n = n < BEST_SCORES_MAX ? n + 1 : n;
        (void) memmove(&ret[place + 1], &ret[place], (n - 1 - place) * sizeof(*ret));
        ret[place] = (struct score){ .label = label, .value = score };
    }
    return n;
}

void scores_line(const struct screen *screen, const json_t *scores, const char *task,
                 const json_t *instant) {
    struct score best[BEST_SCORES_MAX];
    const size_t n = best_scores(scores, best);
    char clock[TIME_BYTES], text[LINE_BYTES];

    time_clock(instant, clock);
    screen_cell(screen, COLOUR_DIM, instant ? clock : "", CLOCK_COLUMNS + 2);
    screen_cell(screen, COLOUR_DIM, "scores", PHASE_COLUMNS + 2);
    screen_cell(screen, COLOUR_DIM, task, LABEL_COLUMNS + 2);
    for (size_t i = 0; i < n; i++) {
        (void) snprintf(text, sizeof(text), "%s%s %.2f", i ? "  " : "", best[i].label,
                        best[i].value);                         /* cut is fine */
        (void) screen_text(screen, COLOUR_DIM, text, SIZE_MAX); /* the terminal wraps */
    }
    (void) fputc('\n', screen->out);
}

void note_line(const struct screen *screen, enum colour colour, const char *format, ...) {
    char text[LINE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void) vsnprintf(text, sizeof(text), format, arguments); /* cut is fine */
    va_end(arguments);
    screen_cell(screen, COLOUR_NONE, "", CLOCK_COLUMNS + 2);
    (void) screen_text(screen, colour, text, SIZE_MAX); /* the terminal wraps */
    (void) fputc('\n', screen->out);
}
