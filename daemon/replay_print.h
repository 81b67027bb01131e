/* SPDX-License-Identifier: MIT */
/* replay_print - `lookoutd --replay`: the configured recordings under a virtual clock, events as
 * JSON lines. */
#pragma once

/**
 * Replay what @config (NULL: the usual places) says and print each event to stdout. Times count
 * from the start of the recordings, so the same input prints the same bytes. Returns 0, -errno
 * after a sentence on stderr.
 */
int replay_print(const char *config);
