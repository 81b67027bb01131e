/* SPDX-License-Identifier: MIT */
/* setup_file - the drop-in that `setup` writes: whole or not at all, and the old one is kept. */
#pragma once

#include <stdbool.h>

#include "common/fault.h"

/** Whether @path could be written. Returns 0, -EACCES ... with what to do. */
int setup_file_check(const char *path, struct fault *fault);

/**
 * Put @text in place of @path, with its directory if that is missing. An old file becomes
 * @path.old.
 * @ret_had_old  whether there was one
 * Returns 0, or -errno and then nothing has changed.
 */
int setup_file_write(const char *path, const char *text, bool *ret_had_old, struct fault *fault);

/** Undo setup_file_write(). Returns 0, -errno. */
int setup_file_undo(const char *path, bool had_old, struct fault *fault);
