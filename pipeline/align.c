/* SPDX-License-Identifier: MIT */
#include "pipeline/align.h"

#include <assert.h>

void align_init(struct align *a, const int64_t *hops_ns, size_t n_slots) {
    assert(n_slots >= 1 && n_slots <= BUNDLE_MODALITIES_MAX);

    *a = (struct align){ .hop_ns = INT64_MAX, .n_slots = n_slots };
    for (size_t i = 0; i < n_slots; i++) {
        a->slots[i].hop_ns = hops_ns[i];
        if (hops_ns[i] > 0 && hops_ns[i] < a->hop_ns)
            a->hop_ns = hops_ns[i];
    }
    assert(a->hop_ns < INT64_MAX);
}

bool align_behind(const struct align *a, int64_t tick_ns) {
    return a->started && tick_ns >= a->tick_ns + a->hop_ns;
}

/* Wait for the tick at or before @tick_ns (another hop's tick may lie between two of ours). */
static void start(struct align *a, int64_t tick_ns) {
    a->started = true;
    a->overdue = false;
    a->tick_ns = tick_ns - tick_ns % a->hop_ns;
    a->deadline_ns = a->tick_ns + a->hop_ns / 2;
}

void align_put(struct align *a, size_t slot, const struct embedding *embedding) {
    struct align_slot *const s = &a->slots[slot];

    assert(slot < a->n_slots && s->hop_ns > 0);

    if (!a->started && embedding->tick_ns >= a->tick_ns)
        start(a, embedding->tick_ns);
    if (embedding->tick_ns < a->tick_ns)
        a->n_late++;
    if (s->filled && embedding->tick_ns <= s->embedding.tick_ns)
        return; /* older than what we have */
    s->embedding = *embedding;
    s->filled = s->fresh = true;
}

static bool in_reach(const struct align *a, const struct align_slot *s) {
    return s->filled && a->tick_ns - s->embedding.tick_ns <= ALIGN_HOPS_OLD * s->hop_ns;
}

/* Only who delivered lately is waited for: a start-up or a stall does not hold up the rest. */
static bool is_awaited(const struct align *a, const struct align_slot *s) {
    return in_reach(a, s) && s->embedding.tick_ns < a->tick_ns && a->tick_ns % s->hop_ns == 0;
}

bool align_complete(const struct align *a, unsigned live) {
    if (!a->started || !align_fresh(a))
        return false;
    if (a->overdue)
        return true;
    for (size_t i = 0; i < a->n_slots; i++)
        if ((live & 1U << i) && is_awaited(a, &a->slots[i]))
            return false;
    return true;
}

bool align_fresh(const struct align *a) {
    for (size_t i = 0; i < a->n_slots; i++)
        if (a->slots[i].fresh && in_reach(a, &a->slots[i]))
            return true;
    return false;
}

unsigned align_present(const struct align *a) {
    unsigned present = 0;

    for (size_t i = 0; i < a->n_slots; i++)
        if (in_reach(a, &a->slots[i]))
            present |= 1U << i;
    return present;
}

int64_t align_deadline_ns(const struct align *a) {
    return a->started ? a->deadline_ns : INT64_MAX;
}

void align_advance(struct align *a) {
    for (size_t i = 0; i < a->n_slots; i++)
        a->slots[i].fresh = false;
    a->tick_ns += a->hop_ns;
    a->deadline_ns = a->tick_ns + a->hop_ns / 2;
    a->overdue = false;
}

void align_postpone(struct align *a) {
    a->overdue = true;
    a->deadline_ns += a->hop_ns;
}

void align_rest(struct align *a) {
    a->started = false;
}
