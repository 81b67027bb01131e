/* SPDX-License-Identifier: MIT */
/*
 * ADD, SUB and MUL with numpy's broadcasting, as TensorFlow Lite Micro's add.cc, sub.cc, mul.cc:
 * the factors of SUB are computed in float32, those of the others in double.
 */
#include <errno.h>
#include <math.h>

#include "models/nd.h"
#include "models/op_entries.h"

enum { OPTION_ACTIVATION, ADD_LEFT_SHIFT = 20 };

static const struct fb_schema add_options = { "AddOptions", 2, { FB_8, FB_8 } };
static const struct fb_schema mul_options = { "MulOptions", 1, { FB_8 } };

enum arith_kind { ARITH_ADD, ARITH_SUB, ARITH_MUL };

struct arith_parameters {
    enum arith_kind kind;
    struct nd nd; /* of the output; strides of a and b, innermost 0 or 1 */
    struct add_terms terms;
    struct factor product; /* MUL */
    struct activation activation;
    add_s8_fn *add;
    add_f32_fn *add_f32;
};

/* Strides of @tensor along the dimensions of @out, right-aligned; 0 where it is repeated. */
static int broadcast(const struct op_context *context, const struct tflite_tensor *tensor,
                     const struct tflite_tensor *out, int64_t *ret_strides) {
    const int missing = out->rank - tensor->rank;
    int64_t strides[TENSOR_RANK_MAX];

    if (missing < 0)
        return op_refuse(context, -EBADMSG, "'%s' has more dimensions than the output",
                         tensor->name);
    nd_row_major(tensor->rank, tensor->dims, strides);
    for (int i = 0; i < out->rank; i++) {
        const int32_t dim = i < missing ? 1 : tensor->dims[i - missing];

        if (dim != 1 && dim != out->dims[i])
            return op_refuse(context, -EBADMSG,
                             "dimension %d of '%s' is %d; it does not stretch to the output's %d",
                             i - missing, tensor->name, dim, out->dims[i]);
        ret_strides[i] = dim == 1 ? 0 : strides[i - missing];
    }
    return 0;
}

/* The output has no dimension that neither input has. */
static int check_stretch(const struct op_context *context, const struct nd *nd) {
    for (int i = 0; i < nd->rank; i++)
        if (nd->dims[i] != 1 && nd->strides[0][i] == 0 && nd->strides[1][i] == 0)
            return op_refuse(context, -EBADMSG,
                             "dimension %d of its output is %d, its inputs' is 1", i, nd->dims[i]);
    return 0;
}

/*
 * The rank of the output must be the larger of the inputs'; a stretched shape as numpy makes it.
 */
static int check_shapes(const struct op_context *context, struct nd *ret) {
    const struct tflite_tensor *a = op_input(context, 0), *b = op_input(context, 1);
    const struct tflite_tensor *y = op_output(context, 0);
    struct nd nd = { .rank = y->rank };
    int r;

    r = op_check_rank(context, y, a->rank > b->rank ? a->rank : b->rank,
                      a->rank > b->rank ? a->rank : b->rank);
    if (r < 0)
        return r;
    for (int i = 0; i < y->rank; i++)
        nd.dims[i] = y->dims[i];
    r = broadcast(context, a, y, nd.strides[0]);
    if (r < 0)
        return r;
    r = broadcast(context, b, y, nd.strides[1]);
    if (r < 0)
        return r;
    r = check_stretch(context, &nd);
    if (r < 0)
        return r;
    nd_collapse(&nd);
    *ret = nd;
    return 0;
}

/* Raw steps from scales, in the precision the reference uses. */
static int sum_factors(const struct op_context *context, struct arith_parameters *p) {
    const float sa = op_scale(op_input(context, 0)), sb = op_scale(op_input(context, 1));
    const float sy = op_scale(op_output(context, 0)), twice_f32 = 2 * (sa > sb ? sa : sb);
    const double twice = 2 * (double) (sa > sb ? sa : sb);
    const double steps = 1 << ADD_LEFT_SHIFT;
    const bool narrow = p->kind == ARITH_SUB;
    int r;

    r = op_factor(context, narrow ? (double) (sa / twice_f32) : (double) sa / twice, &p->terms.a);
    if (r < 0)
        return r;
    r = op_factor(context, narrow ? (double) (sb / twice_f32) : (double) sb / twice, &p->terms.b);
    if (r < 0)
        return r;
    return op_factor(context,
                     narrow ? (double) (twice_f32 / ((float) steps * sy))
                            : twice / (steps * (double) sy),
                     &p->terms.out);
}

static int plan_s8(const struct op_context *context, struct arith_parameters *p) {
    const struct tflite_tensor *a = op_input(context, 0), *b = op_input(context, 1);
    const struct tflite_tensor *y = op_output(context, 0);

    p->add = context->kernels->add_s8;
    p->terms.a_zero_point = op_zero_point(a);
    p->terms.b_zero_point = op_zero_point(b);
    p->terms.out_zero_point = op_zero_point(y);
    p->terms.min = p->activation.min;
    p->terms.max = p->activation.max;
    p->terms.subtract = p->kind == ARITH_SUB;
    if (p->kind != ARITH_MUL)
        return sum_factors(context, p);
    return op_factor(context, (double) op_scale(a) * (double) op_scale(b) / (double) op_scale(y),
                     &p->product);
}

static void mul_s8(const struct arith_parameters *p, int8_t *out, const int8_t *a, size_t a_step,
                   const int8_t *b, size_t b_step, size_t n) {
    const struct add_terms *terms = &p->terms;

    for (size_t i = 0; i < n; i++) {
        const int32_t product =
            (a[i * a_step] - terms->a_zero_point) * (b[i * b_step] - terms->b_zero_point);
        const int32_t y = wrap_add(mbqm(product, p->product), terms->out_zero_point);

        out[i] = (int8_t) clamp_to(y, terms->min, terms->max);
    }
}

/* @n items in a row; steps are 0 or 1. */
static void row_s8(const struct arith_parameters *p, int8_t *out, const int8_t *a, size_t a_step,
                   const int8_t *b, size_t b_step, size_t n) {
    if (p->kind == ARITH_MUL)
        mul_s8(p, out, a, a_step, b, b_step, n);
    else
        p->add(out, a, a_step, b, b_step, n, &p->terms);
}

static void run_s8(const struct step *step, uint8_t *arena) {
    const struct arith_parameters *p = step->parameters;
    const int8_t *a = step_input(step, 0, arena), *b = step_input(step, 1, arena);
    int8_t *out = step_output(step, 0, arena);
    struct nd_place place = { 0 };
    const int inner = p->nd.rank - 1;
    const size_t n = (size_t) p->nd.dims[inner];

    do {
        row_s8(p, out, a + place.offsets[0], (size_t) p->nd.strides[0][inner], b + place.offsets[1],
               (size_t) p->nd.strides[1][inner], n);
        out += n;
    } while (nd_next(&p->nd, &place));
}

/* Of inputs of one shape. */
static void run_strip_s8(const struct step *step, const struct strip *strip) {
    const size_t rows = (size_t) (strip->rows.last - strip->rows.first);

    row_s8(step->parameters, strip->out, strip->in[0], 1, strip->in[1], 1,
           rows * step->rows.out_bytes);
}

static float arith_f32(enum arith_kind kind, float a, float b) {
    switch (kind) {
    case ARITH_ADD:
        return a + b;
    case ARITH_SUB:
        return a - b;
    case ARITH_MUL:
        return a * b;
    }
    return 0;
}

static void run_f32(const struct step *step, uint8_t *arena) {
    const struct arith_parameters *p = step->parameters;
    const float *a = step_input(step, 0, arena), *b = step_input(step, 1, arena);
    float *out = step_output(step, 0, arena);
    struct nd_place place = { 0 };
    const int inner = p->nd.rank - 1;

    do
        for (int64_t i = 0; i < p->nd.dims[inner]; i++)
            *out++ = clamp_f32(arith_f32(p->kind, a[place.offsets[0] + i * p->nd.strides[0][inner]],
                                         b[place.offsets[1] + i * p->nd.strides[1][inner]]),
                               &p->activation);
    while (nd_next(&p->nd, &place));
}

static void run_strip_f32(const struct step *step, const struct strip *strip) {
    const struct arith_parameters *p = step->parameters;
    const size_t rows = (size_t) (strip->rows.last - strip->rows.first);
    const float *a = strip->in[0], *b = strip->in[1];
    float *out = strip->out;
    const size_t n = rows * step->rows.out_bytes / sizeof(*out);

    if (p->kind == ARITH_ADD) {
        p->add_f32(out, a, b, n,
                   (struct f32_clamp){ p->activation.min_f32, p->activation.max_f32 });
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = clamp_f32(arith_f32(p->kind, a[i], b[i]), &p->activation);
}

static int plan(const struct op_context *context, struct step *step, enum arith_kind kind) {
    const struct tflite_tensor *y = op_output(context, 0);
    struct arith_parameters *p = pool_zeros(context->pool, 1, sizeof(*p));
    int r;

    if (!p)
        return op_no_memory(context);
    p->kind = kind;
    p->add_f32 = f32_of(context->kernels)->add;
    r = op_check_types(context, 0, 2);
    if (r < 0)
        return r;
    r = check_shapes(context, &p->nd);
    if (r < 0)
        return r;
    r = op_activation(context, OPTION_ACTIVATION, &p->activation);
    if (r < 0)
        return r;
    if (y->type == TFLITE_INT8) {
        r = plan_s8(context, p);
        if (r < 0)
            return r;
    }

    for (size_t i = 0; i < 2; i++) /* read where written: each item once, in the same order */
        if (op_input(context, i)->n_items == y->n_items)
            step->in_place |= 1u << i;
    step->run = y->type == TFLITE_FLOAT32 ? run_f32 : run_s8;
    step->parameters = p;
    if (step->in_place == 3) /* nothing is stretched */
        op_by_rows(context, step, y->type == TFLITE_FLOAT32 ? run_strip_f32 : run_strip_s8, NULL);
    return 0;
}

static int plan_add(const struct op_context *context, struct step *step) {
    return plan(context, step, ARITH_ADD);
}

static int plan_sub(const struct op_context *context, struct step *step) {
    return plan(context, step, ARITH_SUB);
}

static int plan_mul(const struct op_context *context, struct step *step) {
    return plan(context, step, ARITH_MUL);
}

const struct op_entry op_add = {
    .code = 0,
    .name = "ADD",
    .options_type = 11,
    .options = &add_options,
    .inputs_min = 2,
    .inputs_max = 2,
    .outputs_max = 1,
    .plan = plan_add,
};

const struct op_entry op_sub = {
    .code = 41,
    .name = "SUB",
    .options_type = 28,
    .options = &add_options,
    .inputs_min = 2,
    .inputs_max = 2,
    .outputs_max = 1,
    .plan = plan_sub,
};

const struct op_entry op_mul = {
    .code = 18,
    .name = "MUL",
    .options_type = 21,
    .options = &mul_options,
    .inputs_min = 2,
    .inputs_max = 2,
    .outputs_max = 1,
    .plan = plan_mul,
};
