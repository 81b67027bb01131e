/* SPDX-License-Identifier: MIT */
/* One arena; the steps of the plan in turn. */
#include "models/runner.h"

#include <errno.h>

#include "models/model_graph.h"

struct runner {
    struct model *model; /* referenced */
    struct pool *pool;   /* owns the arena */
    uint8_t *arena;
};

int runner_new(struct model *model, struct runner **ret) {
    _cleanup_(runner_freep) struct runner *runner = calloc(1, sizeof(*runner));

    if (!runner)
        return -ENOMEM;
    runner->model = model_ref(model);
    runner->pool = pool_new();
    if (!runner->pool)
        return -ENOMEM;
    runner->arena = pool_zeros(runner->pool, model_graph(model)->arena_bytes, 1);
    if (!runner->arena)
        return -ENOMEM;
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
    const struct graph *graph = model_graph(runner->model);

    for (size_t i = 0; i < graph->n_steps; i++)
        if (graph->steps[i].run)
            graph->steps[i].run(&graph->steps[i], runner->arena);
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
