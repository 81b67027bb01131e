/* SPDX-License-Identifier: MIT */
/* server - the listening socket and all its connections. Main thread only. */
#pragma once

#include <stdint.h>
#include <systemd/sd-event.h>

#include "daemon/connection.h"

struct server;

struct server_handlers {
    void (*call)(struct connection *connection, const struct varlink_call *call, void *user);
    /** The client has gone: release what connection_user() is. The connection is freed behind the
     * call. */
    void (*gone)(struct connection *connection, void *user);
    void *user;
};

/**
 * Accept connections on @fd, which the server takes over if it succeeds.
 * @n_max  connections at a time; those above are told so and closed.
 * Returns 0, -ENOMEM, other -errno.
 */
int server_new(sd_event *event, int fd, const struct server_handlers *handlers, size_t n_max,
               struct server **ret);

/** Close everything. NULL is allowed. Returns NULL. */
struct server *server_free(struct server *server);
DEFINE_CLEANUP(struct server *, server_free)

void server_set_n_max(struct server *server, size_t n_max);

/** Call @fn for every living connection. */
void server_each(struct server *server, void (*fn)(struct connection *connection, void *user),
                 void *user);

struct server_counts {
    size_t n_connections;
    uint64_t n_accepted, n_refused; /* since the start */
};

struct server_counts server_counts(const struct server *server);
