/* SPDX-License-Identifier: MIT */
/*
 * Method: a plan is a way to cut the list of steps into groups, and its peak that of its most
 * hungry group. First find the least peak there is (dynamic programming over the beginnings of the
 * list, with strips of one row), then, for some peaks from there up to that of whole steps, the
 * cheapest way that keeps to it: steps that fit run as a whole, the others in the highest strips
 * that fit. How well the buffers of a plan pack is known only when they are laid out: so all these
 * arenas are, and the smallest wins whose plan does not cost too much time.
 */
#include "models/graph_groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "models/graph_memory.h"
#include "models/graph_strips.h"

enum {
    NONE = -1,
    PLANNED_STEPS_MAX = 512, /* a graph of more runs them whole: laying out is quadratic */
    N_PEAKS = 24,            /* to try */
    MEASURES_MAX =
        1 << 14,       /* after so many groups that were gone through, steps stay as they are */
    CALL_MACS = 20000, /* that take the time of a call to a kernel: 0.1 us of AVX-512 VNNI */
    SLOWER_SHARE = 25, /* a balanced plan's calls take one part in so many of a run */
};

/* What the cheapest plan is, that keeps to a peak. */
enum cost {
    COST_CALLS, /* fewest calls of steps */
    COST_LEADS, /* least lead: chains of buffers that lie over each other creep; then calls */
    N_COSTS
};

/* A plan for the first so many steps. */
struct best {
    size_t peak, cost, n_calls;
    struct group group; /* its last one */
};

/* While groups are chosen. */
struct chooser {
    const struct graph *graph;
    struct lives lives;
    size_t *live;      /* [steps] bytes that are there before it and are still needed */
    int32_t *readers;  /* [tensors] operands of steps, and outputs of the graph, that are it */
    size_t *row_bytes; /* [steps, GROUP_STEPS_MAX] of groups by last step and length, row by row */
    size_t n_measures;
    size_t whole_bytes; /* arena of whole steps, once it was laid out */
};

static size_t rounded(size_t n_bytes) {
    return (n_bytes + ARENA_ALIGN_BYTES - 1) / ARENA_ALIGN_BYTES * ARENA_ALIGN_BYTES;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static size_t tensor_bytes(const struct chooser *chooser, int32_t tensor) {
    const struct graph_tensor *root = &chooser->graph->tensors[chooser->lives.root[tensor]];

    return root->constant ? 0 : rounded(root->info.n_bytes);
}

static bool dies_in(const struct chooser *chooser, const struct group *group, int32_t tensor) {
    const int32_t root = chooser->lives.root[tensor];

    return !chooser->graph->tensors[root].constant &&
           chooser->lives.first[root] < (int32_t) group->first &&
           chooser->lives.last[root] < (int32_t) group->last;
}

/* ---- what a group takes ---- */

static bool takes_over(const struct chooser *chooser, const struct group *group,
                       const struct step *step) {
    const int32_t out = step->outputs[0].tensor;

    for (size_t i = 0; i < step->n_inputs && i < 32; i++)
        if (step->in_place >> i & 1 && dies_in(chooser, group, step->inputs[i].tensor) &&
            tensor_bytes(chooser, step->inputs[i].tensor) == tensor_bytes(chooser, out))
            return true;
    return false;
}

/* Bytes that are needed while a step runs as a whole. */
static size_t whole_bytes(const struct chooser *chooser, size_t s) {
    const struct step *step = &chooser->graph->steps[s];
    const struct group group = { .first = s, .last = s + 1 };
    size_t n_bytes = chooser->live[s] + rounded(step->scratch_bytes);

    if (!step->run)
        return n_bytes;
    for (size_t i = takes_over(chooser, &group, step) ? 1 : 0; i < step->n_outputs; i++)
        n_bytes += tensor_bytes(chooser, step->outputs[i].tensor);
    return n_bytes;
}

/* No step of @group reads the memory of @tensor by another name. */
static bool has_one_name(const struct chooser *chooser, const struct group *group, int32_t tensor) {
    for (size_t s = group->first; s < group->last; s++)
        for (size_t i = 0; i < chooser->graph->steps[s].n_inputs; i++) {
            const int32_t other = chooser->graph->steps[s].inputs[i].tensor;

            if (other != tensor && chooser->lives.root[other] == chooser->lives.root[tensor])
                return false;
        }
    return true;
}

/* The largest input that dies in @group; NONE. */
static int32_t dying_input(const struct chooser *chooser, const struct group *group) {
    int32_t found = NONE;

    for (size_t s = group->first; s < group->last; s++)
        for (size_t i = 0; i < chooser->graph->steps[s].n_inputs; i++) {
            const int32_t tensor = chooser->graph->steps[s].inputs[i].tensor;

            if (dies_in(chooser, group, tensor) && has_one_name(chooser, group, tensor) &&
                (found == NONE || tensor_bytes(chooser, tensor) > tensor_bytes(chooser, found)))
                found = tensor;
        }
    return found;
}

/* Bytes that are needed while @group runs in strips; SIZE_MAX: it cannot. */
static size_t strips_bytes(struct chooser *chooser, struct group *group) {
    const struct step *last = &chooser->graph->steps[group->last - 1];
    const size_t out = tensor_bytes(chooser, last->outputs[0].tensor);
    size_t n_bytes, over;

    if (chooser->n_measures >= MEASURES_MAX)
        return SIZE_MAX;
    chooser->n_measures++;
    group->over = dying_input(chooser, group);
    if (!graph_strips_measure(chooser->graph, group))
        return SIZE_MAX;
    n_bytes = chooser->live[group->first] + rounded(group->scratch_bytes);
    if (group->over == NONE)
        return n_bytes + out;
    over = tensor_bytes(chooser, group->over);
    return n_bytes - over + larger(out, rounded(group->lead) + over);
}

/* ---- which groups there can be ---- */

/* May step @s run by rows at all? */
static bool runs_by_rows(const struct chooser *chooser, size_t s) {
    const struct step *step = &chooser->graph->steps[s];

    for (size_t i = 0; i < step->n_inputs; i++)
        if (chooser->graph->tensors[step->inputs[i].tensor].constant)
            return false;
    return step->rows.run && step->rows.n_images == 1;
}

/* May the output of step @s stay inside a group of steps [s, last)? */
static bool stays_inside(const struct chooser *chooser, size_t s, size_t last) {
    const struct graph *graph = chooser->graph;
    const int32_t tensor = graph->steps[s].outputs[0].tensor;
    int32_t n = 0;

    for (size_t t = s + 1; t < last; t++)
        for (size_t i = 0; i < graph->steps[t].n_inputs; i++)
            if (graph->steps[t].inputs[i].tensor == tensor) {
                if (!graph_strips_fit(&graph->steps[s], &graph->steps[t], i))
                    return false;
                n++;
            }
    return n > 0 && n == chooser->readers[tensor]; /* an end of the graph is a reader too */
}

/* The first step of the longest group in strips that ends before @last; @last if there is none. */
static size_t longest_group(const struct chooser *chooser, size_t last) {
    size_t first = last - 1;

    if (!runs_by_rows(chooser, first))
        return last;
    while (first > 0 && last - first < GROUP_STEPS_MAX && runs_by_rows(chooser, first - 1) &&
           stays_inside(chooser, first - 1, last))
        first--;
    return first;
}

/* ---- the least peak ---- */

static void take_if_better(struct best *best, const struct best *before, const struct group *group,
                           size_t n_bytes, size_t cost) {
    const size_t peak = larger(before->peak, n_bytes);

    if (peak > best->peak || (peak == best->peak && before->cost + cost >= best->cost))
        return;
    *best = (struct best){ peak, before->cost + cost, before->n_calls + group->n_calls, *group };
}

static struct group whole_group(size_t s) {
    return (struct group){ .first = s, .last = s + 1, .over = NONE, .n_calls = 1 };
}

/* Bytes of steps [first, last) row by row. */
static size_t row_bytes(struct chooser *chooser, size_t first, size_t last) {
    size_t *known = &chooser->row_bytes[(last - 1) * GROUP_STEPS_MAX + (last - first - 1)];
    struct group group = { .first = first, .last = last, .strip_rows = 1 };

    if (*known == 0)
        *known = strips_bytes(chooser, &group);
    return *known;
}

/* The least peak of any plan. */
static size_t least_peak(struct chooser *chooser, size_t *peaks) {
    const size_t n = chooser->graph->n_steps;

    peaks[0] = 0;
    for (size_t last = 1; last <= n; last++) {
        const size_t longest = longest_group(chooser, last);

        peaks[last] = larger(peaks[last - 1], whole_bytes(chooser, last - 1));
        for (size_t first = last; first > longest;) {
            first--;
            if (larger(peaks[first], chooser->live[first]) < peaks[last]) {
                const size_t peak = larger(peaks[first], row_bytes(chooser, first, last));

                peaks[last] = peak < peaks[last] ? peak : peaks[last];
            }
        }
    }
    return peaks[n];
}

/* ---- the cheapest plan for a peak ---- */

/* The highest strips that fit in @peak, all alike; returns false if none do. */
static bool highest_strips(struct chooser *chooser, struct group *group, size_t peak) {
    const int32_t n = chooser->graph->steps[group->last - 1].rows.n;
    int32_t fits = 0, height = n, n_strips;

    for (int32_t beyond = n + 1; beyond - fits > 1; height = fits + (beyond - fits) / 2) {
        group->strip_rows = height;
        if (strips_bytes(chooser, group) <= peak)
            fits = height;
        else
            beyond = height;
    }
    if (fits == 0)
        return false;
    n_strips = (n + fits - 1) / fits;
    group->strip_rows = (n + n_strips - 1) / n_strips;
    return strips_bytes(chooser, group) <= peak;
}

static bool some_step_is_too_large(const struct chooser *chooser, size_t first, size_t last,
                                   size_t peak) {
    for (size_t s = first; s < last; s++)
        if (whole_bytes(chooser, s) > peak)
            return true;
    return false;
}

static size_t cost_of(const struct group *group, enum cost cost) {
    const size_t lead = group->strip_rows > 0 ? group->lead / ARENA_ALIGN_BYTES : 0;

    return cost == COST_CALLS ? group->n_calls : group->n_calls + lead * GROUP_CALLS_MAX;
}

/* False if no plan keeps to @peak. */
static bool find_cheapest(struct chooser *chooser, size_t peak, enum cost cost, struct best *best) {
    best[0] = (struct best){ 0 };
    for (size_t last = 1; last <= chooser->graph->n_steps; last++) {
        const size_t s = last - 1, longest = longest_group(chooser, last);
        struct group group = whole_group(s);

        best[last] = (struct best){ SIZE_MAX, SIZE_MAX, 0, group };
        if (whole_bytes(chooser, s) <= peak && best[s].cost < SIZE_MAX)
            take_if_better(&best[last], &best[s], &group, 0, 1);
        for (size_t first = last; first > longest;) {
            first--;
            if (best[first].cost >= best[last].cost ||
                !some_step_is_too_large(chooser, first, last, peak) ||
                row_bytes(chooser, first, last) > peak)
                continue;
            group = (struct group){ .first = first, .last = last };
            if (highest_strips(chooser, &group, peak))
                take_if_better(&best[last], &best[first], &group, 0, cost_of(&group, cost));
        }
    }
    return best[chooser->graph->n_steps].cost < SIZE_MAX;
}

/* ---- plans ---- */

/* What lives before each step: each tensor from the step after the one that writes it. */
static void sum_live(struct chooser *chooser) {
    const struct graph *graph = chooser->graph;
    size_t now = 0;

    for (size_t i = 0; i < graph->n_tensors; i++) {
        const int32_t first = chooser->lives.first[i], last = chooser->lives.last[i];

        if (chooser->lives.root[i] != (int32_t) i || last <= first)
            continue;
        chooser->live[first + 1] += tensor_bytes(chooser, (int32_t) i);
        if (last < (int32_t) graph->n_steps)
            chooser->live[last + 1] -= tensor_bytes(chooser, (int32_t) i);
    }
    for (size_t s = 0; s < graph->n_steps; s++)
        chooser->live[s] = now += chooser->live[s]; /* differences wrap around to the right sum */
}

static int make_chooser(const struct graph *graph, struct pool *scratch, struct chooser *ret) {
    struct chooser chooser = { .graph = graph };
    int r;

    chooser.live = pool_zeros(scratch, graph->n_steps + 1, sizeof(*chooser.live));
    chooser.readers = pool_zeros(scratch, graph->n_tensors, sizeof(*chooser.readers));
    chooser.row_bytes =
        pool_zeros(scratch, graph->n_steps, GROUP_STEPS_MAX * sizeof(*chooser.row_bytes));
    r = graph_lives(graph, scratch, &chooser.lives);
    if (r < 0 || !chooser.live || !chooser.readers || !chooser.row_bytes)
        return -ENOMEM;
    for (size_t s = 0; s < graph->n_steps; s++)
        for (size_t i = 0; i < graph->steps[s].n_inputs; i++)
            chooser.readers[graph->steps[s].inputs[i].tensor]++;
    for (size_t i = 0; i < graph->n_outputs; i++)
        chooser.readers[graph->outputs[i]]++;
    sum_live(&chooser);
    *ret = chooser;
    return 0;
}

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
        best[s + 1] = (struct best){ .n_calls = s + 1, .group = whole_group(s) };
}

/* From the end on, the longest groups there can be. */
static void choose_rows(struct chooser *chooser, struct best *best) {
    for (size_t last = chooser->graph->n_steps; last > 0; last = best[last].group.first) {
        struct group group = { .last = last, .strip_rows = 1 };

        group.first = longest_group(chooser, last);
        if (group.first == last || strips_bytes(chooser, &group) == SIZE_MAX)
            group = whole_group(last - 1);
        best[last].group = group;
    }
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

/* The most bytes that a step takes as a whole. */
static size_t whole_peak(const struct chooser *chooser) {
    size_t peak = 0;

    for (size_t s = 0; s < chooser->graph->n_steps; s++)
        peak = larger(peak, whole_bytes(chooser, s));
    return peak;
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
            other[s + 1].group = whole_group(s);
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
                           struct best *best) {
    const struct graph *graph = chooser->graph;
    const size_t n = graph->n_steps, highest = whole_peak(chooser);
    struct best *other = pool_zeros(scratch, n + 1, sizeof(*other));
    size_t *peaks = pool_zeros(scratch, n + 1, sizeof(*peaks));
    size_t lowest, bytes = 0, least_bytes = 0;
    int r;

    if (!other || !peaks)
        return -ENOMEM;
    lowest = least_peak(chooser, peaks);
    if (lowest >= highest || n > PLANNED_STEPS_MAX)
        return 0;
    r = try_plan(graph, best, &least_bytes);
    chooser->whole_bytes = least_bytes;
    for (size_t i = 0; i < N_PEAKS * N_COSTS && r == 0; i++) {
        const size_t peak = lowest + (highest - lowest) * (i / N_COSTS) / N_PEAKS;

        if (!find_cheapest(chooser, peak, (enum cost)(i % N_COSTS), other) ||
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
    r = make_chooser(graph, scratch, &chooser);
    if (!graph->groups || !best || r < 0)
        return -ENOMEM;
    choose_whole(graph, best);
    if (kind == PLAN_ROWS)
        choose_rows(&chooser, best);
    else if (kind != PLAN_WHOLE)
        r = choose_smallest(&chooser, kind, scratch, best);
    graph->whole_bytes = chooser.whole_bytes;
    set_groups(graph, best);
    return r;
}
