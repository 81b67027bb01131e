/* SPDX-License-Identifier: MIT */
/* Pictures that came over the socket, on a terminal and as PNG. */
#include "client/look.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>

#include "client/render_image.h"
#include "tests/test.h"
#include "tests/unit/json_kit.h"

/* Two pixels, red and green. */
#define PICTURE                                                                                    \
    "{'width_px': 2, 'height_px': 1, 'frame_width_px': 640, 'frame_height_px': 320,"               \
    " 'rgb': '/wAAAP8A'}"
/* Two moments of two bands: first low is loud, then high. */
#define SOUND  "{'task': 'yard', 'kind': 'sound', 'shape': [2, 2, 1], 'values': 'f4CAfw=='}"
#define SENSOR "{'name': 'gate', 'state': 'running', 'format': 'YUYV 640x320', 'quality': 1.0}"

static void a_picture_has_the_shape_of_the_frame(void **state) {
    _cleanup_(json_decrefp) json_t *json = read_json(PICTURE);
    _cleanup_(image_freep) struct image *image = NULL, *large = NULL;

    assert_int_equal(image_of_picture(json, &image), 0);
    assert_int_equal(image->width_px, 2);
    assert_int_equal(image->height_px, 1);
    assert_memory_equal(image->rgb, "\xff\0\0\0\xff\0", 6);
    assert_int_equal(image_scale(image, 4, 2, &large), 0);
    assert_memory_equal(large->rgb,
                        "\xff\0\0\xff\0\0\0\xff\0\0\xff\0\xff\0\0\xff\0\0\0\xff\0\0\xff\0", 24);
    large = image_free(large);
    assert_int_equal(image_scale(image, 1, 1, &large), 0);
    assert_memory_equal(large->rgb, "\x7f\x7f\0", 3);
}

static void sound_has_time_to_the_right_and_frequency_upwards(void **state) {
    _cleanup_(json_decrefp) json_t *json = read_json(SOUND);
    _cleanup_(image_freep) struct image *image = NULL;

    assert_int_equal(image_of_input(json, &image), 0);
    assert_memory_equal(image->rgb, "\0\0\0\xff\xff\xff\xff\xff\xff\0\0\0", 12);
}

static void what_is_no_picture_is_refused(void **state) {
    static const char *const pictures[] = {
        "{}",
        "{'width_px': 2, 'height_px': 2, 'frame_width_px': 2, 'frame_height_px': 2, 'rgb': '/wAA'}",
        "{'width_px': 2, 'height_px': 1, 'frame_width_px': 2, 'frame_height_px': 1, 'rgb': "
        "'/wAA*P8A'}",
        "{'width_px': 2, 'height_px': 1, 'frame_width_px': 0, 'frame_height_px': 1, 'rgb': "
        "'/wAAAP8A'}",
        "{'width_px': -2, 'height_px': 1, 'frame_width_px': 2, 'frame_height_px': 1, 'rgb': ''}",
        "{'width_px': 99999999, 'height_px': 99999999, 'frame_width_px': 2, 'frame_height_px': 1}",
        "{'width_px': 2, 'height_px': 1, 'frame_width_px': 9, 'frame_height_px': 65535, 'rgb': "
        "'/wAAAP8A'}",
    };
    static const char *const inputs[] = {
        "{}",
        "{'kind': 'sound', 'shape': [2, 2, 3], 'values': 'AAAAAAAAAAAAAAAA'}",
        "{'kind': 'picture', 'shape': [1, 1, 2], 'values': 'AAA='}",
        "{'kind': 'picture', 'shape': [1, 1, 3], 'values': null}",
        "{'kind': 'picture', 'shape': [1], 'values': 'AA=='}",
    };
    struct image *image = NULL;

    for (size_t i = 0; i < sizeof(pictures) / sizeof(*pictures); i++) {
        _cleanup_(json_decrefp) json_t *json = read_json(pictures[i]);
        assert_int_equal(image_of_picture(json, &image), -EBADMSG);
    }
    for (size_t i = 0; i < sizeof(inputs) / sizeof(*inputs); i++) {
        _cleanup_(json_decrefp) json_t *json = read_json(inputs[i]);
        assert_int_equal(image_of_input(json, &image), -EBADMSG);
    }
}

static void assert_rows(struct screen screen, const struct image *image, const char *wanted) {
    _cleanup_(freep) char *text = NULL;
    size_t n_bytes;

    screen.out = open_memstream(&text, &n_bytes);
    assert_non_null(screen.out);
    for (size_t row = 0; row < image->height_px / image_cell_px(&screen); row++)
        image_row(&screen, image, row);
    assert_int_equal(fclose(screen.out), 0);
    assert_string_equal(text, wanted);
}

static void a_cell_shows_two_pixels_or_a_character(void **state) {
    _cleanup_(image_freep) struct image *image = NULL;
    struct screen screen = { .unicode = true, .colour = true, .depth = DEPTH_TRUE };

    assert_int_equal(image_new(2, 2, &image), 0);
    memcpy(image->rgb, "\xff\0\0\xff\0\0\xff\xff\xff\0\0\0", 12);
    assert_rows(screen, image,
                "\033[38;2;255;0;0m\033[48;2;255;255;255m\xe2\x96\x80"
                "\033[48;2;0;0;0m\xe2\x96\x80\033[0m");
    screen.depth = DEPTH_256;
    assert_rows(screen, image,
                "\033[38;5;196m\033[48;5;231m\xe2\x96\x80\033[48;5;16m\xe2\x96\x80\033[0m");
    screen.depth = DEPTH_FEW;
    assert_rows(screen, image, "::@ ");
    screen = (struct screen){ .depth = DEPTH_TRUE, .colour = true };
    assert_rows(screen, image, "::@ ");
}

static char *page_of(const char *look) {
    _cleanup_(json_decrefp) json_t *json = read_json(look);
    struct screen screen = { .unicode = true };
    char *text = NULL;
    size_t n_bytes;

    screen.out = open_memstream(&text, &n_bytes);
    assert_non_null(screen.out);
    assert_int_equal(look_write(&screen, json), 0);
    assert_int_equal(fclose(screen.out), 0);
    return text;
}

static void a_page_says_what_is_to_be_seen_and_heard(void **state) {
    _cleanup_(freep) char *camera =
        page_of("{'sensor': " SENSOR ", 'picture': " PICTURE ", 'inputs': [],"
                " 'tasks': [{'name': 'yard', 'state': 'running', 'scores': {'dog': 0.5}}]}");
    _cleanup_(freep) char *sound =
        page_of("{'sensor': " SENSOR ", 'level': {'rms_db': -30.0,"
                " 'peak_db': -3.0, 'clipped': 0.1}, 'inputs': [" SOUND "], 'tasks': []}");
    _cleanup_(freep) char *nothing =
        page_of("{'sensor': {'name': 'gate', 'state': 'lost', 'reason': 'no such device'}}");

    assert_non_null(strstr(camera, "gate  running  YUYV 640x320  quality 100 %"));
    assert_non_null(strstr(camera, "the camera, masks applied"));
    assert_non_null(strstr(camera, "dog "));
    assert_non_null(strstr(camera, " 50 %"));
    assert_non_null(strstr(sound, " -30.0 dB"));
    assert_non_null(strstr(sound, "peak -3.0 dB  too loud: clipped"));
    assert_non_null(strstr(sound, "what task yard hears: 2 bands"));
    assert_non_null(strstr(nothing, "no such device"));
    assert_non_null(strstr(nothing, "\nnothing came yet\n")); /* a line of its own */
}

static void a_png_is_for_its_owner_only(void **state) {
    char path[] = "/tmp/lookout-test-XXXXXX", first[4] = "";
    const int fd = mkstemp(path);
    _cleanup_(json_decrefp) json_t *json = read_json("{'picture': " PICTURE "}");
    _cleanup_(image_freep) struct image *image = NULL;
    struct fault fault = { "" };
    struct stat status;

    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0644), 0); /* it was there, for everybody */
    assert_int_equal(look_image(json, &image), 0);
    assert_int_equal(image->height_px, 480);
    assert_int_equal(image->width_px, 960);
    assert_int_equal(image_write_png(image, path, &fault), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(close(fd), 0);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(first, 1, 4, file), 4);
    assert_memory_equal(first, "\x89PNG", 4);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(image_write_png(image, path, &fault), 0);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(image_write_png(image, "/nonexistent/x.png", &fault), -ENOENT);
    assert_non_null(strstr(fault.text, "/nonexistent/x.png"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_picture_has_the_shape_of_the_frame),
        cmocka_unit_test(sound_has_time_to_the_right_and_frequency_upwards),
        cmocka_unit_test(what_is_no_picture_is_refused),
        cmocka_unit_test(a_cell_shows_two_pixels_or_a_character),
        cmocka_unit_test(a_page_says_what_is_to_be_seen_and_heard),
        cmocka_unit_test(a_png_is_for_its_owner_only),
    };

    return setlocale(LC_CTYPE, "C.UTF-8") ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
