/* SPDX-License-Identifier: MIT */
/* graph_memory - which memory the steps of a graph work in. */
#pragma once

#include "models/graph.h"

/** Who owns the bytes of each tensor, and from which step to which they are needed. */
struct lives {
    int32_t *root;  /* [tensors] itself, or that whose bytes it is (RESHAPE) */
    int32_t *first; /* of a root: the step that writes it; -1: none */
    int32_t *last;  /* the last step that reads it by any name; n_steps: an output of the graph */
};

/** Find the @lives of @graph. Returns 0, -ENOMEM. */
int graph_lives(const struct graph *graph, struct pool *scratch, struct lives *ret);

/**
 * Give every tensor that @graph's steps read or write its place, and tell the steps. Groups,
 * inputs, outputs and constants must be there.
 * @pool  owns the buffers; @scratch what is needed meanwhile.
 * Returns 0, -ENOMEM.
 */
int graph_memory_plan(struct graph *graph, struct pool *pool, struct pool *scratch);
