/* SPDX-License-Identifier: MIT */
/* What a client may send: any bytes, in pieces; messages come out whole or the connection is
 * refused. */
#include "daemon/varlink.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/parameters.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void read_parameters(const json_t *parameters) {
    struct filter filter = { 0 };
    const char *wrong = NULL;
    int64_t after = -1, limit = 100;
    bool scores;

    if (parameters_known(parameters, "a limit scores", &wrong) < 0 && !wrong)
        abort();
    if (parameter_filter(parameters, &filter, &wrong) == 0 &&
        (filter.n_tasks > FILTER_NAMES_MAX || filter.n_labels > FILTER_NAMES_MAX))
        abort();
    (void) parameter_bool(parameters, "scores", &scores, &wrong);
    if (parameter_cursor(parameters, "boot", &after, &wrong) == 0 && after < -1)
        abort();
    if (parameter_int(parameters, "limit", 0, 1000, &limit, &wrong) == 0 &&
        (limit < 0 || limit > 1000))
        abort();
}

static void read_call(const char *text, size_t n_bytes) {
    _cleanup_(varlink_call_clear) struct varlink_call call = { 0 };
    struct fault fault = { "" };
    const int r = varlink_call_read(text, n_bytes, &call, &fault);

    if (r == 0)
        read_parameters(call.parameters);
    else if (r != -ENOMEM && (r != -EBADMSG || fault.text[0] == '\0'))
        abort();
}

/* Take what has come whole. Returns as varlink_reader_next(). */
static int read_calls(struct varlink_reader *reader) {
    const char *text;
    size_t n;
    int r;

    while ((r = varlink_reader_next(reader, &text, &n)) > 0) {
        if (n > VARLINK_MESSAGE_BYTES_MAX)
            abort();
        read_call(text, n);
    }
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    _cleanup_(varlink_reader_freep) struct varlink_reader *reader = NULL;
    const size_t n_piece = n_bytes > 0 ? 1 + data[0] % 64 : 1;

    if (varlink_reader_new(&reader) < 0)
        return 0;
    while (n_bytes > 0) {
        size_t n;
        void *room;

        if (varlink_reader_room(reader, &room, &n) < 0)
            return 0;
        n = n < n_piece ? n : n_piece;
        n = n < n_bytes ? n : n_bytes;
        memcpy(room, data, n);
        varlink_reader_filled(reader, n);
        data += n;
        n_bytes -= n;
        if (read_calls(reader) < 0)
            return 0;
    }
    return 0;
}
