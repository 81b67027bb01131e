/* SPDX-License-Identifier: MIT */
/*
 * health - tells from the quality of a sensor's data when it is to be called degraded.
 *
 * Bad for HEALTH_BAD_NS without a good moment: degraded. Good for HEALTH_GOOD_NS
 * without a bad one: healthy again. Capture time; plain values, one thread (main).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/units.h"

#define HEALTH_BAD_NS  (5 * NS_PER_S)
#define HEALTH_GOOD_NS (2 * NS_PER_S)

/** Below this, a modality counts as absent for a decision if another one is good. */
#define QUALITY_USABLE 0.2

struct health {
    bool degraded;
    const char *reason; /* static; while degraded, never NULL */
    bool judged;        /* `bad` and `since_ns` say something */
    bool bad;           /* what the last value was, and since when */
    int64_t since_ns;
};

/**
 * The next value.
 * @reason  static, or NULL
 * Returns true if `degraded` or `reason` changed.
 */
bool health_note(struct health *health, double quality, const char *reason, int64_t at_ns);
