/* SPDX-License-Identifier: MIT */
/*
 * Method: leave one modality out (the occlusion of M. Zeiler and R. Fergus, Visualizing
 * and Understanding Convolutional Networks, ECCV 2014, with a whole modality as the patch).
 */
#include "pipeline/evidence.h"

#include <math.h>
#include <stdio.h>

#include "common/units.h"
#include "pipeline/health.h"

unsigned evidence_usable(const struct align *align) {
    const unsigned present = align_present(align);
    unsigned good = 0;

    for (size_t i = 0; i < align->n_slots; i++)
        if ((present & 1U << i) && align->slots[i].embedding.quality >= QUALITY_USABLE)
            good |= 1U << i;
    return good ? good : present;
}

double evidence_skew_ms(const struct align *align, unsigned used) {
    int64_t oldest = INT64_MAX, newest = INT64_MIN;
    size_t n = 0;

    for (size_t i = 0; i < align->n_slots; i++) {
        const int64_t at = align->slots[i].embedding.capture_ns;

        if (!(used & 1U << i))
            continue;
        oldest = at < oldest ? at : oldest;
        newest = at > newest ? at : newest;
        n++;
    }
    return n < 2 ? NAN : (double) (newest - oldest) / (double) NS_PER_MS;
}

void evidence_values(const struct align *align, const int8_t *ret[BUNDLE_MODALITIES_MAX]) {
    for (size_t i = 0; i < align->n_slots; i++)
        ret[i] = align->slots[i].embedding.values;
}

/* The label's score without modality @i. */
static double score_without(const struct align *align, struct fusion *fusion, unsigned used,
                            size_t i, size_t label) {
    const int8_t *values[BUNDLE_MODALITIES_MAX] = { NULL };
    double scores[BUNDLE_LABELS_MAX];

    if (used == 1U << i)
        return 0;
    evidence_values(align, values);
    fusion_score(fusion, values, used & ~(1U << i), scores);
    return scores[label];
}

void evidence_fill(const struct align *align, struct fusion *fusion,
                   const struct decision *decision, const struct task_options *options,
                   size_t label, struct evidence *ret) {
    for (size_t i = 0; i < align->n_slots; i++) {
        const struct embedding *const e = &align->slots[i].embedding;
        const bool in_reach = (decision->present & 1U << i) != 0;
        const bool used = (decision->used & 1U << i) != 0;

        ret[i] = (struct evidence){ .present = used };
        (void) snprintf(ret[i].modality, sizeof(ret[i].modality), "%s",
                        options->bundle->modalities[i].name); /* arrays of one size */
        (void) snprintf(ret[i].sensor, sizeof(ret[i].sensor), "%s", options->sensors[i]);
        if (!in_reach)
            continue;
        ret[i].age_ms = (double) (decision->at_ns - e->capture_ns) / (double) NS_PER_MS;
        ret[i].quality = e->quality;
        ret[i].quality_reason = e->quality_reason;
        if (used)
            ret[i].share =
                decision->scores[label] - score_without(align, fusion, decision->used, i, label);
    }
}
