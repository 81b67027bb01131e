/* SPDX-License-Identifier: MIT */
#include "pipeline/masks.h"

#include <string.h>

#include "pipeline/pixels.h"
#include "tests/test.h"

enum { WIDTH = 30, HEIGHT = 22, BYTES_MAX = WIDTH * HEIGHT * 3, SEEN = 0x55 };

static uint8_t data[BYTES_MAX];

static struct frame grey_scene(enum pixel_format format, int32_t width_px, int32_t height_px) {
    struct frame frame = { .format = format, .width_px = width_px, .height_px = height_px };

    memset(data, SEEN, sizeof(data));
    pixels_lay(&frame, data, 0);
    return frame;
}

/* The luma, or the first colour, at a pixel. */
static uint8_t pixel(const struct frame *f, int x, int y) {
    const size_t step = f->format == PIXEL_YUYV ? 2 : f->format == PIXEL_RGB24 ? 3 : 1;

    return f->planes[0][(size_t) y * f->stride_bytes[0] + (size_t) x * step];
}

static int black(enum pixel_format format) {
    return format == PIXEL_GREY || format == PIXEL_RGB24 ? 0 : 16;
}

/* Some chroma that belongs to the pixel is still there. */
static bool chroma_seen(const struct frame *f, int x, int y) {
    const size_t cx = (size_t) x / 2, cy = (size_t) y / 2;

    switch (f->format) {
    case PIXEL_YUYV:
        return f->planes[0][(size_t) y * f->stride_bytes[0] + 4 * cx + 1] == SEEN ||
               f->planes[0][(size_t) y * f->stride_bytes[0] + 4 * cx + 3] == SEEN;
    case PIXEL_NV12:
        return f->planes[1][cy * f->stride_bytes[1] + 2 * cx] == SEEN ||
               f->planes[1][cy * f->stride_bytes[1] + 2 * cx + 1] == SEEN;
    case PIXEL_I420:
        return f->planes[1][cy * f->stride_bytes[1] + cx] == SEEN ||
               f->planes[2][cy * f->stride_bytes[2] + cx] == SEEN;
    case PIXEL_RGB24:
        return pixel(f, x, y) == SEEN ||
               f->planes[0][(size_t) y * f->stride_bytes[0] + (size_t) x * 3 + 2] == SEEN;
    case PIXEL_GREY:
        break;
    }
    return false;
}

/* True if the mask, in exact fractions, touches the pixel. */
static bool touched(const struct mask *m, const struct frame *f, int x, int y) {
    return (int64_t) (x + 1) * MASK_PARTS > (int64_t) m->x * f->width_px &&
           (int64_t) x * MASK_PARTS < (int64_t) (m->x + m->width) * f->width_px &&
           (int64_t) (y + 1) * MASK_PARTS > (int64_t) m->y * f->height_px &&
           (int64_t) y * MASK_PARTS < (int64_t) (m->y + m->height) * f->height_px;
}

static const enum pixel_format formats[] = { PIXEL_YUYV, PIXEL_NV12, PIXEL_I420, PIXEL_GREY,
                                             PIXEL_RGB24 };
enum { N_FORMATS = sizeof(formats) / sizeof(formats[0]) };

static void nothing_a_mask_touches_remains_in_any_format(void **state) {
    static const struct mask masks[] = {
        { 0, 0, 1, 1 },          { 3333, 1111, 3334, 2222 },       { 9999, 9999, 1, 1 },
        { 5000, 0, 5000, 5000 }, { 0, 0, MASK_PARTS, MASK_PARTS }, { 2500, 8000, 10000, 10000 },
        { 101, 4545, 33, 46 },
    };

    for (size_t k = 0; k < N_FORMATS; k++)
        for (size_t i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
            const int32_t width = formats[k] == PIXEL_YUYV ? WIDTH : WIDTH - 1;
            const struct frame f = grey_scene(formats[k], width, HEIGHT - 1);

            masks_apply(&f, &masks[i], 1);
            for (int y = 0; y < f.height_px; y++)
                for (int x = 0; x < f.width_px; x++)
                    if (touched(&masks[i], &f, x, y)) {
                        assert_int_equal(pixel(&f, x, y), black(formats[k]));
                        assert_false(chroma_seen(&f, x, y));
                    }
        }
}

static void pixels_two_away_from_a_mask_stay(void **state) {
    const struct mask mask = { 4000, 5000, 2000, 2000 };

    for (size_t k = 0; k < N_FORMATS; k++) {
        const struct frame f = grey_scene(formats[k], WIDTH, HEIGHT);

        masks_apply(&f, &mask, 1);
        for (int y = 0; y < HEIGHT; y++)
            for (int x = 0; x < WIDTH; x++) {
                /* 12..17 of 30 and 11..15.4 of 22 lie below the mask */
                const bool far = x < 12 || x >= 18 || y < 10 || y >= 16;
                assert_int_equal(pixel(&f, x, y), far ? SEEN : black(formats[k]));
                if (far && formats[k] != PIXEL_GREY)
                    assert_true(chroma_seen(&f, x, y));
            }
    }
}

static void padding_between_rows_is_not_written(void **state) {
    const struct mask all = { 0, 0, MASK_PARTS, MASK_PARTS };
    struct frame f = { .format = PIXEL_RGB24, .width_px = 8, .height_px = 4 };

    memset(data, SEEN, sizeof(data));
    pixels_lay(&f, data, 40);
    masks_apply(&f, &all, 1);
    for (size_t y = 0; y < 4; y++)
        for (size_t x = 0; x < 40; x++)
            assert_int_equal(data[y * 40 + x], x < 24 ? 0 : SEEN);
    assert_int_equal(data[4 * 40], SEEN);
}

static void masks_outside_the_range_are_not_valid(void **state) {
    static const struct mask good = { 0, 0, MASK_PARTS, MASK_PARTS };
    static const struct mask bad[] = {
        { -1, 0, 10, 10 },  { 0, 0, 0, 10 },    { 0, 0, 10, -5 },
        { 10001, 0, 1, 1 }, { 0, 0, 10001, 1 },
    };

    assert_true(masks_valid(&good, 1));
    assert_true(masks_valid(NULL, 0));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(masks_valid(&bad[i], 1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_a_mask_touches_remains_in_any_format),
        cmocka_unit_test(pixels_two_away_from_a_mask_stay),
        cmocka_unit_test(padding_between_rows_is_not_written),
        cmocka_unit_test(masks_outside_the_range_are_not_valid),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
