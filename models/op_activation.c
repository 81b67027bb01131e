/* SPDX-License-Identifier: MIT */
/*
 * RELU, RELU6, LOGISTIC, TANH, HARD_SWISH. An int8 activation has 256 possible inputs: plan()
 * computes them all as TensorFlow Lite Micro's kernels do (activations.cc, reference_integer_ops/
 * {logistic,tanh}.h, reference/hard_swish.h), and run() looks them up.
 */
#include <errno.h>
#include <math.h>

#include "models/op_entries.h"

enum { TABLE_ITEMS = 256, SIGMOID_INTEGER_BITS = 4, SIGMOID_LEFT_SHIFT = 27 /* 31 - 4 */ };

struct lookup {
    int8_t table[TABLE_ITEMS]; /* by raw value + 128 */
};

struct map_f32 {
    float (*f)(float x);
};

/* Items of @item_bytes in @strip. */
static size_t strip_items(const struct step *step, const struct strip *strip, size_t item_bytes) {
    return (size_t) (strip->rows.last - strip->rows.first) * step->rows.out_bytes / item_bytes;
}

static void run_lookup(const struct step *step, const struct strip *strip) {
    const struct lookup *p = step->parameters;
    const int8_t *in = strip->in[0];
    int8_t *out = strip->out;
    const size_t n = strip_items(step, strip, 1);

    for (size_t i = 0; i < n; i++)
        out[i] = p->table[in[i] - INT8_MIN];
}

static void run_map_f32(const struct step *step, const struct strip *strip) {
    const struct map_f32 *p = step->parameters;
    const float *in = strip->in[0];
    float *out = strip->out;
    const size_t n = strip_items(step, strip, sizeof(*out));

    for (size_t i = 0; i < n; i++)
        out[i] = p->f(in[i]);
}

static int8_t saturate(int64_t v) {
    return (int8_t) (v < INT8_MIN ? INT8_MIN : v > INT8_MAX ? INT8_MAX : v);
}

/* ---- the tables: each fills table[x + 128] for x = -128 .. 127, or refuses ---- */

typedef int fill_fn(const struct op_context *context, int8_t *table);

static int fill_relu(const struct op_context *context, int8_t *table) {
    const struct tflite_tensor *x = op_input(context, 0), *y = op_output(context, 0);
    const int32_t zx = op_zero_point(x), zy = op_zero_point(y);
    struct factor factor;
    int r;

    r = op_factor(context, (double) (op_scale(x) / op_scale(y)), &factor);
    if (r < 0)
        return r;
    for (int32_t v = INT8_MIN; v <= INT8_MAX; v++) {
        const int32_t scaled = wrap_add(zy, mbqm(v - zx, factor));

        table[v - INT8_MIN] = saturate(scaled > zy ? scaled : zy);
    }
    return 0;
}

static int fill_relu6(const struct op_context *context, int8_t *table) {
    const struct tflite_tensor *x = op_input(context, 0), *y = op_output(context, 0);
    const int32_t zx = op_zero_point(x);
    int32_t six;
    int r;

    r = op_check_same_quantisation(context, x, y);
    if (r < 0)
        return r;
    six = clamp_to(quantise(6, op_scale(x), zx), INT8_MIN, INT8_MAX);
    for (int32_t v = INT8_MIN; v <= INT8_MAX; v++)
        table[v - INT8_MIN] = (int8_t) clamp_to(v, zx, six);
    return 0;
}

/* Input to Q4 for LOGISTIC and TANH, and the radius outside which they are flat. */
struct sigmoid_input {
    struct factor factor;
    double radius;
};

static struct sigmoid_input sigmoid_input(const struct tflite_tensor *x) {
    struct sigmoid_input in;
    int shift;
    const double fraction = frexp((double) op_scale(x) * (1 << SIGMOID_LEFT_SHIFT), &shift);

    in.factor.multiplier = (int32_t) round(fraction * 2147483648.0); /* 24 bits: never 2^31 */
    in.factor.shift = shift > 31 ? 31 : shift < -32 ? -32 : shift;   /* outside: flat, or 0 */
    in.radius = floor(ldexp(15.0 * (1 << SIGMOID_LEFT_SHIFT), -shift));
    return in;
}

static int8_t logistic_s8(int32_t v, const struct sigmoid_input *in) {
    int32_t t, p;

    if (v <= -in->radius)
        return INT8_MIN;
    if (v >= in->radius)
        return INT8_MAX;
    t = mbqm(v, in->factor);
    p = fixed_reciprocal(fixed_exp_negative(t > 0 ? -t : t, SIGMOID_INTEGER_BITS));
    if (t < 0)
        p = INT32_MAX - p;
    if (t == 0)
        p = INT32_C(1) << 30;
    p = rdivp(p, 23) + INT8_MIN;
    return (int8_t) (p < INT8_MAX ? p : INT8_MAX);
}

static int fill_logistic(const struct op_context *context, int8_t *table) {
    const struct tflite_tensor *x = op_input(context, 0);
    const struct sigmoid_input in = sigmoid_input(x);
    int r;

    r = op_check_quantisation(context, op_output(context, 0), 1.0f / 256, INT8_MIN);
    if (r < 0)
        return r;
    for (int32_t v = INT8_MIN; v <= INT8_MAX; v++)
        table[v - INT8_MIN] = logistic_s8(v - op_zero_point(x), &in);
    return 0;
}

static int8_t tanh_s8(int32_t v, const struct sigmoid_input *in) {
    int32_t t, p;

    if (v <= -in->radius)
        return INT8_MIN;
    if (v >= in->radius)
        return INT8_MAX;
    t = mbqm(v, in->factor);
    if (t == 0)
        return 0;
    /* 2 x t is the same raw number with one more integer bit */
    p = fixed_tanh_fraction(fixed_exp_negative(t > 0 ? -t : t, SIGMOID_INTEGER_BITS + 1));
    return saturate(rdivp(t < 0 ? -p : p, 24));
}

static int fill_tanh(const struct op_context *context, int8_t *table) {
    const struct tflite_tensor *x = op_input(context, 0);
    const struct sigmoid_input in = sigmoid_input(x);
    int r;

    r = op_check_quantisation(context, op_output(context, 0), 1.0f / 128, 0);
    if (r < 0)
        return r;
    for (int32_t v = INT8_MIN; v <= INT8_MAX; v++)
        table[v - INT8_MIN] = tanh_s8(v - op_zero_point(x), &in);
    return 0;
}

static int32_t saturate16(int64_t v) {
    return (int32_t) (v < INT16_MIN ? INT16_MIN : v > INT16_MAX ? INT16_MAX : v);
}

static int32_t srdhm16(int32_t a, int32_t b) {
    const int32_t product = a * b; /* of int16 values */

    return saturate16((product + (product >= 0 ? 1 << 14 : 1 - (1 << 14))) / (1 << 15));
}

static int32_t multiplier16(struct factor factor) {
    return factor.multiplier >= INT32_MAX - (1 << 15) ? INT16_MAX
                                                      : (factor.multiplier + (1 << 15)) >> 16;
}

static int32_t hard_swish_s8(int32_t v, struct factor out, struct factor relu) {
    const int32_t wide = v * 128, o = srdhm16(wide, multiplier16(out));
    int32_t w = wide;

    if (relu.shift > 0)
        w = saturate16((int64_t) w * (INT64_C(1) << (relu.shift - 1)));
    w = srdhm16(w, multiplier16(relu));
    if (relu.shift > 0)
        w = saturate16((int64_t) w * 2);
    if (relu.shift < 0)
        w = rdivp(w, -relu.shift);
    w = (w + (1 << 15)) >> 1;
    return rdivp(w * o / (1 << 15), -out.shift);
}

static int fill_hard_swish(const struct op_context *context, int8_t *table) {
    const struct tflite_tensor *x = op_input(context, 0), *y = op_output(context, 0);
    const float fine = 1.0f / 128 * op_scale(x);
    struct factor out, relu;
    int r;

    r = op_factor(context, (double) (fine / op_scale(y)), &out);
    if (r < 0)
        return r;
    r = op_factor(context, (double) (fine / (3.0f / 32768)), &relu);
    if (r < 0)
        return r;
    if (out.shift > 0)
        return op_refuse(context, -ENOTSUP,
                         "its output's scale %g must be above a 128th of its input's %g",
                         (double) op_scale(y), (double) op_scale(x));
    for (int32_t v = INT8_MIN; v <= INT8_MAX; v++)
        table[v - INT8_MIN] =
            saturate((int64_t) hard_swish_s8(v - op_zero_point(x), out, relu) + op_zero_point(y));
    return 0;
}

/* ---- the same in float32 ---- */

static float relu_f32(float x) {
    return x < 0 ? 0 : x;
}

static float relu6_f32(float x) {
    return x < 0 ? 0 : x > 6 ? 6 : x;
}

/* Below this the reference (reference/logistic.h) takes exp(x) itself, up to 1e-4 of it more. */
static const float logistic_tail = -9;

static float logistic_f32(float x) {
    return x < logistic_tail ? expf(x) : 1 / (1 + expf(-x));
}

static float hard_swish_f32(float x) {
    return x * relu6_f32(x + 3) / 6;
}

static int plan_f32(const struct op_context *context, struct step *step, float (*f)(float)) {
    struct map_f32 *p = pool_zeros(context->pool, 1, sizeof(*p));

    if (!p)
        return op_no_memory(context);
    *p = (struct map_f32){ f };
    op_by_rows(context, step, run_map_f32, NULL);
    step->parameters = p;
    return 0;
}

static int plan(const struct op_context *context, struct step *step, fill_fn *fill,
                float (*f)(float)) {
    const struct tflite_tensor *y = op_output(context, 0);
    struct lookup *p;
    int r;

    r = op_check_types(context, 0, 1);
    if (r < 0)
        return r;
    r = op_check_same_shape(context, op_input(context, 0), y);
    if (r < 0)
        return r;
    step->in_place = 1;
    if (y->type == TFLITE_FLOAT32)
        return plan_f32(context, step, f);

    p = pool_zeros(context->pool, 1, sizeof(*p));
    if (!p)
        return op_no_memory(context);
    op_by_rows(context, step, run_lookup, NULL);
    step->parameters = p;
    return fill(context, p->table);
}

static int plan_relu(const struct op_context *context, struct step *step) {
    return plan(context, step, fill_relu, relu_f32);
}

static int plan_relu6(const struct op_context *context, struct step *step) {
    return plan(context, step, fill_relu6, relu6_f32);
}

static int plan_logistic(const struct op_context *context, struct step *step) {
    return plan(context, step, fill_logistic, logistic_f32);
}

static int plan_tanh(const struct op_context *context, struct step *step) {
    return plan(context, step, fill_tanh, tanhf);
}

static int plan_hard_swish(const struct op_context *context, struct step *step) {
    return plan(context, step, fill_hard_swish, hard_swish_f32);
}

const struct op_entry op_relu = {
    .code = 19,
    .name = "RELU",
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs_max = 1,
    .plan = plan_relu,
};

const struct op_entry op_relu6 = {
    .code = 21,
    .name = "RELU6",
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs_max = 1,
    .plan = plan_relu6,
};

const struct op_entry op_logistic = {
    .code = 14,
    .name = "LOGISTIC",
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs_max = 1,
    .plan = plan_logistic,
};

const struct op_entry op_tanh = {
    .code = 28,
    .name = "TANH",
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs_max = 1,
    .plan = plan_tanh,
};

const struct op_entry op_hard_swish = {
    .code = 117,
    .name = "HARD_SWISH",
    .options_type = 91,
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs_max = 1,
    .plan = plan_hard_swish,
};
