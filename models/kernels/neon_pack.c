/* SPDX-License-Identifier: MIT */
/* Packs weights for matrix products with NEON, and finds out how many of their products fit. */
#include <stdlib.h>

#include "models/kernels/neon_gemm.h"

enum { FIT_MOST = 255 }; /* sum of weights, which times 128 fits into int16 */

/* Begins the packed weights. */
struct header {
    uint32_t most; /* the largest sum of a column's weights without their signs */
};

/* The first column of the block that column @c is in. */
static size_t block_of(size_t cols, size_t c) {
    const size_t first = c / BLOCK * BLOCK, eight = 2 * LANES;

    return neon_block_vectors(cols - first) == 2 && c - first >= eight ? first + eight : first;
}

/* Where the block lies that begins with column @first. */
static size_t block_at(const struct shape *shape, size_t first) {
    return HEADER_BYTES + parts(first, BLOCK) * BLOCK + neon_vectors_bytes(first / LANES, shape);
}

size_t neon_weight_at(const struct shape *shape, size_t c, size_t k, size_t d) {
    const size_t first = block_of(shape->cols, c),
                 vectors = neon_block_vectors(shape->cols - first);
    const size_t four = k * neon_fours(shape->run, shape->int4) + d / FOUR;
    const size_t vector = (shape->int4 ? four / 2 : four) * vectors + (c - first) / LANES;

    return block_at(shape, first) + BLOCK + vector * BLOCK + d % FOUR / PAIR * (BLOCK / 2) +
           c % LANES * PAIR + d % PAIR;
}

size_t neon_packed_bytes(size_t cols, size_t n_runs, size_t run, bool int4) {
    const struct shape shape = { cols, n_runs, run, int4 };
    const size_t last = block_of(cols, cols - 1);

    return block_at(&shape, last) + BLOCK +
           neon_vectors_bytes(neon_block_vectors(cols - last), &shape);
}

/* How the products of a run fit. */
static enum fit fit_of(const int8_t *weight, size_t run) {
    enum fit fit = FIT_FOUR;
    int32_t sums[PAIR] = { 0 }; /* of what comes together in a lane */

    for (size_t d = 0; d < run; d++) {
        sums[d % PAIR] = (d % EIGHT < PAIR ? 0 : sums[d % PAIR]) + abs(weight[d]);
        if (d % FOUR >= PAIR && weight[d] == INT8_MIN && weight[d - PAIR] == INT8_MIN)
            return FIT_ONE;
        if (sums[d % PAIR] > FIT_MOST)
            fit = FIT_TWO;
    }
    return fit;
}

static void pack_run(uint8_t *out, const int8_t *weight, const struct shape *shape, size_t c,
                     size_t k) {
    for (size_t d = 0; d < shape->run; d++) {
        const size_t at = neon_weight_at(shape, c, k, d);
        const uint8_t w = (uint8_t) weight[d];

        out[at] = shape->int4 ? (uint8_t) (out[at] | (w & 15) << (d / FOUR % 2 * 4)) : w;
    }
}

void neon_pack(void *packed, const int8_t *weight, size_t cols, size_t n_runs, size_t run,
               bool int4) {
    const struct shape shape = { cols, n_runs, run, int4 };
    struct header header = { 0 };

    for (size_t c = 0; c < cols; c++) {
        uint8_t *at = (uint8_t *) packed + block_at(&shape, block_of(cols, c));
        struct block block;
        uint32_t sum = 0;

        (void) memcpy(&block, at, sizeof(block));
        for (size_t k = 0; k < n_runs; k++, weight += run) {
            const enum fit fit = fit_of(weight, run);

            block.fit = fit > block.fit ? fit : block.fit;
            for (size_t d = 0; d < run; d++)
                sum += (uint32_t) abs(weight[d]);
            pack_run(packed, weight, &shape, c, k);
        }
        (void) memcpy(at, &block, sizeof(block));
        header.most = sum > header.most ? sum : header.most;
    }
    (void) memcpy(packed, &header, sizeof(header));
}

size_t neon_reach(const void *packed) {
    struct header header;

    (void) memcpy(&header, packed, sizeof(header));
    return (size_t) header.most << 7; /* inputs go to -128 */
}
