/* SPDX-License-Identifier: MIT */
/*
 * state - the few things kept over a restart: the last good configuration, and
 * where the events of this boot are. A full or read-only disk never stops anything.
 */
#pragma once

#include <stdint.h>

#include "config/settings.h"

struct state;

/**
 * @dir      the state directory, made if it is not there.
 * @run_dir  for what only this boot needs (RuntimeDirectory=), or NULL: @dir.
 * @boot     id of this boot.
 * @fault    why nothing can be kept (the state is made all the same).
 * Returns 0, -ENOMEM.
 */
int state_new(const char *dir, const char *run_dir, const char *boot, struct state **ret,
              struct fault *fault);

/** NULL is allowed. Returns NULL. */
struct state *state_free(struct state *state);
DEFINE_CLEANUP(struct state *, state_free)

/** Path of the last good configuration, whether it is there or not; valid as long as @state. */
const char *state_config_path(const struct state *state);

/** Keep @settings as the last good configuration, if it is not the same. Returns 0, -errno with
 * @fault. */
int state_keep_config(struct state *state, const struct settings *settings, struct fault *fault);

/** The last sequence of this boot, 0 if there was none. */
int64_t state_sequence(const struct state *state);

/** Keep it; a few bytes without fsync, as another boot starts anew. Returns 0, -errno with @fault.
 */
int state_keep_sequence(struct state *state, int64_t sequence, struct fault *fault);
