/* SPDX-License-Identifier: MIT */
/*
 * runner - runs one model in one arena, for one thread at a time, which a crew may help.
 *
 * Nothing allocates after runner_new(). Write the inputs, run, read the outputs:
 * inputs may be overwritten by a run (the planner reuses their memory), so
 * write all of them before every run.
 */
#pragma once

#include <stddef.h>

#include "common/cleanup.h"
#include "models/crew.h"
#include "models/model.h"

struct runner;

/**
 * Make a runner for @model, which is referenced until runner_free().
 * @crew  helps with runs while nobody else has it, and outlives the runner; NULL: no help. Outputs
 *        are the same bytes with any crew and none.
 * Returns 0, -ENOMEM.
 */
int runner_new(struct model *model, struct crew *crew, struct runner **ret);

/** NULL is allowed. Returns NULL. */
struct runner *runner_free(struct runner *runner);
DEFINE_CLEANUP(struct runner *, runner_free)

/** Where input @i is to be written: model_input(i)->n_bytes, aligned to 16; NULL if there is no
 * such input. */
void *runner_input(struct runner *runner, size_t i);

/** Run once. Cannot fail: whatever could was refused by model_open(). */
void runner_run(struct runner *runner);

/** Output @i of the last run, until the next run; NULL if there is no such output. */
const void *runner_output(const struct runner *runner, size_t i);
