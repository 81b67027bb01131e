/* SPDX-License-Identifier: MIT */
#include "client/render_table.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

enum { SPACE_COLUMNS = 2, SHRUNK_COLUMNS_MIN = 8, DROPPED_COLUMNS_MIN = 16, CELL_BYTES_MAX = 512 };

struct cell {
    char *text; /* owned */
    enum colour colour;
};

struct table {
    const struct column *columns;
    size_t n_columns, n_cells, room_cells;
    struct cell *cells; /* row by row */
};

int table_new(const struct column *columns, size_t n_columns, struct table **ret) {
    struct table *table;

    assert(n_columns > 0 && n_columns <= TABLE_COLUMNS_MAX);

    table = calloc(1, sizeof(*table));
    if (!table)
        return -ENOMEM;
    table->columns = columns;
    table->n_columns = n_columns;
    *ret = table;
    return 0;
}

struct table *table_free(struct table *table) {
    if (!table)
        return NULL;
    for (size_t i = 0; i < table->n_cells; i++)
        free(table->cells[i].text);
    free(table->cells);
    free(table);
    return NULL;
}

int table_add(struct table *table, enum colour colour, const char *text) {
    char *copy;

    if (table->n_cells == table->room_cells) {
        const size_t room = table->room_cells ? table->room_cells * 2 : 64;
        struct cell *cells = reallocarray(table->cells, room, sizeof(*cells));
        if (!cells)
            return -ENOMEM;
        table->cells = cells;
        table->room_cells = room;
    }
    copy = strndup(text, CELL_BYTES_MAX);
    if (!copy)
        return -ENOMEM;
    table->cells[table->n_cells++] = (struct cell){ .text = copy, .colour = colour };
    return 0;
}

int table_addf(struct table *table, enum colour colour, const char *format, ...) {
    char text[CELL_BYTES_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void) vsnprintf(text, sizeof(text), format, arguments); /* cut is fine */
    va_end(arguments);
    return table_add(table, colour, text);
}

/* Columns that each column wants; 0 for one without any content. */
static void measure(const struct table *table, const struct screen *screen, size_t *widths) {
    for (size_t c = 0; c < table->n_columns; c++) {
        size_t width = 0;
        for (size_t i = c; i < table->n_cells; i += table->n_columns) {
            const size_t columns = screen_columns(screen, table->cells[i].text);
            width = columns > width ? columns : width;
        }
        if (width > 0 && strlen(table->columns[c].heading) > width)
            width = strlen(table->columns[c].heading);
        widths[c] = width;
    }
}

static size_t total(const size_t *widths, size_t n) {
    size_t columns = 0;

    for (size_t c = 0; c < n; c++)
        columns += widths[c] ? widths[c] + SPACE_COLUMNS : 0;
    return columns > SPACE_COLUMNS ? columns - SPACE_COLUMNS : 0;
}

/* No narrower: what may be left out is of no use as a few letters. */
static size_t columns_min(const struct column *column) {
    return column->drop ? DROPPED_COLUMNS_MIN : SHRUNK_COLUMNS_MIN;
}

/* The widest column that may still give room, or SIZE_MAX. */
static size_t widest(const struct table *table, const size_t *widths) {
    size_t found = SIZE_MAX;

    for (size_t c = 0; c < table->n_columns; c++)
        if (table->columns[c].shrink && widths[c] > columns_min(&table->columns[c]) &&
            (found == SIZE_MAX || widths[c] > widths[found]))
            found = c;
    return found;
}

/* Cut what may be cut. Returns whether @columns is enough then. */
static bool shrink(const struct table *table, size_t columns, size_t *widths) {
    while (total(widths, table->n_columns) > columns) {
        const size_t c = widest(table, widths);
        if (c == SIZE_MAX)
            return false;
        widths[c]--;
    }
    return true;
}

/* Make the rows fit into @columns, at the cost of what may be cut or left out. */
static void fit(const struct table *table, size_t columns, size_t *widths) {
    size_t shrunk[TABLE_COLUMNS_MAX];
    const size_t n_bytes = table->n_columns * sizeof(*widths);

    for (size_t c = 0; c < table->n_columns; c++)
        if (table->columns[c].note)
            widths[c] = 0;
    (void) memcpy(shrunk, widths, n_bytes);
    for (size_t c = 0; !shrink(table, columns, shrunk) && c < table->n_columns; c++) {
        if (table->columns[c].drop)
            widths[c] = 0;
        (void) memcpy(shrunk, widths, n_bytes);
    }
    (void) memcpy(widths, shrunk, n_bytes); /* still too wide? the terminal wraps */
}

static void write_cell(const struct table *table, const struct screen *screen, size_t c,
                       const struct cell *cell, const size_t *widths) {
    const size_t columns = screen_columns(screen, cell->text);
    const size_t pad = columns < widths[c] ? widths[c] - columns : 0;

    if (table->columns[c].right)
        screen_space(screen, pad);
    (void) screen_text(screen, cell->colour, cell->text, widths[c]); /* its columns are known */
    if (!table->columns[c].right)
        screen_space(screen, pad);
}

/* Without the spaces that nobody sees at the end of a line. */
static bool is_last(const struct table *table, const struct cell *row, size_t c,
                    const size_t *widths) {
    for (size_t next = c + 1; next < table->n_columns; next++)
        if (widths[next] && *row[next].text)
            return false;
    return true;
}

/* What fit() took out of the row, below it. */
static void write_note(const struct table *table, const struct screen *screen,
                       const struct cell *row, size_t indent) {
    const struct cell *note = &row[table->n_columns - 1];

    if (screen->columns == 0 || !table->columns[table->n_columns - 1].note || !*note->text)
        return;
    screen_space(screen, indent + SPACE_COLUMNS);
    (void) screen_text(screen, note->colour, note->text, SIZE_MAX); /* the terminal wraps */
    (void) fputc('\n', screen->out); /* ferror() is looked at when the program ends */
}

static void write_row(const struct table *table, const struct screen *screen,
                      const struct cell *row, const size_t *widths, size_t indent) {
    screen_space(screen, indent);
    for (size_t c = 0; c < table->n_columns; c++) {
        if (!widths[c])
            continue;
        if (is_last(table, row, c, widths) && !table->columns[c].right) {
            (void) screen_text(screen, row[c].colour, row[c].text, widths[c]); /* nothing follows */
            break;
        }
        write_cell(table, screen, c, &row[c], widths);
        if (is_last(table, row, c, widths))
            break;
        screen_space(screen, SPACE_COLUMNS);
    }
    (void) fputc('\n', screen->out); /* ferror() is looked at when the program ends */
}

size_t table_n_rows(const struct table *table) {
    return table->n_cells / table->n_columns;
}

void table_write(const struct table *table, const struct screen *screen, size_t indent) {
    struct cell headings[TABLE_COLUMNS_MAX];
    size_t widths[TABLE_COLUMNS_MAX];

    measure(table, screen, widths);
    if (screen->columns > indent)
        fit(table, screen->columns - indent, widths);
    for (size_t c = 0; c < table->n_columns; c++)
        headings[c] = (struct cell){ .text = (char *) (uintptr_t) table->columns[c].heading,
                                     .colour = COLOUR_BOLD };
    write_row(table, screen, headings, widths, indent);
    for (size_t i = 0; i + table->n_columns <= table->n_cells; i += table->n_columns) {
        write_row(table, screen, &table->cells[i], widths, indent);
        write_note(table, screen, &table->cells[i], indent);
    }
}
