/* SPDX-License-Identifier: MIT */
/* configure - from the INI files to what runs, at the start and at every reload. Main thread only.
 */
#pragma once

#include "daemon/daemon.h"

/**
 * At the start: the INI, else the last good copy of it, else nothing at all; daemon->problems says
 * what is wrong with the INI.
 * @ret  owned by the caller.
 * Returns 0, -ENOMEM.
 */
int configure_read(struct daemon *daemon, struct settings **ret);

/**
 * Make @settings the ones in use; takes them over if it succeeds.
 * Returns 0, -EBADMSG with @fault (the old ones stay), -ENOMEM.
 */
int configure_apply(struct daemon *daemon, struct settings *settings, struct fault *fault);

/** Start or end publishing on D-Bus as the settings in use say. Returns 0, -ENOMEM. */
int configure_bus(struct daemon *daemon);
