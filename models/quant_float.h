/* SPDX-License-Identifier: MIT */
/* quant_float - requantisation by one float32 multiply-add, where that gives the same bytes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "models/quant.h"

/** What a sum may be, and what becomes of it: clamp(mbqm(sum, factor) + zero_point, min, max). */
struct rounding {
    struct factor factor;
    int32_t zero_point, min, max; /* -128..127 */
    int64_t least, most;          /* of the sum */
};

/**
 * The same as clamp(round(fma(sum + offset, scale, nudge)), min, max), ties to even; with @below in
 * place of the nudge where sum + offset is below 0.
 */
struct float_rounding {
    int32_t offset;
    float scale, nudge, below;
};

/**
 * Find it. Returns false if there is none near by: factors of 1/2 and more, narrow steps.
 * @tries  that are left, of a microsecond or less; what is taken is counted down, and at 0 nothing
 *         is found any more. Few channels take more than ten.
 */
bool float_rounding_of(const struct rounding *rounding, size_t *tries, struct float_rounding *ret);
