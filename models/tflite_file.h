/* SPDX-License-Identifier: MIT */
/*
 * tflite_file - the content of a `.tflite` file (schema version 3), verified.
 *
 * Holds everything the planner asks of a file: tensors with shapes and
 * constants, operators with resolved codes, inputs and outputs. Verified here:
 * the FlatBuffer, indices, shapes, sizes of constants. Verified by the
 * operators (ops.h): whether what is said makes sense together.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "models/flatbuffer.h"
#include "models/model.h"
#include "models/pool.h"

/** TensorType of the schema, those this engine handles; others keep their number. */
enum tflite_type {
    TFLITE_FLOAT32 = 0,
    TFLITE_INT32 = 2,
    TFLITE_INT8 = 9,
    TFLITE_INT4 = 17,
    TFLITE_TYPE_LAST = 22,
};

enum { TFLITE_NONE = -1 }; /* an optional input that is not given */

enum {
    TFLITE_TENSORS_MAX = 1 << 14,
    TFLITE_OPERATORS_MAX = 1 << 13,
    TFLITE_OPERANDS_MAX = 1 << 10,     /* of one operator */
    TFLITE_ALL_OPERANDS_MAX = 1 << 17, /* of all */
};

struct tflite_tensor {
    const char *name; /* printable, "" if none; lives in the pool */
    int type;         /* enum tflite_type, or another of the schema up to TFLITE_TYPE_LAST */
    int rank;         /* 0: a scalar */
    int32_t dims[TENSOR_RANK_MAX]; /* 1.. */
    size_t n_items;                /* product of dims, below 2^31 */
    const uint8_t *data;           /* in the file, unaligned; NULL: not a constant */
    size_t n_data_bytes;           /* at least what the shape asks for */
    struct fb_vector scales;       /* float; may be empty, not yet checked */
    struct fb_vector zero_points;  /* int64; the same */
    int32_t quantized_dimension;
};

struct tflite_operator {
    int32_t code;               /* BuiltinOperator */
    size_t n_inputs, n_outputs; /* up to TFLITE_OPERANDS_MAX */
    const int32_t *inputs;      /* indices of tensors or TFLITE_NONE; in the pool */
    const int32_t *outputs;     /* indices of tensors */
    uint8_t options_type;       /* BuiltinOptions; 0: none */
    struct fb_table operator_;  /* the table itself, for its options */
};

struct tflite_file {
    const struct fb_file *bytes; /* in the pool; what it points to is borrowed */
    size_t n_tensors, n_operators, n_inputs, n_outputs;
    const struct tflite_tensor *tensors;
    const struct tflite_operator *operators;
    const int32_t *inputs, *outputs; /* indices of tensors */
};

/**
 * Read the @n_bytes of a `.tflite` file; they must outlive @ret.
 * @name  stands for the file in faults.
 * @pool  owns the arrays of @ret.
 * Returns 0, -EBADMSG, -ENOTSUP (a version or feature this engine has not), -EFBIG, -ENOMEM.
 */
int tflite_file_read(const char *name, const void *bytes, size_t n_bytes, struct pool *pool,
                     struct tflite_file *ret, struct fault *fault);

/** Open the options table of @op by its schema. Returns 1, 0 if it has none, -EBADMSG. */
int tflite_options_open(const struct tflite_operator *op, const struct fb_schema *schema,
                        struct fb_table *ret, struct fault *fault);

/** "FLOAT32", "INT8" ...; "an unknown type" for others. */
const char *tflite_type_name(int type);

/** Bytes that @n_items of @type take in a buffer; 0: a type whose size is not known here. */
size_t tflite_type_bytes(int type, size_t n_items);
