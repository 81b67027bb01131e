/* SPDX-License-Identifier: MIT */
/*
 * picture_reader - the kinds of picture recording, one file each, behind one small table.
 *
 * A reader loads the next picture (so that its time is known) and decodes it when
 * asked. It knows nothing of clocks, masks or loops.
 */
#pragma once

#include "pipeline/source.h"

struct picture_reader;

struct picture_reader_class {
    /** Load the next picture. Returns 1, 0 at the end (@fault may then say what was left out), -EIO
     * ... */
    int (*load)(struct picture_reader *reader, struct fault *fault);
    /** Decode what is loaded; planes are the reader's, writable, until the next load. Returns 0,
     * -EBADMSG, -ENOTSUP, -ENOMEM. */
    int (*decode)(struct picture_reader *reader, struct frame *ret, struct fault *fault);
    /** Begin again. Returns 0, -EIO. */
    int (*rewind)(struct picture_reader *reader, struct fault *fault);
    /** Free all, also a half-built object. */
    void (*free)(struct picture_reader *reader);
};

/** What all readers begin with. */
struct picture_reader {
    const struct picture_reader_class *class;
    double rate_hz;                        /* the file's own; 0: it tells none */
    int64_t marker_ns;                     /* of the loaded picture: time from the file, or -1 */
    int32_t n_skipped;                     /* pictures that were damaged before the loaded one */
    const char *name;                      /* static: "Y4M", "MJPEG" ... */
    int32_t want_width_px, want_height_px; /* see source_want_px() */
};

/** NULL is allowed. Returns NULL. */
static inline struct picture_reader *picture_reader_free(struct picture_reader *reader) {
    if (reader)
        reader->class->free(reader);
    return NULL;
}
DEFINE_CLEANUP(struct picture_reader *, picture_reader_free)

/**
 * Each opens options->device for reading. Returns 0, -ENOENT, -EACCES, -EBADMSG, -ENOTSUP,
 * -EINVAL, -ENOMEM; @fault says why.
 */
int reader_raw_new(const struct source_options *options, enum pixel_format format,
                   struct picture_reader **ret, struct fault *fault);
int reader_y4m_new(const struct source_options *options, struct picture_reader **ret,
                   struct fault *fault);
int reader_mjpeg_new(const struct source_options *options, struct picture_reader **ret,
                     struct fault *fault);
int reader_files_new(const struct source_options *options, struct picture_reader **ret,
                     struct fault *fault);
