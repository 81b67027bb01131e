/* SPDX-License-Identifier: MIT */
/* Any bytes as a `.tflite`: refused with a sentence, or a model whose runs stay in their arena. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "models/model_graph.h"
#include "models/runner.h"

/* A run of more than this, though allowed, would only waste the fuzzer's time. */
enum { ARENA_BYTES_MAX = 1 << 20, WORK_MAX = 1 << 22 };

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

static void run_once(struct model *model) {
    _cleanup_(runner_freep) struct runner *runner = NULL;
    uint32_t sum = 0;

    if (runner_new(model, NULL, &runner) < 0)
        return; /* memory is short */
    for (size_t i = 0; i < model_n_inputs(model); i++)
        (void) memset(runner_input(runner, i), (int) (0x5a + i), model_input(model, i)->n_bytes);
    runner_run(runner);
    for (size_t i = 0; i < model_n_outputs(model); i++) {
        const uint8_t *out = runner_output(runner, i);

        for (size_t k = 0; k < model_output(model, i)->n_bytes; k++)
            sum += out[k];
    }
    expect(sum != UINT32_MAX); /* so that the reads above are not left out */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    _cleanup_(model_unrefp) struct model *model = NULL;
    struct fault fault = { .text = "" };
    const int r = model_open_memory("fuzz", data, n_bytes, "c", &model, &fault);

    expect(r == 0 || r == -EBADMSG || r == -ENOTSUP || r == -ENOMEM);
    if (r < 0) {
        expect(strlen(fault.text) > 10 && !model);
        return 0;
    }
    expect(model_arena_bytes(model) >= model_peak_bytes(model));
    if (model_arena_bytes(model) <= ARENA_BYTES_MAX && work_of(model_graph(model)) <= WORK_MAX)
        run_once(model);
    return 0;
}
