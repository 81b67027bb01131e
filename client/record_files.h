/* SPDX-License-Identifier: MIT */
/*
 * record_files - the directory of one `lookoutctl record`: one file per sensor, pairs.csv,
 * replay.ini.
 *
 * Recordings are people: the directory and its files are for their owner alone.
 * A file is SENSOR.part until it is whole, then SENSOR.wav or SENSOR.mjpeg by what its
 * first bytes are. Nothing that exists is ever overwritten.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"

enum recorded_data { RECORDED_NOTHING, RECORDED_SOUND, RECORDED_PICTURE };

enum { RECORDED_MAX = 16, RECORDED_FILE_BYTES = 96 };

/** What became of one sensor. */
struct recorded {
    const char *sensor; /* borrowed */
    int fd;             /* owned by the directory; for reading and writing */
    char file[RECORDED_FILE_BYTES];
    enum recorded_data data;   /* after record_files_finish() */
    int64_t first_ns, last_ns; /* capture times; 0 if nothing came */
    int64_t n_items, n_lost;
};

struct record_files;

/**
 * Make the new directory @path with a .part file per sensor.
 * @sensors  [n], names; borrowed until record_files_free(). At most RECORDED_MAX.
 * Returns 0; -EEXIST, or -EIO for anything else that failed: then nothing is left and @fault says
 * what.
 */
int record_files_new(const char *path, const char *const *sensors, size_t n,
                     struct record_files **ret, struct fault *fault);

/** Close all. NULL is allowed. Returns NULL. */
struct record_files *record_files_free(struct record_files *files);
DEFINE_CLEANUP(struct record_files *, record_files_free)

/** Remove what record_files_new() made; for a recording that never began. */
void record_files_remove(struct record_files *files);

/** Sensor @i, as long as @files lives. NULL past the last. */
struct recorded *record_files_at(struct record_files *files, size_t i);

/** The sensor of that name, or NULL. */
struct recorded *record_files_find(struct record_files *files, const char *sensor);

/**
 * Look at what was written, give the files their names, write pairs.csv and replay.ini.
 * @when  wall time of the recording, for a comment.
 * Returns 0, -EIO with @fault.
 */
int record_files_finish(struct record_files *files, const char *when, struct fault *fault);
