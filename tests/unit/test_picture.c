/* SPDX-License-Identifier: MIT */
#include "pipeline/picture.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "pipeline/pixels.h"
#include "tests/test.h"

enum { PLANE_BYTES = 1 << 20, RESULT_BYTES = 1 << 16 };

static uint8_t bytes[3][PLANE_BYTES];

static struct frame make_frame(enum pixel_format format, int32_t width, int32_t height) {
    const size_t chroma = ((size_t) width + 1) / 2;
    struct frame frame = { .format = format, .width_px = width, .height_px = height };
    uint32_t state = 5;

    for (int p = 0; p < 3; p++) {
        for (size_t i = 0; i < PLANE_BYTES; i++) {
            state = state * 1664525u + 1013904223u; /* Numerical Recipes, ranqd1 */
            bytes[p][i] = (uint8_t) (state >> 24);
        }
        frame.planes[p] = bytes[p];
        frame.stride_bytes[p] = (size_t) width + 3; /* not the width */
    }
    if (format == PIXEL_YUYV)
        frame.stride_bytes[0] = 4 * chroma + 8;
    if (format == PIXEL_RGB24)
        frame.stride_bytes[0] = 3 * (size_t) width + 1;
    return frame;
}

/* Sample @c (Y U V, R G B, or grey) of the pixel at x, y, as a person reads the format's
 * definition. */
static double sample(const struct frame *f, int32_t x, int32_t y, int c) {
    const uint8_t *const *p = f->planes;
    const size_t *s = f->stride_bytes;

    switch (f->format) {
    case PIXEL_YUYV:
        return p[0][(size_t) y * s[0] + (size_t) (c == 0 ? 2 * x : x / 2 * 4 + (c == 1 ? 1 : 3))];
    case PIXEL_NV12:
        return c == 0 ? p[0][(size_t) y * s[0] + (size_t) x]
                      : p[1][(size_t) (y / 2) * s[1] + (size_t) (x / 2 * 2 + c - 1)];
    case PIXEL_I420:
        return c == 0 ? p[0][(size_t) y * s[0] + (size_t) x]
                      : p[c][(size_t) (y / 2) * s[c] + (size_t) (x / 2)];
    case PIXEL_GREY:
        return p[0][(size_t) y * s[0] + (size_t) x];
    case PIXEL_RGB24:
        return p[0][(size_t) y * s[0] + (size_t) (3 * x + c)];
    }
    return NAN;
}

/* Area average over the rectangle (in pixels, with fractions), pixel by pixel in double. */
static double area(const struct frame *f, int c, const double box[4]) {
    double sum = 0.0;

    for (int32_t y = (int32_t) box[1]; y < box[3]; y++)
        for (int32_t x = (int32_t) box[0]; x < box[2]; x++) {
            const double w = fmin(x + 1, box[2]) - fmax(x, box[0]);
            const double h = fmin(y + 1, box[3]) - fmax(y, box[1]);
            if (w > 1e-9 && h > 1e-9)
                sum += w * h * sample(f, x, y, c);
        }
    return sum / ((box[2] - box[0]) * (box[3] - box[1]));
}

static void convert(const struct frame *f, const double in[3], enum picture_colour colour,
                    double out[3]) {
    if (f->format == PIXEL_GREY) {
        out[0] = out[1] = out[2] = in[0];
    } else if (f->format == PIXEL_RGB24) {
        memcpy(out, in, 3 * sizeof(*out));
        if (colour == COLOUR_GREY)
            out[0] = 0.299 * in[0] + 0.587 * in[1] + 0.114 * in[2];
    } else {
        const double y = (in[0] - 16.0) / 219.0, u = (in[1] - 128.0) / 224.0,
                     v = (in[2] - 128.0) / 224.0;
        out[0] = 255.0 * (colour == COLOUR_GREY ? y : y + 1.402 * v);
        out[1] = 255.0 * (y - 0.114 * 1.772 / 0.587 * u - 0.299 * 1.402 / 0.587 * v);
        out[2] = 255.0 * (y + 1.772 * u);
    }
}

/* Largest difference from the reference, in steps of a pixel value. */
static double difference(const struct picture_features *o, const struct frame *f) {
    static uint8_t got[RESULT_BYTES];
    _cleanup_(picture_freep) struct picture *picture = NULL;
    const int n_channels = o->colour == COLOUR_RGB ? 3 : 1;
    double left = 0.0, top = 0.0, width = f->width_px, height = f->height_px, worst = 0.0;

    if (o->crop == CROP_CENTRE_SQUARE) {
        const double side = fmin(width, height);
        left = floor((width - side) / 2.0);
        top = floor((height - side) / 2.0);
        width = height = side;
    }
    assert_int_equal(picture_new(o, f->format, f->width_px, f->height_px, &picture), 0);
    assert_true(picture_fits(picture, f));
    picture_shrink(picture, f, got);
    for (int y = 0; y < o->height_px; y++)
        for (int x = 0; x < o->width_px; x++) {
            const double box[4] = { left + x * width / o->width_px, top + y * height / o->height_px,
                                    left + (x + 1) * width / o->width_px,
                                    top + (y + 1) * height / o->height_px };
            double in[3] = { 0 }, want[3];
            for (int c = 0; c < (f->format == PIXEL_GREY ? 1 : 3); c++)
                in[c] = area(f, c, box);
            convert(f, in, o->colour, want);
            for (int c = 0; c < n_channels; c++) {
                const double clamped = fmin(fmax(want[c], 0.0), 255.0);
                worst = fmax(worst, fabs(got[(y * o->width_px + x) * n_channels + c] - clamped));
            }
        }
    return worst;
}

static void every_format_size_and_crop_equals_the_plain_average(void **state) {
    static const enum pixel_format formats[] = { PIXEL_YUYV, PIXEL_NV12, PIXEL_I420, PIXEL_GREY,
                                                 PIXEL_RGB24 };
    static const int32_t frames[][2] = { { 64, 48 }, { 37, 91 }, { 160, 120 }, { 5, 3 }, { 1, 1 } };
    static const int32_t results[][2] = { { 32, 32 }, { 7, 5 }, { 1, 1 } };

    for (size_t format = 0; format < 5; format++)
        for (size_t i = 0; i < 5; i++)
            for (size_t j = 0; j < 3; j++)
                for (int kind = 0; kind < 4; kind++) {
                    const struct frame frame =
                        make_frame(formats[format], frames[i][0], frames[i][1]);
                    const struct picture_features o = {
                        .width_px = results[j][0],
                        .height_px = results[j][1],
                        .colour = kind & 1 ? COLOUR_GREY : COLOUR_RGB,
                        .crop = kind & 2 ? CROP_CENTRE_SQUARE : CROP_NONE,
                    };
                    /* half a step of rounding, and what 8 fractional bits through the matrix add */
                    assert_true(difference(&o, &frame) <= 0.51);
                }
}

static void a_frame_of_the_same_size_is_copied(void **state) {
    const struct picture_features o = { .width_px = 32, .height_px = 32, .colour = COLOUR_RGB };
    const struct frame frame = make_frame(PIXEL_RGB24, 32, 32);
    _cleanup_(picture_freep) struct picture *picture = NULL;
    uint8_t got[32 * 32 * 3];

    assert_int_equal(picture_new(&o, PIXEL_RGB24, 32, 32, &picture), 0);
    picture_shrink(picture, &frame, got);
    for (size_t y = 0; y < 32; y++)
        assert_memory_equal(got + y * 96, bytes[0] + y * frame.stride_bytes[0], 96);
}

static void white_and_black_of_limited_range_become_255_and_0(void **state) {
    const struct picture_features o = { .width_px = 2, .height_px = 2, .colour = COLOUR_RGB };
    struct frame frame = make_frame(PIXEL_I420, 640, 480);
    _cleanup_(picture_freep) struct picture *picture = NULL;
    uint8_t got[12];

    memset(bytes[1], 128, PLANE_BYTES);
    memset(bytes[2], 128, PLANE_BYTES);
    assert_int_equal(picture_new(&o, PIXEL_I420, 640, 480, &picture), 0);
    memset(bytes[0], 235, PLANE_BYTES);
    picture_shrink(picture, &frame, got);
    for (int i = 0; i < 12; i++)
        assert_int_equal(got[i], 255);
    memset(bytes[0], 16, PLANE_BYTES);
    picture_shrink(picture, &frame, got);
    for (int i = 0; i < 12; i++)
        assert_int_equal(got[i], 0);
}

static void nothing_outside_the_frame_is_read(void **state) {
    const struct picture_features o = {
        .width_px = 4, .height_px = 4, .colour = COLOUR_RGB, .crop = CROP_CENTRE_SQUARE
    };
    /* exact allocations, so that the sanitizer sees a byte too much */
    _cleanup_(freep) uint8_t *luma = calloc(1, 7 * 5), *u = calloc(1, 4 * 3), *v = calloc(1, 4 * 3);
    const struct frame frame = { .format = PIXEL_I420,
                                 .width_px = 7,
                                 .height_px = 5,
                                 .planes = { luma, u, v },
                                 .stride_bytes = { 7, 4, 4 } };
    _cleanup_(picture_freep) struct picture *picture = NULL;
    uint8_t got[48];

    assert_int_equal(picture_new(&o, PIXEL_I420, 7, 5, &picture), 0);
    picture_shrink(picture, &frame, got);
}

static void sizes_out_of_range_are_refused(void **state) {
    struct picture_features o = { .width_px = 32, .height_px = 32 };
    struct picture *picture = NULL;

    assert_int_equal(picture_new(&o, PIXEL_GREY, 0, 10, &picture), -ERANGE);
    assert_int_equal(picture_new(&o, PIXEL_GREY, 10, FRAME_SIDE_MAX_PX + 1, &picture), -ERANGE);
    o.width_px = 0;
    assert_int_equal(picture_new(&o, PIXEL_GREY, 10, 10, &picture), -ERANGE);
    assert_null(picture);
}

static void another_size_or_format_does_not_fit(void **state) {
    const struct picture_features o = { .width_px = 4, .height_px = 4 };
    struct frame frame = make_frame(PIXEL_YUYV, 64, 48);
    _cleanup_(picture_freep) struct picture *picture = NULL;

    assert_int_equal(picture_new(&o, PIXEL_YUYV, 64, 48, &picture), 0);
    frame.height_px = 50;
    assert_false(picture_fits(picture, &frame));
    frame.height_px = 48;
    frame.format = PIXEL_GREY;
    assert_false(picture_fits(picture, &frame));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_size_and_crop_equals_the_plain_average),
        cmocka_unit_test(a_frame_of_the_same_size_is_copied),
        cmocka_unit_test(white_and_black_of_limited_range_become_255_and_0),
        cmocka_unit_test(nothing_outside_the_frame_is_read),
        cmocka_unit_test(sizes_out_of_range_are_refused),
        cmocka_unit_test(another_size_or_format_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
