/* SPDX-License-Identifier: MIT */
/* CONCATENATION and SPLIT: runs of bytes are copied. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "models/op_entries.h"

/* @n parts side by side along an axis. */

struct parts {
    size_t rows;     /* repeated so often */
    size_t n;        /* parts */
    size_t *n_bytes; /* [n], of one row of each part */
};

static void run_concatenation(const struct step *step, uint8_t *arena) {
    const struct parts *p = step->parameters;
    uint8_t *out = step_output(step, 0, arena);

    for (size_t r = 0; r < p->rows; r++)
        for (size_t i = 0; i < p->n; i++) {
            const uint8_t *in = step_input(step, i, arena);

            (void) memcpy(out, in + r * p->n_bytes[i], p->n_bytes[i]);
            out += p->n_bytes[i];
        }
}

static void run_split(const struct step *step, uint8_t *arena) {
    const struct parts *p = step->parameters;
    const uint8_t *in = step_input(step, 0, arena);

    for (size_t r = 0; r < p->rows; r++)
        for (size_t i = 0; i < p->n; i++) {
            uint8_t *out = step_output(step, i, arena);

            (void) memcpy(out + r * p->n_bytes[i], in, p->n_bytes[i]);
            in += p->n_bytes[i];
        }
}

/*
 * @part(i) beside each other along @axis must make @whole. Fills @ret.
 */
static int check_parts(const struct op_context *context, const struct tflite_tensor *whole,
                       const struct tflite_tensor *(*part)(const struct op_context *, size_t),
                       size_t n, int axis, struct parts *ret) {
    struct parts parts = { .rows = 1, .n = n };
    int32_t dims[TENSOR_RANK_MAX];
    int64_t sum = 0;

    parts.n_bytes = pool_zeros(context->pool, n, sizeof(*parts.n_bytes));
    if (!parts.n_bytes)
        return op_no_memory(context);
    for (int i = 0; i < axis; i++)
        parts.rows *= (size_t) whole->dims[i];
    for (size_t i = 0; i < n; i++) {
        const struct tflite_tensor *tensor = part(context, i);
        int r;

        (void) memcpy(dims, whole->dims, sizeof(dims));
        if (tensor->rank == whole->rank)
            dims[axis] = tensor->dims[axis];
        r = op_check_shape(context, tensor, whole->rank, dims);
        if (r < 0)
            return r;
        sum += tensor->dims[axis];
        parts.n_bytes[i] = tensor->n_items / parts.rows * op_item_bytes(tensor);
    }
    if (sum != whole->dims[axis])
        return op_refuse(context, -EBADMSG,
                         "its parts along axis %d sum up to %" PRId64 ", not %" PRId32, axis, sum,
                         whole->dims[axis]);
    *ret = parts;
    return 0;
}

enum { CONCATENATION_AXIS, CONCATENATION_ACTIVATION };
static const struct fb_schema concatenation_options = { "ConcatenationOptions",
                                                        2,
                                                        { FB_32, FB_8 } };

static int plan_concatenation(const struct op_context *context, struct step *step) {
    const size_t n = context->op->n_inputs;
    const struct tflite_tensor *y = op_output(context, 0);
    struct parts *p = pool_zeros(context->pool, 1, sizeof(*p));
    int axis, r;

    if (!p)
        return op_no_memory(context);
    if (op_option_i8(context, CONCATENATION_ACTIVATION, 0) != 0)
        return op_refuse(context, -ENOTSUP, "a fused activation is not supported here");
    r = op_check_types(context, 0, n);
    if (r < 0)
        return r;
    r = op_axis(context, op_option_i32(context, CONCATENATION_AXIS, 0), y->rank, &axis);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        if (!op_input(context, i))
            return op_refuse(context, -EBADMSG, "input %zu is not given", i);
        r = op_check_same_quantisation(context, y, op_input(context, i));
        if (r < 0)
            return r;
    }
    step->run = run_concatenation;
    step->parameters = p;
    return check_parts(context, y, op_input, n, axis, p);
}

enum { SPLIT_NUMBER };
static const struct fb_schema split_options = { "SplitOptions", 1, { FB_32 } };

static int plan_split(const struct op_context *context, struct step *step) {
    const size_t n = context->op->n_outputs;
    const struct tflite_tensor *x = op_input(context, 1);
    struct parts *p = pool_zeros(context->pool, 1, sizeof(*p));
    int32_t number;
    int axis, r;

    if (!p)
        return op_no_memory(context);
    r = op_check_types(context, 1, 2);
    if (r < 0)
        return r;
    r = op_constant_ints(context, 0, &number, 1);
    if (r < 0)
        return r;
    r = op_axis(context, number, x->rank, &axis);
    if (r < 0)
        return r;
    if (op_option_i32(context, SPLIT_NUMBER, 0) != (int64_t) n)
        return op_refuse(context, -EBADMSG, "num_splits is %" PRId32 ", but it has %zu outputs",
                         op_option_i32(context, SPLIT_NUMBER, 0), n);
    for (size_t i = 1; i < n; i++) {
        r = op_check_same_shape(context, op_output(context, 0), op_output(context, i));
        if (r < 0)
            return r;
    }
    step->inputs[0] = step->inputs[1];
    step->n_inputs = 1;
    step->run = run_split;
    step->parameters = p;
    return check_parts(context, x, op_output, n, axis, p);
}

const struct op_entry op_concatenation = {
    .code = 2,
    .name = "CONCATENATION",
    .options_type = 10,
    .options = &concatenation_options,
    .inputs_min = 1,
    .inputs_max = TFLITE_OPERANDS_MAX,
    .outputs_max = 1,
    .plan = plan_concatenation,
};

const struct op_entry op_split = {
    .code = 49,
    .name = "SPLIT",
    .options_type = 35,
    .options_need = OPTIONS_REQUIRED,
    .options = &split_options,
    .inputs_min = 2,
    .inputs_max = 2,
    .outputs_max = TFLITE_OPERANDS_MAX,
    .plan = plan_split,
};
