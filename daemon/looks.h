/* SPDX-License-Identifier: MIT */
/*
 * looks - Look: what a sensor shows now, streamed to a person who wants to see whether it is right.
 *
 * A client that reads slowly gets fewer answers, each of what there is then. Main thread only.
 */
#pragma once

#include <jansson.h>

#include "daemon/connection.h"
#include "daemon/daemon.h"

struct looker;

/**
 * Stream to @connection from now on, if its client may and what @parameters name is there.
 * @ret  the looker, which ends with looker_free(); written if it streams.
 * Returns NULL if it streams, else the refusal, or NULL without memory and *@ret untouched.
 */
struct message *looker_new(struct daemon *daemon, struct connection *connection,
                           const json_t *parameters, struct looker **ret);

/** End it, when its connection goes. NULL is allowed. Returns NULL. */
struct looker *looker_free(struct looker *looker);
DEFINE_CLEANUP(struct looker *, looker_free)
