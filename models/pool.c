/* SPDX-License-Identifier: MIT */
/* A singly linked list of blocks, each with one header line in front of what was asked for. */
#include "models/pool.h"

#include <stdlib.h>
#include <string.h>

#include "common/checked.h"

struct block {
    struct block *next;
};

struct pool {
    struct block *blocks;
    size_t n_bytes;
};

struct pool *pool_new(void) {
    return calloc(1, sizeof(struct pool));
}

struct pool *pool_free(struct pool *pool) {
    if (!pool)
        return NULL;
    while (pool->blocks) {
        struct block *next = pool->blocks->next;

        free(pool->blocks);
        pool->blocks = next;
    }
    free(pool);
    return NULL;
}

void *pool_zeros(struct pool *pool, size_t n_items, size_t item_bytes) {
    size_t n_bytes, rounded;
    struct block *block;

    if (checked_mul(n_items, item_bytes, &n_bytes) < 0 ||
        checked_add(n_bytes, 2 * POOL_ALIGN_BYTES - 1, &rounded) < 0)
        return NULL;
    rounded -= rounded % POOL_ALIGN_BYTES; /* a header line and @n_bytes rounded up */

    block = aligned_alloc(POOL_ALIGN_BYTES, rounded);
    if (!block)
        return NULL;
    (void) memset(block, 0, rounded);
    block->next = pool->blocks;
    pool->blocks = block;
    pool->n_bytes += n_bytes;
    return (char *) block + POOL_ALIGN_BYTES;
}

size_t pool_bytes(const struct pool *pool) {
    return pool->n_bytes;
}
