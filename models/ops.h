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

/** Rows [first, last) of an image. */
struct rows {
    int32_t first, last;
};

enum { STEP_ROW_INPUTS = 2 };

/** A strip of one image: some rows of a step's output, and where what they take lies. */
struct strip {
    struct rows rows;                /* of the output */
    void *out;                       /* its row rows.first */
    const void *in[STEP_ROW_INPUTS]; /* row step_needs(step, rows).first of each input */
    void *scratch;                   /* the step's scratch_bytes */
};

/** Make the rows of @strip, and nothing else. */
typedef void step_strip_fn(const struct step *step, const struct strip *strip);

/** A step whose rows can be made a strip at a time, in any order, by any thread. */
struct step_rows {
    step_strip_fn *run; /* NULL: the step runs as a whole only */
    const struct window
        *window; /* onto the rows of input 0; NULL: row y takes row y of each input */
    size_t n_images;
    int32_t n;        /* rows of one image of the output */
    int32_t together; /* rows made at a time: strips of a multiple waste nothing; 0, 1: any */
    size_t out_bytes, in_bytes[STEP_ROW_INPUTS]; /* of one row */
};

struct crew;

/** Who makes the strips of a run's steps. */
struct hands {
    struct crew *crew;    /* taken by this thread; NULL: it is alone */
    uint8_t *scratch;     /* of the crew's other threads, */
    size_t scratch_bytes; /* so much for each */
    uint64_t part_work;   /* elements that are worth a part of their own */
    size_t n_parts;       /* for tests: not 0: so many parts whoever is there */
};

/** One operator as it runs. plan() may change what is marked so; graph.c fills the rest. */
struct step {
    const struct op_entry *op;
    size_t index; /* of the operator in the file */

    step_run_fn *run;       /* plan: how; NULL: output 0 is input 0's bytes, nothing to do */
    const void *parameters; /* plan: in the model's pool */
    struct step_rows rows;  /* plan: the same in strips, if it can; one output, 1 or 2 inputs */

    size_t n_inputs, n_outputs; /* plan: operands that run() reads; first all of the file's */
    struct operand *inputs, *outputs;

    size_t scratch_bytes; /* plan: arena that only this step uses, a strip of it as the whole */
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

/** Rows of the inputs that @rows of the output take; never none. */
struct rows step_needs(const struct step *step, struct rows rows);

/** The window of a step that has one, onto the rows of @strip. */
static inline struct window strip_window(const struct step *step, const struct strip *strip) {
    int32_t row; /* where strip->in begins */

    return window_strip(step->rows.window, strip->rows.first, strip->rows.last - strip->rows.first,
                        &row);
}

/** Make the rows of @strip, in parts by several threads if @hands has them and it is worth it. */
void step_run_strip(const struct step *step, const struct strip *strip, const struct hands *hands);

/** Do @step, which has work to do, as a whole. */
void step_run(const struct step *step, uint8_t *arena, const struct hands *hands);

/** run() of every step that has rows: each image in one strip. */
void step_run_rows(const struct step *step, uint8_t *arena);

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
    size_t *float_tries;  /* of the model, see float_rounding_of() */
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
