/* SPDX-License-Identifier: MIT */
/* Each MESSAGE_ID is its own, and the catalog explains all of them. */
#include "daemon/journal.h"

#include <string.h>

#include "common/cleanup.h"
#include "tests/test.h"

enum { CATALOG_BYTES_MAX = 1 << 16 };

static void every_message_id_is_its_own(void **state) {
    (void) state;
    for (int kind = 0; kind < JOURNAL_KINDS; kind++) {
        assert_int_equal(strspn(journal_message_id(kind), "0123456789abcdef"), 32);
        assert_int_equal(strlen(journal_message_id(kind)), 32);
        for (int other = 0; other < kind; other++)
            assert_string_not_equal(journal_message_id(kind), journal_message_id(other));
    }
}

static void the_catalog_explains_every_message_id_and_no_other(void **state) {
    char path[TEST_PATH_BYTES];
    _cleanup_(freep) char *catalog = calloc(1, CATALOG_BYTES_MAX);
    FILE *from = fopen(source_path("systemd/lookoutd.catalog", path), "re");
    int n = 0;

    (void) state;
    assert_non_null(from);
    assert_non_null(catalog);
    assert_true(fread(catalog, 1, CATALOG_BYTES_MAX - 1, from) > 0);
    assert_int_equal(fclose(from), 0);
    for (int kind = 0; kind < JOURNAL_KINDS; kind++) {
        char entry[64];

        (void) snprintf(entry, sizeof(entry), "\n-- %s\nSubject: ", journal_message_id(kind));
        assert_non_null(strstr(catalog, entry));
    }
    for (const char *at = catalog; (at = strstr(at, "\n-- ")); at++)
        n++;
    assert_int_equal(n, JOURNAL_KINDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_message_id_is_its_own),
        cmocka_unit_test(the_catalog_explains_every_message_id_and_no_other),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
