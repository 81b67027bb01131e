/* SPDX-License-Identifier: MIT */
/* recordings - Record and StopRecord: a client's files being written. Main thread only. */
#pragma once

#include <jansson.h>

#include "daemon/connection.h"
#include "daemon/daemon.h"

/** The recordings of one client; zero-initialise. */
struct recordings {
    size_t n;
    struct {
        char sensor[NAME_BYTES];
        unsigned id;
    } items[SENSORS_MAX];
};

/**
 * Start to write the sensors named in @sensors, a JSON array, to the descriptors that came with the
 * call. Returns the answer, or NULL without memory.
 */
struct message *recordings_start(struct recordings *recordings, struct daemon *daemon,
                                 struct connection *connection, const json_t *sensors);

/** End all. Returns the answer with what was written, or NULL without memory. */
struct message *recordings_stop(struct recordings *recordings, struct daemon *daemon);
