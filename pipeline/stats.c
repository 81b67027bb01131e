/* SPDX-License-Identifier: MIT */
/*
 * Method: logarithmic buckets as in HdrHistogram and Prometheus' native
 * histograms (schema 3 has the same 2^(1/8)); log2() of libm places the value.
 */
#include "pipeline/stats.h"

#include <assert.h>
#include <math.h>

#include "common/units.h"

void histogram_add(struct histogram *h, int64_t value_ns) {
    const double us = (double) value_ns / (double) NS_PER_US;
    double bucket = us > 1 ? floor(log2(us) * HISTOGRAM_PER_OCTAVE) : 0;

    if (bucket > HISTOGRAM_BUCKETS - 1)
        bucket = HISTOGRAM_BUCKETS - 1;
    h->counts[(size_t) bucket]++;
    if (++h->n < HISTOGRAM_MEMORY)
        return;

    h->n = 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        h->counts[i] /= 2;
        h->n += h->counts[i];
    }
}

double histogram_ms(const struct histogram *h, double quantile) {
    const double wanted = quantile * h->n;
    double seen = 0;

    if (h->n == 0)
        return 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen >= wanted && h->counts[i] > 0) /* the bucket's geometric middle */
            return exp2((double) i / HISTOGRAM_PER_OCTAVE + 0.5 / HISTOGRAM_PER_OCTAVE) *
                   (double) NS_PER_US / (double) NS_PER_MS;
    }
    return 0; /* not reached: the counts add up to n */
}

static const struct {
    const char *name, *median, *p99;
} stage_names[STAGE_COUNT] = {
    [STAGE_CAPTURE] = { "capture", "capture_ms_p50", "capture_ms_p99" },
    [STAGE_QUEUE] = { "queue", "queue_ms_p50", "queue_ms_p99" },
    [STAGE_FEATURES] = { "features", "features_ms_p50", "features_ms_p99" },
    [STAGE_ENCODE] = { "encode", "encode_ms_p50", "encode_ms_p99" },
    [STAGE_ALIGN] = { "align", "align_ms_p50", "align_ms_p99" },
    [STAGE_DECIDE] = { "decide", "decide_ms_p50", "decide_ms_p99" },
    [STAGE_TOTAL] = { "total", "total_ms_p50", "total_ms_p99" },
};

const char *stage_name(enum stage stage) {
    assert(stage < STAGE_COUNT);
    return stage_names[stage].name;
}

const char *stats_name(size_t i) {
    assert(i < STAGE_COUNT * STATS_PER_STAGE);
    return i % STATS_PER_STAGE == 0 ? stage_names[i / STATS_PER_STAGE].median
                                    : stage_names[i / STATS_PER_STAGE].p99;
}

double stats_value(const struct histogram stages[STAGE_COUNT], size_t i) {
    assert(i < STAGE_COUNT * STATS_PER_STAGE);
    return histogram_ms(&stages[i / STATS_PER_STAGE], i % STATS_PER_STAGE == 0 ? 0.5 : 0.99);
}
