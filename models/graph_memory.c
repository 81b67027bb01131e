/* SPDX-License-Identifier: MIT */
/*
 * Method: tensors get buffers in the order of the groups. A step without run() lends its input's
 * buffer to its output; one that may work in place takes over the buffer of an input that dies
 * there; every other output begins a buffer, unless it stays inside a group. Then the arena is laid
 * out (arena.c).
 */
#include "models/graph_memory.h"

#include <errno.h>

#include "models/graph_strips.h"

/* While buffers are given out. */
struct layout {
    struct graph *graph;
    int32_t *last_use; /* [tensors] moment; 0: never read by a step */
    bool *inside;      /* [tensors] never there as a whole */
};

static int32_t moment(const struct layout *layout, const struct group *group) {
    return (int32_t) (group - layout->graph->groups) + 1;
}

static bool in_strips(const struct group *group) {
    return group->strip_rows > 0;
}

static void find_last_uses(struct layout *layout) {
    struct graph *graph = layout->graph;

    for (size_t g = 0; g < graph->n_groups; g++) {
        const struct group *group = &graph->groups[g];

        for (size_t s = group->first; s < group->last; s++) {
            for (size_t i = 0; i < graph->steps[s].n_inputs; i++)
                layout->last_use[graph->steps[s].inputs[i].tensor] = moment(layout, group);
            if (s + 1 < group->last)
                layout->inside[graph->steps[s].outputs[0].tensor] = true;
        }
    }
    for (size_t i = 0; i < graph->n_outputs; i++)
        layout->last_use[graph->outputs[i]] = (int32_t) graph->n_groups + 1;
}

static struct arena_buffer *buffer_of(struct graph *graph, int32_t tensor) {
    return &graph->buffers[graph->tensors[tensor].buffer];
}

static void new_buffer(struct layout *layout, int32_t tensor, int32_t now) {
    struct graph *graph = layout->graph;
    const int32_t last = layout->last_use[tensor];

    graph->buffers[graph->n_buffers] = (struct arena_buffer){
        .n_bytes = graph->tensors[tensor].info.n_bytes,
        .first = now,
        .last = last > now ? last : now,
    };
    graph->tensors[tensor].buffer = (int32_t) graph->n_buffers++;
}

/* @tensor lies where @owner lies. */
static void share(struct layout *layout, int32_t tensor, int32_t owner) {
    struct graph *graph = layout->graph;
    struct arena_buffer *buffer;

    graph->tensors[tensor].constant = graph->tensors[owner].constant;
    graph->tensors[tensor].buffer = graph->tensors[owner].buffer;
    if (graph->tensors[owner].constant)
        return;
    buffer = buffer_of(graph, owner);
    if (layout->last_use[tensor] > buffer->last)
        buffer->last = layout->last_use[tensor];
}

/* The input whose memory output 0 may take; -1: none. */
static int32_t in_place_of(const struct layout *layout, const struct step *step, int32_t now) {
    struct graph *graph = layout->graph;
    const size_t n_bytes = graph->tensors[step->outputs[0].tensor].info.n_bytes;

    for (size_t i = 0; i < step->n_inputs && i < 32; i++) {
        const int32_t tensor = step->inputs[i].tensor;

        if (step->in_place >> i & 1 && !graph->tensors[tensor].constant &&
            buffer_of(graph, tensor)->n_bytes == n_bytes && buffer_of(graph, tensor)->last == now)
            return tensor;
    }
    return -1;
}

/* One step, as a whole. */
static void assign_whole(struct layout *layout, struct step *step, int32_t now) {
    const int32_t owner = step->run ? in_place_of(layout, step, now) : step->inputs[0].tensor;

    step->in_place = owner >= 0;
    for (size_t i = 0; i < step->n_outputs; i++)
        if (i == 0 && owner >= 0)
            share(layout, step->outputs[i].tensor, owner);
        else
            new_buffer(layout, step->outputs[i].tensor, now);
}

/* Steps in strips: only the last one's output is there as a whole. */
static void assign_strips(struct layout *layout, const struct group *group) {
    struct graph *graph = layout->graph;
    const int32_t tensor = graph->steps[group->last - 1].outputs[0].tensor;
    struct arena_buffer *buffer;

    for (size_t s = group->first; s < group->last; s++)
        graph->steps[s].in_place = false;
    new_buffer(layout, tensor, moment(layout, group));
    if (group->over < 0)
        return;
    buffer = buffer_of(graph, tensor);
    buffer->over = buffer_of(graph, group->over);
    buffer->lead = group->lead;
}

static void assign_buffers(struct layout *layout) {
    struct graph *graph = layout->graph;

    for (size_t i = 0; i < graph->n_inputs; i++)
        new_buffer(layout, graph->inputs[i], 0);
    for (size_t g = 0; g < graph->n_groups; g++) {
        const struct group *group = &graph->groups[g];

        if (in_strips(group))
            assign_strips(layout, group);
        else
            assign_whole(layout, &graph->steps[group->first], moment(layout, group));
    }
}

/* Scratch of group g is buffer n_buffers + g while the arena is laid out. */
static int lay_out(struct layout *layout) {
    struct graph *graph = layout->graph;
    const size_t n_tensors = graph->n_buffers;

    for (size_t g = 0; g < graph->n_groups; g++) {
        struct group *group = &graph->groups[g];

        if (!in_strips(group))
            group->scratch_bytes = graph->steps[group->first].scratch_bytes;
        graph->buffers[graph->n_buffers++] = (struct arena_buffer){
            .n_bytes = group->scratch_bytes,
            .first = moment(layout, group),
            .last = moment(layout, group),
        };
    }
    if (arena_place(graph->buffers, graph->n_buffers, &graph->arena_bytes) < 0)
        return -ENOMEM;
    graph->peak_bytes = arena_peak(graph->buffers, graph->n_buffers);
    for (size_t g = 0; g < graph->n_groups; g++) {
        graph->groups[g].scratch_offset = graph->buffers[n_tensors + g].offset;
        graph->steps[graph->groups[g].first].scratch_offset = graph->groups[g].scratch_offset;
    }
    graph->n_buffers = n_tensors;
    return 0;
}

static void place_operands(const struct layout *layout, struct operand *operands, size_t n) {
    struct graph *graph = layout->graph;

    for (size_t i = 0; i < n; i++) {
        operands[i].constant = graph->tensors[operands[i].tensor].constant;
        if (!operands[i].constant && !layout->inside[operands[i].tensor])
            operands[i].offset = buffer_of(graph, operands[i].tensor)->offset;
    }
}

int graph_memory_plan(struct graph *graph, struct pool *pool, struct pool *scratch) {
    struct layout layout = { .graph = graph };
    size_t n_buffers = graph->n_inputs + graph->n_groups; /* inputs and scratch */
    int r;

    for (size_t s = 0; s < graph->n_steps; s++)
        n_buffers += graph->steps[s].n_outputs;
    graph->buffers = pool_zeros(pool, n_buffers, sizeof(*graph->buffers));
    layout.last_use = pool_zeros(scratch, graph->n_tensors, sizeof(*layout.last_use));
    layout.inside = pool_zeros(scratch, graph->n_tensors, sizeof(*layout.inside));
    if (!graph->buffers || !layout.last_use || !layout.inside)
        return -ENOMEM;

    find_last_uses(&layout);
    assign_buffers(&layout);
    r = lay_out(&layout);
    for (size_t s = 0; s < graph->n_steps; s++) {
        place_operands(&layout, graph->steps[s].inputs, graph->steps[s].n_inputs);
        place_operands(&layout, graph->steps[s].outputs, graph->steps[s].n_outputs);
    }
    for (size_t g = 0; g < graph->n_groups && r == 0; g++)
        if (in_strips(&graph->groups[g]))
            r = graph_strips_list(graph, &graph->groups[g], pool);
    return r;
}

/* ---- how long tensors are needed ---- */

static void read_until(struct lives *lives, int32_t tensor, int32_t step) {
    int32_t *last = &lives->last[lives->root[tensor]];

    *last = step > *last ? step : *last;
}

int graph_lives(const struct graph *graph, struct pool *scratch, struct lives *ret) {
    struct lives lives = {
        .root = pool_zeros(scratch, graph->n_tensors, sizeof(*lives.root)),
        .first = pool_zeros(scratch, graph->n_tensors, sizeof(*lives.first)),
        .last = pool_zeros(scratch, graph->n_tensors, sizeof(*lives.last)),
    };

    if (!lives.root || !lives.first || !lives.last)
        return -ENOMEM;
    for (size_t i = 0; i < graph->n_tensors; i++) {
        lives.root[i] = (int32_t) i;
        lives.first[i] = lives.last[i] = -1;
    }
    for (size_t s = 0; s < graph->n_steps; s++) {
        const struct step *step = &graph->steps[s];

        for (size_t i = 0; i < step->n_inputs; i++)
            read_until(&lives, step->inputs[i].tensor, (int32_t) s);
        for (size_t i = 0; i < step->n_outputs; i++)
            lives.first[step->outputs[i].tensor] = lives.last[step->outputs[i].tensor] =
                (int32_t) s;
        if (!step->run)
            lives.root[step->outputs[0].tensor] = lives.root[step->inputs[0].tensor];
    }
    for (size_t i = 0; i < graph->n_outputs; i++)
        read_until(&lives, graph->outputs[i], (int32_t) graph->n_steps);
    *ret = lives;
    return 0;
}
