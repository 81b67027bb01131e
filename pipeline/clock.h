/* SPDX-License-Identifier: MIT */
/* clock - CLOCK_MONOTONIC, or in a replay the time that the recordings have come to. */
#pragma once

#include <stdint.h>

#include "common/units.h"

struct clock {
    const int64_t
        *virtual_ns; /* NULL: the real one. The replay's thread alone writes and reads it. */
};

static inline int64_t clock_ns(const struct clock *clock) {
    return clock->virtual_ns ? *clock->virtual_ns : now_ns();
}
