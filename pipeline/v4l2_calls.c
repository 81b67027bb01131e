/* SPDX-License-Identifier: MIT */
#include "pipeline/v4l2_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <libv4l2.h>
#include <pthread.h>
#include <sys/mman.h>

/* libv4l2 would write to stderr what it also returns. */
static void keep_quiet(void) {
    v4l2_log_file = fopen("/dev/null", "we"); /* NULL: it is not quiet */
}

static int real_open(const char *path) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int fd;

    (void) pthread_once(&once, keep_quiet); /* fails for bad arguments only */
    fd = v4l2_open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

static void real_close(int fd) {
    (void) v4l2_close(fd); /* nothing to save */
}

static int real_ioctl(int fd, unsigned long request, void *argument) {
    int r;

    do
        r = v4l2_ioctl(fd, request, argument);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

static int real_map(int fd, size_t n_bytes, int protection, int64_t offset, void **ret) {
    void *const data = v4l2_mmap(NULL, n_bytes, protection, MAP_SHARED, fd, offset);

    if (data == MAP_FAILED)
        return -errno;
    *ret = data;
    return 0;
}

static void real_unmap(void *data, size_t n_bytes) {
    (void) v4l2_munmap(data, n_bytes); /* fails for a bad address only */
}

const struct v4l2_calls v4l2_calls_real = {
    .open = real_open,
    .close = real_close,
    .ioctl = real_ioctl,
    .map = real_map,
    .unmap = real_unmap,
};
