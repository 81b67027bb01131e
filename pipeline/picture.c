/* SPDX-License-Identifier: MIT */
/*
 * Method: separable box filter with exact coverage weights. Lengths are counted in
 * units of 1 / n_out of a frame pixel: a frame pixel is n_out units long, a result
 * pixel n_in units, so all overlaps are whole numbers and the weights of one result
 * pixel add up to n_in. Rows are summed first, all bytes of a row alike whatever
 * their layout, because that is the loop a compiler turns into vector code; columns
 * of one channel are then picked out of the sum once per result row.
 * Colour: ITU-R BT.601-7, 2.5.1 and 3.5; matrix in 16-bit fixed point.
 */
#include "pipeline/picture.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "pipeline/pixels.h"

enum {
    PLANES_MAX = 3,
    CHANNELS_MAX = 3,
    AVERAGE_BITS = 8,  /* fractional bits of an average */
    MATRIX_BITS = 16,  /* fractional bits of the colour matrix */
    ROWS_16_MAX = 257, /* 257 x 255 = 65535 fits 16 bits */
};

/* Which samples of a line one result pixel covers, and how much of each. */
struct cover {
    uint32_t first, n;
    const uint32_t *weights;
};

/* The covers of all result pixels along one axis. */
struct axis {
    struct cover *covers; /* [n_out] */
    uint32_t *weights;
    uint32_t total; /* sum of one cover's weights */
};

/* One channel's samples in the summed row of its plane. */
struct channel {
    size_t plane, offset, pitch; /* bytes */
    const struct axis *columns;
};

struct plane {
    const struct axis *rows;
    size_t row_bytes;
};

struct picture {
    enum pixel_format format;
    int32_t frame_width_px, frame_height_px;
    enum picture_colour colour;
    size_t width, height; /* of the result */
    struct axis columns, rows, chroma_columns, chroma_rows;
    size_t n_planes, n_channels;
    struct plane planes[PLANES_MAX];
    struct channel channels[CHANNELS_MAX];
    uint16_t *sum_16;   /* [largest row_bytes] */
    uint32_t *sum;      /* the same, weighed */
    uint32_t *averages; /* [width][n_channels], AVERAGE_BITS */
};

/* How many of the units low..high lie in the frame pixel @i, which is @unit units long. */
static uint64_t overlap(uint64_t i, uint64_t unit, uint64_t low, uint64_t high) {
    const uint64_t begin = i * unit > low ? i * unit : low;
    const uint64_t end = (i + 1) * unit < high ? (i + 1) * unit : high;

    return end > begin ? end - begin : 0;
}

/*
 * Covers of @n_out result pixels over the frame pixels @start ... + @n_in, where a
 * sample stands for @per_sample frame pixels (2 for subsampled chroma).
 */
static int axis_init(struct axis *axis, uint32_t start, uint32_t n_in, uint32_t n_out,
                     uint32_t per_sample) {
    uint32_t *next;

    axis->total = n_in;
    axis->covers = calloc(n_out, sizeof(*axis->covers));
    axis->weights = calloc((size_t) n_in + 2 * (size_t) n_out, sizeof(*axis->weights));
    if (!axis->covers || !axis->weights)
        return -ENOMEM;

    next = axis->weights;
    for (uint32_t out = 0; out < n_out; out++) {
        const uint64_t low = (uint64_t) out * n_in, high = low + n_in; /* units from @start */
        const uint32_t first = (uint32_t) (low / n_out), last = (uint32_t) ((high - 1) / n_out);
        struct cover *cover = &axis->covers[out];

        cover->first = (start + first) / per_sample;
        cover->n = (start + last) / per_sample - cover->first + 1;
        cover->weights = next;
        for (uint32_t i = first; i <= last; i++)
            next[(start + i) / per_sample - cover->first] +=
                (uint32_t) overlap(i, n_out, low, high);
        next += cover->n;
    }
    return 0;
}

static void axis_done(struct axis *axis) {
    free(axis->covers);
    free(axis->weights);
}

static int plan_axes(struct picture *p, const struct picture_features *options) {
    uint32_t width = (uint32_t) p->frame_width_px, height = (uint32_t) p->frame_height_px;
    uint32_t left = 0, top = 0;
    int r;

    if (options->crop == CROP_CENTRE_SQUARE) {
        const uint32_t side = width < height ? width : height;

        left = (width - side) / 2;
        top = (height - side) / 2;
        width = height = side;
    }
    r = axis_init(&p->columns, left, width, (uint32_t) p->width, 1);
    if (r == 0)
        r = axis_init(&p->rows, top, height, (uint32_t) p->height, 1);
    if (r == 0)
        r = axis_init(&p->chroma_columns, left, width, (uint32_t) p->width, 2);
    if (r == 0)
        r = axis_init(&p->chroma_rows, top, height, (uint32_t) p->height, 2);
    return r;
}

static void add_plane(struct picture *p, const struct axis *rows, size_t row_bytes) {
    p->planes[p->n_planes++] = (struct plane){ .rows = rows, .row_bytes = row_bytes };
}

/* A channel of the plane added last. */
static void add_channel(struct picture *p, size_t offset, size_t pitch,
                        const struct axis *columns) {
    p->channels[p->n_channels++] = (struct channel){
        .plane = p->n_planes - 1, .offset = offset, .pitch = pitch, .columns = columns
    };
}

static void plan_layout(struct picture *p) {
    const size_t width = (size_t) p->frame_width_px, chroma = (width + 1) / 2;
    const bool colour = p->colour == COLOUR_RGB;

    switch (p->format) {
    case PIXEL_YUYV:
        add_plane(p, &p->rows, 4 * chroma);
        add_channel(p, 0, 2, &p->columns);
        if (colour) {
            add_channel(p, 1, 4, &p->chroma_columns);
            add_channel(p, 3, 4, &p->chroma_columns);
        }
        break;
    case PIXEL_NV12:
        add_plane(p, &p->rows, width);
        add_channel(p, 0, 1, &p->columns);
        if (colour) {
            add_plane(p, &p->chroma_rows, 2 * chroma);
            add_channel(p, 0, 2, &p->chroma_columns);
            add_channel(p, 1, 2, &p->chroma_columns);
        }
        break;
    case PIXEL_I420:
        add_plane(p, &p->rows, width);
        add_channel(p, 0, 1, &p->columns);
        for (int i = 0; i < 2 && colour; i++) {
            add_plane(p, &p->chroma_rows, chroma);
            add_channel(p, 0, 1, &p->chroma_columns);
        }
        break;
    case PIXEL_GREY:
        add_plane(p, &p->rows, width);
        add_channel(p, 0, 1, &p->columns);
        break;
    case PIXEL_RGB24:
        add_plane(p, &p->rows, 3 * width);
        for (size_t i = 0; i < 3; i++)
            add_channel(p, i, 3, &p->columns);
        break;
    }
}

int picture_new(const struct picture_features *options, enum pixel_format format, int32_t width_px,
                int32_t height_px, struct picture **ret) {
    _cleanup_(picture_freep) struct picture *p = NULL;
    size_t row_bytes = 0;
    int r;

    assert(options && ret);

    if (width_px < 1 || width_px > FRAME_SIDE_MAX_PX || height_px < 1 ||
        height_px > FRAME_SIDE_MAX_PX || options->width_px < 1 ||
        options->width_px > PICTURE_SIDE_PX_MAX || options->height_px < 1 ||
        options->height_px > PICTURE_SIDE_PX_MAX)
        return -ERANGE;

    p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->format = format;
    p->frame_width_px = width_px;
    p->frame_height_px = height_px;
    p->colour = options->colour;
    p->width = (size_t) options->width_px;
    p->height = (size_t) options->height_px;
    r = plan_axes(p, options);
    if (r < 0)
        return r;
    plan_layout(p);

    for (size_t i = 0; i < p->n_planes; i++)
        row_bytes = p->planes[i].row_bytes > row_bytes ? p->planes[i].row_bytes : row_bytes;
    p->sum_16 = calloc(row_bytes, sizeof(*p->sum_16));
    p->sum = calloc(row_bytes, sizeof(*p->sum));
    p->averages = calloc(p->width * p->n_channels, sizeof(*p->averages));
    if (!p->sum_16 || !p->sum || !p->averages)
        return -ENOMEM;

    *ret = p;
    p = NULL; /* now the caller's */
    return 0;
}

struct picture *picture_free(struct picture *picture) {
    if (!picture)
        return NULL;
    axis_done(&picture->columns);
    axis_done(&picture->rows);
    axis_done(&picture->chroma_columns);
    axis_done(&picture->chroma_rows);
    free(picture->sum_16);
    free(picture->sum);
    free(picture->averages);
    free(picture);
    return NULL;
}

bool picture_fits(const struct picture *picture, const struct frame *frame) {
    return picture->format == frame->format && picture->frame_width_px == frame->width_px &&
           picture->frame_height_px == frame->height_px;
}

size_t picture_bytes(const struct picture_features *options) {
    return (size_t) options->width_px * (size_t) options->height_px *
           (options->colour == COLOUR_RGB ? 3 : 1);
}

/* sum += the rows under @cover, weighed. Runs of equal weight (all but the ends) go through 16
 * bits. */
static void sum_rows(struct picture *p, size_t row_bytes, const uint8_t *plane, size_t stride,
                     const struct cover *cover) {
    uint32_t *restrict sum = p->sum;
    uint16_t *restrict sum_16 = p->sum_16;

    memset(sum, 0, row_bytes * sizeof(*sum));
    for (uint32_t i = 0, n; i < cover->n; i += n) {
        const uint32_t weight = cover->weights[i];

        memset(sum_16, 0, row_bytes * sizeof(*sum_16));
        for (n = 0; n < ROWS_16_MAX && i + n < cover->n && cover->weights[i + n] == weight; n++) {
            const uint8_t *restrict row = plane + (size_t) (cover->first + i + n) * stride;

            for (size_t k = 0; k < row_bytes; k++)
                sum_16[k] = (uint16_t) (sum_16[k] + row[k]);
        }
        for (size_t k = 0; k < row_bytes; k++)
            sum[k] += weight * sum_16[k];
    }
}

/* Averages of one channel in the summed row, every n_channels-th of p->averages from @index on. */
static void average_columns(struct picture *p, const struct channel *channel, size_t index) {
    const uint64_t total = (uint64_t) channel->columns->total * p->rows.total;

    for (size_t out = 0; out < p->width; out++) {
        const struct cover *cover = &channel->columns->covers[out];
        const uint32_t *sample = p->sum + channel->offset + cover->first * channel->pitch;
        uint64_t sum = 0;

        for (uint32_t i = 0; i < cover->n; i++, sample += channel->pitch)
            sum += (uint64_t) *sample * cover->weights[i];
        p->averages[out * p->n_channels + index] =
            (uint32_t) (((sum << AVERAGE_BITS) + total / 2) / total);
    }
}

/* @value has AVERAGE_BITS + @bits fractional bits; rounded half up, 0..255. */
static uint8_t to_byte(int64_t value, int bits) {
    const int shift = AVERAGE_BITS + bits;
    const int64_t rounded = (value + (INT64_C(1) << (shift - 1))) >> shift;

    return (uint8_t) (rounded < 0 ? 0 : rounded > 255 ? 255 : rounded);
}

static uint8_t grey_of_luma(uint32_t y) {
    /* 255 / 219 in 16 bits */
    return to_byte(INT64_C(76309) * ((int64_t) y - (16 << AVERAGE_BITS)), MATRIX_BITS);
}

static uint8_t grey_of_rgb(const uint32_t *rgb) {
    /* 0.299, 0.587, 0.114 in 16 bits; they add up to 1 */
    return to_byte(INT64_C(19595) * rgb[0] + INT64_C(38470) * rgb[1] + INT64_C(7471) * rgb[2],
                   MATRIX_BITS);
}

static void rgb_of_yuv(const uint32_t *yuv, uint8_t *rgb) {
    /* 255/219; 1.402 x 255/224; 0.344136 and 0.714136 x 255/224; 1.772 x 255/224, in 16 bits */
    const int64_t y = INT64_C(76309) * ((int64_t) yuv[0] - (16 << AVERAGE_BITS));
    const int64_t u = (int64_t) yuv[1] - (128 << AVERAGE_BITS);
    const int64_t v = (int64_t) yuv[2] - (128 << AVERAGE_BITS);

    rgb[0] = to_byte(y + 104597 * v, MATRIX_BITS);
    rgb[1] = to_byte(y - 25675 * u - 53279 * v, MATRIX_BITS);
    rgb[2] = to_byte(y + 132201 * u, MATRIX_BITS);
}

static void convert_grey(const struct picture *p, uint8_t *ret) {
    for (size_t i = 0; i < p->width; i++) {
        const uint32_t *average = p->averages + i * p->n_channels;

        switch (p->format) {
        case PIXEL_YUYV:
        case PIXEL_NV12:
        case PIXEL_I420:
            ret[i] = grey_of_luma(*average);
            break;
        case PIXEL_GREY:
            ret[i] = to_byte(*average, 0);
            break;
        case PIXEL_RGB24:
            ret[i] = grey_of_rgb(average);
            break;
        }
    }
}

static void convert_rgb(const struct picture *p, uint8_t *ret) {
    for (size_t i = 0; i < p->width; i++, ret += 3) {
        const uint32_t *average = p->averages + i * p->n_channels;

        switch (p->format) {
        case PIXEL_YUYV:
        case PIXEL_NV12:
        case PIXEL_I420:
            rgb_of_yuv(average, ret);
            break;
        case PIXEL_GREY:
            memset(ret, to_byte(*average, 0), 3);
            break;
        case PIXEL_RGB24:
            for (size_t c = 0; c < 3; c++)
                ret[c] = to_byte(average[c], 0);
            break;
        }
    }
}

void picture_shrink(struct picture *picture, const struct frame *frame, uint8_t *ret) {
    struct picture *const p = picture;
    const size_t n_out_channels = p->colour == COLOUR_RGB ? 3 : 1;

    assert(picture_fits(picture, frame));

    for (size_t y = 0; y < p->height; y++) {
        for (size_t plane = 0, c = 0; plane < p->n_planes; plane++) {
            sum_rows(p, p->planes[plane].row_bytes, frame->planes[plane],
                     frame->stride_bytes[plane], &p->planes[plane].rows->covers[y]);
            for (; c < p->n_channels && p->channels[c].plane == plane; c++)
                average_columns(p, &p->channels[c], c);
        }
        if (p->colour == COLOUR_RGB)
            convert_rgb(p, ret);
        else
            convert_grey(p, ret);
        ret += p->width * n_out_channels;
    }
}
