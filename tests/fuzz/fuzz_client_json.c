/* SPDX-License-Identifier: MIT */
/*
 * A daemon that says anything: the bytes come down a socket, each message is read as
 * a reply and shown by everything that can show one.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/connection.h"
#include "client/render_event.h"
#include "client/render_list.h"
#include "client/watch.h"
#include "common/units.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

enum { SOCKET_BYTES_MAX = 64 << 10 }; /* fits into a socket's buffer: nobody reads meanwhile */

static void show(const struct screen *screen, const json_t *parameters) {
    const struct client client = { .screen = *screen, .options.long_form = true };
    struct cursor cursor = { .known = true };
    struct tally tally = { 0 };

    watch_show(&client, parameters);
    cursor_follow(&cursor, parameters);
    tally_count(&tally, parameters);
    tally_write(screen, &tally, 0, &cursor);
    for (size_t i = 0; i < json_object_size(parameters); i++) {
        static const char *const lists[] = { "sensors", "tasks", "bundles", "settings", "devices" };
        const json_t *list = json_object_get(parameters, lists[i % 5]);
        (void) render_sensors(screen, list, 0); /* only running out of memory fails */
        (void) render_tasks(screen, list, 0);
        (void) render_bundles(screen, list, 0);
        (void) render_settings(screen, list, 0);
        (void) render_devices(screen, list, 0);
    }
}

static void read_all(struct connection *connection, const struct screen *screen) {
    struct fault fault = { "" };

    for (int r = 1; r > 0;) {
        struct reply reply = { 0 };
        r = connection_receive(connection, now_ns(), -1, &reply, &fault);
        if (r > 0 && reply.error)
            (void) reply_fault(&reply, &fault); /* always -EREMOTEIO */
        else if (r > 0)
            show(screen, reply.parameters);
        reply_clear(&reply);
        (void) screen_text(screen, COLOUR_BAD, fault.text, 40);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    struct screen screen = { .unicode = true, .colour = true, .columns = 70 };
    struct connection *connection = NULL;
    int fds[2];

    if (n_bytes == 0 || n_bytes > SOCKET_BYTES_MAX || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
        return 0;
    screen.out = fopen("/dev/null", "w");
    if (screen.out && connection_adopt(fds[0], &connection) == 0 &&
        write(fds[1], data, n_bytes) == (ssize_t) n_bytes && write(fds[1], "", 1) == 1)
        read_all(connection, &screen);
    connection = connection_free(connection);
    if (screen.out)
        (void) fclose(screen.out); /* /dev/null takes everything */
    (void) close(fds[1]);
    return 0;
}
