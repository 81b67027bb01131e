/* SPDX-License-Identifier: MIT */
#include "config/describe.h"

#include <string.h>

#include "config/value.h"

enum { INI_COLUMNS = 100 };

/* @text as comment lines of at most INI_COLUMNS characters. */
static void write_comment(FILE *to, const char *text) {
    size_t column = 0;

    while (*text) {
        const size_t n = strcspn(text, " ");

        if (column > 0 && column + 1 + n > INI_COLUMNS) {
            fputc('\n', to);
            column = 0;
        }
        column += (size_t) fprintf(to, "%s%.*s", column == 0 ? "# " : " ", (int) n, text);
        text += n + strspn(text + n, " ");
    }
    fputc('\n', to);
}

static void write_row(FILE *to, const struct setting *row) {
    char allowed[ALLOWED_BYTES], text[1024];

    value_allowed(row, allowed);
    if (strcmp(allowed, "any text") == 0)
        (void) snprintf(text, sizeof(text), "%s", row->help);
    else
        (void) snprintf(text, sizeof(text), "%s (%s)", row->help, allowed);
    write_comment(to, text);
    (void) fprintf(to, "#%s =%s%s\n", row->key, row->default_value[0] ? " " : "",
                   row->default_value);
}

void describe_ini(FILE *to) {
    (void) fputs(
        "# lookoutd.ini - what Lookout looks at, listens to, and asks.\n"
        "#\n"
        "# This file shows every setting at its default. Do not change it here: copy it to\n"
        "# /etc/lookout/lookoutd.ini, or put what differs into "
        "/etc/lookout/lookoutd.ini.d/NAME.ini.\n"
        "# Check with `lookoutd --check-config`, apply with `lookoutctl reload`. See "
        "lookoutd.ini(5).\n"
        "#\n"
        "# Nothing is captured until a task asks for it. As long as no sensor is written down, a "
        "task gets the\n"
        "# first camera and the first microphone that can be used, so sound is captured too. To "
        "choose, write\n"
        "#   [camera gate]\n"
        "#   [microphone gate-sound]\n"
        "#   [task yard]\n"
        "#   bundle = yard\n",
        to);
    for (int kind = 0; kind < SECTION_KINDS; kind++) {
        size_t n;
        const struct setting *rows = settings_rows(kind, &n);

        fputc('\n', to);
        write_comment(to, section_kind_help(kind));
        (void) fprintf(to, kind == SECTION_LOOKOUTD ? "[%s]\n" : "#[%s NAME]\n",
                       section_kind_name(kind));
        for (size_t i = 0; i < n; i++)
            write_row(to, &rows[i]);
    }
}

/* Text for roff: a backslash or a dot at the start of a line is its syntax, "-" is a hyphen. */
static void write_roff(FILE *to, const char *text) {
    for (; *text; text++)
        if (*text == '\\')
            (void) fputs("\\e", to);
        else if (*text == '-')
            (void) fputs("\\-", to);
        else
            fputc(*text, to);
}

void describe_man(FILE *to) {
    for (int kind = 0; kind < SECTION_KINDS; kind++) {
        size_t n;
        const struct setting *rows = settings_rows(kind, &n);

        (void) fprintf(to, ".SS [%s%s]\n", section_kind_name(kind),
                       kind == SECTION_LOOKOUTD ? "" : " NAME");
        write_roff(to, section_kind_help(kind));
        fputc('\n', to);
        for (size_t i = 0; i < n; i++) {
            char allowed[ALLOWED_BYTES];

            value_allowed(&rows[i], allowed);
            (void) fprintf(to, ".TP\n\\fB%s\\fR = ", rows[i].key);
            write_roff(to, rows[i].default_value);
            fputc('\n', to);
            write_roff(to, rows[i].help);
            (void) fputs("\nAllowed: ", to);
            write_roff(to, allowed);
            (void) fputs(".\n", to);
        }
    }
}

void describe_settings(const struct settings *settings, FILE *to) {
    for (size_t i = 0; i < settings->n_sections; i++) {
        const struct section *section = &settings->sections[i];
        size_t n;
        const struct setting *rows = settings_rows(section->kind, &n);

        (void) fprintf(to, "[%s%s%s]\n", section_kind_name(section->kind),
                       section->name[0] ? " " : "", section->name);
        for (size_t row = 0; row < n; row++)
            if (section->entries[row].text && section->entries[row].text[0])
                (void) fprintf(to, "%s = %s\n", rows[row].key, section->entries[row].text);
    }
}
