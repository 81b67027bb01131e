/* SPDX-License-Identifier: MIT */
#include "client/render_time.h"

#include <inttypes.h>
#include <string.h>

#include "client/field.h"

enum { MINUTE_S = 60, HOUR_S = 60 * MINUTE_S, DAY_S = 24 * HOUR_S };

/* RFC 3339: "2026-11-21T14:03:22.512345+01:00" */
enum { WALL_DATE_CHARS = 10, WALL_CLOCK_AT = 11, WALL_CLOCK_CHARS = 10, WALL_SECONDS_CHARS = 8 };

void time_span(int64_t ns, char ret[TIME_BYTES]) {
    const int64_t s = ns > 0 ? ns / NS_PER_S : 0;

    if (s < 10)
        (void) snprintf(ret, TIME_BYTES, "%.1f s", ns > 0 ? (double) ns / (double) NS_PER_S : 0);
    else if (s < MINUTE_S)
        (void) snprintf(ret, TIME_BYTES, "%" PRId64 " s", s);
    else if (s < HOUR_S)
        (void) snprintf(ret, TIME_BYTES, "%" PRId64 " min %" PRId64 " s", s / MINUTE_S,
                        s % MINUTE_S);
    else if (s < DAY_S)
        (void) snprintf(ret, TIME_BYTES, "%" PRId64 " h %" PRId64 " min", s / HOUR_S,
                        s % HOUR_S / MINUTE_S);
    else
        (void) snprintf(ret, TIME_BYTES, "%" PRId64 " d %" PRId64 " h", s / DAY_S,
                        s % DAY_S / HOUR_S);
}

void time_clock(const json_t *instant, char ret[TIME_BYTES]) {
    const char *wall = field_text(instant, "wall");

    if (strlen(wall) < WALL_CLOCK_AT + WALL_CLOCK_CHARS || wall[WALL_DATE_CHARS] != 'T')
        (void) strcpy(ret, "--:--:--.-"); /* 11 bytes */
    else
        (void) snprintf(ret, TIME_BYTES, "%.*s", WALL_CLOCK_CHARS, wall + WALL_CLOCK_AT);
}

void time_lasting(const struct screen *screen, const json_t *instant, char ret[TIME_BYTES]) {
    ret[0] = '\0';
    if (strcmp(field_text(instant, "boot_id"), screen->boot_id) == 0)
        time_span(screen->now_ns - field_ns(instant, "monotonic_ns"), ret);
}

void time_ago(const struct screen *screen, const json_t *instant, char ret[TIME_BYTES]) {
    const char *wall = field_text(instant, "wall");
    char span[TIME_BYTES];

    time_lasting(screen, instant, span);
    ret[0] = '\0';
    if (*span)
        (void) snprintf(ret, TIME_BYTES, "%.40s ago", span); /* a span has at most 30 characters */
    else if (strlen(wall) > WALL_CLOCK_AT + WALL_SECONDS_CHARS)
        (void) snprintf(ret, TIME_BYTES, "%.*s %.*s", WALL_DATE_CHARS, wall, WALL_SECONDS_CHARS,
                        wall + WALL_CLOCK_AT);
}
