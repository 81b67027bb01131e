/* SPDX-License-Identifier: MIT */
/* graph_strips - what it takes to run a group of steps a strip of rows at a time. */
#pragma once

#include "models/graph.h"

enum {
    GROUP_STEPS_MAX = 32,
    GROUP_CALLS_MAX = 4096, /* each takes some 64 bytes of the model */
};

/** Can the output of @step pass to @reader's input @i by rows? */
bool graph_strips_fit(const struct step *step, const struct step *reader, size_t i);

/**
 * Fill scratch_bytes, lead and n_calls of @group, which has the rest.
 * Returns false if it takes more than GROUP_CALLS_MAX calls.
 */
bool graph_strips_measure(const struct graph *graph, struct group *group);

/** Fill the calls of @group once tensors and scratch have their places. Returns 0, -ENOMEM. */
int graph_strips_list(const struct graph *graph, struct group *group, struct pool *pool);
