/* SPDX-License-Identifier: MIT */
/* MEAN over any axes, as TensorFlow Lite Micro's reduce_common.cc (QuantizedMeanOrSum). */
#include <string.h>

#include "models/nd.h"
#include "models/op_entries.h"

enum { OPTION_KEEP_DIMS };

static const struct fb_schema options = { "ReducerOptions", 1, { FB_8 } };

enum {
    AXES_MAX = 64,       /* they may be repeated */
    SIDE_BY_SIDE = 16,   /* means that are summed up at once, */
    ITEMS_MAX = 1 << 23, /* of no more items: their sum fits into an int32 */
};

struct mean_parameters {
    struct nd kept, reduced; /* strides[0]: of the input */
    int64_t n;               /* items of a mean */
    struct factor factor;
    int32_t in_zero_point, out_zero_point;
};

/* Bit i: dimension i is reduced. */
static int read_axes(const struct op_context *context, unsigned *ret) {
    int32_t axes[AXES_MAX];
    const int n = op_constant_ints(context, 1, axes, AXES_MAX);
    unsigned reduced = 0;

    if (n < 0)
        return n;
    for (int i = 0; i < n; i++) {
        int axis, r;

        r = op_axis(context, axes[i], op_input(context, 0)->rank, &axis);
        if (r < 0)
            return r;
        reduced |= 1u << axis;
    }
    *ret = reduced;
    return 0;
}

static void push_dimension(struct nd *nd, int32_t dim, int64_t stride) {
    nd->dims[nd->rank] = dim;
    nd->strides[0][nd->rank++] = stride;
}

static int check_output(const struct op_context *context, unsigned reduced) {
    const struct tflite_tensor *x = op_input(context, 0);
    const bool keep = op_option_bool(context, OPTION_KEEP_DIMS);
    int32_t dims[TENSOR_RANK_MAX];
    int rank = 0;

    for (int i = 0; i < x->rank; i++)
        if (!(reduced & 1u << i))
            dims[rank++] = x->dims[i];
        else if (keep)
            dims[rank++] = 1;
    return op_check_shape(context, op_output(context, 0), rank, dims);
}

/*
 * The factor sx / sy / n in 32 bits, with n's share moved in before the division so that no bits
 * are lost; k = floor(log2 n), less where the shift would leave its range.
 */
static int mean_factor(const struct op_context *context, int64_t n, struct factor *ret) {
    const double m =
        (double) op_scale(op_input(context, 0)) / (double) op_scale(op_output(context, 0));
    struct factor factor;
    int k = 63 - __builtin_clzll((unsigned long long) n), r;

    r = op_factor(context, m, &factor);
    if (r < 0)
        return r;
    if (k > 32)
        k = 32;
    if (k > 31 + factor.shift)
        k = 31 + factor.shift;
    ret->multiplier = (int32_t) (((int64_t) factor.multiplier << k) / n);
    ret->shift = factor.shift - k;
    return 0;
}

static int64_t sum_s8(const struct nd *reduced, const int8_t *in) {
    struct nd_place place = { 0 };
    const int inner = reduced->rank - 1;
    int64_t sum = 0;

    do {
        const int8_t *row = in + place.offsets[0];

        for (int64_t i = 0; i < reduced->dims[inner]; i++)
            sum += row[i * reduced->strides[0][inner]];
    } while (nd_next(reduced, &place));
    return sum;
}

/* As sum_s8(), from @in and those behind it on. */
static void sum_side_by_side(const struct nd *reduced, const int8_t *in, int32_t *sums) {
    struct nd_place place = { 0 };
    const int inner = reduced->rank - 1;

    (void) memset(sums, 0, SIDE_BY_SIDE * sizeof(*sums));
    do {
        const int8_t *row = in + place.offsets[0];

        for (int64_t i = 0; i < reduced->dims[inner]; i++, row += reduced->strides[0][inner])
            for (int k = 0; k < SIDE_BY_SIDE; k++)
                sums[k] += row[k];
    } while (nd_next(reduced, &place));
}

static double sum_f32(const struct nd *reduced, const float *in) {
    struct nd_place place = { 0 };
    const int inner = reduced->rank - 1;
    double sum = 0;

    do {
        const float *row = in + place.offsets[0];

        for (int64_t i = 0; i < reduced->dims[inner]; i++)
            sum += (double) row[i * reduced->strides[0][inner]];
    } while (nd_next(reduced, &place));
    return sum;
}

static int8_t mean_of(const struct mean_parameters *p, int64_t sum) {
    const int32_t acc = (int32_t) (sum - p->in_zero_point * p->n);

    return (int8_t) clamp_to(wrap_add(mbqm(acc, p->factor), p->out_zero_point), INT8_MIN, INT8_MAX);
}

static void run_s8(const struct step *step, uint8_t *arena) {
    const struct mean_parameters *p = step->parameters;
    const int inner = p->kept.rank - 1;
    const int64_t stride = p->kept.strides[0][inner], n = p->kept.dims[inner];
    const int64_t together = stride == 1 && p->n <= ITEMS_MAX ? n - n % SIDE_BY_SIDE : 0;
    int8_t *out = step_output(step, 0, arena);
    struct nd_place place = { 0 };
    int32_t sums[SIDE_BY_SIDE];

    do {
        const int8_t *in = (const int8_t *) step_input(step, 0, arena) + place.offsets[0];

        for (int64_t i = 0; i < together; i += SIDE_BY_SIDE) {
            sum_side_by_side(&p->reduced, in + i, sums);
            for (int k = 0; k < SIDE_BY_SIDE; k++)
                *out++ = mean_of(p, sums[k]);
        }
        for (int64_t i = together; i < n; i++)
            *out++ = mean_of(p, sum_s8(&p->reduced, in + i * stride));
    } while (nd_next(&p->kept, &place));
}

static void run_f32(const struct step *step, uint8_t *arena) {
    const struct mean_parameters *p = step->parameters;
    const float *in = step_input(step, 0, arena);
    float *out = step_output(step, 0, arena);
    struct nd_place place = { 0 };
    const int inner = p->kept.rank - 1;

    do
        for (int64_t i = 0; i < p->kept.dims[inner]; i++)
            *out++ = (float) (sum_f32(&p->reduced,
                                      in + place.offsets[0] + i * p->kept.strides[0][inner]) /
                              (double) p->n);
    while (nd_next(&p->kept, &place));
}

static int plan(const struct op_context *context, struct step *step) {
    const struct tflite_tensor *x = op_input(context, 0), *y = op_output(context, 0);
    struct mean_parameters *p = pool_zeros(context->pool, 1, sizeof(*p));
    int64_t strides[TENSOR_RANK_MAX];
    unsigned reduced = 0;
    int r;

    if (!p)
        return op_no_memory(context);
    r = op_check_types(context, 0, 1);
    if (r < 0)
        return r;
    r = read_axes(context, &reduced);
    if (r < 0)
        return r;
    r = check_output(context, reduced);
    if (r < 0)
        return r;

    nd_row_major(x->rank, x->dims, strides);
    for (int i = 0; i < x->rank; i++)
        push_dimension(reduced & 1u << i ? &p->reduced : &p->kept, x->dims[i], strides[i]);
    nd_collapse(&p->kept);
    nd_collapse(&p->reduced);
    p->n = (int64_t) (x->n_items / y->n_items);
    if (y->type == TFLITE_INT8) {
        p->in_zero_point = op_zero_point(x);
        p->out_zero_point = op_zero_point(y);
        r = mean_factor(context, p->n, &p->factor);
        if (r < 0)
            return r;
    }
    step->n_inputs = 1; /* the axes are in the parameters */
    step->work = x->n_items;
    step->run = y->type == TFLITE_FLOAT32 ? run_f32 : run_s8;
    step->parameters = p;
    return 0;
}

const struct op_entry op_mean = {
    .code = 40,
    .name = "MEAN",
    .options_type = 27,
    .options = &options,
    .inputs_min = 2,
    .inputs_max = 2,
    .outputs_max = 1,
    .plan = plan,
};
