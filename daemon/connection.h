/* SPDX-License-Identifier: MIT */
/*
 * connection - one client of the socket: calls in, messages out, all of it bounded.
 *
 * A client that does not read what it is sent is not read from either, until
 * what waits for it is small again. Main thread only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "daemon/message.h"
#include "daemon/peer.h"
#include "daemon/varlink.h"

enum { CONNECTION_FDS_MAX = 16 }; /* descriptors beside one call */

struct connection;

/** What the owner of connections does about them. */
struct connection_handlers {
    /** A whole call; answer with connection_send(). */
    void (*call)(struct connection *connection, const struct varlink_call *call, void *user);
    /** The connection is dead: free what hangs on it and connection_free() it, but not during this
     * call. */
    void (*dead)(struct connection *connection, void *user);
    void *user;
};

/**
 * Serve the client behind @fd, which the connection takes over if it succeeds.
 * @handlers  must outlive the connection.
 * Returns 0, -ENOMEM, other -errno.
 */
int connection_new(sd_event *event, int fd, const struct connection_handlers *handlers,
                   struct connection **ret);

/** Close. NULL is allowed. Returns NULL. */
struct connection *connection_free(struct connection *connection);
DEFINE_CLEANUP(struct connection *, connection_free)

const struct peer *connection_peer(const struct connection *connection);

/**
 * Queue @message (released; NULL counts as out of memory and ends the connection)
 * and write what the socket takes at once. Never blocks, never frees the connection.
 */
void connection_send(struct connection *connection, struct message *message);

/** Bytes that wait to be written. */
size_t connection_n_waiting(const struct connection *connection);

/** Forget the waiting messages of which nothing was written yet. Returns how many. */
unsigned connection_forget_waiting(struct connection *connection);

/** While streaming, further calls are left unread. */
void connection_set_streaming(struct connection *connection, bool streaming);

/** Not streaming any more: take what was left unread. Not during a call's handler. */
void connection_resume(struct connection *connection);

/** Read no more; write what waits, for five seconds at most, and then be dead. */
void connection_finish(struct connection *connection);

/** True once nothing more can come of it. */
bool connection_is_dead(const struct connection *connection);

/** When it must be called again with connection_expire(): CLOCK_MONOTONIC ns, INT64_MAX never. */
int64_t connection_deadline_ns(const struct connection *connection);

/** Time has passed: end what took too long. */
void connection_expire(struct connection *connection, int64_t now);

/**
 * Take the descriptors that came beside the present call; call at most once per call.
 * Returns how many; they are the caller's. What is not taken is closed behind the call.
 */
size_t connection_take_fds(struct connection *connection, int ret[CONNECTION_FDS_MAX]);

/** A pointer of the owner's, NULL at first. */
void connection_set_user(struct connection *connection, void *user);
void *connection_user(const struct connection *connection);
