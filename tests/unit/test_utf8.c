/* SPDX-License-Identifier: MIT */
#include "common/utf8.h"

#include <string.h>

#include "tests/test.h"

static bool is_valid(const char *text) {
    return utf8_is_valid(text, strlen(text));
}

static void text_of_all_lengths_is_valid(void **state) {
    assert_true(is_valid(""));
    assert_true(is_valid("dog \x7f"));
    assert_true(is_valid("\xc2\x80 h\xc3\xa9 \xdf\xbf"));
    assert_true(is_valid("\xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf"));
    assert_true(is_valid("\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"));
}

static void what_rfc_3629_rules_out_is_not(void **state) {
    static const char *const texts[] = {
        "\x80",             /* a continuation alone */
        "\xc1\xbf",         /* longer than need be */
        "\xe0\x9f\xbf",     /* the same */
        "\xf0\x8f\xbf\xbf", /* the same */
        "\xed\xa0\x80",     /* a surrogate */
        "\xf4\x90\x80\x80", /* past U+10FFFF */
        "\xf5\x80\x80\x80", /* the same */
        "\xff",             /* never */
        "\xc3z",            /* no continuation */
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        assert_false(is_valid(texts[i]));
}

static void half_a_character_is_not(void **state) {
    static const char euro[] = "\xe2\x82\xac", clef[] = "\xf0\x9d\x84\x9e";

    for (size_t n = 1; n < 3; n++)
        assert_false(utf8_is_valid(euro, n));
    for (size_t n = 1; n < 4; n++)
        assert_false(utf8_is_valid(clef, n));
    assert_true(utf8_is_valid(euro, 3) && utf8_is_valid(clef, 4));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_of_all_lengths_is_valid),
        cmocka_unit_test(what_rfc_3629_rules_out_is_not),
        cmocka_unit_test(half_a_character_is_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
