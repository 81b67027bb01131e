/* SPDX-License-Identifier: MIT */
/*
 * varlink - the wire: bytes become messages, messages become calls, answers become text.
 *
 * Knows nothing of sockets. A message ends with NUL. If the bytes up to the first
 * newline of a connection are one whole JSON object, messages end with a newline
 * instead, both ways, so that socat and `while read` will do as clients.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/cleanup.h"
#include "common/fault.h"
#include "daemon/message.h"

enum {
    VARLINK_MESSAGE_BYTES_MAX = 64 * 1024, /* of a call; the largest useful one is far below */
    VARLINK_DEPTH_MAX = 16,                /* of nested objects and arrays in a call */
};

struct varlink_reader;

/** Make the reader of one connection. Returns 0, -ENOMEM. */
int varlink_reader_new(struct varlink_reader **ret);

/** NULL is allowed. Returns NULL. */
struct varlink_reader *varlink_reader_free(struct varlink_reader *reader);
DEFINE_CLEANUP(struct varlink_reader *, varlink_reader_free)

/**
 * Where the next bytes of the connection may be written: at least one byte, valid until
 * the next call. Take all messages with varlink_reader_next() before.
 * Returns 0, -ENOMEM.
 */
int varlink_reader_room(struct varlink_reader *reader, void **ret, size_t *ret_n_bytes);

/** Say that @n_bytes were written there. */
void varlink_reader_filled(struct varlink_reader *reader, size_t n_bytes);

/**
 * Take the next whole message.
 * @ret          its text, without what ends it; valid until varlink_reader_room().
 * Returns 1, 0 if more bytes are needed, -EBADMSG if this cannot become a JSON
 * object, -EMSGSIZE if the message is larger than VARLINK_MESSAGE_BYTES_MAX.
 * After an error the connection is of no further use.
 */
int varlink_reader_next(struct varlink_reader *reader, const char **ret, size_t *ret_n_bytes);

/** Whether a message has begun and not ended. */
bool varlink_reader_is_half(const struct varlink_reader *reader);

/** What ends a message on this connection: NUL, or a newline. */
char varlink_reader_terminator(const struct varlink_reader *reader);

/** One call. Release with varlink_call_clear(), which fits _cleanup_(). */
struct varlink_call {
    json_t *root;       /* owns what the others point to */
    const char *method; /* "org.varlink.service.GetInfo" */
    json_t *parameters; /* an object, perhaps empty */
    bool more, oneway;
};

/**
 * Read one message as a call.
 * @fault  what is wrong with it.
 * Returns 0, -EBADMSG, -ENOMEM.
 */
int varlink_call_read(const char *text, size_t n_bytes, struct varlink_call *ret,
                      struct fault *fault);

void varlink_call_clear(struct varlink_call *call);

/** An answer with @parameters (released; NULL: none). Returns NULL without memory. */
struct message *varlink_reply(json_t *parameters, bool continues);

/** An error by its full name with @parameters (released; NULL: none). Returns NULL without memory.
 */
struct message *varlink_error(const char *name, json_t *parameters);
