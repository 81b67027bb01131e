/* SPDX-License-Identifier: MIT */
/*
 * The front ends on made data, against what they gave on x86-64: pictures exactly, sound within
 * one int8 step, on every instruction set. Data are made in integers only, so that they are
 * the same everywhere. `test_features --write` makes tests/unit/features.golden anew.
 */
#include <stdlib.h>
#include <string.h>

#include "pipeline/mel.h"
#include "pipeline/picture.h"
#include "pipeline/quantise.h"
#include "tests/test.h"
#include "tests/unit/mel_kit.h"

enum {
    WINDOW_ITEMS = 16000,
    VALUES_MAX = 98 * 40,
    FRAME_WIDTH = 160,
    FRAME_HEIGHT = 120,
    FRAME_BYTES = 2 * FRAME_WIDTH * FRAME_HEIGHT,
    SIDE = 32,
    PICTURE_BYTES = SIDE * SIDE * 3,
    LINE_ITEMS = 32,
};

static const char golden_name[] = "tests/unit/features.golden";

/* What is compared: name, and values of one or the other sign. */
struct features {
    int8_t logmel[VALUES_MAX], mfcc[VALUES_MAX], picture[PICTURE_BYTES];
    size_t n_logmel, n_mfcc;
};

/* A sweep of triangles over noise, loud and soft in turn. */
static void make_sound(int16_t *samples) {
    uint32_t state = 1, phase = 0;

    for (uint32_t i = 0; i < WINDOW_ITEMS; i++) {
        int32_t triangle;

        state = state * 1664525u + 1013904223u; /* Numerical Recipes, ranqd1 */
        phase += 100 + i / 8;
        triangle = (int32_t) (phase & 0x7fff) - 0x4000;
        triangle = (triangle < 0 ? -triangle : triangle) - 0x2000;
        samples[i] = (int16_t) ((triangle >> (i / 4000)) + (int32_t) (state >> 26) - 32);
    }
}

static void make_frame(uint8_t *bytes) {
    uint32_t state = 2;

    for (uint32_t i = 0; i < FRAME_BYTES; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] =
            (uint8_t) (16 +
                       (i / (2 * FRAME_WIDTH) + i % (2 * FRAME_WIDTH) / 4 + (state >> 27)) % 220);
    }
}

static size_t make_sound_features(const struct sound_features *options, float scale,
                                  int32_t zero_point, int8_t *ret) {
    static int16_t samples[WINDOW_ITEMS];
    static float values[VALUES_MAX];
    _cleanup_(mel_freep) struct mel *mel = NULL;
    size_t n;

    make_sound(samples);
    assert_int_equal(mel_new(options, &mel, NULL), 0);
    n = mel_shape(mel)->n_rows * mel_shape(mel)->n_values;
    assert_true(n <= VALUES_MAX);
    mel_window(mel, samples, values);
    quantise_values(values, n, scale, zero_point, ret);
    return n;
}

static void make_picture_features(int8_t *ret) {
    static const struct picture_features options = {
        .width_px = SIDE, .height_px = SIDE, .colour = COLOUR_RGB, .crop = CROP_CENTRE_SQUARE
    };
    static uint8_t bytes[FRAME_BYTES], pixels[PICTURE_BYTES];
    const struct frame frame = { .format = PIXEL_YUYV,
                                 .width_px = FRAME_WIDTH,
                                 .height_px = FRAME_HEIGHT,
                                 .planes = { bytes },
                                 .stride_bytes = { 2 * FRAME_WIDTH } };
    _cleanup_(picture_freep) struct picture *picture = NULL;
    int8_t table[PIXEL_VALUES];

    make_frame(bytes);
    assert_int_equal(picture_new(&options, PIXEL_YUYV, FRAME_WIDTH, FRAME_HEIGHT, &picture), 0);
    picture_shrink(picture, &frame, pixels);
    quantise_pixel_table(1.0f / 255.0f, -128, table);
    quantise_pixels(pixels, PICTURE_BYTES, table, ret);
}

static void make_features(struct features *ret) {
    ret->n_logmel = make_sound_features(&logmel, 0.08f, 40, ret->logmel);
    ret->n_mfcc = make_sound_features(&mfcc, 0.58f, 83, ret->mfcc);
    make_picture_features(ret->picture);
}

static void write_values(FILE *file, const char *name, const int8_t *values, size_t n) {
    (void) fprintf(file, "%s %zu", name, n);
    for (size_t i = 0; i < n; i++)
        (void) fprintf(file, "%c%d", i % LINE_ITEMS ? ' ' : '\n', values[i]);
    (void) fputs("\n", file);
}

/* The values of the next entry, which must be @name. */
static void read_values(FILE *file, const char *name, int8_t *ret, size_t n) {
    char found[32];
    size_t n_found;
    int value;

    assert_int_equal(fscanf(file, "%31s %zu", found, &n_found), 2);
    assert_string_equal(found, name);
    assert_int_equal(n_found, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(fscanf(file, "%d", &value), 1);
        ret[i] = (int8_t) value;
    }
}

static FILE *open_golden(const char *mode) {
    char path[TEST_PATH_BYTES];
    FILE *const file = fopen(source_path(golden_name, path), mode);

    if (!file)
        fail_msg("%s: cannot be opened", path);
    return file;
}

static void expect_within_a_step(const int8_t *got, const int8_t *want, size_t n,
                                 const char *name) {
    size_t n_off = 0;

    for (size_t i = 0; i < n; i++) {
        if (abs(got[i] - want[i]) > 1)
            fail_msg("%s: value %zu is %d, not %d", name, i, got[i], want[i]);
        n_off += got[i] != want[i];
    }
    print_message("# %s: %zu of %zu values one step off\n", name, n_off, n);
}

static void features_are_within_one_step_on_every_instruction_set(void **state) {
    static struct features got, want;
    FILE *const file = open_golden("r");

    make_features(&got);
    read_values(file, "logmel", want.logmel, got.n_logmel);
    read_values(file, "mfcc", want.mfcc, got.n_mfcc);
    read_values(file, "picture", want.picture, PICTURE_BYTES);
    (void) fclose(file); /* only read */
    expect_within_a_step(got.logmel, want.logmel, got.n_logmel, "logmel");
    expect_within_a_step(got.mfcc, want.mfcc, got.n_mfcc, "mfcc");
    assert_memory_equal(got.picture, want.picture, PICTURE_BYTES);
}

static void the_golden_features_use_the_range(void **state) {
    static struct features f;
    int low = 0, high = 0;

    make_features(&f);
    for (size_t i = 0; i < f.n_logmel; i++) {
        low += f.logmel[i] == INT8_MIN;
        high += f.logmel[i] == INT8_MAX;
    }
    assert_true(low + high < (int) f.n_logmel / 4); /* else saturation hides differences */
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_within_one_step_on_every_instruction_set),
        cmocka_unit_test(the_golden_features_use_the_range),
    };

    if (argc > 1 && strcmp(argv[1], "--write") == 0) {
        static struct features f;
        FILE *const file = open_golden("w");

        make_features(&f);
        write_values(file, "logmel", f.logmel, f.n_logmel);
        write_values(file, "mfcc", f.mfcc, f.n_mfcc);
        write_values(file, "picture", f.picture, PICTURE_BYTES);
        return fclose(file) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
