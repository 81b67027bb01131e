/* SPDX-License-Identifier: MIT */
/*
 * devices_scan - devices_each() in a thread, so that a driver that hangs holds up nobody else.
 *
 * The thread ends by itself when all devices were asked. One that hangs stays until its driver
 * answers; what it said before can be had all the same.
 */
#pragma once

#include "common/cleanup.h"
#include "pipeline/devices.h"

struct devices_scan;

/**
 * Start to ask all devices.
 * @wake_fd  eventfd that is written when there is something new; must outlive the scan.
 * Returns 0, -ENOMEM, -EAGAIN, -EMFILE.
 */
int devices_scan_new(int wake_fd, struct devices_scan **ret);

/** Waits for the thread. NULL is allowed. Returns NULL. */
struct devices_scan *devices_scan_free(struct devices_scan *scan);
DEFINE_CLEANUP(struct devices_scan *, devices_scan_free)

/** Take over what the thread has found out since the last call. Returns true once it has ended. */
bool devices_scan_take(struct devices_scan *scan);

/** What is known, @ret_n of them; valid until the next call with @scan. */
const struct device_info *devices_scan_found(const struct devices_scan *scan, size_t *ret_n);

/** The device whose driver is being asked, "" if none is. Valid as above. */
const char *devices_scan_asking(const struct devices_scan *scan);
