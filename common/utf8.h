/* SPDX-License-Identifier: MIT */
/*
 * utf8 - whether bytes are UTF-8 text (RFC 3629, section 4), as JSON and D-Bus demand it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character that begins at @text, 0 if there is none within @n. */
static inline size_t utf8_character(const uint8_t *text, size_t n) {
    const size_t n_bytes = text[0] < 0x80   ? 1
                           : text[0] < 0xc2 ? 0 /* a continuation, or longer than need be */
                           : text[0] < 0xe0 ? 2
                           : text[0] < 0xf0 ? 3
                           : text[0] < 0xf5 ? 4
                                            : 0;

    if (n_bytes == 0 || n_bytes > n)
        return 0;
    for (size_t i = 1; i < n_bytes; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((text[0] == 0xe0 && text[1] < 0xa0) || /* longer than need be */
        (text[0] == 0xed && text[1] > 0x9f) || /* a surrogate */
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    return n_bytes;
}

/** True if all @n bytes of @text are UTF-8. */
static inline bool utf8_is_valid(const char *text, size_t n) {
    const uint8_t *bytes = (const uint8_t *) text;

    while (n > 0) {
        const size_t n_bytes = utf8_character(bytes, n);

        if (n_bytes == 0)
            return false;
        bytes += n_bytes;
        n -= n_bytes;
    }
    return true;
}
