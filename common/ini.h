/* SPDX-License-Identifier: MIT */
/*
 * ini - reads INI files line by line and loses nothing silently.
 *
 * `[section]` and `[kind name]` headers, `key = value` lines, comments that
 * start a line with `#` or `;`, or follow white space as ` ;` or ` #`. White
 * space around everything is dropped, so an indented line is an ordinary one.
 * No quoting, no continuation. Every line that is none of these is reported
 * with its number; reading goes on, so that a person sees all problems at once.
 * Used for lookoutd.ini and bundle.ini (Debian's inih cuts long lines and
 * gives no line numbers, see DESIGN.md).
 */
#pragma once

#include <stddef.h>

#include "common/fault.h"

enum { INI_LINE_BYTES_MAX = 4096, INI_FILE_BYTES_MAX = 1 << 20 };

/** One header, setting or problem. Strings are valid during the call only. */
struct ini_item {
    const char *file; /* as given to ini_read() */
    unsigned line;    /* from 1 */
    const char
        *section;    /* "lookoutd", "camera gate"; "" before the first and after a broken header */
    const char *key; /* NULL: this item is the header itself (or a problem) */
    const char *value;   /* "" if nothing stands behind `=` */
    const char *problem; /* not NULL: what is wrong with this line, for a person */
    const char *text;    /* with a problem: the line without blanks and comment, or NULL */
};

/** Called for every item in the order of the file. Return 0 to go on, -errno to stop. */
typedef int ini_item_fn(const struct ini_item *item, void *user);

/**
 * Read the file @path.
 * Returns 0 (problems were handed to @fn), what @fn returned if it stopped, or
 * -ENOENT, -EACCES ... from open(2), -EFBIG past INI_FILE_BYTES_MAX; then @fault says so.
 */
int ini_read(const char *path, ini_item_fn *fn, void *user, struct fault *fault);

/** The same for @n_bytes of text in memory; @name stands for the file in items. Returns 0 or what
 * @fn returned. */
int ini_read_text(const char *name, const char *text, size_t n_bytes, ini_item_fn *fn, void *user);
