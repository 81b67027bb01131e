/* SPDX-License-Identifier: MIT */
/* weights - constants of convolutions and dense layers, checked and made ready for kernels. */
#pragma once

#include "models/op_check.h"

enum { WEIGHTS_INPUT = 1, BIAS_INPUT = 2 };

/** Weights and bias of an int8 layer as kernels want them. */
struct weights_s8 {
    const int8_t *weight; /* int4 unpacked, in the file's order; in the scratch pool */
    bool is_int4;
    int32_t *bias; /* [channels], zeros if there is none; in the model's pool */
    struct requant requant;
};

/**
 * Check the types and constants of input 1 and 2 for @channels outputs: weights INT8 or INT4 with
 * an INT32 bias for an INT8 layer, all FLOAT32 else. Returns 0, -EBADMSG, -ENOTSUP.
 */
int weights_check(const struct op_context *context, int32_t channels);

/** How the factor of a layer with one weight scale is computed. */
enum weights_product { PRODUCT_DOUBLE, PRODUCT_FLOAT };

/** Read the weights of an int8 layer whose scales lie along @dimension. Returns 0, -errno. */
int weights_read_s8(const struct op_context *context, int32_t channels, int dimension,
                    enum weights_product product, const struct activation *activation,
                    struct weights_s8 *ret);

/** Where the weight of channel c for product d of a sum lies: at c x @channel + d x @depth. */
struct weights_steps {
    size_t channel, depth;
};

/**
 * Fill @requant's in_float, if the row of kernels uses it, for layers of int8 inputs whose zero
 * point has not been folded into @bias. Returns 0, -errno.
 */
int weights_round_in_float(const struct op_context *context, const int32_t *bias,
                           const int8_t *weight, size_t channels, size_t depth,
                           struct weights_steps steps, struct requant *requant);

/**
 * Take (input zero point) x (sum of a channel's weights) off the bias, so that kernels can use raw
 * inputs. @weight is int8 [channels, depth].
 */
void weights_fold(int32_t *bias, const int8_t *weight, size_t channels, size_t depth,
                  int32_t in_zero_point);

/** [depth, channels] to [channels, depth]. */
void weights_transpose(int8_t *out, const int8_t *in, size_t depth, size_t channels);

/** A copy of input @i of a float32 layer in @pool; NULL if memory is short. */
const float *weights_copy_f32(const struct op_context *context, struct pool *pool, size_t i);

/** The biases in @pool, zeros if there are none; NULL if memory is short. */
const float *weights_bias_f32(const struct op_context *context, struct pool *pool, size_t channels);

/** @weight [cols, depth] and the biases as the kernels want them; NULL if memory is short. */
const float *weights_pack_f32(const struct op_context *context, const float *weight, size_t cols,
                              size_t depth);

/** Weights and biases of the layer. */
uint64_t weights_count(const struct op_context *context);
