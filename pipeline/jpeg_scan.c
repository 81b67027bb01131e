/* SPDX-License-Identifier: MIT */
/*
 * Where a JPEG ends: ITU-T T.81, annex B.1.1. A marker is FF and a code; all but
 * SOI, EOI, TEM and RSTn are followed by a length. After SOS come coded bytes, in which FF
 * is followed by 00 or RSTn until the next marker.
 */
#include <errno.h>
#include <string.h>

#include "pipeline/jpeg.h"

enum {
    MARKER = 0xff,
    TEM = 0x01,
    RST0 = 0xd0,
    RST7 = 0xd7,
    SOI = 0xd8,
    EOI = 0xd9,
    SOS = 0xda,
    COM = 0xfe,
    TIME_DIGITS_MAX = 18, /* below 2^63 ns */
};

static bool stands_alone(uint8_t code) {
    return code == TEM || (code >= RST0 && code <= RST7);
}

/* The number in a comment of our recorder, or -1. */
static int64_t comment_time(const uint8_t *text, size_t n_bytes) {
    const size_t prefix = strlen(JPEG_TIME_COMMENT);
    int64_t time_ns = 0;

    if (n_bytes <= prefix || memcmp(text, JPEG_TIME_COMMENT, prefix) != 0)
        return -1;
    if (text[n_bytes - 1] == '\0')
        n_bytes--; /* some writers count the end of a C string */
    if (n_bytes == prefix || n_bytes - prefix > TIME_DIGITS_MAX)
        return -1;
    for (size_t i = prefix; i < n_bytes; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        time_ns = time_ns * 10 + (text[i] - '0');
    }
    return time_ns;
}

/* The marker that ends the coded bytes from @at on; @n_bytes if there is none yet. */
static size_t skip_coded(const uint8_t *data, size_t n_bytes, size_t at) {
    while (at + 1 < n_bytes) {
        const uint8_t *found = memchr(data + at, MARKER, n_bytes - at - 1);
        uint8_t code;

        if (!found)
            return n_bytes;
        at = (size_t) (found - data);
        code = data[at + 1];
        if (code == MARKER)
            at++; /* fill byte: the next FF may be the marker's */
        else if (code == 0 || stands_alone(code))
            at += 2;
        else
            return at;
    }
    return n_bytes;
}

int jpeg_scan(const uint8_t *data, size_t n_bytes, struct jpeg_extent *ret) {
    struct jpeg_extent extent = { .time_ns = -1 };
    size_t at = 2;

    if ((n_bytes > 0 && data[0] != MARKER) || (n_bytes > 1 && data[1] != SOI))
        return -EBADMSG;
    while (at + 1 < n_bytes) {
        const uint8_t code = data[at + 1];
        size_t length;

        if (data[at] != MARKER || code == 0 || code == SOI)
            return -EBADMSG; /* another picture begins, or nothing sensible */
        if (code == EOI) {
            extent.n_bytes = at + 2;
            *ret = extent;
            return 1;
        }
        if (code == MARKER || stands_alone(code)) {
            at += code == MARKER ? 1 : 2;
            continue;
        }
        if (at + 4 > n_bytes)
            return 0;
        length = (size_t) data[at + 2] << 8 | data[at + 3];
        if (length < 2)
            return -EBADMSG;
        if (at + 2 + length > n_bytes)
            return 0;
        if (code == COM && extent.time_ns < 0)
            extent.time_ns = comment_time(data + at + 4, length - 2);
        at += 2 + length;
        if (code == SOS)
            at = skip_coded(data, n_bytes, at);
    }
    return 0;
}
