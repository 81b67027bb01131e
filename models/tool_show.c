/* SPDX-License-Identifier: MIT */
/* lookout-model show: what is in a model and how it will run. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "models/model_graph.h"
#include "models/tool.h"

enum { SHAPE_BYTES = 112 };

static const char help[] =
    "Usage: lookout-model show FILE\n"
    "\n"
    "Prints the inputs and outputs of the .tflite FILE, its operators in the order they\n"
    "run with shapes, multiply-adds and parameters, and the arena map: where each\n"
    "activation lies and from which step to which it is needed. `in` is the moment\n"
    "before the run, `out` the one after it. Marks of a step: `in place`, its output takes\n"
    "the memory of an input; `no work`, its output is its input's bytes.\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage.\n"
    "\n"
    "Example:\n"
    "  lookout-model show models/zoo/yard/sound.tflite\n";

static const char *shape_text(char text[SHAPE_BYTES], const struct tensor_info *info) {
    size_t n = (size_t) snprintf(text, SHAPE_BYTES, "[");

    for (int i = 0; i < info->rank; i++)
        n +=
            (size_t) snprintf(text + n, SHAPE_BYTES - n, "%s%" PRId32, i ? "," : "", info->dims[i]);
    (void) snprintf(text + n, SHAPE_BYTES - n, "]"); /* 8 dimensions of 11 characters fit */
    return text;
}

static void show_ends(const char *title, const struct model *model, size_t n,
                      const struct tensor_info *(*get)(const struct model *, size_t)) {
    for (size_t i = 0; i < n; i++) {
        const struct tensor_info *info = get(model, i);
        char shape[SHAPE_BYTES];

        (void) printf("%-7s %zu   %-8s %-18s", title, i,
                      info->type == TENSOR_INT8 ? "int8" : "float32", shape_text(shape, info));
        if (info->type == TENSOR_INT8)
            (void) printf(" scale %.9g, zero point %" PRId32, (double) info->scale,
                          info->zero_point);
        (void) printf(" %s\n", info->name);
    }
}

static const char *mark(const struct step *step) {
    return !step->run ? "no work" : step->in_place ? "in place" : "";
}

static void show_steps(const struct graph *graph) {
    (void) printf("\n%5s  %-18s %-18s %-18s %12s %11s %9s  %s\n", "step", "operator", "input",
                  "output", "macs", "parameters", "scratch", "mark");
    for (size_t s = 0; s < graph->n_steps; s++) {
        const struct step *step = &graph->steps[s];
        char in[SHAPE_BYTES] = "", out[SHAPE_BYTES];

        if (step->n_inputs > 0)
            (void) shape_text(in, &graph->tensors[step->inputs[0].tensor].info);
        (void) printf("%5zu  %-18s %-18s %-18s %12" PRIu64 " %11" PRIu64 " %9zu  %s\n", s,
                      step->op->name, in,
                      shape_text(out, &graph->tensors[step->outputs[0].tensor].info), step->macs,
                      step->n_parameters, step->scratch_bytes, mark(step));
        for (size_t i = 1; i < step->n_inputs; i++)
            (void) printf("%5s  %-18s %s\n", "", "",
                          shape_text(in, &graph->tensors[step->inputs[i].tensor].info));
        for (size_t i = 1; i < step->n_outputs; i++)
            (void) printf("%5s  %-18s %-18s %s\n", "", "", "",
                          shape_text(out, &graph->tensors[step->outputs[i].tensor].info));
    }
}

/* A moment (graph.h) as people count: in, steps from 0, out. */
static const char *moment_text(char text[16], const struct graph *graph, int32_t moment) {
    if (moment == 0)
        return "in";
    if (moment > (int32_t) graph->n_steps)
        return "out";
    (void) snprintf(text, 16, "%" PRId32, moment - 1);
    return text;
}

static void show_arena(const struct graph *graph) {
    char first[16], last[16], shape[SHAPE_BYTES];

    (void) printf("\n%9s %9s  %5s  %5s  %6s  %-18s %s\n", "offset", "bytes", "from", "to", "tensor",
                  "shape", "name");
    for (size_t i = 0; i < graph->n_tensors; i++) {
        const struct graph_tensor *tensor = &graph->tensors[i];
        const struct arena_buffer *buffer;

        if (tensor->buffer == GRAPH_NO_BUFFER)
            continue;
        buffer = &graph->buffers[tensor->buffer];
        (void) printf("%9zu %9zu  %5s  %5s  %6zu  %-18s %s\n", buffer->offset, tensor->info.n_bytes,
                      moment_text(first, graph, buffer->first),
                      moment_text(last, graph, buffer->last), i, shape_text(shape, &tensor->info),
                      tensor->info.name);
    }
    for (size_t s = 0; s < graph->n_steps; s++)
        if (graph->steps[s].scratch_bytes > 0)
            (void) printf("%9zu %9zu  %5zu  %5zu  %6s  %-18s scratch of %s\n",
                          graph->steps[s].scratch_offset, graph->steps[s].scratch_bytes, s, s, "-",
                          "", graph->steps[s].op->name);
}

static void show(const struct model *model, const char *file) {
    const struct graph *graph = model_graph(model);

    (void) printf("file    %s\nsha256  %s\n", file, model_sha256(model));
    show_ends("input", model, model_n_inputs(model), model_input);
    show_ends("output", model, model_n_outputs(model), model_output);
    show_steps(graph);
    show_arena(graph);
    (void) printf("\n%zu steps, %" PRIu64 " multiply-adds, %" PRIu64 " parameters\n"
                  "arena %zu bytes (at least %zu are live at once), kernels %s\n",
                  graph->n_steps, graph->macs, graph->n_parameters, graph->arena_bytes,
                  graph->peak_bytes, model_kernels(model));
}

static int show_main(int argc, char **argv) {
    _cleanup_(model_unrefp) struct model *model = NULL;
    struct fault fault;

    if (argc != 2 || argv[1][0] == '-')
        return TOOL_USAGE;
    if (model_open(argv[1], NULL, &model, &fault) < 0) {
        (void) fprintf(stderr, "lookout-model show: %s\n", fault.text);
        return TOOL_FAILED;
    }
    show(model, argv[1]);
    return TOOL_OK;
}

const struct tool tool_show = {
    .name = "show",
    .summary = "operators, shapes, memory of a model",
    .help = help,
    .main = show_main,
};
