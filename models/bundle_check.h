/* SPDX-License-Identifier: MIT */
/* bundle_check - holds a bundle's modules against its manifest and its self-test; used by bundle.c
 * only. */
#pragma once

#include "models/bundle.h"
#include "models/bundle_dir.h"

/**
 * Types and shapes of every encoder and the head: features fill the encoder's input,
 * embeddings and mask fill the head's inputs, labels count its outputs.
 * @files  [n_modalities + 1] names of the encoders' files, then the head's
 * Returns 0, -EBADMSG, -ENOTSUP (a type other than int8); @fault names the file (not its
 * folder) and says which number differs.
 */
int bundle_check_shapes(const struct bundle *bundle, const char *const *files, struct fault *fault);

/**
 * Run @model on the self-test @name (`selftest/sound.io`), which must give every byte of its
 * outputs.
 * @ret_n  samples that were run
 * Returns 0, -EBADMSG, -ENOMEM, as bundle_dir_read().
 */
int bundle_check_selftest(const struct bundle_dir *dir, struct model *model, const char *name,
                          size_t *ret_n, struct fault *fault);
