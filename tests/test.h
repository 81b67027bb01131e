/* SPDX-License-Identifier: MIT */
/*
 * test - what every test program includes: cmocka with the headers it forgets
 * to include, where the sources and the shared data lie, and an end to folders
 * that a test made.
 */
#pragma once

/* cmocka.h needs the four before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEST_PATH_BYTES = 4096 };

/**
 * The path @relative of this repository, into @ret. meson sets LOOKOUT_SOURCE;
 * by hand, run the test from the root of the repository.
 * Returns @ret.
 */
static inline const char *source_path(const char *relative, char ret[TEST_PATH_BYTES]) {
    const char *const root = getenv("LOOKOUT_SOURCE");

    (void) snprintf(ret, TEST_PATH_BYTES, "%s/%s", root ? root : ".", relative); /* short names */
    return ret;
}

/**
 * The path @relative of the shared material (LOOKOUT_SHARED, else `../shared`
 * beside the repository), into @ret. A test that needs it skips when it is
 * not there: `if (!shared_path(..., path)) skip();`.
 * Returns @ret, or NULL when there is no such file.
 */
static inline const char *shared_path(const char *relative, char ret[TEST_PATH_BYTES]) {
    const char *const shared = getenv("LOOKOUT_SHARED");
    const char *const root = getenv("LOOKOUT_SOURCE");

    if (shared && *shared)
        (void) snprintf(ret, TEST_PATH_BYTES, "%s/%s", shared, relative); /* short names */
    else
        (void) snprintf(ret, TEST_PATH_BYTES, "%s/../shared/%s", root ? root : ".", relative);
    return access(ret, R_OK) == 0 ? ret : NULL;
}

/** Removes the folder @path, which has no quote in its name, with all in it. Returns 0, or not 0.
 */
static inline int remove_folder(const char *path) {
    char command[TEST_PATH_BYTES];

    (void) snprintf(command, sizeof(command), "rm -r '%s'", path); /* short names */
    return system(command);
}
