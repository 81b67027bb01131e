/* SPDX-License-Identifier: MIT */
/*
 * message - the text of one message to clients, shared by all who wait for it.
 *
 * However many subscribers read slowly, what waits for them is kept once.
 * Main thread only.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "common/cleanup.h"

struct message {
    unsigned n_refs;
    size_t n_bytes; /* without the NUL behind the text */
    char text[];
};

/** Copy @n_bytes of @text. Returns the message with one owner, or NULL without memory. */
struct message *message_new(const char *text, size_t n_bytes);

/** Write @json compactly, which is released (NULL is allowed). Returns the message, or NULL without
 * memory. */
struct message *message_from_json(json_t *json);

/** One more owner. Returns @message. */
struct message *message_ref(struct message *message);

/** One owner less; the last frees. NULL is allowed. Returns NULL. */
struct message *message_unref(struct message *message);
DEFINE_CLEANUP(struct message *, message_unref)
