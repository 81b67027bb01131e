/* SPDX-License-Identifier: MIT */
/*
 * Motion JPEG: JPEG pictures one after the other (jpeg_scan.c finds where each
 * ends). What lies between pictures is skipped up to the next SOI; so is a
 * picture that breaks off.
 */
#include <errno.h>
#include <string.h>

#include "pipeline/jpeg.h"
#include "pipeline/picture_reader.h"

enum {
    ROOM_BYTES_MIN = 64 * 1024,
    ROOM_BYTES_MAX = 16 * 1024 * 1024, /* no longer picture is looked for */
};

struct mjpeg_reader {
    struct picture_reader reader;
    FILE *file;
    struct jpeg *jpeg;
    uint8_t *room; /* [n_room], holds file bytes [begin, end) */
    size_t n_room, begin, end;
    size_t n_loaded_bytes; /* of the loaded picture, which starts at `begin` */
    bool at_end;           /* of the file */
    char path[SOURCE_PATH_BYTES];
};

static void mjpeg_free(struct picture_reader *reader) {
    struct mjpeg_reader *mjpeg = (struct mjpeg_reader *) reader;

    if (mjpeg->file)
        (void) fclose(mjpeg->file); /* only read from */
    jpeg_free(mjpeg->jpeg);
    free(mjpeg->room);
    free(mjpeg);
}

/*
 * Make room behind `end`: move what is kept to the front if that frees half, else
 * double the room, so that each byte is moved a few times at most. Returns 0, -EFBIG, -ENOMEM.
 */
static int make_room(struct mjpeg_reader *mjpeg) {
    uint8_t *room;

    if (mjpeg->begin >= mjpeg->n_room / 2) {
        memmove(mjpeg->room, mjpeg->room + mjpeg->begin, mjpeg->end - mjpeg->begin);
        mjpeg->end -= mjpeg->begin;
        mjpeg->begin = 0;
    }
    if (mjpeg->end < mjpeg->n_room)
        return 0;
    if (mjpeg->n_room == ROOM_BYTES_MAX)
        return -EFBIG;
    room = realloc(mjpeg->room, mjpeg->n_room * 2);
    if (!room)
        return -ENOMEM;
    mjpeg->room = room;
    mjpeg->n_room *= 2;
    return 0;
}

/* Read on. Returns 0 (see `at_end`), -EIO, -EFBIG, -ENOMEM. */
static int read_more(struct mjpeg_reader *mjpeg) {
    const int r = make_room(mjpeg);
    size_t n;

    if (r < 0)
        return r;
    n = fread(mjpeg->room + mjpeg->end, 1, mjpeg->n_room - mjpeg->end, mjpeg->file);
    mjpeg->end += n;
    mjpeg->at_end = n == 0;
    return ferror(mjpeg->file) ? -EIO : 0;
}

/* Drop bytes (there are two or more) up to the next FF D8, or all but the last one. */
static void skip_to_picture(struct mjpeg_reader *mjpeg) {
    const size_t from = mjpeg->begin + 1;
    const uint8_t *found = memmem(mjpeg->room + from, mjpeg->end - from, "\xff\xd8", 2);

    mjpeg->begin = found ? (size_t) (found - mjpeg->room) : mjpeg->end - 1;
}

/* Scanning gave no picture: read on, or skip what is none. Returns 0, 1 at the end, -errno. */
static int go_on(struct mjpeg_reader *mjpeg, int scanned) {
    const size_t n = mjpeg->end - mjpeg->begin;

    if (scanned == 0 && !mjpeg->at_end) {
        const int r = read_more(mjpeg);

        if (r != -EFBIG)
            return r;
        mjpeg->begin = mjpeg->end; /* no end in sight: all of it is damage */
        mjpeg->reader.n_skipped++;
        return 0;
    }
    if (n < 2)
        return mjpeg->at_end ? 1 : read_more(mjpeg);
    if (memcmp(mjpeg->room + mjpeg->begin, "\xff\xd8", 2) == 0)
        mjpeg->reader.n_skipped++; /* a picture began here, and is broken */
    skip_to_picture(mjpeg);
    return 0;
}

static int mjpeg_load(struct picture_reader *reader, struct fault *fault) {
    struct mjpeg_reader *mjpeg = (struct mjpeg_reader *) reader;
    struct jpeg_extent extent;
    int r = 0;

    reader->n_skipped = 0;
    mjpeg->begin += mjpeg->n_loaded_bytes;
    mjpeg->n_loaded_bytes = 0;
    while (r == 0) {
        const int scanned =
            jpeg_scan(mjpeg->room + mjpeg->begin, mjpeg->end - mjpeg->begin, &extent);

        if (scanned > 0) {
            mjpeg->n_loaded_bytes = extent.n_bytes;
            reader->marker_ns = extent.time_ns;
            return 1;
        }
        r = go_on(mjpeg, scanned);
    }
    if (r < 0)
        return fault_set(fault, r, "%s: cannot be read on: %s", mjpeg->path, strerror(-r));
    if (reader->n_skipped > 0)
        (void) fault_set(fault, 0, "%s: ends in half a picture, which is left out", mjpeg->path);
    return 0;
}

static int mjpeg_decode(struct picture_reader *reader, struct frame *ret, struct fault *fault) {
    struct mjpeg_reader *mjpeg = (struct mjpeg_reader *) reader;
    struct fault why = { "" };
    const int r = jpeg_decode(mjpeg->jpeg, mjpeg->room + mjpeg->begin, mjpeg->n_loaded_bytes,
                              reader->want_width_px, reader->want_height_px, ret, &why);

    return r < 0 ? fault_set(fault, r, "%s: %s", mjpeg->path, why.text) : 0;
}

static int mjpeg_rewind(struct picture_reader *reader, struct fault *fault) {
    struct mjpeg_reader *mjpeg = (struct mjpeg_reader *) reader;

    rewind(mjpeg->file);
    mjpeg->begin = mjpeg->end = mjpeg->n_loaded_bytes = 0;
    mjpeg->at_end = false;
    return 0;
}

static const struct picture_reader_class mjpeg_class = {
    .load = mjpeg_load,
    .decode = mjpeg_decode,
    .rewind = mjpeg_rewind,
    .free = mjpeg_free,
};

int reader_mjpeg_new(const struct source_options *options, struct picture_reader **ret,
                     struct fault *fault) {
    _cleanup_(picture_reader_freep) struct picture_reader *reader = NULL;
    struct mjpeg_reader *mjpeg = calloc(1, sizeof(*mjpeg));
    int r;

    if (!mjpeg)
        return -ENOMEM;
    mjpeg->reader =
        (struct picture_reader){ .class = &mjpeg_class, .marker_ns = -1, .name = "MJPEG" };
    reader = &mjpeg->reader;
    (void) strcpy(mjpeg->path, options->device); /* arrays of one size */
    r = jpeg_new(&mjpeg->jpeg);
    if (r < 0)
        return r;
    mjpeg->n_room = ROOM_BYTES_MIN;
    mjpeg->room = malloc(mjpeg->n_room);
    if (!mjpeg->room)
        return -ENOMEM;
    mjpeg->file = fopen(options->device, "rbe");
    if (!mjpeg->file)
        return fault_set(fault, -errno, "%s: %s", options->device, strerror(errno));
    *ret = reader;
    reader = NULL;
    return 0;
}
