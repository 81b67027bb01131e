/* SPDX-License-Identifier: MIT */
/* doctor - what is well, what is not, and what to do about it. */
#pragma once

#include <jansson.h>

#include "client/machine.h"
#include "client/render.h"

/** What is known. The answers are borrowed; NULL where the daemon could not be asked. */
struct patient {
    const struct machine *machine;
    const char *unreachable; /* why the daemon could not be asked; NULL: it could */
    bool synchronised;       /* the clock of this machine */
    const json_t *status, *bundles, *settings, *diagnosis;
    int64_t now_ns;
};

/**
 * Examine. Returns an array of {check, state, text, what_to_do}, the caller's, or NULL without
 * memory. state: good; note (to be known, nothing to be done); warning; bad.
 */
json_t *doctor_examine(const struct patient *patient);

/** How many of @findings are warnings or bad. */
size_t doctor_n_findings(const json_t *findings);

/** One line each, and one for what to do. */
void doctor_write(const struct screen *screen, const json_t *findings);
