/* SPDX-License-Identifier: MIT */
/* methods - what the socket answers: org.varlink.service and org.lookoutd.Lookout1. Main thread
 * only. */
#pragma once

#include "daemon/connection.h"

/** Answer @call; @daemon is the struct daemon. For struct server_handlers. */
void methods_call(struct connection *connection, const struct varlink_call *call, void *daemon);

/** The client went: end its subscription and its recordings. */
void methods_gone(struct connection *connection, void *daemon);
