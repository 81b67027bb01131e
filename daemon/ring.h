/* SPDX-License-Identifier: MIT */
/*
 * ring - the last N events, so that a client that comes back misses nothing it need not.
 *
 * (boot id, sequence) is the cursor: sequence grows by one per event and boot,
 * also over restarts of the daemon. Main thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/message.h"
#include "pipeline/pipeline.h"

struct ring;

/** One published event. */
struct ring_event {
    int64_t sequence;
    enum event_phase phase;
    char task[NAME_BYTES], label[BUNDLE_NAME_BYTES];
    double confidence;            /* the highest of this event so far, for min_confidence */
    struct message *message;      /* the answer to Watch; owned by the ring */
    size_t json_at, json_n_bytes; /* where in it the Event stands */
};

/**
 * Make an empty ring.
 * @n_kept         events to keep, at least 1.
 * @last_sequence  of this boot before this start; the next event gets one more.
 * Returns 0, -EINVAL, -ENOMEM.
 */
int ring_new(size_t n_kept, int64_t last_sequence, struct ring **ret);

/** NULL is allowed. Returns NULL. */
struct ring *ring_free(struct ring *ring);
DEFINE_CLEANUP(struct ring *, ring_free)

/** Keep @n_kept events from now on; the newest stay. Returns 0, -EINVAL, -ENOMEM (then nothing
 * changed). */
int ring_resize(struct ring *ring, size_t n_kept);

/** The sequence that the next event must carry. */
int64_t ring_next_sequence(const struct ring *ring);

/** Add @event (its sequence is ring_next_sequence()); takes over one reference of its message. */
void ring_add(struct ring *ring, const struct ring_event *event);

/** The first kept event with a sequence above @after, or NULL. Valid until the next ring_add(). */
const struct ring_event *ring_after(const struct ring *ring, int64_t after);

/** How many events after @after are gone. */
int64_t ring_gap(const struct ring *ring, int64_t after);
