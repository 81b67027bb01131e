/* SPDX-License-Identifier: MIT */
/* What most operators check, with sentences that name the operator and the tensor. */
#include "models/op_check.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

enum { TEXT_BYTES = 256, SHAPE_BYTES = 112 };

enum tflite_padding { PADDING_SAME, PADDING_VALID };

enum tflite_activation {
    ACTIVATION_NONE,
    ACTIVATION_RELU,
    ACTIVATION_RELU_N1_TO_1,
    ACTIVATION_RELU6,
};

int op_refuse(const struct op_context *context, int error, const char *format, ...) {
    char text[TEXT_BYTES];
    va_list arguments;

    va_start(arguments, format);
    (void) vsnprintf(text, sizeof(text), format, arguments); /* cut is fine */
    va_end(arguments);
    return fault_set(context->fault, error, "%s: operator %zu %s: %s", context->file->bytes->name,
                     context->index, context->entry->name, text);
}

int op_no_memory(const struct op_context *context) {
    return op_refuse(context, -ENOMEM, "out of memory");
}

const struct tflite_tensor *op_input(const struct op_context *context, size_t i) {
    const struct tflite_operator *op = context->op;

    return i < op->n_inputs && op->inputs[i] != TFLITE_NONE ? &context->file->tensors[op->inputs[i]]
                                                            : NULL;
}

const struct tflite_tensor *op_output(const struct op_context *context, size_t i) {
    assert(i < context->op->n_outputs);
    return &context->file->tensors[context->op->outputs[i]];
}

int32_t op_option_i32(const struct op_context *context, size_t id, int32_t absent) {
    return context->has_options ? fb_i32(&context->options, id, absent) : absent;
}

int8_t op_option_i8(const struct op_context *context, size_t id, int8_t absent) {
    return context->has_options ? fb_i8(&context->options, id, absent) : absent;
}

float op_option_f32(const struct op_context *context, size_t id, float absent) {
    return context->has_options ? fb_f32(&context->options, id, absent) : absent;
}

bool op_option_bool(const struct op_context *context, size_t id) {
    return op_option_i8(context, id, 0) != 0;
}

static size_t number_of(const struct op_context *context, const struct tflite_tensor *tensor) {
    return (size_t) (tensor - context->file->tensors);
}

static int check_type(const struct op_context *context, const struct tflite_tensor *tensor) {
    const int type = op_output(context, 0)->type;

    if (type != TFLITE_FLOAT32 && type != TFLITE_INT8)
        return op_refuse(
            context, -ENOTSUP, "its output %" PRId32 " '%s' is %s, not INT8 or FLOAT32",
            context->op->outputs[0], op_output(context, 0)->name, tflite_type_name(type));
    if (tensor && tensor->type != type)
        return op_refuse(context, -ENOTSUP,
                         "tensor %zu '%s' is %s and the output %s: types do not go together",
                         number_of(context, tensor), tensor->name, tflite_type_name(tensor->type),
                         tflite_type_name(type));
    return 0;
}

int op_check_types(const struct op_context *context, size_t first, size_t last) {
    int r = 0;

    for (size_t i = first; i < last && i < context->op->n_inputs && r == 0; i++)
        r = check_type(context, op_input(context, i));
    for (size_t i = 0; i < context->op->n_outputs && r == 0; i++)
        r = check_type(context, op_output(context, i));
    return r;
}

int op_check_rank(const struct op_context *context, const struct tflite_tensor *tensor, int min,
                  int max) {
    if (tensor->rank >= min && tensor->rank <= max)
        return 0;
    if (min == max)
        return op_refuse(context, -EBADMSG, "tensor %zu '%s' has rank %d, not %d",
                         number_of(context, tensor), tensor->name, tensor->rank, min);
    return op_refuse(context, -EBADMSG, "tensor %zu '%s' has rank %d, not %d to %d",
                     number_of(context, tensor), tensor->name, tensor->rank, min, max);
}

/* "[1,49,10,1]" */
static const char *shape_text(char text[SHAPE_BYTES], int rank, const int32_t *dims) {
    size_t n = (size_t) snprintf(text, SHAPE_BYTES, "[");

    for (int i = 0; i < rank; i++)
        n += (size_t) snprintf(text + n, SHAPE_BYTES - n, "%s%" PRId32, i ? "," : "", dims[i]);
    (void) snprintf(text + n, SHAPE_BYTES - n, "]"); /* 8 dimensions of 11 characters fit */
    return text;
}

int op_check_shape(const struct op_context *context, const struct tflite_tensor *tensor, int rank,
                   const int32_t *dims) {
    char has[SHAPE_BYTES], follows[SHAPE_BYTES];

    if (tensor->rank == rank && memcmp(tensor->dims, dims, (size_t) rank * sizeof(*dims)) == 0)
        return 0;
    return op_refuse(context, -EBADMSG, "tensor %zu '%s' has shape %s where %s follows",
                     number_of(context, tensor), tensor->name,
                     shape_text(has, tensor->rank, tensor->dims), shape_text(follows, rank, dims));
}

int op_check_same_shape(const struct op_context *context, const struct tflite_tensor *a,
                        const struct tflite_tensor *b) {
    return op_check_shape(context, b, a->rank, a->dims);
}

float op_scale(const struct tflite_tensor *tensor) {
    return fb_item_f32(&tensor->scales, 0);
}

int32_t op_zero_point(const struct tflite_tensor *tensor) {
    return (int32_t) fb_item_i64(&tensor->zero_points, 0);
}

bool op_is_quantised(const struct tflite_tensor *tensor) {
    int64_t zero_point;
    float scale;

    if (tensor->scales.n_items != 1 || tensor->zero_points.n_items != 1)
        return false;
    scale = fb_item_f32(&tensor->scales, 0);
    zero_point = fb_item_i64(&tensor->zero_points, 0);
    return isfinite(scale) && scale > 0 && zero_point >= INT8_MIN && zero_point <= INT8_MAX;
}

int op_check_quantised(const struct op_context *context, const struct tflite_tensor *tensor) {
    const size_t number = number_of(context, tensor);
    int64_t zero_point;

    if (op_is_quantised(tensor))
        return 0;
    if (tensor->scales.n_items != 1 || tensor->zero_points.n_items != 1)
        return op_refuse(context, -EBADMSG,
                         "tensor %zu '%s' is INT8 with %zu scales and %zu zero points; one of each "
                         "is needed",
                         number, tensor->name, tensor->scales.n_items, tensor->zero_points.n_items);
    zero_point = fb_item_i64(&tensor->zero_points, 0);
    if (zero_point < INT8_MIN || zero_point > INT8_MAX)
        return op_refuse(context, -EBADMSG,
                         "tensor %zu '%s' has the zero point %" PRId64 ", not -128 to 127", number,
                         tensor->name, zero_point);
    return op_refuse(context, -EBADMSG,
                     "tensor %zu '%s' has the scale %g; it must be finite and above 0", number,
                     tensor->name, (double) fb_item_f32(&tensor->scales, 0));
}

int op_check_same_quantisation(const struct op_context *context, const struct tflite_tensor *a,
                               const struct tflite_tensor *b) {
    if (a->type != TFLITE_INT8)
        return 0;
    return op_check_quantisation(context, b, op_scale(a), op_zero_point(a));
}

int op_check_quantisation(const struct op_context *context, const struct tflite_tensor *tensor,
                          float scale, int32_t zero_point) {
    if (op_scale(tensor) == scale && op_zero_point(tensor) == zero_point)
        return 0;
    return op_refuse(context, -EBADMSG,
                     "tensor %zu '%s' has scale %.9g and zero point %" PRId32
                     "; it takes %.9g and %" PRId32,
                     number_of(context, tensor), tensor->name, (double) op_scale(tensor),
                     op_zero_point(tensor), (double) scale, zero_point);
}

int op_factor(const struct op_context *context, double m, struct factor *ret) {
    if (!isfinite(m) || m < 0)
        return op_refuse(context, -EBADMSG, "the scales give the factor %g, which is not finite",
                         m);
    *ret = factor_of(m);
    return 0;
}

int op_axis(const struct op_context *context, int32_t axis, int rank, int *ret) {
    if (axis < -rank || axis >= rank)
        return op_refuse(context, -EBADMSG, "axis %" PRId32 " of %d dimensions", axis, rank);
    *ret = axis < 0 ? axis + rank : axis;
    return 0;
}

int op_constant_ints(const struct op_context *context, size_t i, int32_t *ret, int max) {
    const struct tflite_tensor *tensor = op_input(context, i);

    if (!tensor->data || tensor->type != TFLITE_INT32)
        return op_refuse(context, -ENOTSUP, "tensor %zu '%s' is not a constant INT32",
                         number_of(context, tensor), tensor->name);
    if (tensor->rank > 2 || tensor->n_items > (size_t) max)
        return op_refuse(context, -EBADMSG,
                         "tensor %zu '%s' has %zu numbers; at most %d make sense",
                         number_of(context, tensor), tensor->name, tensor->n_items, max);
    (void) memcpy(ret, tensor->data, tensor->n_items * sizeof(*ret));
    return (int) tensor->n_items;
}

int op_activation(const struct op_context *context, size_t id, struct activation *ret) {
    const struct tflite_tensor *out = op_output(context, 0);
    const int8_t kind = op_option_i8(context, id, ACTIVATION_NONE);
    struct activation all = { INT8_MIN, INT8_MAX, -INFINITY, INFINITY };

    if (kind < ACTIVATION_NONE || kind > ACTIVATION_RELU6)
        return op_refuse(context, -EBADMSG, "fused activation %d is not one of 0 to %d", kind,
                         ACTIVATION_RELU6);
    if (kind == ACTIVATION_RELU || kind == ACTIVATION_RELU6)
        all.min_f32 = 0;
    if (kind == ACTIVATION_RELU6)
        all.max_f32 = 6;
    if (kind == ACTIVATION_RELU_N1_TO_1) {
        all.min_f32 = -1;
        all.max_f32 = 1;
    }

    if (out->type == TFLITE_INT8) {
        const float scale = op_scale(out);
        const int32_t zero_point = op_zero_point(out);

        if (isfinite(all.min_f32))
            all.min = clamp_to(quantise(all.min_f32, scale, zero_point), INT8_MIN, INT8_MAX);
        if (isfinite(all.max_f32))
            all.max = clamp_to(quantise(all.max_f32, scale, zero_point), INT8_MIN, INT8_MAX);
    }
    *ret = all;
    return 0;
}

/* One dimension of a window: check, and what padding comes before. */
static int window_dimension(const struct op_context *context, int8_t padding, const char *name,
                            const int32_t in_out_filter[3], const int32_t stride_dilation[2],
                            int32_t *ret_before) {
    const int64_t in = in_out_filter[0], out = in_out_filter[1], filter = in_out_filter[2];
    const int64_t stride = stride_dilation[0], dilation = stride_dilation[1];
    int64_t reach, follows, total;

    if (stride < 1 || dilation < 1 || filter < 1)
        return op_refuse(context, -EBADMSG,
                         "%s: stride %" PRId64 ", dilation %" PRId64 ", filter %" PRId64
                         "; each must be 1 or more",
                         name, stride, dilation, filter);
    if (padding != PADDING_SAME && padding != PADDING_VALID)
        return op_refuse(context, -EBADMSG, "padding %d is neither SAME (0) nor VALID (1)",
                         padding);

    reach = (filter - 1) * dilation; /* below 2^62 */
    follows = padding == PADDING_SAME ? (in + stride - 1) / stride
              : in > reach            ? (in - reach + stride - 1) / stride
                                      : 0;
    if (out != follows)
        return op_refuse(context, -EBADMSG, "output %s %" PRId64 " where %" PRId64 " follows", name,
                         out, follows);

    total = (out - 1) * stride + reach + 1 - in;
    if (padding == PADDING_VALID || total < 0)
        total = 0;
    if (total / 2 > INT32_MAX)
        return op_refuse(context, -ENOTSUP, "padding %s of %" PRId64 " is too much", name, total);
    *ret_before = (int32_t) (total / 2);
    return 0;
}

int op_window(const struct op_context *context, const struct window_ids *ids,
              struct window *window) {
    const int8_t padding = op_option_i8(context, ids->padding, PADDING_SAME);
    int r;

    window->stride_h = op_option_i32(context, ids->stride_h, 0);
    window->stride_w = op_option_i32(context, ids->stride_w, 0);
    r = window_dimension(context, padding, "height",
                         (int32_t[]){ window->in_h, window->out_h, window->filter_h },
                         (int32_t[]){ window->stride_h, window->dilation_h }, &window->pad_top);
    if (r < 0)
        return r;
    return window_dimension(context, padding, "width",
                            (int32_t[]){ window->in_w, window->out_w, window->filter_w },
                            (int32_t[]){ window->stride_w, window->dilation_w }, &window->pad_left);
}

size_t op_item_bytes(const struct tflite_tensor *tensor) {
    return tensor->type == TFLITE_FLOAT32 ? sizeof(float) : 1;
}
