/* SPDX-License-Identifier: MIT */
/*
 * sink_file - a descriptor that a client opened, written by a recorder's thread.
 *
 * A regular file is written at once. A pipe or socket may have a reader that does not read: it is
 * written piece by piece, waiting in worker_wait(), so that a stop is never held up for long.
 * The first error ends all writing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pipeline/worker.h"

struct sink_file {
    int fd;
    bool seekable;         /* a regular file, not opened for appending */
    int64_t start;         /* its offset when we got it */
    int64_t n_bytes;       /* written since */
    int error;             /* 0, or -errno of what failed first */
    struct worker *worker; /* that writes; set by it */
    int64_t give_up_ns;    /* when a reader must have made room; 0: we are not to stop */
};

/** Returns 0, -EBADF if @fd is not open for writing. */
int sink_file_init(struct sink_file *file, int fd);

/** Write all of @data. Returns 0, or the error, now or before. */
int sink_file_write(struct sink_file *file, const void *data, size_t n_bytes);

/** @n_bytes of zeros: a hole if the file can have one. As sink_file_write(). */
int sink_file_skip(struct sink_file *file, int64_t n_bytes);

/** Write over what was written at @offset from the start. Returns 0, -ESPIPE if that cannot be, the
 * error. */
int sink_file_rewrite(struct sink_file *file, int64_t offset, const void *data, size_t n_bytes);
