/* SPDX-License-Identifier: MIT */
/*
 * nd - walks over arrays of up to eight dimensions, several at once.
 *
 * A walk has dimensions and for each array a stride (in items, may be 0 or negative) along each.
 * The innermost dimension is the caller's loop; nd_next() steps the others.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "models/model.h"

enum { ND_ARRAYS = 2 };

struct nd {
    int rank; /* 1.. after nd_collapse() */
    int32_t dims[TENSOR_RANK_MAX];
    int64_t strides[ND_ARRAYS][TENSOR_RANK_MAX];
};

/** Where a walk is. Starts as zeros. */
struct nd_place {
    int32_t index[TENSOR_RANK_MAX];
    int64_t offsets[ND_ARRAYS]; /* of the innermost dimension's first item */
};

/** Strides of a row-major array of @dims into @strides. */
void nd_row_major(int rank, const int32_t *dims, int64_t *strides);

/** Join neighbouring dimensions that are one run in all arrays; drop those of 1; at least one
 * stays. */
void nd_collapse(struct nd *nd);

/** On to the next innermost row. False after the last. */
bool nd_next(const struct nd *nd, struct nd_place *place);

/** Copy @n items of @item_bytes (1 or 4); steps are in items and may be negative. */
void nd_copy_row(uint8_t *out, int64_t out_step, const uint8_t *in, int64_t in_step, int32_t n,
                 size_t item_bytes);
