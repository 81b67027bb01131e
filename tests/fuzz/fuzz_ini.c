/* SPDX-License-Identifier: MIT */
/* The INI reader: any bytes; every item must be whole, and every line told in order. */
#include "common/ini.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static int check_item(const struct ini_item *item, void *user) {
    unsigned *const line = user;

    if (item->line <= *line || !item->section || (item->key && !item->value) ||
        (item->problem && !*item->problem) || (item->key && !*item->key))
        abort();
    *line = item->line;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    unsigned line = 0;

    if (ini_read_text("fuzz", (const char *) data, n_bytes, check_item, &line) != 0)
        abort();
    return 0;
}
