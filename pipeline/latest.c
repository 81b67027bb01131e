/* SPDX-License-Identifier: MIT */
/*
 * Method: three buffers of which each side owns one and the third waits in the
 * middle; handing over is one atomic exchange of buffer numbers (the "triple
 * buffer" of graphics drivers; H. Simpson, Four-slot fully asynchronous
 * communication mechanism, IEE Proc. 137E(1), 1990, is the same without exchange).
 */
#include "pipeline/latest.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/checked.h"

enum {
    CACHE_LINE_BYTES = 64,
    BUFFERS = 3,
    BUFFER_MASK = 3, /* the low bits of `middle` are a buffer's number */
    FRESH = 4,       /* set in `middle`: not taken by the reader yet */
};

struct latest {
    size_t buffer_bytes;                          /* value_bytes, rounded up to cache lines */
    uint8_t *buffers;                             /* [BUFFERS, buffer_bytes] */
    alignas(CACHE_LINE_BYTES) atomic_uint middle; /* exchanged by both sides */
    alignas(CACHE_LINE_BYTES) unsigned writers;   /* the writer's buffer; the writer alone */
    atomic_uint_least64_t overwritten;            /* stored by the writer */
    alignas(CACHE_LINE_BYTES) unsigned readers;   /* the reader's buffer; the reader alone */
};

int latest_new(size_t value_bytes, struct latest **ret) {
    _cleanup_(latest_freep) struct latest *l = NULL;
    size_t padded, n_bytes;

    assert(ret);

    if (value_bytes == 0 || checked_add(value_bytes, CACHE_LINE_BYTES - 1, &padded) < 0)
        return -EINVAL;
    padded = padded / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
    if (checked_mul(padded, BUFFERS, &n_bytes) < 0)
        return -EINVAL;

    l = aligned_alloc(CACHE_LINE_BYTES, sizeof(*l));
    if (!l)
        return -ENOMEM;
    *l = (struct latest){ .buffer_bytes = padded, .writers = 0, .middle = 1, .readers = 2 };

    l->buffers = aligned_alloc(CACHE_LINE_BYTES, n_bytes);
    if (!l->buffers)
        return -ENOMEM;

    *ret = l;
    l = NULL; /* now the caller's */
    return 0;
}

struct latest *latest_free(struct latest *l) {
    if (!l)
        return NULL;
    free(l->buffers);
    free(l);
    return NULL;
}

static uint8_t *buffer(struct latest *l, unsigned number) {
    return l->buffers + (size_t) number * l->buffer_bytes;
}

void *latest_write_begin(struct latest *l) {
    return buffer(l, l->writers);
}

void latest_write_end(struct latest *l) {
    /* Release: our bytes are there for latest_take(). Acquire: it has done with the buffer we get.
     */
    const unsigned middle =
        atomic_exchange_explicit(&l->middle, l->writers | FRESH, memory_order_acq_rel);

    if (middle & FRESH)
        atomic_fetch_add_explicit(&l->overwritten, 1, memory_order_relaxed);
    l->writers = middle & BUFFER_MASK;
}

const void *latest_take(struct latest *l) {
    unsigned middle = atomic_load_explicit(&l->middle, memory_order_relaxed);

    if (!(middle & FRESH))
        return NULL; /* only we clear FRESH, so it cannot be missed for long */

    /* Acquire: pairs with the writer's release in latest_write_end(). Release: we gave our buffer
     * back. */
    middle = atomic_exchange_explicit(&l->middle, l->readers, memory_order_acq_rel);
    l->readers = middle & BUFFER_MASK;
    return buffer(l, l->readers);
}

uint64_t latest_overwritten(const struct latest *l) {
    return atomic_load_explicit(&l->overwritten, memory_order_relaxed);
}
