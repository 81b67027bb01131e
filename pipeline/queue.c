/* SPDX-License-Identifier: MIT */
/*
 * Method: bounded single-producer single-consumer ring with two ever-growing
 * counters (L. Lamport, Specifying Concurrent Program Modules, ACM TOPLAS 5(2),
 * 1983). Each counter has one writer, so a release store and
 * an acquire load order the copied bytes; no lock and no compare-and-swap.
 * Counters wrap with size_t; their difference stays right.
 */
#include "pipeline/queue.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/checked.h"

enum { CACHE_LINE_BYTES = 64 }; /* Cortex-A53, A72 and A76 */

struct queue {
    size_t item_bytes;
    size_t mask; /* capacity - 1 */
    uint8_t *items;
    alignas(CACHE_LINE_BYTES) atomic_size_t pushed; /* stored by the writer */
    atomic_uint_least64_t refused;                  /* stored by the writer */
    alignas(CACHE_LINE_BYTES) atomic_size_t popped; /* stored by the reader */
};

/* aligned_alloc() wants a multiple of the alignment. */
static int lines_of(size_t n_bytes, size_t *ret) {
    size_t padded;

    if (checked_add(n_bytes, CACHE_LINE_BYTES - 1, &padded) < 0)
        return -EOVERFLOW;
    *ret = padded / CACHE_LINE_BYTES * CACHE_LINE_BYTES;
    return 0;
}

int queue_new(size_t item_bytes, size_t capacity, struct queue **ret) {
    _cleanup_(queue_freep) struct queue *q = NULL;
    size_t n_bytes;

    assert(ret);

    if (item_bytes == 0 || capacity == 0 || (capacity & (capacity - 1)) != 0)
        return -EINVAL;
    if (checked_mul(item_bytes, capacity, &n_bytes) < 0 || lines_of(n_bytes, &n_bytes) < 0)
        return -EINVAL;

    q = aligned_alloc(CACHE_LINE_BYTES, sizeof(*q));
    if (!q)
        return -ENOMEM;
    *q = (struct queue){ .item_bytes = item_bytes, .mask = capacity - 1 };

    q->items = aligned_alloc(CACHE_LINE_BYTES, n_bytes);
    if (!q->items)
        return -ENOMEM;

    *ret = q;
    q = NULL; /* now the caller's */
    return 0;
}

struct queue *queue_free(struct queue *q) {
    if (!q)
        return NULL;
    free(q->items);
    free(q);
    return NULL;
}

static uint8_t *slot(struct queue *q, size_t count) {
    return q->items + (count & q->mask) * q->item_bytes;
}

void *queue_push_begin(struct queue *q) {
    const size_t pushed = atomic_load_explicit(&q->pushed, memory_order_relaxed);
    /* Acquire: the reader's release in queue_pop_end() says it has read the slot. */
    const size_t popped = atomic_load_explicit(&q->popped, memory_order_acquire);

    if (pushed - popped > q->mask) {
        atomic_fetch_add_explicit(&q->refused, 1, memory_order_relaxed);
        return NULL;
    }
    return slot(q, pushed);
}

void queue_push_end(struct queue *q) {
    const size_t pushed = atomic_load_explicit(&q->pushed, memory_order_relaxed);

    /* Release: the item's bytes are there for the acquire in queue_pop_begin(). */
    atomic_store_explicit(&q->pushed, pushed + 1, memory_order_release);
}

int queue_push(struct queue *q, const void *item) {
    void *const room = queue_push_begin(q);

    if (!room)
        return -ENOBUFS;
    memcpy(room, item, q->item_bytes);
    queue_push_end(q);
    return 0;
}

const void *queue_pop_begin(struct queue *q) {
    const size_t popped = atomic_load_explicit(&q->popped, memory_order_relaxed);
    /* Acquire: pairs with the writer's release in queue_push_end(). */
    const size_t pushed = atomic_load_explicit(&q->pushed, memory_order_acquire);

    return pushed == popped ? NULL : slot(q, popped);
}

void queue_pop_end(struct queue *q) {
    const size_t popped = atomic_load_explicit(&q->popped, memory_order_relaxed);

    /* Release: we are done with the slot; pairs with the acquire in queue_push_begin(). */
    atomic_store_explicit(&q->popped, popped + 1, memory_order_release);
}

int queue_pop(struct queue *q, void *item) {
    const void *const oldest = queue_pop_begin(q);

    if (!oldest)
        return 0;
    memcpy(item, oldest, q->item_bytes);
    queue_pop_end(q);
    return 1;
}

uint64_t queue_refused(const struct queue *q) {
    return atomic_load_explicit(&q->refused, memory_order_relaxed);
}
