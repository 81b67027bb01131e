/* SPDX-License-Identifier: MIT */
/* render_list - tables of what the daemon lists. All return 0 or -ENOMEM; fields that are missing
 * stay empty. */
#pragma once

#include <jansson.h>

#include "client/render.h"

/** []Sensor. */
int render_sensors(const struct screen *screen, const json_t *list, size_t indent);

/** []Task, with the best three scores. */
int render_tasks(const struct screen *screen, const json_t *list, size_t indent);

/** []Bundle. */
int render_bundles(const struct screen *screen, const json_t *list, size_t indent);

/** []Setting. */
int render_settings(const struct screen *screen, const json_t *list, size_t indent);

/** What ListDevices lists; the name for the INI is never cut. */
int render_devices(const struct screen *screen, const json_t *list, size_t indent);
