/* SPDX-License-Identifier: MIT */
/* options - the command line: one const table says which option exists, what it takes and whose it
 * is. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/fault.h"

enum { OPTION_NAMES_MAX = 16, OPTION_WORDS_MAX = 8 };

/** Values of an option that may be given several times. */
struct names {
    size_t n;
    const char *items[OPTION_NAMES_MAX];
};

/** What was asked for. Strings are borrowed from argv or the environment. */
struct options {
    const char *socket;
    bool help, version, json, more, scores, long_form, once, yes;
    struct names tasks, labels, sensors, bundles;
    double min_confidence;           /* 0..1 */
    double for_s;                    /* 0: no limit */
    double count;                    /* whole; 0: no limit */
    const char *since;               /* cursor, NULL for none */
    const char *png;                 /* file, NULL for none */
    const char *camera, *microphone; /* a device or "none"; NULL: to be asked for */
    size_t n_words;                  /* the command and what follows it */
    const char *words[OPTION_WORDS_MAX];
};

/**
 * Read @argv. Options and words may come in any order; `--` ends the options.
 * Returns 0, or -EINVAL with @fault saying what is wrong.
 */
int options_parse(int argc, char **argv, struct options *ret, struct fault *fault);

/** Refuse options that are not @command's. Returns 0, -EINVAL. */
int options_check(int argc, char **argv, const char *command, struct fault *fault);

/** List the options of @command with their help; NULL: those of every command. */
void options_help(FILE *out, const char *command);
