/* SPDX-License-Identifier: MIT */
/* diagnose - what the kernel tells a process of itself, and others not: memory, writes, sandbox. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct diagnosis {
    uint32_t uid;
    int64_t resident_kib, peak_kib, n_threads;
    int64_t written_bytes; /* to disks, since the process began; -1: not known */
    bool no_new_privileges, seccomp;
    uint64_t capabilities; /* effective, a bit each */
    bool read_only;        /* what `/` is mounted as for us */
    bool network;          /* an interface but lo is there */
};

/** Read @proc, "/proc/self". What cannot be read stays as if there were no sandbox. */
void diagnosis_read(const char *proc, struct diagnosis *ret);

/** The answer to Diagnose: process and sandbox. Returns a new reference, or NULL without memory. */
json_t *diagnosis_json(const struct diagnosis *diagnosis);
