/* SPDX-License-Identifier: MIT */
#include "common/fault.h"

#include <errno.h>
#include <string.h>

#include "tests/test.h"

static void the_sentence_is_written_and_the_error_handed_through(void **state) {
    struct fault fault = { "" };

    assert_int_equal(fault_set(&fault, -EBADMSG, "%s: line %d", "a.ini", 3), -EBADMSG);
    assert_string_equal(fault.text, "a.ini: line 3");
}

static void nobody_has_to_listen(void **state) {
    assert_int_equal(fault_set(NULL, -ENOTSUP, "%s", "unheard"), -ENOTSUP);
}

static void an_overlong_sentence_is_cut_and_terminated(void **state) {
    struct fault fault;

    (void) memset(&fault, 'x', sizeof(fault));
    assert_int_equal(fault_set(&fault, -EINVAL, "%01000d", 0), -EINVAL);
    assert_int_equal(strlen(fault.text), sizeof(fault.text) - 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sentence_is_written_and_the_error_handed_through),
        cmocka_unit_test(nobody_has_to_listen),
        cmocka_unit_test(an_overlong_sentence_is_cut_and_terminated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
