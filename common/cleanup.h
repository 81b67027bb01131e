/* SPDX-License-Identifier: MIT */
/* Scope-bound release of what a function owns; the only GNU extension we use. */
#pragma once

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Call fn(&variable) when the variable leaves scope. */
#define _cleanup_(fn) __attribute__((__cleanup__(fn)))

/* Given `T *x_free(T *)`, define `x_freep` for use with _cleanup_(). */
#define DEFINE_CLEANUP(type, fn)                                                                   \
    static inline void fn##p(type *variable) {                                                     \
        (void) fn(*variable);                                                                      \
    }

static inline void freep(void *variable) {
    void *memory;
    memcpy(&memory, variable, sizeof(memory));
    free(memory);
}

static inline void closep(int *fd) {
    if (*fd >= 0)
        (void) close(*fd); /* the caller has no use for its result */
}
