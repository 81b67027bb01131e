/* SPDX-License-Identifier: MIT */
/* Frames of one size and format, one after the other, nothing between them. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "pipeline/picture_reader.h"
#include "pipeline/pixels.h"

struct raw_reader {
    struct picture_reader reader;
    FILE *file;
    struct frame frame;
    size_t n_bytes;
    uint64_t n_frames; /* read since the last rewind */
    uint8_t *data;
    char path[SOURCE_PATH_BYTES];
};

static void raw_free(struct picture_reader *reader) {
    struct raw_reader *raw = (struct raw_reader *) reader;

    if (raw->file)
        (void) fclose(raw->file); /* only read from */
    free(raw->data);
    free(raw);
}

static int raw_load(struct picture_reader *reader, struct fault *fault) {
    struct raw_reader *raw = (struct raw_reader *) reader;
    const size_t n = fread(raw->data, 1, raw->n_bytes, raw->file);

    reader->n_skipped = 0;
    if (n == raw->n_bytes) {
        raw->n_frames++;
        return 1;
    }
    if (ferror(raw->file))
        return fault_set(fault, -EIO, "%s: cannot be read on after frame %llu", raw->path,
                         (unsigned long long) raw->n_frames);
    if (n > 0) {
        reader->n_skipped = 1;
        (void) fault_set(fault, 0, "%s: ends in half a frame (%zu of %zu bytes), which is left out",
                         raw->path, n, raw->n_bytes);
    }
    return 0;
}

static int raw_decode(struct picture_reader *reader, struct frame *ret, struct fault *fault) {
    *ret = ((struct raw_reader *) reader)->frame;
    return 0;
}

static int raw_rewind(struct picture_reader *reader, struct fault *fault) {
    struct raw_reader *raw = (struct raw_reader *) reader;

    rewind(raw->file);
    raw->n_frames = 0;
    return 0;
}

static const struct picture_reader_class raw_class = {
    .load = raw_load,
    .decode = raw_decode,
    .rewind = raw_rewind,
    .free = raw_free,
};

int reader_raw_new(const struct source_options *options, enum pixel_format format,
                   struct picture_reader **ret, struct fault *fault) {
    _cleanup_(picture_reader_freep) struct picture_reader *reader = NULL;
    struct raw_reader *raw;

    if (pixels_check(format, options->width_px, options->height_px) < 0)
        return fault_set(fault, -EINVAL,
                         "%s: raw %s needs its size, such as size = 640x480 (sides up to %d, "
                         "even width for yuyv), not %dx%d",
                         options->device, pixels_name(format), FRAME_SIDE_MAX_PX, options->width_px,
                         options->height_px);
    raw = calloc(1, sizeof(*raw));
    if (!raw)
        return -ENOMEM;
    raw->reader = (struct picture_reader){ .class = &raw_class, .marker_ns = -1, .name = "raw" };
    reader = &raw->reader;
    (void) strcpy(raw->path, options->device); /* arrays of one size */
    raw->frame = (struct frame){ .format = format,
                                 .width_px = options->width_px,
                                 .height_px = options->height_px };
    raw->n_bytes = pixels_bytes(format, options->width_px, options->height_px);
    raw->data = malloc(raw->n_bytes);
    if (!raw->data)
        return -ENOMEM;
    pixels_lay(&raw->frame, raw->data, 0);
    raw->file = fopen(options->device, "rbe");
    if (!raw->file)
        return fault_set(fault, -errno, "%s: %s", options->device, strerror(errno));
    *ret = reader;
    reader = NULL;
    return 0;
}
