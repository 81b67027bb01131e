/* SPDX-License-Identifier: MIT */
/*
 * CONV_2D and DEPTHWISE_CONV_2D. Method: int8 as TensorFlow Lite's reference_integer_ops/conv.h
 * and depthwise_conv.h; convolutions as matrix products over patches (im2col), gathered a few rows
 * at a time so that the scratch stays small. A depthwise convolution of one input channel is
 * an ordinary one, and runs as such.
 */
#include "models/op_conv.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "models/op_entries.h"
#include "models/weights.h"

enum { COPY_BYTES = 16, PATCHES_BYTES = 4096 }; /* of copies; of scratch, unless a tile is larger */

enum { SCALES_CONV = 0, SCALES_DEPTHWISE = 3 }; /* dimensions of the weights */

/* As fields of Conv2DOptions and DepthwiseConv2DOptions. */
enum { OPTION_PADDING, OPTION_STRIDE_W, OPTION_STRIDE_H };
enum { CONV_ACTIVATION = 3, CONV_DILATION_W, CONV_DILATION_H };
enum { DEPTHWISE_MULTIPLIER = 3, DEPTHWISE_ACTIVATION, DEPTHWISE_DILATION_W, DEPTHWISE_DILATION_H };

static const struct fb_schema conv_options = {
    "Conv2DOptions",
    7,
    { FB_8, FB_32, FB_32, FB_8, FB_32, FB_32, FB_8 },
};

static const struct fb_schema depthwise_options = {
    "DepthwiseConv2DOptions",
    7,
    { FB_8, FB_32, FB_32, FB_32, FB_8, FB_32, FB_32 },
};

struct conv_parameters {
    struct conv_shape shape;
    const struct gemm_kernel *gemm;
    const struct conv_kernel *conv; /* not NULL: instead of gemm */
    struct conv_size size;          /* of one image, for conv */
    const void *packed;
    const int32_t *bias;
    struct requant requant;
    size_t patch_rows; /* of a gemm on patches */
};

struct depthwise_parameters {
    struct depthwise_size size;
    const struct depthwise_kernel *kernel;
    const void *packed;
    const int32_t *bias;
    struct requant requant;
};

static int check_channels(const struct op_context *context, bool depthwise,
                          const struct tflite_tensor *weights, const struct conv_shape *shape) {
    const int32_t ci = (int32_t) shape->in_channels, co = (int32_t) shape->out_channels;

    if (!depthwise && weights->dims[3] != ci)
        return op_refuse(context, -EBADMSG,
                         "weights '%s' are for %" PRId32 " channels, its input has %" PRId32,
                         weights->name, weights->dims[3], ci);
    if (depthwise &&
        (weights->dims[0] != 1 || op_option_i32(context, DEPTHWISE_MULTIPLIER, 0) < 1 ||
         (int64_t) ci * op_option_i32(context, DEPTHWISE_MULTIPLIER, 0) != co))
        return op_refuse(context, -EBADMSG,
                         "%" PRId32 " channels in, depth multiplier %" PRId32
                         " and weights '%s' of [%" PRId32 ",...,%" PRId32 "] do not fit",
                         ci, op_option_i32(context, DEPTHWISE_MULTIPLIER, 0), weights->name,
                         weights->dims[0], co);
    return 0;
}

static int check_ranks(const struct op_context *context) {
    int r;

    r = op_check_rank(context, op_input(context, 0), 4, 4);
    if (r < 0)
        return r;
    r = op_check_rank(context, op_input(context, WEIGHTS_INPUT), 4, 4);
    if (r < 0)
        return r;
    return op_check_rank(context, op_output(context, 0), 4, 4);
}

int conv_check(const struct op_context *context, bool depthwise, struct conv_shape *ret) {
    static const struct window_ids ids = { OPTION_PADDING, OPTION_STRIDE_W, OPTION_STRIDE_H };
    const struct tflite_tensor *x = op_input(context, 0), *y = op_output(context, 0);
    const struct tflite_tensor *weights = op_input(context, WEIGHTS_INPUT);
    struct conv_shape shape = { 0 };
    int r;

    r = check_ranks(context);
    if (r < 0)
        return r;
    shape.in_channels = (size_t) x->dims[3];
    shape.out_channels = (size_t) weights->dims[depthwise ? 3 : 0];
    r = check_channels(context, depthwise, weights, &shape);
    if (r < 0)
        return r;
    r = weights_check(context, (int32_t) shape.out_channels);
    if (r < 0)
        return r;
    r = op_check_shape(
        context, y, 4,
        (int32_t[]){ x->dims[0], y->dims[1], y->dims[2], (int32_t) shape.out_channels });
    if (r < 0)
        return r;

    shape.window = (struct window){
        .in_h = x->dims[1],
        .in_w = x->dims[2],
        .out_h = y->dims[1],
        .out_w = y->dims[2],
        .filter_h = weights->dims[1],
        .filter_w = weights->dims[2],
        .dilation_h = op_option_i32(context, depthwise ? DEPTHWISE_DILATION_H : CONV_DILATION_H, 1),
        .dilation_w = op_option_i32(context, depthwise ? DEPTHWISE_DILATION_W : CONV_DILATION_W, 1),
    };
    r = op_window(context, &ids, &shape.window);
    if (r < 0)
        return r;
    r = op_activation(context, depthwise ? DEPTHWISE_ACTIVATION : CONV_ACTIVATION,
                      &shape.activation);
    if (r < 0)
        return r;
    shape.multiplier = depthwise ? shape.out_channels / shape.in_channels : 1;
    shape.depth = conv_taps(&shape) * (depthwise ? 1 : shape.in_channels);
    *ret = shape;
    return 0;
}

/* Copy @n bytes; @loose: in whole blocks, so that up to 15 behind are read and overwritten too. */
static inline void copy(uint8_t *out, const uint8_t *in, size_t n, bool loose) {
    if (!loose)
        (void) memcpy(out, in, n);
    else
        for (size_t i = 0; i < n; i += COPY_BYTES)
            (void) memcpy(out + i, in + i, COPY_BYTES);
}

static inline void fill(uint8_t *out, int byte, size_t n, bool loose) {
    if (!loose)
        (void) memset(out, byte, n);
    else
        for (size_t i = 0; i < n; i += COPY_BYTES)
            (void) memset(out + i, byte, COPY_BYTES);
}

/* One row of taps of one patch, which begins at column @start of @row. */
static inline void gather_row(uint8_t *patch, const uint8_t *row, const struct window *w,
                              int64_t start, size_t pixel_bytes, int outside, bool loose) {
    const struct taps inside = taps_inside(start, w->dilation_w, w->filter_w, w->in_w);
    const int64_t run = w->dilation_w == 1 ? inside.last - inside.first : 1;

    if (inside.first > 0 || inside.last <= inside.first)
        fill(patch, outside, (size_t) w->filter_w * pixel_bytes, loose);
    for (int64_t kx = inside.first; kx < inside.last; kx += run)
        copy(patch + (size_t) kx * pixel_bytes,
             row + (size_t) (start + kx * w->dilation_w) * pixel_bytes, (size_t) run * pixel_bytes,
             loose);
    if (inside.last < w->filter_w && inside.last > inside.first)
        fill(patch + (size_t) inside.last * pixel_bytes, outside,
             (size_t) (w->filter_w - inside.last) * pixel_bytes, loose);
}

/* One patch at the border, or near the end of memory. */
static void gather_patch(uint8_t *patch, const uint8_t *end, const void *image,
                         const struct window *w, int64_t y, int64_t x, size_t pixel_bytes,
                         int outside) {
    const size_t taps_bytes = (size_t) w->filter_w * pixel_bytes;
    const size_t row_bytes = (size_t) w->in_w * pixel_bytes;

    for (int64_t ky = 0; ky < w->filter_h; ky++, patch += taps_bytes) {
        const int64_t iy = y * w->stride_h - w->pad_top + ky * w->dilation_h;
        const bool room = (size_t) (end - patch) >= taps_bytes + COPY_BYTES;

        if (iy < 0 || iy >= w->in_h)
            fill(patch, outside, taps_bytes, room);
        else
            gather_row(patch, (const uint8_t *) image + (size_t) iy * row_bytes, w,
                       x * w->stride_w - w->pad_left, pixel_bytes, outside,
                       room && (size_t) (w->in_h - 1 - iy) * row_bytes >= COPY_BYTES);
    }
}

/* Of those whose rows of taps are whole, far from all ends. */
static inline void gather_whole(uint8_t *patch, const uint8_t *in, size_t rows, size_t taps_bytes,
                                size_t row_bytes) {
    for (size_t ky = 0; ky < rows; ky++, patch += taps_bytes, in += row_bytes)
        copy(patch, in, taps_bytes, true);
}

void conv_gather(void *patches, const void *image, const struct conv_shape *shape, size_t pixel,
                 size_t n, size_t item_bytes, int outside) {
    const struct window *w = &shape->window;
    const size_t pixel_bytes = shape->in_channels * item_bytes;
    const size_t taps_bytes = (size_t) w->filter_w * pixel_bytes;
    const size_t row_bytes = (size_t) w->in_w * pixel_bytes;
    const size_t patch_bytes = (size_t) w->filter_h * taps_bytes;
    uint8_t *patch = patches, *end = patch + n * patch_bytes;
    int64_t y = (int64_t) (pixel / (size_t) w->out_w), x = (int64_t) (pixel % (size_t) w->out_w);

    for (; patch < end; patch += patch_bytes) {
        const int64_t top = y * w->stride_h - w->pad_top, start = x * w->stride_w - w->pad_left;
        const int64_t below = top + (int64_t) (w->filter_h - 1) * w->dilation_h + 1;

        if (top >= 0 && below < w->in_h && row_bytes >= COPY_BYTES && w->dilation_w == 1 &&
            start >= 0 && start + w->filter_w <= w->in_w &&
            (size_t) (end - patch) >= patch_bytes + COPY_BYTES)
            gather_whole(patch,
                         (const uint8_t *) image + (size_t) (top * w->in_w + start) * pixel_bytes,
                         (size_t) w->filter_h, taps_bytes, (size_t) w->dilation_h * row_bytes);
        else
            gather_patch(patch, end, image, w, y, x, pixel_bytes, outside);
        if (++x == w->out_w) {
            x = 0;
            y++;
        }
    }
}

size_t conv_patch_rows(const struct conv_shape *shape, size_t item_bytes, size_t tile,
                       size_t n_bytes) {
    const size_t tiles = n_bytes / (tile * shape->depth * item_bytes);
    const size_t rows = tiles > 1 ? tiles * tile : tile, pixels = conv_out_pixels(shape);

    return rows < pixels ? rows : pixels;
}

static void run_pointwise(const struct step *step, const struct strip *strip) {
    const struct conv_parameters *p = step->parameters;
    const size_t rows = (size_t) (strip->rows.last - strip->rows.first);

    p->gemm->run(strip->out, strip->in[0], p->packed, p->bias, &p->requant,
                 (struct gemm_size){ rows * (size_t) p->shape.window.out_w, p->shape.out_channels,
                                     p->shape.depth });
}

static void run_patches(const struct step *step, const struct strip *strip) {
    const struct conv_parameters *p = step->parameters;
    struct conv_shape shape = p->shape;
    int8_t *out = strip->out;
    size_t pixels;

    shape.window = strip_window(step, strip);
    pixels = conv_out_pixels(&shape);
    for (size_t i = 0; i < pixels; i += p->patch_rows) {
        const size_t n = pixels - i < p->patch_rows ? pixels - i : p->patch_rows;

        conv_gather(strip->scratch, strip->in[0], &shape, i, n, 1, p->size.in_zero_point);
        p->gemm->run(out, strip->scratch, p->packed, p->bias, &p->requant,
                     (struct gemm_size){ n, shape.out_channels, shape.depth });
        out += n * shape.out_channels;
    }
}

static void run_conv(const struct step *step, const struct strip *strip) {
    const struct conv_parameters *p = step->parameters;
    struct conv_size size = p->size;

    size.window = strip_window(step, strip);
    p->conv->run(strip->out, strip->in[0], p->packed, p->bias, &p->requant, &size, strip->scratch);
}

/* Pack the weights [out_channels, depth] for the kernel that does the layer. */
static int pack_conv(const struct op_context *context, struct conv_parameters *p, bool int4,
                     const int8_t *weight) {
    const struct kernels *row = context->kernels;
    const struct conv_kernel *conv = int4 ? row->conv_s4 : row->conv_s8;
    const size_t cols = p->shape.out_channels, depth = p->shape.depth;
    void *packed;

    p->gemm = int4 ? row->gemm_s4 : row->gemm_s8;
    if (conv && !conv_is_pointwise(&p->shape) &&
        window_sees_at_most(&p->size.window, p->size.in_channels, KERNEL_SEES_MAX) &&
        conv->takes(&p->size))
        p->conv = conv;
    packed =
        pool_zeros(context->pool,
                   p->conv ? conv->packed_bytes(&p->size) : p->gemm->packed_bytes(cols, depth), 1);
    if (!packed)
        return op_no_memory(context);
    if (p->conv)
        conv->pack(packed, weight, &p->size);
    else
        p->gemm->pack(packed, weight, cols, depth);
    p->packed = packed;
    return 0;
}

/* @weight is [out_channels, depth]. */
static int plan_gemm(const struct op_context *context, const struct conv_shape *shape,
                     const struct weights_s8 *weights, const int8_t *weight, struct step *step) {
    struct conv_parameters *p = pool_zeros(context->pool, 1, sizeof(*p));
    const int32_t in_zero_point = op_zero_point(op_input(context, 0));
    int r;

    if (!p)
        return op_no_memory(context);
    *p = (struct conv_parameters){
        .shape = *shape,
        .size = { shape->window, shape->in_channels, shape->out_channels, in_zero_point },
        .bias = weights->bias,
        .requant = weights->requant,
    };
    r = pack_conv(context, p, weights->is_int4, weight);
    if (r < 0)
        return r;
    r = weights_round_in_float(context, weights->bias, weight, shape->out_channels, shape->depth,
                               (struct weights_steps){ shape->depth, 1 }, &p->requant);
    if (r < 0)
        return r;
    weights_fold(weights->bias, weight, shape->out_channels, shape->depth, in_zero_point);

    step->parameters = p;
    if (p->conv) {
        step->scratch_bytes = p->conv->scratch_bytes(&p->size);
        op_by_rows(context, step, run_conv, &p->size.window);
        if (p->conv->rows)
            step->rows.together = (int32_t) p->conv->rows(&p->size);
    } else if (conv_is_pointwise(shape)) {
        op_by_rows(context, step, run_pointwise, NULL);
    } else {
        p->patch_rows = conv_patch_rows(shape, 1, context->kernels->patch_rows, PATCHES_BYTES);
        step->scratch_bytes = p->patch_rows * shape->depth;
        op_by_rows(context, step, run_patches, &p->size.window);
    }
    return 0;
}

static void count_work(const struct op_context *context, const struct conv_shape *shape,
                       struct step *step) {
    step->n_inputs = 1; /* weights and biases are in the parameters */
    step->macs = (uint64_t) op_output(context, 0)->n_items * shape->depth; /* both below 2^31 */
    step->work = step->macs;
    step->n_parameters = weights_count(context);
}

static int plan_conv(const struct op_context *context, struct step *step) {
    struct conv_shape shape;
    struct weights_s8 weights;
    int r;

    r = conv_check(context, false, &shape);
    if (r < 0)
        return r;
    count_work(context, &shape, step);
    if (op_output(context, 0)->type == TFLITE_FLOAT32)
        return conv_plan_f32(context, &shape, step);
    r = weights_read_s8(context, (int32_t) shape.out_channels, SCALES_CONV, PRODUCT_DOUBLE,
                        &shape.activation, &weights);
    if (r < 0)
        return r;
    return plan_gemm(context, &shape, &weights, weights.weight, step);
}

static void run_depthwise(const struct step *step, const struct strip *strip) {
    const struct depthwise_parameters *p = step->parameters;
    struct depthwise_size size = p->size;

    size.window = strip_window(step, strip);
    p->kernel->run(strip->out, strip->in[0], p->packed, p->bias, &p->requant, &size);
}

static int plan_depthwise_kernel(const struct op_context *context, const struct conv_shape *shape,
                                 const struct weights_s8 *weights, struct step *step) {
    struct depthwise_parameters *p = pool_zeros(context->pool, 1, sizeof(*p));
    const struct kernels *row =
        window_sees_at_most(&shape->window, shape->in_channels, KERNEL_SEES_MAX) ? context->kernels
                                                                                 : &kernels_c;
    const struct depthwise_kernel *kernel =
        weights->is_int4 ? row->depthwise_s4 : row->depthwise_s8;
    void *packed =
        pool_zeros(context->pool, kernel->packed_bytes(shape->depth, shape->out_channels), 1);

    if (!p || !packed)
        return op_no_memory(context);
    kernel->pack(packed, weights->weight, shape->depth, shape->out_channels);
    *p = (struct depthwise_parameters){
        .size = { shape->window, shape->out_channels, shape->multiplier,
                  op_zero_point(op_input(context, 0)) },
        .kernel = kernel,
        .packed = packed,
        .bias = weights->bias,
        .requant = weights->requant,
    };
    step->parameters = p;
    op_by_rows(context, step, run_depthwise, &p->size.window);
    return weights_round_in_float(context, weights->bias, weights->weight, shape->out_channels,
                                  shape->depth, (struct weights_steps){ 1, shape->out_channels },
                                  &p->requant);
}

static int plan_depthwise(const struct op_context *context, struct step *step) {
    struct conv_shape shape;
    struct weights_s8 weights;
    int8_t *transposed;
    int r;

    r = conv_check(context, true, &shape);
    if (r < 0)
        return r;
    count_work(context, &shape, step);
    if (op_output(context, 0)->type == TFLITE_FLOAT32)
        return depthwise_plan_f32(context, &shape, step);
    r = weights_read_s8(context, (int32_t) shape.out_channels, SCALES_DEPTHWISE, PRODUCT_DOUBLE,
                        &shape.activation, &weights);
    if (r < 0)
        return r;
    if (shape.in_channels > 1)
        return plan_depthwise_kernel(context, &shape, &weights, step);

    transposed = pool_zeros(context->scratch, shape.depth * shape.out_channels, 1);
    if (!transposed)
        return op_no_memory(context);
    weights_transpose(transposed, weights.weight, shape.depth, shape.out_channels);
    return plan_gemm(context, &shape, &weights, transposed, step);
}

const struct op_entry op_conv_2d = {
    .code = 3,
    .name = "CONV_2D",
    .options_type = 1,
    .options_need = OPTIONS_REQUIRED,
    .options = &conv_options,
    .inputs_min = 2,
    .inputs_max = 3,
    .outputs_max = 1,
    .weights = WEIGHTS_INPUT,
    .plan = plan_conv,
};

const struct op_entry op_depthwise_conv_2d = {
    .code = 4,
    .name = "DEPTHWISE_CONV_2D",
    .options_type = 2,
    .options_need = OPTIONS_REQUIRED,
    .options = &depthwise_options,
    .inputs_min = 2,
    .inputs_max = 3,
    .outputs_max = 1,
    .weights = WEIGHTS_INPUT,
    .plan = plan_depthwise,
};
