/* SPDX-License-Identifier: MIT */
/*
 * Method: dynamic programming over the beginnings of the list of steps; first for the least peak,
 * with strips of one row, then for the least cost under a peak: steps that fit run as a whole, the
 * others in the highest strips that fit.
 */
#include "models/graph_chooser.h"

#include <errno.h>

#include "models/graph_strips.h"

enum {
    NONE = -1,
    MEASURES_MAX = 1 << 14, /* after going through so many groups, steps stay as they are */
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

struct group chooser_whole(size_t s) {
    return (struct group){ .first = s, .last = s + 1, .over = NONE, .n_calls = 1 };
}

/* Rows of the last output that the steps of @group make at a time. */
static int32_t least_rows(const struct chooser *chooser, const struct group *group) {
    const int32_t n = chooser->graph->steps[group->last - 1].rows.n;
    int32_t together = 1;

    for (size_t s = group->first; s < group->last; s++) {
        const struct step_rows *rows = &chooser->graph->steps[s].rows;

        if (rows->n == n && rows->together > together)
            together = rows->together;
    }
    return together < n ? together : n;
}

/* Bytes of steps [first, last) in the lowest strips. */
static size_t least_bytes(struct chooser *chooser, size_t first, size_t last) {
    size_t *known = &chooser->least_bytes[(last - 1) * GROUP_STEPS_MAX + (last - first - 1)];
    struct group group = { .first = first, .last = last };

    if (*known == 0) {
        group.strip_rows = least_rows(chooser, &group);
        *known = strips_bytes(chooser, &group);
    }
    return *known;
}

size_t chooser_least_peak(struct chooser *chooser, size_t *peaks) {
    const size_t n = chooser->graph->n_steps;

    peaks[0] = 0;
    for (size_t last = 1; last <= n; last++) {
        const size_t longest = longest_group(chooser, last);

        peaks[last] = larger(peaks[last - 1], whole_bytes(chooser, last - 1));
        for (size_t first = last; first > longest;) {
            first--;
            if (larger(peaks[first], chooser->live[first]) < peaks[last]) {
                const size_t peak = larger(peaks[first], least_bytes(chooser, first, last));

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
    const int32_t least = least_rows(chooser, group);
    int32_t fits = 0, height = n, n_strips;

    for (int32_t beyond = n + 1; beyond - fits > 1; height = fits + (beyond - fits) / 2) {
        group->strip_rows = height;
        if (strips_bytes(chooser, group) <= peak)
            fits = height;
        else
            beyond = height;
    }
    if (fits < least)
        return false;
    fits -= fits < n ? fits % least : 0;
    n_strips = (n + fits - 1) / fits;
    height = (n + n_strips - 1) / n_strips;
    group->strip_rows = (height + least - 1) / least * least;
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

bool chooser_cheapest(struct chooser *chooser, size_t peak, enum cost cost, struct best *best) {
    best[0] = (struct best){ 0 };
    for (size_t last = 1; last <= chooser->graph->n_steps; last++) {
        const size_t s = last - 1, longest = longest_group(chooser, last);
        struct group group = chooser_whole(s);

        best[last] = (struct best){ SIZE_MAX, SIZE_MAX, 0, group };
        if (whole_bytes(chooser, s) <= peak && best[s].cost < SIZE_MAX)
            take_if_better(&best[last], &best[s], &group, 0, 1);
        for (size_t first = last; first > longest;) {
            first--;
            if (best[first].cost >= best[last].cost ||
                !some_step_is_too_large(chooser, first, last, peak) ||
                least_bytes(chooser, first, last) > peak)
                continue;
            group = (struct group){ .first = first, .last = last };
            if (highest_strips(chooser, &group, peak))
                take_if_better(&best[last], &best[first], &group, 0, cost_of(&group, cost));
        }
    }
    return best[chooser->graph->n_steps].cost < SIZE_MAX;
}

/* From the end on. */
void chooser_rows(struct chooser *chooser, struct best *best) {
    for (size_t last = chooser->graph->n_steps; last > 0; last = best[last].group.first) {
        struct group group = { .last = last, .strip_rows = 1 };

        group.first = longest_group(chooser, last);
        if (group.first == last || strips_bytes(chooser, &group) == SIZE_MAX)
            group = chooser_whole(last - 1);
        best[last].group = group;
    }
}

/* ---- what all that looks at ---- */

size_t chooser_whole_peak(const struct chooser *chooser) {
    size_t peak = 0;

    for (size_t s = 0; s < chooser->graph->n_steps; s++)
        peak = larger(peak, whole_bytes(chooser, s));
    return peak;
}

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

int chooser_init(struct chooser *ret, const struct graph *graph, struct pool *scratch) {
    struct chooser chooser = { .graph = graph };
    int r;

    chooser.live = pool_zeros(scratch, graph->n_steps + 1, sizeof(*chooser.live));
    chooser.readers = pool_zeros(scratch, graph->n_tensors, sizeof(*chooser.readers));
    chooser.least_bytes =
        pool_zeros(scratch, graph->n_steps, GROUP_STEPS_MAX * sizeof(*chooser.least_bytes));
    r = graph_lives(graph, scratch, &chooser.lives);
    if (r < 0 || !chooser.live || !chooser.readers || !chooser.least_bytes)
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
