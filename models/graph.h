/* SPDX-License-Identifier: MIT */
/*
 * graph - the plan of a model: flat steps, constants they read, and the arena they work in.
 *
 * Steps run in groups. Most groups are one step that runs as a whole; others go through several
 * steps a strip of rows at a time, so that what passes between them is never there as a whole.
 *
 * Moments of lifetimes: 0 is before the run, when inputs are written; group i
 * runs at moment i + 1; n_groups + 1 is after the run, when outputs are read.
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

/** One step makes one strip. First, rows that are needed again move to lie just before it. */
struct strip_call {
    const struct step *step;
    struct rows rows;
    size_t out, in[STEP_ROW_INPUTS]; /* offsets into the arena, as in struct strip */
    size_t kept_from, kept_bytes;    /* these, to out - kept_bytes */
};

/** Steps [first, last) and how they run together. */
struct group {
    size_t first, last;
    int32_t strip_rows; /* of the last step's output at a time; 0: one step, whole */
    int32_t over;       /* input that dies here, over which the output may lie; -1 */
    size_t lead;        /* if it begins so many bytes before */
    size_t scratch_bytes, scratch_offset; /* of the steps, and of the rows between them */
    size_t n_calls;
    const struct strip_call *calls; /* NULL if whole */
};

struct graph {
    size_t n_tensors, n_steps, n_groups, n_buffers, n_inputs, n_outputs;
    struct graph_tensor *tensors;
    struct step *steps;
    struct group *groups;            /* in the order they run */
    struct arena_buffer *buffers;    /* first those of tensors, then the groups' scratch */
    const int32_t *inputs, *outputs; /* tensors */
    size_t arena_bytes;              /* of a runner */
    size_t peak_bytes;               /* least that any arena for these groups could take */
    size_t whole_bytes;              /* the arena if each step ran as a whole; 0: not laid out */
    uint64_t macs, n_parameters;
};

/** Do @group in @arena with what @hands there are. */
void graph_run_group(const struct graph *graph, const struct group *group, uint8_t *arena,
                     const struct hands *hands);

/**
 * Plan @file. LOOKOUT_PLAN in the environment chooses how steps are grouped (graph_groups.h).
 * @pool     owns what the graph needs; @scratch what is needed meanwhile.
 * @fault    says which operator or tensor cannot be taken and why.
 * Returns 0, -EBADMSG, -ENOTSUP, -ENOMEM.
 */
int graph_plan(const struct tflite_file *file, const struct kernels *kernels, struct pool *pool,
               struct pool *scratch, struct graph *ret, struct fault *fault);
