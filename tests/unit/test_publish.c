/* SPDX-License-Identifier: MIT */
/* What subscribers hear: the gap, what is kept, what comes; and the one that does not read. */
#include "daemon/publish_socket.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/test.h"

enum { LIMIT_BYTES = 20000, CLIENTS = 3 };

static const char boot[BOOT_ID_BYTES] = "boot";

/* A publisher with clients at both ends of socket pairs. */
struct fixture {
    sd_event *event;
    struct ring *ring;
    struct publish_socket *publisher;
    struct connection_handlers handlers;
    struct connection *connections[CLIENTS];
    struct subscription *subscriptions[CLIENTS];
    int far_ends[CLIENTS];
    int n_dead;
};

static void on_call(struct connection *connection, const struct varlink_call *call, void *user) {
    fail_msg("nobody calls here");
}

static void on_dead(struct connection *connection, void *user) {
    ((struct fixture *) user)->n_dead++;
}

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof(*f));

    f->handlers = (struct connection_handlers){ on_call, on_dead, f };
    assert_true(sd_event_new(&f->event) >= 0);
    assert_int_equal(ring_new(4, 0, &f->ring), 0);
    assert_int_equal(publish_socket_new(f->ring, LIMIT_BYTES, &f->publisher), 0);
    for (int i = 0; i < CLIENTS; i++) {
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(connection_new(f->event, fds[0], &f->handlers, &f->connections[i]), 0);
        f->far_ends[i] = fds[1];
    }
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;

    for (int i = 0; i < CLIENTS; i++) {
        subscription_free(f->subscriptions[i]);
        connection_free(f->connections[i]);
        (void) close(f->far_ends[i]);
    }
    publish_socket_free(f->publisher);
    ring_free(f->ring);
    sd_event_unref(f->event);
    free(f);
    return 0;
}

static void publish(struct fixture *f, const char *label, double confidence,
                    enum event_phase phase) {
    struct event event = { .phase = phase, .task = "yard", .confidence = confidence, .skew_ms = 1 };
    const struct event_context context = { boot, "sha", ring_next_sequence(f->ring) };

    (void) snprintf(event.label, sizeof(event.label), "%s", label);
    (void) snprintf(event.id, sizeof(event.id), "id-%s", label);
    assert_int_equal(publish_socket_event(f->publisher, &event, &context), 0);
}

static void subscribe(struct fixture *f, int client, const struct filter *filter, int64_t after) {
    const struct watch_request request = { .filter = *filter, .after = after };

    assert_int_equal(publish_socket_subscribe(f->publisher, f->connections[client], &request,
                                              "boot", &f->subscriptions[client]),
                     0);
}

/* All that the client has to read now, as "label,label ..." and "gap=N"; errors by their name. */
static void hear(struct fixture *f, int client, char said[4096]) {
    static char bytes[1 << 20];
    size_t n = 0;
    ssize_t got;

    while ((got = recv(f->far_ends[client], bytes + n, sizeof(bytes) - n, MSG_DONTWAIT)) > 0)
        n += (size_t) got;
    said[0] = '\0';
    for (const char *text = bytes; text < bytes + n && strlen(said) < 4000;
         text += strlen(text) + 1) {
        json_t *message = json_loads(text, 0, NULL),
               *parameters = json_object_get(message, "parameters");
        const char *label =
            json_string_value(json_object_get(json_object_get(parameters, "event"), "label"));
        const json_t *gap = json_object_get(parameters, "gap");
        char word[80] = "";

        if (label)
            (void) snprintf(word, sizeof(word), "%s ", label);
        else if (gap)
            (void) snprintf(word, sizeof(word), "gap=%d ", (int) json_integer_value(gap));
        else if (json_object_get(message, "error"))
            (void) snprintf(word, sizeof(word), "%s n=%d ",
                            json_string_value(json_object_get(message, "error")),
                            (int) json_integer_value(json_object_get(parameters, "n_dropped")));
        (void) strcat(said, word);
        json_decref(message);
    }
}

static void expect(struct fixture *f, int client, const char *expected) {
    char said[4096];

    hear(f, client, said);
    assert_string_equal(said, expected);
}

static void a_new_subscriber_hears_what_comes(void **state) {
    struct fixture *f = *state;

    publish(f, "before", 1, EVENT_BEGIN);
    subscribe(f, 0, &(struct filter){ 0 }, -1);
    publish(f, "a", 1, EVENT_BEGIN);
    publish(f, "b", 1, EVENT_BEGIN);
    expect(f, 0, "gap=0 a b ");
}

static void a_cursor_brings_what_is_kept_and_counts_what_is_gone(void **state) {
    static const char *const labels[] = { "a", "b", "c", "d", "e", "f" };
    struct fixture *f = *state;

    for (int i = 0; i < 6; i++)
        publish(f, labels[i], 1, EVENT_BEGIN);
    subscribe(f, 0, &(struct filter){ 0 }, 0);
    subscribe(f, 1, &(struct filter){ 0 }, 4);
    publish(f, "g", 1, EVENT_BEGIN);
    expect(f, 0, "gap=2 c d e f g ");
    expect(f, 1, "gap=0 e f g ");
}

static void filters_count_for_what_is_kept_and_what_comes(void **state) {
    struct fixture *f = *state;
    struct filter dogs = { .n_labels = 1, .labels = { "dog" } },
                  other = { .n_tasks = 1, .tasks = { "gate" } };

    publish(f, "dog", 1, EVENT_BEGIN);
    publish(f, "car", 1, EVENT_BEGIN);
    subscribe(f, 0, &dogs, 0);
    subscribe(f, 1, &other, 0);
    publish(f, "dog", 1, EVENT_END);
    publish(f, "car", 1, EVENT_END);
    expect(f, 0, "gap=0 dog dog ");
    expect(f, 1, "gap=0 ");
}

static void who_hears_a_beginning_hears_the_end(void **state) {
    struct fixture *f = *state;
    struct filter sure = { .min_confidence = 0.8 };

    subscribe(f, 0, &sure, -1);
    publish(f, "dog", 0.7, EVENT_BEGIN);
    publish(f, "cat", 0.7, EVENT_BEGIN);
    publish(f, "dog", 0.9, EVENT_UPDATE);
    publish(f, "cat", 0.1, EVENT_END);
    publish(f, "dog", 0.1, EVENT_END);
    publish(f, "dog", 0.1, EVENT_BEGIN); /* another one */
    expect(f, 0, "gap=0 dog dog ");
}

static void one_that_does_not_read_is_dropped_and_the_others_hear_all(void **state) {
    struct fixture *f = *state;
    char said[4096];
    int n_heard = 0;

    subscribe(f, 0, &(struct filter){ 0 }, -1);
    subscribe(f, 1, &(struct filter){ 0 }, -1);
    expect(f, 1, "gap=0 ");
    for (int i = 0; i < 4000; i++) { /* more than the socket and the limit hold */
        publish(f, "x", 1, EVENT_UPDATE);
        hear(f, 1, said);
        n_heard += strcmp(said, "x ") == 0;
    }
    assert_int_equal(n_heard, 4000);
    assert_int_equal(publish_socket_counts(f->publisher).n_subscribers_dropped, 1);
    assert_int_equal(publish_socket_counts(f->publisher).n_subscribers, 1);
    assert_true(connection_n_waiting(f->connections[0]) < LIMIT_BYTES);
}

static void the_dropped_one_reads_how_much_it_lost(void **state) {
    struct fixture *f = *state;
    char said[4096], all[64] = "";

    subscribe(f, 0, &(struct filter){ 0 }, -1);
    while (publish_socket_counts(f->publisher).n_subscribers == 1)
        publish(f, "x", 1, EVENT_UPDATE);
    for (int i = 0; i < 1000 && f->n_dead == 0; i++) {
        hear(f, 0, said);
        if (strstr(said, "TooSlow"))
            (void) snprintf(all, sizeof(all), "%.60s", strstr(said, "TooSlow"));
        assert_true(sd_event_run(f->event, 1000) >= 0);
    }
    hear(f, 0, said);
    if (strstr(said, "TooSlow"))
        (void) snprintf(all, sizeof(all), "%.60s", strstr(said, "TooSlow"));
    assert_int_equal(f->n_dead, 1);
    assert_int_equal(atoi(strstr(all, "n=") + 2),
                     publish_socket_counts(f->publisher).n_messages_dropped);
    assert_true(publish_socket_counts(f->publisher).n_messages_dropped > 1);
}

static void listing_gives_the_newest_in_order(void **state) {
    struct fixture *f = *state;
    _cleanup_(freep) char *text = NULL;
    json_t *list;

    publish(f, "a", 1, EVENT_BEGIN);
    publish(f, "b", 1, EVENT_BEGIN);
    publish(f, "c", 1, EVENT_BEGIN);
    text = publish_list_events(f->ring, &(struct filter){ 0 }, 0, 2);
    list = json_loads(text, 0, NULL);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "label")), "b");
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "label")), "c");
    json_decref(list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_new_subscriber_hears_what_comes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cursor_brings_what_is_kept_and_counts_what_is_gone,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(filters_count_for_what_is_kept_and_what_comes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_hears_a_beginning_hears_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_does_not_read_is_dropped_and_the_others_hear_all,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_dropped_one_reads_how_much_it_lost, set_up, tear_down),
        cmocka_unit_test_setup_teardown(listing_gives_the_newest_in_order, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
