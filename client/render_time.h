/* SPDX-License-Identifier: MIT */
/* render_time - instants and durations as a person reads them. */
#pragma once

#include <jansson.h>

#include "client/render.h"

enum { TIME_BYTES = 48 };

/** "0.4 s", "12 s", "3 min 5 s", "2 h 10 min", "4 d 3 h". Negative reads as 0. */
void time_span(int64_t ns, char ret[TIME_BYTES]);

/** The clock of an Instant, "14:03:22.5", in the daemon's zone; "--:--:--.-" if it has none. */
void time_clock(const json_t *instant, char ret[TIME_BYTES]);

/** "3 min 5 s" since the Instant; "" if it is of another boot. */
void time_lasting(const struct screen *screen, const json_t *instant, char ret[TIME_BYTES]);

/** "3 min ago"; the date and time where the Instant is of another boot; "" if it has none. */
void time_ago(const struct screen *screen, const json_t *instant, char ret[TIME_BYTES]);
