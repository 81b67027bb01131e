/* SPDX-License-Identifier: MIT */
/* bus_object - what /org/lookoutd/Lookout1 has on one D-Bus connection: methods, properties,
 * signals. */
#pragma once

#include <systemd/sd-bus.h>

#include "daemon/daemon.h"

#define BUS_OBJECT_NAME      "org.lookoutd.Lookout1"
#define BUS_OBJECT_PATH      "/org/lookoutd/Lookout1"
#define BUS_OBJECT_INTERFACE "org.lookoutd.Lookout1.Manager"

enum { BUS_OBJECT_STATE_BYTES = 4096 };

/** Add the object to @bus. Returns 0, -errno. */
int bus_object_add(sd_bus *bus, struct daemon *daemon);

/** Emit the signals. Return 0, -errno. */
int bus_object_emit_event(sd_bus *bus, const struct event *event);
int bus_object_emit_change(sd_bus *bus, const struct sensor_status *sensor);
int bus_object_emit_properties(sd_bus *bus);

/** What the changing properties depend on, as text: emit them when it is another. */
void bus_object_state(const struct daemon *daemon, char ret[BUS_OBJECT_STATE_BYTES]);
