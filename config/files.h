/* SPDX-License-Identifier: MIT */
/* files - which INI files make up the configuration, in the order in which they are read. */
#pragma once

#include "config/load.h"

enum { INI_FILES_MAX = 128 };

/** Zero-initialise; release with ini_files_clear(), which fits _cleanup_(). */
struct ini_files {
    size_t n;
    char *paths[INI_FILES_MAX];
    const char *imagined; /* one of them: the drop-in whose text load_options holds; or NULL */
};

/**
 * Find the files that @options mean.
 * @problems  a named file that is not there, a directory that cannot be read, too many drop-ins.
 * Returns 0 (with or without problems), -ENOMEM.
 */
int ini_files_find(const struct load_options *options, struct ini_files *files,
                   struct problems *problems);

void ini_files_clear(struct ini_files *files);
