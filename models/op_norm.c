/* SPDX-License-Identifier: MIT */
/* L2_NORMALIZATION along the last dimension, as TensorFlow Lite's
 * reference_integer_ops/l2normalization.h. */
#include <errno.h>
#include <math.h>

#include "models/op_entries.h"

enum { OPTION_ACTIVATION, OUTPUT_SHIFT = 7 /* the output's scale is 1/128 */ };

static const struct fb_schema options = { "L2NormOptions", 1, { FB_8 } };

static const float least_norm = 1e-6f;

struct norm_parameters {
    size_t rows, depth;
    int32_t in_zero_point;
};

static void run_s8(const struct step *step, uint8_t *arena) {
    const struct norm_parameters *p = step->parameters;
    const int8_t *in = step_input(step, 0, arena);
    int8_t *out = step_output(step, 0, arena);

    for (size_t r = 0; r < p->rows; r++, in += p->depth, out += p->depth) {
        struct factor factor;
        int64_t squares = 0;

        for (size_t i = 0; i < p->depth; i++) {
            const int32_t v = in[i] - p->in_zero_point;

            squares += v * v;
        }
        factor = inverse_square_root(squares);
        factor.shift += OUTPUT_SHIFT;
        for (size_t i = 0; i < p->depth; i++)
            out[i] = (int8_t) clamp_to(mbqm(in[i] - p->in_zero_point, factor), INT8_MIN, INT8_MAX);
    }
}

static void run_f32(const struct step *step, uint8_t *arena) {
    const struct norm_parameters *p = step->parameters;
    const float *in = step_input(step, 0, arena);
    float *out = step_output(step, 0, arena);

    for (size_t r = 0; r < p->rows; r++, in += p->depth, out += p->depth) {
        float squares = 0, norm;

        for (size_t i = 0; i < p->depth; i++)
            squares += in[i] * in[i];
        norm = fmaxf(sqrtf(squares), least_norm);
        for (size_t i = 0; i < p->depth; i++)
            out[i] = in[i] / norm;
    }
}

static int plan(const struct op_context *context, struct step *step) {
    const struct tflite_tensor *x = op_input(context, 0), *y = op_output(context, 0);
    struct norm_parameters *p = pool_zeros(context->pool, 1, sizeof(*p));
    int r;

    if (!p)
        return op_no_memory(context);
    r = op_check_types(context, 0, 1);
    if (r < 0)
        return r;
    r = op_check_rank(context, x, 1, TENSOR_RANK_MAX);
    if (r < 0)
        return r;
    r = op_check_same_shape(context, x, y);
    if (r < 0)
        return r;
    if (op_option_i8(context, OPTION_ACTIVATION, 0) != 0)
        return op_refuse(context, -ENOTSUP, "a fused activation is not supported here");
    if (y->type == TFLITE_INT8) {
        r = op_check_quantisation(context, y, 1.0f / 128, 0);
        if (r < 0)
            return r;
        p->in_zero_point = op_zero_point(x);
    }

    p->depth = (size_t) x->dims[x->rank - 1];
    p->rows = x->n_items / p->depth;
    step->in_place = 1;
    step->run = y->type == TFLITE_FLOAT32 ? run_f32 : run_s8;
    step->parameters = p;
    return 0;
}

const struct op_entry op_l2_normalization = {
    .code = 11,
    .name = "L2_NORMALIZATION",
    .options_type = 12,
    .options = &options,
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs_max = 1,
    .plan = plan,
};
