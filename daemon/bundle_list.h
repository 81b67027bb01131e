/* SPDX-License-Identifier: MIT */
/* bundle_list - the bundles that are installed, whether a task uses them or not. Main thread only.
 */
#pragma once

#include <jansson.h>

#include "daemon/daemon.h"

/**
 * Look through the search path for bundles; those that no task uses are opened for it, without
 * their self-test.
 * @ret_broken  those that cannot be used: []{path, why}.
 * Returns []Bundle; both are new references, NULL without memory.
 */
json_t *bundle_list(const struct daemon *daemon, json_t **ret_broken);
