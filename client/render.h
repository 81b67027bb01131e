/* SPDX-License-Identifier: MIT */
/*
 * render - text for a person: colours, columns, and nothing a terminal would obey.
 *
 * What the daemon sends is never written raw: control characters, bidirectional
 * overrides and, outside a UTF-8 locale, everything beyond ASCII are replaced.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/units.h"

enum colour {
    COLOUR_NONE,
    COLOUR_BOLD,
    COLOUR_DIM,
    COLOUR_GOOD, /* green */
    COLOUR_WARN, /* yellow */
    COLOUR_BAD,  /* red */
};

/** How many colours a picture may have. */
enum depth { DEPTH_FEW, DEPTH_256, DEPTH_TRUE };

/** Where text goes and what that place can show. Plain values, so that tests can set them. */
struct screen {
    FILE *out;
    bool colour;
    enum depth depth;
    bool unicode;   /* the locale is UTF-8 */
    size_t columns; /* 0: not a terminal, never cut */
    size_t rows;    /* 0: not a terminal */
    int64_t now_ns; /* CLOCK_MONOTONIC, for "3 min ago" */
    char boot_id[BOOT_ID_BYTES];
};

/** What @out is: a terminal of which width, its colours (NO_COLOR), its character set. */
struct screen screen_of(FILE *out);

/** Look again how large the terminal is, if it is one. */
void screen_measure(struct screen *screen);

/** Columns that screen_text() would use for all of @text. */
size_t screen_columns(const struct screen *screen, const char *text);

/** Write at most @columns_max columns of @text, made harmless, cut with an ellipsis. Returns
 * columns written. */
size_t screen_text(const struct screen *screen, enum colour colour, const char *text,
                   size_t columns_max);

/** The same, then spaces up to @columns. */
void screen_cell(const struct screen *screen, enum colour colour, const char *text, size_t columns);

/** @n spaces. */
void screen_space(const struct screen *screen, size_t n);

/** A bar of @columns for @fraction, 0 to 1; anything else shows as empty or full. */
void screen_bar(const struct screen *screen, double fraction, size_t columns);
