/* SPDX-License-Identifier: MIT */
/*
 * graph - the plan of a model: flat steps, constants they read, and the arena they work in.
 *
 * Moments of lifetimes: 0 is before the run, when inputs are written; step i
 * runs at moment i + 1; n_steps + 1 is after the run, when outputs are read.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "models/arena.h"
#include "models/ops.h"

enum { GRAPH_NO_BUFFER = -1 };

/** No runner takes more than this; no run touches more elements than this. */
#define GRAPH_ARENA_BYTES_MAX ((size_t) 1 << 28)  /* 256 MiB */
#define GRAPH_MODEL_BYTES_MAX ((size_t) 1 << 30)  /* of what one open model keeps */
#define GRAPH_WORK_MAX        (UINT64_C(1) << 36) /* some minutes */

struct graph_tensor {
    struct tensor_info info; /* type only where has_info */
    int type;                /* enum tflite_type */
    const uint8_t *constant; /* not NULL: it lies here */
    int32_t buffer;          /* else: in this one; GRAPH_NO_BUFFER: nothing reads or writes it */
};

struct graph {
    size_t n_tensors, n_steps, n_buffers, n_inputs, n_outputs;
    struct graph_tensor *tensors;
    struct step *steps;
    struct arena_buffer *buffers;    /* first those of tensors, then the steps' scratch */
    const int32_t *inputs, *outputs; /* tensors */
    size_t arena_bytes;              /* of a runner */
    size_t peak_bytes;               /* least that any arena could take */
    uint64_t macs, n_parameters;
};

/**
 * Plan @file.
 * @pool     owns what the graph needs; @scratch what is needed meanwhile.
 * @fault    says which operator or tensor cannot be taken and why.
 * Returns 0, -EBADMSG, -ENOTSUP, -ENOMEM.
 */
int graph_plan(const struct tflite_file *file, const struct kernels *kernels, struct pool *pool,
               struct pool *scratch, struct graph *ret, struct fault *fault);
