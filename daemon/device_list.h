/* SPDX-License-Identifier: MIT */
/*
 * device_list - ListDevices: asks the drivers in a thread and answers when they have, or after
 * DEVICE_LIST_NS with what is known by then. Main thread only.
 */
#pragma once

#include "daemon/connection.h"
#include "daemon/daemon.h"

#define DEVICE_LIST_NS (4 * NS_PER_S)

struct device_list;

/** @daemon must outlive it. Returns 0, -ENOMEM, -errno. */
int device_list_new(struct daemon *daemon, struct device_list **ret);

/** Waits for a driver that is being asked. NULL is allowed. Returns NULL. */
struct device_list *device_list_free(struct device_list *list);
DEFINE_CLEANUP(struct device_list *, device_list_free)

/**
 * Answer @connection, whose user is a struct client, later; until then nothing more is read from
 * it. Returns NULL, or the refusal.
 */
struct message *device_list_ask(struct device_list *list, struct connection *connection);
