/* SPDX-License-Identifier: MIT */
/* PAD and PADV2: the output is filled, then the input is copied into it. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "models/nd.h"
#include "models/op_entries.h"

struct pad {
    struct nd nd;  /* of the input; strides[0]: of the output */
    int64_t start; /* where in the output its first item goes */
    size_t item_bytes;
    size_t out_items;
    float fill_f32;
    int8_t fill;
};

static void fill(const struct pad *p, void *out) {
    if (p->item_bytes == 1) {
        (void) memset(out, p->fill, p->out_items);
        return;
    }
    for (size_t i = 0; i < p->out_items; i++)
        ((float *) out)[i] = p->fill_f32;
}

/* PAD: the input is dense. */
static void run_pad(const struct step *step, uint8_t *arena) {
    const struct pad *p = step->parameters;
    const uint8_t *in = step_input(step, 0, arena);
    uint8_t *out = step_output(step, 0, arena);
    const int inner = p->nd.rank - 1;
    struct nd_place place = { 0 };

    fill(p, out);
    do {
        nd_copy_row(out + (p->start + place.offsets[0]) * (int64_t) p->item_bytes,
                    p->nd.strides[0][inner], in, 1, p->nd.dims[inner], p->item_bytes);
        in += (size_t) p->nd.dims[inner] * p->item_bytes;
    } while (nd_next(&p->nd, &place));
}

/* PADV2: what to fill with. */
static int read_fill(const struct op_context *context, struct pad *p) {
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
                            struct pad *p) {
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
    struct pad *p = pool_zeros(context->pool, 1, sizeof(*p));
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

    p->item_bytes = op_item_bytes(y);
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
