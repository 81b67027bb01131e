/* SPDX-License-Identifier: MIT */
/*
 * settings - every key of lookoutd.ini: type, unit, range, default, help.
 *
 * One const table describes all; reading, checking, `lookoutctl config`, the
 * shipped INI's test and the man page come from it. Other modules receive their
 * own small structs, made from `struct settings` by the daemon.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/cleanup.h"
#include "common/fault.h"

/** Kinds of section. */
enum section_kind { SECTION_LOOKOUTD, SECTION_CAMERA, SECTION_MICROPHONE, SECTION_RECORDING, SECTION_TASK };

enum setting_type {
    SETTING_STRING,
    SETTING_BOOL,   /* yes/no, true/false, on/off, 1/0 */
    SETTING_INT,
    SETTING_FLOAT,
    SETTING_SIZE,   /* WIDTHxHEIGHT in pixels */
    SETTING_CHOICE, /* one of `choices` */
    SETTING_MASKS,  /* X,Y,W,H in percent of the frame, several separated by white space */
    SETTING_NAMES,  /* names separated by commas */
};

/** One row of the table. */
struct setting {
    enum section_kind section;
    const char *key;
    enum setting_type type;
    const char *unit;          /* "ms", "frames/s", "" */
    double min, max;           /* of numbers; both 0: unlimited */
    const char *choices;       /* "auto yuyv mjpeg nv12 grey" or NULL */
    const char *default_value; /* as it would stand in the INI */
    const char *help;          /* one or two sentences */
};
