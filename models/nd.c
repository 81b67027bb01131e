/* SPDX-License-Identifier: MIT */
/* An odometer whose last wheel is the caller's. */
#include "models/nd.h"

#include <string.h>

void nd_row_major(int rank, const int32_t *dims, int64_t *strides) {
    int64_t stride = 1;

    for (int i = rank - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= dims[i];
    }
}

/* Can dimension @i of @nd be joined to the one after it, @next of the same walk? */
static bool joins(const struct nd *nd, int i, int next) {
    for (int a = 0; a < ND_ARRAYS; a++)
        if (nd->strides[a][i] != nd->strides[a][next] * nd->dims[next])
            return false;
    return true;
}

static void move_dimension(struct nd *nd, int to, int from) {
    nd->dims[to] = nd->dims[from];
    for (int a = 0; a < ND_ARRAYS; a++)
        nd->strides[a][to] = nd->strides[a][from];
}

void nd_collapse(struct nd *nd) {
    int n = 0;

    for (int i = 0; i < nd->rank; i++) {
        if (nd->dims[i] == 1)
            continue;
        if (n > 0 && joins(nd, n - 1, i)) {
            const int32_t joined = nd->dims[n - 1] * nd->dims[i]; /* all are below 2^31 items */

            move_dimension(nd, n - 1, i);
            nd->dims[n - 1] = joined;
        } else {
            move_dimension(nd, n++, i);
        }
    }
    if (n == 0) {
        nd->dims[0] = 1;
        for (int a = 0; a < ND_ARRAYS; a++)
            nd->strides[a][0] = 1;
        n = 1;
    }
    nd->rank = n;
}

bool nd_next(const struct nd *nd, struct nd_place *place) {
    for (int i = nd->rank - 2; i >= 0; i--) {
        for (int a = 0; a < ND_ARRAYS; a++)
            place->offsets[a] += nd->strides[a][i];
        if (++place->index[i] < nd->dims[i])
            return true;
        place->index[i] = 0;
        for (int a = 0; a < ND_ARRAYS; a++)
            place->offsets[a] -= nd->strides[a][i] * nd->dims[i];
    }
    return false;
}

void nd_copy_row(uint8_t *out, int64_t out_step, const uint8_t *in, int64_t in_step, int32_t n,
                 size_t item_bytes) {
    if (out_step == 1 && in_step == 1) {
        (void) memcpy(out, in, (size_t) n * item_bytes);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *from = in + i * in_step * (int64_t) item_bytes;
        uint8_t *to = out + i * out_step * (int64_t) item_bytes;

        if (item_bytes == 1)
            *to = *from;
        else
            (void) memcpy(to, from, sizeof(float));
    }
}
