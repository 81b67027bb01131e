/* SPDX-License-Identifier: MIT */
/* lookoutd.ini(5) lists the settings as the table has them; LOOKOUT_WRITE=1 brings it up to date.
 */
#include <string.h>

#include "common/cleanup.h"
#include "config/describe.h"
#include "tests/test.h"

enum { PAGE_BYTES_MAX = 1 << 18 };

static const char page_path[] = "docs/man/lookoutd.ini.5";
static const char begin_mark[] = ".\\\" settings begin";
static const char end_mark[] = ".\\\" settings end";

static char *read_page(void) {
    char path[TEST_PATH_BYTES];
    FILE *const file = fopen(source_path(page_path, path), "r");
    char *const page = calloc(1, PAGE_BYTES_MAX);

    assert_non_null(file);
    assert_non_null(page);
    assert_true(fread(page, 1, PAGE_BYTES_MAX - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    return page;
}

static char *keys_of_the_table(void) {
    char *text = NULL;
    size_t n_bytes = 0;
    FILE *const file = open_memstream(&text, &n_bytes);

    assert_non_null(file);
    describe_man(file);
    assert_int_equal(fclose(file), 0);
    return text;
}

/* Where the list of keys begins (behind the line of the mark) and ends in @page. */
static void find_list(char *page, char **ret_begin, char **ret_end) {
    char *begin = strstr(page, begin_mark);

    assert_non_null(begin);
    begin = strchr(begin, '\n');
    assert_non_null(begin);
    *ret_begin = begin + 1;
    *ret_end = strstr(begin, end_mark);
    assert_non_null(*ret_end);
}

static void write_page(const char *page, const char *begin, const char *keys, const char *end) {
    char path[TEST_PATH_BYTES];
    FILE *const file = fopen(source_path(page_path, path), "w");

    assert_non_null(file);
    assert_true(fprintf(file, "%.*s%s%s", (int) (begin - page), page, keys, end) > 0);
    assert_int_equal(fclose(file), 0);
}

static void the_page_lists_every_setting_as_the_table_has_it(void **state) {
    _cleanup_(freep) char *page = read_page();
    _cleanup_(freep) char *keys = keys_of_the_table();
    char *begin, *end;

    find_list(page, &begin, &end);
    if (getenv("LOOKOUT_WRITE")) {
        write_page(page, begin, keys, end);
        return;
    }
    *end = '\0';
    assert_string_equal(begin, keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_lists_every_setting_as_the_table_has_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
