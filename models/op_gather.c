/* SPDX-License-Identifier: MIT */
/* TRANSPOSE and STRIDED_SLICE: a dense output is gathered from a strided input. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "models/nd.h"
#include "models/op_entries.h"

enum { SLICE_RANK_MAX = 4 };

struct walk {
    struct nd nd;  /* of the output; strides[0]: of the input */
    int64_t start; /* first item of the input */
    size_t item_bytes;
};

/* TRANSPOSE, STRIDED_SLICE: the output is dense. */
static void run_gather(const struct step *step, uint8_t *arena) {
    const struct walk *p = step->parameters;
    const uint8_t *in = step_input(step, 0, arena);
    uint8_t *out = step_output(step, 0, arena);
    const int inner = p->nd.rank - 1;
    struct nd_place place = { 0 };

    do {
        nd_copy_row(out, 1, in + (p->start + place.offsets[0]) * (int64_t) p->item_bytes,
                    p->nd.strides[0][inner], p->nd.dims[inner], p->item_bytes);
        out += (size_t) p->nd.dims[inner] * p->item_bytes;
    } while (nd_next(&p->nd, &place));
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
    p->item_bytes = op_item_bytes(y);
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
    p->item_bytes = op_item_bytes(y);
    step->n_inputs = 1;
    step->run = run_gather;
    step->parameters = p;
    return 0;
}

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
