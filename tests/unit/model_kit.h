/* SPDX-License-Identifier: MIT */
/* model_kit - the models of tests/conformance in memory, for the tests of the engine. */
#pragma once

#include "tests/test.h"

struct bytes {
    uint8_t *at; /* malloc */
    size_t n;
};

/** The file @name ("net/net_00.tflite") of tests/conformance; the test fails if it is not there. */
static inline struct bytes read_conformance(const char *name) {
    char relative[TEST_PATH_BYTES / 2], path[TEST_PATH_BYTES];
    struct bytes bytes = { 0 };
    FILE *file;
    long size;

    (void) snprintf(relative, sizeof(relative), "tests/conformance/%s", name);
    file = fopen(source_path(relative, path), "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    size = ftell(file);
    assert_true(size > 0);
    rewind(file);
    bytes.n = (size_t) size;
    bytes.at = malloc(bytes.n);
    assert_non_null(bytes.at);
    assert_int_equal(fread(bytes.at, 1, bytes.n, file), bytes.n);
    (void) fclose(file); /* only read from */
    return bytes;
}
