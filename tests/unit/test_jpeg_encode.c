/* SPDX-License-Identifier: MIT */
#include "pipeline/jpeg_encode.h"

#include <string.h>

#include "pipeline/jpeg.h"
#include "pipeline/pixels.h"
#include "tests/test.h"

enum { WIDTH_PX = 32, HEIGHT_PX = 16, FRAME_BYTES_MAX = WIDTH_PX * HEIGHT_PX * 3, TOLERANCE = 6 };

/* BT.601 limited range: Y, Cb, Cr of a full red, and of black. */
static const uint8_t red[] = { 81, 90, 240 }, black[] = { 16, 128, 128 };

/* A frame of one colour. */
static struct frame paint(enum pixel_format format, const uint8_t ycbcr[3],
                          uint8_t bytes[FRAME_BYTES_MAX]) {
    struct frame frame = {
        .time_ns = 1234567890123, .format = format, .width_px = WIDTH_PX, .height_px = HEIGHT_PX
    };
    const size_t n = WIDTH_PX * HEIGHT_PX;

    pixels_lay(&frame, bytes, 0);
    memset(bytes, ycbcr[0], n);
    for (size_t i = 0; format == PIXEL_NV12 && i < n / 2; i++)
        bytes[n + i] = ycbcr[1 + i % 2];
    for (size_t i = 0; format == PIXEL_I420 && i < n / 2; i++)
        bytes[n + i] = ycbcr[1 + i / (n / 4)];
    for (size_t i = 0; format == PIXEL_YUYV && i < n * 2; i++)
        bytes[i] = i % 2 ? ycbcr[1 + i / 2 % 2] : ycbcr[0];
    for (size_t i = 0; format == PIXEL_RGB24 && i < n * 3; i++)
        bytes[i] = i % 3 == 0 && ycbcr == red ? 255 : 0;
    return frame;
}

/* Encode, decode, and hold every pixel to @rgb. */
static void assert_comes_back(const struct frame *frame, const uint8_t rgb[3]) {
    struct jpeg_encode *encode = NULL;
    struct jpeg *jpeg = NULL;
    struct jpeg_extent extent;
    struct fault fault = { "" };
    struct frame back;
    const uint8_t *data;
    size_t n_bytes;

    assert_int_equal(jpeg_encode_new(&encode), 0);
    assert_int_equal(jpeg_encode_frame(encode, frame, &data, &n_bytes), 0);
    assert_int_equal(jpeg_scan(data, n_bytes, &extent), 1);
    assert_int_equal(extent.n_bytes, n_bytes);
    assert_true(extent.time_ns == frame->time_ns);
    assert_int_equal(jpeg_new(&jpeg), 0);
    if (jpeg_decode(jpeg, data, n_bytes, 0, 0, &back, &fault) < 0)
        fail_msg("%s", fault.text);
    assert_int_equal(back.width_px, WIDTH_PX);
    assert_int_equal(back.height_px, HEIGHT_PX);
    for (size_t i = 0; i < WIDTH_PX * HEIGHT_PX * (back.format == PIXEL_GREY ? 1 : 3); i++) {
        const int want = rgb[back.format == PIXEL_GREY ? 0 : i % 3];

        if (abs(back.planes[0][i] - want) > TOLERANCE)
            fail_msg("format %d: byte %zu is %d, not %d", frame->format, i, back.planes[0][i],
                     want);
    }
    jpeg_free(jpeg);
    jpeg_encode_free(encode);
}

static void colours_and_time_come_back_from_every_format(void **state) {
    const enum pixel_format formats[] = { PIXEL_YUYV, PIXEL_NV12, PIXEL_I420, PIXEL_RGB24 };
    uint8_t bytes[FRAME_BYTES_MAX];

    for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
        struct frame frame = paint(formats[i], red, bytes);

        assert_comes_back(&frame, (const uint8_t[]){ 255, 0, 0 });
        frame = paint(formats[i], black, bytes);
        assert_comes_back(&frame, (const uint8_t[]){ 0, 0, 0 });
    }
}

static void grey_stays_as_it_is(void **state) {
    uint8_t bytes[FRAME_BYTES_MAX];
    const struct frame frame = paint(PIXEL_GREY, (const uint8_t[]){ 200, 0, 0 }, bytes);

    assert_comes_back(&frame, (const uint8_t[]){ 200, 200, 200 });
}

static void one_encoder_serves_many_sizes(void **state) {
    struct jpeg_encode *encode = NULL;
    uint8_t bytes[FRAME_BYTES_MAX];
    struct frame frame = paint(PIXEL_GREY, red, bytes);
    const uint8_t *data;
    size_t n_bytes;

    assert_int_equal(jpeg_encode_new(&encode), 0);
    for (int32_t side = 1; side <= 16; side++) {
        frame.width_px = frame.height_px = side;
        assert_int_equal(jpeg_encode_frame(encode, &frame, &data, &n_bytes), 0);
        assert_true(n_bytes > 100);
    }
    frame.width_px = 0;
    assert_true(jpeg_encode_frame(encode, &frame, &data, &n_bytes) < 0);
    frame.width_px = 16; /* and it goes on after an error */
    assert_int_equal(jpeg_encode_frame(encode, &frame, &data, &n_bytes), 0);
    jpeg_encode_free(encode);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colours_and_time_come_back_from_every_format),
        cmocka_unit_test(grey_stays_as_it_is),
        cmocka_unit_test(one_encoder_serves_many_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
