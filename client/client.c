/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>

#include "client/command.h"

int client_catch_stop(struct client *client, struct fault *fault) {
    sigset_t stop;

    if (client->stop_fd >= 0)
        return 0;
    (void) sigemptyset(&stop); /* these three cannot fail with these arguments */
    (void) sigaddset(&stop, SIGINT);
    (void) sigaddset(&stop, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &stop, NULL) < 0)
        return fault_set(fault, -errno, "cannot block signals: %s", strerror(errno));
    client->stop_fd = signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
    if (client->stop_fd < 0)
        return fault_set(fault, -errno, "cannot wait for signals: %s", strerror(errno));
    return 0;
}

int client_ask(const struct client *client, const char *method, const json_t *parameters,
               struct reply *ret, struct fault *fault) {
    _cleanup_(connection_freep) struct connection *connection = NULL;
    const struct call call = { .method = method, .parameters = parameters };
    int r = connection_new(client->options.socket, &connection, fault);

    return r < 0 ? r : connection_call(connection, &call, ret, fault);
}

void client_json(const struct client *client, const json_t *value) {
    /* 12 digits: scores are floats, and 0.71 shall not read 0.70999999999999996 */
    (void) json_dumpf(value, client->screen.out,
                      JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
    (void) fputc('\n', client->screen.out); /* ferror() is looked at when the program ends */
    (void) fflush(client->screen.out);
}
