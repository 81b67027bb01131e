/* SPDX-License-Identifier: MIT */
/* Read, verify, plan, pack; then the file's bytes are let go. */
#include "models/model.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "models/model_graph.h"

static_assert(SHA256_HEX_BYTES == 2 * crypto_hash_sha256_BYTES + 1, "two digits a byte and a NUL");

struct model {
    atomic_uint n_owners; /* any thread; the one that takes it to 0 frees, having acquired */
    struct pool *pool;
    struct graph graph;
    const struct kernels *kernels;
    char sha256[SHA256_HEX_BYTES];
};

static struct model *model_free(struct model *model) {
    if (model)
        (void) pool_free(model->pool);
    free(model);
    return NULL;
}
DEFINE_CLEANUP(struct model *, model_free)

static void hash(const void *bytes, size_t n_bytes, char ret[SHA256_HEX_BYTES]) {
    unsigned char sum[crypto_hash_sha256_BYTES];

    (void) crypto_hash_sha256(sum, bytes, n_bytes); /* cannot fail */
    (void) sodium_bin2hex(ret, SHA256_HEX_BYTES, sum, sizeof(sum));
}

int model_open_memory(const char *name, const void *bytes, size_t n_bytes, const char *kernels,
                      struct model **ret, struct fault *fault) {
    _cleanup_(model_freep) struct model *model = calloc(1, sizeof(*model));
    _cleanup_(pool_freep) struct pool *scratch = pool_new();
    struct tflite_file file;
    int r;

    if (!model || !scratch)
        return fault_set(fault, -ENOMEM, "%s: out of memory", name);
    atomic_init(&model->n_owners, 1);
    model->pool = pool_new();
    if (!model->pool)
        return fault_set(fault, -ENOMEM, "%s: out of memory", name);

    r = kernels_choose(kernels, &model->kernels, fault);
    if (r < 0)
        return r;
    r = tflite_file_read(name, bytes, n_bytes, scratch, &file, fault);
    if (r < 0)
        return r;
    r = graph_plan(&file, model->kernels, model->pool, scratch, &model->graph, fault);
    if (r < 0)
        return r;
    hash(bytes, n_bytes, model->sha256);
    *ret = model;
    model = NULL;
    return 0;
}

/* The whole file into memory that the caller frees. */
static int read_all(int fd, const char *path, uint8_t **ret, size_t *ret_n, struct fault *fault) {
    _cleanup_(freep) uint8_t *bytes = NULL;
    struct stat status;
    size_t n = 0, size;

    if (fstat(fd, &status) < 0)
        return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return fault_set(fault, -EBADMSG, "%s: is not a file", path);
    if (status.st_size >= INT32_MAX)
        return fault_set(fault, -EFBIG, "%s: 2 GiB and more are not supported", path);

    size = (size_t) status.st_size;
    bytes = malloc(size + 1);
    if (!bytes)
        return fault_set(fault, -ENOMEM, "%s: out of memory", path);
    while (n < size) {
        const ssize_t got = read(fd, bytes + n, size - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
        if (got == 0)
            break; /* it has become shorter; what is there is verified */
        n += (size_t) got;
    }
    *ret = bytes;
    bytes = NULL;
    *ret_n = n;
    return 0;
}

int model_open(const char *path, const char *kernels, struct model **ret, struct fault *fault) {
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    _cleanup_(freep) uint8_t *bytes = NULL;
    size_t n_bytes = 0;
    int r;

    if (fd < 0)
        return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
    r = read_all(fd, path, &bytes, &n_bytes, fault);
    if (r < 0)
        return r;
    return model_open_memory(path, bytes, n_bytes, kernels, ret, fault);
}

struct model *model_ref(struct model *model) {
    (void) atomic_fetch_add_explicit(&model->n_owners, 1, memory_order_relaxed);
    return model;
}

struct model *model_unref(struct model *model) {
    if (model && atomic_fetch_sub_explicit(&model->n_owners, 1, memory_order_acq_rel) == 1)
        (void) model_free(model);
    return NULL;
}

const char *model_sha256(const struct model *model) {
    return model->sha256;
}

const char *model_kernels(const struct model *model) {
    return model->kernels->name;
}

const struct graph *model_graph(const struct model *model) {
    return &model->graph;
}

size_t model_n_inputs(const struct model *model) {
    return model->graph.n_inputs;
}

size_t model_n_outputs(const struct model *model) {
    return model->graph.n_outputs;
}

const struct tensor_info *model_input(const struct model *model, size_t i) {
    const struct graph *graph = &model->graph;

    return i < graph->n_inputs ? &graph->tensors[graph->inputs[i]].info : NULL;
}

const struct tensor_info *model_output(const struct model *model, size_t i) {
    const struct graph *graph = &model->graph;

    return i < graph->n_outputs ? &graph->tensors[graph->outputs[i]].info : NULL;
}

size_t model_arena_bytes(const struct model *model) {
    return model->graph.arena_bytes;
}

size_t model_peak_bytes(const struct model *model) {
    return model->graph.peak_bytes;
}

uint64_t model_macs(const struct model *model) {
    return model->graph.macs;
}

uint64_t model_n_parameters(const struct model *model) {
    return model->graph.n_parameters;
}
