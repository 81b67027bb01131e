/* SPDX-License-Identifier: MIT */
/* Published models, which are not in this repository: conform over them if they are at hand. */
#include "models/tool.h"
#include "tests/test.h"

int main(int argc, char **argv) {
    char path[TEST_PATH_BYTES], name[] = "conform", tap[] = "--tap", option[] = "--kernels";
    char *arguments[] = { name, tap, option, argc > 1 ? argv[1] : NULL, path, NULL };

    if (!arguments[3])
        return TOOL_USAGE;
    if (!shared_path("conformance/real", path)) {
        (void) puts("1..0 # SKIP there is no conformance/real in LOOKOUT_SHARED or ../shared");
        return TOOL_OK;
    }
    return tool_conform.main(5, arguments);
}
