/* SPDX-License-Identifier: MIT */
/*
 * connection - one Varlink connection to lookoutd.
 *
 * Calls go out and replies come in as JSON objects, each ended by a NUL
 * (varlink.org, "Protocol"). What comes in is not trusted: a reply larger than
 * CONNECTION_REPLY_BYTES_MAX, or one that is no JSON object, ends the connection.
 * Nothing blocks longer than its deadline. One thread.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"

#define LOOKOUT_INTERFACE "org.lookoutd.Lookout1"

enum { CONNECTION_REPLY_BYTES_MAX = 16 << 20, CONNECTION_FDS_MAX = 16 };

struct connection;

/** One method call. All pointers are borrowed for the call. */
struct call {
    const char *method;       /* "Status", or with its interface, "org.varlink.service.GetInfo" */
    const json_t *parameters; /* an object, or NULL for none */
    bool more;                /* ask for a stream of replies */
    const int *fds;           /* [n_fds], sent along by SCM_RIGHTS */
    size_t n_fds;             /* at most CONNECTION_FDS_MAX */
};

/** One reply. Empty it with reply_clear(). */
struct reply {
    json_t *whole;      /* owned; the message */
    json_t *parameters; /* borrowed from @whole; NULL if it has none */
    const char *error;  /* borrowed from @whole; name of the error, NULL if it is none */
    bool continues;     /* more will follow */
};

/** Drop what @reply owns; a zeroed one is allowed. */
void reply_clear(struct reply *reply);

/**
 * Connect to the socket at @path.
 * Returns 0, -EHOSTDOWN (nobody listens there, no permission, too busy),
 * -ENAMETOOLONG, or -errno of socket(2) or connect(2); @fault says what to do.
 */
int connection_new(const char *path, struct connection **ret, struct fault *fault);

/** Take over @fd, a connected stream socket; it is closed with the connection. Returns 0, -ENOMEM.
 */
int connection_adopt(int fd, struct connection **ret);

/** Close and free. NULL is allowed. Returns NULL. */
struct connection *connection_free(struct connection *connection);
DEFINE_CLEANUP(struct connection *, connection_free)

/** Send @call. Returns 0, -ECONNRESET, -ETIMEDOUT (the daemon does not read), -ENOMEM, -errno. */
int connection_send(struct connection *connection, const struct call *call, struct fault *fault);

/**
 * Wait for the next reply.
 * @deadline_ns  CLOCK_MONOTONIC; INT64_MAX waits for ever.
 * @wake_fd      waiting ends when it becomes readable; -1 for none.
 * @ret          written only if 1 is returned; an error reply is a reply.
 * Returns 1, 0 (deadline passed), -EINTR (@wake_fd), -ECONNRESET (the daemon
 * closed), -EBADMSG (not Varlink), -EMSGSIZE (too large), -ENOMEM, -errno.
 */
int connection_receive(struct connection *connection, int64_t deadline_ns, int wake_fd,
                       struct reply *ret, struct fault *fault);

/**
 * Send @call and wait for its one reply, at most ten seconds.
 * Returns 0, -ETIMEDOUT, -EREMOTEIO (an error reply; @fault puts it in words and
 * @ret holds it), or what the two above return.
 */
int connection_call(struct connection *connection, const struct call *call, struct reply *ret,
                    struct fault *fault);

/** Put an error reply in words: what, and what to do. Returns -EREMOTEIO. */
int reply_fault(const struct reply *reply, struct fault *fault);
