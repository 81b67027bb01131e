/* SPDX-License-Identifier: MIT */
/* op_entries - the operators of this engine, each defined in an op_*.c; listed in ops.c. */
#pragma once

#include "models/op_check.h"

extern const struct op_entry op_add, op_sub, op_mul;
extern const struct op_entry op_average_pool_2d, op_max_pool_2d, op_mean;
extern const struct op_entry op_conv_2d, op_depthwise_conv_2d, op_fully_connected;
extern const struct op_entry op_quantize, op_dequantize;
extern const struct op_entry op_relu, op_relu6, op_logistic, op_tanh, op_hard_swish;
extern const struct op_entry op_reshape, op_squeeze, op_expand_dims;
extern const struct op_entry op_softmax, op_l2_normalization;
extern const struct op_entry op_concatenation, op_split, op_pad, op_padv2, op_transpose,
    op_strided_slice;
