/* SPDX-License-Identifier: MIT */
/*
 * daemon - the process: event loop, signals, configuration, watchdog, and who hears what.
 *
 * Its parts in this folder (methods, publish_socket, publish_bus, status) see its
 * members; nobody else does. Main thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "common/units.h"
#include "config/load.h"
#include "daemon/plan.h"
#include "daemon/ring.h"
#include "daemon/server.h"
#include "daemon/state.h"
#include "pipeline/pipeline.h"
#include "pipeline/stats.h"

enum { BYTES_PER_KIB = 1024 };

enum bus_choice { BUS_AUTO, BUS_SYSTEM, BUS_SESSION, BUS_NONE };

/** What the command line says. Borrowed for the life of the daemon. */
struct daemon_options {
    const char *config; /* NULL: the usual places */
    const char *socket; /* NULL: the one of systemd, else /run/lookoutd.sock */
    const char *state;  /* NULL: STATE_DIRECTORY, else /var/lib/lookout */
    enum bus_choice bus;
};

struct device_list;
struct device_watch;
struct publish_bus;
struct publish_socket;

struct daemon {
    struct daemon_options options;
    struct load_options load;
    char boot[BOOT_ID_BYTES];
    int64_t since_ns;
    sd_event *event;

    struct settings *settings;
    struct problems problems; /* of the last configuration that was refused; none if none was */
    char config_sha256[SHA256_HEX_BYTES];
    struct plan *plan;
    struct pipeline *pipeline;

    struct state *state;
    bool state_told; /* that it cannot be written */
    struct ring *ring;
    struct server *server;
    const char *made_socket; /* path of the socket that we made ourselves, or NULL */
    struct publish_socket *socket;
    struct publish_bus *bus; /* NULL: none wanted */
    struct device_list *devices;
    struct device_watch *watch;

    sd_event_source *notices, *signals[3], *watchdog;
    uint64_t watchdog_usec;
    bool stalled, ended;
    struct histogram published; /* end of window to published */
};

/** Load, open, listen, say READY. Returns 0, -errno with @fault. */
int daemon_new(const struct daemon_options *options, struct daemon **ret, struct fault *fault);

/** Serve until a signal ends it. Returns 0, -errno. */
int daemon_run(struct daemon *daemon);

/** End all threads and connections. NULL is allowed. Returns NULL. */
struct daemon *daemon_free(struct daemon *daemon);
DEFINE_CLEANUP(struct daemon *, daemon_free)

/**
 * Read the configuration again and apply it.
 * @fn  called for every setting that changed, if it was applied; may be NULL.
 * Returns 0, -EBADMSG (the old one stays, daemon->problems says why), -ENOMEM.
 */
int daemon_reload(struct daemon *daemon, settings_line_fn *fn, void *user);

/** The [lookoutd] section in use. */
const struct lookoutd_settings *daemon_settings(const struct daemon *daemon);

/** Tell systemd in a sentence how things are, behind the lines @first ("READY=1\n" or ""). */
void daemon_notify_status(const struct daemon *daemon, const char *first);

/** Say once that the state directory cannot be written, and why. */
void daemon_state_failed(struct daemon *daemon, const struct fault *fault);
