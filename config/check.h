/* SPDX-License-Identifier: MIT */
/* check - what cannot be said about one key alone: names that clash, sensors a task names,
 * thresholds. */
#pragma once

#include "config/problems.h"
#include "config/settings.h"

enum {
    CHECK_SENSORS_MAX = 16,
    CHECK_TASKS_MAX = 16
}; /* held against pipeline.h by daemon/plan.c */

/** Add to @problems whatever does not fit together in @settings, whose values were all read. */
void settings_check(const struct settings *settings, struct problems *problems);
