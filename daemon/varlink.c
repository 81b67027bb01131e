/* SPDX-License-Identifier: MIT */
/*
 * Method: varlink.org, "Method Call" (message framing and the members method,
 * parameters, oneway, more, continues, error). Newline mode is Lookout's own.
 */
#include "daemon/varlink.h"

#include <errno.h>
#include <string.h>

enum {
    FIRST_BYTES = 1024
}; /* of the buffer; it doubles up to the largest message and what ends it */

enum framing { FRAMING_UNDECIDED, FRAMING_NUL, FRAMING_NEWLINE };

struct varlink_reader {
    enum framing framing;
    char *bytes;
    size_t n_room, n_filled;
    size_t taken;   /* bytes of messages already handed out */
    size_t scanned; /* from taken: no end of a message in these */
};

int varlink_reader_new(struct varlink_reader **ret) {
    _cleanup_(varlink_reader_freep) struct varlink_reader *reader = calloc(1, sizeof(*reader));

    if (!reader)
        return -ENOMEM;
    reader->bytes = malloc(FIRST_BYTES);
    if (!reader->bytes)
        return -ENOMEM;
    reader->n_room = FIRST_BYTES;
    *ret = reader;
    reader = NULL;
    return 0;
}

struct varlink_reader *varlink_reader_free(struct varlink_reader *reader) {
    if (!reader)
        return NULL;
    free(reader->bytes);
    free(reader);
    return NULL;
}

int varlink_reader_room(struct varlink_reader *reader, void **ret, size_t *ret_n_bytes) {
    memmove(reader->bytes, reader->bytes + reader->taken, reader->n_filled - reader->taken);
    reader->n_filled -= reader->taken;
    reader->taken = 0;
    if (reader->n_filled == reader->n_room) {
        char *bytes = realloc(reader->bytes, reader->n_room * 2);

        if (!bytes)
            return -ENOMEM;
        reader->bytes = bytes;
        reader->n_room *= 2;
    }
    *ret = reader->bytes + reader->n_filled;
    *ret_n_bytes = reader->n_room - reader->n_filled;
    return 0;
}

void varlink_reader_filled(struct varlink_reader *reader, size_t n_bytes) {
    reader->n_filled += n_bytes;
}

/* Brackets outside strings nest no deeper than allowed; keeps the JSON parser's recursion small. */
static bool depth_is_fine(const char *text, size_t n_bytes) {
    int depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < n_bytes; i++) {
        if (in_string && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_string = !in_string;
        else if (!in_string && (text[i] == '{' || text[i] == '['))
            depth++;
        else if (!in_string && (text[i] == '}' || text[i] == ']'))
            depth--;
        if (depth > VARLINK_DEPTH_MAX)
            return false;
    }
    return true;
}

static json_t *load_object(const char *text, size_t n_bytes, json_error_t *error) {
    json_t *root = json_loadb(text, n_bytes, JSON_REJECT_DUPLICATES, error);

    if (json_is_object(root))
        return root;
    if (root)
        (void) strcpy(error->text, "not a JSON object"); /* fits */
    json_decref(root);
    return NULL;
}

static bool is_object(const char *text, size_t n_bytes) {
    json_error_t error;
    json_t *root = depth_is_fine(text, n_bytes) ? load_object(text, n_bytes, &error) : NULL;

    json_decref(root);
    return root != NULL;
}

/* Until the first NUL or newline nobody knows what ends a message. */
static void decide_framing(struct varlink_reader *reader) {
    const char *text = reader->bytes + reader->taken;
    const size_t n_bytes = reader->n_filled - reader->taken;
    const char *nul = memchr(text, '\0', n_bytes);
    const char *newline = memchr(text, '\n', nul ? (size_t) (nul - text) : n_bytes);

    if (newline && is_object(text, (size_t) (newline - text)))
        reader->framing = FRAMING_NEWLINE;
    else if (nul || newline)
        reader->framing = FRAMING_NUL;
}

static size_t n_blanks(const char *text, size_t n_bytes) {
    size_t n = 0;

    while (n < n_bytes && (text[n] == ' ' || text[n] == '\t' || text[n] == '\r' || text[n] == '\n'))
        n++;
    return n;
}

int varlink_reader_next(struct varlink_reader *reader, const char **ret, size_t *ret_n_bytes) {
    const char *text, *end;
    size_t n_bytes;

    if (reader->framing == FRAMING_UNDECIDED)
        decide_framing(reader);
    if (reader->framing == FRAMING_NEWLINE &&
        reader->scanned == 0) /* empty lines are no messages */
        reader->taken += n_blanks(reader->bytes + reader->taken, reader->n_filled - reader->taken);

    text = reader->bytes + reader->taken;
    n_bytes = reader->n_filled - reader->taken;
    if (n_blanks(text, n_bytes) < n_bytes && text[n_blanks(text, n_bytes)] != '{')
        return -EBADMSG;
    end = reader->framing == FRAMING_UNDECIDED
              ? NULL
              : memchr(text + reader->scanned, varlink_reader_terminator(reader),
                       n_bytes - reader->scanned);
    if ((end ? (size_t) (end - text) : n_bytes) > VARLINK_MESSAGE_BYTES_MAX)
        return -EMSGSIZE;
    if (!end) {
        reader->scanned = reader->framing == FRAMING_UNDECIDED ? 0 : n_bytes;
        return 0;
    }
    reader->scanned = 0;
    reader->taken += (size_t) (end - text) + 1;
    *ret = text;
    *ret_n_bytes = (size_t) (end - text);
    return 1;
}

bool varlink_reader_is_half(const struct varlink_reader *reader) {
    return reader->n_filled > reader->taken;
}

char varlink_reader_terminator(const struct varlink_reader *reader) {
    return reader->framing == FRAMING_NEWLINE ? '\n' : '\0';
}

static int read_flag(json_t *root, const char *name, bool *ret, struct fault *fault) {
    const json_t *flag = json_object_get(root, name);

    if (flag && !json_is_boolean(flag) && !json_is_null(flag))
        return fault_set(fault, -EBADMSG, "\"%s\" must be true or false", name);
    *ret = json_is_true(flag);
    return 0;
}

int varlink_call_read(const char *text, size_t n_bytes, struct varlink_call *ret,
                      struct fault *fault) {
    _cleanup_(varlink_call_clear) struct varlink_call call = { 0 };
    json_error_t error;
    int r;

    if (!depth_is_fine(text, n_bytes))
        return fault_set(fault, -EBADMSG, "nested deeper than %d", VARLINK_DEPTH_MAX);
    call.root = load_object(text, n_bytes, &error);
    if (!call.root)
        return fault_set(fault, -EBADMSG, "not a JSON object: %s (byte %d)", error.text,
                         error.position);
    call.method = json_string_value(json_object_get(call.root, "method"));
    if (!call.method)
        return fault_set(fault, -EBADMSG, "\"method\" is missing or no string");
    call.parameters = json_object_get(call.root, "parameters");
    if (!call.parameters || json_is_null(call.parameters)) {
        call.parameters = json_object();
        if (json_object_set_new(call.root, "parameters", call.parameters) < 0)
            return -ENOMEM;
    }
    if (!json_is_object(call.parameters))
        return fault_set(fault, -EBADMSG, "\"parameters\" is no object");
    r = read_flag(call.root, "more", &call.more, fault);
    if (r == 0)
        r = read_flag(call.root, "oneway", &call.oneway, fault);
    if (r < 0)
        return r;
    *ret = call;
    call = (struct varlink_call){ 0 };
    return 0;
}

void varlink_call_clear(struct varlink_call *call) {
    json_decref(call->root);
    *call = (struct varlink_call){ 0 };
}

struct message *varlink_reply(json_t *parameters, bool continues) {
    json_t *reply = json_object();

    if (json_object_set_new(reply, "parameters", parameters ? parameters : json_object()) < 0 ||
        (continues && json_object_set_new(reply, "continues", json_true()) < 0)) {
        json_decref(reply);
        return NULL;
    }
    return message_from_json(reply);
}

struct message *varlink_error(const char *name, json_t *parameters) {
    json_t *reply = json_object();

    if (json_object_set_new(reply, "error", json_string(name)) < 0 ||
        json_object_set_new(reply, "parameters", parameters ? parameters : json_object()) < 0) {
        json_decref(reply);
        return NULL;
    }
    return message_from_json(reply);
}
