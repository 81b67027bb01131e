/* SPDX-License-Identifier: MIT */
#include "client/setup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

enum { FILE_MODE = 0644, DIRECTORY_MODE = 0755 };

static int refused(const char *path, int error, struct fault *fault) {
    return fault_set(fault, -error, "%s: cannot be written: %s%s", path, strerror(error),
                     error == EACCES || error == EPERM ? "; run `sudo lookoutctl setup`" : "");
}

int setup_file_check(const char *path, struct fault *fault) {
    char directory[PATH_MAX];

    if (path[0] != '/' || strlen(path) >= sizeof(directory))
        return refused(path, EINVAL, fault);
    (void) strcpy(directory, path); /* its length was checked */
    do                              /* the nearest that is there */
        *strrchr(directory, '/') = '\0';
    while (*directory && access(directory, F_OK) < 0 && errno == ENOENT);
    return access(*directory ? directory : "/", W_OK | X_OK) < 0 ? refused(path, errno, fault) : 0;
}

/* The directories of @path that are missing; lookoutd reads them as another user, so that nobody's
 * umask counts. */
static int make_directories(const char *path) {
    char part[PATH_MAX];

    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        (void) snprintf(part, sizeof(part), "%.*s", (int) (slash - path), path); /* was checked */
        if (mkdir(part, DIRECTORY_MODE) == 0 ? chmod(part, DIRECTORY_MODE) < 0 : errno != EEXIST)
            return -errno;
    }
    return 0;
}

/* @text into the new file @path, safely on the disk. */
static int write_new(const char *path, const char *text) {
    const size_t n_bytes = strlen(text);
    _cleanup_(closep) int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    ssize_t n;

    if (fd < 0 || fchmod(fd, FILE_MODE) < 0)
        return -errno;
    n = write(fd, text, n_bytes);
    if (n >= 0 && (size_t) n < n_bytes)
        return -ENOSPC;
    return n < 0 || fsync(fd) < 0 ? -errno : 0;
}

/* Keep what stands at @path as @old, and let @path be there at any moment. */
static int keep_old(const char *path, const char *old, bool *ret_had_old) {
    *ret_had_old = access(path, F_OK) == 0;
    if (!*ret_had_old)
        return 0;
    if (unlink(old) < 0 && errno != ENOENT)
        return -errno;
    return link(path, old) < 0 ? -errno : 0;
}

int setup_file_write(const char *path, const char *text, bool *ret_had_old, struct fault *fault) {
    char new[PATH_MAX], old[PATH_MAX];
    int r;

    if ((size_t) snprintf(new, sizeof(new), "%s.new", path) >= sizeof(new))
        return refused(path, ENAMETOOLONG, fault);
    (void) snprintf(old, sizeof(old), "%s.old", path); /* as long */
    r = make_directories(path);
    if (r == 0)
        r = write_new(new, text);
    if (r == 0)
        r = keep_old(path, old, ret_had_old);
    if (r == 0 && rename(new, path) < 0)
        r = -errno;
    if (r == 0)
        return 0;
    (void) unlink(new); /* it may not be there */
    return refused(path, -r, fault);
}

int setup_file_undo(const char *path, bool had_old, struct fault *fault) {
    char old[PATH_MAX];

    (void) snprintf(old, sizeof(old), "%s.old", path); /* it fitted before */
    if (had_old ? rename(old, path) < 0 : unlink(path) < 0)
        return refused(path, errno, fault);
    return 0;
}
