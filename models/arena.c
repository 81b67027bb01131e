/* SPDX-License-Identifier: MIT */
/*
 * Method: greedy by size (Y. Pisarchyk, J. Lee, Efficient Memory Management for Deep Neural Net
 * Inference, 2020, section 5.2): largest first, each at the lowest offset that is free while it
 * lives. If that misses the lower bound, a few more rounds follow in which the buffer that reached
 * highest goes first.
 */
#include "models/arena.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "common/cleanup.h"

enum {
    ROUNDS_MAX = 32,
    MANY_BUFFERS = 512 /* past this one round must do: rounds are quadratic */
};

static size_t rounded(size_t n_bytes) {
    return (n_bytes + ARENA_ALIGN_BYTES - 1) / ARENA_ALIGN_BYTES * ARENA_ALIGN_BYTES;
}

static bool meet(const struct arena_buffer *a, const struct arena_buffer *b) {
    return a->first <= b->last && b->first <= a->last;
}

size_t arena_peak(const struct arena_buffer *buffers, size_t n) {
    size_t peak = 0;

    for (size_t i = 0; i < n; i++) { /* a peak is reached when some buffer begins */
        size_t live = 0;

        for (size_t j = 0; j < n; j++)
            if (buffers[j].first <= buffers[i].first && buffers[j].last >= buffers[i].first)
                live += rounded(buffers[j].n_bytes);
        peak = live > peak ? live : peak;
    }
    return peak;
}

static int larger_first(const void *a, const void *b) {
    const struct arena_buffer *x = *(struct arena_buffer *const *) a;
    const struct arena_buffer *y = *(struct arena_buffer *const *) b;

    if (x->n_bytes != y->n_bytes)
        return x->n_bytes > y->n_bytes ? -1 : 1;
    return x < y ? -1 : x > y; /* in the order of the graph, so that plans do not change */
}

/*
 * The lowest offset for @buffer beside those of @placed [n] (sorted by offset) that it meets.
 */
static size_t lowest_free(struct arena_buffer *const *placed, size_t n,
                          const struct arena_buffer *buffer) {
    size_t offset = 0;

    for (size_t i = 0; i < n; i++) {
        if (!meet(placed[i], buffer))
            continue;
        if (placed[i]->offset >= offset + rounded(buffer->n_bytes))
            break; /* fits in the gap before this one */
        if (placed[i]->offset + rounded(placed[i]->n_bytes) > offset)
            offset = placed[i]->offset + rounded(placed[i]->n_bytes);
    }
    return offset;
}

static void insert_by_offset(struct arena_buffer **placed, size_t n, struct arena_buffer *buffer) {
    while (n > 0 && placed[n - 1]->offset > buffer->offset) {
        placed[n] = placed[n - 1];
        n--;
    }
    placed[n] = buffer;
}

/* Place in the order given; returns the arena's size and who reaches highest. */
static size_t place_in_order(struct arena_buffer **order, size_t n, struct arena_buffer **placed,
                             size_t *ret_highest) {
    size_t top = 0;

    *ret_highest = 0;
    for (size_t i = 0; i < n; i++) {
        order[i]->offset = lowest_free(placed, i, order[i]);
        insert_by_offset(placed, i, order[i]);
        if (order[i]->offset + rounded(order[i]->n_bytes) > top) {
            top = order[i]->offset + rounded(order[i]->n_bytes);
            *ret_highest = i;
        }
    }
    return top;
}

static void move_to_front(struct arena_buffer **order, size_t i) {
    struct arena_buffer *buffer = order[i];

    for (; i > 0; i--)
        order[i] = order[i - 1];
    order[0] = buffer;
}

int arena_place(struct arena_buffer *buffers, size_t n, size_t *ret_bytes) {
    _cleanup_(freep) struct arena_buffer **order = calloc(n + 1, sizeof(struct arena_buffer *));
    _cleanup_(freep) struct arena_buffer **placed = calloc(n + 1, sizeof(struct arena_buffer *));
    _cleanup_(freep) size_t *offsets = calloc(n + 1, sizeof(*offsets));
    const size_t bound = n <= MANY_BUFFERS ? arena_peak(buffers, n) : 0;
    size_t best = SIZE_MAX;

    if (!order || !placed || !offsets)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        order[i] = &buffers[i];
    qsort(order, n, sizeof(struct arena_buffer *), larger_first);

    for (int round = 0; round < ROUNDS_MAX && best > bound; round++) {
        size_t highest;
        const size_t bytes = place_in_order(order, n, placed, &highest);

        if (bytes < best) {
            best = bytes;
            for (size_t i = 0; i < n; i++)
                offsets[i] = buffers[i].offset;
        }
        if (n > 0)
            move_to_front(order, highest);
        if (n > MANY_BUFFERS)
            break;
    }
    for (size_t i = 0; i < n; i++)
        buffers[i].offset = offsets[i];
    *ret_bytes = best;
    return 0;
}
