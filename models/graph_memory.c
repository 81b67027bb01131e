/* SPDX-License-Identifier: MIT */
/*
 * Method: tensors get buffers in the order of the steps. A step without run() lends its input's
 * buffer to its output; one that may work in place takes over the buffer of an input that dies
 * there; every other output begins a buffer. Then the arena is laid out (arena.c).
 */
#include "models/graph_memory.h"

#include <errno.h>

/* While buffers are given out. */
struct layout {
    struct graph *graph;
    int32_t *last_use; /* [tensors] moment; 0: never read by a step */
};

static int32_t moment(const struct step *step) {
    return (int32_t) step->index + 1;
}

static void find_last_uses(struct layout *layout) {
    struct graph *graph = layout->graph;

    for (size_t s = 0; s < graph->n_steps; s++)
        for (size_t i = 0; i < graph->steps[s].n_inputs; i++)
            layout->last_use[graph->steps[s].inputs[i].tensor] = moment(&graph->steps[s]);
    for (size_t i = 0; i < graph->n_outputs; i++)
        layout->last_use[graph->outputs[i]] = (int32_t) graph->n_steps + 1;
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
static int32_t in_place_of(const struct layout *layout, const struct step *step) {
    struct graph *graph = layout->graph;
    const size_t n_bytes = graph->tensors[step->outputs[0].tensor].info.n_bytes;

    for (size_t i = 0; i < step->n_inputs && i < 32; i++) {
        const int32_t tensor = step->inputs[i].tensor;

        if (step->in_place >> i & 1 && !graph->tensors[tensor].constant &&
            buffer_of(graph, tensor)->n_bytes == n_bytes &&
            buffer_of(graph, tensor)->last == moment(step))
            return tensor;
    }
    return -1;
}

static void assign_buffers(struct layout *layout) {
    struct graph *graph = layout->graph;

    for (size_t i = 0; i < graph->n_inputs; i++)
        new_buffer(layout, graph->inputs[i], 0);
    for (size_t s = 0; s < graph->n_steps; s++) {
        struct step *step = &graph->steps[s];
        const int32_t owner = step->run ? in_place_of(layout, step) : step->inputs[0].tensor;

        step->in_place = owner >= 0;
        for (size_t i = 0; i < step->n_outputs; i++)
            if (i == 0 && owner >= 0)
                share(layout, step->outputs[i].tensor, owner);
            else
                new_buffer(layout, step->outputs[i].tensor, moment(step));
    }
}

/* Scratch of step s is buffer n_buffers + s while the arena is laid out. */
static int lay_out(struct graph *graph) {
    const size_t n_tensors = graph->n_buffers;

    for (size_t s = 0; s < graph->n_steps; s++)
        graph->buffers[graph->n_buffers++] = (struct arena_buffer){
            .n_bytes = graph->steps[s].scratch_bytes,
            .first = moment(&graph->steps[s]),
            .last = moment(&graph->steps[s]),
        };
    if (arena_place(graph->buffers, graph->n_buffers, &graph->arena_bytes) < 0)
        return -ENOMEM;
    graph->peak_bytes = arena_peak(graph->buffers, graph->n_buffers);
    for (size_t s = 0; s < graph->n_steps; s++)
        graph->steps[s].scratch_offset = graph->buffers[n_tensors + s].offset;
    graph->n_buffers = n_tensors;
    return 0;
}

static void place_operands(struct graph *graph, struct operand *operands, size_t n) {
    for (size_t i = 0; i < n; i++) {
        operands[i].constant = graph->tensors[operands[i].tensor].constant;
        if (!operands[i].constant)
            operands[i].offset = buffer_of(graph, operands[i].tensor)->offset;
    }
}

int graph_memory_plan(struct graph *graph, struct pool *pool, struct pool *scratch) {
    struct layout layout = { .graph = graph };
    size_t n_buffers = graph->n_inputs + graph->n_steps; /* inputs and scratch */
    int r;

    for (size_t s = 0; s < graph->n_steps; s++)
        n_buffers += graph->steps[s].n_outputs;
    graph->buffers = pool_zeros(pool, n_buffers, sizeof(*graph->buffers));
    layout.last_use = pool_zeros(scratch, graph->n_tensors, sizeof(*layout.last_use));
    if (!graph->buffers || !layout.last_use)
        return -ENOMEM;

    find_last_uses(&layout);
    assign_buffers(&layout);
    r = lay_out(graph);
    if (r < 0)
        return r;
    for (size_t s = 0; s < graph->n_steps; s++) {
        place_operands(graph, graph->steps[s].inputs, graph->steps[s].n_inputs);
        place_operands(graph, graph->steps[s].outputs, graph->steps[s].n_outputs);
    }
    return 0;
}
