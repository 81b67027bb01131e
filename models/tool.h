/* SPDX-License-Identifier: MIT */
/*
 * tool - the subcommands of `lookout-model`, one file each.
 *
 * To add one: write models/tool_NAME.c with a `const struct tool tool_NAME`,
 * declare it here, add a line to the table in lookout-model.c and to meson.build.
 */
#pragma once

enum { TOOL_OK = 0, TOOL_FAILED = 1, TOOL_USAGE = 2 };

struct tool {
    const char *name;    /* what is typed */
    const char *summary; /* one line for `lookout-model --help` */
    const char *help; /* all of `lookout-model NAME --help`, with an example; ends with a newline */

    /**
     * Do it. argv[0] is `lookout-model NAME`; `--help` was dealt with.
     * Errors go to stderr. Returns the exit status, enum TOOL_*; at TOOL_USAGE
     * the first line of @help is shown by main.
     */
    int (*main)(int argc, char **argv);
};

extern const struct tool tool_show, tool_run, tool_bench, tool_conform;
extern const struct tool tool_features, tool_eval, tool_check;
