/* SPDX-License-Identifier: MIT */
/*
 * Method: one pass over the operators in the order they run. Each must find its inputs written by
 * then and becomes one step, which keeps what it needs of the file.
 */
#include "models/graph.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "models/graph_groups.h"
#include "models/graph_memory.h"
#include "models/op_check.h"

enum { FLOAT_TRIES_MAX = 1 << 18 }; /* networks of today take up to 9,000 */

/* While a graph is planned. */
struct planner {
    const struct tflite_file *file;
    const struct kernels *kernels;
    struct pool *pool, *scratch;
    struct fault *fault;
    struct graph *graph;
    bool *known; /* [tensors] constant, input, or written by now */
    uint64_t work;
    size_t float_tries; /* left */
};

static int refuse(const struct planner *planner, int error, int32_t tensor, const char *problem) {
    return fault_set(planner->fault, error, "%s: tensor %" PRId32 " '%s' %s",
                     planner->file->bytes->name, tensor, planner->file->tensors[tensor].name,
                     problem);
}

static int no_memory(const struct planner *planner) {
    return fault_set(planner->fault, -ENOMEM, "%s: out of memory", planner->file->bytes->name);
}

static enum tensor_type public_type(int type) {
    return type == TFLITE_INT8 ? TENSOR_INT8 : TENSOR_FLOAT32;
}

/* Copy what outlives the file. */
static int copy_tensors(struct planner *planner) {
    const struct tflite_file *file = planner->file;
    struct graph *graph = planner->graph;

    graph->n_tensors = file->n_tensors;
    graph->tensors = pool_zeros(planner->pool, file->n_tensors, sizeof(*graph->tensors));
    planner->known = pool_zeros(planner->scratch, file->n_tensors, sizeof(*planner->known));
    if (!graph->tensors || !planner->known)
        return no_memory(planner);

    for (size_t i = 0; i < file->n_tensors; i++) {
        const struct tflite_tensor *from = &file->tensors[i];
        struct graph_tensor *to = &graph->tensors[i];
        const size_t name_bytes = strlen(from->name) + 1;
        char *name = pool_zeros(planner->pool, name_bytes, 1);

        if (!name)
            return no_memory(planner);
        to->type = from->type;
        to->buffer = GRAPH_NO_BUFFER;
        to->info = (struct tensor_info){
            .name = memcpy(name, from->name, name_bytes),
            .type = public_type(from->type),
            .rank = from->rank,
            .n_items = from->n_items,
            .n_bytes = tflite_type_bytes(from->type, from->n_items),
            .scale = 1,
        };
        (void) memcpy(to->info.dims, from->dims, sizeof(from->dims));
        planner->known[i] = from->data != NULL;
    }
    return 0;
}

/* An input or output of the graph: what the caller is to see. */
static int expose(struct planner *planner, int32_t index) {
    const struct tflite_tensor *tensor = &planner->file->tensors[index];
    struct tensor_info *info = &planner->graph->tensors[index].info;

    if (tensor->type != TFLITE_INT8 && tensor->type != TFLITE_FLOAT32)
        return fault_set(planner->fault, -ENOTSUP,
                         "%s: tensor %" PRId32 " '%s' is %s; inputs and outputs must be INT8 or "
                         "FLOAT32",
                         planner->file->bytes->name, index, tensor->name,
                         tflite_type_name(tensor->type));
    if (tensor->type == TFLITE_INT8 && op_is_quantised(tensor)) { /* if not: refused later */
        info->scale = op_scale(tensor);
        info->zero_point = op_zero_point(tensor);
    }
    return 0;
}

static int copy_ends(struct planner *planner) {
    const struct tflite_file *file = planner->file;
    struct graph *graph = planner->graph;
    int32_t *inputs = pool_zeros(planner->pool, file->n_inputs, sizeof(*inputs));
    int32_t *outputs = pool_zeros(planner->pool, file->n_outputs, sizeof(*outputs));
    int r;

    if (!inputs || !outputs)
        return no_memory(planner);
    if (file->n_outputs == 0)
        return fault_set(planner->fault, -EBADMSG, "%s: has no outputs", file->bytes->name);
    (void) memcpy(inputs, file->inputs, file->n_inputs * sizeof(*inputs));
    (void) memcpy(outputs, file->outputs, file->n_outputs * sizeof(*outputs));
    for (size_t i = 0; i < file->n_inputs; i++) {
        if (file->tensors[inputs[i]].data)
            return refuse(planner, -EBADMSG, inputs[i], "is an input and a constant");
        if (planner->known[inputs[i]])
            return refuse(planner, -EBADMSG, inputs[i], "is an input twice");
        r = expose(planner, inputs[i]);
        if (r < 0)
            return r;
        planner->known[inputs[i]] = true;
    }
    for (size_t i = 0; i < file->n_outputs; i++) {
        if (file->tensors[outputs[i]].data)
            return refuse(planner, -EBADMSG, outputs[i], "is an output and a constant");
        r = expose(planner, outputs[i]);
        if (r < 0)
            return r;
    }
    graph->inputs = inputs;
    graph->outputs = outputs;
    graph->n_inputs = file->n_inputs;
    graph->n_outputs = file->n_outputs;
    return 0;
}

/* ---- one operator ---- */

static int check_counts(const struct op_context *context) {
    const struct tflite_operator *op = context->op;
    const struct op_entry *entry = context->entry;

    if (op->n_inputs < entry->inputs_min || op->n_inputs > entry->inputs_max)
        return op_refuse(context, -EBADMSG, "it has %zu inputs, not %zu to %zu", op->n_inputs,
                         entry->inputs_min, entry->inputs_max);
    if (op->n_outputs < 1 || op->n_outputs > entry->outputs_max)
        return op_refuse(context, -EBADMSG, "it has %zu outputs, not 1 to %zu", op->n_outputs,
                         entry->outputs_max);
    for (size_t i = 0; i < entry->inputs_min; i++)
        if (op->inputs[i] == TFLITE_NONE)
            return op_refuse(context, -EBADMSG, "input %zu is not given", i);
    return 0;
}

/* Inputs are there by now, outputs are not. */
static int check_order(const struct planner *planner, const struct op_context *context) {
    const struct tflite_operator *op = context->op;

    for (size_t i = 0; i < op->n_inputs; i++)
        if (op->inputs[i] != TFLITE_NONE && !planner->known[op->inputs[i]])
            return op_refuse(context, -EBADMSG,
                             "it reads tensor %" PRId32 " '%s', which nothing has written by then",
                             op->inputs[i], op_input(context, i)->name);
    for (size_t i = 0; i < op->n_outputs; i++) {
        if (planner->known[op->outputs[i]])
            return op_refuse(context, -EBADMSG,
                             "it writes tensor %" PRId32 " '%s', which is a constant, an input or "
                             "written already",
                             op->outputs[i], op_output(context, i)->name);
        planner->known[op->outputs[i]] = true;
    }
    return 0;
}

static int check_quantisation(const struct op_context *context) {
    const struct tflite_operator *op = context->op;
    int r = 0;

    for (size_t i = 0; i < op->n_inputs && r == 0; i++) {
        const struct tflite_tensor *tensor = op_input(context, i);
        const bool weights = context->entry->weights != 0 && i == (size_t) context->entry->weights;

        if (tensor && tensor->type == TFLITE_INT8 && !weights)
            r = op_check_quantised(context, tensor);
    }
    for (size_t i = 0; i < op->n_outputs && r == 0; i++)
        if (op_output(context, i)->type == TFLITE_INT8)
            r = op_check_quantised(context, op_output(context, i));
    return r;
}

static int open_options(struct op_context *context) {
    static const struct fb_schema any = { "options", 0, { FB_8 } };
    const struct op_entry *entry = context->entry;
    const uint8_t type = context->op->options_type;
    int r;

    if (type != 0 && type != entry->options_type)
        return op_refuse(context, -EBADMSG, "its options are of type %u, not %u", type,
                         entry->options_type);
    if (type == 0 && entry->options_need == OPTIONS_REQUIRED)
        return op_refuse(context, -EBADMSG, "its options are missing");
    if (type == 0)
        return 0;
    r = tflite_options_open(context->op, entry->options ? entry->options : &any, &context->options,
                            context->fault);
    if (r < 0)
        return r;
    context->has_options = true;
    return 0;
}

/* The operands of a step before plan() takes away those that it has read. */
static int list_operands(const struct op_context *context, struct step *step) {
    const struct tflite_operator *op = context->op;

    step->n_inputs = op->n_inputs;
    step->n_outputs = op->n_outputs;
    step->inputs = pool_zeros(context->pool, op->n_inputs, sizeof(*step->inputs));
    step->outputs = pool_zeros(context->pool, op->n_outputs, sizeof(*step->outputs));
    if (!step->inputs || !step->outputs)
        return op_no_memory(context);
    for (size_t i = 0; i < op->n_inputs; i++)
        step->inputs[i].tensor = op->inputs[i];
    for (size_t i = 0; i < op->n_outputs; i++)
        step->outputs[i].tensor = op->outputs[i];
    return 0;
}

static int lower(struct planner *planner, size_t index) {
    _cleanup_(pool_freep) struct pool *scratch = pool_new();
    struct step *step = &planner->graph->steps[index];
    struct op_context context = {
        .file = planner->file,
        .op = &planner->file->operators[index],
        .index = index,
        .kernels = planner->kernels,
        .pool = planner->pool,
        .scratch = scratch,
        .float_tries = &planner->float_tries,
        .fault = planner->fault,
    };
    int r;

    if (!scratch)
        return no_memory(planner);
    context.entry = op_find(context.op->code);
    if (!context.entry)
        return fault_set(planner->fault, -ENOTSUP,
                         "%s: operator %zu is of kind %" PRId32 ", which is not supported",
                         planner->file->bytes->name, index, context.op->code);
    *step = (struct step){ .op = context.entry, .index = index };
    r = check_counts(&context);
    if (r < 0)
        return r;
    r = check_order(planner, &context);
    if (r < 0)
        return r;
    r = check_quantisation(&context);
    if (r < 0)
        return r;
    r = open_options(&context);
    if (r < 0)
        return r;
    r = list_operands(&context, step);
    if (r < 0)
        return r;
    return context.entry->plan(&context, step);
}

/* Constants may be shared in the file, so its size is no bound for what is kept of them. */
static int check_bytes(const struct planner *planner) {
    if (pool_bytes(planner->pool) <= GRAPH_MODEL_BYTES_MAX)
        return 0;
    return fault_set(planner->fault, -ENOTSUP, "%s: takes more than %zu bytes when open, too many",
                     planner->file->bytes->name, GRAPH_MODEL_BYTES_MAX);
}

/* Add up what a run costs, and refuse what would take for ever. */
static int count_work(struct planner *planner, const struct step *step) {
    uint64_t work = step->work;

    for (size_t i = 0; i < step->n_outputs; i++)
        work += planner->file->tensors[step->outputs[i].tensor].n_items;
    planner->graph->macs += step->macs;
    planner->graph->n_parameters += step->n_parameters;
    if (step->work <= GRAPH_WORK_MAX && work <= GRAPH_WORK_MAX - planner->work) {
        planner->work += work;
        return 0;
    }
    return fault_set(planner->fault, -ENOTSUP,
                     "%s: at operator %zu %s a run takes more than %" PRIu64
                     " operations, too many",
                     planner->file->bytes->name, step->index, step->op->name, GRAPH_WORK_MAX);
}

/* The constants that a step reads move into the model. */
static int keep_constants(struct planner *planner, const struct step *step) {
    for (size_t i = 0; i < step->n_inputs; i++) {
        const int32_t tensor = step->inputs[i].tensor;
        const struct tflite_tensor *from = &planner->file->tensors[tensor];
        struct graph_tensor *to = &planner->graph->tensors[tensor];
        uint8_t *copy;

        if (!from->data || to->constant)
            continue;
        copy = pool_zeros(planner->pool, to->info.n_bytes, 1);
        if (!copy)
            return no_memory(planner);
        to->constant = memcpy(copy, from->data, to->info.n_bytes);
    }
    return check_bytes(planner);
}

static int lower_all(struct planner *planner) {
    const struct tflite_file *file = planner->file;
    struct graph *graph = planner->graph;

    graph->n_steps = file->n_operators;
    graph->steps = pool_zeros(planner->pool, file->n_operators, sizeof(*graph->steps));
    if (!graph->steps)
        return no_memory(planner);
    for (size_t i = 0; i < file->n_operators; i++) {
        int r = lower(planner, i);

        if (r < 0)
            return r;
        r = count_work(planner, &graph->steps[i]);
        if (r < 0)
            return r;
        r = keep_constants(planner, &graph->steps[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What no operator has looked at: outputs must be written, inputs that go unused make sense. */
static int check_ends(const struct planner *planner) {
    const struct tflite_file *file = planner->file;

    for (size_t i = 0; i < file->n_outputs; i++)
        if (!planner->known[file->outputs[i]])
            return refuse(planner, -EBADMSG, file->outputs[i], "is an output that nothing writes");
    for (size_t i = 0; i < file->n_inputs; i++) {
        const struct tflite_tensor *tensor = &file->tensors[file->inputs[i]];

        if (tensor->type == TFLITE_INT8 && !op_is_quantised(tensor))
            return refuse(planner, -EBADMSG, file->inputs[i],
                          "is INT8 without one good scale and zero point");
    }
    return 0;
}

static int plan_memory(struct planner *planner) {
    struct graph *graph = planner->graph;
    enum plan_kind kind;
    int r;

    r = graph_groups_kind(&kind, planner->fault);
    if (r < 0)
        return r;
    if (graph_groups_choose(graph, kind, planner->pool, planner->scratch) < 0 ||
        graph_memory_plan(graph, planner->pool, planner->scratch) < 0)
        return no_memory(planner);
    if (graph->arena_bytes <= GRAPH_ARENA_BYTES_MAX)
        return 0;
    return fault_set(planner->fault, -ENOTSUP,
                     "%s: needs %zu bytes for activations; at most %zu are supported",
                     planner->file->bytes->name, graph->arena_bytes, GRAPH_ARENA_BYTES_MAX);
}

int graph_plan(const struct tflite_file *file, const struct kernels *kernels, struct pool *pool,
               struct pool *scratch, struct graph *ret, struct fault *fault) {
    struct graph graph = { 0 };
    struct planner planner = {
        .file = file,
        .kernels = kernels,
        .pool = pool,
        .scratch = scratch,
        .fault = fault,
        .graph = &graph,
        .float_tries = FLOAT_TRIES_MAX,
    };
    int r;

    r = copy_tensors(&planner);
    if (r < 0)
        return r;
    r = copy_ends(&planner);
    if (r < 0)
        return r;
    r = lower_all(&planner);
    if (r < 0)
        return r;
    r = check_ends(&planner);
    if (r < 0)
        return r;
    r = plan_memory(&planner);
    if (r < 0)
        return r;
    *ret = graph;
    return 0;
}
