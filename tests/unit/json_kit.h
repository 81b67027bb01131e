/* SPDX-License-Identifier: MIT */
/* json_kit - JSON in tests, written with ' for " so that C needs no backslashes. */
#pragma once

#include <jansson.h>

#include "tests/test.h"

/* The value that @text, less than 4096 bytes, says; the caller frees it. */
static inline json_t *read_json(const char *text) {
    char plain[4096];
    size_t n = 0;
    json_t *json;

    for (; text[n] && n < sizeof(plain) - 1; n++)
        plain[n] = text[n] == '\'' ? '"' : text[n];
    plain[n] = '\0';
    json = json_loads(plain, 0, NULL);
    assert_non_null(json);
    return json;
}
