/* SPDX-License-Identifier: MIT */
/* value - one setting's text becomes its typed value, or a sentence about what is allowed. */
#pragma once

#include "config/settings.h"

enum { ALLOWED_BYTES = 256 };

/**
 * Read @text as @row says into the section's struct at @base.
 * @text      split in place (SETTING_NAMES, SETTING_PATHS); what is read points into it.
 * @base      a struct camera_settings or the like, the one of the row's section.
 * @allowed   on error: what is wrong and what is allowed, without a full stop.
 * Returns 0, -EINVAL, -ERANGE.
 */
int value_read(const struct setting *row, char *text, void *base, char allowed[ALLOWED_BYTES]);

/** What @row allows, for a person: "0.1 to 240 frames/s", "yes or no". */
void value_allowed(const struct setting *row, char allowed[ALLOWED_BYTES]);
