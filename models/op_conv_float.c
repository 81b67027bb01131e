/* SPDX-License-Identifier: MIT */
/* float32 convolutions: products over patches; depthwise ones as they are (kernels/f32.h). */
#include "models/op_conv.h"

#include <errno.h>

#include "models/weights.h"

enum { PATCHES_BYTES = 16384 }; /* of scratch, unless a tile is larger */

struct conv_f32 {
    struct conv_shape shape;
    const struct f32_kernels *kernels;
    struct f32_clamp clamp;
    const float *packed;
    size_t patch_rows; /* of a product on patches */
};

struct depthwise_f32 {
    struct f32_depthwise size;
    const struct f32_kernels *kernels;
    struct f32_clamp clamp;
    const float *weight, *bias;
};

/* out [rows, out_channels] from in [rows, depth]. */
static void product(const struct conv_f32 *p, float *out, const float *in, size_t rows) {
    p->kernels->gemm(out, in, p->packed,
                     (struct f32_size){ rows, p->shape.out_channels, p->shape.depth }, p->clamp);
}

static void run_pointwise(const struct step *step, const struct strip *strip) {
    const struct conv_f32 *p = step->parameters;
    const size_t rows = (size_t) (strip->rows.last - strip->rows.first);

    product(p, strip->out, strip->in[0], rows * (size_t) p->shape.window.out_w);
}

static void run_patches(const struct step *step, const struct strip *strip) {
    const struct conv_f32 *p = step->parameters;
    struct conv_shape shape = p->shape;
    float *out = strip->out;
    size_t pixels;

    shape.window = strip_window(step, strip);
    pixels = conv_out_pixels(&shape);
    for (size_t i = 0; i < pixels; i += p->patch_rows) {
        const size_t n = pixels - i < p->patch_rows ? pixels - i : p->patch_rows;

        conv_gather(strip->scratch, strip->in[0], &shape, i, n, sizeof(*out), 0);
        product(p, out, strip->scratch, n);
        out += n * shape.out_channels;
    }
}

static void run_depthwise(const struct step *step, const struct strip *strip) {
    const struct depthwise_f32 *p = step->parameters;
    struct f32_depthwise size = p->size;

    size.window = strip_window(step, strip);
    p->kernels->depthwise(strip->out, strip->in[0], p->weight, p->bias, &size, p->clamp);
}

/* @weight is [out_channels, depth]. */
static int plan_product(const struct op_context *context, const struct conv_shape *shape,
                        const float *weight, struct step *step) {
    struct conv_f32 *p = pool_zeros(context->pool, 1, sizeof(*p));

    if (!p)
        return op_no_memory(context);
    p->shape = *shape;
    p->kernels = f32_of(context->kernels);
    p->clamp = (struct f32_clamp){ shape->activation.min_f32, shape->activation.max_f32 };
    p->packed = weights_pack_f32(context, weight, shape->out_channels, shape->depth);
    if (!p->packed)
        return op_no_memory(context);
    step->parameters = p;
    if (conv_is_pointwise(shape)) {
        op_by_rows(context, step, run_pointwise, NULL);
        return 0;
    }
    p->patch_rows = conv_patch_rows(shape, sizeof(float), p->kernels->tile_rows, PATCHES_BYTES);
    step->scratch_bytes = p->patch_rows * shape->depth * sizeof(float);
    op_by_rows(context, step, run_patches, &p->shape.window);
    return 0;
}

int conv_plan_f32(const struct op_context *context, const struct conv_shape *shape,
                  struct step *step) {
    const float *weight = weights_copy_f32(context, context->scratch, WEIGHTS_INPUT);

    return weight ? plan_product(context, shape, weight, step) : op_no_memory(context);
}

static int plan_depthwise(const struct op_context *context, const struct conv_shape *shape,
                          struct step *step) {
    struct depthwise_f32 *p = pool_zeros(context->pool, 1, sizeof(*p));

    if (!p)
        return op_no_memory(context);
    *p = (struct depthwise_f32){
        .size = { shape->window, shape->out_channels, shape->multiplier },
        .kernels = f32_of(context->kernels),
        .clamp = { shape->activation.min_f32, shape->activation.max_f32 },
        .weight = weights_copy_f32(context, context->pool, WEIGHTS_INPUT),
        .bias = weights_bias_f32(context, context->pool, shape->out_channels),
    };
    if (!p->weight || !p->bias)
        return op_no_memory(context);
    step->parameters = p;
    op_by_rows(context, step, run_depthwise, &p->size.window);
    return 0;
}

int depthwise_plan_f32(const struct op_context *context, const struct conv_shape *shape,
                       struct step *step) {
    const size_t taps = shape->depth, channels = shape->out_channels;
    const float *weight;
    float *transposed;

    if (shape->in_channels > 1)
        return plan_depthwise(context, shape, step);

    weight = weights_copy_f32(context, context->scratch, WEIGHTS_INPUT);
    transposed = pool_zeros(context->scratch, taps * channels, sizeof(*transposed));
    if (!weight || !transposed)
        return op_no_memory(context);
    for (size_t t = 0; t < taps; t++)
        for (size_t c = 0; c < channels; c++)
            transposed[c * taps + t] = weight[t * channels + c];
    return plan_product(context, shape, transposed, step);
}
