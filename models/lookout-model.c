/* SPDX-License-Identifier: MIT */
/* lookout-model: look into models and bundles, run, time and check them. One subcommand, one file.
 */
#include "models/tool.h"

#include <stdio.h>
#include <string.h>

static const struct tool *const tools[] = {
    &tool_show,     &tool_run,  &tool_bench, &tool_conform,
    &tool_features, &tool_eval, &tool_check, NULL, /* end of the table */
};

static const struct tool *find_tool(const char *name) {
    for (size_t i = 0; tools[i]; i++)
        if (strcmp(tools[i]->name, name) == 0)
            return tools[i];
    return NULL;
}

static void print_help(FILE *to) {
    (void) fputs("Usage: lookout-model COMMAND [ARGUMENTS]\n"
                 "\n"
                 "Looks into models and bundles, runs, times and checks them.\n"
                 "\n"
                 "Commands:\n",
                 to);
    for (size_t i = 0; tools[i]; i++)
        (void) fprintf(to, "  %-10s %s\n", tools[i]->name, tools[i]->summary);
    (void) fputs("\n"
                 "`lookout-model COMMAND --help` tells more and shows an example.\n"
                 "`lookout-model --version` prints the version.\n",
                 to);
}

static int wants_help(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return 1;
    return 0;
}

/* Do it; after wrong arguments show what they could be, in two lines and not in forty. */
static int run_tool(const struct tool *tool, int argc, char **argv) {
    char name[64];
    int status;

    (void) snprintf(name, sizeof(name), "lookout-model %s", tool->name); /* for getopt_long() */
    argv[0] = name;
    status = tool->main(argc, argv);
    if (status == TOOL_USAGE)
        (void) fprintf(stderr, "%.*s\nSee lookout-model %s --help\n",
                       (int) strcspn(tool->help, "\n"), tool->help, tool->name);
    return status;
}

int main(int argc, char **argv) {
    const struct tool *tool;

    if (argc < 2) {
        print_help(stderr);
        return TOOL_USAGE;
    }
    tool = find_tool(argv[1]);
    if (tool && wants_help(argc - 1, argv + 1)) {
        (void) fputs(tool->help, stdout);
        return TOOL_OK;
    }
    if (tool)
        return run_tool(tool, argc - 1, argv + 1);

    if (strcmp(argv[1], "--version") == 0) {
        (void) puts("lookout-model " LOOKOUT_VERSION);
        return TOOL_OK;
    }
    if (wants_help(argc, argv)) {
        print_help(stdout);
        return TOOL_OK;
    }
    (void) fprintf(stderr, "lookout-model: there is no command '%s'; see lookout-model --help\n",
                   argv[1]);
    return TOOL_USAGE;
}
