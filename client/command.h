/* SPDX-License-Identifier: MIT */
/* command - what every subcommand of lookoutctl is given, and the table's row for it. */
#pragma once

#include <signal.h>

#include "client/connection.h"
#include "client/options.h"
#include "client/render.h"

/** Exit status; also in lookoutctl(1). */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_DAEMON = 3 };

struct client {
    struct options options;
    struct screen screen;
    int stop_fd; /* readable once SIGINT or SIGTERM came; -1 until client_catch_stop() */
};

/**
 * Run a subcommand; it writes to client->screen.
 * Returns 0, -EINVAL (wrong usage), -EHOSTDOWN (the daemon cannot be reached),
 * or any other -errno; @fault says why in words.
 */
typedef int command_fn(struct client *client, struct fault *fault);

command_fn cmd_status, cmd_watch, cmd_events, cmd_sensors, cmd_tasks, cmd_bundles, cmd_config,
    cmd_reload, cmd_devices, cmd_record, cmd_look, cmd_doctor, cmd_setup, cmd_call;

/** From now on SIGINT and SIGTERM make client->stop_fd readable and end nothing. Returns 0, -errno.
 */
int client_catch_stop(struct client *client, struct fault *fault);

/**
 * Connect, call @method, disconnect.
 * @parameters  borrowed; NULL for none.
 * @ret         the caller's to clear.
 * Returns what connection_new() or connection_call() return.
 */
int client_ask(const struct client *client, const char *method, const json_t *parameters,
               struct reply *ret, struct fault *fault);

/** Write @value as one line of JSON. */
void client_json(const struct client *client, const json_t *value);
