/* SPDX-License-Identifier: MIT */
/*
 * source_class - what a camera, microphone or recording implements to be a source.
 *
 * An implementation puts `struct source` first in its own struct and fills in
 * the plain values before its open function returns. Only files that implement a
 * source include this; docs/adding-a-sensor.md shows the steps.
 */
#pragma once

#include "pipeline/source.h"

struct source_class {
    /** As source_read(). */
    int (*read)(struct source *source, const struct source_sink *sink, struct fault *fault);
    /** Free all, also a half-built object. */
    struct source *(*free)(struct source *source);
    /** As source_next_ns(); NULL: not a recording. */
    int64_t (*next_ns)(const struct source *source);
    /** As source_want_px(); NULL: nothing to gain. */
    void (*want_px)(struct source *source, int32_t width_px, int32_t height_px);
};

struct source {
    const struct source_class *class;
    int fd;         /* closed by the implementation */
    double rate_hz; /* source_rate_hz() */
    char device[SOURCE_PATH_BYTES];
    char format[SOURCE_FORMAT_BYTES];
    char note[SOURCE_NOTE_BYTES]; /* source_note() */
};
