/* SPDX-License-Identifier: MIT */
/*
 * op_check - what most operators have to check of their tensors and options.
 *
 * A check that fails writes a sentence that names the file, the operator and
 * the tensor, and returns -EBADMSG or -ENOTSUP; plan() hands that on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "models/ops.h"

/** Refuse with "FILE: operator 3 CONV_2D: ...". Returns @error. */
__attribute__((format(printf, 3, 4))) int op_refuse(const struct op_context *context, int error,
                                                    const char *format, ...);

/** Out of memory. Returns -ENOMEM. */
int op_no_memory(const struct op_context *context);

/** Input @i, NULL if it is not given; output @i. */
const struct tflite_tensor *op_input(const struct op_context *context, size_t i);
const struct tflite_tensor *op_output(const struct op_context *context, size_t i);

/** Fields of the options; their schema's default if there are no options. */
int32_t op_option_i32(const struct op_context *context, size_t id, int32_t absent);
int8_t op_option_i8(const struct op_context *context, size_t id, int8_t absent);
float op_option_f32(const struct op_context *context, size_t id, float absent);
bool op_option_bool(const struct op_context *context, size_t id);

/** Inputs [first, last) that are given and all outputs have one type, FLOAT32 or INT8. Returns 0,
 * -ENOTSUP. */
int op_check_types(const struct op_context *context, size_t first, size_t last);

/** Input @i's (or output @i's) rank lies in [min, max]. Returns 0, -EBADMSG. */
int op_check_rank(const struct op_context *context, const struct tflite_tensor *tensor, int min,
                  int max);

/** @tensor has this shape. Returns 0, -EBADMSG. */
int op_check_shape(const struct op_context *context, const struct tflite_tensor *tensor, int rank,
                   const int32_t *dims);

/** Two tensors have one shape. Returns 0, -EBADMSG. */
int op_check_same_shape(const struct op_context *context, const struct tflite_tensor *a,
                        const struct tflite_tensor *b);

/** Scale and zero point of an int8 tensor that op_check_quantised() passed. */
float op_scale(const struct tflite_tensor *tensor);
int32_t op_zero_point(const struct tflite_tensor *tensor);

/** An int8 tensor has one scale and one zero point, both usable. */
bool op_is_quantised(const struct tflite_tensor *tensor);

/** An int8 tensor's scale and zero point are one valid pair. Returns 0, -EBADMSG. */
int op_check_quantised(const struct op_context *context, const struct tflite_tensor *tensor);

/** int8: @a and @b have one scale and zero point. Returns 0, -EBADMSG. */
int op_check_same_quantisation(const struct op_context *context, const struct tflite_tensor *a,
                               const struct tflite_tensor *b);

/** int8: @tensor has exactly @scale and @zero_point. Returns 0, -EBADMSG. */
int op_check_quantisation(const struct op_context *context, const struct tflite_tensor *tensor,
                          float scale, int32_t zero_point);

/** @m, which comes from scales, as a factor. Returns 0, -EBADMSG if it is not finite. */
int op_factor(const struct op_context *context, double m, struct factor *ret);

/** Axis @axis of @rank dimensions, negative ones counted from the end, into @ret. Returns 0,
 * -EBADMSG. */
int op_axis(const struct op_context *context, int32_t axis, int rank, int *ret);

/** Copy constant int32 input @i into @ret [max]; returns their number, -EBADMSG, -ENOTSUP. */
int op_constant_ints(const struct op_context *context, size_t i, int32_t *ret, int max);

/** Fused activation: clamps of the raw int8, or of the float32. */
struct activation {
    int32_t min, max;
    float min_f32, max_f32;
};

/** Activation of option @id for output 0. Returns 0, -EBADMSG. */
int op_activation(const struct op_context *context, size_t id, struct activation *ret);

/** What a window's options are called in the schema of an operator. */
struct window_ids {
    size_t padding, stride_w, stride_h;
};

/** Check padding and strides, and where taps fall. @window has in_*, out_*, filter_*, dilation_*
 * set; the rest is filled. Returns 0, -EBADMSG. */
int op_window(const struct op_context *context, const struct window_ids *ids,
              struct window *window);

/** Bytes of one element of a FLOAT32 or INT8 tensor. */
size_t op_item_bytes(const struct tflite_tensor *tensor);

/**
 * Let @step, whose n_inputs is set, run by @run in strips of rows: dimension 1 of an output of
 * rank 4, else dimension 0.
 * @window  lives as long as the model; NULL: row y takes row y of each input
 */
void op_by_rows(const struct op_context *context, struct step *step, step_strip_fn *run,
                const struct window *window);

static inline float clamp_f32(float x, const struct activation *activation) {
    return x < activation->min_f32   ? activation->min_f32
           : x > activation->max_f32 ? activation->max_f32
                                     : x;
}
