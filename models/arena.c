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

static bool lives_at(const struct arena_buffer *buffer, int32_t moment) {
    return buffer->first <= moment && moment <= buffer->last;
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

/* Bytes that @buffer can share with the one it may lie over. */
static size_t shared(const struct arena_buffer *buffer) {
    const size_t lead = rounded(buffer->lead), n_bytes = rounded(buffer->n_bytes);

    return n_bytes > lead ? least(n_bytes - lead, rounded(buffer->over->n_bytes)) : 0;
}

size_t arena_live(const struct arena_buffer *buffers, size_t n, int32_t moment) {
    size_t live = 0;

    for (size_t i = 0; i < n; i++)
        if (lives_at(&buffers[i], moment)) {
            live += rounded(buffers[i].n_bytes);
            if (buffers[i].over && lives_at(buffers[i].over, moment))
                live -= shared(&buffers[i]);
        }
    return live;
}

size_t arena_peak(const struct arena_buffer *buffers, size_t n) {
    size_t peak = 0;

    for (size_t i = 0; i < n; i++) /* a peak is reached when some buffer begins */
        peak = larger(peak, arena_live(buffers, n, buffers[i].first));
    return peak;
}

/* Where a buffer stands when they are placed. */
struct rank {
    struct arena_buffer *buffer;
    size_t n_bytes; /* the most of it and those it lies over */
    size_t depth;   /* how many that is */
};

static int larger_first(const void *a, const void *b) {
    const struct rank *x = a, *y = b;

    if (x->n_bytes != y->n_bytes)
        return x->n_bytes > y->n_bytes ? -1 : 1;
    if (x->depth != y->depth) /* who lies over another comes before it, to get the lower offset */
        return x->depth > y->depth ? -1 : 1;
    return x->buffer < y->buffer ? -1 : x->buffer > y->buffer; /* so that plans do not change */
}

/* At which distance before @other @buffer may begin. */
static size_t distance_before(const struct arena_buffer *buffer, const struct arena_buffer *other) {
    const size_t n_bytes = rounded(buffer->n_bytes);

    return buffer->over == other ? least(rounded(buffer->lead), n_bytes) : n_bytes;
}

/*
 * The lowest offset for @buffer beside those of @placed [n] (sorted by offset) that it meets.
 * One that shares may have to be passed again after another.
 */
static size_t lowest_free(struct arena_buffer *const *placed, size_t n,
                          const struct arena_buffer *buffer) {
    size_t offset = 0;
    bool moved;

    do {
        moved = false;
        for (size_t i = 0; i < n; i++)
            if (meet(placed[i], buffer) &&
                placed[i]->offset < offset + distance_before(buffer, placed[i]) &&
                offset < placed[i]->offset + distance_before(placed[i], buffer)) {
                offset = placed[i]->offset + distance_before(placed[i], buffer);
                moved = true;
            }
    } while (moved);
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

static int sort_buffers(struct arena_buffer *buffers, size_t n, struct arena_buffer **ret) {
    _cleanup_(freep) struct rank *ranks = calloc(n + 1, sizeof(*ranks));

    if (!ranks)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        ranks[i] = (struct rank){ .buffer = &buffers[i], .n_bytes = buffers[i].n_bytes };
        if (buffers[i].over) {
            const struct rank *over = &ranks[buffers[i].over - buffers];

            ranks[i].depth = over->depth + 1;
            ranks[i].n_bytes = larger(over->n_bytes, buffers[i].n_bytes);
        }
    }
    qsort(ranks, n, sizeof(*ranks), larger_first);
    for (size_t i = 0; i < n; i++)
        ret[i] = ranks[i].buffer;
    return 0;
}

int arena_place(struct arena_buffer *buffers, size_t n, size_t *ret_bytes) {
    _cleanup_(freep) struct arena_buffer **order = calloc(n + 1, sizeof(struct arena_buffer *));
    _cleanup_(freep) struct arena_buffer **placed = calloc(n + 1, sizeof(struct arena_buffer *));
    _cleanup_(freep) size_t *offsets = calloc(n + 1, sizeof(*offsets));
    const size_t bound = n <= MANY_BUFFERS ? arena_peak(buffers, n) : 0;
    size_t best = SIZE_MAX;

    if (!order || !placed || !offsets || sort_buffers(buffers, n, order) < 0)
        return -ENOMEM;

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
