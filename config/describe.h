/* SPDX-License-Identifier: MIT */
/* describe - the table of settings for people: the shipped INI, the man page's keys, a copy of what
 * is set. */
#pragma once

#include <stdio.h>

#include "config/settings.h"

/** Write config/lookoutd.ini: every key at its default, commented out, with its help. */
void describe_ini(FILE *to);

/** Write the keys as roff for lookoutd.ini(5): one .SS per kind of section, one .TP per key. */
void describe_man(FILE *to);

/** Write what is set in @settings as one INI that means the same wherever it stands. */
void describe_settings(const struct settings *settings, FILE *to);
