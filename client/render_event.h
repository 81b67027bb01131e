/* SPDX-License-Identifier: MIT */
/* render_event - lines of `watch` and `events`: events, sensor changes, scores, gaps. */
#pragma once

#include <jansson.h>

#include "client/render.h"

/** The names of the columns below. */
void event_heading(const struct screen *screen);

/** One Event in one line: time, phase, confidence, label, what each modality said. */
void event_line(const struct screen *screen, const json_t *event);

/** What event_line() leaves out: sensors, ages, skew, latencies, bundle; indented below it. */
void event_details(const struct screen *screen, const json_t *event);

/** One Change of a sensor. */
void change_line(const struct screen *screen, const json_t *change);

/** One Sensor that is lost, degraded or off, as if it had changed just now; nothing for any other.
 */
void sensor_line(const struct screen *screen, const json_t *sensor);

/**
 * The best of @scores, label to 0..1, at the time @instant (NULL: none known).
 * @task  whose decision; "" if not known.
 */
void scores_line(const struct screen *screen, const json_t *scores, const char *task,
                 const json_t *instant);

/** A line of our own among them, for instance about a gap. */
__attribute__((format(printf, 3, 4))) void note_line(const struct screen *screen,
                                                     enum colour colour, const char *format, ...);

enum { BEST_SCORES_MAX = 5 };

struct score {
    const char *label; /* borrowed from the scores */
    double value;
};

/** The best of @scores, best first. @ret [BEST_SCORES_MAX]. Returns how many there are. */
size_t best_scores(const json_t *scores, struct score *ret);
