/* SPDX-License-Identifier: MIT */
/*
 * settings - every key of lookoutd.ini: type, unit, range, default, help.
 *
 * One const table describes all; reading, checking, `lookoutctl config`, the
 * shipped INI's test and the man page come from it. Other modules receive their
 * own small structs, made from `struct settings` by the daemon (daemon/plan.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "common/cleanup.h"
#include "common/fault.h"

enum {
    SECTION_NAME_BYTES = 64, /* NAME of [camera NAME], with NUL */
    SETTING_MASKS_MAX = 16,
    SETTING_NAMES_MAX = 16,
    SETTING_MASK_PARTS = 10000, /* masks are kept in 1/100 % */
};

/** Kinds of section. */
enum section_kind {
    SECTION_LOOKOUTD,
    SECTION_CAMERA,
    SECTION_MICROPHONE,
    SECTION_RECORDING,
    SECTION_TASK
};
enum { SECTION_KINDS = SECTION_TASK + 1 };

enum setting_type {
    SETTING_STRING, /* const char * */
    SETTING_PATH,  /* const char *: a relative one starts at the directory of the INI file that sets
                      it */
    SETTING_PLACE, /* const char *: a path if it contains a `/`, else a name */
    SETTING_BOOL,  /* bool: yes/no, true/false, on/off, 1/0 */
    SETTING_INT,   /* int */
    SETTING_FLOAT, /* double; NAN where the default is empty and nothing was set */
    SETTING_SIZE,  /* struct frame_size: WIDTHxHEIGHT in pixels */
    SETTING_CHOICE, /* const char *: one of `choices` */
    SETTING_MASKS,  /* struct mask_list: X,Y,W,H in percent of the frame, several separated by white
                       space */
    SETTING_NAMES,  /* struct name_list: names separated by commas */
    SETTING_PATHS,  /* struct name_list: paths separated by commas */
};

/** One row of the table. */
struct setting {
    enum section_kind section;
    const char *key;
    enum setting_type type;
    const char *unit;          /* "ms", "frames/s", "" */
    double min, max;           /* of numbers; both 0: unlimited */
    const char *choices;       /* "auto yuyv mjpeg nv12 grey" or NULL */
    const char *default_value; /* as it would stand in the INI; an empty value means this one */
    const char *help;          /* one or two sentences */
    size_t offset;             /* of the value in the section's struct below */
};

struct frame_size {
    int width_px, height_px; /* 0: not set */
};

/** A rectangle in 1/100 % of width and height. */
struct mask_part {
    int x, y, width, height;
};

struct mask_list {
    size_t n;
    struct mask_part masks[SETTING_MASKS_MAX];
};

struct name_list {
    size_t n;
    const char *names[SETTING_NAMES_MAX];
};

struct lookoutd_settings {
    struct name_list bundles;
    const char *keys;
    bool allow_unsigned, commercial_use, allow_record, dbus, journal_events, exit_at_end;
    int events_kept, subscribers_max, subscriber_kib;
};

struct camera_settings {
    bool enabled;
    const char *device, *format;
    struct frame_size size;
    double rate_hz;
    struct mask_list masks;
};

struct microphone_settings {
    bool enabled;
    const char *device, *format;
    int channel;
};

struct recording_settings {
    bool enabled, loop;
    const char *data, *file, *format, *clock;
    struct frame_size size;
    double rate_hz, offset_ms;
    int channel;
    struct mask_list masks;
};

struct task_settings {
    bool enabled;
    const char *bundle;
    struct name_list sensors;
    double unknown, on, off, least_ms, hold_ms, smooth_ms, update_ms; /* NAN: the bundle's */
};

/** Where a value stands. */
struct origin {
    const char *file; /* NULL: nowhere, the default counts */
    unsigned line;
};

/** One key of one section as it was set. */
struct entry {
    const char *text; /* NULL: not set */
    struct origin origin;
};

/** One section, all files merged. */
struct section {
    enum section_kind kind;
    char name[SECTION_NAME_BYTES]; /* "" of [lookoutd] */
    struct origin origin;  /* of its first header; file NULL for a [lookoutd] nobody wrote */
    struct entry *entries; /* one for each row of its kind, in the order of the table */
    union {
        struct lookoutd_settings lookoutd;
        struct camera_settings camera;
        struct microphone_settings microphone;
        struct recording_settings recording;
        struct task_settings task;
    };
};

/** A whole configuration, checked. Immutable; made by settings_load(). */
struct settings {
    size_t n_sections;
    struct section *sections; /* [0] is always [lookoutd]; the rest in the order of the files */
    size_t n_strings;
    char **strings; /* what the pointers above point to */
};

/** Free what settings_load() made. NULL is allowed. Returns NULL. */
struct settings *settings_free(struct settings *settings);
DEFINE_CLEANUP(struct settings *, settings_free)

/** The rows of one kind of section, `*ret_n` of them. Static. */
const struct setting *settings_rows(enum section_kind kind, size_t *ret_n);

/** "lookoutd", "camera" ...; static. */
const char *section_kind_name(enum section_kind kind);

/** What a person must know about sections of this kind; static. */
const char *section_kind_help(enum section_kind kind);

/** Whether this kind is a sensor: a camera, microphone or recording. */
bool section_is_sensor(enum section_kind kind);

/** The section of @kind with @name, or NULL. */
const struct section *settings_find(const struct settings *settings, enum section_kind kind,
                                    const char *name);

/** One line of `lookoutctl config`. Valid as long as the settings. */
struct settings_line {
    char section[SECTION_NAME_BYTES + 16]; /* "camera gate" */
    const char *key, *value;               /* key "": the section itself appeared or went */
    char origin[1024];                     /* "FILE:LINE", "default", or "removed" */
};

/** Called once per line; return 0 to go on. */
typedef int settings_line_fn(const struct settings_line *line, void *user);

/** Every key of every section with its value and what set it. Returns 0, or what @fn returned. */
int settings_list(const struct settings *settings, settings_line_fn *fn, void *user);

/** What is not the same in @now as it was in @before (its new value). Returns 0, or what @fn
 * returned. */
int settings_changes(const struct settings *before, const struct settings *now,
                     settings_line_fn *fn, void *user);
