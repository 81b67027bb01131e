/* SPDX-License-Identifier: MIT */
/* Method: the D-Bus specification, "Message Bus"; sd_bus_add_object_vtable(3). */
#include "daemon/publish_bus.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "daemon/bus_object.h"
#include "daemon/journal.h"

enum { RETRY_FIRST_S = 1, RETRY_LAST_S = 60, QUEUED_MAX = 2048, USEC_PER_S = 1000000 };

struct publish_bus {
    struct daemon *daemon;
    enum bus_choice choice;
    sd_bus *bus; /* NULL: waiting for the next try */
    bool has_name, told;
    unsigned retry_s;
    sd_event_source *retry;
    char refreshed[BUS_OBJECT_STATE_BYTES]; /* what the properties said last */
    uint64_t n_unsent;
};

static void disconnect(struct publish_bus *bus) {
    bus->has_name = false;
    bus->bus = sd_bus_close_unref(bus->bus); /* a flush would wait for a bus that does not read */
}

/* Said once per outage, not at every try. */
static void try_later(struct publish_bus *bus, int error, const char *what) {
    if (!bus->told)
        journal_send(LOG_WARNING, JOURNAL_BUS, NULL, "D-Bus: %s: %s, retrying", what,
                     strerror(-error));
    bus->told = true;
    (void) sd_event_source_set_time_relative(bus->retry, (uint64_t) bus->retry_s * USEC_PER_S);
    (void) sd_event_source_set_enabled(bus->retry,
                                       SD_EVENT_ONESHOT); /* cannot fail for our own source */
    bus->retry_s = bus->retry_s * 2 < RETRY_LAST_S ? bus->retry_s * 2 : RETRY_LAST_S;
}

/* Not from within a callback of the connection that is closed: the timer does it. */
static int on_disconnected(sd_bus_message *message, void *user, sd_bus_error *error) {
    struct publish_bus *bus = user;

    bus->has_name = false;
    try_later(bus, -ECONNRESET, "the bus has gone");
    return 0;
}

static int on_name(sd_bus_message *reply, void *user, sd_bus_error *error) {
    struct publish_bus *bus = user;

    if (sd_bus_message_is_method_error(reply, NULL)) {
        try_later(bus, sd_bus_message_get_errno(reply) ? -sd_bus_message_get_errno(reply) : -EACCES,
                  "the name " BUS_OBJECT_NAME " is refused");
        return 0;
    }
    bus->has_name = true;
    bus->told = false;
    bus->retry_s = RETRY_FIRST_S;
    journal_send(LOG_INFO, JOURNAL_BUS, NULL, "D-Bus: publishing as " BUS_OBJECT_NAME);
    return 0;
}

static int try_connect(struct publish_bus *bus) {
    int r = bus->choice == BUS_SYSTEM ? sd_bus_open_system(&bus->bus) : sd_bus_open_user(&bus->bus);

    if (r >= 0)
        r = sd_bus_set_exit_on_disconnect(bus->bus, false);
    if (r >= 0)
        r = sd_bus_attach_event(bus->bus, bus->daemon->event, SD_EVENT_PRIORITY_NORMAL);
    if (r >= 0)
        r = bus_object_add(bus->bus, bus->daemon);
    if (r >= 0)
        r = sd_bus_match_signal_async(bus->bus, NULL, "org.freedesktop.DBus.Local", NULL,
                                      "org.freedesktop.DBus.Local", "Disconnected", on_disconnected,
                                      NULL, bus);
    if (r >= 0)
        r = sd_bus_request_name_async(bus->bus, NULL, BUS_OBJECT_NAME, 0, on_name, bus);
    return r;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *user) {
    struct publish_bus *bus = user;
    int r;

    disconnect(bus);
    r = try_connect(bus);
    if (r >= 0)
        return 0;
    disconnect(bus);
    try_later(bus, r, "no bus");
    return 0;
}

int publish_bus_new(struct daemon *daemon, enum bus_choice choice, struct publish_bus **ret) {
    _cleanup_(publish_bus_freep) struct publish_bus *bus = calloc(1, sizeof(*bus));
    int r;

    if (!bus)
        return -ENOMEM;
    bus->daemon = daemon;
    bus->choice = choice;
    bus->retry_s = RETRY_FIRST_S;
    r = sd_event_add_time_relative(daemon->event, &bus->retry, CLOCK_MONOTONIC, 0, 0, on_retry,
                                   bus);
    if (r < 0)
        return r;
    *ret = bus;
    bus = NULL;
    return 0;
}

struct publish_bus *publish_bus_free(struct publish_bus *bus) {
    if (!bus)
        return NULL;
    disconnect(bus);
    sd_event_source_disable_unref(bus->retry);
    free(bus);
    return NULL;
}

enum bus_choice publish_bus_choice(enum bus_choice wanted) {
    if (wanted != BUS_AUTO)
        return wanted;
    if (getenv("DBUS_SYSTEM_BUS_ADDRESS") || geteuid() == 0)
        return BUS_SYSTEM;
    if (getenv("DBUS_SESSION_BUS_ADDRESS"))
        return BUS_SESSION;
    return getenv("NOTIFY_SOCKET") ? BUS_SYSTEM : BUS_NONE;
}

/* A bus that does not read must not fill our memory. */
static bool can_send(struct publish_bus *bus) {
    uint64_t n_queued = 0;

    if (!bus || !bus->has_name || sd_bus_get_n_queued_write(bus->bus, &n_queued) < 0)
        return false;
    if (n_queued > QUEUED_MAX)
        bus->n_unsent++;
    return n_queued <= QUEUED_MAX;
}

void publish_bus_event(struct publish_bus *bus, const struct event *event) {
    if (can_send(bus) && bus_object_emit_event(bus->bus, event) < 0)
        bus->n_unsent++;
}

void publish_bus_change(struct publish_bus *bus, const struct sensor_status *sensor) {
    if (can_send(bus) && bus_object_emit_change(bus->bus, sensor) < 0)
        bus->n_unsent++;
}

void publish_bus_refresh(struct publish_bus *bus) {
    char state[BUS_OBJECT_STATE_BYTES];

    if (!can_send(bus))
        return;
    bus_object_state(bus->daemon, state);
    if (strcmp(state, bus->refreshed) == 0)
        return;
    if (bus_object_emit_properties(bus->bus) >= 0)
        memcpy(bus->refreshed, state, sizeof(state));
}
