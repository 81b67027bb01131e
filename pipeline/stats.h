/* SPDX-License-Identifier: MIT */
/*
 * stats - how long each stage takes, as median and 99th percentile.
 *
 * A histogram of fixed size with buckets that grow by 2^(1/8) (9 %), so that
 * nothing allocates and a percentile is right within that. When it holds
 * HISTOGRAM_MEMORY values all counts are halved: old values fade.
 * Plain values, used by one thread (main).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum {
    HISTOGRAM_PER_OCTAVE = 8,
    HISTOGRAM_OCTAVES = 27, /* 1 us * 2^27 = 134 s */
    HISTOGRAM_BUCKETS = HISTOGRAM_PER_OCTAVE * HISTOGRAM_OCTAVES,
    HISTOGRAM_MEMORY = 8192, /* more than an hour at two decisions per second */
};

struct histogram {
    uint32_t n;
    uint32_t counts[HISTOGRAM_BUCKETS];
};

/** Count @value_ns; below 1 us and above 134 s go to the outer buckets. */
void histogram_add(struct histogram *h, int64_t value_ns);

/** The value in ms below which a share of @quantile (0..1) lies, within 9 %; 0 if empty. */
double histogram_ms(const struct histogram *h, double quantile);

/** The stages of a decision, in the order data walks through them. */
enum stage {
    STAGE_CAPTURE,  /* last sample or frame taken -> in our hands */
    STAGE_QUEUE,    /* -> taken by the encoder's thread */
    STAGE_FEATURES, /* front end, quality included */
    STAGE_ENCODE,   /* the encoder's network */
    STAGE_ALIGN,    /* embedding ready -> decision begins */
    STAGE_DECIDE,   /* head, detector */
    STAGE_TOTAL,    /* end of window -> decided */
    STAGE_COUNT,
};

/** "capture", "queue" ...; static. */
const char *stage_name(enum stage stage);

enum { STATS_PER_STAGE = 2 }; /* p50 and p99 */

/** Static name of stage statistic @i (< STAGE_COUNT * STATS_PER_STAGE): "capture_ms_p50" ... */
const char *stats_name(size_t i);

/** Its value from @stages [STAGE_COUNT]. */
double stats_value(const struct histogram stages[STAGE_COUNT], size_t i);
