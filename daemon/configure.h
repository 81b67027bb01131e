/* SPDX-License-Identifier: MIT */
/* configure - from the INI files to what runs, at the start and at every reload. Main thread only.
 */
#pragma once

#include "daemon/daemon.h"

/**
 * At the start: use the INI, else the last good copy of it, else nothing at all;
 * daemon->problems says what is wrong with the INI.
 * Returns 0, -ENOMEM.
 */
int configure_first(struct daemon *daemon);

/** Start or end publishing on D-Bus as the settings in use say. Returns 0, -ENOMEM. */
int configure_bus(struct daemon *daemon);
