/* SPDX-License-Identifier: MIT */
/*
 * CONCATENATION, SPLIT, PAD, PADV2, TRANSPOSE, STRIDED_SLICE: bytes move, values stay. The first
 * two copy runs; the others walk one strided array beside a dense one (nd.h).
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "models/nd.h"
#include "models/op_entries.h"

enum { SLICE_RANK_MAX = 4 };

static size_t item_bytes(const struct tflite_tensor *tensor) {
    return tensor->type == TFLITE_FLOAT32 ? sizeof(float) : 1;
}

/* ---- CONCATENATION and SPLIT: @n parts side by side along an axis ---- */

struct parts {
    size_t rows;     /* repeated so often */
    size_t n;        /* parts */
    size_t *n_bytes; /* [n], of one row of each part */
};

static void run_concatenation(const struct step *step, uint8_t *arena) {
    const struct parts *p = step->parameters;
    uint8_t *out = step_output(step, 0, arena);

    for (size_t r = 0; r < p->rows; r++)
        for (size_t i = 0; i < p->n; i++) {
            const uint8_t *in = step_input(step, i, arena);

            (void) memcpy(out, in + r * p->n_bytes[i], p->n_bytes[i]);
            out += p->n_bytes[i];
        }
}

static void run_split(const struct step *step, uint8_t *arena) {
    const struct parts *p = step->parameters;
    const uint8_t *in = step_input(step, 0, arena);

    for (size_t r = 0; r < p->rows; r++)
        for (size_t i = 0; i < p->n; i++) {
            uint8_t *out = step_output(step, i, arena);

            (void) memcpy(out + r * p->n_bytes[i], in, p->n_bytes[i]);
            in += p->n_bytes[i];
        }
}

/*
 * @part(i) beside each other along @axis must make @whole. Fills @ret.
 */
static int check_parts(const struct op_context *context, const struct tflite_tensor *whole,
                       const struct tflite_tensor *(*part)(const struct op_context *, size_t),
                       size_t n, int axis, struct parts *ret) {
    struct parts parts = { .rows = 1, .n = n };
    int32_t dims[TENSOR_RANK_MAX];
    int64_t sum = 0;

    parts.n_bytes = pool_zeros(context->pool, n, sizeof(*parts.n_bytes));
    if (!parts.n_bytes)
        return op_no_memory(context);
    for (int i = 0; i < axis; i++)
        parts.rows *= (size_t) whole->dims[i];
    for (size_t i = 0; i < n; i++) {
        const struct tflite_tensor *tensor = part(context, i);
        int r;

        (void) memcpy(dims, whole->dims, sizeof(dims));
        if (tensor->rank == whole->rank)
            dims[axis] = tensor->dims[axis];
        r = op_check_shape(context, tensor, whole->rank, dims);
        if (r < 0)
            return r;
        sum += tensor->dims[axis];
        parts.n_bytes[i] = tensor->n_items / parts.rows * item_bytes(tensor);
    }
    if (sum != whole->dims[axis])
        return op_refuse(context, -EBADMSG,
                         "its parts along axis %d sum up to %" PRId64 ", not %" PRId32, axis, sum,
                         whole->dims[axis]);
    *ret = parts;
    return 0;
}

enum { CONCATENATION_AXIS, CONCATENATION_ACTIVATION };
static const struct fb_schema concatenation_options = { "ConcatenationOptions",
                                                        2,
                                                        { FB_32, FB_8 } };

static int plan_concatenation(const struct op_context *context, struct step *step) {
    const size_t n = context->op->n_inputs;
    const struct tflite_tensor *y = op_output(context, 0);
    struct parts *p = pool_zeros(context->pool, 1, sizeof(*p));
    int axis, r;

    if (!p)
        return op_no_memory(context);
    if (op_option_i8(context, CONCATENATION_ACTIVATION, 0) != 0)
        return op_refuse(context, -ENOTSUP, "a fused activation is not supported here");
    r = op_check_types(context, 0, n);
    if (r < 0)
        return r;
    r = op_axis(context, op_option_i32(context, CONCATENATION_AXIS, 0), y->rank, &axis);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        if (!op_input(context, i))
            return op_refuse(context, -EBADMSG, "input %zu is not given", i);
        r = op_check_same_quantisation(context, y, op_input(context, i));
        if (r < 0)
            return r;
    }
    step->run = run_concatenation;
    step->parameters = p;
    return check_parts(context, y, op_input, n, axis, p);
}

enum { SPLIT_NUMBER };
static const struct fb_schema split_options = { "SplitOptions", 1, { FB_32 } };

static int plan_split(const struct op_context *context, struct step *step) {
    const size_t n = context->op->n_outputs;
    const struct tflite_tensor *x = op_input(context, 1);
    struct parts *p = pool_zeros(context->pool, 1, sizeof(*p));
    int32_t number;
    int axis, r;

    if (!p)
        return op_no_memory(context);
    r = op_check_types(context, 1, 2);
    if (r < 0)
        return r;
    r = op_constant_ints(context, 0, &number, 1);
    if (r < 0)
        return r;
    r = op_axis(context, number, x->rank, &axis);
    if (r < 0)
        return r;
    if (op_option_i32(context, SPLIT_NUMBER, 0) != (int64_t) n)
        return op_refuse(context, -EBADMSG, "num_splits is %" PRId32 ", but it has %zu outputs",
                         op_option_i32(context, SPLIT_NUMBER, 0), n);
    for (size_t i = 1; i < n; i++) {
        r = op_check_same_shape(context, op_output(context, 0), op_output(context, i));
        if (r < 0)
            return r;
    }
    step->inputs[0] = step->inputs[1];
    step->n_inputs = 1;
    step->run = run_split;
    step->parameters = p;
    return check_parts(context, x, op_output, n, axis, p);
}

/* ---- the others: a dense array and a strided one ---- */

struct walk {
    struct nd nd;  /* of the dense array; strides[0]: of the strided one */
    int64_t start; /* first item of the strided one */
    size_t item_bytes;
    size_t out_items; /* PAD: to fill first */
    float fill_f32;
    int8_t fill;
};

static void copy_run(uint8_t *out, int64_t out_step, const uint8_t *in, int64_t in_step, int32_t n,
                     size_t bytes) {
    if (out_step == 1 && in_step == 1) {
        (void) memcpy(out, in, (size_t) n * bytes);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *from = in + i * in_step * (int64_t) bytes;
        uint8_t *to = out + i * out_step * (int64_t) bytes;

        if (bytes == 1)
            *to = *from;
        else
            (void) memcpy(to, from, sizeof(float));
    }
}

/* TRANSPOSE, STRIDED_SLICE: the output is dense. */
static void run_gather(const struct step *step, uint8_t *arena) {
    const struct walk *p = step->parameters;
    const uint8_t *in = step_input(step, 0, arena);
    uint8_t *out = step_output(step, 0, arena);
    const int inner = p->nd.rank - 1;
    struct nd_place place = { 0 };

    do {
        copy_run(out, 1, in + (p->start + place.offsets[0]) * (int64_t) p->item_bytes,
                 p->nd.strides[0][inner], p->nd.dims[inner], p->item_bytes);
        out += (size_t) p->nd.dims[inner] * p->item_bytes;
    } while (nd_next(&p->nd, &place));
}

static void fill(const struct walk *p, void *out) {
    if (p->item_bytes == 1) {
        (void) memset(out, p->fill, p->out_items);
        return;
    }
    for (size_t i = 0; i < p->out_items; i++)
        ((float *) out)[i] = p->fill_f32;
}

/* PAD: the input is dense. */
static void run_pad(const struct step *step, uint8_t *arena) {
    const struct walk *p = step->parameters;
    const uint8_t *in = step_input(step, 0, arena);
    uint8_t *out = step_output(step, 0, arena);
    const int inner = p->nd.rank - 1;
    struct nd_place place = { 0 };

    fill(p, out);
    do {
        copy_run(out + (p->start + place.offsets[0]) * (int64_t) p->item_bytes,
                 p->nd.strides[0][inner], in, 1, p->nd.dims[inner], p->item_bytes);
        in += (size_t) p->nd.dims[inner] * p->item_bytes;
    } while (nd_next(&p->nd, &place));
}

/* PADV2: what to fill with. */
static int read_fill(const struct op_context *context, struct walk *p) {
    const struct tflite_tensor *value = op_input(context, 2);
    int r;

    r = op_check_types(context, 2, 3);
    if (r < 0)
        return r;
    if (!value->data || value->n_items != 1)
        return op_refuse(context, -ENOTSUP, "its value '%s' is not one constant", value->name);
    r = op_check_same_quantisation(context, op_input(context, 0), value);
    if (r < 0)
        return r;
    if (value->type == TFLITE_FLOAT32)
        (void) memcpy(&p->fill_f32, value->data, sizeof(p->fill_f32));
    else
        (void) memcpy(&p->fill, value->data, sizeof(p->fill));
    return 0;
}

/* The walk of x through the output; amounts are [rank, 2]: before, after. */
static int place_in_padding(const struct op_context *context, const int32_t *amounts,
                            struct walk *p) {
    const struct tflite_tensor *x = op_input(context, 0), *y = op_output(context, 0);
    int64_t strides[TENSOR_RANK_MAX];

    p->nd.rank = x->rank;
    nd_row_major(y->rank, y->dims, strides);
    for (int i = 0; i < x->rank; i++) {
        const int32_t before = amounts[2 * i], after = amounts[2 * i + 1];

        if (before < 0 || after < 0)
            return op_refuse(context, -EBADMSG,
                             "padding of %" PRId32 " and %" PRId32
                             " along dimension %d is negative",
                             before, after, i);
        if ((int64_t) x->dims[i] + before + after != y->dims[i])
            return op_refuse(context, -EBADMSG,
                             "dimension %d: %" PRId32 " + %" PRId32 " + %" PRId32
                             " is not the output's %" PRId32,
                             i, before, x->dims[i], after, y->dims[i]);
        p->nd.dims[i] = x->dims[i];
        p->nd.strides[0][i] = strides[i];
        p->nd.strides[1][i] = strides[i];
        p->start += before * strides[i];
    }
    nd_collapse(&p->nd);
    return 0;
}

static int plan_pad(const struct op_context *context, struct step *step) {
    const struct tflite_tensor *x = op_input(context, 0), *y = op_output(context, 0);
    const struct tflite_tensor *paddings = op_input(context, 1);
    struct walk *p = pool_zeros(context->pool, 1, sizeof(*p));
    int32_t amounts[2 * TENSOR_RANK_MAX];
    int r;

    if (!p)
        return op_no_memory(context);
    r = op_check_types(context, 0, 1);
    if (r < 0)
        return r;
    r = op_check_rank(context, y, x->rank, x->rank);
    if (r < 0)
        return r;
    r = op_check_shape(context, paddings, 2, (int32_t[]){ x->rank, 2 });
    if (r < 0)
        return r;
    r = op_constant_ints(context, 1, amounts, 2 * TENSOR_RANK_MAX);
    if (r < 0)
        return r;
    r = place_in_padding(context, amounts, p);
    if (r < 0)
        return r;

    p->item_bytes = item_bytes(y);
    p->out_items = y->n_items;
    step->n_inputs = 1;
    step->run = run_pad;
    step->parameters = p;
    if (op_input(context, 2))
        return read_fill(context, p);
    if (y->type == TFLITE_INT8)
        p->fill = (int8_t) op_zero_point(y);
    return 0;
}

static int plan_transpose(const struct op_context *context, struct step *step) {
    const struct tflite_tensor *x = op_input(context, 0), *y = op_output(context, 0);
    struct walk *p = pool_zeros(context->pool, 1, sizeof(*p));
    int32_t perm[TENSOR_RANK_MAX], dims[TENSOR_RANK_MAX];
    int64_t strides[TENSOR_RANK_MAX];
    unsigned seen = 0;
    int n, r;

    if (!p)
        return op_no_memory(context);
    r = op_check_types(context, 0, 1);
    if (r < 0)
        return r;
    n = op_constant_ints(context, 1, perm, TENSOR_RANK_MAX);
    if (n < 0)
        return n;
    nd_row_major(x->rank, x->dims, strides);
    for (int i = 0; i < n && n == x->rank; i++) {
        if (perm[i] < 0 || perm[i] >= n || seen & 1u << perm[i])
            return op_refuse(context, -EBADMSG,
                             "its permutation has %" PRId32 " out of range or twice", perm[i]);
        seen |= 1u << perm[i];
        dims[i] = x->dims[perm[i]];
        p->nd.dims[i] = dims[i];
        p->nd.strides[0][i] = p->nd.strides[1][i] = strides[perm[i]];
    }
    if (n != x->rank)
        return op_refuse(context, -EBADMSG, "a permutation of %d for %d dimensions", n, x->rank);
    r = op_check_shape(context, y, n, dims);
    if (r < 0)
        return r;

    p->nd.rank = n;
    nd_collapse(&p->nd);
    p->item_bytes = item_bytes(y);
    step->n_inputs = 1;
    step->run = run_gather;
    step->parameters = p;
    return 0;
}

enum {
    SLICE_BEGIN_MASK,
    SLICE_END_MASK,
    SLICE_ELLIPSIS_MASK,
    SLICE_NEW_AXIS_MASK,
    SLICE_SHRINK_MASK,
    SLICE_OFFSET,
};

static const struct fb_schema slice_options = {
    "StridedSliceOptions",
    6,
    { FB_32, FB_32, FB_32, FB_32, FB_32, FB_8 },
};

struct slice {
    int32_t begin[SLICE_RANK_MAX], end[SLICE_RANK_MAX], step[SLICE_RANK_MAX];
};

static int64_t clamp_bound(int64_t bound, int64_t dim, int64_t step) {
    const int64_t least = step > 0 ? 0 : -1, most = step > 0 ? dim : dim - 1;

    if (bound < 0)
        bound += dim;
    return bound < least ? least : bound > most ? most : bound;
}

/* Dimension @i: first element and number of elements. */
static int slice_dimension(const struct op_context *context, const struct slice *slice, int i,
                           int64_t *ret_first, int64_t *ret_n) {
    const int64_t dim = op_input(context, 0)->dims[i], step = slice->step[i];
    const bool shrink = op_option_i32(context, SLICE_SHRINK_MASK, 0) >> i & 1;
    int64_t first, last;

    if (step == 0 || (shrink && step < 0))
        return op_refuse(context, -EBADMSG, "step %" PRId64 " along dimension %d", step, i);
    first = clamp_bound(slice->begin[i], dim, step);
    if (op_option_i32(context, SLICE_BEGIN_MASK, 0) >> i & 1)
        first = step > 0 ? 0 : dim - 1;
    else if (shrink && (slice->begin[i] < -dim || slice->begin[i] >= dim))
        return op_refuse(context, -EBADMSG,
                         "element %" PRId32 " of dimension %d, which has %" PRId64, slice->begin[i],
                         i, dim);
    last = clamp_bound(slice->end[i], dim, step);
    if (op_option_i32(context, SLICE_END_MASK, 0) >> i & 1)
        last = step > 0 ? dim : -1;

    *ret_first = first;
    *ret_n = shrink     ? 1
             : step > 0 ? (last - first + step - 1) / step
                        : (first - last - step - 1) / -step;
    if (*ret_n < 1)
        return op_refuse(context, -EBADMSG, "nothing is left of dimension %d", i);
    return 0;
}

static int read_slice(const struct op_context *context, struct slice *ret) {
    int32_t *const lists[] = { ret->begin, ret->end, ret->step };
    const struct tflite_tensor *x = op_input(context, 0);

    for (size_t i = 0; i < 3; i++) {
        const int n = op_constant_ints(context, i + 1, lists[i], SLICE_RANK_MAX);

        if (n < 0)
            return n;
        if (n != x->rank)
            return op_refuse(context, -EBADMSG, "%d bounds for %d dimensions", n, x->rank);
    }
    if (op_option_i32(context, SLICE_ELLIPSIS_MASK, 0) != 0 ||
        op_option_i32(context, SLICE_NEW_AXIS_MASK, 0) != 0 ||
        op_option_bool(context, SLICE_OFFSET))
        return op_refuse(context, -ENOTSUP, "ellipsis, new axes and offsets are not supported");
    return 0;
}

static int plan_strided_slice(const struct op_context *context, struct step *step) {
    const struct tflite_tensor *x = op_input(context, 0), *y = op_output(context, 0);
    struct walk *p = pool_zeros(context->pool, 1, sizeof(*p));
    int64_t strides[TENSOR_RANK_MAX];
    int32_t dims[TENSOR_RANK_MAX];
    struct slice slice;
    int rank = 0, r;

    if (!p)
        return op_no_memory(context);
    r = op_check_types(context, 0, 1);
    if (r < 0)
        return r;
    r = op_check_rank(context, x, 1, SLICE_RANK_MAX);
    if (r < 0)
        return r;
    r = read_slice(context, &slice);
    if (r < 0)
        return r;

    nd_row_major(x->rank, x->dims, strides);
    for (int i = 0; i < x->rank; i++) {
        int64_t first = 0, n = 0;

        r = slice_dimension(context, &slice, i, &first, &n);
        if (r < 0)
            return r;
        p->start += first * strides[i];
        p->nd.dims[i] = (int32_t) n;
        p->nd.strides[0][i] = p->nd.strides[1][i] = n > 1 ? slice.step[i] * strides[i] : 0;
        if (!(op_option_i32(context, SLICE_SHRINK_MASK, 0) >> i & 1))
            dims[rank++] = (int32_t) n;
    }
    r = op_check_shape(context, y, rank, dims);
    if (r < 0)
        return r;

    p->nd.rank = x->rank;
    nd_collapse(&p->nd);
    p->item_bytes = item_bytes(y);
    step->n_inputs = 1;
    step->run = run_gather;
    step->parameters = p;
    return 0;
}

const struct op_entry op_concatenation = {
    .code = 2,
    .name = "CONCATENATION",
    .options_type = 10,
    .options = &concatenation_options,
    .inputs_min = 1,
    .inputs_max = TFLITE_OPERANDS_MAX,
    .outputs_max = 1,
    .plan = plan_concatenation,
};

const struct op_entry op_split = {
    .code = 49,
    .name = "SPLIT",
    .options_type = 35,
    .options_need = OPTIONS_REQUIRED,
    .options = &split_options,
    .inputs_min = 2,
    .inputs_max = 2,
    .outputs_max = TFLITE_OPERANDS_MAX,
    .plan = plan_split,
};

const struct op_entry op_pad = {
    .code = 34,
    .name = "PAD",
    .options_type = 22,
    .inputs_min = 2,
    .inputs_max = 2,
    .outputs_max = 1,
    .plan = plan_pad,
};

const struct op_entry op_padv2 = {
    .code = 60,
    .name = "PADV2",
    .options_type = 43,
    .inputs_min = 3,
    .inputs_max = 3,
    .outputs_max = 1,
    .plan = plan_pad,
};

const struct op_entry op_transpose = {
    .code = 39,
    .name = "TRANSPOSE",
    .options_type = 26,
    .inputs_min = 2,
    .inputs_max = 2,
    .outputs_max = 1,
    .plan = plan_transpose,
};

const struct op_entry op_strided_slice = {
    .code = 45,
    .name = "STRIDED_SLICE",
    .options_type = 32,
    .options = &slice_options,
    .inputs_min = 4,
    .inputs_max = 4,
    .outputs_max = 1,
    .plan = plan_strided_slice,
};
