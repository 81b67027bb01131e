/* SPDX-License-Identifier: MIT */
/* The wire: framing by NUL or newline, pieces, limits, and what is no call. */
#include "daemon/varlink.h"

#include <errno.h>
#include <string.h>

#include "tests/test.h"

/* Give all of @bytes that the reader takes, in pieces of @n_piece; messages that come out are
 * written to @said, each in <>. Returns 0, or the reader's error. */
static int feed(struct varlink_reader *reader, const char *bytes, size_t n_bytes, size_t n_piece,
                char said[4096]) {
    size_t n_said = strlen(said);
    int r = 0;

    while (n_bytes > 0) {
        const char *message;
        void *room;
        size_t n_room, n;

        assert_int_equal(varlink_reader_room(reader, &room, &n_room), 0);
        assert_true(n_room > 0);
        n = n_room < n_piece ? n_room : n_piece;
        n = n < n_bytes ? n : n_bytes;
        memcpy(room, bytes, n);
        varlink_reader_filled(reader, n);
        bytes += n;
        n_bytes -= n;
        while ((r = varlink_reader_next(reader, &message, &n)) > 0)
            n_said += (size_t) snprintf(said + n_said, 4096 - n_said, "<%.*s>", (int) n, message);
        if (r < 0)
            return r;
    }
    return r;
}

static void expect_messages(const char *bytes, size_t n_bytes, const char *expected) {
    for (size_t n_piece = 1; n_piece <= n_bytes; n_piece++) {
        _cleanup_(varlink_reader_freep) struct varlink_reader *reader = NULL;
        char said[4096] = "";

        assert_int_equal(varlink_reader_new(&reader), 0);
        assert_int_equal(feed(reader, bytes, n_bytes, n_piece, said), 0);
        assert_string_equal(said, expected);
    }
}

#define EXPECT_MESSAGES(bytes, expected) expect_messages(bytes, sizeof(bytes) - 1, expected)

static void messages_end_with_nul_however_they_are_cut(void **state) {
    (void) state;
    EXPECT_MESSAGES("{\"method\":\"a\"}\0{\"method\":\"b\"}\0{\"half",
                    "<{\"method\":\"a\"}><{\"method\":\"b\"}>");
    EXPECT_MESSAGES("{\n \"method\":\n\"a\"}\n\0{\"x\":1}\n\0",
                    "<{\n \"method\":\n\"a\"}\n><{\"x\":1}\n>");
}

static void a_whole_object_before_the_first_newline_makes_it_newline_mode(void **state) {
    (void) state;
    EXPECT_MESSAGES("{\"method\":\"a\"}\n\n\r\n{\"method\":\"b\"}\r\n{\"half",
                    "<{\"method\":\"a\"}><{\"method\":\"b\"}\r>");
}

static void the_mode_holds_both_ways_and_for_good(void **state) {
    _cleanup_(varlink_reader_freep) struct varlink_reader *lines = NULL, *nuls = NULL;
    char said[4096] = "";

    (void) state;
    assert_int_equal(varlink_reader_new(&lines), 0);
    assert_int_equal(varlink_reader_new(&nuls), 0);
    assert_int_equal(varlink_reader_terminator(lines), '\0');
    assert_int_equal(feed(lines, "{}\n", 3, 3, said), 0);
    assert_int_equal(varlink_reader_terminator(lines), '\n');
    assert_int_equal(feed(nuls, "{}\0{}\n", 6, 6, said), 0);
    assert_int_equal(varlink_reader_terminator(nuls), '\0');
    assert_true(varlink_reader_is_half(nuls));
    assert_false(varlink_reader_is_half(lines));
}

static void garbage_is_refused_at_its_first_byte(void **state) {
    static const char *const garbage[] = { "GET / HTTP/1.1\r\n", "\x80\x81", "[1,2]", "  \"text\"",
                                           "null\n" };

    (void) state;
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        _cleanup_(varlink_reader_freep) struct varlink_reader *reader = NULL;
        char said[4096] = "";

        assert_int_equal(varlink_reader_new(&reader), 0);
        assert_int_equal(feed(reader, garbage[i], strlen(garbage[i]), 64, said), -EBADMSG);
    }
}

static void a_message_of_a_hundred_megabytes_is_refused_early(void **state) {
    enum { MESSAGE_BYTES = 100 << 20 };
    _cleanup_(varlink_reader_freep) struct varlink_reader *reader = NULL;
    static char piece[4096];
    char said[4096] = "";
    size_t n_sent = 1;
    int r;

    (void) state;
    memset(piece, ' ', sizeof(piece));
    assert_int_equal(varlink_reader_new(&reader), 0);
    assert_int_equal(feed(reader, "{", 1, 1, said), 0);
    while ((r = feed(reader, piece, sizeof(piece), sizeof(piece), said)) == 0 &&
           n_sent < MESSAGE_BYTES)
        n_sent += sizeof(piece);
    assert_int_equal(r, -EMSGSIZE);
    assert_true(n_sent <= VARLINK_MESSAGE_BYTES_MAX + sizeof(piece));
}

static void the_largest_message_still_passes(void **state) {
    _cleanup_(varlink_reader_freep) struct varlink_reader *reader = NULL;
    _cleanup_(freep) char *bytes = malloc(VARLINK_MESSAGE_BYTES_MAX + 1);
    char said[4096] = "";

    (void) state;
    assert_non_null(bytes);
    memset(bytes, ' ', VARLINK_MESSAGE_BYTES_MAX);
    bytes[0] = '{';
    bytes[VARLINK_MESSAGE_BYTES_MAX - 1] = '}';
    bytes[VARLINK_MESSAGE_BYTES_MAX] = '\0';
    assert_int_equal(varlink_reader_new(&reader), 0);
    assert_int_equal(feed(reader, bytes, VARLINK_MESSAGE_BYTES_MAX + 1, 4096, said), 0);
    assert_true(said[0] == '<');
}

static void a_call_has_a_method_parameters_and_flags(void **state) {
    static const char text[] =
        "{\"method\":\"org.x.Y\",\"parameters\":{\"a\":1},\"more\":true,\"oneway\":false}";
    _cleanup_(varlink_call_clear) struct varlink_call call = { 0 };
    struct fault fault;

    (void) state;
    assert_int_equal(varlink_call_read(text, sizeof(text) - 1, &call, &fault), 0);
    assert_string_equal(call.method, "org.x.Y");
    assert_int_equal(json_integer_value(json_object_get(call.parameters, "a")), 1);
    assert_true(call.more);
    assert_false(call.oneway);
}

static void a_call_without_parameters_has_an_empty_object(void **state) {
    static const char *const texts[] = { "{\"method\":\"a.b\"}",
                                         "{\"method\":\"a.b\",\"parameters\":null}" };

    (void) state;
    for (size_t i = 0; i < 2; i++) {
        _cleanup_(varlink_call_clear) struct varlink_call call = { 0 };
        struct fault fault;

        assert_int_equal(varlink_call_read(texts[i], strlen(texts[i]), &call, &fault), 0);
        assert_int_equal(json_object_size(call.parameters), 0);
    }
}

static void what_is_no_call_is_refused_with_a_reason(void **state) {
    static const char *const texts[][2] = {
        { "{}", "\"method\" is missing or no string" },
        { "{\"method\":5}", "\"method\" is missing or no string" },
        { "{\"method\":\"a\",\"parameters\":[]}", "\"parameters\" is no object" },
        { "{\"method\":\"a\",\"more\":1}", "\"more\" must be true or false" },
        { "{\"method\":\"a\",\"oneway\":\"yes\"}", "\"oneway\" must be true or false" },
        { "{\"method\":\"a\",\"method\":\"b\"}", "not a JSON object: duplicate object key" },
        { "{\"method\":\"a\"} x", "not a JSON object: end of file expected" },
        { "{\"method\":\"\\u0000\"}", "not a JSON object" },
        { "{\"a\":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]}", "nested deeper than 16" },
        { "[]", "not a JSON object" },
    };

    (void) state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct varlink_call call = { 0 };
        struct fault fault = { "" };

        assert_int_equal(varlink_call_read(texts[i][0], strlen(texts[i][0]), &call, &fault),
                         -EBADMSG);
        assert_int_equal(strncmp(fault.text, texts[i][1], strlen(texts[i][1])), 0);
    }
}

static void brackets_inside_strings_do_not_nest(void **state) {
    static const char text[] = "{\"method\":\"[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[{{{{\"}";
    _cleanup_(varlink_call_clear) struct varlink_call call = { 0 };
    struct fault fault;

    (void) state;
    assert_int_equal(varlink_call_read(text, sizeof(text) - 1, &call, &fault), 0);
}

static void answers_are_compact_json(void **state) {
    _cleanup_(message_unrefp) struct message *reply =
                                                 varlink_reply(json_pack("{s:f}", "x", 0.1), true),
                                             *empty = varlink_reply(NULL, false),
                                             *error = varlink_error("a.B",
                                                                    json_pack("{s:s}", "why", "c"));

    (void) state;
    assert_string_equal(reply->text, "{\"parameters\":{\"x\":0.1},\"continues\":true}");
    assert_string_equal(empty->text, "{\"parameters\":{}}");
    assert_string_equal(error->text, "{\"error\":\"a.B\",\"parameters\":{\"why\":\"c\"}}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_end_with_nul_however_they_are_cut),
        cmocka_unit_test(a_whole_object_before_the_first_newline_makes_it_newline_mode),
        cmocka_unit_test(the_mode_holds_both_ways_and_for_good),
        cmocka_unit_test(garbage_is_refused_at_its_first_byte),
        cmocka_unit_test(a_message_of_a_hundred_megabytes_is_refused_early),
        cmocka_unit_test(the_largest_message_still_passes),
        cmocka_unit_test(a_call_has_a_method_parameters_and_flags),
        cmocka_unit_test(a_call_without_parameters_has_an_empty_object),
        cmocka_unit_test(what_is_no_call_is_refused_with_a_reason),
        cmocka_unit_test(brackets_inside_strings_do_not_nest),
        cmocka_unit_test(answers_are_compact_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
