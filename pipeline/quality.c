/* SPDX-License-Identifier: MIT */
/*
 * Method: blur by the energy of the Laplacian relative to the picture's contrast
 * (M. Subbarao, J. Tyan, Selecting the optimal focus measure, IEEE TPAMI 20(8), 1998,
 * "energy of Laplacian"; here divided by the variance, so that a grey wall and a busy
 * yard are judged alike). On a coarse grid, because the networks see a coarse picture:
 * a blur they cannot see does no harm.
 */
#include "pipeline/quality.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "common/units.h"

enum {
    PARTS_MAX = 6000, /* 10 ms parts of a window of a minute */
    CLIPPED_FROM = INT16_MAX - 64,
    GRID_WIDTH_MAX = 160,
    GRID_HEIGHT_MAX = 120,
    GRID_MAX = GRID_WIDTH_MAX * GRID_HEIGHT_MAX,
    LUMA_LEVELS = 256,
    LUMA_BLACK = 16, /* of limited range, BT.601 */
    LUMA_SPAN = 219,
};

static const double SILENT_RMS = 2.0, AUDIBLE_RMS = 8.0;
static const double CLIPPED_NONE = 0.001, CLIPPED_MUCH = 0.02;
static const double DARK_LUMA = 8.0, LIT_LUMA = 24.0;
static const double BRIGHT_PART = 0.01;
static const double BLURRED_RATIO = 0.004, SHARP_RATIO = 0.02;
static const double PLAIN_VARIANCE = 16.0;
static const int64_t FROZEN_AFTER_NS = 5 * NS_PER_S;

/* 0 at @bad, 1 at @good, linear between; @bad may be the larger. */
static double ramp(double value, double bad, double good) {
    return fmin(fmax((value - bad) / (good - bad), 0.0), 1.0);
}

/* The worse of @a and a fault of this @value. */
static struct quality worse(struct quality a, double value, const char *reason) {
    if (value >= a.value)
        return a;
    return (struct quality){ .value = value, .reason = value < QUALITY_GOOD ? reason : NULL };
}

/* Sums over a stretch of samples. */
struct part {
    int64_t sum, sum_squares, n_clipped, n_items;
};

struct sound_quality {
    size_t n_parts, next, n_part; /* n_part: samples of a full part */
    struct part whole, open;      /* of all parts in the ring; of the part being filled */
    struct part *parts;           /* ring [n_parts] */
};

int sound_quality_new(size_t n_window, struct sound_quality **ret) {
    _cleanup_(sound_quality_freep) struct sound_quality *q = NULL;

    assert(ret);

    if (n_window == 0)
        return -EINVAL;
    q = calloc(1, sizeof(*q));
    if (!q)
        return -ENOMEM;
    q->n_part = n_window < SOUND_BLOCK_ITEMS ? n_window : SOUND_BLOCK_ITEMS;
    q->n_parts = n_window / q->n_part;
    if (q->n_parts > PARTS_MAX)
        return -EINVAL;
    q->parts = calloc(q->n_parts, sizeof(*q->parts));
    if (!q->parts)
        return -ENOMEM;

    *ret = q;
    q = NULL; /* now the caller's */
    return 0;
}

struct sound_quality *sound_quality_free(struct sound_quality *q) {
    if (!q)
        return NULL;
    free(q->parts);
    free(q);
    return NULL;
}

static void part_add(struct part *to, const struct part *from, int64_t sign) {
    to->sum += sign * from->sum;
    to->sum_squares += sign * from->sum_squares;
    to->n_clipped += sign * from->n_clipped;
    to->n_items += sign * from->n_items;
}

void sound_quality_push(struct sound_quality *q, const int16_t *samples, size_t n_items) {
    for (size_t i = 0; i < n_items; i++) {
        const int32_t sample = samples[i];

        q->open.sum += sample;
        q->open.sum_squares += (int64_t) sample * sample;
        q->open.n_clipped += sample >= CLIPPED_FROM || sample <= -CLIPPED_FROM;
        if (++q->open.n_items < (int64_t) q->n_part)
            continue;
        part_add(&q->whole, &q->parts[q->next], -1);
        part_add(&q->whole, &q->open, 1);
        q->parts[q->next] = q->open;
        q->open = (struct part){ 0 };
        q->next = (q->next + 1) % q->n_parts;
    }
}

struct quality sound_quality_get(const struct sound_quality *q) {
    struct quality ret = { .value = 1.0, .reason = NULL };
    const double n = (double) q->whole.n_items;
    double mean, rms;

    if (q->whole.n_items == 0)
        return ret;
    mean = (double) q->whole.sum / n;
    rms = sqrt(fmax((double) q->whole.sum_squares / n - mean * mean, 0.0));
    ret = worse(ret, ramp(rms, SILENT_RMS, AUDIBLE_RMS), "silent");
    return worse(ret, ramp((double) q->whole.n_clipped / n, CLIPPED_MUCH, CLIPPED_NONE), "clipped");
}

struct grid {
    size_t width, height;
    uint8_t luma[GRID_MAX]; /* [height][width], 0..255 whatever the frame's range */
};

struct picture_quality {
    size_t n_seen;
    int64_t changed_ns; /* capture time of the first frame that looked like the last one */
    struct grid last, now;
};

int picture_quality_new(struct picture_quality **ret) {
    struct picture_quality *const q = calloc(1, sizeof(*q));

    assert(ret);

    if (!q)
        return -ENOMEM;
    *ret = q;
    return 0;
}

struct picture_quality *picture_quality_free(struct picture_quality *q) {
    free(q);
    return NULL;
}

/* Bytes from one luma (or green) sample to the next. */
static size_t luma_pitch(enum pixel_format format) {
    switch (format) {
    case PIXEL_YUYV:
        return 2;
    case PIXEL_RGB24:
        return 3;
    case PIXEL_NV12:
    case PIXEL_I420:
    case PIXEL_GREY:
        break;
    }
    return 1;
}

static bool is_limited_range(enum pixel_format format) {
    return format == PIXEL_YUYV || format == PIXEL_NV12 || format == PIXEL_I420;
}

static uint8_t full_range(uint32_t luma) {
    const int32_t stretched = ((int32_t) luma - LUMA_BLACK) * (LUMA_LEVELS - 1) / LUMA_SPAN;

    return (uint8_t) (stretched < 0                 ? 0
                      : stretched > LUMA_LEVELS - 1 ? LUMA_LEVELS - 1
                                                    : stretched);
}

/* Means of 2 x 2 pixels (fewer in frames of one row or column), evenly spread. */
static void grid_fill(struct grid *grid, const struct frame *frame) {
    const size_t width = (size_t) frame->width_px, height = (size_t) frame->height_px;
    const size_t step_x = (width + GRID_WIDTH_MAX - 1) / GRID_WIDTH_MAX;
    const size_t step_y = (height + GRID_HEIGHT_MAX - 1) / GRID_HEIGHT_MAX;
    const size_t pitch = luma_pitch(frame->format), stride = frame->stride_bytes[0];
    const bool limited = is_limited_range(frame->format);

    grid->width = width / step_x;
    grid->height = height / step_y;
    for (size_t y = 0; y < grid->height; y++)
        for (size_t x = 0; x < grid->width; x++) {
            const uint8_t *p = frame->planes[0] + y * step_y * stride + x * step_x * pitch +
                               (frame->format == PIXEL_RGB24 ? 1 : 0); /* green stands for luma */
            const size_t right = step_x > 1 ? pitch : 0, below = step_y > 1 ? stride : 0;
            const uint32_t mean =
                ((uint32_t) p[0] + p[right] + p[below] + p[right + below] + 2) / 4;

            grid->luma[y * grid->width + x] = limited ? full_range(mean) : (uint8_t) mean;
        }
}

/* Largest of the mean and half the luma that one point in a hundred reaches: a lamp at night is not
 * dark. */
static double brightness(const struct grid *grid) {
    const size_t n = grid->width * grid->height;
    uint32_t counts[LUMA_LEVELS] = { 0 };
    uint64_t sum = 0, above = 0;
    int level = LUMA_LEVELS - 1;

    for (size_t i = 0; i < n; i++) {
        counts[grid->luma[i]]++;
        sum += grid->luma[i];
    }
    while (level > 0 && (double) (above + counts[level]) < BRIGHT_PART * (double) n)
        above += counts[level--];
    return fmax((double) sum / (double) n, level / 2.0);
}

static double variance(int64_t sum, int64_t sum_squares, int64_t n) {
    const double mean = (double) sum / (double) n;

    return (double) sum_squares / (double) n - mean * mean;
}

/* Variance of the Laplacian by that of the luma; a large number for what is too plain to tell. */
static double sharpness(const struct grid *grid) {
    int64_t sum = 0, squares = 0, edge_sum = 0, edge_squares = 0, n = 0;
    double luma_variance;

    for (size_t y = 1; y + 1 < grid->height; y++)
        for (size_t x = 1; x + 1 < grid->width; x++) {
            const uint8_t *p = grid->luma + y * grid->width + x;
            const int32_t edge = p[-1] + p[1] + *(p - grid->width) + p[grid->width] - 4 * p[0];

            sum += *p;
            squares += *p * *p;
            edge_sum += edge;
            edge_squares += edge * edge;
            n++;
        }
    luma_variance = n > 0 ? variance(sum, squares, n) : 0.0;
    if (luma_variance < PLAIN_VARIANCE)
        return SHARP_RATIO;
    return variance(edge_sum, edge_squares, n) / luma_variance;
}

static bool grid_equal(const struct grid *a, const struct grid *b) {
    return a->width == b->width && a->height == b->height &&
           memcmp(a->luma, b->luma, a->width * a->height) == 0;
}

struct quality picture_quality_push(struct picture_quality *q, const struct frame *frame) {
    struct quality ret = { .value = 1.0, .reason = NULL };

    grid_fill(&q->now, frame);
    if (q->n_seen++ == 0 || !grid_equal(&q->now, &q->last)) {
        q->changed_ns = frame->time_ns;
        q->last.width = q->now.width;
        q->last.height = q->now.height;
        memcpy(q->last.luma, q->now.luma, q->now.width * q->now.height);
    }
    ret = worse(ret, ramp(brightness(&q->now), DARK_LUMA, LIT_LUMA), "dark");
    ret = worse(ret, ramp(sharpness(&q->now), BLURRED_RATIO, SHARP_RATIO), "blurred");
    return worse(ret, frame->time_ns - q->changed_ns >= FROZEN_AFTER_NS ? 0.0 : 1.0, "frozen");
}
