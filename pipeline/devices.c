/* SPDX-License-Identifier: MIT */
#include "pipeline/devices.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "pipeline/devices_kinds.h"

size_t devices_list(struct device_info ret[DEVICES_MAX]) {
    const size_t n = devices_list_cameras(ret, DEVICES_MAX);

    return n + devices_list_microphones(ret + n, DEVICES_MAX - n);
}

/* True if some descriptor of the process leads to @node. */
static bool holds(const char *pid, const char *node) {
    char path[PATH_MAX], target[PATH_MAX];
    const struct dirent *entry;
    bool found = false;
    DIR *fds;

    (void) snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    fds = opendir(path);
    if (!fds)
        return false; /* gone, or another user's */
    while (!found && (entry = readdir(fds))) {
        const ssize_t n = readlinkat(dirfd(fds), entry->d_name, target, sizeof(target) - 1);

        if (n < 0)
            continue;
        target[n] = '\0';
        found = strcmp(target, node) == 0;
    }
    (void) closedir(fds); /* only read from */
    return found;
}

static void tell_process(const char *pid, char ret[DEVICE_HOLDER_BYTES]) {
    char path[PATH_MAX], name[32] = "?";
    FILE *file;

    (void) snprintf(path, sizeof(path), "/proc/%s/comm", pid);
    file = fopen(path, "re");
    if (file) {
        if (fgets(name, sizeof(name), file))
            name[strcspn(name, "\n")] = '\0';
        (void) fclose(file); /* only read from */
    }
    (void) snprintf(ret, DEVICE_HOLDER_BYTES, "pid %.16s (%s)", pid, name);
}

int devices_holder(const char *node, char ret[DEVICE_HOLDER_BYTES]) {
    char real[PATH_MAX], own[16];
    const struct dirent *entry;
    int r = -ENOENT;
    DIR *proc;

    if (!realpath(node, real))
        return -ENOENT;
    (void) snprintf(own, sizeof(own), "%d", (int) getpid());
    proc = opendir("/proc");
    if (!proc)
        return -ENOENT;
    while (r < 0 && (entry = readdir(proc)))
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && strcmp(entry->d_name, own) != 0 &&
            holds(entry->d_name, real)) {
            tell_process(entry->d_name, ret);
            r = 0;
        }
    (void) closedir(proc); /* only read from */
    return r;
}

int devices_stable_name(const char *directory, const char *node, char ret[SOURCE_PATH_BYTES]) {
    char real[PATH_MAX], link[PATH_MAX], target[PATH_MAX];
    const struct dirent *entry;
    int r = -ENOENT;
    DIR *links;

    if (!realpath(node, real))
        return -ENOENT;
    links = opendir(directory);
    if (!links)
        return -ENOENT;
    while (r < 0 && (entry = readdir(links))) {
        const int n = snprintf(link, sizeof(link), "%s/%s", directory, entry->d_name);

        if (n < SOURCE_PATH_BYTES && realpath(link, target) && strcmp(target, real) == 0) {
            memcpy(ret, link, (size_t) n + 1);
            r = 0;
        }
    }
    (void) closedir(links); /* only read from */
    return r;
}
