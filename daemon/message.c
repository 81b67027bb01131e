/* SPDX-License-Identifier: MIT */
#include "daemon/message.h"

#include <stdint.h>
#include <string.h>

enum { REAL_DIGITS = 10 }; /* what is published is rounded to 1e-6, see event_json.c */

static struct message *message_alloc(size_t n_bytes) {
    struct message *message =
        n_bytes < SIZE_MAX / 2 ? malloc(sizeof(*message) + n_bytes + 1) : NULL;

    if (!message)
        return NULL;
    message->n_refs = 1;
    message->n_bytes = n_bytes;
    message->text[n_bytes] = '\0';
    return message;
}

struct message *message_new(const char *text, size_t n_bytes) {
    struct message *message = message_alloc(n_bytes);

    if (message)
        memcpy(message->text, text, n_bytes);
    return message;
}

struct message *message_from_json(json_t *json) {
    const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS);
    const size_t n_bytes = json ? json_dumpb(json, NULL, 0, flags) : 0;
    struct message *message = n_bytes > 0 ? message_alloc(n_bytes) : NULL;

    if (message)
        (void) json_dumpb(json, message->text, n_bytes, flags); /* the size is known to fit */
    json_decref(json);
    return message;
}

struct message *message_ref(struct message *message) {
    message->n_refs++;
    return message;
}

struct message *message_unref(struct message *message) {
    if (message && --message->n_refs == 0)
        free(message);
    return NULL;
}
