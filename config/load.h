/* SPDX-License-Identifier: MIT */
/*
 * load - from INI files to `struct settings`, or to all that is wrong with them.
 *
 * Order: lookoutd.ini of /usr/lib/lookout, or that of /etc/lookout in its place;
 * then the drop-ins lookoutd.ini.d/<name>.ini of /usr/lib/lookout, /run/lookout and
 * /etc/lookout by file name, where of two with the same name the later
 * directory's counts. An empty file or a link to /dev/null so takes one away.
 * A later file's key replaces an earlier one's; an empty value puts a key back to
 * its default. Within one file neither section nor key may stand twice.
 */
#pragma once

#include "config/problems.h"
#include "config/settings.h"

struct load_options {
    const char
        *file; /* `--config FILE`: read it and FILE.d/<name>.ini only; NULL: the order above */
    const char *prefix; /* put before /usr/lib, /run and /etc, for tests; NULL: "" */
    /* As if the text stood in the drop-in of that name (where a person puts them, FILE.d or that of
     * /etc/lookout), whatever stands there; NULL: read what there is. */
    const char *drop_in, *drop_in_text;
};

/**
 * Read, merge and check the whole configuration.
 * @ret       owned by the caller; made only if nothing is wrong.
 * @problems  every problem as "FILE:LINE: [section] key = value: what is allowed".
 * Returns 0, -EBADMSG with problems, -ENOMEM.
 */
int settings_load(const struct load_options *options, struct settings **ret,
                  struct problems *problems);

/** The same from @n_bytes of text, for tests and fuzzing; @name stands for the file. */
int settings_load_text(const char *name, const char *text, size_t n_bytes, struct settings **ret,
                       struct problems *problems);

/** Whether a file called @name in a directory of drop-ins is one. */
bool is_drop_in(const char *name);

/** Where the drop-in @name of @options belongs. Returns the path, owned by the caller, or NULL
 * without memory. */
char *drop_in_path(const struct load_options *options, const char *name);
