/* SPDX-License-Identifier: MIT */
#include "pipeline/devices.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "pipeline/device_place.h"
#include "pipeline/devices_kinds.h"

void devices_each(device_fn *fn, void *user) {
    devices_each_camera(fn, user);
    devices_each_microphone(fn, user);
}

int devices_node(enum source_kind kind, const char *name, char ret[PATH_MAX]) {
    static const char video[] = "/dev/video";
    const size_t n_video = sizeof(video) - 1;

    if (kind == SOURCE_ALSA)
        return devices_sound_node(name, ret);
    if (kind != SOURCE_V4L2 || !realpath(name, ret) || strncmp(ret, video, n_video) != 0 ||
        !ret[n_video] || strspn(ret + n_video, "0123456789") != strlen(ret + n_video))
        return -ENOENT;
    return 0;
}

/* How many descriptors of the process lead to @node. */
static size_t count_held(const char *pid, const char *node) {
    char path[PATH_MAX], target[PATH_MAX];
    const struct dirent *entry;
    size_t n_found = 0;
    DIR *fds;

    (void) snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    fds = opendir(path);
    if (!fds)
        return 0; /* gone, or another user's */
    while ((entry = readdir(fds))) {
        const ssize_t n = readlinkat(dirfd(fds), entry->d_name, target, sizeof(target) - 1);

        if (n < 0)
            continue;
        target[n] = '\0';
        n_found += strcmp(target, node) == 0;
    }
    (void) closedir(fds); /* only read from */
    return n_found;
}

static size_t count_ours(const char *node) {
    char real[PATH_MAX];

    return realpath(node, real) ? count_held("self", real) : 0;
}

bool devices_is_ours(const char *node) {
    return count_ours(node) > 0;
}

static void tell_process(const char *pid, struct device_holder *ret) {
    struct device_holder holder = { .pid = atoi(pid), .command = "?" };
    struct stat status;
    char path[64];

    (void) snprintf(path, sizeof(path), "/proc/%.16s", pid); /* fits */
    if (stat(path, &status) == 0)
        holder.uid = status.st_uid;
    (void) device_attribute(path, "comm", holder.command, sizeof(holder.command)); /* "?" stays */
    *ret = holder;
}

/* Whoever can be seen having @node open: our own user's processes, or all if we are root. */
static int find_holder(const char *node, struct device_holder *ret) {
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
            count_held(entry->d_name, real) > 0) {
            tell_process(entry->d_name, ret);
            r = 0;
        }
    (void) closedir(proc); /* only read from */
    return r;
}

/* The process of a thread, as /proc/THREAD/status says. */
static int process_of(int thread) {
    char path[64], line[128];
    int pid = thread;
    FILE *file;

    (void) snprintf(path, sizeof(path), "/proc/%d/status", thread);
    file = fopen(path, "re");
    if (!file)
        return pid;
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "Tgid: %d", &pid) == 1)
            break;
    (void) fclose(file); /* only read from */
    return pid;
}

/* ALSA tells everyone which thread has opened a PCM, whatever user it is of. */
static int find_pcm_owner(int card, int device, struct device_holder *ret) {
    char path[64], line[128], pid[16];
    int owner = 0;
    FILE *file;

    (void) snprintf(path, sizeof(path), "/proc/asound/card%d/pcm%dc/sub0/status", card, device);
    file = fopen(path, "re");
    if (!file)
        return -ENOENT;
    while (fgets(line, sizeof(line), file))
        if (sscanf(line, "owner_pid : %d", &owner) == 1)
            break;
    (void) fclose(file); /* only read from */
    if (owner <= 0)
        return -ENOENT;
    owner = process_of(owner);
    if (owner == getpid())
        return -ENOENT;
    (void) snprintf(pid, sizeof(pid), "%d", owner);
    tell_process(pid, ret);
    return 0;
}

int devices_holder(const char *node, struct device_holder *ret) {
    int card, device;

    if (sscanf(node, "/dev/snd/pcmC%dD%dc", &card, &device) == 2 &&
        find_pcm_owner(card, device, ret) == 0)
        return 0;
    return find_holder(node, ret);
}

static bool is_sound_server(const char *command) {
    return strncmp(command, "pipewire", 8) == 0 || strcmp(command, "wireplumber") == 0 ||
           strcmp(command, "pulseaudio") == 0;
}

void devices_tell_busy(struct device_info *info) {
    const struct device_holder *holder = &info->holder;
    /* A camera that is busy says so once it is open, a sound card when it is opened. */
    const size_t n_handles = strncmp(info->node, "/dev/snd/", 9) == 0 ? 0 : 1;

    if (count_ours(info->node) > n_handles) {
        (void) snprintf(info->why, sizeof(info->why),
                        "busy: lookoutd itself has it open (a sensor, or somebody who looks)");
        (void) snprintf(info->what_to_do, sizeof(info->what_to_do),
                        "give each sensor a `device` of its own");
        return;
    }
    if (devices_holder(info->node, &info->holder) < 0) {
        (void) snprintf(info->why, sizeof(info->why),
                        "busy: a process of another user has it open");
        (void) snprintf(info->what_to_do, sizeof(info->what_to_do),
                        "`sudo fuser -v %.64s` tells which; end that program", info->node);
        return;
    }
    (void) snprintf(info->why, sizeof(info->why), "busy, held by pid %d (%s)", holder->pid,
                    holder->command);
    if (is_sound_server(holder->command))
        (void) snprintf(
            info->what_to_do, sizeof(info->what_to_do),
            "set this card's profile to Off in the sound server of user %u (pavucontrol, "
            "pactl), or end the server for good: as that user `systemctl --user mask "
            "--now pipewire.socket pipewire pulseaudio.socket pulseaudio`",
            holder->uid);
    else
        (void) snprintf(info->what_to_do, sizeof(info->what_to_do),
                        "end that program, or choose another device");
}

void devices_busy_fault(const char *name, const char *node, struct fault *fault) {
    struct device_info info = { .usable = false };

    (void) snprintf(info.node, sizeof(info.node), "%s", node); /* one size */
    devices_tell_busy(&info);
    (void) fault_set(fault, -EBUSY, "%s: %s; %s", name, info.why, info.what_to_do);
}

/* "the group video", or the number of one without a name. */
static void name_group(gid_t gid, char *ret, size_t n_max) {
    struct group group, *found = NULL;
    char buffer[1024];

    if (getgrgid_r(gid, &group, buffer, sizeof(buffer), &found) == 0 && found)
        (void) snprintf(ret, n_max, "%s", group.gr_name); /* cut is fine */
    else
        (void) snprintf(ret, n_max, "%u", gid);
}

void devices_tell_denied(struct device_info *info, int error) {
    struct stat status = { 0 };
    char group[64] = "?";

    if (error == -EPERM) { /* what the kernel says if a unit's DeviceAllow= leaves it out */
        (void) snprintf(info->why, sizeof(info->why), "the sandbox of lookoutd.service forbids it");
        (void) snprintf(info->what_to_do, sizeof(info->what_to_do),
                        "`systemctl restart lookoutd`, as its driver was loaded too late");
        return;
    }
    if (stat(info->node, &status) == 0)
        name_group(status.st_gid, group, sizeof(group));
    (void) snprintf(info->why, sizeof(info->why),
                    "lookoutd may not open it: %.64s is for the group %s, mode %04o", info->node,
                    group, status.st_mode & 07777);
    (void) snprintf(info->what_to_do, sizeof(info->what_to_do),
                    "add lookoutd's user to that group (`usermod -aG %s USER`; the service's user "
                    "is lookout) and start it again",
                    group);
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
