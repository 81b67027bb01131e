/* SPDX-License-Identifier: MIT */
/* QUANTIZE and DEQUANTIZE, as TensorFlow Lite Micro's quantize_common.cc and
 * reference/dequantize.h. */
#include <errno.h>

#include "models/op_entries.h"

struct quantize_parameters {
    size_t n_items;
    float in_scale, out_scale;
    int32_t in_zero_point, out_zero_point;
    struct factor factor; /* int8 to int8 */
};

static void run_f32_to_s8(const struct step *step, uint8_t *arena) {
    const struct quantize_parameters *p = step->parameters;
    const float *in = step_input(step, 0, arena);
    int8_t *out = step_output(step, 0, arena);

    for (size_t i = 0; i < p->n_items; i++)
        out[i] =
            (int8_t) clamp_to(quantise(in[i], p->out_scale, p->out_zero_point), INT8_MIN, INT8_MAX);
}

static void run_s8_to_s8(const struct step *step, uint8_t *arena) {
    const struct quantize_parameters *p = step->parameters;
    const int8_t *in = step_input(step, 0, arena);
    int8_t *out = step_output(step, 0, arena);

    for (size_t i = 0; i < p->n_items; i++)
        out[i] = (int8_t) clamp_to(
            wrap_add(mbqm(in[i] - p->in_zero_point, p->factor), p->out_zero_point), INT8_MIN,
            INT8_MAX);
}

static void run_s8_to_f32(const struct step *step, uint8_t *arena) {
    const struct quantize_parameters *p = step->parameters;
    const int8_t *in = step_input(step, 0, arena);
    float *out = step_output(step, 0, arena);

    for (size_t i = 0; i < p->n_items; i++)
        out[i] = (float) ((double) p->in_scale * (in[i] - p->in_zero_point));
}

static int check_types(const struct op_context *context, bool dequantize) {
    const struct tflite_tensor *x = op_input(context, 0), *y = op_output(context, 0);

    if (dequantize
            ? x->type == TFLITE_INT8 && y->type == TFLITE_FLOAT32
            : (x->type == TFLITE_INT8 || x->type == TFLITE_FLOAT32) && y->type == TFLITE_INT8)
        return 0;
    return op_refuse(context, -ENOTSUP, "from %s '%s' to %s '%s' is not supported",
                     tflite_type_name(x->type), x->name, tflite_type_name(y->type), y->name);
}

static int plan(const struct op_context *context, struct step *step, bool dequantize) {
    const struct tflite_tensor *x = op_input(context, 0), *y = op_output(context, 0);
    struct quantize_parameters *p = pool_zeros(context->pool, 1, sizeof(*p));
    int r;

    if (!p)
        return op_no_memory(context);
    r = check_types(context, dequantize);
    if (r < 0)
        return r;
    r = op_check_same_shape(context, x, y);
    if (r < 0)
        return r;

    p->n_items = x->n_items;
    if (x->type == TFLITE_INT8) {
        p->in_scale = op_scale(x);
        p->in_zero_point = op_zero_point(x);
    }
    if (y->type == TFLITE_INT8) {
        p->out_scale = op_scale(y);
        p->out_zero_point = op_zero_point(y);
    }
    step->run = dequantize ? run_s8_to_f32 : x->type == TFLITE_INT8 ? run_s8_to_s8 : run_f32_to_s8;
    step->parameters = p;
    if (step->run != run_s8_to_s8)
        return 0;
    step->in_place = 1;
    return op_factor(context, (double) p->in_scale / (double) p->out_scale, &p->factor);
}

static int plan_quantize(const struct op_context *context, struct step *step) {
    return plan(context, step, false);
}

static int plan_dequantize(const struct op_context *context, struct step *step) {
    return plan(context, step, true);
}

const struct op_entry op_quantize = {
    .code = 114,
    .name = "QUANTIZE",
    .options_type = 89,
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs_max = 1,
    .plan = plan_quantize,
};

const struct op_entry op_dequantize = {
    .code = 6,
    .name = "DEQUANTIZE",
    .options_type = 38,
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs_max = 1,
    .plan = plan_dequantize,
};
