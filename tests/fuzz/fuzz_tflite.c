/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a `.tflite`: refused with a sentence, or a model whose runs stay in their arena, and
 * which gives the same with the fastest kernels, row by row, in parts by two threads.
 */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "models/crew.h"
#include "models/model_graph.h"

/* A run of more than this, though allowed, would only waste the fuzzer's time. */
enum { ARENA_BYTES_MAX = 1 << 20, WORK_MAX = 1 << 22, N_THREADS = 2, ALIGN_BYTES = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void expect(int is_true) {
    if (!is_true)
        abort();
}

static uint64_t work_of(const struct graph *graph) {
    uint64_t work = 0;

    for (size_t i = 0; i < graph->n_steps; i++)
        work += graph->steps[i].work;
    return work;
}

static bool has_floats(const struct graph *graph) {
    for (size_t i = 0; i < graph->n_tensors; i++)
        if (graph->tensors[i].type == TFLITE_FLOAT32)
            return true;
    return false;
}

static uint8_t *blank(size_t n_bytes) {
    const size_t rounded = n_bytes / ALIGN_BYTES * ALIGN_BYTES + ALIGN_BYTES;
    uint8_t *memory = aligned_alloc(ALIGN_BYTES, rounded);

    return memory ? memset(memory, 0, rounded) : NULL;
}

/* A run's arena, to be freed; NULL if memory is short. */
static uint8_t *run(const struct graph *graph, const struct hands *hands) {
    uint8_t *arena = blank(graph->arena_bytes);

    for (size_t i = 0; arena && i < graph->n_inputs; i++) {
        const struct graph_tensor *tensor = &graph->tensors[graph->inputs[i]];

        (void) memset(arena + graph->buffers[tensor->buffer].offset, (int) (0x5a + i),
                      tensor->info.n_bytes);
    }
    for (size_t i = 0; arena && i < graph->n_groups; i++)
        graph_run_group(graph, &graph->groups[i], arena, hands);
    return arena;
}

static const uint8_t *output(const struct graph *graph, size_t i, const uint8_t *arena) {
    const struct graph_tensor *tensor = &graph->tensors[graph->outputs[i]];

    return tensor->constant ? tensor->constant : arena + graph->buffers[tensor->buffer].offset;
}

/* Equal bytes, but any two that are no numbers are equal. */
static bool same(const struct tensor_info *info, const uint8_t *a, const uint8_t *b) {
    for (size_t i = 0; info->type == TENSOR_FLOAT32 && i < info->n_items; i++) {
        float x, y;

        (void) memcpy(&x, a + i * sizeof(x), sizeof(x));
        (void) memcpy(&y, b + i * sizeof(y), sizeof(y));
        if (memcmp(&x, &y, sizeof(x)) != 0 && !(isnan(x) && isnan(y)))
            return false;
    }
    return info->type == TENSOR_FLOAT32 || memcmp(a, b, info->n_bytes) == 0;
}

/* Made once, as the same for all inputs; NULL if memory is short. */
static struct crew *the_crew(void) {
    static struct crew *crew;

    if (!crew && crew_new(N_THREADS, &crew) < 0)
        return NULL;
    return crew;
}

/* The same model planned and run otherwise gives what is in @arena. */
static void run_otherwise(const uint8_t *data, size_t n_bytes, const struct graph *graph,
                          const uint8_t *arena) {
    _cleanup_(model_unrefp) struct model *model = NULL;
    _cleanup_(freep) uint8_t *scratch = NULL, *other = NULL;
    struct hands hands = { .crew = the_crew(), .n_parts = N_THREADS };
    struct fault fault;
    int r;

    (void) setenv("LOOKOUT_PLAN", "rows", 1); /* no memory: the usual plan */
    r = model_open_memory("fuzz", data, n_bytes, has_floats(graph) ? "c" : NULL, &model, &fault);
    (void) unsetenv("LOOKOUT_PLAN");
    expect(r == 0 || r == -ENOMEM || r == -ENOTSUP); /* not supported: by its arena */
    if (r < 0 || !hands.crew || model_arena_bytes(model) > ARENA_BYTES_MAX)
        return;
    for (size_t i = 0; i < model_graph(model)->n_steps; i++)
        if (model_graph(model)->steps[i].scratch_bytes > hands.scratch_bytes)
            hands.scratch_bytes = model_graph(model)->steps[i].scratch_bytes;
    scratch = hands.scratch = blank(hands.scratch_bytes);
    if (!scratch)
        return;
    expect(crew_take(hands.crew));
    other = run(model_graph(model), &hands);
    crew_give(hands.crew);
    for (size_t i = 0; other && i < graph->n_outputs; i++)
        expect(same(&graph->tensors[graph->outputs[i]].info, output(graph, i, arena),
                    output(model_graph(model), i, other)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    _cleanup_(model_unrefp) struct model *model = NULL;
    _cleanup_(freep) uint8_t *arena = NULL;
    struct fault fault = { .text = "" };
    const int r = model_open_memory("fuzz", data, n_bytes, "c", &model, &fault);

    expect(r == 0 || r == -EBADMSG || r == -ENOTSUP || r == -ENOMEM);
    if (r < 0) {
        expect(strlen(fault.text) > 10 && !model);
        return 0;
    }
    expect(model_arena_bytes(model) >= model_peak_bytes(model));
    if (model_arena_bytes(model) > ARENA_BYTES_MAX || work_of(model_graph(model)) > WORK_MAX)
        return 0;
    arena = run(model_graph(model), &(const struct hands){ 0 });
    if (arena)
        run_otherwise(data, n_bytes, model_graph(model), arena);
    return 0;
}
