/* SPDX-License-Identifier: MIT */
/*
 * evidence - what each modality contributed to a decision, how old and how good it was.
 *
 * A modality's share is the label's score with all less its score with this one masked
 * out; what is alone has the whole score as its share.
 */
#pragma once

#include <stddef.h>

#include "pipeline/align.h"
#include "pipeline/fusion.h"
#include "pipeline/pipeline.h"

/** A decision as made; plain values, copied nowhere. */
struct decision {
    int64_t at_ns;    /* end of its window: the tick, or the newest capture time after it */
    unsigned present; /* bit per modality whose embedding is in reach */
    unsigned used;    /* and good enough to be used */
    bool unknown;
    double scores[BUNDLE_LABELS_MAX];
};

/** Of those in reach, who is used: bad quality counts as absent if another one is good. */
unsigned evidence_usable(const struct align *align);

/** Between the oldest and the newest embedding in @used, ms; NAN with less than two. */
double evidence_skew_ms(const struct align *align, unsigned used);

/** Embeddings as fusion_score() wants them. */
void evidence_values(const struct align *align, const int8_t *ret[BUNDLE_MODALITIES_MAX]);

/**
 * Evidence for @label, one per modality of the task.
 * @ret  [n_slots of @align]
 */
void evidence_fill(const struct align *align, struct fusion *fusion,
                   const struct decision *decision, const struct task_options *options,
                   size_t label, struct evidence *ret);
