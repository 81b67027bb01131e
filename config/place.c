/* SPDX-License-Identifier: MIT */
#include "config/place.h"

#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

/* The directory of @file without links, or the best we know. Owned by the caller; NULL without
 * memory. */
static char *directory_of(const char *file) {
    const char *slash = strrchr(file, '/');
    const size_t n = slash && slash > file ? (size_t) (slash - file) : 1; /* "/" stays */
    _cleanup_(freep) char *written = slash ? strndup(file, n) : strdup(".");
    char *real = written ? realpath(written, NULL) : NULL;

    return real || !written ? real : strdup(written);
}

/* @text (one path, @n characters) as seen from the directory of @file. Owned by the caller; NULL
 * without memory. */
static char *absolute(const char *file, const char *text, size_t n) {
    _cleanup_(freep) char *directory = NULL;
    char *full;

    if (n == 0 || text[0] == '/')
        return strndup(text, n);
    directory = directory_of(file);
    if (!directory || asprintf(&full, "%s/%.*s", directory, (int) n, text) < 0)
        return NULL;
    return full;
}

/* The same for each of several paths separated by commas. */
static char *absolute_list(const char *file, const char *text) {
    char *list = NULL;
    size_t n_bytes;
    FILE *to = open_memstream(&list, &n_bytes);

    if (!to)
        return NULL;
    for (bool first = true; *text; first = false) {
        const char *start = text + strspn(text, " \t");
        size_t n = strcspn(start, ",");
        _cleanup_(freep) char *path = NULL;

        text = start + n + (start[n] == ',');
        while (n > 0 && strchr(" \t", start[n - 1]))
            n--;
        path = absolute(file, start, n);
        (void) fprintf(to, "%s%s", first ? "" : ", ", path ? path : ""); /* fclose() reports */
    }
    if (fclose(to) != 0) {
        free(list);
        return NULL;
    }
    return list;
}

char *place_text(const struct setting *row, const char *file, const char *text) {
    switch (row->type) {
    case SETTING_PLACE:
        if (!strchr(text, '/'))
            return strdup(text);
        return absolute(file, text, strlen(text));
    case SETTING_PATH:
        return absolute(file, text, strlen(text));
    case SETTING_PATHS:
        return absolute_list(file, text);
    case SETTING_STRING:
    case SETTING_BOOL:
    case SETTING_INT:
    case SETTING_FLOAT:
    case SETTING_SIZE:
    case SETTING_CHOICE:
    case SETTING_MASKS:
    case SETTING_NAMES:
        return strdup(text);
    }
    return NULL;
}
