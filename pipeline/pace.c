/* SPDX-License-Identifier: MIT */
#include "pipeline/pace.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/units.h"

int pace_init(struct pace *pace, bool as_fast_as_possible) {
    const int fd = as_fast_as_possible
                       ? eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)
                       : timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

    if (fd < 0)
        return -errno;
    *pace = (struct pace){ .fd = fd, .fast = as_fast_as_possible };
    return 0;
}

void pace_close(struct pace *pace) {
    if (pace->fd >= 0)
        (void) close(pace->fd); /* nothing was written to it */
    pace->fd = -1;
}

bool pace_due(struct pace *pace, int64_t due_ns) {
    if (pace->fast || now_ns() >= due_ns)
        return true;
    pace_wait_for(pace, due_ns);
    return false;
}

void pace_wait_for(struct pace *pace, int64_t due_ns) {
    /* a zero time would disarm the timer, and a negative one is refused */
    const int64_t at_ns = due_ns > 0 ? due_ns : 1;
    const struct itimerspec at = { .it_value = { .tv_sec = at_ns / NS_PER_S,
                                                 .tv_nsec = at_ns % NS_PER_S } };
    int r;

    if (pace->fast || pace->armed_ns == at_ns)
        return;
    r = timerfd_settime(pace->fd, TFD_TIMER_ABSTIME, &at, NULL);
    assert(r == 0); /* descriptor and time are ours */
    (void) r;
    pace->armed_ns = at_ns;
}
