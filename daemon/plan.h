/* SPDX-License-Identifier: MIT */
/*
 * plan - what the settings mean: options for the pipeline, with their bundles open.
 *
 * Without any sensor in the settings, a task gets the sensors `camera` and `microphone`, as far
 * as its bundle has a modality for them. A task whose bundle cannot be opened, or that finds no
 * sensor, is left out of the pipeline and says why; everything else goes on. Main thread only.
 */
#pragma once

#include <stdint.h>

#include "config/settings.h"
#include "models/bundle.h"
#include "pipeline/pipeline.h"

/** One [task NAME] as it came out. */
struct plan_task {
    char name[NAME_BYTES];
    bool enabled;
    const struct bundle *bundle; /* the plan's; NULL if it could not be opened */
    char reason[384];            /* why it does not run; "" if it does */
};

struct plan {
    struct pipeline_options options; /* points into the rest */
    struct sensor_options sensors[SENSORS_MAX];
    size_t n_auto; /* of the sensors, the last: nobody wrote them down, but a task needs them */
    struct task_options *tasks; /* those that run */
    size_t n_all_tasks;
    struct plan_task all_tasks[TASKS_MAX]; /* in the order of the INI */
    size_t n_bundles;
    struct bundle *bundles[TASKS_MAX]; /* each opened once, owned */
};

/**
 * Make a plan of @settings.
 * @before   the plan in use, or NULL: recordings that did not change keep their start.
 * @now_ns   when new recordings begin.
 * Returns 0, -ENOMEM.
 */
int plan_new(const struct settings *settings, const struct plan *before, int64_t now_ns,
             struct plan **ret);

/** The bundle that lies at @path, by whatever way it is reached; NULL: no task uses it. */
const struct bundle *plan_bundle_at(const struct plan *plan, const char *path);

/** How the settings want bundles opened; valid as long as they are. */
struct bundle_options plan_bundle_options(const struct lookoutd_settings *lookoutd,
                                          bool skip_selftest);

/** NULL is allowed. Returns NULL. */
struct plan *plan_free(struct plan *plan);
DEFINE_CLEANUP(struct plan *, plan_free)
