/* SPDX-License-Identifier: MIT */
#include "daemon/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common/units.h"
#include "daemon/journal.h"

enum { ACCEPTS_PER_TURN = 16, TICK_S = 1 };

struct server {
    int fd;
    sd_event *event;
    sd_event_source *accepting, *tick, *reaper;
    struct server_handlers handlers;
    struct connection_handlers connection_handlers;
    size_t n_max, n, n_room;
    struct connection **connections; /* [n_room] */
    uint64_t n_accepted, n_refused;
};

/* The dead are freed between turns: nobody can be using them then. */
static int on_reap(sd_event_source *source, void *user) {
    struct server *server = user;
    size_t n = 0;

    for (size_t i = 0; i < server->n; i++) {
        struct connection *connection = server->connections[i];

        if (!connection_is_dead(connection)) {
            server->connections[n++] = connection;
            continue;
        }
        server->handlers.gone(connection, server->handlers.user);
        connection_free(connection);
    }
    server->n = n;
    return 0;
}

static void on_dead(struct connection *connection, void *user) {
    struct server *server = user;

    (void) sd_event_source_set_enabled(server->reaper,
                                       SD_EVENT_ONESHOT); /* cannot fail for our own source */
}

static void on_call(struct connection *connection, const struct varlink_call *call, void *user) {
    struct server *server = user;

    server->handlers.call(connection, call, server->handlers.user);
}

static void refuse(struct server *server, int fd) {
    static const char text[] = "{\"error\":\"org.lookoutd.Lookout1.BadRequest\",\"parameters\":"
                               "{\"why\":\"too many connections, see subscribers_max\"}}";

    (void) send(fd, text, sizeof(text),
                MSG_DONTWAIT | MSG_NOSIGNAL); /* as a courtesy; with its NUL */
    (void) close(fd);                         /* nothing to lose */
    server->n_refused++;
    journal_send(LOG_WARNING, JOURNAL_CLIENT_REFUSED, NULL,
                 "client refused: %zu are connected (subscribers_max)", server->n);
}

static int add(struct server *server, int fd) {
    if (server->n == server->n_room) {
        const size_t n_room = server->n_room ? server->n_room * 2 : 8;
        struct connection **connections =
            realloc(server->connections, n_room * sizeof(*connections));

        if (!connections)
            return -ENOMEM;
        server->connections = connections;
        server->n_room = n_room;
    }
    return connection_new(server->event, fd, &server->connection_handlers,
                          &server->connections[server->n]);
}

/* Out of descriptors or memory: the waiting client would wake us for ever; try again with the next
 * tick. */
static void pause_accepting(struct server *server, int error) {
    journal_send(LOG_WARNING, JOURNAL_CLIENT_REFUSED, NULL, "client not accepted: %s, retrying",
                 strerror(-error));
    (void) sd_event_source_set_enabled(server->accepting,
                                       SD_EVENT_OFF); /* cannot fail for our own source */
}

static int on_connect(sd_event_source *source, int listening, uint32_t revents, void *user) {
    struct server *server = user;

    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        const int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0 && errno == EAGAIN)
            return 0;
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
            pause_accepting(server, -errno);
            return 0;
        }
        if (fd < 0)
            continue; /* it went away while it waited */
        if (server->n >= server->n_max || add(server, fd) < 0) {
            refuse(server, fd);
            continue;
        }
        server->n++;
        server->n_accepted++;
    }
    return 0;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *user) {
    struct server *server = user;
    const int64_t now = now_ns();

    for (size_t i = 0; i < server->n; i++)
        connection_expire(server->connections[i], now);
    (void) sd_event_source_set_enabled(server->accepting,
                                       SD_EVENT_ON); /* cannot fail for our own source */
    (void) sd_event_source_set_time_relative(source, TICK_S * 1000 * 1000);
    return 0;
}

int server_new(sd_event *event, int fd, const struct server_handlers *handlers, size_t n_max,
               struct server **ret) {
    _cleanup_(server_freep) struct server *server = calloc(1, sizeof(*server));
    int r;

    if (!server)
        return -ENOMEM;
    server->fd = -1;
    server->event = sd_event_ref(event);
    server->handlers = *handlers;
    server->connection_handlers = (struct connection_handlers){ on_call, on_dead, server };
    server->n_max = n_max;
    r = sd_event_add_io(event, &server->accepting, fd, EPOLLIN, on_connect, server);
    if (r >= 0)
        r = sd_event_source_set_priority(server->accepting, SD_EVENT_PRIORITY_IDLE);
    if (r >= 0)
        r = sd_event_add_time_relative(event, &server->tick, CLOCK_MONOTONIC, TICK_S * 1000 * 1000,
                                       250 * 1000, on_tick, server);
    if (r >= 0)
        r = sd_event_source_set_enabled(server->tick, SD_EVENT_ON);
    if (r >= 0)
        r = sd_event_add_defer(event, &server->reaper, on_reap, server);
    if (r >= 0)
        r = sd_event_source_set_enabled(server->reaper, SD_EVENT_OFF);
    if (r < 0)
        return r;
    server->fd = fd;
    *ret = server;
    server = NULL;
    return 0;
}

struct server *server_free(struct server *server) {
    if (!server)
        return NULL;
    for (size_t i = 0; i < server->n; i++) {
        server->handlers.gone(server->connections[i], server->handlers.user);
        connection_free(server->connections[i]);
    }
    free(server->connections);
    sd_event_source_disable_unref(server->accepting);
    sd_event_source_disable_unref(server->tick);
    sd_event_source_disable_unref(server->reaper);
    sd_event_unref(server->event);
    closep(&server->fd);
    free(server);
    return NULL;
}

void server_set_n_max(struct server *server, size_t n_max) {
    server->n_max = n_max;
}

void server_each(struct server *server, void (*fn)(struct connection *connection, void *user),
                 void *user) {
    for (size_t i = 0; i < server->n; i++)
        if (!connection_is_dead(server->connections[i]))
            fn(server->connections[i], user);
}

struct server_counts server_counts(const struct server *server) {
    return (struct server_counts){ server->n, server->n_accepted, server->n_refused };
}
