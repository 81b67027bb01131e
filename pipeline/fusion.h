/* SPDX-License-Identifier: MIT */
/*
 * fusion - embeddings of the modalities that are present -> scores of the labels.
 *
 * With a head: the head's network runs on the embeddings and a presence mask, and its
 * logits are divided by the temperature of that set of modalities before the softmax, which
 * has a share for no label, if the bundle wants one.
 * Without: the one embedding is the classifier's answer. One thread at a time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"
#include "models/bundle.h"

struct fusion;

/**
 * @bundle  used during the call only; its modules are referenced
 * @fault   which shape or type of the bundle's modules does not fit
 * Returns 0, -ENOTSUP, -ENOMEM. Nothing allocates afterwards.
 */
int fusion_new(const struct bundle *bundle, struct fusion **ret, struct fault *fault);

/** NULL is allowed. Returns NULL. */
struct fusion *fusion_free(struct fusion *fusion);
DEFINE_CLEANUP(struct fusion *, fusion_free)

/**
 * Run once.
 * @embeddings  per modality its [n_embedding] values; those not in @present are not read
 * @present     bit per modality, at least one
 * @ret_scores  [n_labels] 0..1
 */
void fusion_score(struct fusion *fusion, const int8_t *const embeddings[BUNDLE_MODALITIES_MAX],
                  unsigned present, double *ret_scores);

/** Index of the highest of @scores [@n_labels]. */
size_t fusion_best(const double *scores, size_t n_labels);
