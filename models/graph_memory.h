/* SPDX-License-Identifier: MIT */
/* graph_memory - which memory the steps of a graph work in. */
#pragma once

#include "models/graph.h"

/**
 * Give every tensor that @graph's steps read or write its place, and tell the steps. Steps,
 * inputs, outputs and constants must be there.
 * @pool  owns the buffers; @scratch what is needed meanwhile.
 * Returns 0, -ENOMEM.
 */
int graph_memory_plan(struct graph *graph, struct pool *pool, struct pool *scratch);
