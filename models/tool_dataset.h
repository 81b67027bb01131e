/* SPDX-License-Identifier: MIT */
/*
 * tool_dataset - the files of one split, DATASET/{audio,images}/SPLIT/LABEL/FILE, sorted by
 * the bytes of their names. Folders of other labels and hidden files are left out.
 */
#pragma once

#include <stddef.h>

#include "common/cleanup.h"
#include "common/fault.h"
#include "models/bundle.h"

struct dataset;

/**
 * List the files of all labels of @bundle, which is used as long as the dataset.
 * Returns 0, -ENOENT (no such folder, or no file of any label), -ENOMEM, -errno.
 */
int dataset_new(const char *path, const char *split, const struct bundle *bundle,
                struct dataset **ret, struct fault *fault);

/** NULL is allowed. Returns NULL. */
struct dataset *dataset_free(struct dataset *dataset);
DEFINE_CLEANUP(struct dataset *, dataset_free)

/** Path of the @i-th sound or picture of label @label, or NULL past the last; valid as long as
 * @dataset. */
const char *dataset_file(const struct dataset *dataset, enum modality_kind kind, size_t label,
                         size_t i);
