/* SPDX-License-Identifier: MIT */
/*
 * Method, from the kernel's Documentation/: driver-api/thermal/sysfs-api, hwmon/sysfs-interface,
 * hwmon/raspberrypi-hwmon, block/stat; proc_uptime(5), proc_meminfo(5).
 */
#include "client/machine.h"

#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"

enum { SECTOR_BYTES = 512, MILLI = 1000 };

static const double LEAST_C = -40, MOST_C = 150; /* beyond them a sensor is broken */

/* The first line of ROOT/DIRECTORY/NAME without its end. Returns whether there is one. */
static bool read_line(const char *root, const char *directory, const char *name, char *ret,
                      size_t ret_bytes) {
    char path[PATH_MAX];
    bool found;
    FILE *from;

    ret[0] = '\0';
    if ((size_t) snprintf(path, sizeof(path), "%s%s/%s", root, directory, name) >= sizeof(path))
        return false;
    from = fopen(path, "re");
    if (!from)
        return false;
    found = fgets(ret, (int) ret_bytes, from) != NULL;
    (void) fclose(from); /* only read from */
    ret[strcspn(ret, "\n")] = '\0';
    return found;
}

/* Called with the path below the root of each entry of a directory. */
typedef void entry_fn(const char *root, const char *path, const char *name, struct machine *ret);

static void each_entry(const char *root, const char *directory, entry_fn *fn, struct machine *ret) {
    char path[PATH_MAX];
    const struct dirent *entry;
    DIR *stream;

    (void) snprintf(path, sizeof(path), "%s%s", root, directory); /* too long is not there */
    stream = opendir(path);
    if (!stream)
        return;
    while ((entry = readdir(stream))) {
        if (entry->d_name[0] == '.')
            continue;
        if ((size_t) snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name) < sizeof(path))
            fn(root, path, entry->d_name, ret);
    }
    (void) closedir(stream); /* only read from */
}

static void note_temperature(const char *of, const char *text, struct machine *ret) {
    char *end;
    const double c = strtod(text, &end) / MILLI;

    if (end == text || c < LEAST_C || c > MOST_C || c <= ret->temperature_c)
        return; /* a NAN so far is replaced */
    ret->temperature_c = c;
    (void) snprintf(ret->temperature_of, MACHINE_TEXT_BYTES, "%s", of); /* cut is fine */
}

static void take_thermal(const char *root, const char *path, const char *name,
                         struct machine *ret) {
    char type[MACHINE_TEXT_BYTES], text[32];

    if (strncmp(name, "thermal_zone", 12) == 0 &&
        read_line(root, path, "type", type, sizeof(type)) &&
        read_line(root, path, "temp", text, sizeof(text)))
        note_temperature(type, text, ret);
}

static void take_hwmon(const char *root, const char *path, const char *name, struct machine *ret) {
    char type[MACHINE_TEXT_BYTES], text[32];

    (void) name;
    if (!read_line(root, path, "name", type, sizeof(type)))
        return;
    if (read_line(root, path, "temp1_input", text, sizeof(text)))
        note_temperature(type, text, ret);
    if (strcmp(type, "rpi_volt") == 0 &&
        read_line(root, path, "in0_lcrit_alarm", text, sizeof(text))) {
        ret->knows_voltage = true;
        ret->under_voltage = strcmp(text, "0") != 0;
    }
}

/* Field 7 of `stat` is sectors written; partitions and what has no disk behind it are left out. */
static void take_disk(const char *root, const char *path, const char *name, struct machine *ret) {
    static const char *const ours[] = { "mmcblk", "sd", "nvme", "vd", "xvd" };
    struct machine_disk *const disk = &ret->disks[ret->n_disks];
    long long n_sectors = 0;
    char text[256];

    for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
        if (ret->n_disks == MACHINE_DISKS_MAX || strncmp(name, ours[i], strlen(ours[i])) != 0 ||
            strstr(name, "boot") || !read_line(root, path, "stat", text, sizeof(text)) ||
            sscanf(text, "%*s %*s %*s %*s %*s %*s %lld", &n_sectors) != 1)
            continue;
        (void) snprintf(disk->name, sizeof(disk->name), "%s", name); /* cut is fine */
        disk->written_bytes = n_sectors * SECTOR_BYTES;
        ret->n_disks++;
        return;
    }
}

static void take_memory(const char *root, struct machine *ret) {
    char path[PATH_MAX], line[128];
    long long kib;
    FILE *from;

    (void) snprintf(path, sizeof(path), "%s/proc/meminfo", root); /* too long is not there */
    from = fopen(path, "re");
    if (!from)
        return;
    while (fgets(line, sizeof(line), from))
        if (sscanf(line, "MemTotal: %lld", &kib) == 1)
            ret->memory_kib = kib;
        else if (sscanf(line, "MemAvailable: %lld", &kib) == 1)
            ret->memory_available_kib = kib;
    (void) fclose(from); /* only read from */
}

void machine_read(const char *root, struct machine *ret) {
    char text[64];

    *ret = (struct machine){ .temperature_c = (double) NAN };
    if (!read_line(root, "/proc/device-tree", "model", ret->model, sizeof(ret->model)))
        (void) read_line(root, "/sys/class/dmi/id", "product_name", ret->model, sizeof(ret->model));
    if (read_line(root, "/proc", "uptime", text, sizeof(text)))
        ret->uptime_s = strtod(text, NULL);
    take_memory(root, ret);
    each_entry(root, "/sys/class/thermal", take_thermal, ret);
    each_entry(root, "/sys/class/hwmon", take_hwmon, ret);
    each_entry(root, "/sys/block", take_disk, ret);
    if (read_line(root, "/sys/devices/platform/soc/soc:firmware", "get_throttled", text,
                  sizeof(text))) {
        ret->knows_throttled = true;
        ret->throttled = (unsigned) strtoul(text, NULL, 16);
    }
}
