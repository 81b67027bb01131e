/* SPDX-License-Identifier: MIT */
/* device_json - the type Device of org.lookoutd.Lookout1.varlink. */
#pragma once

#include <jansson.h>

#include "pipeline/devices.h"

/**
 * @sensor  name of the sensor that has it open, or NULL
 * Returns a new reference, or NULL without memory.
 */
json_t *device_json(const struct device_info *device, const char *sensor);
