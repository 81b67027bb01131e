/* SPDX-License-Identifier: MIT */
/* tool_tally - counts right and wrong answers of `lookout-model eval` and prints them. */
#pragma once

#include <stddef.h>

#include "models/bundle.h"

/** What was asked: a pair, a sound alone, a picture alone. */
enum tally_way { TALLY_BOTH, TALLY_SOUND, TALLY_PICTURE };

enum { TALLY_WAYS = TALLY_PICTURE + 1 };

struct tally {
    const struct bundle *bundle; /* borrowed */
    /* [way][true label][answer] */
    size_t counts[TALLY_WAYS][BUNDLE_LABELS_MAX][BUNDLE_LABELS_MAX];
};

void tally_add(struct tally *tally, enum tally_way way, size_t label, size_t answer);

/** One JSON object on stdout; keys as the help of `eval` says. Returns 0, -ENOMEM, -EIO. */
int tally_print_json(const struct tally *tally, const char *split);

/** A table for people on stdout. */
void tally_print_table(const struct tally *tally, const char *dataset, const char *split);
