/* SPDX-License-Identifier: MIT */
/*
 * Method: TensorFlow Lite's schema version 3 (tensorflow/lite/schema/schema.fbs), field ids as
 * there. A table is opened once, which verifies it, and copied into plain arrays.
 */
#include "models/tflite_file.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { SCHEMA_VERSION = 3, NAME_BYTES_MAX = 128, CUSTOM = 32, PLACEHOLDER = 127 };

enum { MODEL_VERSION, MODEL_CODES, MODEL_SUBGRAPHS, MODEL_DESCRIPTION, MODEL_BUFFERS };
static const struct fb_schema model_schema = {
    "Model",
    10,
    { FB_32, FB_VECTOR, FB_VECTOR, FB_BYTES, FB_VECTOR, FB_VECTOR, FB_VECTOR, FB_VECTOR, FB_VECTOR,
      FB_VECTOR },
};

enum { GRAPH_TENSORS, GRAPH_INPUTS, GRAPH_OUTPUTS, GRAPH_OPERATORS };
static const struct fb_schema graph_schema = {
    "SubGraph",
    6,
    { FB_VECTOR, FB_VECTOR, FB_VECTOR, FB_VECTOR, FB_BYTES, FB_32 },
};

enum {
    TENSOR_SHAPE,
    TENSOR_TYPE,
    TENSOR_BUFFER,
    TENSOR_NAME,
    TENSOR_QUANTIZATION,
    TENSOR_SPARSITY = 6,
    TENSOR_EXTERNAL_BUFFER = 10,
};
static const struct fb_schema tensor_schema = {
    "Tensor",
    11,
    { FB_VECTOR, FB_8, FB_32, FB_BYTES, FB_TABLE, FB_8, FB_TABLE, FB_VECTOR, FB_8, FB_VECTOR,
      FB_32 },
};

enum { QUANT_SCALE = 2, QUANT_ZERO_POINT, QUANT_DETAILS_TYPE, QUANT_DETAILS, QUANT_DIMENSION };
static const struct fb_schema quant_schema = {
    "QuantizationParameters",
    7,
    { FB_VECTOR, FB_VECTOR, FB_VECTOR, FB_LONGS, FB_8, FB_TABLE, FB_32 },
};

enum { BUFFER_DATA, BUFFER_OFFSET, BUFFER_SIZE };
static const struct fb_schema buffer_schema = { "Buffer", 3, { FB_BYTES, FB_64, FB_64 } };

enum { CODE_DEPRECATED, CODE_CUSTOM, CODE_VERSION, CODE_BUILTIN };
static const struct fb_schema code_schema = {
    "OperatorCode",
    4,
    { FB_8, FB_BYTES, FB_32, FB_32 },
};

enum {
    OPERATOR_CODE,
    OPERATOR_INPUTS,
    OPERATOR_OUTPUTS,
    OPERATOR_OPTIONS_TYPE,
    OPERATOR_OPTIONS,
    OPERATOR_OPTIONS_2_TYPE = 11,
    OPERATOR_OPTIONS_2,
};
static const struct fb_schema operator_schema = {
    "Operator",
    14,
    { FB_32, FB_VECTOR, FB_VECTOR, FB_8, FB_TABLE, FB_BYTES, FB_8, FB_BYTES, FB_VECTOR, FB_64,
      FB_64, FB_8, FB_TABLE, FB_32 },
};

/* While a file is read. */
struct reader {
    struct tflite_file *out;
    struct pool *pool;
    struct fault *fault;
    struct fb_table model, graph;
    struct fb_vector buffers, codes;
    size_t n_operands; /* listed so far: vectors may be shared, so the file's size is no bound */
};

static const char *const type_names[] = {
    "FLOAT32",  "FLOAT16",  "INT32",     "UINT8",         "INT64",       "STRING",
    "BOOL",     "INT16",    "COMPLEX64", "INT8",          "FLOAT64",     "COMPLEX128",
    "UINT64",   "RESOURCE", "VARIANT",   "UINT32",        "UINT16",      "INT4",
    "BFLOAT16", "INT2",     "UINT4",     "FLOAT8_E4M3FN", "FLOAT8_E5M2",
};

const char *tflite_type_name(int type) {
    return type >= 0 && type <= TFLITE_TYPE_LAST ? type_names[type] : "an unknown type";
}

size_t tflite_type_bytes(int type, size_t n_items) {
    switch (type) {
    case TFLITE_FLOAT32:
    case TFLITE_INT32:
        return 4 * n_items;
    case TFLITE_INT8:
        return n_items;
    case TFLITE_INT4:
        return (n_items + 1) / 2;
    default: /* any number may stand in a file */
        return 0;
    }
}

static int no_memory(struct reader *reader) {
    return fault_set(reader->fault, -ENOMEM, "%s: out of memory", reader->out->bytes->name);
}

/* A printable, terminated copy of a string in the file. */
static const char *copy_name(struct reader *reader, struct fb_vector name) {
    const size_t n = name.n_items < NAME_BYTES_MAX ? name.n_items : NAME_BYTES_MAX;
    char *copy = pool_zeros(reader->pool, n + 1, 1);

    for (size_t i = 0; copy && i < n; i++) {
        const uint8_t c = fb_bytes(&name)[i];

        copy[i] = c >= ' ' && c <= '~' ? (char) c : '?';
    }
    return copy;
}

static int read_shape(struct reader *reader, size_t index, const struct fb_table *table,
                      struct tflite_tensor *tensor) {
    const struct fb_vector shape = fb_vector(table, TENSOR_SHAPE);
    const char *file = reader->out->bytes->name;

    if (shape.n_items > TENSOR_RANK_MAX)
        return fault_set(reader->fault, -ENOTSUP,
                         "%s: tensor %zu '%s' has rank %zu; at most %d is supported", file, index,
                         tensor->name, shape.n_items, TENSOR_RANK_MAX);

    tensor->rank = (int) shape.n_items;
    tensor->n_items = 1;
    for (int i = 0; i < tensor->rank; i++) {
        tensor->dims[i] = fb_item_i32(&shape, (size_t) i);
        if (tensor->dims[i] < 1)
            return fault_set(reader->fault, -EBADMSG,
                             "%s: tensor %zu '%s': dimension %d is %" PRId32 ", not 1 or more",
                             file, index, tensor->name, i, tensor->dims[i]);
        tensor->n_items *= (size_t) tensor->dims[i]; /* below 2^62 */
        if (tensor->n_items >= (size_t) 1 << 31)
            return fault_set(reader->fault, -EBADMSG,
                             "%s: tensor %zu '%s' has 2^31 elements or more", file, index,
                             tensor->name);
    }
    return 0;
}

static int read_quantization(struct reader *reader, size_t index, const struct fb_table *table,
                             struct tflite_tensor *tensor) {
    struct fb_table quant;
    const int r = fb_field_open(table, TENSOR_QUANTIZATION, &quant_schema, &quant, reader->fault);

    if (r <= 0)
        return r;
    if (fb_u8(&quant, QUANT_DETAILS_TYPE, 0) != 0 || fb_has(&quant, QUANT_DETAILS))
        return fault_set(reader->fault, -ENOTSUP,
                         "%s: tensor %zu '%s' has a custom quantisation, which is not supported",
                         reader->out->bytes->name, index, tensor->name);
    tensor->scales = fb_vector(&quant, QUANT_SCALE);
    tensor->zero_points = fb_vector(&quant, QUANT_ZERO_POINT);
    tensor->quantized_dimension = fb_i32(&quant, QUANT_DIMENSION, 0);
    return 0;
}

static int read_constant(struct reader *reader, size_t index, const struct fb_table *table,
                         struct tflite_tensor *tensor) {
    const uint32_t number = fb_u32(table, TENSOR_BUFFER, 0);
    const char *file = reader->out->bytes->name;
    struct fb_table buffer;
    struct fb_vector data;
    int r;

    if (number >= reader->buffers.n_items)
        return fault_set(reader->fault, -EBADMSG,
                         "%s: tensor %zu '%s' is in buffer %" PRIu32 ", but the file has %zu", file,
                         index, tensor->name, number, reader->buffers.n_items);
    r = fb_item_open(&reader->buffers, number, &buffer_schema, &buffer, reader->fault);
    if (r < 0)
        return r;
    if (fb_u64(&buffer, BUFFER_OFFSET, 0) > 1)
        return fault_set(reader->fault, -ENOTSUP,
                         "%s: buffer %" PRIu32
                         " lies outside the FlatBuffer, which is not supported",
                         file, number);

    if (number == 0)
        return 0; /* stands for "no data" */
    data = fb_vector(&buffer, BUFFER_DATA);
    tensor->data = fb_bytes(&data);
    tensor->n_data_bytes = data.n_items;
    if (tensor->data && tflite_type_bytes(tensor->type, tensor->n_items) > data.n_items)
        return fault_set(reader->fault, -EBADMSG,
                         "%s: tensor %zu '%s' needs %zu bytes, but its buffer has %zu", file, index,
                         tensor->name, tflite_type_bytes(tensor->type, tensor->n_items),
                         data.n_items);
    return 0;
}

static int read_tensor(struct reader *reader, const struct fb_vector *tensors, size_t index,
                       struct tflite_tensor *tensor) {
    const char *file = reader->out->bytes->name;
    struct fb_table table;
    int r;

    r = fb_item_open(tensors, index, &tensor_schema, &table, reader->fault);
    if (r < 0)
        return r;
    tensor->name = copy_name(reader, fb_vector(&table, TENSOR_NAME));
    if (!tensor->name)
        return no_memory(reader);

    tensor->type = fb_i8(&table, TENSOR_TYPE, 0);
    if (tensor->type < 0 || tensor->type > TFLITE_TYPE_LAST)
        return fault_set(reader->fault, -ENOTSUP, "%s: tensor %zu '%s' has the unknown type %d",
                         file, index, tensor->name, tensor->type);
    if (fb_has(&table, TENSOR_SPARSITY) || fb_u32(&table, TENSOR_EXTERNAL_BUFFER, 0) != 0)
        return fault_set(reader->fault, -ENOTSUP,
                         "%s: tensor %zu '%s' is sparse or outside the file; not supported", file,
                         index, tensor->name);

    r = read_shape(reader, index, &table, tensor);
    if (r < 0)
        return r;
    r = read_quantization(reader, index, &table, tensor);
    if (r < 0)
        return r;
    return read_constant(reader, index, &table, tensor);
}

static int read_tensors(struct reader *reader) {
    const struct fb_vector vector = fb_vector(&reader->graph, GRAPH_TENSORS);
    struct tflite_tensor *tensors;

    if (vector.n_items > TFLITE_TENSORS_MAX)
        return fault_set(reader->fault, -ENOTSUP, "%s: has %zu tensors; at most %d are supported",
                         reader->out->bytes->name, vector.n_items, TFLITE_TENSORS_MAX);
    tensors = pool_zeros(reader->pool, vector.n_items, sizeof(*tensors));
    if (!tensors)
        return no_memory(reader);
    for (size_t i = 0; i < vector.n_items; i++) {
        const int r = read_tensor(reader, &vector, i, &tensors[i]);

        if (r < 0)
            return r;
    }
    reader->out->tensors = tensors;
    reader->out->n_tensors = vector.n_items;
    return 0;
}

/* Copy indices of tensors, each checked; @lowest is 0, or TFLITE_NONE where that may stand. */
static int read_indices(struct reader *reader, struct fb_vector vector, int32_t lowest,
                        const char *whose, const int32_t **ret) {
    int32_t *indices;

    reader->n_operands += vector.n_items;
    if (vector.n_items > TFLITE_OPERANDS_MAX || reader->n_operands > TFLITE_ALL_OPERANDS_MAX)
        return fault_set(reader->fault, -ENOTSUP,
                         "%s: %s lists %zu tensors; at most %d, and %d in all, are supported",
                         reader->out->bytes->name, whose, vector.n_items, TFLITE_OPERANDS_MAX,
                         TFLITE_ALL_OPERANDS_MAX);
    indices = pool_zeros(reader->pool, vector.n_items, sizeof(*indices));
    if (!indices)
        return no_memory(reader);
    for (size_t i = 0; i < vector.n_items; i++) {
        indices[i] = fb_item_i32(&vector, i);
        if (indices[i] < lowest || indices[i] >= (int64_t) reader->out->n_tensors)
            return fault_set(reader->fault, -EBADMSG,
                             "%s: %s names tensor %" PRId32 ", but the file has %zu",
                             reader->out->bytes->name, whose, indices[i], reader->out->n_tensors);
    }
    *ret = indices;
    return 0;
}

static int read_code(struct reader *reader, size_t index, uint32_t number, int32_t *ret) {
    const char *file = reader->out->bytes->name;
    struct fb_table code;
    int32_t old, new;
    int r;

    if (number >= reader->codes.n_items)
        return fault_set(reader->fault, -EBADMSG,
                         "%s: operator %zu has code number %" PRIu32 ", but the file has %zu", file,
                         index, number, reader->codes.n_items);
    r = fb_item_open(&reader->codes, number, &code_schema, &code, reader->fault);
    if (r < 0)
        return r;
    old = fb_i8(&code, CODE_DEPRECATED, 0);
    new = fb_i32(&code, CODE_BUILTIN, 0);
    *ret = old > new ? old : new;
    if (*ret == CUSTOM || *ret == PLACEHOLDER)
        return fault_set(reader->fault, -ENOTSUP,
                         "%s: operator %zu is a custom operator, which is not supported", file,
                         index);
    if (old < 0 || new < 0)
        return fault_set(reader->fault, -EBADMSG, "%s: operator %zu has the negative code %" PRId32,
                         file, index, old < new ? old : new);
    return 0;
}

static int read_operator(struct reader *reader, const struct fb_vector *operators, size_t index,
                         struct tflite_operator *op) {
    struct fb_vector inputs, outputs;
    char whose[32];
    int r;

    r = fb_item_open(operators, index, &operator_schema, &op->operator_, reader->fault);
    if (r < 0)
        return r;
    r = read_code(reader, index, fb_u32(&op->operator_, OPERATOR_CODE, 0), &op->code);
    if (r < 0)
        return r;

    op->options_type = fb_u8(&op->operator_, OPERATOR_OPTIONS_TYPE, 0);
    if ((op->options_type != 0) != fb_has(&op->operator_, OPERATOR_OPTIONS) ||
        (fb_u8(&op->operator_, OPERATOR_OPTIONS_2_TYPE, 0) != 0) !=
            fb_has(&op->operator_, OPERATOR_OPTIONS_2))
        return fault_set(reader->fault, -EBADMSG,
                         "%s: operator %zu has a type of options without options, or the reverse",
                         reader->out->bytes->name, index);

    inputs = fb_vector(&op->operator_, OPERATOR_INPUTS);
    outputs = fb_vector(&op->operator_, OPERATOR_OUTPUTS);
    op->n_inputs = inputs.n_items;
    op->n_outputs = outputs.n_items;
    (void) snprintf(whose, sizeof(whose), "operator %zu", index); /* 20 digits fit */
    r = read_indices(reader, inputs, TFLITE_NONE, whose, &op->inputs);
    if (r < 0)
        return r;
    return read_indices(reader, outputs, 0, whose, &op->outputs);
}

static int read_operators(struct reader *reader) {
    const struct fb_vector vector = fb_vector(&reader->graph, GRAPH_OPERATORS);
    struct tflite_operator *operators;

    if (vector.n_items > TFLITE_OPERATORS_MAX)
        return fault_set(reader->fault, -ENOTSUP, "%s: has %zu operators; at most %d are supported",
                         reader->out->bytes->name, vector.n_items, TFLITE_OPERATORS_MAX);
    operators = pool_zeros(reader->pool, vector.n_items, sizeof(*operators));
    if (!operators)
        return no_memory(reader);
    for (size_t i = 0; i < vector.n_items; i++) {
        const int r = read_operator(reader, &vector, i, &operators[i]);

        if (r < 0)
            return r;
    }
    reader->out->operators = operators;
    reader->out->n_operators = vector.n_items;
    return 0;
}

static int read_ends(struct reader *reader) {
    const struct fb_vector inputs = fb_vector(&reader->graph, GRAPH_INPUTS);
    const struct fb_vector outputs = fb_vector(&reader->graph, GRAPH_OUTPUTS);
    int r;

    r = read_indices(reader, inputs, 0, "the list of inputs", &reader->out->inputs);
    if (r < 0)
        return r;
    r = read_indices(reader, outputs, 0, "the list of outputs", &reader->out->outputs);
    if (r < 0)
        return r;
    reader->out->n_inputs = inputs.n_items;
    reader->out->n_outputs = outputs.n_items;
    return 0;
}

static int read_model(struct reader *reader) {
    const char *file = reader->out->bytes->name;
    struct fb_vector graphs;
    uint32_t version;
    int r;

    r = fb_root_open(reader->out->bytes, "TFL3", &model_schema, &reader->model, reader->fault);
    if (r < 0)
        return r;
    version = fb_u32(&reader->model, MODEL_VERSION, 0);
    if (version != SCHEMA_VERSION)
        return fault_set(reader->fault, -ENOTSUP,
                         "%s: has schema version %" PRIu32 "; only %d is supported", file, version,
                         SCHEMA_VERSION);

    reader->codes = fb_vector(&reader->model, MODEL_CODES);
    reader->buffers = fb_vector(&reader->model, MODEL_BUFFERS);
    graphs = fb_vector(&reader->model, MODEL_SUBGRAPHS);
    if (graphs.n_items != 1)
        return fault_set(reader->fault, -ENOTSUP, "%s: has %zu graphs; only one is supported", file,
                         graphs.n_items);
    return fb_item_open(&graphs, 0, &graph_schema, &reader->graph, reader->fault);
}

int tflite_file_read(const char *name, const void *bytes, size_t n_bytes, struct pool *pool,
                     struct tflite_file *ret, struct fault *fault) {
    struct tflite_file file = { 0 };
    struct reader reader = { .out = &file, .pool = pool, .fault = fault };
    struct fb_file *view = pool_zeros(pool, 1, sizeof(*view));
    int r;

    if (!view)
        return fault_set(fault, -ENOMEM, "%s: out of memory", name);
    *view = (struct fb_file){ .name = name, .bytes = bytes, .n_bytes = n_bytes };
    file.bytes = view;

    r = read_model(&reader);
    if (r < 0)
        return r;
    r = read_tensors(&reader);
    if (r < 0)
        return r;
    r = read_ends(&reader);
    if (r < 0)
        return r;
    r = read_operators(&reader);
    if (r < 0)
        return r;
    *ret = file;
    return 0;
}

int tflite_options_open(const struct tflite_operator *op, const struct fb_schema *schema,
                        struct fb_table *ret, struct fault *fault) {
    return fb_field_open(&op->operator_, OPERATOR_OPTIONS, schema, ret, fault);
}
