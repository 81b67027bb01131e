/* SPDX-License-Identifier: MIT */
#include "pipeline/health.h"

bool health_note(struct health *health, double quality, const char *reason, int64_t at_ns) {
    const bool bad = quality < QUALITY_USABLE;
    const struct health before = *health;

    if (!health->judged || bad != health->bad) {
        health->judged = true;
        health->bad = bad;
        health->since_ns = at_ns;
    }
    if (bad && at_ns - health->since_ns >= HEALTH_BAD_NS)
        health->degraded = true;
    if (!bad && at_ns - health->since_ns >= HEALTH_GOOD_NS)
        health->degraded = false;
    if (bad && health->degraded)
        health->reason = reason ? reason : "bad quality";
    if (!health->degraded)
        health->reason = NULL;
    return health->degraded != before.degraded || health->reason != before.reason;
}
