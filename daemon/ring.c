/* SPDX-License-Identifier: MIT */
#include "daemon/ring.h"

#include <assert.h>
#include <errno.h>

struct ring {
    size_t n_kept, n;
    int64_t next;              /* sequence */
    struct ring_event *events; /* sequence s stands at s % n_kept */
};

int ring_new(size_t n_kept, int64_t last_sequence, struct ring **ret) {
    _cleanup_(ring_freep) struct ring *ring = NULL;

    if (n_kept == 0 || last_sequence < 0)
        return -EINVAL;
    ring = calloc(1, sizeof(*ring));
    if (!ring)
        return -ENOMEM;
    ring->n_kept = n_kept;
    ring->next = last_sequence + 1;
    ring->events = calloc(n_kept, sizeof(*ring->events));
    if (!ring->events)
        return -ENOMEM;
    *ret = ring;
    ring = NULL;
    return 0;
}

struct ring *ring_free(struct ring *ring) {
    if (!ring)
        return NULL;
    for (size_t i = 0; ring->events && i < ring->n_kept; i++)
        message_unref(ring->events[i].message);
    free(ring->events);
    free(ring);
    return NULL;
}

static struct ring_event *at(const struct ring *ring, int64_t sequence) {
    return &ring->events[(size_t) sequence % ring->n_kept];
}

static int64_t oldest(const struct ring *ring) {
    return ring->next - (int64_t) ring->n;
}

int ring_resize(struct ring *ring, size_t n_kept) {
    struct ring_event *events;

    if (n_kept == 0)
        return -EINVAL;
    if (n_kept == ring->n_kept)
        return 0;
    events = calloc(n_kept, sizeof(*events));
    if (!events)
        return -ENOMEM;
    for (int64_t sequence = oldest(ring); sequence < ring->next; sequence++)
        if (ring->next - sequence <= (int64_t) n_kept)
            events[(size_t) sequence % n_kept] = *at(ring, sequence);
        else
            message_unref(at(ring, sequence)->message);
    free(ring->events);
    ring->events = events;
    ring->n_kept = n_kept;
    if (ring->n > n_kept)
        ring->n = n_kept;
    return 0;
}

int64_t ring_next_sequence(const struct ring *ring) {
    return ring->next;
}

void ring_add(struct ring *ring, const struct ring_event *event) {
    struct ring_event *slot = at(ring, ring->next);

    assert(event->sequence == ring->next);

    message_unref(slot->message);
    *slot = *event;
    ring->next++;
    if (ring->n < ring->n_kept)
        ring->n++;
}

const struct ring_event *ring_after(const struct ring *ring, int64_t after) {
    if (after >= ring->next - 1)
        return NULL;
    return ring->n == 0               ? NULL
           : after + 1 > oldest(ring) ? at(ring, after + 1)
                                      : at(ring, oldest(ring));
}

int64_t ring_gap(const struct ring *ring, int64_t after) {
    return after + 1 < oldest(ring) ? oldest(ring) - after - 1 : 0;
}
