/* SPDX-License-Identifier: MIT */
#include "client/connection.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client/field.h"
#include "common/units.h"

enum {
    RECEIVE_BYTES = 64 << 10,
    ANSWER_S = 30, /* CheckConfig and Reload try every bundle: seconds on a slow box */
};

struct connection {
    int fd;
    char *bytes; /* received and not yet taken */
    size_t n_bytes, room_bytes;
    size_t n_searched; /* of them hold no NUL */
};

void reply_clear(struct reply *reply) {
    json_decref(reply->whole);
    *reply = (struct reply){ 0 };
}

/* What to do when connect(2) says @error. */
static int connect_fault(const char *path, int error, struct fault *fault) {
    switch (error) {
    case -ENOENT:
    case -ECONNREFUSED:
        (void) fault_set(
            fault, error,
            "no lookoutd at %s (%s); start it with `systemctl start lookoutd`, or name "
            "its socket with --socket PATH or LOOKOUT_SOCKET",
            path, error == -ENOENT ? "no such socket" : "nobody listens there");
        return -EHOSTDOWN;
    case -EACCES:
        return fault_set(fault, -EHOSTDOWN,
                         "no permission for %s; join the group lookout "
                         "(`sudo adduser $USER lookout`, then log in again)",
                         path);
    case -EAGAIN:
        return fault_set(fault, -EHOSTDOWN,
                         "lookoutd at %s is too busy to accept a connection; try again", path);
    default:
        return fault_set(fault, error, "cannot connect to %s: %s", path, strerror(-error));
    }
}

int connection_new(const char *path, struct connection **ret, struct fault *fault) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    _cleanup_(closep) int fd = -1;
    int r;

    if (strlen(path) >= sizeof(address.sun_path))
        return fault_set(fault, -ENAMETOOLONG,
                         "the socket's path %s is longer than the %zu bytes %s", path,
                         sizeof(address.sun_path) - 1, "a UNIX socket may have");
    (void) strcpy(address.sun_path, path); /* its length was checked */

    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return connect_fault(path, -errno, fault);
    if (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
        return connect_fault(path, -errno, fault);

    r = connection_adopt(fd, ret);
    if (r < 0)
        return fault_set(fault, r, "out of memory");
    fd = -1; /* now the connection's */
    return 0;
}

int connection_adopt(int fd, struct connection **ret) {
    struct connection *connection = calloc(1, sizeof(*connection));

    if (!connection)
        return -ENOMEM;
    connection->fd = fd;
    *ret = connection;
    return 0;
}

struct connection *connection_free(struct connection *connection) {
    if (!connection)
        return NULL;
    if (connection->fd >= 0)
        (void) close(connection->fd); /* a socket loses nothing here */
    free(connection->bytes);
    free(connection);
    return NULL;
}

/* Milliseconds for poll(2), rounded up. */
static int until(int64_t deadline_ns) {
    const int64_t left_ns = deadline_ns - now_ns();

    if (deadline_ns == INT64_MAX)
        return -1;
    if (left_ns <= 0)
        return 0;
    return left_ns / NS_PER_MS >= INT32_MAX ? INT32_MAX : (int) (left_ns / NS_PER_MS) + 1;
}

/* Returns 1 if the socket is ready for @events, 0 at the deadline, -EINTR if @wake_fd is. */
static int wait_for(const struct connection *connection, short events, int64_t deadline_ns,
                    int wake_fd) {
    struct pollfd fds[] = { { .fd = connection->fd, .events = events },
                            { .fd = wake_fd, .events = POLLIN } };
    int n;

    do
        n = poll(fds, wake_fd >= 0 ? 2 : 1, until(deadline_ns));
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if (wake_fd >= 0 && fds[1].revents)
        return -EINTR;
    return fds[0].revents ? 1 : 0;
}

/* The descriptors of @call go along with its first byte. Returns bytes sent or -errno. */
static ssize_t send_some(const struct connection *connection, const char *bytes, size_t n_bytes,
                         const struct call *call) {
    union {
        char bytes[CMSG_SPACE(CONNECTION_FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control = { .bytes = { 0 } };
    struct iovec data = { .iov_base = (void *) (uintptr_t) bytes, .iov_len = n_bytes };
    struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
    ssize_t n;

    if (call && call->n_fds > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(call->n_fds * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(call->n_fds * sizeof(int));
        (void) memcpy(CMSG_DATA(header), call->fds, call->n_fds * sizeof(int));
    }
    n = sendmsg(connection->fd, &message, MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

static int send_all(struct connection *connection, const char *bytes, size_t n_bytes,
                    const struct call *call) {
    const int64_t deadline_ns = now_ns() + ANSWER_S * NS_PER_S;
    size_t n_sent = 0;

    while (n_sent < n_bytes) {
        const ssize_t n =
            send_some(connection, bytes + n_sent, n_bytes - n_sent, n_sent ? NULL : call);
        if (n >= 0) {
            n_sent += (size_t) n;
            continue;
        }
        if (n == -EPIPE || n == -ECONNRESET)
            return -ECONNRESET;
        if (n != -EAGAIN && n != -EINTR)
            return (int) n;
        if (wait_for(connection, POLLOUT, deadline_ns, -1) == 0)
            return -ETIMEDOUT;
    }
    return 0;
}

/* The message of @call, owned by the caller; NULL without memory. */
static char *compose(const struct call *call) {
    const bool whole_name = strchr(call->method, '.');
    _cleanup_(json_decrefp) json_t *message = json_pack(
        "{s: s++, s: O?}", "method", whole_name ? "" : LOOKOUT_INTERFACE, whole_name ? "" : ".",
        call->method, "parameters", (json_t *) (uintptr_t) call->parameters);

    if (message && !call->parameters)
        (void) json_object_del(message, "parameters"); /* null is no object */
    if (message && call->more && json_object_set_new(message, "more", json_true()) < 0)
        return NULL;
    return message ? json_dumps(message, JSON_COMPACT) : NULL;
}

int connection_send(struct connection *connection, const struct call *call, struct fault *fault) {
    _cleanup_(freep) char *text = NULL;
    int r;

    assert(call->n_fds <= CONNECTION_FDS_MAX);

    text = compose(call);
    if (!text)
        return fault_set(fault, -ENOMEM, "out of memory");
    r = send_all(connection, text, strlen(text) + 1, call); /* with its NUL */
    if (r == -ECONNRESET)
        return fault_set(fault, r, "lookoutd closed the connection");
    if (r == -ETIMEDOUT)
        return fault_set(fault, r, "lookoutd does not read what it is sent; is it stuck?");
    if (r < 0)
        return fault_set(fault, r, "cannot send to lookoutd: %s", strerror(-r));
    return 0;
}

/* Room for another piece. Returns 0, -EMSGSIZE, -ENOMEM. */
static int make_room(struct connection *connection) {
    size_t room = connection->room_bytes ? connection->room_bytes * 2 : RECEIVE_BYTES * 2;
    char *bytes;

    if (connection->room_bytes - connection->n_bytes >= RECEIVE_BYTES)
        return 0;
    if (connection->n_bytes > CONNECTION_REPLY_BYTES_MAX)
        return -EMSGSIZE;
    bytes = realloc(connection->bytes, room);
    if (!bytes)
        return -ENOMEM;
    connection->bytes = bytes;
    connection->room_bytes = room;
    return 0;
}

/* Returns 1 if bytes came, 0 if there are none now, -ECONNRESET at the end, -errno. */
static int receive_some(struct connection *connection) {
    ssize_t n;
    int r = make_room(connection);

    if (r < 0)
        return r;
    n = recv(connection->fd, connection->bytes + connection->n_bytes, RECEIVE_BYTES, MSG_DONTWAIT);
    if (n == 0)
        return -ECONNRESET;
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    connection->n_bytes += (size_t) n;
    return 1;
}

static int parse(const char *text, struct reply *ret, struct fault *fault) {
    json_error_t error;
    _cleanup_(json_decrefp) json_t *whole = json_loads(text, JSON_REJECT_DUPLICATES, &error);

    if (!json_is_object(whole))
        return fault_set(fault, -EBADMSG,
                         "what answered does not speak Varlink (%s); is this lookoutd's socket?",
                         whole ? "a reply is no object" : error.text);
    *ret = (struct reply){ .whole = json_incref(whole),
                           .parameters = json_object_get(whole, "parameters"),
                           .error = json_string_value(json_object_get(whole, "error")),
                           .continues = field_true(whole, "continues") };
    return 1;
}

/* Take the first whole message. Returns 1, 0 if there is none yet, -EBADMSG. */
static int take(struct connection *connection, struct reply *ret, struct fault *fault) {
    const char *end = NULL;
    size_t n;
    int r;

    if (connection->n_bytes > connection->n_searched)
        end = memchr(connection->bytes + connection->n_searched, '\0',
                     connection->n_bytes - connection->n_searched);
    if (!end) {
        connection->n_searched = connection->n_bytes;
        return 0;
    }
    r = parse(connection->bytes, ret, fault);
    n = (size_t) (end - connection->bytes) + 1;
    (void) memmove(connection->bytes, connection->bytes + n, connection->n_bytes - n);
    connection->n_bytes -= n;
    connection->n_searched = 0;
    return r;
}

int connection_receive(struct connection *connection, int64_t deadline_ns, int wake_fd,
                       struct reply *ret, struct fault *fault) {
    for (;;) {
        int r = take(connection, ret, fault);
        if (r != 0)
            return r;
        r = wait_for(connection, POLLIN, deadline_ns, wake_fd);
        if (r <= 0)
            return r;
        r = receive_some(connection);
        if (r == -ECONNRESET)
            return fault_set(fault, r, "lookoutd closed the connection");
        if (r == -EMSGSIZE)
            return fault_set(fault, r, "a reply is larger than %d MiB; is this lookoutd's socket?",
                             CONNECTION_REPLY_BYTES_MAX >> 20);
        if (r < 0)
            return fault_set(fault, r, "cannot read from lookoutd: %s", strerror(-r));
    }
}

int connection_call(struct connection *connection, const struct call *call, struct reply *ret,
                    struct fault *fault) {
    int r = connection_send(connection, call, fault);

    if (r < 0)
        return r;
    r = connection_receive(connection, now_ns() + ANSWER_S * NS_PER_S, -1, ret, fault);
    if (r == 0)
        return fault_set(fault, -ETIMEDOUT, "lookoutd did not answer %s within %d s; is it stuck?",
                         call->method, ANSWER_S);
    if (r < 0)
        return r;
    return ret->error ? reply_fault(ret, fault) : 0;
}
