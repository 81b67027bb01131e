/* SPDX-License-Identifier: MIT */
#include "daemon/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>

#include "common/cleanup.h"

enum { SOCKET_MODE = 0660 };

/* Whether the socket is another's: only one that refuses connections has been left behind. */
static bool is_alive(const struct sockaddr_un *address) {
    _cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return true; /* cannot tell: leave it alone */
    return connect(fd, (const struct sockaddr *) address, sizeof(*address)) == 0 ||
           errno != ECONNREFUSED;
}

static int bind_to(int fd, const struct sockaddr_un *address) {
    const mode_t mask = umask(0777 & ~SOCKET_MODE); /* no moment with more rights than wanted */
    const int r = bind(fd, (const struct sockaddr *) address, sizeof(*address)) < 0 ? -errno : 0;

    (void) umask(mask); /* never fails */
    return r;
}

int listen_on_path(const char *path, struct fault *fault) {
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    _cleanup_(closep) int fd = -1;
    struct stat status;
    int r;

    if (strlen(path) >= sizeof(address.sun_path))
        return fault_set(fault, -ENAMETOOLONG, "%s: too long for a socket, at most %zu characters",
                         path, sizeof(address.sun_path) - 1);
    (void) strcpy(address.sun_path, path); /* its length was checked */
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fault_set(fault, -errno, "no socket: %s", strerror(errno));
    r = bind_to(fd, &address);
    if (r == -EADDRINUSE && stat(path, &status) == 0 && S_ISSOCK(status.st_mode) &&
        !is_alive(&address)) {
        (void) unlink(path); /* bind() tells if it failed */
        r = bind_to(fd, &address);
    }
    if (r == -EADDRINUSE)
        return fault_set(fault, r,
                         "%s: in use; does another lookoutd run? Choose another with --socket PATH",
                         path);
    if (r < 0)
        return fault_set(fault, r, "%s: cannot be made: %s; choose another with --socket PATH",
                         path, strerror(-r));
    if (listen(fd, SOMAXCONN) < 0)
        return fault_set(fault, -errno, "%s: cannot be listened on: %s", path, strerror(errno));
    r = fd;
    fd = -1;
    return r;
}

int listen_from_systemd(struct fault *fault) {
    const int n = sd_listen_fds(1);

    if (n < 0)
        return fault_set(fault, n, "LISTEN_FDS cannot be read: %s", strerror(-n));
    if (n == 0)
        return -ENOENT;
    if (n > 1 || sd_is_socket(SD_LISTEN_FDS_START, AF_UNIX, SOCK_STREAM, 1) <= 0)
        return fault_set(fault, -EINVAL,
                         "%d descriptors were handed over; expected is one listening UNIX stream "
                         "socket",
                         n);
    if (fcntl(SD_LISTEN_FDS_START, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
        return fault_set(fault, -errno, "the socket handed over: %s", strerror(errno));
    return SD_LISTEN_FDS_START;
}
