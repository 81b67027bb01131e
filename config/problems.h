/* SPDX-License-Identifier: MIT */
/* problems - sentences about what is wrong, gathered so that a person sees all at once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/cleanup.h"

enum { PROBLEMS_MAX = 64 };

/** Zero-initialise; release with problems_clear(). */
struct problems {
    size_t n;
    char *texts[PROBLEMS_MAX];
    size_t n_more; /* past the last, or without memory for them: only counted */
};

/** Add one sentence. */
__attribute__((format(printf, 2, 3))) void problems_add(struct problems *problems,
                                                        const char *format, ...);

/** Whether nothing is wrong. */
static inline bool problems_none(const struct problems *problems) {
    return problems->n == 0 && problems->n_more == 0;
}

/** Free all sentences; @problems can be used again. */
void problems_clear(struct problems *problems);
