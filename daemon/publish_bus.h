/* SPDX-License-Identifier: MIT */
/*
 * publish_bus - the object /org/lookoutd/Lookout1 on D-Bus.
 *
 * Without a bus everything else goes on; it is tried again, ever more rarely.
 * Main thread only.
 */
#pragma once

#include "daemon/daemon.h"
#include "daemon/event_json.h"

/**
 * Begin to connect.
 * @choice  BUS_SYSTEM or BUS_SESSION.
 * Returns 0, -ENOMEM.
 */
int publish_bus_new(struct daemon *daemon, enum bus_choice choice, struct publish_bus **ret);

/** NULL is allowed. Returns NULL. */
struct publish_bus *publish_bus_free(struct publish_bus *bus);
DEFINE_CLEANUP(struct publish_bus *, publish_bus_free)

/** Which bus BUS_AUTO means here: the system's for a service, the session's for a person, or
 * BUS_NONE. */
enum bus_choice publish_bus_choice(enum bus_choice wanted);

/** Emit EventBegan, EventUpdated or EventEnded. NULL is allowed in these three. */
void publish_bus_event(struct publish_bus *bus, const struct event *event);

/** Emit SensorChanged. */
void publish_bus_change(struct publish_bus *bus, const struct sensor_status *sensor);

/** Tell of properties that have changed since the last time, if any has. */
void publish_bus_refresh(struct publish_bus *bus);
