/* SPDX-License-Identifier: MIT */
/* SOFTMAX along the last dimension, as TensorFlow Lite's reference/softmax.h; gemmlowp fixed point.
 */
#include <errno.h>
#include <math.h>

#include "models/op_entries.h"

enum {
    OPTION_BETA,
    INPUT_INTEGER_BITS = 5, /* differences from the row's maximum */
    SUM_INTEGER_BITS = 12,
    DIFFERENCES = 256, /* int8 values differ by 0 .. 255 */
};

static const struct fb_schema options = { "SoftmaxOptions", 1, { FB_32 } };

struct softmax_s8 {
    size_t rows, depth;
    int32_t exp[DIFFERENCES]; /* of -d steps, Q0; what lies outside the radius is not used */
    int32_t radius;           /* largest difference that counts */
};

struct softmax_f32 {
    size_t rows, depth;
    float beta;
};

static void row_s8(const struct softmax_s8 *p, int8_t *out, const int8_t *in) {
    int32_t most = INT8_MIN, sum = 0, reciprocal, headroom;

    for (size_t i = 0; i < p->depth; i++)
        most = in[i] > most ? in[i] : most;
    for (size_t i = 0; i < p->depth; i++)
        if (most - in[i] <= p->radius)
            sum = wrap_add(sum, rdivp(p->exp[most - in[i]], SUM_INTEGER_BITS));

    headroom = sum ? __builtin_clz((unsigned) sum) : 0; /* sum is 2^19 at least unless it wrapped */
    reciprocal = fixed_reciprocal((int32_t) (((uint32_t) sum << headroom) - (UINT32_C(1) << 31)));
    for (size_t i = 0; i < p->depth; i++) {
        const int32_t d = most - in[i];
        int32_t y = INT8_MIN;

        if (d <= p->radius)
            y = rdivp(srdhm(reciprocal, p->exp[d]), SUM_INTEGER_BITS - headroom + 31 - 8) +
                INT8_MIN;
        out[i] = (int8_t) clamp_to(y, INT8_MIN, INT8_MAX);
    }
}

static void run_s8(const struct step *step, uint8_t *arena) {
    const struct softmax_s8 *p = step->parameters;
    const int8_t *in = step_input(step, 0, arena);
    int8_t *out = step_output(step, 0, arena);

    for (size_t r = 0; r < p->rows; r++)
        row_s8(p, out + r * p->depth, in + r * p->depth);
}

static void run_f32(const struct step *step, uint8_t *arena) {
    const struct softmax_f32 *p = step->parameters;
    const float *in = step_input(step, 0, arena);
    float *out = step_output(step, 0, arena);

    for (size_t r = 0; r < p->rows; r++, in += p->depth, out += p->depth) {
        float most = in[0], sum = 0;

        for (size_t i = 1; i < p->depth; i++)
            most = fmaxf(most, in[i]);
        for (size_t i = 0; i < p->depth; i++) {
            out[i] = expf((in[i] - most) * p->beta);
            sum += out[i];
        }
        for (size_t i = 0; i < p->depth; i++)
            out[i] /= sum;
    }
}

static int plan_s8(const struct op_context *context, float beta, struct step *step) {
    const struct tflite_tensor *x = op_input(context, 0);
    const double scaled = (double) beta * (double) op_scale(x) * (1 << (31 - INPUT_INTEGER_BITS));
    const double m = scaled < 2147483647.0 ? scaled : 2147483647.0;
    struct softmax_s8 *p = pool_zeros(context->pool, 1, sizeof(*p));
    struct factor factor;
    double radius;
    int r;

    if (!p)
        return op_no_memory(context);
    r = op_check_quantisation(context, op_output(context, 0), 1.0f / 256, INT8_MIN);
    if (r < 0)
        return r;
    if (!(m > 1))
        return op_refuse(context, -ENOTSUP, "beta %g and scale %g are too small", (double) beta,
                         (double) op_scale(x));
    factor = factor_of(m);
    p->depth = (size_t) x->dims[x->rank - 1];
    p->rows = x->n_items / p->depth;
    radius = floor(ldexp(31.0 * (1 << (31 - INPUT_INTEGER_BITS)), -factor.shift));
    p->radius = radius < DIFFERENCES - 1 ? (int32_t) radius : DIFFERENCES - 1;
    for (int32_t d = 0; d <= p->radius; d++)
        p->exp[d] = fixed_exp_negative(srdhm(shift_left(-d, factor.shift), factor.multiplier),
                                       INPUT_INTEGER_BITS);
    step->run = run_s8;
    step->parameters = p;
    return 0;
}

static int plan_f32(const struct op_context *context, float beta, struct step *step) {
    const struct tflite_tensor *x = op_input(context, 0);
    struct softmax_f32 *p = pool_zeros(context->pool, 1, sizeof(*p));

    if (!p)
        return op_no_memory(context);
    p->beta = beta;
    p->depth = (size_t) x->dims[x->rank - 1];
    p->rows = x->n_items / p->depth;
    step->run = run_f32;
    step->parameters = p;
    return 0;
}

static int plan(const struct op_context *context, struct step *step) {
    const struct tflite_tensor *x = op_input(context, 0), *y = op_output(context, 0);
    const float beta = op_option_f32(context, OPTION_BETA, 0);
    int r;

    r = op_check_types(context, 0, 1);
    if (r < 0)
        return r;
    r = op_check_rank(context, x, 1, TENSOR_RANK_MAX);
    if (r < 0)
        return r;
    r = op_check_same_shape(context, x, y);
    if (r < 0)
        return r;
    if (!isfinite(beta))
        return op_refuse(context, -EBADMSG, "beta is %g", (double) beta);
    step->in_place = 1;
    return y->type == TFLITE_FLOAT32 ? plan_f32(context, beta, step) : plan_s8(context, beta, step);
}

const struct op_entry op_softmax = {
    .code = 25,
    .name = "SOFTMAX",
    .options_type = 9,
    .options_need = OPTIONS_REQUIRED,
    .options = &options,
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs_max = 1,
    .plan = plan,
};
