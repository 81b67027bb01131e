/* SPDX-License-Identifier: MIT */
/* Scales as TensorFlow Lite's PopulateConvolutionQuantizationParams and
 * GetQuantizedConvolutionMultipler. */
#include "models/weights.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "models/quant_float.h"

static int check_constant(const struct op_context *context, size_t i, const char *what) {
    const struct tflite_tensor *tensor = op_input(context, i);

    if (tensor->data)
        return 0;
    return op_refuse(context, -ENOTSUP, "%s %" PRId32 " '%s' are not constants in the file", what,
                     context->op->inputs[i], tensor->name);
}

static int check_bias(const struct op_context *context, int32_t channels, int type) {
    const struct tflite_tensor *bias = op_input(context, BIAS_INPUT);
    int r;

    if (!bias)
        return 0;
    r = check_constant(context, BIAS_INPUT, "biases");
    if (r < 0)
        return r;
    if (bias->type != type)
        return op_refuse(context, -ENOTSUP, "bias %" PRId32 " '%s' is %s, not %s",
                         context->op->inputs[BIAS_INPUT], bias->name, tflite_type_name(bias->type),
                         tflite_type_name(type));
    return op_check_shape(context, bias, 1, &channels);
}

int weights_check(const struct op_context *context, int32_t channels) {
    const struct tflite_tensor *x = op_input(context, 0);
    const struct tflite_tensor *weights = op_input(context, WEIGHTS_INPUT);
    int r;

    r = op_check_types(context, 0, 1);
    if (r < 0)
        return r;
    r = check_constant(context, WEIGHTS_INPUT, "weights");
    if (r < 0)
        return r;
    if (x->type == TFLITE_FLOAT32 ? weights->type != TFLITE_FLOAT32
                                  : weights->type != TFLITE_INT8 && weights->type != TFLITE_INT4)
        return op_refuse(context, -ENOTSUP, "weights %" PRId32 " '%s' are %s, its input is %s",
                         context->op->inputs[WEIGHTS_INPUT], weights->name,
                         tflite_type_name(weights->type), tflite_type_name(x->type));
    return check_bias(context, channels, x->type == TFLITE_FLOAT32 ? TFLITE_FLOAT32 : TFLITE_INT32);
}

static int check_scales(const struct op_context *context, int32_t channels, int dimension) {
    const struct tflite_tensor *weights = op_input(context, WEIGHTS_INPUT);
    const int32_t number = context->op->inputs[WEIGHTS_INPUT];
    const size_t n = weights->scales.n_items;

    if (n == 0 || weights->zero_points.n_items != n)
        return op_refuse(context, -EBADMSG,
                         "weights %" PRId32 " '%s' have %zu scales and %zu zero points", number,
                         weights->name, n, weights->zero_points.n_items);
    if (n > 1 && (n != (size_t) channels || weights->quantized_dimension != dimension))
        return op_refuse(context, -EBADMSG,
                         "weights %" PRId32 " '%s' have %zu scales along dimension %" PRId32
                         "; it takes 1, or %" PRId32 " along dimension %d",
                         number, weights->name, n, weights->quantized_dimension, channels,
                         dimension);
    for (size_t i = 0; i < n; i++) {
        const float scale = fb_item_f32(&weights->scales, i);

        if (!isfinite(scale) || scale <= 0)
            return op_refuse(context, -EBADMSG,
                             "weights %" PRId32
                             " '%s': scale %zu is %g; it must be finite and above 0",
                             number, weights->name, i, (double) scale);
        if (fb_item_i64(&weights->zero_points, i) != 0)
            return op_refuse(context, -EBADMSG, "weights %" PRId32 " '%s': zero point %zu is not 0",
                             number, weights->name, i);
    }
    return 0;
}

/* One multiplier and shift for each channel. */
static int read_factors(const struct op_context *context, int32_t channels,
                        enum weights_product product, struct requant *requant) {
    const struct tflite_tensor *weights = op_input(context, WEIGHTS_INPUT);
    const float sx = op_scale(op_input(context, 0)), sy = op_scale(op_output(context, 0));
    int32_t *multiplier = pool_zeros(context->pool, (size_t) channels, sizeof(*multiplier));
    int32_t *shift = pool_zeros(context->pool, (size_t) channels, sizeof(*shift));

    if (!multiplier || !shift)
        return op_no_memory(context);
    for (size_t c = 0; c < (size_t) channels; c++) {
        const bool one = weights->scales.n_items == 1;
        const float sw = fb_item_f32(&weights->scales, one ? 0 : c);
        const double m = one && product == PRODUCT_FLOAT ? (double) (sx * sw) / (double) sy
                                                         : (double) sx * (double) sw / (double) sy;
        struct factor factor;
        const int r = op_factor(context, m, &factor);

        if (r < 0)
            return r;
        multiplier[c] = factor.multiplier;
        shift[c] = factor.multiplier == 0 ? -1 : factor.shift; /* as good as any, and as most */
    }
    requant->multiplier = multiplier;
    requant->shift = shift;
    return 0;
}

/* The file's weights as int8: as they are, or nibbles spread out (low one first). */
static const int8_t *spread(const struct op_context *context, const struct tflite_tensor *weights) {
    int8_t *out = pool_zeros(context->scratch, weights->n_items, 1);

    if (!out)
        return NULL;
    if (weights->type == TFLITE_INT8)
        return memcpy(out, weights->data, weights->n_items);
    for (size_t i = 0; i < weights->n_items; i++)
        out[i] = (int8_t) ((((weights->data[i / 2] >> (i % 2 * 4)) & 15) ^ 8) - 8);
    return out;
}

int weights_read_s8(const struct op_context *context, int32_t channels, int dimension,
                    enum weights_product product, const struct activation *activation,
                    struct weights_s8 *ret) {
    const struct tflite_tensor *weights = op_input(context, WEIGHTS_INPUT);
    const struct tflite_tensor *bias = op_input(context, BIAS_INPUT);
    struct weights_s8 w = { .is_int4 = weights->type == TFLITE_INT4 };
    int r;

    r = check_scales(context, channels, dimension);
    if (r < 0)
        return r;
    r = read_factors(context, channels, product, &w.requant);
    if (r < 0)
        return r;
    w.requant.zero_point = op_zero_point(op_output(context, 0));
    w.requant.min = activation->min;
    w.requant.max = activation->max;

    w.weight = spread(context, weights);
    w.bias = pool_zeros(context->pool, (size_t) channels, sizeof(*w.bias));
    if (!w.weight || !w.bias)
        return op_no_memory(context);
    if (bias)
        (void) memcpy(w.bias, bias->data, (size_t) channels * sizeof(*w.bias));
    *ret = w;
    return 0;
}

int weights_round_in_float(const struct op_context *context, const int32_t *bias,
                           const int8_t *weight, size_t channels, size_t depth,
                           struct weights_steps steps, struct requant *requant) {
    const int64_t zero_point = op_zero_point(op_input(context, 0));
    int32_t *offset;
    float *scale, *nudge, *below;

    if (!context->kernels->float_requant)
        return 0;
    offset = pool_zeros(context->pool, channels, sizeof(*offset));
    scale = pool_zeros(context->pool, channels, sizeof(*scale));
    nudge = pool_zeros(context->pool, channels, sizeof(*nudge));
    below = pool_zeros(context->pool, channels, sizeof(*below));
    if (!offset || !scale || !nudge || !below)
        return op_no_memory(context);
    for (size_t c = 0; c < channels; c++) {
        struct rounding rounding = {
            .factor = { requant->multiplier[c], requant->shift[c] },
            .zero_point = requant->zero_point,
            .min = requant->min,
            .max = requant->max,
            .least = bias[c],
            .most = bias[c],
        };
        struct float_rounding found = { .nudge = NAN };

        for (size_t d = 0; d < depth; d++) {
            const int64_t w = weight[c * steps.channel + d * steps.depth];

            rounding.least += w * ((w > 0 ? INT8_MIN : INT8_MAX) - zero_point);
            rounding.most += w * ((w > 0 ? INT8_MAX : INT8_MIN) - zero_point);
        }
        (void) float_rounding_of(&rounding, context->float_tries, &found);
        offset[c] = found.offset;
        scale[c] = found.scale;
        nudge[c] = found.nudge;
        below[c] = found.below;
    }
    requant->in_float = (struct float_requant){ offset, scale, nudge, below };
    return 0;
}

void weights_fold(int32_t *bias, const int8_t *weight, size_t channels, size_t depth,
                  int32_t in_zero_point) {
    for (size_t c = 0; c < channels; c++) {
        uint32_t sum = 0;

        for (size_t d = 0; d < depth; d++)
            sum += (uint32_t) weight[c * depth + d];
        bias[c] = (int32_t) ((uint32_t) bias[c] - (uint32_t) in_zero_point * sum);
    }
}

void weights_transpose(int8_t *out, const int8_t *in, size_t depth, size_t channels) {
    for (size_t d = 0; d < depth; d++)
        for (size_t c = 0; c < channels; c++)
            out[c * depth + d] = in[d * channels + c];
}

uint64_t weights_count(const struct op_context *context) {
    const struct tflite_tensor *bias = op_input(context, BIAS_INPUT);

    return op_input(context, WEIGHTS_INPUT)->n_items + (bias ? bias->n_items : 0);
}

const float *weights_copy_f32(const struct op_context *context, struct pool *pool, size_t i) {
    const struct tflite_tensor *tensor = op_input(context, i);
    float *copy = pool_zeros(pool, tensor->n_items, sizeof(*copy));

    if (copy)
        (void) memcpy(copy, tensor->data, tensor->n_items * sizeof(*copy));
    return copy;
}

const float *weights_bias_f32(const struct op_context *context, struct pool *pool,
                              size_t channels) {
    return op_input(context, BIAS_INPUT) ? weights_copy_f32(context, pool, BIAS_INPUT)
                                         : pool_zeros(pool, channels, sizeof(float));
}

const float *weights_pack_f32(const struct op_context *context, const float *weight, size_t cols,
                              size_t depth) {
    const struct f32_kernels *kernels = f32_of(context->kernels);
    const float *bias = weights_bias_f32(context, context->scratch, cols);
    float *packed = pool_zeros(context->pool, kernels->packed_items(cols, depth), sizeof(*packed));

    if (!bias || !packed)
        return NULL;
    kernels->pack(packed, weight, bias, cols, depth);
    return packed;
}
