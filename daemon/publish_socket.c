/* SPDX-License-Identifier: MIT */
#include "daemon/publish_socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/journal.h"

enum { OPEN_EVENTS_MAX = 64 };

/* The answer to Watch that carries an event; the Event itself stands between these two. */
enum {
    EVENT_HEAD_BYTES = sizeof("{\"parameters\":{\"event\":") - 1,
    EVENT_TAIL_BYTES = sizeof("},\"continues\":true}") - 1,
};

struct subscription {
    struct publish_socket *publisher; /* NULL: ended */
    struct connection *connection;
    struct subscription *previous, *next;
    struct filter filter;
    bool scores;
    size_t catch_up_bytes; /* may wait beyond the limit: kept events, shared with the ring */
};

/* An event that has begun and not ended. */
struct open_event {
    char id[EVENT_ID_BYTES];
    double highest;
};

struct publish_socket {
    struct ring *ring;
    size_t subscriber_bytes_max;
    struct subscription *first;
    struct open_event open[OPEN_EVENTS_MAX];
    struct publish_counts counts;
};

int publish_socket_new(struct ring *ring, size_t subscriber_bytes_max,
                       struct publish_socket **ret) {
    struct publish_socket *publisher = calloc(1, sizeof(*publisher));

    if (!publisher)
        return -ENOMEM;
    publisher->ring = ring;
    publisher->subscriber_bytes_max = subscriber_bytes_max;
    *ret = publisher;
    return 0;
}

struct publish_socket *publish_socket_free(struct publish_socket *publisher) {
    free(publisher);
    return NULL;
}

void publish_socket_set_limit(struct publish_socket *publisher, size_t subscriber_bytes_max) {
    publisher->subscriber_bytes_max = subscriber_bytes_max;
}

static bool wants_task(const struct filter *filter, const char *task) {
    bool wanted = filter->n_tasks == 0;

    for (size_t i = 0; i < filter->n_tasks; i++)
        wanted = wanted || strcmp(filter->tasks[i], task) == 0;
    return wanted;
}

bool filter_passes(const struct filter *filter, const struct ring_event *event) {
    bool label = filter->n_labels == 0;

    for (size_t i = 0; i < filter->n_labels; i++)
        label = label || strcmp(filter->labels[i], event->label) == 0;
    return label && wants_task(filter, event->task) && event->confidence >= filter->min_confidence;
}

static void end(struct subscription *s) {
    if (!s->publisher)
        return;
    if (s->previous)
        s->previous->next = s->next;
    else
        s->publisher->first = s->next;
    if (s->next)
        s->next->previous = s->previous;
    s->publisher->counts.n_subscribers--;
    s->publisher = NULL;
}

struct subscription *subscription_free(struct subscription *s) {
    if (s)
        end(s);
    free(s);
    return NULL;
}

/* Tell it what it lost, and let it go. */
static void drop(struct subscription *s) {
    const unsigned n_dropped = connection_forget_waiting(s->connection) + 1;
    char pid[16];

    s->publisher->counts.n_subscribers_dropped++;
    s->publisher->counts.n_messages_dropped += n_dropped;
    (void) snprintf(pid, sizeof(pid), "%d", (int) connection_peer(s->connection)->pid);
    journal_send(LOG_WARNING, JOURNAL_SUBSCRIBER_DROPPED, JOURNAL_FIELDS({ "CLIENT_PID", pid }),
                 "subscriber dropped: process %s reads too slowly, %u messages lost", pid,
                 n_dropped);
    end(s);
    connection_send(s->connection, varlink_error("org.lookoutd.Lookout1.TooSlow",
                                                 json_pack("{s:i}", "n_dropped", (int) n_dropped)));
    connection_set_streaming(s->connection, false);
    connection_finish(s->connection);
}

/* Takes over one reference of @message. A single message may always wait, however large. */
static void say(struct subscription *s, struct message *message) {
    const size_t n_waiting = connection_n_waiting(s->connection),
                 n_max = s->publisher->subscriber_bytes_max;

    if (n_waiting < n_max)
        s->catch_up_bytes = 0; /* it has caught up */
    if (n_waiting > 0 && n_waiting + message->n_bytes > n_max + s->catch_up_bytes) {
        message_unref(message);
        drop(s);
        return;
    }
    connection_send(s->connection, message);
}

/* The first answer: a cursor that stands before all that follows, and what is gone before it. */
static struct message *start_message(const struct ring *ring, int64_t after, const char *boot) {
    const int64_t gap = after < 0 ? 0 : ring_gap(ring, after);
    const int64_t sequence = after < 0 ? ring_next_sequence(ring) - 1 : after + gap;

    return varlink_reply(json_pack("{s:I, s:s, s:I}", "gap", (json_int_t) gap, "boot_id", boot,
                                   "sequence", (json_int_t) sequence),
                         true);
}

int publish_socket_subscribe(struct publish_socket *publisher, struct connection *connection,
                             const struct watch_request *request, const char *boot,
                             struct subscription **ret) {
    struct subscription *s = calloc(1, sizeof(*s));
    const struct ring_event *event;
    int64_t after = request->after;

    if (!s)
        return -ENOMEM;
    *s = (struct subscription){ .publisher = publisher,
                                .connection = connection,
                                .next = publisher->first,
                                .filter = request->filter,
                                .scores = request->scores };
    if (publisher->first)
        publisher->first->previous = s;
    publisher->first = s;
    publisher->counts.n_subscribers++;
    connection_set_streaming(connection, true);
    connection_send(connection, start_message(publisher->ring, after, boot));
    for (; after >= 0 && (event = ring_after(publisher->ring, after)); after = event->sequence)
        if (filter_passes(&s->filter, event))
            connection_send(connection, message_ref(event->message));
    s->catch_up_bytes = connection_n_waiting(connection);
    *ret = s;
    return 0;
}

/* The highest confidence of this event so far; min_confidence goes by it, so that who hears of a
 * beginning also hears of the end. */
static double highest_confidence(struct publish_socket *publisher, const struct event *event) {
    struct open_event *open = NULL, *unused = &publisher->open[0];

    for (size_t i = 0; i < OPEN_EVENTS_MAX; i++)
        if (strcmp(publisher->open[i].id, event->id) == 0)
            open = &publisher->open[i];
        else if (publisher->open[i].id[0] == '\0')
            unused = &publisher->open[i];
    if (!open) {
        open = unused;
        *open = (struct open_event){ .highest = event->confidence };
        memcpy(open->id, event->id, sizeof(open->id));
    }
    if (event->confidence > open->highest)
        open->highest = event->confidence;
    if (event->phase == EVENT_END)
        open->id[0] = '\0';
    return open->highest;
}

/* All subscribers hear the same text. @event is NULL for what passes every filter. */
static void say_to_all(struct publish_socket *publisher, struct message *message,
                       const struct ring_event *event) {
    struct subscription *next;

    for (struct subscription *s = publisher->first; s; s = next) {
        next = s->next;
        if (!event || filter_passes(&s->filter, event))
            say(s, message_ref(message));
    }
}

int publish_socket_event(struct publish_socket *publisher, const struct event *event,
                         const struct event_context *context) {
    struct ring_event kept = { .sequence = context->sequence, .phase = event->phase };

    kept.message = varlink_reply(json_pack("{s:o}", "event", event_json(event, context)), true);
    if (!kept.message)
        return -ENOMEM;
    memcpy(kept.task, event->task, sizeof(kept.task));
    memcpy(kept.label, event->label, sizeof(kept.label));
    kept.confidence = highest_confidence(publisher, event);
    kept.json_at = EVENT_HEAD_BYTES;
    kept.json_n_bytes = kept.message->n_bytes - EVENT_HEAD_BYTES - EVENT_TAIL_BYTES;
    publisher->counts.n_events++;
    ring_add(publisher->ring, &kept);
    say_to_all(publisher, kept.message, &kept);
    return 0;
}

int publish_socket_change(struct publish_socket *publisher, const struct sensor_status *sensor,
                          const struct event_context *context) {
    _cleanup_(message_unrefp) struct message *message = NULL;

    if (!publisher->first)
        return 0;
    message =
        varlink_reply(json_pack("{s:o}", "sensor_change", change_json(sensor, context)), true);
    if (!message)
        return -ENOMEM;
    say_to_all(publisher, message, NULL);
    return 0;
}

int publish_socket_scores(struct publish_socket *publisher, const struct scores *scores,
                          const char *boot) {
    _cleanup_(message_unrefp) struct message *message = NULL;
    struct subscription *next;

    for (struct subscription *s = publisher->first; s; s = next) {
        next = s->next;
        if (!s->scores || !wants_task(&s->filter, scores->task))
            continue;
        if (!message) /* nobody may have asked */
            message = varlink_reply(json_pack("{s:s, s:o, s:o}", "task", scores->task, "at",
                                              instant_json(scores->at_ns, boot), "scores",
                                              scores_json(scores->bundle, scores->values)),
                                    true);
        if (!message)
            return -ENOMEM;
        say(s, message_ref(message));
    }
    return 0;
}

struct publish_counts publish_socket_counts(const struct publish_socket *publisher) {
    return publisher->counts;
}

char *publish_list_events(const struct ring *ring, const struct filter *filter, int64_t after,
                          size_t n_max) {
    char *text = NULL;
    size_t n_bytes, n_passing = 0, i = 0;
    FILE *to = open_memstream(&text, &n_bytes);
    const struct ring_event *event;

    if (!to)
        return NULL;
    for (int64_t at = after; (event = ring_after(ring, at)); at = event->sequence)
        n_passing += filter_passes(filter, event);
    fputc('[', to);
    for (int64_t at = after; (event = ring_after(ring, at)); at = event->sequence) {
        if (!filter_passes(filter, event) || n_passing - i++ > n_max)
            continue; /* the newest are wanted */
        (void) fprintf(to, "%s%.*s", ftell(to) > 1 ? "," : "", (int) event->json_n_bytes,
                       event->message->text + event->json_at);
    }
    fputc(']', to);
    if (fclose(to) == 0)
        return text;
    free(text);
    return NULL;
}
