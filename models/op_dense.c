/* SPDX-License-Identifier: MIT */
/*
 * FULLY_CONNECTED. Method: int8 as TensorFlow Lite's reference_integer_ops/fully_connected.h, with
 * the factor of one weight scale rounded to float32 on the way.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "models/op_entries.h"
#include "models/weights.h"

enum { OPTION_ACTIVATION, OPTION_WEIGHTS_FORMAT };

/* A bias further off than this share of an output step is refused, as by the reference. */
static const double bias_scale_tolerance = 0.02;

static const struct fb_schema options = {
    "FullyConnectedOptions",
    5,
    { FB_8, FB_8, FB_8, FB_8, FB_8 },
};

struct dense_s8 {
    struct gemm_size size;
    const struct gemm_kernel *gemm;
    const void *packed;
    const int32_t *bias;
    struct requant requant;
};

struct dense_f32 {
    struct f32_size size;
    const struct f32_kernels *kernels;
    struct f32_clamp clamp;
    const float *packed;
};

static void run_s8(const struct step *step, const struct strip *strip) {
    const struct dense_s8 *p = step->parameters;
    const size_t rows = (size_t) (strip->rows.last - strip->rows.first);

    p->gemm->run(strip->out, strip->in[0], p->packed, p->bias, &p->requant,
                 (struct gemm_size){ rows * (step->rows.out_bytes / p->size.cols), p->size.cols,
                                     p->size.depth });
}

static void run_f32(const struct step *step, const struct strip *strip) {
    const struct dense_f32 *p = step->parameters;
    const size_t rows = (size_t) (strip->rows.last - strip->rows.first);
    struct f32_size size = p->size;

    size.rows = rows * (step->rows.out_bytes / (size.cols * sizeof(float)));
    p->kernels->gemm(strip->out, strip->in[0], p->packed, size, p->clamp);
}

/* The output is [rows, out], or x's shape with the last dimension out. */
static int check_output(const struct op_context *context, struct gemm_size size) {
    const struct tflite_tensor *x = op_input(context, 0), *y = op_output(context, 0);

    if (x->rank > 0 && (size_t) x->dims[x->rank - 1] == size.depth && y->rank == x->rank &&
        memcmp(x->dims, y->dims, (size_t) (x->rank - 1) * sizeof(*x->dims)) == 0 &&
        (size_t) y->dims[y->rank - 1] == size.cols)
        return 0;
    return op_check_shape(context, y, 2, (int32_t[]){ (int32_t) size.rows, (int32_t) size.cols });
}

static int check(const struct op_context *context, struct gemm_size *ret) {
    const struct tflite_tensor *x = op_input(context, 0),
                               *weights = op_input(context, WEIGHTS_INPUT);
    const int8_t format = op_option_i8(context, OPTION_WEIGHTS_FORMAT, 0);
    struct gemm_size size = { 0 };
    int r;

    if (format != 0)
        return op_refuse(context, -ENOTSUP, "weights format %d is not DEFAULT (0)", format);
    r = op_check_rank(context, x, 1, TENSOR_RANK_MAX);
    if (r < 0)
        return r;
    r = op_check_rank(context, weights, 2, 2);
    if (r < 0)
        return r;
    r = weights_check(context, weights->dims[0]);
    if (r < 0)
        return r;

    size.cols = (size_t) weights->dims[0];
    size.depth = (size_t) weights->dims[1];
    size.rows = x->n_items / size.depth;
    if (x->n_items % size.depth != 0)
        return op_refuse(context, -EBADMSG, "its input has %zu elements, no rows of %zu",
                         x->n_items, size.depth);
    *ret = size;
    return check_output(context, size);
}

static int check_bias_scale(const struct op_context *context) {
    const struct tflite_tensor *weights = op_input(context, WEIGHTS_INPUT);
    const struct tflite_tensor *bias = op_input(context, BIAS_INPUT);
    double product, scale;

    if (weights->scales.n_items > 1 && weights->type == TFLITE_INT4)
        return op_refuse(context, -ENOTSUP, "INT4 weights '%s' have %zu scales, not one",
                         weights->name, weights->scales.n_items);
    if (!bias || weights->scales.n_items != 1)
        return 0;
    product = (double) (op_scale(op_input(context, 0)) * op_scale(weights));
    scale = bias->scales.n_items ? (double) fb_item_f32(&bias->scales, 0) : 0;
    if (fabs(product - scale) / (double) op_scale(op_output(context, 0)) <= bias_scale_tolerance)
        return 0;
    return op_refuse(context, -EBADMSG, "bias '%s' has scale %g where input and weights have %g",
                     bias->name, scale, product);
}

static int plan_s8(const struct op_context *context, struct gemm_size size,
                   const struct activation *activation, struct step *step) {
    struct dense_s8 *p = pool_zeros(context->pool, 1, sizeof(*p));
    struct weights_s8 weights;
    void *packed;
    int r;

    if (!p)
        return op_no_memory(context);
    r = check_bias_scale(context);
    if (r < 0)
        return r;
    r = weights_read_s8(context, (int32_t) size.cols, 0, PRODUCT_FLOAT, activation, &weights);
    if (r < 0)
        return r;

    p->gemm = weights.is_int4 ? context->kernels->gemm_s4 : context->kernels->gemm_s8;
    packed = pool_zeros(context->pool, p->gemm->packed_bytes(size.cols, size.depth), 1);
    if (!packed)
        return op_no_memory(context);
    p->gemm->pack(packed, weights.weight, size.cols, size.depth);
    r = weights_round_in_float(context, weights.bias, weights.weight, size.cols, size.depth,
                               (struct weights_steps){ size.depth, 1 }, &weights.requant);
    if (r < 0)
        return r;
    weights_fold(weights.bias, weights.weight, size.cols, size.depth,
                 op_zero_point(op_input(context, 0)));
    p->size = size;
    p->packed = packed;
    p->bias = weights.bias;
    p->requant = weights.requant;
    op_by_rows(context, step, run_s8, NULL);
    step->parameters = p;
    return 0;
}

static int plan_f32(const struct op_context *context, struct gemm_size size,
                    const struct activation *activation, struct step *step) {
    struct dense_f32 *p = pool_zeros(context->pool, 1, sizeof(*p));
    const float *weight = weights_copy_f32(context, context->scratch, WEIGHTS_INPUT);

    if (!p || !weight)
        return op_no_memory(context);
    *p = (struct dense_f32){
        .size = { size.rows, size.cols, size.depth },
        .kernels = f32_of(context->kernels),
        .clamp = { activation->min_f32, activation->max_f32 },
        .packed = weights_pack_f32(context, weight, size.cols, size.depth),
    };
    if (!p->packed)
        return op_no_memory(context);
    op_by_rows(context, step, run_f32, NULL);
    step->parameters = p;
    return 0;
}

static int plan(const struct op_context *context, struct step *step) {
    struct activation activation;
    struct gemm_size size = { 0 };
    int r;

    r = check(context, &size);
    if (r < 0)
        return r;
    r = op_activation(context, OPTION_ACTIVATION, &activation);
    if (r < 0)
        return r;
    step->n_inputs = 1; /* weights and biases are in the parameters */
    step->macs = (uint64_t) size.rows * size.cols * size.depth; /* x items < 2^31, cols < 2^31 */
    step->work = step->macs;
    step->n_parameters = weights_count(context);
    if (op_output(context, 0)->type == TFLITE_FLOAT32)
        return plan_f32(context, size, &activation, step);
    return plan_s8(context, size, &activation, step);
}

const struct op_entry op_fully_connected = {
    .code = 9,
    .name = "FULLY_CONNECTED",
    .options_type = 8,
    .options = &options,
    .inputs_min = 2,
    .inputs_max = 3,
    .outputs_max = 1,
    .weights = WEIGHTS_INPUT,
    .plan = plan,
};
