/* SPDX-License-Identifier: MIT */
/* place - paths in an INI file start where the file lies. */
#pragma once

#include "config/settings.h"

/**
 * The value @text of @row as it is kept: paths are absolute, seen from the directory of @file.
 * Returns it, owned by the caller, or NULL without memory.
 */
char *place_text(const struct setting *row, const char *file, const char *text);
