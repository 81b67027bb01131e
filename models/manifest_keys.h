/* SPDX-License-Identifier: MIT */
/* manifest_keys - one value of bundle.ini by its row; used by manifest.c only. */
#pragma once

#include "models/manifest.h"

/** Read @value into its field of @section. Returns 0, or -ERANGE with nothing written. */
int manifest_key_set(const struct manifest_key *key, const char *value, void *section);

/** Write the defaults of all keys of @kind into @section. */
void manifest_key_defaults(enum manifest_kind kind, void *section);

/** What is allowed, for a person: "must be a number from 0 to 1". */
void manifest_key_allowed(const struct manifest_key *key, char *ret, size_t room);
