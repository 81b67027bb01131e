/* SPDX-License-Identifier: MIT */
/* RESHAPE, SQUEEZE, EXPAND_DIMS: the bytes stay where they are; nothing runs. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "models/op_entries.h"

enum { OPTION_NEW_SHAPE = 0, OPTION_SQUEEZE_DIMS = 0 };

static const struct fb_schema reshape_options = { "ReshapeOptions", 1, { FB_VECTOR } };
static const struct fb_schema squeeze_options = { "SqueezeOptions", 1, { FB_VECTOR } };

/* The same bytes: same type, same number of elements. */
static int plan_alias(const struct op_context *context, struct step *step) {
    const struct tflite_tensor *x = op_input(context, 0), *y = op_output(context, 0);
    int r;

    r = op_check_types(context, 0, 1);
    if (r < 0)
        return r;
    if (x->n_items != y->n_items)
        return op_refuse(context, -EBADMSG, "'%s' has %zu elements, '%s' has %zu", x->name,
                         x->n_items, y->name, y->n_items);
    step->n_inputs = 1;
    step->run = NULL;
    return 0;
}

static int plan_reshape(const struct op_context *context, struct step *step) {
    const struct tflite_tensor *shape = op_input(context, 1);

    if (shape && shape->type != TFLITE_INT32)
        return op_refuse(context, -ENOTSUP, "its shape '%s' is %s, not INT32", shape->name,
                         tflite_type_name(shape->type));
    return plan_alias(context, step); /* the output's own shape is what counts */
}

/* Bit i: dimension i goes. */
static int squeezed(const struct op_context *context, unsigned *ret) {
    const struct tflite_tensor *x = op_input(context, 0);
    struct fb_vector dims = { 0 };
    unsigned drop = 0;

    if (context->has_options)
        dims = fb_vector(&context->options, OPTION_SQUEEZE_DIMS);
    for (size_t i = 0; i < dims.n_items; i++) {
        int axis, r;

        r = op_axis(context, fb_item_i32(&dims, i), x->rank, &axis);
        if (r < 0)
            return r;
        drop |= 1u << axis;
    }
    for (int i = 0; i < x->rank; i++) {
        if (drop & 1u << i && x->dims[i] != 1)
            return op_refuse(context, -EBADMSG, "dimension %d of '%s' is %" PRId32 ", not 1", i,
                             x->name, x->dims[i]);
        if (dims.n_items == 0 && x->dims[i] == 1)
            drop |= 1u << i;
    }
    *ret = drop;
    return 0;
}

static int plan_squeeze(const struct op_context *context, struct step *step) {
    const struct tflite_tensor *x = op_input(context, 0);
    int32_t dims[TENSOR_RANK_MAX];
    unsigned drop = 0;
    int rank = 0, r;

    r = squeezed(context, &drop);
    if (r < 0)
        return r;
    for (int i = 0; i < x->rank; i++)
        if (!(drop & 1u << i))
            dims[rank++] = x->dims[i];
    r = op_check_shape(context, op_output(context, 0), rank, dims);
    return r < 0 ? r : plan_alias(context, step);
}

static int plan_expand_dims(const struct op_context *context, struct step *step) {
    const struct tflite_tensor *x = op_input(context, 0);
    int32_t dims[TENSOR_RANK_MAX], number;
    int axis, r;

    r = op_check_rank(context, x, 0, TENSOR_RANK_MAX - 1);
    if (r < 0)
        return r;
    r = op_constant_ints(context, 1, &number, 1);
    if (r < 0)
        return r;
    r = op_axis(context, number, x->rank + 1, &axis);
    if (r < 0)
        return r;
    (void) memcpy(dims, x->dims, (size_t) axis * sizeof(*dims));
    dims[axis] = 1;
    (void) memcpy(dims + axis + 1, x->dims + axis, (size_t) (x->rank - axis) * sizeof(*dims));
    r = op_check_shape(context, op_output(context, 0), x->rank + 1, dims);
    return r < 0 ? r : plan_alias(context, step);
}

const struct op_entry op_reshape = {
    .code = 22,
    .name = "RESHAPE",
    .options_type = 17,
    .options = &reshape_options,
    .inputs_min = 1,
    .inputs_max = 2,
    .outputs_max = 1,
    .plan = plan_reshape,
};

const struct op_entry op_squeeze = {
    .code = 43,
    .name = "SQUEEZE",
    .options_type = 30,
    .options = &squeeze_options,
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs_max = 1,
    .plan = plan_squeeze,
};

const struct op_entry op_expand_dims = {
    .code = 70,
    .name = "EXPAND_DIMS",
    .options_type = 52,
    .inputs_min = 2,
    .inputs_max = 2,
    .outputs_max = 1,
    .plan = plan_expand_dims,
};
