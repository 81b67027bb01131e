/* SPDX-License-Identifier: MIT */
/*
 * align - brings the embeddings of one task's modalities to one instant.
 *
 * Decision instants ("ticks") are the multiples of the task's hop. The decision
 * of a tick is made when every modality that is delivering has delivered it, or
 * at the deadline, half a hop after the tick, with what is there. An embedding
 * up to ALIGN_HOPS_OLD of its own hops old still counts as present. Only
 * embeddings and deadlines move it, so the same order gives the same decisions.
 * Plain values, one thread (main).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "models/bundle.h"
#include "pipeline/embedding.h"

enum { ALIGN_HOPS_OLD = 2 };

struct align_slot {
    int64_t hop_ns; /* of this modality's encoder; 0: the task has no sensor for it */
    bool filled;    /* embedding below is valid */
    bool fresh;     /* no decision has used it yet */
    struct embedding embedding;
};

struct align {
    int64_t hop_ns; /* of the task: the smallest of its modalities */
    size_t n_slots;
    struct align_slot slots[BUNDLE_MODALITIES_MAX];
    bool started;        /* an embedding has come since the start or the last rest */
    bool overdue;        /* the deadline of the tick passed without any fresh embedding */
    int64_t tick_ns;     /* next to be decided */
    int64_t deadline_ns; /* when to decide it at the latest */
    uint64_t n_late;     /* embeddings that came after their tick was decided */
};

/** @hops_ns [n_slots]: 0 for a modality without a sensor; at least one is not. */
void align_init(struct align *a, const int64_t *hops_ns, size_t n_slots);

/**
 * True if @a waits for a tick before @tick_ns: decide (or skip) that first,
 * with align_advance() after it, then put.
 */
bool align_behind(const struct align *a, int64_t tick_ns);

/** Take a copy of @embedding of modality @slot; align_behind() said no. */
void align_put(struct align *a, size_t slot, const struct embedding *embedding);

/** True if the tick can be decided now. @live: bit per slot whose sensor is running. */
bool align_complete(const struct align *a, unsigned live);

/** True if a decision would use something that none before it used. */
bool align_fresh(const struct align *a);

/** Slots that count as present in the tick's decision, as bits. */
unsigned align_present(const struct align *a);

/** CLOCK_MONOTONIC of the next deadline; INT64_MAX if there is none. */
int64_t align_deadline_ns(const struct align *a);

/** The tick was decided: on to the next. */
void align_advance(struct align *a);

/** The deadline passed and nothing was fresh: wait for one more hop; whatever then comes is decided
 * at once. */
void align_postpone(struct align *a);

/** Nothing comes and nothing needs an answer: no deadline until the next embedding. */
void align_rest(struct align *a);
