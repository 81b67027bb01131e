/* SPDX-License-Identifier: MIT */
/* watch - what `watch` and `events` share: the cursor, the request, the reply on the screen, the
 * summary. */
#pragma once

#include <jansson.h>

#include "client/command.h"

/** The last event that was seen. */
struct cursor {
    char boot_id[BOOT_ID_BYTES]; /* "" : this boot */
    int64_t sequence;
    bool known;
};

enum { TALLY_LABELS_MAX = 64, TALLY_NAME_BYTES = 64 };

/** What was seen of one label. */
struct tally_label {
    char name[TALLY_NAME_BYTES];
    uint64_t n_events;
    double best; /* confidence */
    int64_t longest_ns;
};

/** What was seen in all. */
struct tally {
    struct tally_label labels[TALLY_LABELS_MAX]; /* the first that came */
    size_t n_labels;
    uint64_t n_messages, n_gap;
};

/** Read "BOOT_ID:SEQUENCE" or "SEQUENCE". Returns 0, -EINVAL. */
int cursor_parse(const char *text, struct cursor *ret, struct fault *fault);

/** Parameters of Watch for @options, going on from @cursor. Owned by the caller; NULL without
 * memory. */
json_t *watch_parameters(const struct options *options, const struct cursor *cursor);

/** Go on behind what @parameters of a reply hold. */
void cursor_follow(struct cursor *cursor, const json_t *parameters);

/** Count what @parameters of a reply hold. */
void tally_count(struct tally *tally, const json_t *parameters);

/** Show one reply's @parameters as the user asked for it. */
void watch_show(const struct client *client, const json_t *parameters);

/** What was seen, and where to go on from. */
void tally_write(const struct screen *screen, const struct tally *tally, int64_t lasted_ns,
                 const struct cursor *cursor);
