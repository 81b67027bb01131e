/* SPDX-License-Identifier: MIT */
/* render_table - rows under headings; on a terminal the columns that may shrink do, elsewhere
 * nothing is cut. */
#pragma once

#include "client/render.h"
#include "common/cleanup.h"

struct table;

struct column {
    const char *heading;
    bool right;  /* numbers */
    bool shrink; /* may be cut where the terminal is too narrow */
    bool drop;   /* may be left out where even that is not enough; the first such goes first */
    bool note;   /* the last one: on a terminal a line of its own below the row */
};

enum { TABLE_COLUMNS_MAX = 12 };

/**
 * An empty table.
 * @columns  [n_columns], borrowed until table_free(); at most TABLE_COLUMNS_MAX.
 * Returns 0, -ENOMEM.
 */
int table_new(const struct column *columns, size_t n_columns, struct table **ret);

/** Free @table. NULL is allowed. Returns NULL. */
struct table *table_free(struct table *table);
DEFINE_CLEANUP(struct table *, table_free)

/** Fill the next cell, left to right, row by row; @text is copied. Returns 0, -ENOMEM. */
int table_add(struct table *table, enum colour colour, const char *text);

/** The same from a format. */
__attribute__((format(printf, 3, 4))) int table_addf(struct table *table, enum colour colour,
                                                     const char *format, ...);

/** Rows that are full. */
size_t table_n_rows(const struct table *table);

/** Write heading and rows, each line after @indent spaces. Columns that are empty in every row are
 * left out. */
void table_write(const struct table *table, const struct screen *screen, size_t indent);
