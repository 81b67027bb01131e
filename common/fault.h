/* SPDX-License-Identifier: MIT */
/*
 * fault - one sentence for a person that travels up beside an -errno.
 *
 * It says what is wrong, where, and what to do. A function that can fail on
 * input from outside (a file, a setting, a device) takes a `struct fault *`
 * as its last parameter; NULL is allowed. Whoever fails first writes it; the
 * layers above pass it on unchanged.
 */
#pragma once

#include <stdarg.h>
#include <stdio.h>

struct fault {
    char text[384];
};

/**
 * Write the sentence and hand the error through: `return fault_set(fault, -EBADMSG, "...", ...)`.
 * @fault  may be NULL; an overlong text is cut.
 * Returns @error.
 */
__attribute__((format(printf, 3, 4))) static inline int fault_set(struct fault *fault, int error,
                                                                  const char *format, ...) {
    va_list arguments;

    if (!fault)
        return error;
    va_start(arguments, format);
    (void) vsnprintf(fault->text, sizeof(fault->text), format, arguments); /* cut is fine */
    va_end(arguments);
    return error;
}
