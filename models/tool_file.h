/* SPDX-License-Identifier: MIT */
/* tool_file - whole files in and out of memory, for the subcommands of `lookout-model`. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/fault.h"

/** Read all of @path. @ret is the caller's, to free(), NUL behind its end. Returns 0, -errno. */
int tool_file_read(const char *path, uint8_t **ret, size_t *ret_n, struct fault *fault);

/** Write @n_bytes as @path, in place of what is there. Returns 0, -errno. */
int tool_file_write(const char *path, const void *bytes, size_t n_bytes, struct fault *fault);
