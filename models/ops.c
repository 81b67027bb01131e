/* SPDX-License-Identifier: MIT */
/* The table of operators. */
#include "models/ops.h"

#include "models/op_entries.h"

static const struct op_entry *const entries[] = {
    &op_add,
    &op_average_pool_2d,
    &op_concatenation,
    &op_conv_2d,
    &op_depthwise_conv_2d,
    &op_dequantize,
    &op_expand_dims,
    &op_fully_connected,
    &op_hard_swish,
    &op_l2_normalization,
    &op_logistic,
    &op_max_pool_2d,
    &op_mean,
    &op_mul,
    &op_pad,
    &op_padv2,
    &op_quantize,
    &op_relu,
    &op_relu6,
    &op_reshape,
    &op_softmax,
    &op_split,
    &op_squeeze,
    &op_strided_slice,
    &op_sub,
    &op_tanh,
    &op_transpose,
};

const struct op_entry *op_find(int32_t code) {
    for (size_t i = 0; i < sizeof(entries) / sizeof(*entries); i++)
        if (entries[i]->code == code)
            return entries[i];
    return NULL;
}
