/* SPDX-License-Identifier: MIT */
#include "config/load.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/ini.h"
#include "config/check.h"
#include "config/files.h"
#include "config/place.h"
#include "config/suggest.h"
#include "config/value.h"

enum { SECTIONS_MAX = 64 };

struct loader {
    struct settings *settings;
    struct problems *problems;
    const char *file; /* the one being read; compared by pointer, so one copy per file */
    bool in_header;   /* something was between [ and ] in this file */
    ssize_t current;  /* index of the section being read, -1: keys are skipped, their header was
                         refused */
    bool seen[SECTIONS_MAX]; /* in this file */
    unsigned seen_line[SECTIONS_MAX];
};

/* Hand @text over to the settings. Returns it, or NULL without memory (then freed). */
static char *keep(struct settings *settings, char *text) {
    char **strings =
        text ? realloc(settings->strings, (settings->n_strings + 1) * sizeof(*strings)) : NULL;

    if (!strings) {
        free(text);
        return NULL;
    }
    settings->strings = strings;
    return strings[settings->n_strings++] = text;
}

static int kind_of(const char *word) {
    for (int kind = 0; kind < SECTION_KINDS; kind++)
        if (strcmp(section_kind_name(kind), word) == 0)
            return kind;
    return -EINVAL;
}

static bool name_is_plain(const char *name) {
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char) *c) && !strchr("-_.", *c))
            return false;
    return strlen(name) < SECTION_NAME_BYTES;
}

/* "[camra gate]": say what it could have been. */
static void refuse_kind(struct loader *loader, const struct ini_item *item, const char *word,
                        const char *name) {
    struct suggest suggest = { .word = word };

    for (int kind = 0; kind < SECTION_KINDS; kind++)
        suggest_offer(&suggest, section_kind_name(kind));
    if (suggest.best)
        problems_add(loader->problems, "%s:%u: [%s]: unknown section; did you mean [%s%s%s]?",
                     item->file, item->line, item->section, suggest.best, name[0] ? " " : "", name);
    else
        problems_add(loader->problems,
                     "%s:%u: [%s]: unknown section; there are [lookoutd], [camera NAME], "
                     "[microphone NAME], [recording NAME] and [task NAME]",
                     item->file, item->line, item->section);
}

/* Split "camera gate". Returns the kind, or -EINVAL after a problem. */
static int read_header(struct loader *loader, const struct ini_item *item,
                       char name[SECTION_NAME_BYTES]) {
    _cleanup_(freep) char *word = strdup(item->section);
    char *blank;
    const char *rest = "";
    int kind;

    if (!word)
        return -ENOMEM;
    blank = strchr(word, ' ');
    if (blank) {
        *blank = '\0';
        rest = blank + 1;
    }
    kind = kind_of(word);
    if (kind < 0) {
        refuse_kind(loader, item, word, rest);
        return -EINVAL;
    }
    if ((kind == SECTION_LOOKOUTD) != (rest[0] == '\0') || !name_is_plain(rest)) {
        problems_add(
            loader->problems,
            kind == SECTION_LOOKOUTD ? "%s:%u: [%s]: [lookoutd] has no name behind it"
            : rest[0] == '\0'
                ? "%s:%u: [%s]: needs a name, for instance [%s gate]"
                : "%s:%u: [%s]: a name has letters, digits, `-`, `_` and `.`, at most 63 of them",
            item->file, item->line, item->section, word);
        return -EINVAL;
    }
    (void) strcpy(name, rest); /* its length was checked */
    return kind;
}

/* Find or make the section. Returns its index, -ENOMEM, -E2BIG. */
static ssize_t section_index(struct settings *settings, enum section_kind kind, const char *name) {
    struct section *sections, *section;
    size_t n_rows;

    for (size_t i = 0; i < settings->n_sections; i++)
        if (settings->sections[i].kind == kind && strcmp(settings->sections[i].name, name) == 0)
            return (ssize_t) i;
    if (settings->n_sections == SECTIONS_MAX)
        return -E2BIG;
    sections = realloc(settings->sections, (settings->n_sections + 1) * sizeof(*sections));
    if (!sections)
        return -ENOMEM;
    settings->sections = sections;
    section = &sections[settings->n_sections];
    *section = (struct section){ .kind = kind };
    (void) snprintf(section->name, sizeof(section->name), "%s", name); /* its length was checked */
    (void) settings_rows(kind, &n_rows);                               /* their number alone */
    section->entries = calloc(n_rows, sizeof(*section->entries));
    if (!section->entries)
        return -ENOMEM;
    return (ssize_t) settings->n_sections++;
}

static int take_header(struct loader *loader, const struct ini_item *item) {
    char name[SECTION_NAME_BYTES];
    const int kind = read_header(loader, item, name);
    ssize_t i;

    loader->current = -1;
    if (kind < 0)
        return kind == -ENOMEM ? kind : 0;
    i = section_index(loader->settings, kind, name);
    if (i == -E2BIG)
        problems_add(loader->problems, "%s:%u: [%s]: more than %d sections", item->file, item->line,
                     item->section, SECTIONS_MAX);
    if (i < 0)
        return i == -ENOMEM ? (int) i : 0;
    if (loader->seen[i]) {
        problems_add(loader->problems, "%s:%u: [%s]: stands twice in this file, first at line %u",
                     item->file, item->line, item->section, loader->seen_line[i]);
        return 0;
    }
    loader->seen[i] = true;
    loader->seen_line[i] = item->line;
    loader->current = i;
    if (!loader->settings->sections[i].origin.file)
        loader->settings->sections[i].origin = (struct origin){ loader->file, item->line };
    return 0;
}

static void refuse_key(struct loader *loader, const struct ini_item *item,
                       const struct setting *rows, size_t n) {
    struct suggest suggest = { .word = item->key };
    char known[512] = "";
    size_t used = 0;

    for (size_t i = 0; i < n; i++) {
        suggest_offer(&suggest, rows[i].key);
        used += (size_t) snprintf(known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "",
                                  rows[i].key);
        if (used >= sizeof(known))
            break; /* cut is fine */
    }
    if (suggest.best)
        problems_add(loader->problems, "%s:%u: [%s] %s = %s: unknown key; did you mean `%s`?",
                     item->file, item->line, item->section, item->key, item->value, suggest.best);
    else
        problems_add(loader->problems, "%s:%u: [%s] %s = %s: unknown key; known here: %s",
                     item->file, item->line, item->section, item->key, item->value, known);
}

static int take_key(struct loader *loader, const struct ini_item *item) {
    struct section *section = &loader->settings->sections[loader->current];
    size_t n, i = 0;
    const struct setting *rows = settings_rows(section->kind, &n);
    struct entry *entry;

    while (i < n && strcmp(rows[i].key, item->key) != 0)
        i++;
    if (i == n) {
        refuse_key(loader, item, rows, n);
        return 0;
    }
    entry = &section->entries[i];
    if (entry->origin.file == loader->file) {
        problems_add(loader->problems,
                     "%s:%u: [%s] %s = %s: set twice in this file, first at line %u", item->file,
                     item->line, item->section, item->key, item->value, entry->origin.line);
        return 0;
    }
    entry->text = keep(loader->settings, place_text(&rows[i], loader->file, item->value));
    entry->origin = (struct origin){ loader->file, item->line };
    return entry->text ? 0 : -ENOMEM;
}

static int take_item(const struct ini_item *item, void *user) {
    struct loader *loader = user;

    if (item->problem) {
        if (item->text)
            problems_add(loader->problems, "%s:%u: `%.64s`: %s", item->file, item->line, item->text,
                         item->problem);
        else
            problems_add(loader->problems, "%s:%u: %s", item->file, item->line, item->problem);
        if (item->section[0] == '\0')
            loader->in_header = true,
            loader->current = -1; /* perhaps a broken header: skip what follows it */
        return 0;
    }
    if (!item->key) {
        loader->in_header = true;
        return take_header(loader, item);
    }
    if (!loader->in_header)
        problems_add(loader->problems,
                     "%s:%u: %s = %s: stands before the first section; [lookoutd] perhaps?",
                     item->file, item->line, item->key, item->value);
    return loader->current >= 0 ? take_key(loader, item) : 0;
}

static int begin_file(struct loader *loader, const char *path) {
    loader->file = keep(loader->settings, strdup(path));
    loader->current = -1;
    loader->in_header = false;
    memset(loader->seen, 0, sizeof(loader->seen));
    return loader->file ? 0 : -ENOMEM;
}

static void *section_values(struct section *section) {
    switch (section->kind) {
    case SECTION_LOOKOUTD:
        return &section->lookoutd;
    case SECTION_CAMERA:
        return &section->camera;
    case SECTION_MICROPHONE:
        return &section->microphone;
    case SECTION_RECORDING:
        return &section->recording;
    case SECTION_TASK:
        return &section->task;
    }
    return NULL;
}

/* Texts to typed values, defaults where nothing stands. */
static int read_section(struct loader *loader, struct section *section) {
    size_t n;
    const struct setting *rows = settings_rows(section->kind, &n);

    for (size_t i = 0; i < n; i++) {
        const struct entry *entry = &section->entries[i];
        const bool is_set = entry->text && entry->text[0];
        char allowed[ALLOWED_BYTES];
        char *copy = keep(loader->settings, strdup(is_set ? entry->text : rows[i].default_value));

        if (!copy)
            return -ENOMEM;
        if (value_read(&rows[i], copy, section_values(section), allowed) < 0)
            problems_add(loader->problems, "%s:%u: [%s%s%s] %s = %s: %s", entry->origin.file,
                         entry->origin.line, section_kind_name(section->kind),
                         section->name[0] ? " " : "", section->name, rows[i].key, entry->text,
                         allowed);
    }
    return 0;
}

static int finish(struct loader *loader) {
    int r = 0;

    for (size_t i = 0; i < loader->settings->n_sections && r == 0; i++)
        r = read_section(loader, &loader->settings->sections[i]);
    if (r < 0)
        return r;
    settings_check(loader->settings, loader->problems);
    return problems_none(loader->problems) ? 0 : -EBADMSG;
}

static int begin(struct loader *loader, struct problems *problems) {
    loader->problems = problems;
    loader->settings = calloc(1, sizeof(*loader->settings));
    if (!loader->settings)
        return -ENOMEM;
    return section_index(loader->settings, SECTION_LOOKOUTD, "") == 0 ? 0 : -ENOMEM;
}

int settings_load_text(const char *name, const char *text, size_t n_bytes, struct settings **ret,
                       struct problems *problems) {
    struct loader loader = { 0 };
    int r = begin(&loader, problems);
    _cleanup_(settings_freep) struct settings *settings = loader.settings;

    if (r == 0)
        r = begin_file(&loader, name);
    if (r == 0)
        r = ini_read_text(loader.file, text, n_bytes, take_item, &loader);
    if (r == 0)
        r = finish(&loader);
    if (r < 0)
        return r;
    *ret = settings;
    settings = NULL;
    return 0;
}

int settings_load(const struct load_options *options, struct settings **ret,
                  struct problems *problems) {
    _cleanup_(ini_files_clear) struct ini_files files = { 0 };
    struct loader loader = { 0 };
    int r = begin(&loader, problems);
    _cleanup_(settings_freep) struct settings *settings = loader.settings;

    if (r == 0)
        r = ini_files_find(options, &files, problems);
    for (size_t i = 0; i < files.n && r == 0; i++) {
        struct fault fault = { "" };

        r = begin_file(&loader, files.paths[i]);
        if (r == 0 && files.paths[i] == files.imagined)
            r = ini_read_text(loader.file, options->drop_in_text, strlen(options->drop_in_text),
                              take_item, &loader);
        else if (r == 0)
            r = ini_read(loader.file, take_item, &loader, &fault);
        if (r < 0 && r != -ENOMEM) {
            problems_add(problems, "%s", fault.text);
            r = 0;
        }
    }
    if (r == 0)
        r = finish(&loader);
    if (r < 0)
        return r;
    *ret = settings;
    settings = NULL;
    return 0;
}
