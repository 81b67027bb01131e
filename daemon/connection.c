/* SPDX-License-Identifier: MIT */
#include "daemon/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "common/units.h"
#include "daemon/refusal.h"

enum {
    READ_BYTES = 4096, /* at most per turn, so that no client keeps the loop from the others */
    WAITING_BYTES_MAX = 1 << 16, /* above this, calls are left unread; one answer may go beyond */
    WRITE_MESSAGES = 16,         /* at most per sendmsg(2) */
};
#define HALF_MESSAGE_NS (30 * NS_PER_S)
#define FINISH_NS       (5 * NS_PER_S)

struct connection {
    int fd;
    const struct connection_handlers *handlers;
    void *user;
    struct peer peer;
    sd_event_source *io;
    struct varlink_reader *reader;
    bool streaming, finishing, input_ended, dead;
    int64_t half_since_ns, finish_since_ns; /* 0: not */

    struct message **waiting; /* [n_room], a ring from first on */
    size_t n_room, first, n;
    size_t n_waiting_bytes; /* with what ends each message */
    size_t n_sent_bytes;    /* of the first */

    size_t n_fds;
    int fds[CONNECTION_FDS_MAX];
};

static void close_fds(struct connection *c) {
    while (c->n_fds > 0)
        (void) close(c->fds[--c->n_fds]); /* not ours to worry about */
}

struct connection *connection_free(struct connection *c) {
    if (!c)
        return NULL;
    sd_event_source_disable_unref(c->io);
    for (size_t i = 0; i < c->n; i++)
        message_unref(c->waiting[(c->first + i) % c->n_room]);
    free(c->waiting);
    close_fds(c);
    varlink_reader_free(c->reader);
    closep(&c->fd);
    free(c);
    return NULL;
}

static void die(struct connection *c) {
    if (c->dead)
        return;
    c->dead = true;
    (void) sd_event_source_set_enabled(c->io, SD_EVENT_OFF); /* cannot fail for our own source */
    c->handlers->dead(c, c->handlers->user);
}

static bool wants_input(const struct connection *c) {
    return !c->streaming && !c->finishing && !c->input_ended &&
           c->n_waiting_bytes <= WAITING_BYTES_MAX;
}

static void update_events(struct connection *c) {
    const uint32_t events = (wants_input(c) ? EPOLLIN : 0) | (c->n > 0 ? EPOLLOUT : 0);

    if (!c->dead)
        (void) sd_event_source_set_io_events(c->io, events); /* cannot fail for our own source */
}

static void forget_first(struct connection *c) {
    c->n_waiting_bytes -= c->waiting[c->first]->n_bytes + 1;
    message_unref(c->waiting[c->first]);
    c->first = (c->first + 1) % c->n_room;
    c->n--;
    c->n_sent_bytes = 0;
}

/* The first messages as iovecs, each followed by what ends it. */
static size_t gather(struct connection *c, struct iovec iovs[2 * WRITE_MESSAGES],
                     char *terminator) {
    size_t skip = c->n_sent_bytes, n = 0;

    for (size_t i = 0; i < c->n && i < WRITE_MESSAGES; i++, skip = 0) {
        struct message *message = c->waiting[(c->first + i) % c->n_room];

        if (skip < message->n_bytes)
            iovs[n++] = (struct iovec){ message->text + skip, message->n_bytes - skip };
        iovs[n++] = (struct iovec){ terminator, 1 };
    }
    return n;
}

static void count_sent(struct connection *c, size_t n_bytes) {
    while (n_bytes > 0) {
        const size_t n_left = c->waiting[c->first]->n_bytes + 1 - c->n_sent_bytes;

        if (n_bytes < n_left) {
            c->n_sent_bytes += n_bytes;
            return;
        }
        n_bytes -= n_left;
        forget_first(c);
    }
}

static void flush(struct connection *c) {
    while (c->n > 0 && !c->dead) {
        struct iovec iovs[2 * WRITE_MESSAGES];
        char terminator = varlink_reader_terminator(c->reader);
        const struct msghdr header = { .msg_iov = iovs,
                                       .msg_iovlen = gather(c, iovs, &terminator) };
        const ssize_t n = sendmsg(c->fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0)
            die(c);
        else
            count_sent(c, (size_t) n);
    }
    if (c->n == 0 && (c->finishing || (c->input_ended && !c->streaming)))
        die(c);
}

static int make_room(struct connection *c) {
    const size_t n_room = c->n_room ? c->n_room * 2 : 4;
    struct message **waiting;

    if (c->n < c->n_room)
        return 0;
    waiting = calloc(n_room, sizeof(struct message *));
    if (!waiting)
        return -ENOMEM;
    for (size_t i = 0; i < c->n; i++)
        waiting[i] = c->waiting[(c->first + i) % c->n_room];
    free(c->waiting);
    c->waiting = waiting;
    c->n_room = n_room;
    c->first = 0;
    return 0;
}

void connection_send(struct connection *c, struct message *message) {
    if (c->dead || !message || make_room(c) < 0) {
        message_unref(message);
        die(c);
        return;
    }
    c->waiting[(c->first + c->n++) % c->n_room] = message;
    c->n_waiting_bytes += message->n_bytes + 1;
    if (c->n == 1)
        flush(c);
    update_events(c);
}

size_t connection_n_waiting(const struct connection *c) {
    return c->n_waiting_bytes;
}

unsigned connection_forget_waiting(struct connection *c) {
    const size_t n_kept = c->n_sent_bytes > 0 ? 1 : 0;
    unsigned n_forgotten = 0;

    while (c->n > n_kept) {
        struct message *last = c->waiting[(c->first + --c->n) % c->n_room];

        c->n_waiting_bytes -= last->n_bytes + 1;
        message_unref(last);
        n_forgotten++;
    }
    return n_forgotten;
}

void connection_finish(struct connection *c) {
    if (c->finishing || c->dead)
        return;
    c->finishing = true;
    c->finish_since_ns = now_ns();
    flush(c);
    update_events(c);
}

bool connection_is_dead(const struct connection *c) {
    return c->dead;
}

/* No call can be made of what came: say so, and end. */
static void refuse_input(struct connection *c, const char *why) {
    connection_send(c, refusal_new("BadRequest", "why", why));
    connection_finish(c);
}

static void take_message(struct connection *c, const char *text, size_t n_bytes) {
    _cleanup_(varlink_call_clear) struct varlink_call call = { 0 };
    struct fault fault = { "out of memory" };

    if (varlink_call_read(text, n_bytes, &call, &fault) < 0)
        refuse_input(c, fault.text);
    else
        c->handlers->call(c, &call, c->handlers->user);
    close_fds(c);
}

/* All whole messages, as long as the client reads its answers. */
static void take_messages(struct connection *c) {
    const char *text;
    size_t n_bytes;
    int r = 0;

    while (!c->dead && wants_input(c) && (r = varlink_reader_next(c->reader, &text, &n_bytes)) > 0)
        take_message(c, text, n_bytes);
    if (r == -EMSGSIZE)
        refuse_input(c, "the message is too large, at most 65536 bytes");
    else if (r < 0)
        refuse_input(
            c,
            "not a JSON object; send {\"method\": \"org.varlink.service.GetInfo\"} and then a NUL "
            "or newline");
    if (!varlink_reader_is_half(c->reader))
        c->half_since_ns = 0;
    else if (c->half_since_ns == 0)
        c->half_since_ns = now_ns();
}

static void keep_fds(struct connection *c, struct msghdr *header) {
    for (struct cmsghdr *part = CMSG_FIRSTHDR(header); part; part = CMSG_NXTHDR(header, part)) {
        const size_t n = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < n; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
            if (c->n_fds < CONNECTION_FDS_MAX)
                c->fds[c->n_fds++] = fd;
            else
                (void) close(fd); /* more than any call takes */
        }
    }
}

/* Returns bytes read, 0 at the end, -errno. */
static ssize_t receive(struct connection *c) {
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(CONNECTION_FDS_MAX * sizeof(int))];
    } control;
    struct iovec iov = { 0 };
    struct msghdr header = { .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes) };
    int r = varlink_reader_room(c->reader, &iov.iov_base, &iov.iov_len);
    ssize_t n;

    if (r < 0)
        return r;
    if (iov.iov_len > READ_BYTES)
        iov.iov_len = READ_BYTES;
    n = recvmsg(c->fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0)
        return -errno;
    keep_fds(c, &header);
    varlink_reader_filled(c->reader, (size_t) n);
    return n;
}

static void on_readable(struct connection *c) {
    const ssize_t n = receive(c);

    if (n == -EAGAIN || n == -EINTR)
        return;
    if (n < 0) {
        die(c);
        return;
    }
    if (n == 0)
        c->input_ended = true; /* it may still read answers: socat ends its half first */
    else
        take_messages(c);
    if (c->input_ended && c->n == 0 && !c->streaming)
        die(c);
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *user) {
    struct connection *c = user;

    if ((revents & EPOLLIN) && wants_input(c))
        on_readable(c);
    if (revents & EPOLLOUT) {
        flush(c);
        if (!c->dead && wants_input(c))
            take_messages(c); /* those that had to wait for the client to read */
    }
    if ((revents & (EPOLLHUP | EPOLLERR)) && !(revents & EPOLLIN))
        die(c);
    update_events(c);
    return 0;
}

int64_t connection_deadline_ns(const struct connection *c) {
    if (c->finish_since_ns)
        return c->finish_since_ns + FINISH_NS;
    return c->half_since_ns && wants_input(c) ? c->half_since_ns + HALF_MESSAGE_NS : INT64_MAX;
}

void connection_expire(struct connection *c, int64_t now) {
    if (c->dead || now < connection_deadline_ns(c))
        return;
    if (c->finish_since_ns)
        die(c);
    else
        refuse_input(c, "a message was begun and not ended within 30 seconds");
}

size_t connection_take_fds(struct connection *c, int ret[CONNECTION_FDS_MAX]) {
    const size_t n = c->n_fds;

    memcpy(ret, c->fds, n * sizeof(int));
    c->n_fds = 0;
    return n;
}

const struct peer *connection_peer(const struct connection *c) {
    return &c->peer;
}

void connection_set_streaming(struct connection *c, bool streaming) {
    c->streaming = streaming;
    update_events(c);
}

void connection_resume(struct connection *c) {
    take_messages(c);
    update_events(c);
}

void connection_set_user(struct connection *c, void *user) {
    c->user = user;
}

void *connection_user(const struct connection *c) {
    return c->user;
}

int connection_new(sd_event *event, int fd, const struct connection_handlers *handlers,
                   struct connection **ret) {
    _cleanup_(connection_freep) struct connection *c = calloc(1, sizeof(*c));
    int r;

    if (!c)
        return -ENOMEM;
    c->fd = -1;
    c->handlers = handlers;
    r = peer_read(fd, &c->peer);
    if (r == 0)
        r = varlink_reader_new(&c->reader);
    if (r == 0)
        r = sd_event_add_io(event, &c->io, fd, EPOLLIN, on_io, c);
    if (r == 0)
        r = sd_event_source_set_priority(c->io, SD_EVENT_PRIORITY_IDLE); /* decisions come first */
    if (r < 0)
        return r;
    c->fd = fd;
    *ret = c;
    c = NULL;
    return 0;
}
