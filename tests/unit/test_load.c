/* SPDX-License-Identifier: MIT */
/* Reading lookoutd.ini: what a person sees for each mistake, lookup order, changes. */
#include "config/load.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "config/describe.h"
#include "tests/test.h"

/* @text must give exactly the problem @expected. */
static void expect_problem(const char *text, const char *expected) {
    _cleanup_(settings_freep) struct settings *settings = NULL;
    struct problems problems = { 0 };

    assert_int_equal(settings_load_text("x.ini", text, strlen(text), &settings, &problems),
                     -EBADMSG);
    assert_null(settings);
    assert_int_equal(problems.n, 1);
    assert_string_equal(problems.texts[0], expected);
    problems_clear(&problems);
}

static struct settings *expect_good(const char *text) {
    struct settings *settings = NULL;
    struct problems problems = { 0 };
    const int r = settings_load_text("x.ini", text, strlen(text), &settings, &problems);

    for (size_t i = 0; i < problems.n; i++)
        print_error("%s\n", problems.texts[i]);
    assert_int_equal(r, 0);
    return settings;
}

static void a_misspelt_key_names_the_key_that_was_meant(void **state) {
    (void) state;
    expect_problem("[camera gate]\nratehz = 5\n",
                   "x.ini:2: [camera gate] ratehz = 5: unknown key; did you mean `rate_hz`?");
    expect_problem("[camera gate]\n\nrate=5",
                   "x.ini:3: [camera gate] rate = 5: unknown key; did you mean `rate_hz`?");
    expect_problem("[microphone m]\nvolume = 11\n",
                   "x.ini:2: [microphone m] volume = 11: unknown key; known here: enabled, device, "
                   "format, channel");
}

static void a_misspelt_section_names_the_section_that_was_meant(void **state) {
    (void) state;
    expect_problem("[camra gate]\ndevice = auto\n",
                   "x.ini:1: [camra gate]: unknown section; did you mean [camera gate]?");
    expect_problem("[lookout]\n", "x.ini:1: [lookout]: unknown section; did you mean [lookoutd]?");
    expect_problem(
        "[mqtt]\nhost = x\n",
        "x.ini:1: [mqtt]: unknown section; there are [lookoutd], [camera NAME], [microphone NAME], "
        "[recording NAME] and [task NAME]");
}

static void a_value_out_of_range_says_what_is_allowed(void **state) {
    (void) state;
    expect_problem("[camera gate]\n  rate_hz = 900\n",
                   "x.ini:2: [camera gate] rate_hz = 900: out of range; allowed: a number from 0.1 "
                   "to 240 frames/s");
    expect_problem("[lookoutd]\nevents_kept = 1.5\n",
                   "x.ini:2: [lookoutd] events_kept = 1.5: not a whole number; allowed: a whole "
                   "number from 16 to "
                   "65536 events");
    expect_problem("[camera gate]\nformat = h264\n",
                   "x.ini:2: [camera gate] format = h264: not known; allowed: one of: auto yuyv "
                   "mjpeg nv12 grey");
    expect_problem(
        "[camera gate]\nenabled = perhaps\n",
        "x.ini:2: [camera gate] enabled = perhaps: neither yes nor no; allowed: yes or no");
}

static void what_stands_twice_is_refused_with_both_lines(void **state) {
    (void) state;
    expect_problem("[camera gate]\nrate_hz = 5\nrate_hz = 6\n",
                   "x.ini:3: [camera gate] rate_hz = 6: set twice in this file, first at line 2");
    expect_problem("[camera gate]\n[lookoutd]\n[camera gate]\n",
                   "x.ini:3: [camera gate]: stands twice in this file, first at line 1");
    expect_problem("[camera gate]\n[microphone gate]\n",
                   "x.ini:2: [microphone gate]: the name is taken by [camera gate] at x.ini:1; "
                   "sensors of all kinds "
                   "need different names");
}

static void headers_and_stray_lines_are_refused(void **state) {
    (void) state;
    expect_problem("[camera]\n", "x.ini:1: [camera]: needs a name, for instance [camera gate]");
    expect_problem("[lookoutd main]\n",
                   "x.ini:1: [lookoutd main]: [lookoutd] has no name behind it");
    expect_problem(
        "[camera a/b]\n",
        "x.ini:1: [camera a/b]: a name has letters, digits, `-`, `_` and `.`, at most 63 of them");
    expect_problem("dbus = no\n",
                   "x.ini:1: dbus = no: stands before the first section; [lookoutd] perhaps?");
    expect_problem("[camera gate\nrate_hz = 5\n", "x.ini:1: the section header has no closing ']'");
    expect_problem(
        "[lookoutd]\n\033[31mhello\n",
        "x.ini:2: `?[31mhello`: neither a [section], nor `key = value`, nor a comment (# or ;)");
    expect_problem(
        "[lookoutd]\nhello\n",
        "x.ini:2: `hello`: neither a [section], nor `key = value`, nor a comment (# or ;)");
}

static void a_task_must_name_a_bundle_and_sensors_that_are_there(void **state) {
    (void) state;
    expect_problem("[task t]\n",
                   "x.ini:1: [task t]: `bundle` must be set, for instance bundle = yard");
    expect_problem("[recording r]\n",
                   "x.ini:1: [recording r]: `file` must be set, for instance file = "
                   "scene/sound.flac");
    expect_problem("[camera gate]\n[task t]\nbundle = yard\nsensors = gat\n",
                   "x.ini:4: [task t] sensors: no sensor is named `gat`; did you mean `gate`?");
    expect_problem("[task t]\nbundle = yard\non = 0.3\noff = 0.5\n",
                   "x.ini:4: [task t] off = 0.5: must not be above `on`, which is 0.3");
}

static void all_problems_come_at_once(void **state) {
    static const char text[] =
        "x = 1\n[camera gate]\nrate_hz = fast\nsize = big\n[task t]\nbundel = yard\n";
    _cleanup_(settings_freep) struct settings *settings = NULL;
    struct problems problems = { 0 };

    (void) state;
    assert_int_equal(settings_load_text("x.ini", text, strlen(text), &settings, &problems),
                     -EBADMSG);
    assert_int_equal(problems.n, 5);
    assert_non_null(strstr(problems.texts[0], "x.ini:1: "));
    assert_non_null(strstr(problems.texts[1], "did you mean `bundle`?"));
    assert_non_null(strstr(problems.texts[2], "x.ini:4: [camera gate] size = big"));
    assert_non_null(strstr(problems.texts[3], "x.ini:3: [camera gate] rate_hz = fast"));
    assert_non_null(strstr(problems.texts[4], "`bundle` must be set"));
    problems_clear(&problems);
}

static void many_problems_are_counted_not_kept(void **state) {
    _cleanup_(freep) char *text = NULL;
    _cleanup_(settings_freep) struct settings *settings = NULL;
    struct problems problems = { 0 };
    size_t n_bytes;
    FILE *to = open_memstream(&text, &n_bytes);

    (void) state;
    for (int i = 0; i < 1000; i++)
        (void) fprintf(to, "[nonsense%d]\n", i);
    assert_int_equal(fclose(to), 0);
    assert_int_equal(settings_load_text("x.ini", text, n_bytes, &settings, &problems), -EBADMSG);
    assert_int_equal(problems.n, PROBLEMS_MAX);
    assert_int_equal(problems.n_more, 1000 - PROBLEMS_MAX);
    problems_clear(&problems);
}

static void an_empty_section_counts(void **state) {
    _cleanup_(settings_freep) struct settings *settings =
        expect_good("[camera gate]\n[microphone m]\n");

    (void) state;
    assert_int_equal(settings->n_sections, 3);
    assert_string_equal(settings->sections[1].name, "gate");
    assert_string_equal(settings->sections[1].camera.device, "auto");
    assert_int_equal(settings->sections[1].camera.size.width_px, 640);
    assert_string_equal(settings->sections[2].microphone.device, "auto");
    assert_int_equal(settings->sections[0].lookoutd.events_kept, 1024);
}

static void relative_paths_start_at_the_directory_of_the_ini(void **state) {
    static const char text[] =
        "[lookoutd]\nbundles = zoo , /b\n[recording r]\nfile = a/b.wav\n[task t]\nbundle = ./c\n"
        "[task u]\nbundle = yard\n";
    _cleanup_(settings_freep) struct settings *settings = NULL;
    struct problems problems = { 0 };

    (void) state;
    assert_int_equal(settings_load_text("/nowhere/x.ini", text, strlen(text), &settings, &problems),
                     0);
    assert_string_equal(settings->sections[0].lookoutd.bundles.names[0], "/nowhere/zoo");
    assert_string_equal(settings->sections[0].lookoutd.bundles.names[1], "/b");
    assert_string_equal(settings->sections[1].recording.file, "/nowhere/a/b.wav");
    assert_string_equal(settings->sections[2].task.bundle, "/nowhere/./c");
    assert_string_equal(settings->sections[3].task.bundle, "yard");
}

/* A tree below a directory of its own: "usr/lib/lookout/lookoutd.ini" and so on. */
static void put(const char *root, const char *path, const char *text) {
    char full[512];
    FILE *to;

    (void) snprintf(full, sizeof(full), "%s/%s", root, path);
    for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        (void) mkdir(full, 0755); /* may be there */
        *slash = '/';
    }
    to = fopen(full, "we");
    assert_non_null(to);
    assert_true(fputs(text, to) >= 0);
    assert_int_equal(fclose(to), 0);
}

static struct settings *load_root(const char *root) {
    struct settings *settings = NULL;
    struct problems problems = { 0 };
    const int r = settings_load(&(struct load_options){ .prefix = root }, &settings, &problems);

    for (size_t i = 0; i < problems.n; i++)
        print_error("%s\n", problems.texts[i]);
    assert_int_equal(r, 0);
    return settings;
}

static void an_imagined_drop_in_is_read_in_its_place(void **state) {
    char root[] = "/tmp/lookout-load-XXXXXX", path[64];
    struct load_options options = { .prefix = root, .drop_in = "20-b.ini" };
    _cleanup_(settings_freep) struct settings *settings = NULL;
    _cleanup_(freep) char *wanted = NULL;
    struct problems problems = { 0 };

    (void) state;
    assert_non_null(mkdtemp(root));
    put(root, "etc/lookout/lookoutd.ini.d/10-a.ini", "[camera gate]\nrate_hz = 1\n");
    put(root, "etc/lookout/lookoutd.ini.d/20-b.ini", "[camera gate]\nrate_hz = 2\n");
    put(root, "etc/lookout/lookoutd.ini.d/30-c.ini", "[camera yard]\nrate_hz = 3\n");
    options.drop_in_text = "[camera gate]\nsize = 320x240\n[camera yard]\nrate_hz = 4\n";
    assert_int_equal(settings_load(&options, &settings, &problems), 0);
    assert_true(settings_find(settings, SECTION_CAMERA, "gate")->camera.rate_hz == 1);
    assert_int_equal(settings_find(settings, SECTION_CAMERA, "gate")->camera.size.width_px, 320);
    assert_true(settings_find(settings, SECTION_CAMERA, "yard")->camera.rate_hz == 3);

    settings = settings_free(settings);
    options.drop_in = "40-new.ini";
    options.drop_in_text = "[camra x]\n";
    assert_int_equal(settings_load(&options, &settings, &problems), -EBADMSG);
    assert_int_equal(problems.n, 1);
    wanted = drop_in_path(&options, "40-new.ini");
    assert_non_null(wanted);
    (void) snprintf(path, sizeof(path), "%s/etc/lookout/lookoutd.ini.d/40-new.ini", root);
    assert_string_equal(wanted, path);
    assert_memory_equal(problems.texts[0], path, strlen(path));
    problems_clear(&problems);
    assert_int_equal(remove_folder(root), 0);
}

static void drop_ins_are_merged_by_file_name_and_etc_wins(void **state) {
    char root[] = "/tmp/lookout-load-XXXXXX";
    _cleanup_(settings_freep) struct settings *settings = NULL;

    (void) state;
    assert_non_null(mkdtemp(root));
    put(root, "usr/lib/lookout/lookoutd.ini", "[camera vendor]\n");
    put(root, "etc/lookout/lookoutd.ini",
        "[camera gate]\nrate_hz = 1\n[lookoutd]\nevents_kept = 100\n");
    put(root, "usr/lib/lookout/lookoutd.ini.d/10-a.ini", "[camera gate]\nrate_hz = 2\n");
    put(root, "run/lookout/lookoutd.ini.d/20-b.ini",
        "[camera gate]\nrate_hz = 3\nsize = 320x240\n");
    put(root, "etc/lookout/lookoutd.ini.d/20-b.ini", "[camera gate]\nrate_hz = 4\n");
    put(root, "usr/lib/lookout/lookoutd.ini.d/15-c.ini", "[lookoutd]\nevents_kept =\n");
    put(root, "etc/lookout/lookoutd.ini.d/30.conf", "not ours\n");
    settings = load_root(root);
    assert_null(settings_find(settings, SECTION_CAMERA, "vendor"));
    assert_true(settings_find(settings, SECTION_CAMERA, "gate")->camera.rate_hz == 4);
    assert_int_equal(settings_find(settings, SECTION_CAMERA, "gate")->camera.size.width_px, 640);
    assert_int_equal(settings->sections[0].lookoutd.events_kept, 1024);
    assert_int_equal(remove_folder(root), 0);
}

static void a_drop_in_linked_to_dev_null_is_taken_away(void **state) {
    char root[] = "/tmp/lookout-load-XXXXXX", link[512];
    _cleanup_(settings_freep) struct settings *settings = NULL;

    (void) state;
    assert_non_null(mkdtemp(root));
    put(root, "usr/lib/lookout/lookoutd.ini.d/10-a.ini", "[camera gate]\n");
    put(root, "etc/lookout/lookoutd.ini.d/20.ini", "");
    (void) snprintf(link, sizeof(link), "%s/etc/lookout/lookoutd.ini.d/10-a.ini", root);
    assert_int_equal(symlink("/dev/null", link), 0);
    settings = load_root(root);
    assert_int_equal(settings->n_sections, 1);
    assert_int_equal(remove_folder(root), 0);
}

static void nothing_anywhere_is_a_good_configuration(void **state) {
    char root[] = "/tmp/lookout-load-XXXXXX";
    _cleanup_(settings_freep) struct settings *settings = NULL;

    (void) state;
    assert_non_null(mkdtemp(root));
    settings = load_root(root);
    assert_int_equal(settings->n_sections, 1);
    assert_int_equal(remove_folder(root), 0);
}

static void a_named_file_that_is_missing_is_a_problem(void **state) {
    _cleanup_(settings_freep) struct settings *settings = NULL;
    struct problems problems = { 0 };

    (void) state;
    assert_int_equal(
        settings_load(&(struct load_options){ .file = "/nonexistent/x.ini" }, &settings, &problems),
        -EBADMSG);
    assert_string_equal(problems.texts[0],
                        "/nonexistent/x.ini: cannot be opened: No such file or directory");
    problems_clear(&problems);
}

struct lines {
    size_t n;
    char texts[8][256];
};

static int gather(const struct settings_line *line, void *user) {
    struct lines *lines = user;

    assert_true(lines->n < 8);
    (void) snprintf(lines->texts[lines->n++], 256, "%s|%s|%s|%.99s", line->section, line->key,
                    line->value, line->origin);
    return 0;
}

static void changes_name_what_differs_came_and_went(void **state) {
    _cleanup_(settings_freep) struct settings *before = expect_good(
                                                  "[camera a]\nrate_hz = 5\n[camera b]\n"),
                                              *now = expect_good(
                                                  "[camera a]\n[camera c]\nsize = 320x240\n");
    struct lines lines = { 0 };

    (void) state;
    assert_int_equal(settings_changes(before, now, gather, &lines), 0);
    assert_int_equal(lines.n, 4);
    assert_string_equal(lines.texts[0], "camera a|rate_hz|10|default");
    assert_string_equal(lines.texts[1], "camera c|||x.ini:2");
    assert_string_equal(lines.texts[2], "camera c|size|320x240|x.ini:3");
    assert_string_equal(lines.texts[3], "camera b|||removed");
}

static void a_copy_of_the_settings_means_the_same(void **state) {
    _cleanup_(settings_freep) struct settings
        *before = expect_good("[lookoutd]\ndbus = no\n[camera a]\nmasks = 0,0,10,10 "
                              "50,50,20,20\n[recording r]\nfile = s.wav\n[task t]\n"
                              "bundle = ./zoo/yard\nsensors = a, r\n"),
        *now = NULL;
    _cleanup_(freep) char *text = NULL;
    struct lines lines = { 0 };
    size_t n_bytes;
    FILE *to = open_memstream(&text, &n_bytes);

    (void) state;
    describe_settings(before, to);
    assert_int_equal(fclose(to), 0);
    now = expect_good(text);
    assert_int_equal(settings_changes(before, now, gather, &lines), 0);
    assert_int_equal(lines.n, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_misspelt_key_names_the_key_that_was_meant),
        cmocka_unit_test(a_misspelt_section_names_the_section_that_was_meant),
        cmocka_unit_test(a_value_out_of_range_says_what_is_allowed),
        cmocka_unit_test(what_stands_twice_is_refused_with_both_lines),
        cmocka_unit_test(headers_and_stray_lines_are_refused),
        cmocka_unit_test(a_task_must_name_a_bundle_and_sensors_that_are_there),
        cmocka_unit_test(all_problems_come_at_once),
        cmocka_unit_test(many_problems_are_counted_not_kept),
        cmocka_unit_test(an_empty_section_counts),
        cmocka_unit_test(relative_paths_start_at_the_directory_of_the_ini),
        cmocka_unit_test(an_imagined_drop_in_is_read_in_its_place),
        cmocka_unit_test(drop_ins_are_merged_by_file_name_and_etc_wins),
        cmocka_unit_test(a_drop_in_linked_to_dev_null_is_taken_away),
        cmocka_unit_test(nothing_anywhere_is_a_good_configuration),
        cmocka_unit_test(a_named_file_that_is_missing_is_a_problem),
        cmocka_unit_test(changes_name_what_differs_came_and_went),
        cmocka_unit_test(a_copy_of_the_settings_means_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
