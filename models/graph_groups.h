/* SPDX-License-Identifier: MIT */
/* graph_groups - which steps of a graph run together. */
#pragma once

#include "models/graph.h"

enum plan_kind {
    PLAN_BALANCED, /* what memory can be had for a few per cent of time */
    PLAN_LEAST,    /* least memory, whatever the time */
    PLAN_WHOLE,    /* each step by itself, as a whole: what the others are compared with */
    PLAN_ROWS,     /* row by row wherever that is possible: for tests */
};

/** What LOOKOUT_PLAN in the environment asks for; not set: PLAN_BALANCED. Returns 0, -ENOTSUP. */
int graph_groups_kind(enum plan_kind *ret, struct fault *fault);

/**
 * Choose the groups of @graph, whose steps, inputs, outputs and constants must be there.
 * @pool  owns them; @scratch what is needed meanwhile.
 * Returns 0, -ENOMEM.
 */
int graph_groups_choose(struct graph *graph, enum plan_kind kind, struct pool *pool,
                        struct pool *scratch);
