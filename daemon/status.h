/* SPDX-License-Identifier: MIT */
/* status - the state of everything as JSON, for the socket and for D-Bus. Main thread only. */
#pragma once

#include <jansson.h>

#include "daemon/daemon.h"

/** "running", "degraded" (something of what is configured does not work) or "idle" (nothing is
 * configured). */
const char *status_state(const struct daemon *daemon);

/** One sentence for systemd. */
void status_sentence(const struct daemon *daemon, char *ret, size_t n_bytes);

/** Each returns a new reference, or NULL without memory. */
json_t *status_sensors(const struct daemon *daemon);
json_t *status_tasks(const struct daemon *daemon);
json_t *status_tasks_of(const struct daemon *daemon, const char *sensor); /* that use it */
json_t *status_bundles(const struct daemon *daemon);
json_t *problems_json(const struct problems *problems);
json_t *status_errors(const struct daemon *daemon);
json_t *status_settings(const struct daemon *daemon);
json_t *status_all(const struct daemon *daemon);
