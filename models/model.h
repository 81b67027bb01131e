/* SPDX-License-Identifier: MIT */
/*
 * model - one `.tflite` file, checked, planned and packed for the kernel row in use.
 *
 * Immutable once open, so any number of runners in any threads share it.
 * The file's bytes are copied (or owned) by the model; nothing refers to the
 * caller's memory afterwards.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"

struct model;

enum { TENSOR_RANK_MAX = 8, SHA256_HEX_BYTES = 65 };

enum tensor_type {
    TENSOR_FLOAT32,
    TENSOR_INT8,
};

/** A model's input or output as the caller sees it. */
struct tensor_info {
    const char *name; /* "" if the file has none; valid as long as the model */
    enum tensor_type type;
    int rank;
    int32_t dims[TENSOR_RANK_MAX];
    size_t n_items;     /* product of dims */
    size_t n_bytes;     /* n_items x size of type */
    float scale;        /* int8: real = scale x (q - zero_point); float32: 1 */
    int32_t zero_point; /* int8: -128..127; float32: 0 */
};

/**
 * Open the file at @path: verify, plan the arena, pack weights.
 * @kernels  name of the kernel row ("c", "avx2", "avx512vnni", "neon", "dotprod"), or NULL
 *           for LOOKOUT_KERNELS from the environment, else the fastest here.
 * @ret      the model, owned by the caller (release with model_unref()).
 * @fault    on error: what is wrong with which tensor or operator.
 * Returns 0, -errno of open(2)/read(2), -EBADMSG (damaged), -ENOTSUP (an
 * operator, type or kernel row we do not have), -EFBIG (2 GiB and more), -ENOMEM.
 * Any thread.
 */
int model_open(const char *path, const char *kernels, struct model **ret, struct fault *fault);

/** The same for @n_bytes in memory, which are copied. @name stands for the file in @fault. */
int model_open_memory(const char *name, const void *bytes, size_t n_bytes, const char *kernels,
                      struct model **ret, struct fault *fault);

/** One more owner. Returns @model. Any thread. */
struct model *model_ref(struct model *model);

/** One owner less; the last frees. NULL is allowed. Returns NULL. Any thread. */
struct model *model_unref(struct model *model);
DEFINE_CLEANUP(struct model *, model_unref)

/** SHA-256 of the file's bytes in lower-case hex: what the module is known by. */
const char *model_sha256(const struct model *model);

/** Name of the kernel row this model was packed for. */
const char *model_kernels(const struct model *model);

size_t model_n_inputs(const struct model *model);
size_t model_n_outputs(const struct model *model);

/** Input or output @i in the order of the file; NULL if there is none. */
const struct tensor_info *model_input(const struct model *model, size_t i);
const struct tensor_info *model_output(const struct model *model, size_t i);

/** Bytes of one runner's arena (activations and scratch; inputs too, outputs too). */
size_t model_arena_bytes(const struct model *model);

/** Least that any arena for this plan could take: the peak of what is live at once. */
size_t model_peak_bytes(const struct model *model);

/** Multiply-adds of one run. */
uint64_t model_macs(const struct model *model);

/** Number of weights and biases. */
uint64_t model_n_parameters(const struct model *model);
