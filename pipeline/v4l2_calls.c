/* SPDX-License-Identifier: MIT */
#include "pipeline/v4l2_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <libv4l2.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int plain_open(const char *path) {
    const int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

static void plain_close(int fd) {
    (void) close(fd); /* nothing to save */
}

static int plain_ioctl(int fd, unsigned long request, void *argument) {
    int r;

    do
        r = ioctl(fd, request, argument);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

static int plain_map(int fd, size_t n_bytes, int protection, int64_t offset, void **ret) {
    void *const data = mmap(NULL, n_bytes, protection, MAP_SHARED, fd, offset);

    if (data == MAP_FAILED)
        return -errno;
    *ret = data;
    return 0;
}

static void plain_unmap(void *data, size_t n_bytes) {
    (void) munmap(data, n_bytes); /* fails for a bad address only */
}

const struct v4l2_calls v4l2_calls_plain = {
    .open = plain_open,
    .close = plain_close,
    .ioctl = plain_ioctl,
    .map = plain_map,
    .unmap = plain_unmap,
};

/* libv4l2 would write to stderr what it also returns. */
static void keep_quiet(void) {
    v4l2_log_file = fopen("/dev/null", "we"); /* NULL: it is not quiet */
}

static int converting_open(const char *path) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    int fd;

    (void) pthread_once(&once, keep_quiet); /* fails for bad arguments only */
    fd = v4l2_open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

static void converting_close(int fd) {
    (void) v4l2_close(fd); /* nothing to save */
}

static int converting_ioctl(int fd, unsigned long request, void *argument) {
    int r;

    do
        r = v4l2_ioctl(fd, request, argument);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

static int converting_map(int fd, size_t n_bytes, int protection, int64_t offset, void **ret) {
    void *const data = v4l2_mmap(NULL, n_bytes, protection, MAP_SHARED, fd, offset);

    if (data == MAP_FAILED)
        return -errno;
    *ret = data;
    return 0;
}

static void converting_unmap(void *data, size_t n_bytes) {
    (void) v4l2_munmap(data, n_bytes); /* fails for a bad address only */
}

const struct v4l2_calls v4l2_calls_converting = {
    .open = converting_open,
    .close = converting_close,
    .ioctl = converting_ioctl,
    .map = converting_map,
    .unmap = converting_unmap,
};
