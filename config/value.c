/* SPDX-License-Identifier: MIT */
#include "config/value.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char blanks[] = " \t";

void value_allowed(const struct setting *row, char allowed[ALLOWED_BYTES]) {
    const char *blank = row->unit[0] ? " " : "",
               *whole = row->type == SETTING_INT ? "whole number" : "number";

    switch (row->type) {
    case SETTING_BOOL:
        (void) snprintf(allowed, ALLOWED_BYTES, "yes or no");
        return;
    case SETTING_INT:
    case SETTING_FLOAT:
        if (row->min == 0 && row->max == 0)
            (void) snprintf(allowed, ALLOWED_BYTES, "a %s%s%s", whole, blank, row->unit);
        else
            (void) snprintf(allowed, ALLOWED_BYTES, "a %s from %.10g to %.10g%s%s", whole, row->min,
                            row->max, blank, row->unit);
        return;
    case SETTING_SIZE:
        (void) snprintf(allowed, ALLOWED_BYTES,
                        "WIDTHxHEIGHT in pixels, each from %.10g to %.10g, such as 640x480",
                        row->min, row->max);
        return;
    case SETTING_CHOICE:
        (void) snprintf(allowed, ALLOWED_BYTES, "one of: %s", row->choices);
        return;
    case SETTING_MASKS:
        (void) snprintf(
            allowed, ALLOWED_BYTES,
            "X,Y,WIDTH,HEIGHT in percent within the frame, such as 0,0,50,12.5; at most %d, "
            "separated by blanks",
            SETTING_MASKS_MAX);
        return;
    case SETTING_NAMES:
        (void) snprintf(allowed, ALLOWED_BYTES, "names separated by commas, at most %d",
                        SETTING_NAMES_MAX);
        return;
    case SETTING_PATHS:
        (void) snprintf(allowed, ALLOWED_BYTES, "paths separated by commas, at most %d",
                        SETTING_NAMES_MAX);
        return;
    case SETTING_STRING:
    case SETTING_PATH:
    case SETTING_PLACE:
        (void) snprintf(allowed, ALLOWED_BYTES, "any text");
        return;
    }
}

/* The sentence: what is wrong, then what would be right. */
static int refuse(const struct setting *row, int error, char allowed[ALLOWED_BYTES],
                  const char *wrong) {
    char right[ALLOWED_BYTES];

    value_allowed(row, right);
    (void) snprintf(allowed, ALLOWED_BYTES, "%s; allowed: %.180s", wrong, right); /* cut is fine */
    return error;
}

static int read_bool(const char *text, bool *ret) {
    static const char *const words[][2] = {
        { "no", "yes" }, { "false", "true" }, { "off", "on" }, { "0", "1" }
    };

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        for (int value = 0; value < 2; value++)
            if (strcasecmp(text, words[i][value]) == 0) {
                *ret = value != 0;
                return 0;
            }
    return -EINVAL;
}

/* A decimal number and nothing else; *@end stands behind it. */
static int read_number(const char *text, double *ret, const char **end) {
    const char *c = text + strspn(text, "+-");
    char *stop;

    if (!strchr("0123456789.", *c) || *c == '\0' || strncasecmp(c, "0x", 2) == 0)
        return -EINVAL; /* strtod() also knows hexadecimal, inf and nan */
    *ret = strtod(text, &stop);
    if (stop == text || !isfinite(*ret))
        return -EINVAL;
    *end = stop;
    return 0;
}

static int read_plain_number(const struct setting *row, const char *text, double *ret,
                             char allowed[ALLOWED_BYTES]) {
    const char *end;
    double value;

    if (read_number(text, &value, &end) < 0 || *end != '\0')
        return refuse(row, -EINVAL, allowed, "not a number");
    if (row->type == SETTING_INT && (value != trunc(value) || fabs(value) > 1e9))
        return refuse(row, -EINVAL, allowed, "not a whole number");
    if ((row->min != 0 || row->max != 0) && (value < row->min || value > row->max))
        return refuse(row, -ERANGE, allowed, "out of range");
    *ret = value;
    return 0;
}

static int read_size(const struct setting *row, const char *text, struct frame_size *ret,
                     char allowed[ALLOWED_BYTES]) {
    struct frame_size size;
    int n = 0;

    if (strspn(text, "0123456789xX") != strlen(text) || strlen(text) > 11 ||
        sscanf(text, "%5d%*1[xX]%5d%n", &size.width_px, &size.height_px, &n) != 2 ||
        text[n] != '\0')
        return refuse(row, -EINVAL, allowed, "not a frame size");
    if (size.width_px < row->min || size.width_px > row->max || size.height_px < row->min ||
        size.height_px > row->max)
        return refuse(row, -ERANGE, allowed, "out of range");
    if (size.width_px % 2 != 0)
        return refuse(row, -EINVAL, allowed, "the width is odd, which no camera format can be");
    *ret = size;
    return 0;
}

static int read_choice(const struct setting *row, const char *text, const char **ret,
                       char allowed[ALLOWED_BYTES]) {
    const size_t n = strlen(text);
    const char *choice = row->choices;

    while (*choice) {
        const size_t n_choice = strcspn(choice, " ");

        if (n == n_choice && strncmp(text, choice, n) == 0) {
            *ret = text;
            return 0;
        }
        choice += n_choice + strspn(choice + n_choice, " ");
    }
    return refuse(row, -EINVAL, allowed, "not known");
}

/* One "X,Y,W,H" at *@text, which moves behind it. */
static int read_mask(const char **text, struct mask_part *ret) {
    const double parts_per_percent = SETTING_MASK_PARTS / 100.0;
    double number[4];

    for (int i = 0; i < 4; i++) {
        if (read_number(*text, &number[i], text) < 0 || number[i] < 0 || number[i] > 100)
            return -EINVAL;
        if (i < 3 && *(*text)++ != ',')
            return -EINVAL;
    }
    *ret = (struct mask_part){ .x = (int) lround(number[0] * parts_per_percent),
                               .y = (int) lround(number[1] * parts_per_percent),
                               .width = (int) lround(number[2] * parts_per_percent),
                               .height = (int) lround(number[3] * parts_per_percent) };
    if (ret->width == 0 || ret->height == 0 || ret->x + ret->width > SETTING_MASK_PARTS ||
        ret->y + ret->height > SETTING_MASK_PARTS)
        return -ERANGE;
    return 0;
}

static int read_masks(const struct setting *row, const char *text, struct mask_list *ret,
                      char allowed[ALLOWED_BYTES]) {
    *ret = (struct mask_list){ 0 };
    for (text += strspn(text, blanks); *text; text += strspn(text, blanks)) {
        int r;

        if (ret->n == SETTING_MASKS_MAX)
            return refuse(row, -ERANGE, allowed, "too many masks");
        r = read_mask(&text, &ret->masks[ret->n]);
        if (r == -ERANGE)
            return refuse(row, r, allowed, "a mask is empty or reaches over the edge");
        if (r < 0 || (*text && !strchr(blanks, *text)))
            return refuse(row, -EINVAL, allowed, "not a list of masks");
        ret->n++;
    }
    return 0;
}

static int read_names(const struct setting *row, char *text, struct name_list *ret,
                      char allowed[ALLOWED_BYTES]) {
    char *rest = text, *name;

    *ret = (struct name_list){ 0 };
    if (text[strspn(text, blanks)] == '\0')
        return 0;
    while ((name = strsep(&rest, ","))) {
        char *end;

        name += strspn(name, blanks);
        for (end = name + strlen(name); end > name && strchr(blanks, end[-1]);)
            *--end = '\0';
        if (*name == '\0')
            return refuse(row, -EINVAL, allowed, "an empty name between commas");
        if (ret->n == SETTING_NAMES_MAX)
            return refuse(row, -ERANGE, allowed, "too many names");
        ret->names[ret->n++] = name;
    }
    return 0;
}

static int read_numbers(const struct setting *row, const char *text, void *at,
                        char allowed[ALLOWED_BYTES]) {
    double number = NAN;
    const int r = *text ? read_plain_number(row, text, &number, allowed) : 0;

    if (r < 0)
        return r;
    if (row->type == SETTING_INT)
        *(int *) at = (int) number; /* an int has no empty default; a test holds the table to it */
    else
        *(double *) at = number;
    return 0;
}

int value_read(const struct setting *row, char *text, void *base, char allowed[ALLOWED_BYTES]) {
    void *const at = (char *) base + row->offset;

    switch (row->type) {
    case SETTING_STRING:
    case SETTING_PATH:
    case SETTING_PLACE:
        *(const char **) at = text;
        return 0;
    case SETTING_BOOL:
        return read_bool(text, at) < 0 ? refuse(row, -EINVAL, allowed, "neither yes nor no") : 0;
    case SETTING_INT:
    case SETTING_FLOAT:
        return read_numbers(row, text, at, allowed);
    case SETTING_SIZE:
        return read_size(row, text, at, allowed);
    case SETTING_CHOICE:
        return read_choice(row, text, at, allowed);
    case SETTING_MASKS:
        return read_masks(row, text, at, allowed);
    case SETTING_NAMES:
    case SETTING_PATHS:
        return read_names(row, text, at, allowed);
    }
    return -EINVAL;
}
