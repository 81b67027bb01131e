/* SPDX-License-Identifier: MIT */
/*
 * tool_score - files to embeddings, embeddings to the best label, for `lookout-model eval`.
 *
 * Every file is encoded once; alone and in pairs its embeddings are fused as the
 * daemon fuses them.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"
#include "models/bundle.h"
#include "models/tool_dataset.h"

struct scorer;

/** Embeddings of one file: one for each window of a sound, one for a picture. */
struct scored_file {
    size_t n_windows;
    int8_t *embeddings; /* [n_windows][n_embedding] */
};

/** All files of one modality by label. */
struct scored {
    size_t n_files[BUNDLE_LABELS_MAX];
    struct scored_file *files[BUNDLE_LABELS_MAX];
};

/** Free what @scored holds; for _cleanup_(). */
void scored_done(struct scored *scored);

/**
 * @bundle  used as long as the scorer; at most one modality of each kind
 * Returns 0, -ENOTSUP, -ENOMEM.
 */
int scorer_new(const struct bundle *bundle, struct scorer **ret, struct fault *fault);

/** NULL is allowed. Returns NULL. */
struct scorer *scorer_free(struct scorer *scorer);
DEFINE_CLEANUP(struct scorer *, scorer_free)

/**
 * Encode all files of @kind. Without a modality of that kind @ret stays empty.
 * @ret  all zero before; released by scored_done() also after an error
 * Returns 0, -ENOMEM, -errno of a file; @fault names it.
 */
int scorer_encode(struct scorer *scorer, enum modality_kind kind, const struct dataset *dataset,
                  struct scored *ret, struct fault *fault);

/** Index of the label with the highest mean probability. One of @sound and @picture may be NULL. */
size_t scorer_best(struct scorer *scorer, const struct scored_file *sound,
                   const struct scored_file *picture);
