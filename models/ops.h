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
