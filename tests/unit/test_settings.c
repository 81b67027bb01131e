/* SPDX-License-Identifier: MIT */
/* The table of settings, and what is derived from it. */
#include "config/settings.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "config/describe.h"
#include "config/load.h"
#include "config/value.h"
#include "tests/test.h"

static char *text_of(void (*describe)(FILE *)) {
    char *text = NULL;
    size_t n_bytes;
    FILE *to = open_memstream(&text, &n_bytes);

    assert_non_null(to);
    describe(to);
    assert_int_equal(fclose(to), 0);
    return text;
}

static char *shipped_ini(void) {
    char path[TEST_PATH_BYTES], *text = calloc(1, 1 << 16);
    FILE *from = fopen(source_path("config/lookoutd.ini", path), "re");

    assert_non_null(text);
    assert_non_null(from);
    assert_true(fread(text, 1, (1 << 16) - 1, from) > 0);
    assert_int_equal(fclose(from), 0);
    return text;
}

static void the_shipped_ini_is_what_the_table_says(void **state) {
    _cleanup_(freep) char *described = text_of(describe_ini), *shipped = shipped_ini();

    (void) state;
    assert_string_equal(described,
                        shipped); /* else: lookoutd --print-config ini >config/lookoutd.ini */
}

static int expect_default(const struct settings_line *line, void *user) {
    size_t *n = user;

    assert_string_equal(line->origin, "default");
    (*n)++;
    return 0;
}

static void the_shipped_ini_sets_nothing(void **state) {
    _cleanup_(freep) char *shipped = shipped_ini();
    _cleanup_(settings_freep) struct settings *settings = NULL;
    struct problems problems = { 0 };
    size_t n = 0;

    (void) state;
    assert_int_equal(settings_load_text("shipped", shipped, strlen(shipped), &settings, &problems),
                     0);
    assert_int_equal(settings->n_sections, 1);
    assert_int_equal(settings_list(settings, expect_default, &n), 0);
    assert_true(n > 5);
}

/* "#key = value" and "#[camera NAME]" lose their sign; "# help" stays a comment. */
static void uncomment(char *text) {
    for (char *c = text; c; c = strchr(c, '\n') ? strchr(c, '\n') + 1 : NULL)
        if (c[0] == '#' && c[1] != ' ' && c[1] != '\n')
            c[0] = ' ';
}

static void every_line_of_the_shipped_ini_is_valid_at_its_default(void **state) {
    _cleanup_(freep) char *shipped = shipped_ini();
    _cleanup_(settings_freep) struct settings *settings = NULL;
    struct problems problems = { 0 };

    (void) state;
    uncomment(shipped);
    assert_int_equal(settings_load_text("shipped", shipped, strlen(shipped), &settings, &problems),
                     -EBADMSG);
    for (size_t i = 0; i < problems.n;
         i++) /* NAME is used four times, and two keys must be set by a person */
        assert_true(strstr(problems.texts[i], "the name is taken") ||
                    strstr(problems.texts[i], "must be set"));
    problems_clear(&problems);
}

static void every_row_has_help_and_a_default_that_it_allows(void **state) {
    (void) state;
    for (int kind = 0; kind < SECTION_KINDS; kind++) {
        size_t n;
        const struct setting *rows = settings_rows(kind, &n);

        for (size_t i = 0; i < n; i++) {
            char allowed[ALLOWED_BYTES];
            struct section section = { .kind = kind };
            _cleanup_(freep) char *text = strdup(rows[i].default_value);

            assert_int_equal(rows[i].section, kind);
            assert_true(strlen(rows[i].help) > 4 && rows[i].help[strlen(rows[i].help) - 1] == '.');
            assert_non_null(rows[i].unit);
            assert_int_equal(value_read(&rows[i], text, &section.lookoutd, allowed), 0);
            if (rows[i].type == SETTING_INT || rows[i].type == SETTING_BOOL ||
                rows[i].type == SETTING_SIZE)
                assert_true(rows[i].default_value[0] != '\0');
            for (size_t j = 0; j < i; j++)
                assert_string_not_equal(rows[i].key, rows[j].key);
        }
    }
}

static void the_man_page_names_every_key(void **state) {
    _cleanup_(freep) char *man = text_of(describe_man);

    (void) state;
    for (int kind = 0; kind < SECTION_KINDS; kind++) {
        size_t n;
        const struct setting *rows = settings_rows(kind, &n);

        for (size_t i = 0; i < n; i++) {
            char heading[128];

            (void) snprintf(heading, sizeof(heading), "\\fB%s\\fR =", rows[i].key);
            assert_non_null(strstr(man, heading));
        }
    }
}

static const struct setting *row_of(enum section_kind kind, const char *key) {
    size_t n;
    const struct setting *rows = settings_rows(kind, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].key, key) == 0)
            return &rows[i];
    fail_msg("no row %s", key);
    return NULL;
}

static int read_camera(const char *key, const char *text, struct camera_settings *ret) {
    static char copy[1024];
    char allowed[ALLOWED_BYTES];

    (void) snprintf(copy, sizeof(copy), "%s", text);
    return value_read(row_of(SECTION_CAMERA, key), copy, ret, allowed);
}

static void words_for_yes_and_no_are_read(void **state) {
    static const char *const yes[] = { "yes", "TRUE", "on", "1" }, *const no[] = { "no", "False",
                                                                                   "off", "0" };
    struct camera_settings camera = { 0 };

    (void) state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(read_camera("enabled", yes[i], &camera), 0);
        assert_true(camera.enabled);
        assert_int_equal(read_camera("enabled", no[i], &camera), 0);
        assert_false(camera.enabled);
    }
    assert_int_equal(read_camera("enabled", "maybe", &camera), -EINVAL);
}

static void sizes_and_numbers_are_read_whole_or_refused(void **state) {
    static const char *const bad_sizes[] = { "640",      "640x",     "x480",     "640x480x2",
                                             "640x480 ", "-640x480", "8x8",      "99999x480",
                                             "640,480",  "641x480",  "640xx480", "1e2x480" };
    static const char *const bad_numbers[] = { "",    "ten", "10 fps", "0x10", "inf",
                                               "nan", "-1",  "0",      "1000", "1,5" };
    struct camera_settings camera = { 0 };

    (void) state;
    assert_int_equal(read_camera("size", "1280x720", &camera), 0);
    assert_int_equal(camera.size.width_px, 1280);
    assert_int_equal(camera.size.height_px, 720);
    for (size_t i = 0; i < sizeof(bad_sizes) / sizeof(bad_sizes[0]); i++)
        assert_true(read_camera("size", bad_sizes[i], &camera) < 0);
    assert_int_equal(read_camera("rate_hz", "12.5", &camera), 0);
    assert_true(camera.rate_hz == 12.5);
    for (size_t i = 1; i < sizeof(bad_numbers) / sizeof(bad_numbers[0]); i++)
        assert_true(read_camera("rate_hz", bad_numbers[i], &camera) < 0);
}

static void masks_are_rectangles_in_percent_within_the_frame(void **state) {
    static const char *const bad[] = { "0,0,50",     "0,0,50,50,1", "0 0 50 50",
                                       "0,0,0,50",   "60,0,50,50",  "0,0,50,101",
                                       "-1,0,50,50", "0,0,50,50;",  "a,b,c,d" };
    struct camera_settings camera = { 0 };

    (void) state;
    assert_int_equal(read_camera("masks", " 0,0,50,12.5  50,50,50,50 ", &camera), 0);
    assert_int_equal(camera.masks.n, 2);
    assert_int_equal(camera.masks.masks[0].height, 1250);
    assert_int_equal(camera.masks.masks[1].x, 5000);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_true(read_camera("masks", bad[i], &camera) < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_ini_is_what_the_table_says),
        cmocka_unit_test(the_shipped_ini_sets_nothing),
        cmocka_unit_test(every_line_of_the_shipped_ini_is_valid_at_its_default),
        cmocka_unit_test(every_row_has_help_and_a_default_that_it_allows),
        cmocka_unit_test(the_man_page_names_every_key),
        cmocka_unit_test(words_for_yes_and_no_are_read),
        cmocka_unit_test(sizes_and_numbers_are_read_whole_or_refused),
        cmocka_unit_test(masks_are_rectangles_in_percent_within_the_frame),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
