/* SPDX-License-Identifier: MIT */
#include "models/tool_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

enum { CHUNK_BYTES = 1 << 16 };

static void fclosep(FILE **file) {
    if (*file)
        (void) fclose(*file); /* only read from, or already flushed */
}

int tool_file_read(const char *path, uint8_t **ret, size_t *ret_n, struct fault *fault) {
    _cleanup_(fclosep) FILE *file = fopen(path, "rbe");
    _cleanup_(freep) uint8_t *bytes = NULL;
    size_t n = 0, room = 0;

    if (!file)
        return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
    while (!feof(file)) {
        if (room - n < CHUNK_BYTES) {
            uint8_t *more = realloc(bytes, 2 * room + CHUNK_BYTES + 1);

            if (!more)
                return fault_set(fault, -ENOMEM, "%s: out of memory", path);
            bytes = more;
            room = 2 * room + CHUNK_BYTES;
        }
        n += fread(bytes + n, 1, room - n, file);
        if (ferror(file))
            return fault_set(fault, -EIO, "%s: cannot be read", path);
    }
    bytes[n] = '\0';
    *ret = bytes;
    bytes = NULL;
    *ret_n = n;
    return 0;
}

int tool_file_write(const char *path, const void *bytes, size_t n_bytes, struct fault *fault) {
    _cleanup_(fclosep) FILE *file = fopen(path, "wbe");

    if (!file)
        return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
    if (fwrite(bytes, 1, n_bytes, file) != n_bytes || fflush(file) != 0)
        return fault_set(fault, -errno, "%s: cannot be written: %s", path, strerror(errno));
    return 0;
}
