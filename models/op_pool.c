/* SPDX-License-Identifier: MIT */
/* AVERAGE_POOL_2D and MAX_POOL_2D, as TensorFlow Lite's reference_integer_ops/pooling.h. */
#include <math.h>

#include "models/op_entries.h"

enum {
    OPTION_PADDING,
    OPTION_STRIDE_W,
    OPTION_STRIDE_H,
    OPTION_FILTER_W,
    OPTION_FILTER_H,
    OPTION_ACTIVATION,
};

static const struct fb_schema options = {
    "Pool2DOptions",
    6,
    { FB_8, FB_32, FB_32, FB_32, FB_32, FB_8 },
};

struct pool_parameters {
    struct pool_size size;
    struct activation activation;
    pool_s8_fn *run; /* int8 */
};

static int check(const struct op_context *context, struct pool_parameters *ret) {
    static const struct window_ids ids = { OPTION_PADDING, OPTION_STRIDE_W, OPTION_STRIDE_H };
    const struct tflite_tensor *x = op_input(context, 0), *y = op_output(context, 0);
    struct pool_parameters p = { 0 };
    int r;

    r = op_check_types(context, 0, 1);
    if (r < 0)
        return r;
    r = op_check_rank(context, x, 4, 4);
    if (r < 0)
        return r;
    r = op_check_rank(context, y, 4, 4);
    if (r < 0)
        return r;
    r = op_check_shape(context, y, 4,
                       (int32_t[]){ x->dims[0], y->dims[1], y->dims[2], x->dims[3] });
    if (r < 0)
        return r;
    r = op_check_same_quantisation(context, x, y);
    if (r < 0)
        return r;
    r = op_activation(context, OPTION_ACTIVATION, &p.activation);
    if (r < 0)
        return r;

    p.size.window = (struct window){
        .in_h = x->dims[1],
        .in_w = x->dims[2],
        .out_h = y->dims[1],
        .out_w = y->dims[2],
        .filter_h = op_option_i32(context, OPTION_FILTER_H, 0),
        .filter_w = op_option_i32(context, OPTION_FILTER_W, 0),
        .dilation_h = 1,
        .dilation_w = 1,
    };
    p.size.channels = (size_t) x->dims[3];
    p.size.min = p.activation.min;
    p.size.max = p.activation.max;
    r = op_window(context, &ids, &p.size.window);
    if (r < 0)
        return r;
    *ret = p;
    return 0;
}

static void run_s8(const struct step *step, const struct strip *strip) {
    const struct pool_parameters *p = step->parameters;
    struct pool_size size = p->size;

    size.window = strip_window(step, strip);
    p->run(strip->out, strip->in[0], &size);
}

/* Mean (or maximum) of one output pixel's channels. */
static void pool_pixel_f32(const struct pool_parameters *p, const struct window *w, float *out,
                           const float *in, int64_t y, int64_t x, bool mean) {
    const struct taps rows = window_rows(w, y), columns = window_columns(w, x);
    const float n = (float) ((rows.last - rows.first) * (columns.last - columns.first));
    const size_t channels = p->size.channels;

    for (size_t c = 0; c < channels; c++)
        out[c] = mean ? 0 : -INFINITY;
    for (int64_t ky = rows.first; ky < rows.last; ky++)
        for (int64_t kx = columns.first; kx < columns.last; kx++) {
            const float *pixel = in + window_pixel(w, y, x, ky, kx) * channels;

            for (size_t c = 0; c < channels; c++)
                out[c] = mean ? out[c] + pixel[c] : fmaxf(out[c], pixel[c]);
        }
    for (size_t c = 0; c < channels; c++)
        out[c] = clamp_f32(mean ? out[c] / n : out[c], &p->activation);
}

static void pool_f32(const struct step *step, const struct strip *strip, bool mean) {
    const struct pool_parameters *p = step->parameters;
    const struct window w = strip_window(step, strip);
    float *out = strip->out;

    for (int64_t y = 0; y < w.out_h; y++)
        for (int64_t x = 0; x < w.out_w; x++, out += p->size.channels)
            pool_pixel_f32(p, &w, out, strip->in[0], y, x, mean);
}

static void run_average_f32(const struct step *step, const struct strip *strip) {
    pool_f32(step, strip, true);
}

static void run_max_f32(const struct step *step, const struct strip *strip) {
    pool_f32(step, strip, false);
}

static uint64_t least(int32_t a, int32_t b) {
    return (uint64_t) (a < b ? a : b);
}

static int plan(const struct op_context *context, struct step *step, pool_s8_fn *run,
                step_strip_fn *run_f32) {
    struct pool_parameters *p = pool_zeros(context->pool, 1, sizeof(*p));
    const struct window *w;
    int r;

    if (!p)
        return op_no_memory(context);
    r = check(context, p);
    if (r < 0)
        return r;
    p->run = run;
    w = &p->size.window;
    step->work = op_output(context, 0)->n_items * least(w->filter_h, w->in_h); /* below 2^62 */
    if (__builtin_mul_overflow(step->work, least(w->filter_w, w->in_w), &step->work))
        step->work = UINT64_MAX;
    step->parameters = p;
    op_by_rows(context, step, op_output(context, 0)->type == TFLITE_FLOAT32 ? run_f32 : run_s8, w);
    return 0;
}

static int plan_average(const struct op_context *context, struct step *step) {
    return plan(context, step, context->kernels->average_pool_s8, run_average_f32);
}

static int plan_max(const struct op_context *context, struct step *step) {
    return plan(context, step, context->kernels->max_pool_s8, run_max_f32);
}

const struct op_entry op_average_pool_2d = {
    .code = 1,
    .name = "AVERAGE_POOL_2D",
    .options_type = 5,
    .options_need = OPTIONS_REQUIRED,
    .options = &options,
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs_max = 1,
    .plan = plan_average,
};

const struct op_entry op_max_pool_2d = {
    .code = 17,
    .name = "MAX_POOL_2D",
    .options_type = 5,
    .options_need = OPTIONS_REQUIRED,
    .options = &options,
    .inputs_min = 1,
    .inputs_max = 1,
    .outputs_max = 1,
    .plan = plan_max,
};
