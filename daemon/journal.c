/* SPDX-License-Identifier: MIT */
/* Method: systemd.journal-fields(7) for the fields, sd_journal_print(3) for JOURNAL_STREAM. */
#include "daemon/journal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "common/units.h"

enum { TEXT_BYTES = 1024, FIELD_BYTES = 512, BURST_ENTRIES = 5 };
#define BURST_NS (10 * NS_PER_S)

static const struct {
    const char *message_id;
    bool is_limited; /* a client can cause it as often as it likes */
} kinds[JOURNAL_KINDS] = {
    [JOURNAL_STARTED] = { "9709371223a448128601afd4a3c8e9b4", false },
    [JOURNAL_STOPPED] = { "ed37716912a64995bd31f1f913198404", false },
    [JOURNAL_CONFIG_BAD] = { "2429b99e0b1e4ca99a7f17af5e752215", false },
    [JOURNAL_CONFIG_APPLIED] = { "2e1a9af01c6644d09083ee98fd471fdf", false },
    [JOURNAL_SENSOR] = { "651e4395ca604aa8a131463779b450f6", false },
    [JOURNAL_TASK] = { "9845851f10cf4b6aa954686b238d4c26", false },
    [JOURNAL_EVENT_BEGAN] = { "63f17e8b023d4a559670668572674567", false },
    [JOURNAL_EVENT_ENDED] = { "f693d8ae48f44e29a4125141e6fcf68b", false },
    [JOURNAL_SUBSCRIBER_DROPPED] = { "2ce9c213e2dd41a2adbb670db2d4b623", true },
    [JOURNAL_CLIENT_REFUSED] = { "02dbe607a36e467e90cf3281921e89d1", true },
    [JOURNAL_BUS] = { "c478bb4b4dd849aba2afe5ff929e7e2a", false },
    [JOURNAL_STATE] = { "2d787aa62f3b488aba38a90091819980", false },
    [JOURNAL_STALLED] = { "f3eec0aa02764629895d898bb7598fe0", false },
    [JOURNAL_RECORDING] = { "5e2a47ed2d674ef993b95671301f233d", false },
    [JOURNAL_LOOK] = { "17aa3d638bc547088caa2ce3e048b169", false },
};

/* How often a kind was written in the running ten seconds. */
static struct burst {
    int64_t since_ns;
    unsigned n;
} bursts[JOURNAL_KINDS];

const char *journal_message_id(enum journal_kind kind) {
    return kinds[kind].message_id;
}

/* True if stderr is a stream to the journal, by JOURNAL_STREAM=DEVICE:INODE. */
static bool stderr_is_journal(void) {
    const char *stream = getenv("JOURNAL_STREAM");
    uintmax_t device, inode;
    struct stat status;

    return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &status) == 0 && status.st_dev == device && status.st_ino == inode;
}

/* Whether this one is to be written. *@ret_n_left_out says how many before it were not. */
static bool within_burst(enum journal_kind kind, unsigned *ret_n_left_out) {
    struct burst *burst = &bursts[kind];
    const int64_t now = now_ns();

    *ret_n_left_out = 0;
    if (!kinds[kind].is_limited)
        return true;
    if (burst->n == 0 || now - burst->since_ns > BURST_NS) {
        *ret_n_left_out = burst->n > BURST_ENTRIES ? burst->n - BURST_ENTRIES : 0;
        *burst = (struct burst){ .since_ns = now };
    }
    return burst->n++ < BURST_ENTRIES;
}

static void send_structured(int priority, enum journal_kind kind,
                            const struct journal_field *fields, const char *message) {
    char texts[JOURNAL_FIELDS_MAX][FIELD_BYTES], line[TEXT_BYTES + 16], level[16], id[64];
    struct iovec iovs[JOURNAL_FIELDS_MAX + 4];
    int n = 0;

#define ADD(buffer, ...)                                                                           \
    do {                                                                                           \
        (void) snprintf((buffer), sizeof(buffer), __VA_ARGS__); /* cut is fine */                  \
        iovs[n++] = (struct iovec){ (buffer), strlen(buffer) };                                    \
    } while (0)
    ADD(line, "MESSAGE=%s", message);
    ADD(level, "PRIORITY=%d", priority);
    ADD(id, "MESSAGE_ID=%s", kinds[kind].message_id);
    for (int i = 0; fields && fields[i].name; i++) {
        assert(i < JOURNAL_FIELDS_MAX);
        ADD(texts[i], "%s=%s", fields[i].name, fields[i].value ? fields[i].value : "");
    }
#undef ADD
    (void) sd_journal_sendv(iovs, n); /* no journal, no entry: there is nobody else to tell */
}

void journal_send(int priority, enum journal_kind kind, const struct journal_field *fields,
                  const char *format, ...) {
    char message[TEXT_BYTES];
    va_list arguments;
    unsigned n_left_out;
    size_t n;

    if (!within_burst(kind, &n_left_out))
        return;
    va_start(arguments, format);
    (void) vsnprintf(message, sizeof(message), format, arguments); /* cut is fine */
    va_end(arguments);
    n = strlen(message);
    if (n_left_out > 0)
        (void) snprintf(message + n, sizeof(message) - n, " (and %u more before, not shown)",
                        n_left_out);
    if (stderr_is_journal())
        send_structured(priority, kind, fields, message);
    else
        (void) fprintf(stderr, "lookoutd: %s%s\n",
                       priority <= LOG_ERR       ? "error: "
                       : priority == LOG_WARNING ? "warning: "
                                                 : "",
                       message);
}
