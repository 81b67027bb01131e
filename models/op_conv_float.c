/* SPDX-License-Identifier: MIT */
/*
 * float32 convolutions: products through OpenBLAS (cblas_sgemm) over patches; depthwise ones as
 * plain loops.
 */
#include "models/op_conv.h"

#include <cblas.h>

#include "models/weights.h"

enum { PATCHES_BYTES = 16384 }; /* of scratch, unless one patch is larger */

struct conv_f32 {
    struct conv_shape shape;
    const float *weight, *bias; /* bias: zeros if there is none */
    size_t patch_rows;          /* of a product on patches */
};

/* out [rows, out_channels] = clamp(bias + in [rows, depth] x weights). */
static void product(const struct conv_f32 *p, float *out, const float *in, size_t rows) {
    const size_t cols = p->shape.out_channels, depth = p->shape.depth;

    for (size_t r = 0; r < rows; r++)
        (void) memcpy(out + r * cols, p->bias, cols * sizeof(*out));
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint) rows, (blasint) cols,
                (blasint) depth, 1.0f, in, (blasint) depth, p->weight, (blasint) depth, 1.0f, out,
                (blasint) cols);
    for (size_t i = 0; i < rows * cols; i++)
        out[i] = clamp_f32(out[i], &p->shape.activation);
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

static void depthwise_pixel(const struct conv_f32 *p, const struct window *w, float *out,
                            const float *in, int64_t y, int64_t x) {
    const struct conv_shape *shape = &p->shape;
    const struct taps rows = window_rows(w, y), columns = window_columns(w, x);

    (void) memcpy(out, p->bias, shape->out_channels * sizeof(*out));
    for (int64_t ky = rows.first; ky < rows.last; ky++)
        for (int64_t kx = columns.first; kx < columns.last; kx++) {
            const float *pixel = in + window_pixel(w, y, x, ky, kx) * shape->in_channels;
            const float *weight =
                p->weight + (size_t) (ky * w->filter_w + kx) * shape->out_channels;

            for (size_t c = 0; c < shape->out_channels; c++)
                out[c] += pixel[c / shape->multiplier] * weight[c];
        }
    for (size_t c = 0; c < shape->out_channels; c++)
        out[c] = clamp_f32(out[c], &shape->activation);
}

static void run_depthwise(const struct step *step, const struct strip *strip) {
    const struct conv_f32 *p = step->parameters;
    const struct window w = strip_window(step, strip);
    float *out = strip->out;

    for (int64_t y = 0; y < w.out_h; y++)
        for (int64_t x = 0; x < w.out_w; x++, out += p->shape.out_channels)
            depthwise_pixel(p, &w, out, strip->in[0], y, x);
}

static struct conv_f32 *parameters(const struct op_context *context,
                                   const struct conv_shape *shape) {
    const struct tflite_tensor *weights = op_input(context, WEIGHTS_INPUT);
    const struct tflite_tensor *bias = op_input(context, BIAS_INPUT);
    struct conv_f32 *p = pool_zeros(context->pool, 1, sizeof(*p));

    if (!p)
        return NULL;
    p->shape = *shape;
    p->weight = op_keep(context, weights->data, weights->n_items * sizeof(float));
    p->bias = bias ? op_keep(context, bias->data, bias->n_items * sizeof(float))
                   : pool_zeros(context->pool, shape->out_channels, sizeof(float));
    return p->weight && p->bias ? p : NULL;
}

int conv_plan_f32(const struct op_context *context, const struct conv_shape *shape,
                  struct step *step) {
    const size_t patch_bytes = shape->depth * sizeof(float), pixels = conv_out_pixels(shape);
    struct conv_f32 *p = parameters(context, shape);

    if (!p)
        return op_no_memory(context);
    step->parameters = p;
    if (conv_is_pointwise(shape)) {
        op_by_rows(context, step, run_pointwise, NULL);
        return 0;
    }
    p->patch_rows = patch_bytes < PATCHES_BYTES ? PATCHES_BYTES / patch_bytes : 1;
    if (p->patch_rows > pixels)
        p->patch_rows = pixels;
    step->scratch_bytes = p->patch_rows * patch_bytes;
    op_by_rows(context, step, run_patches, &p->shape.window);
    return 0;
}

int depthwise_plan_f32(const struct op_context *context, const struct conv_shape *shape,
                       struct step *step) {
    const struct conv_f32 *p = parameters(context, shape);

    if (!p)
        return op_no_memory(context);
    step->parameters = p;
    op_by_rows(context, step, run_depthwise, &p->shape.window);
    return 0;
}
