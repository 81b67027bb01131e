/* SPDX-License-Identifier: MIT */
/*
 * Conform over a folder with one row of kernels, if this CPU can run it:
 *   conform ROW DIR   DIR, which must be there
 *   conform ROW       published models, which are not in this repository, if they are at hand
 */
#include <string.h>

#include "models/kernels/kernels.h"
#include "models/tool.h"
#include "tests/test.h"

static bool cannot_run(const char *name) {
    const struct kernels *row;

    for (size_t i = 0; (row = kernels_row(i)); i++)
        if (strcmp(row->name, name) == 0)
            return (row->needs & ~cpu_features()) != 0;
    return false; /* conform will say that there is no such row */
}

int main(int argc, char **argv) {
    char path[TEST_PATH_BYTES], name[] = "conform", tap[] = "--tap", option[] = "--kernels";
    char *arguments[] = { name, tap, option, argc > 1 ? argv[1] : NULL, path, NULL };

    if (!arguments[3])
        return TOOL_USAGE;
    if (cannot_run(argv[1])) {
        (void) printf("1..0 # SKIP this CPU cannot run row %s\n", argv[1]);
        return TOOL_OK;
    }
    if (argc > 2) {
        arguments[4] = argv[2];
    } else if (!shared_path("conformance/real", path)) {
        (void) puts("1..0 # SKIP there is no conformance/real in LOOKOUT_SHARED or ../shared");
        return TOOL_OK;
    }
    return tool_conform.main(5, arguments);
}
