/* SPDX-License-Identifier: MIT */
/*
 * queue - fixed-size items handed from one writer thread to one reader thread.
 *
 * Never blocks, never allocates after queue_new(). When full, the new item is
 * refused and counted: a late reader loses data visibly instead of silently.
 * Large items are written and read in place, between begin and end.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"

struct queue;

/**
 * Make an empty queue.
 * @item_bytes   size of one item, at least 1.
 * @capacity     room in items, a power of two.
 * @ret          the new queue, owned by the caller.
 * Returns 0, -EINVAL for a bad size, -ENOMEM.
 */
int queue_new(size_t item_bytes, size_t capacity, struct queue **ret);

/** Free @q; both threads must have stopped using it. NULL is allowed. Returns NULL. */
struct queue *queue_free(struct queue *q);
DEFINE_CLEANUP(struct queue *, queue_free)

/** Writer: copy @item in. Returns 0, or -ENOBUFS if full (then counted). */
int queue_push(struct queue *q, const void *item);

/** Reader: copy the oldest item into @item. Returns 1, or 0 if empty. */
int queue_pop(struct queue *q, void *item);

/**
 * Writer: where the next item may be written in place, aligned to 64 bytes if
 * item_bytes is a multiple of it; NULL if full (then counted). Seen by the
 * reader after queue_push_end(); without it, nothing was pushed.
 */
void *queue_push_begin(struct queue *q);
void queue_push_end(struct queue *q);

/** Reader: the oldest item, in place, valid until queue_pop_end(); NULL if empty. */
const void *queue_pop_begin(struct queue *q);
void queue_pop_end(struct queue *q);

/** Any thread: items refused since queue_new(). */
uint64_t queue_refused(const struct queue *q);
