/* SPDX-License-Identifier: MIT */
/*
 * The clock of a picture recording. Without markers, picture i has the time
 * start + i / rate, computed from i each time. With markers (Motion JPEG of our
 * recorder), pictures keep the distances of their markers, which are integers, so
 * that nothing adds up; round the loop, and where markers make no sense, the next
 * picture comes one period later.
 */
#include "pipeline/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "common/units.h"
#include "pipeline/masks.h"
#include "pipeline/pace.h"
#include "pipeline/picture_reader.h"
#include "pipeline/pixels.h"
#include "pipeline/source_class.h"

/* A longer pause between two markers is damage, not a recording. */
#define MARKER_STEP_MAX_NS (24 * 3600 * NS_PER_S)

struct picture_recording {
    struct source source;
    struct pace pace;
    struct picture_reader *reader;
    bool loop, loaded;
    int64_t start_ns, n_loaded;
    int64_t next_ns;        /* of the loaded picture; at the end, when it would come */
    int64_t last_marker_ns; /* -1: none to compare with */
    bool marked;            /* some picture carried a marker */
    int32_t n_lost;         /* since the last picture given */
    size_t n_masks;
    struct mask masks[MASKS_MAX];
    int error; /* once nothing is loaded */
    struct fault fault;
};

static struct source *picture_free(struct source *source) {
    struct picture_recording *rec = (struct picture_recording *) source;

    picture_reader_free(rec->reader);
    pace_close(&rec->pace);
    free(rec);
    return NULL;
}

static int64_t period_ns(const struct picture_recording *rec) {
    return llround((double) NS_PER_S / rec->source.rate_hz);
}

/* The time of the picture loaded as number `n_loaded`, always after the one before. */
static int64_t time_of_loaded(struct picture_recording *rec) {
    const int64_t marker_ns = rec->reader->marker_ns;
    const bool follows = marker_ns >= 0 && rec->last_marker_ns >= 0;
    const int64_t step_ns = follows ? marker_ns - rec->last_marker_ns : 0;

    rec->last_marker_ns = marker_ns;
    rec->marked = rec->marked || marker_ns >= 0;
    if (rec->n_loaded == 0)
        return rec->start_ns;
    if (step_ns > 0 && step_ns <= MARKER_STEP_MAX_NS)
        return rec->next_ns + step_ns;
    if (rec->marked)
        return rec->next_ns + period_ns(rec);
    return rec->start_ns +
           llround((double) rec->n_loaded * (double) NS_PER_S / rec->source.rate_hz);
}

/* Load the picture that the next source_read() gives, round the loop if need be. */
static void load_next(struct picture_recording *rec) {
    int r = rec->reader->class->load(rec->reader, &rec->fault);

    rec->n_lost += rec->reader->n_skipped;
    if (r == 0 && rec->loop && rec->n_loaded > 0) {
        rec->last_marker_ns = -1;
        r = rec->reader->class->rewind(rec->reader, &rec->fault);
        if (r == 0) {
            r = rec->reader->class->load(rec->reader, &rec->fault);
            rec->n_lost += rec->reader->n_skipped;
        }
    }
    rec->loaded = r > 0;
    if (rec->loaded) {
        rec->next_ns = time_of_loaded(rec);
        rec->n_loaded++;
    } else {
        rec->next_ns += period_ns(rec);
        rec->error = r < 0 ? r : -ENODATA;
    }
}

/* Decode, mask and give what is loaded. Returns 1, 0 if it is damaged (then counted), -errno. */
static int give_loaded(struct picture_recording *rec, const struct source_sink *sink,
                       struct fault *fault) {
    struct frame frame = { 0 };
    const int r = rec->reader->class->decode(rec->reader, &frame, fault);

    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        rec->n_lost++;
        return 0;
    }
    masks_apply(&frame, rec->masks, rec->n_masks);
    frame.time_ns = rec->next_ns;
    frame.n_lost_before = rec->n_lost;
    rec->n_lost = 0;
    sink->frame(&frame, sink->user);
    return 1;
}

static int picture_read(struct source *source, const struct source_sink *sink,
                        struct fault *fault) {
    struct picture_recording *rec = (struct picture_recording *) source;
    int r;

    if (!pace_due(&rec->pace, rec->next_ns))
        return 0;
    if (!rec->loaded)
        return fault_set(fault, rec->error, "%s", rec->fault.text);
    r = give_loaded(rec, sink, fault);
    if (r < 0)
        return r;
    load_next(rec);
    pace_wait_for(&rec->pace, rec->next_ns);
    return r;
}

static int64_t picture_next_ns(const struct source *source) {
    const struct picture_recording *rec = (const struct picture_recording *) source;

    return rec->loaded ? rec->next_ns : INT64_MAX;
}

static void picture_want_px(struct source *source, int32_t width_px, int32_t height_px) {
    struct picture_recording *rec = (struct picture_recording *) source;

    rec->reader->want_width_px = width_px;
    rec->reader->want_height_px = height_px;
}

static const struct source_class picture_class = {
    .read = picture_read,
    .free = picture_free,
    .next_ns = picture_next_ns,
    .want_px = picture_want_px,
};

static double rate_of(const struct source_options *options, const struct picture_reader *reader) {
    if (options->rate_hz > 0)
        return options->rate_hz;
    return reader->rate_hz > 0 ? reader->rate_hz : RECORDING_RATE_HZ;
}

/* Load and decode the first picture: tells the size, and finds what is empty or of the wrong kind.
 */
static int start(struct picture_recording *rec, struct fault *fault) {
    struct source *source = &rec->source;
    struct frame frame;
    int r;

    load_next(rec);
    if (!rec->loaded && rec->error != -ENODATA)
        return fault_set(fault, rec->error, "%s", rec->fault.text);
    if (!rec->loaded)
        return fault_set(fault, -EBADMSG, "%s: holds no whole picture", source->device);
    r = rec->reader->class->decode(rec->reader, &frame, fault);
    if (r < 0)
        return r;
    (void) snprintf(source->format, sizeof(source->format), "%s %s %dx%d", rec->reader->name,
                    pixels_name(frame.format), frame.width_px, frame.height_px);
    return 0;
}

/* A pipe or device could keep us waiting for ever. */
static int check_file(const char *path, struct fault *fault) {
    struct stat st;

    if (stat(path, &st) < 0)
        return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return fault_set(fault, -EINVAL, "%s: a picture recording must be a file or a directory",
                         path);
    return 0;
}

enum picture_kind { KIND_RAW, KIND_FILES, KIND_Y4M, KIND_MJPEG, KIND_UNKNOWN };

/* What the path is: a directory, or a file that says so in its first bytes or its extension. */
static int look_at(const char *path, enum picture_kind *ret, enum pixel_format *ret_raw,
                   struct fault *fault) {
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    const char *const dot = strrchr(path, '.');
    char head[9] = "";
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
    if (S_ISREG(st.st_mode) && st.st_size == 0)
        return fault_set(fault, -EBADMSG, "%s: is empty", path);
    if (S_ISREG(st.st_mode) && read(fd, head, sizeof(head)) < 0)
        return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode) || memcmp(head, "\x89PNG", 4) == 0)
        *ret = KIND_FILES;
    else if (memcmp(head, "YUV4MPEG2", 9) == 0)
        *ret = KIND_Y4M;
    else if (memcmp(head, "\xff\xd8\xff", 3) == 0)
        *ret = KIND_MJPEG;
    else if (dot && S_ISREG(st.st_mode) && pixels_parse(dot + 1, ret_raw) == 0)
        *ret = KIND_RAW;
    else
        *ret = KIND_UNKNOWN;
    return 0;
}

/* Open the reader that fits what the options say, or what the file is. */
static int open_reader(const struct source_options *options, struct picture_reader **ret,
                       struct fault *fault) {
    enum picture_kind kind = KIND_RAW;
    enum pixel_format raw = PIXEL_YUYV;
    int r;

    r = check_file(options->device, fault);
    if (r < 0)
        return r;
    if (strcmp(options->format, "mjpeg") == 0)
        return reader_mjpeg_new(options, ret, fault);
    if (strcmp(options->format, "y4m") == 0)
        return reader_y4m_new(options, ret, fault);
    if (pixels_parse(options->format, &raw) == 0)
        return reader_raw_new(options, raw, ret, fault);
    if (options->format[0] != '\0' && strcmp(options->format, "auto") != 0)
        return fault_set(fault, -ENOTSUP, "%s: pictures in format %s cannot be read",
                         options->device, options->format);
    r = look_at(options->device, &kind, &raw, fault);
    if (r < 0)
        return r;
    switch (kind) {
    case KIND_RAW:
        return reader_raw_new(options, raw, ret, fault);
    case KIND_FILES:
        return reader_files_new(options, ret, fault);
    case KIND_Y4M:
        return reader_y4m_new(options, ret, fault);
    case KIND_MJPEG:
        return reader_mjpeg_new(options, ret, fault);
    case KIND_UNKNOWN:
        break;
    }
    return fault_set(fault, -EBADMSG,
                     "%s: is neither a directory of pictures, PNG, Motion JPEG nor Y4M; raw frames "
                     "need their format and size, such as format = yuyv and size = 640x480",
                     options->device);
}

int recording_open_pictures(const struct source_options *options, struct source **ret,
                            struct fault *fault) {
    _cleanup_(source_freep) struct source *source = NULL;
    struct picture_recording *rec = calloc(1, sizeof(*rec));
    int r;

    if (!rec)
        return -ENOMEM;
    rec->source.class = &picture_class;
    rec->pace.fd = -1;
    rec->last_marker_ns = -1;
    rec->loop = options->loop;
    rec->n_masks = options->n_masks;
    memcpy(rec->masks, options->masks, sizeof(rec->masks));
    source = &rec->source;
    r = open_reader(options, &rec->reader, fault);
    if (r < 0)
        return r;
    r = pace_init(&rec->pace, options->as_fast_as_possible);
    if (r < 0)
        return r;
    source->fd = rec->pace.fd;
    source->rate_hz = rate_of(options, rec->reader);
    (void) strcpy(source->device, options->device); /* arrays of one size */
    rec->start_ns = options->start_ns ? options->start_ns : now_ns();
    r = start(rec, fault);
    if (r < 0)
        return r;
    pace_wait_for(&rec->pace, rec->next_ns);
    *ret = source;
    source = NULL;
    return 0;
}
