/* SPDX-License-Identifier: MIT */
/*
 * unknown - names in a filter that no task has: a mistake rather than a wish, which would be met
 * with silence.
 */
#pragma once

#include "daemon/daemon.h"
#include "daemon/publish_socket.h"

/** The first task in @filter that is not configured. NULL: all are. Borrowed from @filter. Main
 * thread only. */
const char *unknown_task(const struct daemon *daemon, const struct filter *filter);

/**
 * The first label in @filter that no task has. NULL: all may come, or nobody knows: there is no
 * task, or one whose bundle could not be opened. Borrowed from @filter. Main thread only.
 */
const char *unknown_label(const struct daemon *daemon, const struct filter *filter);
