/* SPDX-License-Identifier: MIT */
/*
 * Y4M, as mjpegtools' yuv4mpeg(5) describes it: one line of parameters, then
 * for each frame a line that begins with FRAME and the planes. 4:2:0 (chroma
 * siting is ignored), 4:2:2 (packed to YUYV) and mono, 8 bits.
 */
#include <errno.h>
#include <string.h>

#include "pipeline/picture_reader.h"
#include "pipeline/pixels.h"

enum { LINE_BYTES_MAX = 256, RATE_MAX = 1000000, CHROMA_NEUTRAL = 128 };

enum chroma { CHROMA_420, CHROMA_422, CHROMA_MONO };

struct y4m_reader {
    struct picture_reader reader;
    FILE *file;
    long first_frame; /* offset behind the header */
    enum chroma chroma;
    struct frame frame;
    size_t n_bytes; /* of one frame in the file */
    uint64_t n_frames;
    uint8_t *coded; /* [n_bytes] as in the file */
    uint8_t *yuyv;  /* 4:2:2 only: packed */
    char path[SOURCE_PATH_BYTES];
};

static void y4m_free(struct picture_reader *reader) {
    struct y4m_reader *y4m = (struct y4m_reader *) reader;

    if (y4m->file)
        (void) fclose(y4m->file); /* only read from */
    free(y4m->coded);
    free(y4m->yuyv);
    free(y4m);
}

/* One line without its end into @line. Returns 1, 0 at the end of the file, -EBADMSG (too long,
 * cut, NUL). */
static int read_line(FILE *file, char line[LINE_BYTES_MAX]) {
    for (size_t n = 0; n < LINE_BYTES_MAX; n++) {
        const int c = getc(file);

        if (c == EOF)
            return n == 0 ? 0 : -EBADMSG;
        if (c == '\0')
            return -EBADMSG;
        line[n] = (char) c;
        if (c == '\n') {
            line[n] = '\0';
            return 1;
        }
    }
    return -EBADMSG;
}

/* A decimal number 1 .. @max up to @end or the end of the word; moves *@text behind it. Returns it
 * or -1. */
static long number(const char **text, long max) {
    long value = 0;

    while (**text >= '0' && **text <= '9' && value <= max)
        value = value * 10 + (*(*text)++ - '0');
    return value >= 1 && value <= max ? value : -1;
}

static int parse_chroma(const char *word, enum chroma *ret) {
    static const struct {
        const char *name;
        enum chroma chroma;
    } names[] = {
        { "420", CHROMA_420 },      { "420jpeg", CHROMA_420 }, { "420paldv", CHROMA_420 },
        { "420mpeg2", CHROMA_420 }, { "422", CHROMA_422 },     { "mono", CHROMA_MONO },
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(word, names[i].name) == 0) {
            *ret = names[i].chroma;
            return 0;
        }
    return -ENOTSUP;
}

/* One word of the header. Returns 0, -EBADMSG, -ENOTSUP. */
static int parse_word(struct y4m_reader *y4m, const char *word) {
    const char *rest = word + 1;
    long value, per;

    switch (word[0]) {
    case 'W':
    case 'H':
        value = number(&rest, FRAME_SIDE_MAX_PX);
        if (value < 0 || *rest != '\0')
            return -EBADMSG;
        *(word[0] == 'W' ? &y4m->frame.width_px : &y4m->frame.height_px) = (int32_t) value;
        return 0;
    case 'F':
        if (strcmp(rest, "0:0") == 0)
            return 0; /* not known */
        value = number(&rest, RATE_MAX);
        if (value < 0 || *rest++ != ':')
            return -EBADMSG;
        per = number(&rest, RATE_MAX);
        if (per < 0 || *rest != '\0')
            return -EBADMSG;
        y4m->reader.rate_hz = (double) value / (double) per;
        return 0;
    case 'C':
        return parse_chroma(rest, &y4m->chroma);
    case 'I': /* fields are taken as they lie */
    case 'A': /* neither the shape of pixels */
    case 'X': /* nor comments matter */
        return 0;
    default:
        return -EBADMSG;
    }
}

static int parse_header(struct y4m_reader *y4m, struct fault *fault) {
    char line[LINE_BYTES_MAX], *rest = NULL;
    const char *word;
    int r = read_line(y4m->file, line);

    word = r > 0 ? strtok_r(line, " ", &rest) : NULL;
    if (!word || strcmp(word, "YUV4MPEG2") != 0)
        return fault_set(fault, -EBADMSG, "%s: is no Y4M file (first line)", y4m->path);
    while ((word = strtok_r(NULL, " ", &rest))) {
        r = parse_word(y4m, word);
        if (r < 0)
            return fault_set(fault, r, "%s: Y4M header has %s, which is %s", y4m->path, word,
                             r == -ENOTSUP ? "not supported (4:2:0, 4:2:2 and mono are, 8 bits)"
                                           : "not valid");
    }
    if (y4m->frame.width_px == 0 || y4m->frame.height_px == 0)
        return fault_set(fault, -EBADMSG, "%s: Y4M header lacks width or height", y4m->path);
    y4m->first_frame = ftell(y4m->file);
    return 0;
}

/* Format, sizes and memory that follow from the header. */
static int plan(struct y4m_reader *y4m, struct fault *fault) {
    struct frame *frame = &y4m->frame;
    size_t all;

    frame->format = y4m->chroma == CHROMA_422 ? PIXEL_YUYV : PIXEL_I420;
    if (pixels_check(frame->format, frame->width_px, frame->height_px) < 0)
        return fault_set(fault, -ENOTSUP, "%s: 4:2:2 of odd width is not supported", y4m->path);
    all = pixels_bytes(frame->format, frame->width_px, frame->height_px);
    y4m->n_bytes = y4m->chroma == CHROMA_MONO
                       ? pixels_bytes(PIXEL_GREY, frame->width_px, frame->height_px)
                       : all;
    y4m->coded = malloc(all);
    y4m->yuyv = y4m->chroma == CHROMA_422 ? malloc(all) : NULL;
    if (!y4m->coded || (y4m->chroma == CHROMA_422 && !y4m->yuyv))
        return -ENOMEM;
    pixels_lay(frame, y4m->yuyv ? y4m->yuyv : y4m->coded, 0);
    /* mono: luma of limited range and no colour */
    memset(y4m->coded + y4m->n_bytes, CHROMA_NEUTRAL, all - y4m->n_bytes);
    return 0;
}

static int y4m_load(struct picture_reader *reader, struct fault *fault) {
    struct y4m_reader *y4m = (struct y4m_reader *) reader;
    char line[LINE_BYTES_MAX];
    const int r = read_line(y4m->file, line);
    size_t n;

    reader->n_skipped = 0;
    if (r == 0 && feof(y4m->file))
        return 0;
    if (r <= 0 || strncmp(line, "FRAME", 5) != 0 || (line[5] != '\0' && line[5] != ' '))
        return fault_set(fault, ferror(y4m->file) ? -EIO : -EBADMSG,
                         "%s: no frame header after frame %llu", y4m->path,
                         (unsigned long long) y4m->n_frames);
    n = fread(y4m->coded, 1, y4m->n_bytes, y4m->file);
    if (n == y4m->n_bytes) {
        y4m->n_frames++;
        return 1;
    }
    if (ferror(y4m->file))
        return fault_set(fault, -EIO, "%s: cannot be read on after frame %llu", y4m->path,
                         (unsigned long long) y4m->n_frames);
    reader->n_skipped = 1;
    return fault_set(fault, 0, "%s: ends in half a frame (%zu of %zu bytes), which is left out",
                     y4m->path, n, y4m->n_bytes);
}

static void pack_yuyv(struct y4m_reader *y4m) {
    const size_t n_pixels = (size_t) y4m->frame.width_px * (size_t) y4m->frame.height_px;
    const uint8_t *luma = y4m->coded, *u = luma + n_pixels, *v = u + n_pixels / 2;
    uint8_t *to = y4m->yuyv;

    for (size_t i = 0; i < n_pixels / 2; i++) {
        *to++ = luma[2 * i];
        *to++ = u[i];
        *to++ = luma[2 * i + 1];
        *to++ = v[i];
    }
}

static int y4m_decode(struct picture_reader *reader, struct frame *ret, struct fault *fault) {
    struct y4m_reader *y4m = (struct y4m_reader *) reader;

    switch (y4m->chroma) {
    case CHROMA_422:
        pack_yuyv(y4m);
        break;
    case CHROMA_MONO: /* a mask may have been there, but black has no colour either */
    case CHROMA_420:
        break;
    }
    *ret = y4m->frame;
    return 0;
}

static int y4m_rewind(struct picture_reader *reader, struct fault *fault) {
    struct y4m_reader *y4m = (struct y4m_reader *) reader;

    y4m->n_frames = 0;
    if (fseek(y4m->file, y4m->first_frame, SEEK_SET) < 0)
        return fault_set(fault, -EIO, "%s: cannot be read again from its start", y4m->path);
    return 0;
}

static const struct picture_reader_class y4m_class = {
    .load = y4m_load,
    .decode = y4m_decode,
    .rewind = y4m_rewind,
    .free = y4m_free,
};

int reader_y4m_new(const struct source_options *options, struct picture_reader **ret,
                   struct fault *fault) {
    _cleanup_(picture_reader_freep) struct picture_reader *reader = NULL;
    struct y4m_reader *y4m = calloc(1, sizeof(*y4m));
    int r;

    if (!y4m)
        return -ENOMEM;
    y4m->reader = (struct picture_reader){ .class = &y4m_class, .marker_ns = -1, .name = "Y4M" };
    reader = &y4m->reader;
    (void) strcpy(y4m->path, options->device); /* arrays of one size */
    y4m->file = fopen(options->device, "rbe");
    if (!y4m->file)
        return fault_set(fault, -errno, "%s: %s", options->device, strerror(errno));
    r = parse_header(y4m, fault);
    if (r < 0)
        return r;
    r = plan(y4m, fault);
    if (r < 0)
        return r;
    *ret = reader;
    reader = NULL;
    return 0;
}
