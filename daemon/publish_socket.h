/* SPDX-License-Identifier: MIT */
/*
 * publish_socket - what is said on the socket to those who watch.
 *
 * A subscriber that reads too slowly gets TooSlow with the number of messages it
 * lost and is dropped; the others notice nothing. Main thread only.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/connection.h"
#include "daemon/event_json.h"
#include "daemon/ring.h"

struct publish_socket;

enum { FILTER_NAMES_MAX = 32 };

/** What a subscriber wants; plain, made from the parameters of Watch or ListEvents. */
struct filter {
    size_t n_tasks, n_labels; /* 0: all */
    char tasks[FILTER_NAMES_MAX][NAME_BYTES];
    char labels[FILTER_NAMES_MAX][BUNDLE_NAME_BYTES];
    double min_confidence;
};

/** Whether @event passes. */
bool filter_passes(const struct filter *filter, const struct ring_event *event);

/** Make a publisher that keeps events in @ring, which must outlive it. Returns 0, -ENOMEM. */
int publish_socket_new(struct ring *ring, size_t subscriber_bytes_max, struct publish_socket **ret);

/** NULL is allowed. Returns NULL. Its subscriptions end with their connections. */
struct publish_socket *publish_socket_free(struct publish_socket *publisher);
DEFINE_CLEANUP(struct publish_socket *, publish_socket_free)

void publish_socket_set_limit(struct publish_socket *publisher, size_t subscriber_bytes_max);

struct subscription;

/** What Watch asked for. */
struct watch_request {
    struct filter filter;
    int64_t after; /* the cursor's sequence; -1: only what comes */
    bool scores;
};

/**
 * From now on stream to @connection: first where the stream begins and how many events after the
 * cursor are gone, then those that are kept, then what comes.
 * @boot  this boot's id, for the cursor that the first answer holds.
 * Returns 0, -ENOMEM.
 */
int publish_socket_subscribe(struct publish_socket *publisher, struct connection *connection,
                             const struct watch_request *request, const char *boot,
                             struct subscription **ret);

/** End it, when its connection goes. NULL is allowed. Returns NULL. */
struct subscription *subscription_free(struct subscription *subscription);

/** Say and keep one event. Returns 0, -ENOMEM (then it was lost). */
int publish_socket_event(struct publish_socket *publisher, const struct event *event,
                         const struct event_context *context);

/** Say that a sensor changed. Returns 0, -ENOMEM. */
int publish_socket_change(struct publish_socket *publisher, const struct sensor_status *sensor,
                          const struct event_context *context);

/** Say the scores of a decision to those who asked for them. Returns 0, -ENOMEM. */
int publish_socket_scores(struct publish_socket *publisher, const struct scores *scores,
                          const char *boot);

struct publish_counts {
    uint64_t n_events;
    size_t n_subscribers;
    uint64_t n_subscribers_dropped, n_messages_dropped;
};

struct publish_counts publish_socket_counts(const struct publish_socket *publisher);

/**
 * The newest @n_max kept events after @after that pass, oldest first, as text "[{...},{...}]".
 * Returns it, owned by the caller, or NULL without memory.
 */
char *publish_list_events(const struct ring *ring, const struct filter *filter, int64_t after,
                          size_t n_max);
