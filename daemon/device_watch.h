/* SPDX-License-Identifier: MIT */
/*
 * device_watch - sees devices come, by inotify(7) on /dev, and has lost sensors look for theirs.
 *
 * No netlink: the unit allows AF_UNIX only. Without inotify, lost sensors look by themselves, with
 * growing pauses. Main thread only.
 */
#pragma once

#include <systemd/sd-event.h>

#include "common/cleanup.h"
#include "pipeline/pipeline.h"

struct device_watch;

/** Both must outlive it. Returns 0, -ENOMEM, other -errno. */
int device_watch_new(sd_event *event, struct pipeline *pipeline, struct device_watch **ret);

/** NULL is allowed. Returns NULL. */
struct device_watch *device_watch_free(struct device_watch *watch);
DEFINE_CLEANUP(struct device_watch *, device_watch_free)
