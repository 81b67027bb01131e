/* SPDX-License-Identifier: MIT */
#include "daemon/publish.h"

#include <stdio.h>

#include "daemon/daemon.h"
#include "daemon/journal.h"
#include "daemon/publish_bus.h"
#include "daemon/publish_socket.h"

enum { NOTICES_PER_TURN = 64 }; /* clients and signals get their turn between them */

static void log_event(const struct daemon *daemon, const struct event *event) {
    const bool began = event->phase == EVENT_BEGIN;
    char confidence[16];

    if (!daemon_settings(daemon)->journal_events || event->phase == EVENT_UPDATE)
        return;
    (void) snprintf(confidence, sizeof(confidence), "%.3f", event->confidence);
    journal_send(LOG_NOTICE, began ? JOURNAL_EVENT_BEGAN : JOURNAL_EVENT_ENDED,
                 JOURNAL_FIELDS({ "TASK", event->task }, { "LABEL", event->label },
                                { "CONFIDENCE", confidence }, { "EVENT_ID", event->id },
                                { "BUNDLE_SHA256", event->bundle_sha256 }),
                 "%s: %s %s (%.0f %%)", event->task, event->label, began ? "began" : "ended",
                 event->confidence * 100);
}

static void on_event(struct daemon *daemon, const struct event *event) {
    const struct event_context context = { daemon->boot, daemon->config_sha256,
                                           ring_next_sequence(daemon->ring) };
    struct fault fault = { "" };

    if (publish_socket_event(daemon->socket, event, &context) < 0)
        return; /* out of memory: neither kept nor said, and the sequence stays */
    publish_bus_event(daemon->bus, event);
    log_event(daemon, event);
    if (state_keep_sequence(daemon->state, context.sequence, &fault) < 0)
        daemon_state_failed(daemon, &fault);
}

static void on_sensor(struct daemon *daemon, const struct sensor_status *sensor) {
    const struct event_context context = { daemon->boot, daemon->config_sha256,
                                           ring_next_sequence(daemon->ring) - 1 };
    const char *state = sensor_state_name(sensor->state);
    const char *why = sensor->reason[0]                 ? sensor->reason
                      : sensor->state == SENSOR_RUNNING ? sensor->note
                                                        : "";

    (void) publish_socket_change(daemon->socket, sensor,
                                 &context); /* out of memory: status still has it */
    publish_bus_change(daemon->bus, sensor);
    journal_send(sensor->state == SENSOR_LOST ? LOG_WARNING : LOG_INFO, JOURNAL_SENSOR,
                 JOURNAL_FIELDS({ "SENSOR", sensor->name }, { "STATE", state },
                                { "DEVICE", sensor->device }, { "REASON", sensor->reason }),
                 "sensor %s is %s%s%s", sensor->name, state, why[0] ? ": " : "", why);
}

static void on_ended(struct daemon *daemon) {
    daemon->ended = true;
    journal_send(LOG_INFO, JOURNAL_SENSOR, NULL, "all recordings have ended");
    if (daemon_settings(daemon)->exit_at_end)
        (void) sd_event_exit(daemon->event, 0); /* cannot fail: we run in it */
}

static void on_notice(struct daemon *daemon, const struct notice *notice) {
    switch (notice->kind) {
    case NOTICE_EVENT:
        on_event(daemon, &notice->event);
        return;
    case NOTICE_SENSOR:
        on_sensor(daemon, &notice->sensor);
        return;
    case NOTICE_SCORES:
        (void) publish_socket_scores(daemon->socket, &notice->scores,
                                     daemon->boot); /* the next come soon */
        histogram_add(&daemon->published, now_ns() - notice->scores.at_ns);
        return;
    case NOTICE_ENDED:
        on_ended(daemon);
        return;
    }
}

int publish_notices(sd_event_source *source, int fd, uint32_t revents, void *user) {
    struct daemon *daemon = user;
    struct notice notice;
    bool changed = false;
    int r = 0;

    for (int i = 0; i < NOTICES_PER_TURN && (r = pipeline_next(daemon->pipeline, &notice)) > 0;
         i++) {
        on_notice(daemon, &notice);
        changed = changed || notice.kind == NOTICE_SENSOR;
    }
    publish_bus_refresh(daemon->bus);
    if (changed)
        daemon_notify_status(daemon, "");
    return r < 0 ? r : 0;
}
