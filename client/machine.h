/* SPDX-License-Identifier: MIT */
/*
 * machine - what the kernel tells everybody of the machine we run on: heat, power, memory, disks.
 *
 * Reads /proc and /sys only. What is not there is left as not known.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MACHINE_TEXT_BYTES = 64, MACHINE_DISKS_MAX = 8 };

/** Bits of `throttled`, by the Raspberry Pi's firmware. */
enum {
    THROTTLED_UNDER_VOLTAGE = 1 << 0,
    THROTTLED_CAPPED = 1 << 1,
    THROTTLED_NOW = 1 << 2,
    THROTTLED_SOFT_LIMIT = 1 << 3,
    THROTTLED_BEFORE = 16, /* shift: the same since the machine started */
};

struct machine_disk {
    char name[MACHINE_TEXT_BYTES]; /* "mmcblk0" */
    int64_t written_bytes;         /* since the machine started */
};

struct machine {
    char model[MACHINE_TEXT_BYTES];           /* "" if the machine has no name */
    double uptime_s;                          /* 0: not known */
    int64_t memory_kib, memory_available_kib; /* 0: not known */
    double temperature_c;                     /* of the hottest sensor; NAN: not known */
    char temperature_of[MACHINE_TEXT_BYTES];  /* "cpu-thermal" */
    bool knows_throttled, knows_voltage;
    unsigned throttled; /* THROTTLED_ bits */
    bool under_voltage; /* the driver of the Pi's supply has raised the alarm */
    size_t n_disks;
    struct machine_disk disks[MACHINE_DISKS_MAX];
};

/** Look. @root is put before /proc and /sys: "", or a directory for tests. */
void machine_read(const char *root, struct machine *ret);
