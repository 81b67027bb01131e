/* SPDX-License-Identifier: MIT */
#include "pipeline/quality.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "common/units.h"
#include "tests/test.h"

enum { WINDOW_ITEMS = 16000, WIDTH = 640, HEIGHT = 480 };

static int16_t samples[WINDOW_ITEMS];
static uint8_t pixels[WIDTH * HEIGHT * 3];

/* Quality of a window whose samples are amplitude x sin, clipped to int16. */
static struct quality of_tone(double amplitude) {
    _cleanup_(sound_quality_freep) struct sound_quality *q = NULL;

    assert_int_equal(sound_quality_new(WINDOW_ITEMS, &q), 0);
    for (size_t i = 0; i < WINDOW_ITEMS; i++)
        samples[i] = (int16_t) fmin(fmax(amplitude * sin((double) i * 0.1), INT16_MIN), INT16_MAX);
    sound_quality_push(q, samples, WINDOW_ITEMS);
    return sound_quality_get(q);
}

static void ordinary_sound_is_good(void **state) {
    const struct quality quality = of_tone(3000.0);

    assert_float_equal(quality.value, 1.0, 0.0);
    assert_null(quality.reason);
}

static void digital_and_near_silence_are_silent(void **state) {
    assert_float_equal(of_tone(0.0).value, 0.0, 0.0);
    assert_string_equal(of_tone(0.0).reason, "silent");
    assert_string_equal(of_tone(2.0).reason, "silent");
}

static void a_constant_offset_is_silence(void **state) {
    _cleanup_(sound_quality_freep) struct sound_quality *q = NULL;

    assert_int_equal(sound_quality_new(WINDOW_ITEMS, &q), 0);
    for (size_t i = 0; i < WINDOW_ITEMS; i++)
        samples[i] = 1200;
    sound_quality_push(q, samples, WINDOW_ITEMS);
    assert_string_equal(sound_quality_get(q).reason, "silent");
}

static void overdriven_sound_is_clipped(void **state) {
    assert_string_equal(of_tone(60000.0).reason, "clipped");
    assert_float_equal(of_tone(60000.0).value, 0.0, 0.0);
}

static void old_silence_leaves_the_window(void **state) {
    _cleanup_(sound_quality_freep) struct sound_quality *q = NULL;
    static const int16_t silence[WINDOW_ITEMS];

    assert_int_equal(sound_quality_new(WINDOW_ITEMS, &q), 0);
    assert_float_equal(sound_quality_get(q).value, 1.0, 0.0);
    sound_quality_push(q, silence, WINDOW_ITEMS);
    assert_string_equal(sound_quality_get(q).reason, "silent");
    for (size_t i = 0; i < WINDOW_ITEMS; i++)
        samples[i] = i % 2 ? 500 : -500;
    sound_quality_push(q, samples, WINDOW_ITEMS);
    assert_null(sound_quality_get(q).reason);
    sound_quality_push(q, silence, WINDOW_ITEMS);
    assert_string_equal(sound_quality_get(q).reason, "silent");
}

static void an_empty_window_is_refused(void **state) {
    struct sound_quality *q = NULL;

    assert_int_equal(sound_quality_new(0, &q), -EINVAL);
}

static struct frame grey_frame(int64_t time_ns) {
    return (struct frame){ .time_ns = time_ns,
                           .format = PIXEL_GREY,
                           .width_px = WIDTH,
                           .height_px = HEIGHT,
                           .planes = { pixels },
                           .stride_bytes = { WIDTH } };
}

static struct quality look(void) {
    _cleanup_(picture_quality_freep) struct picture_quality *q = NULL;
    const struct frame frame = grey_frame(0);

    assert_int_equal(picture_quality_new(&q), 0);
    return picture_quality_push(q, &frame);
}

/* Discs with edges as wide as @blur_px, on a plane that is not quite even. */
static void draw(double blur_px) {
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            double level = 60.0 + x / 16.0;
            for (int disc = 0; disc < 6; disc++) {
                const double distance = hypot(x - 60.0 - 105.0 * disc, y - 100.0 - 55.0 * disc);
                level += 100.0 / (1.0 + exp((distance - 40.0) / (blur_px / 4.0)));
            }
            pixels[y * WIDTH + x] = (uint8_t) fmin(level, 255.0);
        }
}

static void a_sharp_picture_is_good(void **state) {
    draw(1.0);
    assert_null(look().reason);
    assert_float_equal(look().value, 1.0, 0.0);
}

static void a_picture_without_edges_is_blurred(void **state) {
    draw(100.0);
    assert_string_equal(look().reason, "blurred");
}

static void a_plain_wall_is_not_called_blurred(void **state) {
    memset(pixels, 130, sizeof(pixels));
    assert_null(look().reason);
}

static void a_covered_lens_is_dark(void **state) {
    memset(pixels, 3, sizeof(pixels));
    assert_string_equal(look().reason, "dark");
    assert_float_equal(look().value, 0.0, 0.0);
}

static void a_lamp_at_night_is_not_dark(void **state) {
    memset(pixels, 3, sizeof(pixels));
    memset(pixels, 220, sizeof(pixels) / 3 / 20);
    assert_null(look().reason);
}

static void black_of_limited_range_is_dark(void **state) {
    _cleanup_(picture_quality_freep) struct picture_quality *q = NULL;
    const struct frame frame = { .format = PIXEL_YUYV,
                                 .width_px = WIDTH,
                                 .height_px = HEIGHT,
                                 .planes = { pixels },
                                 .stride_bytes = { 2 * WIDTH } };

    memset(pixels, 18, sizeof(pixels));
    assert_int_equal(picture_quality_new(&q), 0);
    assert_string_equal(picture_quality_push(q, &frame).reason, "dark");
}

static void a_picture_that_never_changes_is_frozen_after_5_s(void **state) {
    _cleanup_(picture_quality_freep) struct picture_quality *q = NULL;
    struct quality quality;

    draw(1.0);
    assert_int_equal(picture_quality_new(&q), 0);
    for (int second = 0; second <= 5; second++) {
        const struct frame frame = grey_frame(second * NS_PER_S);
        quality = picture_quality_push(q, &frame);
        assert_int_equal(quality.reason != NULL, second == 5);
    }
    assert_string_equal(quality.reason, "frozen");
    for (size_t i = 0; i < sizeof(pixels); i++) /* one grey level of noise is life */
        pixels[i] ^= 1;
    assert_null(picture_quality_push(q, &(struct frame){ .time_ns = 6 * NS_PER_S,
                                                         .format = PIXEL_GREY,
                                                         .width_px = WIDTH,
                                                         .height_px = HEIGHT,
                                                         .planes = { pixels },
                                                         .stride_bytes = { WIDTH } })
                    .reason);
}

static void frames_of_one_pixel_are_looked_at(void **state) {
    _cleanup_(picture_quality_freep) struct picture_quality *q = NULL;
    _cleanup_(freep) uint8_t *pixel = calloc(1, 3); /* the sanitizer sees a byte too much */
    const struct frame frame = { .format = PIXEL_RGB24,
                                 .width_px = 1,
                                 .height_px = 1,
                                 .planes = { pixel },
                                 .stride_bytes = { 3 } };

    assert_int_equal(picture_quality_new(&q), 0);
    assert_string_equal(picture_quality_push(q, &frame).reason, "dark");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_sound_is_good),
        cmocka_unit_test(digital_and_near_silence_are_silent),
        cmocka_unit_test(a_constant_offset_is_silence),
        cmocka_unit_test(overdriven_sound_is_clipped),
        cmocka_unit_test(old_silence_leaves_the_window),
        cmocka_unit_test(an_empty_window_is_refused),
        cmocka_unit_test(a_sharp_picture_is_good),
        cmocka_unit_test(a_picture_without_edges_is_blurred),
        cmocka_unit_test(a_plain_wall_is_not_called_blurred),
        cmocka_unit_test(a_covered_lens_is_dark),
        cmocka_unit_test(a_lamp_at_night_is_not_dark),
        cmocka_unit_test(black_of_limited_range_is_dark),
        cmocka_unit_test(a_picture_that_never_changes_is_frozen_after_5_s),
        cmocka_unit_test(frames_of_one_pixel_are_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
