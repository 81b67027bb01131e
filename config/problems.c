/* SPDX-License-Identifier: MIT */
#include "config/problems.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

void problems_add(struct problems *problems, const char *format, ...) {
    va_list arguments;
    char *text = NULL;
    int n;

    if (problems->n == PROBLEMS_MAX) {
        problems->n_more++;
        return;
    }
    va_start(arguments, format);
    n = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (n < 0) {
        problems->n_more++;
        return;
    }
    for (char *c = text; *c; c++) /* a terminal would obey what stands in a broken file */
        if (iscntrl((unsigned char) *c))
            *c = '?';
    problems->texts[problems->n++] = text;
}

void problems_clear(struct problems *problems) {
    for (size_t i = 0; i < problems->n; i++)
        free(problems->texts[i]);
    *problems = (struct problems){ 0 };
}
