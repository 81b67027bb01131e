/* SPDX-License-Identifier: MIT */
/*
 * Method: how well the buffers of a plan pack is known only when they are laid out. So the cheapest
 * plans for some peaks, from the least there is up to that of whole steps, all get an arena, and
 * the smallest wins whose plan does not cost too much time.
 */
#include "models/graph_groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "models/graph_chooser.h"

enum {
    PLANNED_STEPS_MAX = 512, /* a graph of more runs them whole: laying out is quadratic */
    N_PEAKS = 24,            /* to try */
    CALL_MACS = 20000,       /* that take the time of a call to a kernel: 0.1 us or more */
    SLOWER_SHARE = 25,       /* a balanced plan's calls take one part in so many of a run */
};

/* The groups of @best from the last one on, then turned round. */
static void set_groups(struct graph *graph, const struct best *best) {
    size_t n = 0;

    for (size_t last = graph->n_steps; last > 0; last = best[last].group.first)
        graph->groups[n++] = best[last].group;
    graph->n_groups = n;
    for (size_t i = 0; i < n / 2; i++) {
        const struct group group = graph->groups[i];

        graph->groups[i] = graph->groups[n - 1 - i];
        graph->groups[n - 1 - i] = group;
    }
}

static void choose_whole(const struct graph *graph, struct best *best) {
    for (size_t s = 0; s < graph->n_steps; s++)
        best[s + 1] = (struct best){ .n_calls = s + 1, .group = chooser_whole(s) };
}

/* A copy of @graph to plan memory for, in @scratch. */
static int copy_graph(const struct graph *graph, struct pool *scratch, struct graph *ret) {
    struct graph copy = *graph;

    copy.tensors = pool_zeros(scratch, graph->n_tensors, sizeof(*copy.tensors));
    copy.steps = pool_zeros(scratch, graph->n_steps, sizeof(*copy.steps));
    copy.groups = pool_zeros(scratch, graph->n_steps, sizeof(*copy.groups));
    if (!copy.tensors || !copy.steps || !copy.groups)
        return -ENOMEM;
    (void) memcpy(copy.tensors, graph->tensors, graph->n_tensors * sizeof(*copy.tensors));
    (void) memcpy(copy.steps, graph->steps, graph->n_steps * sizeof(*copy.steps));
    for (size_t s = 0; s < graph->n_steps; s++) {
        struct step *step = &copy.steps[s];

        step->inputs = pool_zeros(scratch, step->n_inputs, sizeof(*step->inputs));
        step->outputs = pool_zeros(scratch, step->n_outputs, sizeof(*step->outputs));
        if (!step->inputs || !step->outputs)
            return -ENOMEM;
        for (size_t i = 0; i < step->n_inputs; i++)
            step->inputs[i] = graph->steps[s].inputs[i];
        for (size_t i = 0; i < step->n_outputs; i++)
            step->outputs[i] = graph->steps[s].outputs[i];
    }
    *ret = copy;
    return 0;
}

/* The arena of @graph with the groups of @best. */
static int try_plan(const struct graph *graph, const struct best *best, size_t *ret_bytes) {
    _cleanup_(pool_freep) struct pool *scratch = pool_new();
    struct graph copy;
    int r;

    if (!scratch)
        return -ENOMEM;
    r = copy_graph(graph, scratch, &copy);
    if (r < 0)
        return r;
    set_groups(&copy, best);
    r = graph_memory_plan(&copy, scratch, scratch);
    *ret_bytes = copy.arena_bytes;
    return r;
}

/* Take strips away again where the arena, of @n_bytes, does not need them. */
static int take_strips_away(const struct graph *graph, struct pool *scratch, struct best *best,
                            size_t n_bytes) {
    struct best *other = pool_zeros(scratch, graph->n_steps + 1, sizeof(*other));
    size_t first, bytes = 0;
    int r;

    if (!other)
        return -ENOMEM;
    for (size_t last = graph->n_steps; last > 0; last = first) {
        first = best[last].group.first;
        if (best[last].group.strip_rows == 0)
            continue;
        (void) memcpy(other, best, (graph->n_steps + 1) * sizeof(*best));
        for (size_t s = first; s < last; s++)
            other[s + 1].group = chooser_whole(s);
        r = try_plan(graph, other, &bytes);
        if (r < 0)
            return r;
        if (bytes <= n_bytes)
            (void) memcpy(best, other, (graph->n_steps + 1) * sizeof(*best));
    }
    return 0;
}

/* More calls than this make a plan too slow. */
static size_t calls_allowed(const struct graph *graph, enum plan_kind kind) {
    return kind == PLAN_LEAST ? SIZE_MAX : graph->n_steps + graph->macs / SLOWER_SHARE / CALL_MACS;
}

/* The plan with the smallest arena into @best, which comes as that of whole steps. */
static int choose_smallest(struct chooser *chooser, enum plan_kind kind, struct pool *scratch,
                           struct best *best, size_t *ret_whole_bytes) {
    const struct graph *graph = chooser->graph;
    const size_t n = graph->n_steps, highest = chooser_whole_peak(chooser);
    struct best *other = pool_zeros(scratch, n + 1, sizeof(*other));
    size_t *peaks = pool_zeros(scratch, n + 1, sizeof(*peaks));
    size_t lowest, bytes = 0, least_bytes = 0;
    int r;

    if (!other || !peaks)
        return -ENOMEM;
    if (n > PLANNED_STEPS_MAX)
        return 0;
    lowest = chooser_least_peak(chooser, peaks);
    if (lowest >= highest)
        return 0;
    r = try_plan(graph, best, &least_bytes);
    *ret_whole_bytes = least_bytes;
    for (size_t i = 0; i < N_PEAKS * N_COSTS && r == 0; i++) {
        const size_t peak = lowest + (highest - lowest) * (i / N_COSTS) / N_PEAKS;

        if (!chooser_cheapest(chooser, peak, (enum cost)(i % N_COSTS), other) ||
            other[n].n_calls > calls_allowed(graph, kind))
            continue;
        r = try_plan(graph, other, &bytes);
        if (r < 0 || bytes > least_bytes ||
            (bytes == least_bytes && other[n].n_calls >= best[n].n_calls))
            continue;
        least_bytes = bytes;
        (void) memcpy(best, other, (n + 1) * sizeof(*best));
    }
    return r < 0 ? r : take_strips_away(graph, scratch, best, least_bytes);
}

int graph_groups_kind(enum plan_kind *ret, struct fault *fault) {
    static const char *const names[] = {
        [PLAN_BALANCED] = "balanced",
        [PLAN_LEAST] = "least",
        [PLAN_WHOLE] = "whole",
        [PLAN_ROWS] = "rows",
    };
    const char *name = getenv("LOOKOUT_PLAN");

    if (!name || !*name)
        name = names[PLAN_BALANCED];
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(name, names[i]) == 0) {
            *ret = (enum plan_kind) i;
            return 0;
        }
    return fault_set(fault, -ENOTSUP,
                     "LOOKOUT_PLAN is '%s'; it can be balanced, least, whole or rows", name);
}

int graph_groups_choose(struct graph *graph, enum plan_kind kind, struct pool *pool,
                        struct pool *scratch) {
    struct best *best = pool_zeros(scratch, graph->n_steps + 1, sizeof(*best));
    struct chooser chooser;
    int r;

    graph->groups = pool_zeros(pool, graph->n_steps, sizeof(*graph->groups));
    r = chooser_init(&chooser, graph, scratch);
    if (!graph->groups || !best || r < 0)
        return -ENOMEM;
    choose_whole(graph, best);
    if (kind == PLAN_ROWS)
        chooser_rows(&chooser, best);
    else if (kind != PLAN_WHOLE)
        r = choose_smallest(&chooser, kind, scratch, best, &graph->whole_bytes);
    set_groups(graph, best);
    return r;
}
