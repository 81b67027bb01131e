/* SPDX-License-Identifier: MIT */
/*
 * v4l2_calls - the system calls a camera needs, so that a test can put a made-up device below.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct v4l2_calls {
    /** Open a node, not blocking. Returns a descriptor for poll(2), or -errno. */
    int (*open)(const char *path);
    void (*close)(int fd);
    /** Returns 0 or a positive value, or -errno. */
    int (*ioctl)(int fd, unsigned long request, void *argument);
    /** Returns 0 and *@ret, or -errno. @protection as in mmap(2). */
    int (*map)(int fd, size_t n_bytes, int protection, int64_t offset, void **ret);
    void (*unmap)(void *data, size_t n_bytes);
};

/**
 * The system calls themselves, by way of libc, so that libcamera's V4L2 layer can step in between
 * (LD_PRELOAD), which libv4l2 would go around.
 */
extern const struct v4l2_calls v4l2_calls_plain;

/** libv4l2, which converts where a camera has none of our formats. */
extern const struct v4l2_calls v4l2_calls_converting;
