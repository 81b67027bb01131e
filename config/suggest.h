/* SPDX-License-Identifier: MIT */
/* suggest - the word a person probably meant. */
#pragma once

#include <stddef.h>

/** Finds the best of the words it is offered; start with `{ .word = "what was written" }`. */
struct suggest {
    const char *word;
    const char *best; /* NULL: nothing close enough so far */
    size_t distance;
};

/** Offer one candidate, which must stay valid as long as @s is used. */
void suggest_offer(struct suggest *s, const char *candidate);
