/* SPDX-License-Identifier: MIT */
/* One arena; the steps of the plan in turn. */
#include "models/runner.h"

#include <errno.h>

#include "models/model_graph.h"

enum { PART_WORK = 4096 }; /* takes from half to some microseconds; to hand it over, half of one */

struct runner {
    struct model *model; /* referenced */
    struct pool *pool;   /* owns the arena and scratch */
    uint8_t *arena;
    struct hands hands; /* when it has its crew */
};

/* Scratch for the crew's other threads. */
static int make_hands(struct runner *runner, struct crew *crew) {
    const struct graph *graph = model_graph(runner->model);
    size_t n_bytes = 0;

    for (size_t i = 0; i < graph->n_steps; i++)
        if (graph->steps[i].rows.run && graph->steps[i].scratch_bytes > n_bytes)
            n_bytes = graph->steps[i].scratch_bytes;
    n_bytes = (n_bytes + POOL_ALIGN_BYTES - 1) / POOL_ALIGN_BYTES * POOL_ALIGN_BYTES;
    runner->hands = (struct hands){
        .crew = crew,
        .scratch = pool_zeros(runner->pool, crew_n_threads(crew) - 1, n_bytes),
        .scratch_bytes = n_bytes,
        .part_work = PART_WORK,
    };
    return runner->hands.scratch ? 0 : -ENOMEM;
}

int runner_new(struct model *model, struct crew *crew, struct runner **ret) {
    _cleanup_(runner_freep) struct runner *runner = calloc(1, sizeof(*runner));
    int r;

    if (!runner)
        return -ENOMEM;
    runner->model = model_ref(model);
    runner->pool = pool_new();
    if (!runner->pool)
        return -ENOMEM;
    runner->arena = pool_zeros(runner->pool, model_graph(model)->arena_bytes, 1);
    if (!runner->arena)
        return -ENOMEM;
    r = crew ? make_hands(runner, crew) : 0;
    if (r < 0)
        return r;
    *ret = runner;
    runner = NULL;
    return 0;
}

struct runner *runner_free(struct runner *runner) {
    if (!runner)
        return NULL;
    (void) pool_free(runner->pool);
    (void) model_unref(runner->model);
    free(runner);
    return NULL;
}

void *runner_input(struct runner *runner, size_t i) {
    const struct graph *graph = model_graph(runner->model);

    if (i >= graph->n_inputs)
        return NULL;
    return runner->arena + graph->buffers[graph->tensors[graph->inputs[i]].buffer].offset;
}

void runner_run(struct runner *runner) {
    static const struct hands alone = { 0 };
    const struct graph *graph = model_graph(runner->model);
    const bool helped = runner->hands.crew && crew_take(runner->hands.crew);

    for (size_t i = 0; i < graph->n_groups; i++)
        graph_run_group(graph, &graph->groups[i], runner->arena, helped ? &runner->hands : &alone);
    if (helped)
        crew_give(runner->hands.crew);
}

const void *runner_output(const struct runner *runner, size_t i) {
    const struct graph *graph = model_graph(runner->model);
    const struct graph_tensor *tensor;

    if (i >= graph->n_outputs)
        return NULL;
    tensor = &graph->tensors[graph->outputs[i]];
    return tensor->constant ? tensor->constant
                            : runner->arena + graph->buffers[tensor->buffer].offset;
}
