/* SPDX-License-Identifier: MIT */
/*
 * units - the one clock, and the only place that converts to wall time.
 *
 * Time is int64_t nanoseconds of CLOCK_MONOTONIC at capture, everywhere. What
 * is kept or published carries a struct instant: boot, monotonic time, wall
 * time and whether the wall clock was synchronised (adjtimex(2), STA_UNSYNC).
 */
#pragma once

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S  INT64_C(1000000000)

enum { BOOT_ID_BYTES = 37, WALL_BYTES = 40 };

/** One moment, as a person and a program on another day can read it. */
struct instant {
    char boot_id[BOOT_ID_BYTES]; /* /proc/sys/kernel/random/boot_id, 36 characters */
    int64_t monotonic_ns;
    char wall[WALL_BYTES]; /* RFC 3339 with microseconds and zone, local time */
    bool synchronised;
};

/** CLOCK_MONOTONIC now, in nanoseconds. Any thread. */
static inline int64_t now_ns(void) {
    struct timespec now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (int64_t) now.tv_sec * NS_PER_S + now.tv_nsec;
}

/** This boot's id into @ret; "unknown" where /proc does not tell. Any thread. */
static inline void boot_id(char ret[BOOT_ID_BYTES]) {
    const int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd >= 0 ? read(fd, ret, BOOT_ID_BYTES - 1) : -1;

    if (fd >= 0)
        (void) close(fd); /* only read from */
    if (n == BOOT_ID_BYTES - 1)
        ret[n] = '\0';
    else
        (void) strcpy(ret, "unknown"); /* 8 bytes into 37 */
}

/**
 * The moment @monotonic_ns of this boot. Costs two clock calls and one
 * adjtimex; @boot is the boot id read once. Any thread.
 */
static inline struct instant instant_at(int64_t monotonic_ns, const char boot[BOOT_ID_BYTES]) {
    struct instant at = { .monotonic_ns = monotonic_ns };
    struct timespec wall_now;
    struct timex timex = { 0 };
    struct tm tm;
    int64_t wall_ns;
    time_t wall_s;
    char zone[8] = "+0000", head[24] = "";

    (void) memcpy(at.boot_id, boot, BOOT_ID_BYTES);
    (void) clock_gettime(CLOCK_REALTIME, &wall_now); /* cannot fail for this clock */
    wall_ns = (int64_t) wall_now.tv_sec * NS_PER_S + wall_now.tv_nsec + (monotonic_ns - now_ns());
    wall_s = (time_t) (wall_ns / NS_PER_S);
    if (localtime_r(&wall_s, &tm)) {
        (void) strftime(head, sizeof(head), "%Y-%m-%dT%H:%M:%S", &tm);
        (void) strftime(zone, sizeof(zone), "%z", &tm);
    }
    (void) snprintf(at.wall, sizeof(at.wall), "%s.%06d%.3s:%.2s", head,
                    (int) (wall_ns % NS_PER_S / NS_PER_US), zone, zone + 3);
    at.synchronised = adjtimex(&timex) >= 0 && !(timex.status & STA_UNSYNC);
    return at;
}
