/* SPDX-License-Identifier: MIT */
/*
 * journal - structured log entries; the only place that logs.
 *
 * To the journal with MESSAGE_ID and fields when stderr is the journal's, else
 * as plain lines to stderr. What each MESSAGE_ID means to a person is in
 * systemd/lookoutd.catalog. Main thread only.
 */
#pragma once

#include <stddef.h>
#include <syslog.h>

/** What an entry is about; each has its own MESSAGE_ID. */
enum journal_kind {
    JOURNAL_STARTED,
    JOURNAL_STOPPED,
    JOURNAL_CONFIG_BAD,
    JOURNAL_CONFIG_APPLIED,
    JOURNAL_SENSOR,
    JOURNAL_TASK,
    JOURNAL_EVENT_BEGAN,
    JOURNAL_EVENT_ENDED,
    JOURNAL_SUBSCRIBER_DROPPED,
    JOURNAL_CLIENT_REFUSED,
    JOURNAL_BUS,
    JOURNAL_STATE,
    JOURNAL_STALLED,
    JOURNAL_RECORDING,
    JOURNAL_LOOK,
};
enum { JOURNAL_KINDS = JOURNAL_LOOK + 1 };

/** A field beside the message: SENSOR=gate. */
struct journal_field {
    const char *name, *value;
};

enum { JOURNAL_FIELDS_MAX = 8 };

/** JOURNAL_FIELDS({ "SENSOR", name }, { "STATE", state }), for the present call. */
#define JOURNAL_FIELDS(...) ((const struct journal_field[]){ __VA_ARGS__, { NULL, NULL } })

/**
 * Write one entry.
 * @priority  LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO ...
 * @fields    up to JOURNAL_FIELDS_MAX, made by JOURNAL_FIELDS(); NULL: none.
 * What clients can cause is limited to a few entries each ten seconds; the rest is counted and told
 * later.
 */
__attribute__((format(printf, 4, 5))) void journal_send(int priority, enum journal_kind kind,
                                                        const struct journal_field *fields,
                                                        const char *format, ...);

/** The MESSAGE_ID of @kind, 32 hexadecimal digits; static. */
const char *journal_message_id(enum journal_kind kind);
