/* SPDX-License-Identifier: MIT */
#include "client/options.h"

#include <errno.h>
#include <string.h>

#include "tests/test.h"

enum { ARGUMENTS_MAX = 40 };

/* Parse @line, split at spaces; the words live as long as @line. */
static int parse(char *line, struct options *ret, struct fault *fault) {
    char *argv[ARGUMENTS_MAX] = { NULL }, *rest = line, *word;
    int argc = 1;

    while ((word = strsep(&rest, " ")))
        argv[argc++] = word;
    return options_parse(argc, argv, ret, fault);
}

static int check(char *line, const char *command, struct fault *fault) {
    char *argv[ARGUMENTS_MAX] = { NULL }, *rest = line, *word;
    int argc = 1;

    while ((word = strsep(&rest, " ")))
        argv[argc++] = word;
    return options_check(argc, argv, command, fault);
}

static void options_and_words_come_in_any_order(void **state) {
    char line[] =
        "--socket=/a watch --label car --label dog --min-confidence 0.5 --scores --count 3";
    struct options options;

    assert_int_equal(parse(line, &options, NULL), 0);
    assert_string_equal(options.socket, "/a");
    assert_int_equal(options.n_words, 1);
    assert_string_equal(options.words[0], "watch");
    assert_int_equal(options.labels.n, 2);
    assert_string_equal(options.labels.items[1], "dog");
    assert_true(options.min_confidence == 0.5);
    assert_true(options.scores);
    assert_true(options.count == 3);
}

static void the_socket_is_the_argument_then_the_environment_then_the_default(void **state) {
    char plain[] = "status", named[] = "status --socket /named";
    struct options options;

    assert_int_equal(unsetenv("LOOKOUT_SOCKET"), 0);
    assert_int_equal(parse(plain, &options, NULL), 0);
    assert_string_equal(options.socket, "/run/lookoutd.sock");
    assert_int_equal(setenv("LOOKOUT_SOCKET", "/environment", 1), 0);
    assert_int_equal(parse(plain, &options, NULL), 0);
    assert_string_equal(options.socket, "/environment");
    assert_int_equal(parse(named, &options, NULL), 0);
    assert_string_equal(options.socket, "/named");
}

static void two_dashes_end_the_options(void **state) {
    char line[] = "call -- --json";
    struct options options;

    assert_int_equal(parse(line, &options, NULL), 0);
    assert_false(options.json);
    assert_int_equal(options.n_words, 2);
    assert_string_equal(options.words[1], "--json");
}

static void wrong_arguments_are_refused_with_a_reason(void **state) {
    static const char *const cases[][2] = {
        { "--bogus", "unknown option --bogus" },
        { "-x", "unknown option -x" },
        { "--jso", "unknown option --jso" },
        { "--json=1", "--json takes no value" },
        { "--socket", "--socket needs PATH behind it" },
        { "--socket=", "--socket takes PATH" },
        { "--label=", "--label takes a name" },
        { "--min-confidence 1.5", "--min-confidence takes a number from 0 to 1, not `1.5`" },
        { "--min-confidence nan", "--min-confidence takes a number from 0 to 1, not `nan`" },
        { "--min-confidence 1x", "--min-confidence takes a number from 0 to 1, not `1x`" },
        { "--count 0", "--count takes a number from 1 to 1e+09, not `0`" },
        { "--count 1.5", "--count takes a whole number, not `1.5`" },
        { "--for -1", "--for takes a number from 0.1 to 1e+09, not `-1`" },
        { "a b c d e f g h i", "too many words, from `i` on" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fault fault = { "" };
        struct options options;
        char line[64];
        (void) snprintf(line, sizeof(line), "%s", cases[i][0]); /* all are short */
        assert_int_equal(parse(line, &options, &fault), -EINVAL);
        assert_string_equal(fault.text, cases[i][1]);
    }
}

static void a_name_too_often_is_refused(void **state) {
    char line[1024] = "watch";
    struct options options;

    for (size_t i = 0; i <= OPTION_NAMES_MAX; i++)
        (void) strcat(line, " --task=x"); /* 17 times 9 characters */
    assert_int_equal(parse(line, &options, NULL), -EINVAL);
}

static void an_option_of_another_command_is_refused(void **state) {
    struct fault fault = { "" };
    char wrong[] = "status --label car", right[] = "watch --label --sensor --json";

    assert_int_equal(check(wrong, "status", &fault), -EINVAL);
    assert_string_equal(fault.text, "`status` has no option --label");
    assert_int_equal(check(right, "watch", &fault), 0); /* --sensor is the label's name here */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_and_words_come_in_any_order),
        cmocka_unit_test(the_socket_is_the_argument_then_the_environment_then_the_default),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(wrong_arguments_are_refused_with_a_reason),
        cmocka_unit_test(a_name_too_often_is_refused),
        cmocka_unit_test(an_option_of_another_command_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
