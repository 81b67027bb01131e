/* SPDX-License-Identifier: MIT */
/*
 * ops - the operators: each checks its place in the file and becomes one flat step.
 *
 * To add an operator: a `struct op_entry` in an op_*.c, a line in ops.c, one
 * conformance case (docs/adding-an-operator.md). An entry's plan() refuses whatever does not hold,
 * so that its run() cannot fail.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/fault.h"
#include "models/kernels/kernels.h"
#include "models/pool.h"
#include "models/tflite_file.h"

/** Where a step finds a tensor: in the model, or in the runner's arena. */
struct operand {
    int32_t tensor;          /* index in the file */
    const uint8_t *constant; /* not NULL: here, for ever */
    size_t offset;           /* else: so far into the arena */
};

struct step;

/** Do the step in @arena. */
typedef void step_run_fn(const struct step *step, uint8_t *arena);

/** One operator as it runs. plan() may change what is marked so; graph.c fills the rest. */
struct step {
    const struct op_entry *op;
    size_t index; /* of the operator in the file */

    step_run_fn *run;       /* plan: how; NULL: output 0 is input 0's bytes, nothing to do */
    const void *parameters; /* plan: in the model's pool */

    size_t n_inputs, n_outputs; /* plan: operands that run() reads; first all of the file's */
    struct operand *inputs, *outputs;

    size_t scratch_bytes; /* plan: arena that only this step uses */
    size_t scratch_offset;

    uint32_t in_place; /* plan: bit i: output 0 may take the memory of input i if that dies here */
    uint64_t macs, work;   /* plan: multiply-adds; elements touched, if more than the outputs' */
    uint64_t n_parameters; /* plan: weights and biases */
};

static inline const void *step_input(const struct step *step, size_t i, const uint8_t *arena) {
    const struct operand *operand = &step->inputs[i];

    return operand->constant ? operand->constant : arena + operand->offset;
}

static inline void *step_output(const struct step *step, size_t i, uint8_t *arena) {
    return arena + step->outputs[i].offset;
}

static inline void *step_scratch(const struct step *step, uint8_t *arena) {
    return arena + step->scratch_offset;
}

/** What plan() sees of its operator. */
struct op_context {
    const struct tflite_file *file;
    const struct tflite_operator *op;
    const struct op_entry *entry;
    size_t index; /* of the operator in the file */
    bool has_options;
    struct fb_table options;
    const struct kernels *kernels;
    struct pool *pool;    /* of the model: what steps keep */
    struct pool *scratch; /* until plan() returns */
    struct fault *fault;
};

enum op_options_need { OPTIONS_OPTIONAL, OPTIONS_REQUIRED };

struct op_entry {
    int32_t code; /* BuiltinOperator */
    const char *name;
    uint8_t options_type; /* BuiltinOptions; 0: takes none */
    enum op_options_need options_need;
    const struct fb_schema *options; /* NULL: no field is needed */
    size_t inputs_min, inputs_max;   /* beyond inputs_min an input may be TFLITE_NONE */
    size_t outputs_max;              /* at least 1 */
    int weights;                     /* input that is quantised along a dimension; 0: none */
    int (*plan)(const struct op_context *context, struct step *step);
};

/** The entry for BuiltinOperator @code; NULL: not supported. */
const struct op_entry *op_find(int32_t code);

/* ---- op_check.c: what most operators have to check ---- */

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

/** Scale and zero point of an int8 tensor that check_quantised() passed. */
float op_scale(const struct tflite_tensor *tensor);
int32_t op_zero_point(const struct tflite_tensor *tensor);

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

/** A copy of @n_bytes in the model's pool; NULL if memory is short. */
const void *op_keep(const struct op_context *context, const void *bytes, size_t n_bytes);

static inline float clamp_f32(float x, const struct activation *activation) {
    return x < activation->min_f32   ? activation->min_f32
           : x > activation->max_f32 ? activation->max_f32
                                     : x;
}
