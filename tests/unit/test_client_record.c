/* SPDX-License-Identifier: MIT */
#include "client/record_files.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "common/units.h"
#include "tests/test.h"

enum { TEXT_BYTES = 2048 };

/* A new temporary directory of its own for each test; *state is its path. */
static int set_up(void **state) {
    static char path[] = "/tmp/lookout-record-XXXXXX";

    (void) strcpy(path + sizeof(path) - 7, "XXXXXX"); /* the template again */
    *state = path;
    return mkdtemp(path) ? 0 : -1;
}

static int tear_down(void **state) {
    return remove_folder(*state);
}

static const char *below(void **state, const char *name, char ret[TEST_PATH_BYTES]) {
    (void) snprintf(ret, TEST_PATH_BYTES, "%s/%s", (const char *) *state, name); /* short */
    return ret;
}

static void read_text(void **state, const char *name, char ret[TEXT_BYTES]) {
    char path[TEST_PATH_BYTES];
    FILE *file = fopen(below(state, name, path), "r");

    assert_non_null(file);
    ret[fread(ret, 1, TEXT_BYTES - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
}

/* What the daemon would have done to a file. */
static void fill(struct record_files *files, const char *sensor, const char *bytes,
                 int64_t first_ms, int64_t last_ms) {
    struct recorded *item = record_files_find(files, sensor);

    assert_non_null(item);
    assert_int_equal(write(item->fd, bytes, strlen(bytes)), strlen(bytes));
    item->first_ns = first_ms * NS_PER_MS;
    item->last_ns = last_ms * NS_PER_MS;
}

static void a_recording_has_names_pairs_and_a_replay(void **state) {
    static const char *const sensors[] = { "mic", "gate", "dead" };
    _cleanup_(record_files_freep) struct record_files *files = NULL;
    char path[TEST_PATH_BYTES], text[TEXT_BYTES];
    struct stat stat_of;

    assert_int_equal(record_files_new(below(state, "a,b", path), sensors, 3, &files, NULL), 0);
    fill(files, "mic", "RIFF....WAVE", 1000, 9000);
    fill(files, "gate", "\xff\xd8\xff\xe0", 1120, 8900);
    assert_int_equal(record_files_finish(files, "Monday", NULL), 0);

    read_text(state, "a,b/pairs.csv", text);
    assert_string_equal(
        text, "recording,sound,sound_start_ms,picture,picture_start_ms,duration_ms,label,split\n"
              "\"a,b\",mic.wav,120,gate.mjpeg,0,7780,,\n");
    read_text(state, "a,b/replay.ini", text);
    assert_non_null(strstr(text, "on Monday"));
    assert_non_null(strstr(
        text, "\n[recording mic]\ndata = sound\nfile = mic.wav\noffset_ms = 0.000\n"
              "\n[recording gate]\ndata = picture\nfile = gate.mjpeg\noffset_ms = 120.000\n"));
    assert_null(strstr(text, "dead"));
    assert_int_equal(stat(below(state, "a,b/dead.part", path), &stat_of), -1);
    assert_int_equal(stat(below(state, "a,b/mic.wav", path), &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 0777, 0600);
}

static void a_sound_without_pictures_stands_alone(void **state) {
    static const char *const sensors[] = { "one", "two" };
    _cleanup_(record_files_freep) struct record_files *files = NULL;
    char path[TEST_PATH_BYTES], text[TEXT_BYTES];

    assert_int_equal(record_files_new(below(state, "d", path), sensors, 2, &files, NULL), 0);
    fill(files, "one", "RIFF", 0, 500);
    fill(files, "two", "RIFF", 100, 800);
    assert_int_equal(record_files_finish(files, "", NULL), 0);
    read_text(state, "d/pairs.csv", text);
    assert_string_equal(strchr(text, '\n') + 1, "d,one.wav,0,,,500,,\nd,two.wav,0,,,700,,\n");
}

static void a_directory_that_exists_is_never_written_to(void **state) {
    static const char *const sensors[] = { "mic" };
    struct record_files *files = NULL;
    struct fault fault = { "" };

    assert_int_equal(record_files_new(*state, sensors, 1, &files, &fault), -EEXIST);
    assert_null(files);
    assert_non_null(strstr(fault.text, "exists already; name a new directory"));
}

static void a_recording_that_never_began_leaves_nothing(void **state) {
    static const char *const sensors[] = { "mic", "../../gate" };
    _cleanup_(record_files_freep) struct record_files *files = NULL;
    char path[TEST_PATH_BYTES];

    assert_int_equal(record_files_new(below(state, "d", path), sensors, 2, &files, NULL), 0);
    assert_int_equal(access(below(state, "d/_._.._gate.part", path), F_OK), 0); /* stays inside */
    record_files_remove(files);
    assert_int_equal(access(below(state, "d", path), F_OK), -1);
}

static void a_directory_that_cannot_be_made_is_explained(void **state) {
    static const char *const sensors[] = { "mic" };
    struct record_files *files = NULL;
    struct fault fault = { "" };

    assert_int_equal(record_files_new("/nonexistent/d", sensors, 1, &files, &fault), -EIO);
    assert_string_equal(fault.text,
                        "cannot make the directory /nonexistent/d: No such file or directory");
}

int main(void) {
#define IN_DIRECTORY(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(a_recording_has_names_pairs_and_a_replay),
        IN_DIRECTORY(a_sound_without_pictures_stands_alone),
        IN_DIRECTORY(a_directory_that_exists_is_never_written_to),
        IN_DIRECTORY(a_recording_that_never_began_leaves_nothing),
        cmocka_unit_test(a_directory_that_cannot_be_made_is_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
