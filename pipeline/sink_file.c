/* SPDX-License-Identifier: MIT */
#include "pipeline/sink_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/units.h"

/* How long a reader may hold up a recording that is being stopped, all in all. */
static const int64_t LAST_CHANCE_NS = NS_PER_S;

int sink_file_init(struct sink_file *file, int fd) {
    const int flags = fcntl(fd, F_GETFL);
    struct stat stat;

    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY || (flags & O_PATH) || fstat(fd, &stat) < 0)
        return -EBADF;
    *file = (struct sink_file){
        .fd = fd,
        .seekable = S_ISREG(stat.st_mode) && !(flags & O_APPEND),
        .start = lseek(fd, 0, SEEK_CUR), /* -1 is never used: not seekable */
    };
    return 0;
}

static int fail(struct sink_file *file, int error) {
    if (file->error == 0)
        file->error = error;
    return file->error;
}

/* Until a pipe takes PIPE_BUF bytes without blocking (pipe(7)). Returns 0, -ETIMEDOUT when
 * stopping. */
static int wait_for_room(struct sink_file *file) {
    struct pollfd fd = { .fd = file->fd, .events = POLLOUT };
    int64_t left_ns;
    int r;

    do {
        r = worker_wait(file->worker, &fd, 1, WORKER_FOREVER);
    } while (r == 0);
    if (r > 0)
        return 0;
    /* We are to stop: worker_wait() would return at once, so this is the one other wait. */
    if (file->give_up_ns == 0)
        file->give_up_ns = now_ns() + LAST_CHANCE_NS;
    left_ns = file->give_up_ns - now_ns();
    return poll(&fd, 1, left_ns > 0 ? (int) (left_ns / NS_PER_MS) : 0) == 1 ? 0 : -ETIMEDOUT;
}

int sink_file_write(struct sink_file *file, const void *data, size_t n_bytes) {
    const char *bytes = data;

    while (n_bytes > 0 && file->error == 0) {
        const size_t most = file->seekable || n_bytes < PIPE_BUF ? n_bytes : PIPE_BUF;
        const int r = file->seekable ? 0 : wait_for_room(file);
        ssize_t n;

        if (r < 0)
            return fail(file, r);
        n = write(file->fd, bytes, most);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0)
            return fail(file, n < 0 ? -errno : -EIO);
        bytes += n;
        n_bytes -= (size_t) n;
        file->n_bytes += n;
    }
    return file->error;
}

int sink_file_skip(struct sink_file *file, int64_t n_bytes) {
    static const char zeros[PIPE_BUF];

    if (file->seekable && file->error == 0) {
        if (lseek(file->fd, n_bytes, SEEK_CUR) < 0)
            return fail(file, -errno);
        file->n_bytes += n_bytes;
        return 0;
    }
    while (n_bytes > 0 && file->error == 0) {
        const int64_t n = n_bytes < PIPE_BUF ? n_bytes : PIPE_BUF;

        (void) sink_file_write(file, zeros, (size_t) n); /* the loop looks at the error */
        n_bytes -= n;
    }
    return file->error;
}

int sink_file_rewrite(struct sink_file *file, int64_t offset, const void *data, size_t n_bytes) {
    if (!file->seekable)
        return -ESPIPE;
    if (pwrite(file->fd, data, n_bytes, file->start + offset) != (ssize_t) n_bytes)
        return fail(file, -EIO);
    return 0;
}
