/* SPDX-License-Identifier: MIT */
/*
 * pool - memory that is made piece by piece and released all at once.
 *
 * A model is built from many small arrays that live exactly as long as it
 * does; a pool owns them, so that no path through the planner can leak one.
 * For one thread at a time.
 */
#pragma once

#include <stddef.h>

#include "common/cleanup.h"

enum { POOL_ALIGN_BYTES = 64 };

struct pool;

/** Make an empty pool. NULL if memory is short. */
struct pool *pool_new(void);

/** Free @pool and everything that was made in it. NULL is allowed. Returns NULL. */
struct pool *pool_free(struct pool *pool);
DEFINE_CLEANUP(struct pool *, pool_free)

/**
 * @n_items x @item_bytes of zeros, aligned to POOL_ALIGN_BYTES, valid until pool_free().
 * Never NULL for 0 items. NULL if memory is short or the size wraps.
 */
void *pool_zeros(struct pool *pool, size_t n_items, size_t item_bytes);

/** Bytes handed out so far. */
size_t pool_bytes(const struct pool *pool);
