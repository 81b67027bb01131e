/* SPDX-License-Identifier: MIT */
/* The far end of a socket pair plays a daemon that splits, merges, lies, and goes away. */
#include "client/connection.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client/field.h"
#include "common/units.h"
#include "tests/test.h"

struct pair {
    struct connection *connection;
    int far_fd;
};

static int set_up(void **state) {
    static struct pair pair;
    int fds[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
        return -1;
    pair.far_fd = fds[1];
    *state = &pair;
    return connection_adopt(fds[0], &pair.connection);
}

static int tear_down(void **state) {
    struct pair *pair = *state;

    pair->connection = connection_free(pair->connection);
    if (pair->far_fd >= 0)
        (void) close(pair->far_fd); /* nothing to lose */
    return 0;
}

/* The far end says @n bytes of @text. */
static void say(const struct pair *pair, const char *text, size_t n) {
    assert_int_equal(write(pair->far_fd, text, n), n);
}

static void hang_up(struct pair *pair) {
    assert_int_equal(close(pair->far_fd), 0);
    pair->far_fd = -1;
}

static int receive(const struct pair *pair, struct reply *ret, struct fault *fault) {
    return connection_receive(pair->connection, now_ns() + 50 * NS_PER_MS, -1, ret, fault);
}

static void a_call_is_one_json_object_ended_by_nul(void **state) {
    const struct pair *pair = *state;
    const struct call plain = { .method = "Status" };
    const struct call other = { .method = "org.varlink.service.GetInfo", .more = true };
    char text[256];

    assert_int_equal(connection_send(pair->connection, &plain, NULL), 0);
    assert_int_equal(read(pair->far_fd, text, sizeof(text)), 42);
    assert_string_equal(text, "{\"method\":\"org.lookoutd.Lookout1.Status\"}");
    assert_int_equal(connection_send(pair->connection, &other, NULL), 0);
    assert_true(read(pair->far_fd, text, sizeof(text)) > 0);
    assert_string_equal(text, "{\"method\":\"org.varlink.service.GetInfo\",\"more\":true}");
}

static void descriptors_go_with_the_call(void **state) {
    const struct pair *pair = *state;
    int fds[2], got[2];
    const struct call call = { .method = "Record", .fds = fds, .n_fds = 2 };
    union {
        char bytes[CMSG_SPACE(sizeof(got))];
        struct cmsghdr align;
    } control;
    char text[256];
    struct iovec data = { .iov_base = text, .iov_len = sizeof(text) };
    struct msghdr message = { .msg_iov = &data,
                              .msg_iovlen = 1,
                              .msg_control = control.bytes,
                              .msg_controllen = sizeof(control.bytes) };

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(connection_send(pair->connection, &call, NULL), 0);
    assert_true(recvmsg(pair->far_fd, &message, MSG_CMSG_CLOEXEC) > 0);
    assert_non_null(CMSG_FIRSTHDR(&message));
    assert_int_equal(CMSG_FIRSTHDR(&message)->cmsg_len, CMSG_LEN(sizeof(got)));
    (void) memcpy(got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(got));
    assert_int_equal(write(got[1], "x", 1), 1);
    assert_int_equal(read(fds[0], text, 1), 1); /* the same pipe */
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(close(fds[i]), 0);
        assert_int_equal(close(got[i]), 0);
    }
}

static void a_reply_may_come_byte_by_byte(void **state) {
    static const char text[] = "{\"parameters\":{\"pid\":7},\"continues\":true}";
    const struct pair *pair = *state;
    struct reply reply = { 0 };

    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        say(pair, text + i, 1);
        assert_int_equal(connection_receive(pair->connection, now_ns(), -1, &reply, NULL), 0);
    }
    say(pair, "", 1);
    assert_int_equal(receive(pair, &reply, NULL), 1);
    assert_int_equal(field_integer(reply.parameters, "pid"), 7);
    assert_true(reply.continues);
    assert_null(reply.error);
    reply_clear(&reply);
}

static void replies_that_come_at_once_are_taken_one_by_one(void **state) {
    static const char text[] = "{\"parameters\":{\"n\":1}}\0{\"parameters\":{\"n\":2}}";
    const struct pair *pair = *state;

    say(pair, text, sizeof(text));
    for (int i = 1; i <= 2; i++) {
        struct reply reply = { 0 };
        assert_int_equal(receive(pair, &reply, NULL), 1);
        assert_int_equal(field_integer(reply.parameters, "n"), i);
        reply_clear(&reply);
    }
}

static void garbage_is_no_varlink(void **state) {
    static const char *const texts[] = { "HTTP/1.1 200 OK",   "[1]", "7",
                                         "{\"a\":1,\"a\":2}", "",    "{\"a\":\"\xff\"}" };
    const struct pair *pair = *state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct reply reply = { 0 };
        struct fault fault = { "" };
        say(pair, texts[i], strlen(texts[i]) + 1);
        assert_int_equal(receive(pair, &reply, &fault), -EBADMSG);
        assert_non_null(strstr(fault.text, "does not speak Varlink"));
    }
}

static void a_daemon_that_goes_away_mid_reply_is_told_apart(void **state) {
    struct pair *pair = *state;
    struct reply reply = { 0 };
    struct fault fault = { "" };

    say(pair, "{\"param", 7);
    hang_up(pair);
    assert_int_equal(receive(pair, &reply, &fault), -ECONNRESET);
    assert_string_equal(fault.text, "lookoutd closed the connection");
}

static void a_daemon_that_goes_away_is_noticed_when_sending(void **state) {
    struct pair *pair = *state;
    const struct call call = { .method = "Status" };

    hang_up(pair);
    assert_int_equal(connection_send(pair->connection, &call, NULL), -ECONNRESET);
}

static void a_reply_without_end_is_refused(void **state) {
    const struct pair *pair = *state;
    enum { PIECE_BYTES = 32 << 10 };
    static char piece[PIECE_BYTES];
    struct reply reply = { 0 };
    int r = 0;

    (void) memset(piece, '{', sizeof(piece));
    for (size_t n = 0; r == 0 && n < 4 * (size_t) CONNECTION_REPLY_BYTES_MAX; n += PIECE_BYTES) {
        say(pair, piece, sizeof(piece));
        r = connection_receive(pair->connection, now_ns(), -1, &reply, NULL);
    }
    assert_int_equal(r, -EMSGSIZE);
}

static void waiting_ends_when_it_is_woken(void **state) {
    const struct pair *pair = *state;
    struct reply reply = { 0 };
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_int_equal(connection_receive(pair->connection, INT64_MAX, fds[0], &reply, NULL), -EINTR);
    assert_int_equal(close(fds[0]), 0);
    assert_int_equal(close(fds[1]), 0);
}

/* What the error reply @text is put into. */
static void assert_words(const struct pair *pair, const char *text, const char *words) {
    const struct call call = { .method = "X" };
    struct reply reply = { 0 };
    struct fault fault = { "" };

    say(pair, text, strlen(text) + 1);
    assert_int_equal(connection_call(pair->connection, &call, &reply, &fault), -EREMOTEIO);
    assert_string_equal(fault.text, words);
    reply_clear(&reply);
}

static void error_replies_are_put_in_words(void **state) {
    assert_words(
        *state,
        "{\"error\":\"org.lookoutd.Lookout1.NoSuchSensor\",\"parameters\":{\"name\":\"gate\"}}",
        "there is no sensor gate; `lookoutctl sensors` lists them");
    assert_words(*state,
                 "{\"error\":\"org.lookoutd.Lookout1.BadConfig\",\"parameters\":{\"errors\":[\"a:1:"
                 " x\",7,\"a:2: y\"]}}",
                 "the configuration is wrong; the old one goes on");
    assert_words(*state, "{\"error\":\"org.lookoutd.Lookout1.TooSlow\"}",
                 "lookoutd dropped this subscriber: it read too slowly, 0 lost");
    assert_words(*state, "{\"error\":\"com.example.Odd\",\"parameters\":[]}",
                 "lookoutd answered with the error com.example.Odd");
}

static void a_socket_that_is_not_there_is_explained(void **state) {
    struct connection *connection = NULL;
    struct fault fault = { "" };
    char path[200];

    assert_int_equal(connection_new("/nonexistent/l.sock", &connection, &fault), -EHOSTDOWN);
    assert_non_null(
        strstr(fault.text, "no lookoutd at /nonexistent/l.sock (no such socket); start it"));
    (void) memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(connection_new(path, &connection, &fault), -ENAMETOOLONG);
    assert_null(connection);
}

int main(void) {
#define PAIRED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PAIRED(a_call_is_one_json_object_ended_by_nul),
        PAIRED(descriptors_go_with_the_call),
        PAIRED(a_reply_may_come_byte_by_byte),
        PAIRED(replies_that_come_at_once_are_taken_one_by_one),
        PAIRED(garbage_is_no_varlink),
        PAIRED(a_daemon_that_goes_away_mid_reply_is_told_apart),
        PAIRED(a_daemon_that_goes_away_is_noticed_when_sending),
        PAIRED(a_reply_without_end_is_refused),
        PAIRED(waiting_ends_when_it_is_woken),
        PAIRED(error_replies_are_put_in_words),
        cmocka_unit_test(a_socket_that_is_not_there_is_explained),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
