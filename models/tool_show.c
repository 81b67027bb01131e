/* SPDX-License-Identifier: MIT */
/* lookout-model show: what is in a model and how it will run. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "models/model_graph.h"
#include "models/tool.h"

enum { SHAPE_BYTES = 112, STEPS_BYTES = 48 };

static const char help[] =
    "Usage: lookout-model show FILE\n"
    "\n"
    "Prints the inputs and outputs of the .tflite FILE, its operators in the order they\n"
    "run with shapes, bytes of output, multiply-adds, parameters and scratch. Marks of a\n"
    "step: `in place`, its output takes the memory of an input; `no work`, its output is its\n"
    "input's bytes; `strips`, it makes some rows of its output at a time; `fused`, it does so\n"
    "together with its neighbours, and what passes between them is never there as a whole.\n"
    "\n"
    "Then for those that run in strips: rows of the last one's output at a time, calls of\n"
    "kernels, bytes of scratch (theirs, and rows that pass between them), and if the output\n"
    "takes the memory of an input that is used up. No row is made twice, so that strips add\n"
    "no multiply-adds.\n"
    "\n"
    "Then the arena map: where each activation lies and from which step to which it is\n"
    "needed. `in` is the moment before the run, `out` the one after it. Last the size of the\n"
    "arena, and at which step the most of it is needed.\n"
    "\n"
    "LOOKOUT_PLAN in the environment chooses the plan, for this and every command that runs\n"
    "a model: `balanced` (the default) takes what memory strips save for a few per cent of\n"
    "time; `least` the least memory; `whole` runs each step by itself; `rows` everything row\n"
    "by row, for tests. All make the same bytes of int8.\n"
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

/* Steps as people count them: "4", "0-4". */
static const char *steps_text(char text[STEPS_BYTES], const struct group *group) {
    if (group->last - group->first == 1)
        (void) snprintf(text, STEPS_BYTES, "%zu", group->first);
    else
        (void) snprintf(text, STEPS_BYTES, "%zu-%zu", group->first, group->last - 1);
    return text;
}

static const char *mark(const struct step *step, const struct group *group) {
    return group->last - group->first > 1 ? "fused"
           : group->strip_rows > 0        ? "strips"
           : !step->run                   ? "no work"
           : step->in_place               ? "in place"
                                          : "";
}

/* What one step makes, from, and with what mark. */
static void show_step(const struct graph *graph, size_t s, const struct group *group) {
    const struct step *step = &graph->steps[s];
    const struct tensor_info *output = &graph->tensors[step->outputs[0].tensor].info;
    char in[SHAPE_BYTES] = "", out[SHAPE_BYTES];

    if (step->n_inputs > 0)
        (void) shape_text(in, &graph->tensors[step->inputs[0].tensor].info);
    (void) printf("%5zu  %-18s %-18s %-18s %9zu %12" PRIu64 " %11" PRIu64 " %9zu  %s\n", s,
                  step->op->name, in, shape_text(out, output), output->n_bytes, step->macs,
                  step->n_parameters, step->scratch_bytes, mark(step, group));
    for (size_t i = 1; i < step->n_inputs; i++)
        (void) printf("%5s  %-18s %s\n", "", "",
                      shape_text(in, &graph->tensors[step->inputs[i].tensor].info));
    for (size_t i = 1; i < step->n_outputs; i++) {
        const struct tensor_info *info = &graph->tensors[step->outputs[i].tensor].info;

        (void) printf("%5s  %-18s %-18s %-18s %9zu\n", "", "", "", shape_text(out, info),
                      info->n_bytes);
    }
}

static void show_steps(const struct graph *graph) {
    (void) printf("\n%5s  %-18s %-18s %-18s %9s %12s %11s %9s  %s\n", "step", "operator", "input",
                  "output", "bytes", "macs", "parameters", "scratch", "mark");
    for (size_t g = 0; g < graph->n_groups; g++)
        for (size_t s = graph->groups[g].first; s < graph->groups[g].last; s++)
            show_step(graph, s, &graph->groups[g]);
}

/* Where the output of a group lies. */
static const char *over_text(char text[64], const struct graph *graph, const struct group *group) {
    const struct step *last = &graph->steps[group->last - 1];
    const size_t out = last->outputs[0].offset;
    size_t in;

    if (group->over < 0)
        return "";
    in = graph->buffers[graph->tensors[group->over].buffer].offset;
    if (in < out || in >= out + graph->tensors[last->outputs[0].tensor].info.n_bytes)
        return "";
    (void) snprintf(text, 64, "in place of tensor %" PRId32, group->over);
    return text;
}

/* The groups that run in strips. */
static void show_groups(const struct graph *graph) {
    char steps[STEPS_BYTES], over[64];
    size_t n = 0;

    for (size_t g = 0; g < graph->n_groups; g++) {
        const struct group *group = &graph->groups[g];

        if (group->strip_rows == 0)
            continue;
        if (n++ == 0)
            (void) printf("\n%9s  %6s %6s %9s  %s\n", "in strips", "rows", "calls", "scratch",
                          "output");
        (void) printf("%9s  %6" PRId32 " %6zu %9zu  %s\n", steps_text(steps, group),
                      group->strip_rows, group->n_calls, group->scratch_bytes,
                      over_text(over, graph, group));
    }
}

/* The group at which the most bytes are needed. */
static const struct group *peak_group(const struct graph *graph) {
    const size_t n = graph->n_buffers + graph->n_groups; /* with scratch */
    const struct group *found = NULL;
    size_t most = 0;

    for (size_t g = 0; g < graph->n_groups; g++) {
        const size_t live = arena_live(graph->buffers, n, (int32_t) g + 1);

        if (live > most) {
            most = live;
            found = &graph->groups[g];
        }
    }
    return found;
}

/* A moment (graph.h) as people count: in, steps from 0, out. */
static const char *moment_text(char text[STEPS_BYTES], const struct graph *graph, int32_t moment) {
    if (moment == 0)
        return "in";
    if (moment > (int32_t) graph->n_groups)
        return "out";
    return steps_text(text, &graph->groups[moment - 1]);
}

static void show_arena(const struct graph *graph) {
    char first[STEPS_BYTES], last[STEPS_BYTES], shape[SHAPE_BYTES];

    (void) printf("\n%9s %9s  %7s  %7s  %6s  %-18s %s\n", "offset", "bytes", "from", "to", "tensor",
                  "shape", "name");
    for (size_t i = 0; i < graph->n_tensors; i++) {
        const struct graph_tensor *tensor = &graph->tensors[i];
        const struct arena_buffer *buffer;

        if (tensor->buffer == GRAPH_NO_BUFFER)
            continue;
        buffer = &graph->buffers[tensor->buffer];
        (void) printf("%9zu %9zu  %7s  %7s  %6zu  %-18s %s\n", buffer->offset, tensor->info.n_bytes,
                      moment_text(first, graph, buffer->first),
                      moment_text(last, graph, buffer->last), i, shape_text(shape, &tensor->info),
                      tensor->info.name);
    }
    for (size_t g = 0; g < graph->n_groups; g++) {
        const struct group *group = &graph->groups[g];

        if (group->scratch_bytes > 0)
            (void) printf("%9zu %9zu  %7s  %7s  %6s  %-18s scratch\n", group->scratch_offset,
                          group->scratch_bytes, steps_text(first, group), first, "-", "");
    }
}

static void show_sums(const struct model *model) {
    const struct graph *graph = model_graph(model);
    const struct group *peak = peak_group(graph);
    char steps[STEPS_BYTES];

    (void) printf("\n%zu steps, %" PRIu64 " multiply-adds, %" PRIu64 " parameters, kernels %s\n"
                  "arena %zu bytes",
                  graph->n_steps, graph->macs, graph->n_parameters, model_kernels(model),
                  graph->arena_bytes);
    if (peak)
        (void) printf(", %zu of them live at step %s", graph->peak_bytes, steps_text(steps, peak));
    if (graph->whole_bytes > 0)
        (void) printf("; %zu if each step ran as a whole", graph->whole_bytes);
    (void) printf("\n");
}

static void show(const struct model *model, const char *file) {
    const struct graph *graph = model_graph(model);

    (void) printf("file    %s\nsha256  %s\n", file, model_sha256(model));
    show_ends("input", model, model_n_inputs(model), model_input);
    show_ends("output", model, model_n_outputs(model), model_output);
    show_steps(graph);
    show_groups(graph);
    show_arena(graph);
    show_sums(model);
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
