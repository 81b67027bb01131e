/* SPDX-License-Identifier: MIT */
/*
 * pace - when the next item of a recording is due, and a descriptor that says so.
 *
 * In real time a timerfd with absolute times: being late never adds up, since each
 * due time comes from the item's index. As fast as possible: always ready.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pace {
    int fd; /* poll it for POLLIN; -1 before pace_init() */
    bool fast;
    int64_t armed_ns;
};

/** Make the descriptor. Returns 0, -EMFILE, -ENFILE, -ENOMEM. */
int pace_init(struct pace *pace, bool as_fast_as_possible);

/** Close the descriptor, if there is one. */
void pace_close(struct pace *pace);

/** True if what is due at @due_ns may go out now; else the descriptor becomes ready at that time.
 */
bool pace_due(struct pace *pace, int64_t due_ns);

/** Let the descriptor become ready at @due_ns (at once if that has passed). */
void pace_wait_for(struct pace *pace, int64_t due_ns);
