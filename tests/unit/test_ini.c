/* SPDX-License-Identifier: MIT */
#include "common/ini.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "tests/test.h"

/* What was read, one line an item: "LINE [SECTION] KEY=VALUE" or "LINE !PROBLEM". */
struct heard {
    char text[8192];
    int stop_after; /* items; 0: never */
    int n_items;
};

static int hear(const struct ini_item *item, void *user) {
    struct heard *const heard = user;
    const size_t n = strlen(heard->text);
    char *const end = heard->text + n;
    const size_t room = sizeof(heard->text) - n;

    if (item->problem)
        (void) snprintf(end, room, "%u !%s\n", item->line, item->problem);
    else if (item->key)
        (void) snprintf(end, room, "%u [%s] %s=%s\n", item->line, item->section, item->key,
                        item->value);
    else
        (void) snprintf(end, room, "%u [%s]\n", item->line, item->section);
    return ++heard->n_items == heard->stop_after ? -ECANCELED : 0;
}

static void expect(const char *text, const char *items) {
    struct heard heard = { .n_items = 0 };

    assert_int_equal(ini_read_text("t", text, strlen(text), hear, &heard), 0);
    assert_string_equal(heard.text, items);
}

static void sections_keys_and_values_are_told_with_their_line(void **state) {
    expect(
        "[camera gate]\nrate_hz = 10\n\n[task yard]\nbundle=yard\n",
        "1 [camera gate]\n2 [camera gate] rate_hz=10\n4 [task yard]\n5 [task yard] bundle=yard\n");
}

static void an_indented_line_is_an_ordinary_line(void **state) {
    expect("[a]\n  k = 1\n\t[ b ]\n\tl=2\r\n", "1 [a]\n2 [a] k=1\n3 [b]\n4 [b] l=2\n");
}

static void an_empty_section_counts(void **state) {
    expect("[microphone   yard ]\n", "1 [microphone yard]\n");
}

static void an_empty_value_is_a_value(void **state) {
    expect("[a]\nk =\n", "1 [a]\n2 [a] k=\n");
}

static void a_comment_starts_the_line_or_follows_a_space(void **state) {
    expect("# all\n; all\n[a] ; why\nk = 1 # why\nl = a#b;c\n",
           "3 [a]\n4 [a] k=1\n5 [a] l=a#b;c\n");
}

static void a_value_may_hold_an_equals_sign(void **state) {
    expect("k = a=b\n", "1 [] k=a=b\n");
}

static void the_last_line_needs_no_newline(void **state) {
    expect("[a]\nk=1", "1 [a]\n2 [a] k=1\n");
}

static void a_byte_order_mark_is_passed_over(void **state) {
    expect("\xef\xbb\xbf[a]\nk=1\n", "1 [a]\n2 [a] k=1\n");
    expect("\xef\xbb\xbf", "");
}

static void every_wrong_line_is_told_and_reading_goes_on(void **state) {
    struct heard heard = { .n_items = 0 };
    const char text[] = "[open\nnonsense\n= 3\n[]\n[a] b\n[a]\nk=1\n";

    assert_int_equal(ini_read_text("t", text, sizeof(text) - 1, hear, &heard), 0);
    assert_int_equal(heard.n_items, 7);
    assert_ptr_equal(strstr(heard.text, "1 !the section header has no closing"), heard.text);
    assert_non_null(strstr(heard.text, "\n2 !neither"));
    assert_non_null(strstr(heard.text, "\n3 !neither"));
    assert_non_null(strstr(heard.text, "\n4 !the section header is empty"));
    assert_non_null(strstr(heard.text, "\n5 !something stands behind"));
    assert_non_null(strstr(heard.text, "\n6 [a]\n7 [a] k=1\n"));
}

static void a_line_of_the_greatest_length_is_read_whole(void **state) {
    char text[INI_LINE_BYTES_MAX + 2];
    struct heard heard = { .n_items = 0 };

    (void) memset(text, 'v', sizeof(text));
    (void) memcpy(text, "k=", 2);
    text[INI_LINE_BYTES_MAX] = '\n';
    assert_int_equal(ini_read_text("t", text, INI_LINE_BYTES_MAX + 1, hear, &heard), 0);
    assert_int_equal(strlen(heard.text), strlen("1 [] \n") + INI_LINE_BYTES_MAX);
}

static void a_longer_line_is_told_and_not_cut(void **state) {
    char text[INI_LINE_BYTES_MAX + 6];
    struct heard heard = { .n_items = 0 };

    (void) memset(text, 'v', sizeof(text));
    (void) memcpy(text, "k=", 2);
    (void) memcpy(text + INI_LINE_BYTES_MAX + 1, "\nl=2\n", 5);
    assert_int_equal(ini_read_text("t", text, sizeof(text), hear, &heard), 0);
    assert_string_equal(heard.text,
                        "1 !the line is too long (at most 4096 characters)\n2 [] l=2\n");
}

static void a_nul_byte_is_told(void **state) {
    struct heard heard = { .n_items = 0 };

    assert_int_equal(ini_read_text("t", "k=\0x\nl=1\n", 9, hear, &heard), 0);
    assert_string_equal(heard.text, "1 !the line has a NUL byte; is this a text file?\n2 [] l=1\n");
}

static void the_reader_can_stop(void **state) {
    struct heard heard = { .stop_after = 2 };

    assert_int_equal(ini_read_text("t", "a=1\nb=2\nc=3\n", 12, hear, &heard), -ECANCELED);
    assert_string_equal(heard.text, "1 [] a=1\n2 [] b=2\n");
}

static void a_file_is_read(void **state) {
    char path[] = "/tmp/lookout-ini-XXXXXX";
    const int fd = mkstemp(path);
    struct heard heard = { .n_items = 0 };
    struct fault fault = { "" };

    assert_true(fd >= 0);
    assert_int_equal(write(fd, "[a]\nk=1\n", 8), 8);
    (void) close(fd);
    assert_int_equal(ini_read(path, hear, &heard, &fault), 0);
    (void) unlink(path);
    assert_string_equal(heard.text, "1 [a]\n2 [a] k=1\n");
}

static void a_missing_file_is_told_by_name(void **state) {
    struct heard heard = { .n_items = 0 };
    struct fault fault = { "" };

    assert_int_equal(ini_read("/nonexistent/x.ini", hear, &heard, &fault), -ENOENT);
    assert_non_null(strstr(fault.text, "/nonexistent/x.ini"));
}

static void a_folder_and_a_fifo_are_refused_without_blocking(void **state) {
    char folder[] = "/tmp/lookout-ini-XXXXXX", path[64];
    struct heard heard = { .n_items = 0 };
    struct fault fault = { "" };

    assert_non_null(mkdtemp(folder));
    assert_int_equal(ini_read(folder, hear, &heard, &fault), -EINVAL);
    (void) snprintf(path, sizeof(path), "%s/fifo", folder); /* fits */
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(ini_read(path, hear, &heard, &fault), -EINVAL);
    (void) unlink(path);
    (void) rmdir(folder);
}

static void a_huge_file_is_refused(void **state) {
    char path[] = "/tmp/lookout-ini-XXXXXX";
    const int fd = mkstemp(path);
    struct heard heard = { .n_items = 0 };
    struct fault fault = { "" };

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, INI_FILE_BYTES_MAX + 1), 0);
    (void) close(fd);
    assert_int_equal(ini_read(path, hear, &heard, &fault), -EFBIG);
    (void) unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_keys_and_values_are_told_with_their_line),
        cmocka_unit_test(an_indented_line_is_an_ordinary_line),
        cmocka_unit_test(an_empty_section_counts),
        cmocka_unit_test(an_empty_value_is_a_value),
        cmocka_unit_test(a_comment_starts_the_line_or_follows_a_space),
        cmocka_unit_test(a_value_may_hold_an_equals_sign),
        cmocka_unit_test(the_last_line_needs_no_newline),
        cmocka_unit_test(a_byte_order_mark_is_passed_over),
        cmocka_unit_test(every_wrong_line_is_told_and_reading_goes_on),
        cmocka_unit_test(a_line_of_the_greatest_length_is_read_whole),
        cmocka_unit_test(a_longer_line_is_told_and_not_cut),
        cmocka_unit_test(a_nul_byte_is_told),
        cmocka_unit_test(the_reader_can_stop),
        cmocka_unit_test(a_file_is_read),
        cmocka_unit_test(a_missing_file_is_told_by_name),
        cmocka_unit_test(a_folder_and_a_fifo_are_refused_without_blocking),
        cmocka_unit_test(a_huge_file_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
