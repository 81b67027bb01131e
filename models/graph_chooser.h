/* SPDX-License-Identifier: MIT */
/*
 * graph_chooser - groups that a list of steps can be cut into, and what they take.
 *
 * A plan is a way to cut the list into groups; its peak is that of its most hungry group.
 */
#pragma once

#include "models/graph_memory.h"

/** What makes a plan cheap. */
enum cost {
    COST_CALLS, /* few calls of steps */
    COST_LEADS, /* little lead: chains of buffers that lie over each other creep; then few calls */
    N_COSTS
};

/** A plan for the first so many steps. */
struct best {
    size_t peak, cost, n_calls;
    struct group group; /* its last one; the others are those of the plan for the steps before */
};

struct chooser {
    const struct graph *graph;
    struct lives lives;
    size_t *live;        /* [steps] bytes that are there before it and are still needed */
    int32_t *readers;    /* [tensors] operands of steps, and outputs of the graph, that are it */
    size_t *least_bytes; /* [steps, GROUP_STEPS_MAX] of groups by last step and length, in the
                            lowest strips */
    size_t n_measures;
};

/** Make ready to choose groups of @graph, which is borrowed, with what @scratch owns. Returns 0,
 * -ENOMEM. */
int chooser_init(struct chooser *chooser, const struct graph *graph, struct pool *scratch);

/** Step @s by itself. */
struct group chooser_whole(size_t s);

/** The peak of a plan of whole steps. */
size_t chooser_whole_peak(const struct chooser *chooser);

/** The least peak of any plan. @peaks [n_steps + 1] is room to work in. */
size_t chooser_least_peak(struct chooser *chooser, size_t *peaks);

/** The cheapest plan that keeps to @peak into @best [n_steps + 1]; false if none does. */
bool chooser_cheapest(struct chooser *chooser, size_t peak, enum cost cost, struct best *best);

/** A plan of the longest groups there can be, row by row, into @best [n_steps + 1]. */
void chooser_rows(struct chooser *chooser, struct best *best);
