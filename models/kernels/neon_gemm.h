/* SPDX-License-Identifier: MIT */
/*
 * neon_gemm - how the weights of matrix products with NEON lie in memory.
 *
 * A header, then blocks, each with a header of its own, of 16 bytes all. Weights lie in fours along
 * the depth of each run, a vector for 4 columns, the vectors of a block side by side: of 16
 * columns, at the end of 8 or 4. int4: an even number of fours, two a vector.
 */
#pragma once

#include "models/kernels/neon.h"

enum {
    TILE_VECTORS = 4,
    PAIR = 2,             /* of depth, side by side in a vector */
    FOUR = 4,             /* of depth, that a vector of weights is for */
    EIGHT = 8,            /* of depth, that LD4R loads */
    HEADER_BYTES = BLOCK, /* as each block has, too */
};

/** Weights [cols, n_runs, run]. */
struct shape {
    size_t cols, n_runs, run;
    bool int4;
};

/** How many products are added as int16. */
enum fit { FIT_FOUR, FIT_TWO, FIT_ONE };

/** Begins the weights of a block. */
struct block {
    uint32_t fit;
};

/** How many fours of a run are multiplied. */
INLINE size_t neon_fours(size_t run, bool int4) {
    return int4 ? parts(run, EIGHT) * 2 : parts(run, FOUR);
}

/** Vectors of the next block, of @cols columns that are left. */
INLINE size_t neon_block_vectors(size_t cols) {
    return cols > 3 * LANES ? TILE_VECTORS : cols > LANES ? 2 : 1;
}

/** Weights of @vectors x 4 columns. */
INLINE size_t neon_vectors_bytes(size_t vectors, const struct shape *shape) {
    return vectors * shape->n_runs * neon_fours(shape->run, shape->int4) *
           (shape->int4 ? BLOCK / 2 : BLOCK);
}

/** Where weight @d of run @k of column @c is; for int4 the byte that it shares. */
size_t neon_weight_at(const struct shape *shape, size_t c, size_t k, size_t d);
