/* SPDX-License-Identifier: MIT */
#include "models/bundle_check.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "models/runner.h"

enum { SHAPE_BYTES = 96 };

/* "int8[1,49,10,1]" */
static const char *shape_text(const struct tensor_info *t, char ret[SHAPE_BYTES]) {
    size_t n =
        (size_t) snprintf(ret, SHAPE_BYTES, "%s[", t->type == TENSOR_INT8 ? "int8" : "float32");

    for (int i = 0; i < t->rank && n < SHAPE_BYTES; i++)
        n += (size_t) snprintf(ret + n, SHAPE_BYTES - n, "%s%" PRId32, i ? "," : "", t->dims[i]);
    if (n < SHAPE_BYTES - 1)
        (void) strcpy(ret + n, "]"); /* two bytes of room */
    return ret;
}

/* True if the dims of @t without ones are @dims without ones. */
static bool has_shape(const struct tensor_info *t, const int32_t *dims, size_t n_dims) {
    size_t next = 0;

    for (int i = 0; i < t->rank; i++) {
        if (t->dims[i] == 1)
            continue;
        while (next < n_dims && dims[next] == 1)
            next++;
        if (next == n_dims || dims[next++] != t->dims[i])
            return false;
    }
    while (next < n_dims && dims[next] == 1)
        next++;
    return next == n_dims;
}

static int check_int8(const struct model *model, const char *file, struct fault *fault) {
    for (size_t i = 0; i < model_n_inputs(model); i++)
        if (model_input(model, i)->type != TENSOR_INT8)
            return fault_set(fault, -ENOTSUP,
                             "%s: input %zu is not int8; a bundle's modules are int8 models", file,
                             i);
    for (size_t i = 0; i < model_n_outputs(model); i++)
        if (model_output(model, i)->type != TENSOR_INT8)
            return fault_set(fault, -ENOTSUP,
                             "%s: output %zu is not int8; a bundle's modules are int8 models", file,
                             i);
    if (model_n_outputs(model) != 1)
        return fault_set(fault, -EBADMSG, "%s: has %zu outputs; a module has one", file,
                         model_n_outputs(model));
    return 0;
}

static int check_encoder(const struct modality *m, const char *file, struct fault *fault) {
    const struct tensor_info *const input = model_input(m->encoder, 0);
    char shape[SHAPE_BYTES];
    int32_t dims[3];

    if (model_n_inputs(m->encoder) != 1)
        return fault_set(fault, -EBADMSG, "%s: has %zu inputs; an encoder has one", file,
                         model_n_inputs(m->encoder));
    if (m->kind == MODALITY_SOUND) {
        struct sound_shape s;
        const int r = sound_shape_of(&m->sound, &s, fault);

        if (r < 0)
            return r;
        dims[0] = (int32_t) s.n_rows;
        dims[1] = (int32_t) s.n_values;
        if (!has_shape(input, dims, 2))
            return fault_set(fault, -EBADMSG,
                             "%s: its input is %s, but [modality %s] makes %" PRId32
                             " rows of %" PRId32 " values",
                             file, shape_text(input, shape), m->name, dims[0], dims[1]);
        return 0;
    }
    dims[0] = m->picture.height_px;
    dims[1] = m->picture.width_px;
    dims[2] = m->picture.colour == COLOUR_RGB ? 3 : 1;
    if (!has_shape(input, dims, 3))
        return fault_set(fault, -EBADMSG,
                         "%s: its input is %s, but [modality %s] makes pictures of %" PRId32
                         "x%" PRId32 " with %" PRId32 " channel%s",
                         file, shape_text(input, shape), m->name, dims[1], dims[0], dims[2],
                         dims[2] == 1 ? "" : "s");
    return 0;
}

static int check_head_inputs(const struct bundle *b, const char *const *files,
                             struct fault *fault) {
    const char *const file = files[b->n_modalities];
    const struct tensor_info *mask;
    char shape[SHAPE_BYTES];

    if (model_n_inputs(b->head) != b->n_modalities + 1)
        return fault_set(
            fault, -EBADMSG,
            "%s: has %zu input(s); with %zu modalities a head has %zu (embeddings, then mask)",
            file, model_n_inputs(b->head), b->n_modalities, b->n_modalities + 1);
    for (size_t i = 0; i < b->n_modalities; i++) {
        const struct tensor_info *const in = model_input(b->head, i);
        const struct tensor_info *const out = model_output(b->modalities[i].encoder, 0);

        if (in->n_items != out->n_items)
            return fault_set(fault, -EBADMSG,
                             "%s: input %zu is %s, but %s gives an embedding of %zu values", file,
                             i, shape_text(in, shape), files[i], out->n_items);
    }
    mask = model_input(b->head, b->n_modalities);
    if (mask->n_items != b->n_modalities)
        return fault_set(fault, -EBADMSG,
                         "%s: the mask (input %zu) is %s, but there are %zu modalities", file,
                         b->n_modalities, shape_text(mask, shape), b->n_modalities);
    /* 1 may saturate: with scale 1/128 it is 127. */
    if (fminf(roundf(1.0f / mask->scale) + (float) mask->zero_point, INT8_MAX) <=
        (float) mask->zero_point)
        return fault_set(fault, -EBADMSG,
                         "%s: the mask's quantisation (scale %.9g, zero point %" PRId32
                         ") cannot tell 1 from 0",
                         file, (double) mask->scale, mask->zero_point);
    return 0;
}

int bundle_check_shapes(const struct bundle *bundle, const char *const *files,
                        struct fault *fault) {
    const struct model *const last = bundle->head ? bundle->head : bundle->modalities[0].encoder;
    const char *const last_file = files[bundle->head ? bundle->n_modalities : 0];
    char shape[SHAPE_BYTES];
    int r = 0;

    for (size_t i = 0; i < bundle->n_modalities && r == 0; i++) {
        r = check_int8(bundle->modalities[i].encoder, files[i], fault);
        if (r == 0)
            r = check_encoder(&bundle->modalities[i], files[i], fault);
        if (r == 0 && model_output(bundle->modalities[i].encoder, 0)->n_items > EMBEDDING_ITEMS_MAX)
            r = fault_set(fault, -ENOTSUP, "%s: gives %zu values; at most %d are supported",
                          files[i], model_output(bundle->modalities[i].encoder, 0)->n_items,
                          EMBEDDING_ITEMS_MAX);
    }
    if (r == 0 && bundle->head)
        r = check_int8(bundle->head, last_file, fault);
    if (r == 0 && bundle->head)
        r = check_head_inputs(bundle, files, fault);
    if (r < 0)
        return r;
    if (model_output(last, 0)->n_items != bundle->n_labels)
        return fault_set(fault, -EBADMSG, "%s: its output is %s, but there are %zu labels",
                         last_file, shape_text(model_output(last, 0), shape), bundle->n_labels);
    return 0;
}

/* Fill the inputs from @bytes, run, compare the outputs. Returns false if a byte differs. */
static bool sample_passes(struct runner *runner, const struct model *model, const char *bytes) {
    for (size_t i = 0; i < model_n_inputs(model); i++) {
        memcpy(runner_input(runner, i), bytes, model_input(model, i)->n_bytes);
        bytes += model_input(model, i)->n_bytes;
    }
    runner_run(runner);
    for (size_t i = 0; i < model_n_outputs(model); i++) {
        if (memcmp(runner_output(runner, i), bytes, model_output(model, i)->n_bytes) != 0)
            return false;
        bytes += model_output(model, i)->n_bytes;
    }
    return true;
}

int bundle_check_selftest(const struct bundle_dir *dir, struct model *model, const char *name,
                          size_t *ret_n, struct fault *fault) {
    _cleanup_(runner_freep) struct runner *runner = NULL;
    _cleanup_(freep) char *bytes = NULL;
    size_t n_bytes, sample_bytes = 0;
    int r;

    r = bundle_dir_read(dir, name, &bytes, &n_bytes, fault);
    if (r < 0)
        return r;
    for (size_t i = 0; i < model_n_inputs(model); i++)
        sample_bytes += model_input(model, i)->n_bytes;
    for (size_t i = 0; i < model_n_outputs(model); i++)
        sample_bytes += model_output(model, i)->n_bytes;
    if (n_bytes == 0 || n_bytes % sample_bytes != 0)
        return fault_set(fault, -EBADMSG,
                         "%s/%s: has %zu bytes; its module takes and gives %zu a sample",
                         bundle_dir_path(dir), name, n_bytes, sample_bytes);
    r = runner_new(model, NULL, &runner);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n_bytes / sample_bytes; i++)
        if (!sample_passes(runner, model, bytes + i * sample_bytes))
            return fault_set(fault, -EBADMSG,
                             "%s/%s: sample %zu gave other outputs; this module does not compute "
                             "here (kernels %s) what it was made to",
                             bundle_dir_path(dir), name, i, model_kernels(model));
    *ret_n = n_bytes / sample_bytes;
    return 0;
}
