/* SPDX-License-Identifier: MIT */
#include "config/settings.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { FRAME_PX_MAX = 8192, RATE_HZ_MAX = 240, TIME_MS_MAX = 3600 * 1000 };

#define LOOKOUTD(field)                                                                            \
    .section = SECTION_LOOKOUTD, .offset = offsetof(struct lookoutd_settings, field)
#define CAMERA(field) .section = SECTION_CAMERA, .offset = offsetof(struct camera_settings, field)
#define MICROPHONE(field)                                                                          \
    .section = SECTION_MICROPHONE, .offset = offsetof(struct microphone_settings, field)
#define RECORDING(field)                                                                           \
    .section = SECTION_RECORDING, .offset = offsetof(struct recording_settings, field)
#define TASK(field) .section = SECTION_TASK, .offset = offsetof(struct task_settings, field)

static const struct setting lookoutd_rows[] = {
    { LOOKOUTD(bundles), .key = "bundles", .type = SETTING_PATHS, .unit = "",
      .default_value = "/etc/lookout/bundles, /var/lib/lookout/bundles, /usr/lib/lookout/bundles",
      .help = "Directories in which a task's bundle is looked for by name, first match wins." },
    { LOOKOUTD(keys), .key = "keys", .type = SETTING_PATH, .unit = "",
      .default_value = "/etc/lookout/keys.d",
      .help = "Directory of the minisign public keys (*.pub) whose bundles are accepted." },
    { LOOKOUTD(allow_unsigned), .key = "allow_unsigned", .type = SETTING_BOOL, .unit = "",
      .default_value = "no",
      .help = "Accept bundles without a valid signature; `lookoutctl status` then says so." },
    { LOOKOUTD(commercial_use), .key = "commercial_use", .type = SETTING_BOOL, .unit = "",
      .default_value = "no",
      .help = "With `yes` a task does not run whose bundle's licence forbids commercial use." },
    { LOOKOUTD(allow_record), .key = "allow_record", .type = SETTING_BOOL, .unit = "",
      .default_value = "no",
      .help = "Let root and the group lookout-admin write what sensors deliver to files "
              "(`lookoutctl record`)." },
    { LOOKOUTD(events_kept), .key = "events_kept", .type = SETTING_INT, .unit = "events", .min = 16,
      .max = 65536, .default_value = "1024",
      .help = "How many of the last events are kept in memory, for clients that come back with a "
              "cursor." },
    { LOOKOUTD(subscribers_max), .key = "subscribers_max", .type = SETTING_INT,
      .unit = "connections", .min = 1, .max = 4096, .default_value = "256",
      .help = "How many clients may be connected to the socket at a time." },
    { LOOKOUTD(subscriber_kib), .key = "subscriber_kib", .type = SETTING_INT, .unit = "KiB",
      .min = 16, .max = 65536, .default_value = "256",
      .help =
          "How much may wait for a client that reads slowly before it is dropped with TooSlow." },
    { LOOKOUTD(dbus), .key = "dbus", .type = SETTING_BOOL, .unit = "", .default_value = "yes",
      .help = "Also publish on D-Bus as org.lookoutd.Lookout1." },
    { LOOKOUTD(journal_events), .key = "journal_events", .type = SETTING_BOOL, .unit = "",
      .default_value = "yes",
      .help = "Also write every begin and end of an event to the journal." },
    { LOOKOUTD(exit_at_end), .key = "exit_at_end", .type = SETTING_BOOL, .unit = "",
      .default_value = "no",
      .help = "End when all sensors are recordings and all of them have come to their end." },
};

static const struct setting camera_rows[] = {
    { CAMERA(enabled), .key = "enabled", .type = SETTING_BOOL, .unit = "", .default_value = "yes",
      .help = "With `no` the device is never opened and the sensor is `off`." },
    { CAMERA(device), .key = "device", .type = SETTING_STRING, .unit = "", .default_value = "auto",
      .help =
          "A V4L2 device, best by its stable name below /dev/v4l/by-id or by-path; `auto` takes "
          "the first by name that can be used." },
    { CAMERA(format), .key = "format", .type = SETTING_CHOICE, .unit = "",
      .choices = "auto yuyv mjpeg nv12 grey", .default_value = "auto",
      .help = "The pixel format to ask for; `auto` takes the cheapest the device offers." },
    { CAMERA(size), .key = "size", .type = SETTING_SIZE, .unit = "pixels", .min = 16,
      .max = FRAME_PX_MAX, .default_value = "640x480",
      .help = "The frame size to ask for; the device may negotiate another, which `lookoutctl "
              "sensors` shows." },
    { CAMERA(rate_hz), .key = "rate_hz", .type = SETTING_FLOAT, .unit = "frames/s", .min = 0.1,
      .max = RATE_HZ_MAX, .default_value = "10", .help = "The frame rate to ask for." },
    { CAMERA(masks), .key = "masks", .type = SETTING_MASKS, .unit = "%", .default_value = "",
      .help = "Rectangles blacked out before anything else sees the frame: X,Y,WIDTH,HEIGHT in "
              "percent of the frame, "
              "several separated by blanks." },
};

static const struct setting microphone_rows[] = {
    { MICROPHONE(enabled), .key = "enabled", .type = SETTING_BOOL, .unit = "",
      .default_value = "yes",
      .help = "With `no` the device is never opened and the sensor is `off`." },
    { MICROPHONE(device), .key = "device", .type = SETTING_STRING, .unit = "",
      .default_value = "auto",
      .help =
          "An ALSA capture device: a card by its stable name such as hw:CARD=Device, one by its "
          "USB port such as usb:1-1.2, or `default`; `auto` takes the first by name that can "
          "be used." },
    { MICROPHONE(format), .key = "format", .type = SETTING_CHOICE, .unit = "",
      .choices = "auto s16 s24 s24_3 s32", .default_value = "auto",
      .help = "The sample format to ask for; `auto` takes the first the device offers." },
    { MICROPHONE(channel), .key = "channel", .type = SETTING_INT, .unit = "", .min = 0, .max = 32,
      .default_value = "0",
      .help = "Which channel to listen to, from 1; 0 takes the mean of all." },
};

static const struct setting recording_rows[] = {
    { RECORDING(enabled), .key = "enabled", .type = SETTING_BOOL, .unit = "",
      .default_value = "yes",
      .help = "With `no` the file is never opened and the sensor is `off`." },
    { RECORDING(data), .key = "data", .type = SETTING_CHOICE, .unit = "",
      .choices = "sound picture", .default_value = "sound", .help = "What the file holds." },
    { RECORDING(file), .key = "file", .type = SETTING_PATH, .unit = "", .default_value = "",
      .help =
          "WAV or FLAC; Y4M, Motion JPEG, raw frames, or a directory of pictures. Must be set. A "
          "relative path starts at "
          "the INI's directory." },
    { RECORDING(format), .key = "format", .type = SETTING_CHOICE, .unit = "",
      .choices = "auto mjpeg y4m yuyv nv12 i420 grey rgb24", .default_value = "auto",
      .help = "Of pictures; raw frames need it, all others are known by their first bytes." },
    { RECORDING(size), .key = "size", .type = SETTING_SIZE, .unit = "pixels", .min = 16,
      .max = FRAME_PX_MAX, .default_value = "640x480",
      .help = "Frame size of a raw recording; other formats say it themselves." },
    { RECORDING(rate_hz), .key = "rate_hz", .type = SETTING_FLOAT, .unit = "frames/s", .min = 0.1,
      .max = RATE_HZ_MAX, .default_value = "10",
      .help = "Frame rate of pictures whose file carries no times." },
    { RECORDING(channel), .key = "channel", .type = SETTING_INT, .unit = "", .min = 0, .max = 32,
      .default_value = "0",
      .help = "Which channel of the sound to take, from 1; 0 takes the mean of all." },
    { RECORDING(loop), .key = "loop", .type = SETTING_BOOL, .unit = "", .default_value = "no",
      .help = "Start again at the end, for ever." },
    { RECORDING(clock), .key = "clock", .type = SETTING_CHOICE, .unit = "",
      .choices = "realtime virtual", .default_value = "realtime",
      .help = "`realtime` plays as a device would; `virtual` goes as fast as possible (`lookoutd "
              "--replay`)." },
    { RECORDING(offset_ms), .key = "offset_ms", .type = SETTING_FLOAT, .unit = "ms", .min = 0,
      .max = TIME_MS_MAX, .default_value = "0",
      .help = "How much later than the other recordings this one begins." },
    { RECORDING(masks), .key = "masks", .type = SETTING_MASKS, .unit = "%", .default_value = "",
      .help = "As of a camera." },
};

static const struct setting task_rows[] = {
    { TASK(enabled), .key = "enabled", .type = SETTING_BOOL, .unit = "", .default_value = "yes",
      .help = "With `no` the task does not run, nor an encoder that no other task needs." },
    { TASK(bundle), .key = "bundle", .type = SETTING_PLACE, .unit = "", .default_value = "",
      .help = "Name of a bundle in the search path, or a directory (with a `/`, relative to the "
              "INI's directory). "
              "Must be set." },
    { TASK(sensors), .key = "sensors", .type = SETTING_NAMES, .unit = "", .default_value = "",
      .help = "Names of the sensors to use, in the order of the bundle's modalities of each kind; "
              "empty takes the "
              "first sensor of each kind." },
    { TASK(unknown), .key = "unknown", .type = SETTING_FLOAT, .unit = "", .min = 0, .max = 1,
      .default_value = "",
      .help =
          "If the best score is below this, the answer is `unknown`. Empty: as the bundle says." },
    { TASK(on), .key = "on", .type = SETTING_FLOAT, .unit = "", .min = 0, .max = 1,
      .default_value = "",
      .help =
          "An event begins at this score, for all labels. Empty: as the bundle says for each." },
    { TASK(off), .key = "off", .type = SETTING_FLOAT, .unit = "", .min = 0, .max = 1,
      .default_value = "", .help = "An event ends below this score. Empty: as the bundle says." },
    { TASK(least_ms), .key = "least_ms", .type = SETTING_FLOAT, .unit = "ms", .min = 0,
      .max = TIME_MS_MAX, .default_value = "",
      .help = "The score must stay at `on` or above for this long before an event begins. Empty: "
              "as the bundle says." },
    { TASK(hold_ms), .key = "hold_ms", .type = SETTING_FLOAT, .unit = "ms", .min = 0,
      .max = TIME_MS_MAX, .default_value = "",
      .help = "The score must stay below `off` for this long before an event ends. Empty: as the "
              "bundle says." },
    { TASK(smooth_ms), .key = "smooth_ms", .type = SETTING_FLOAT, .unit = "ms", .min = 0,
      .max = TIME_MS_MAX, .default_value = "",
      .help = "Time constant of the average over scores; 0 takes them as they are. Empty: as the "
              "bundle says." },
    { TASK(update_ms), .key = "update_ms", .type = SETTING_FLOAT, .unit = "ms", .min = 0,
      .max = TIME_MS_MAX, .default_value = "",
      .help = "While an event lasts, an update is published at most this often; 0 never. Empty: as "
              "the bundle says." },
};

#define ROWS(rows) rows, sizeof(rows) / sizeof((rows)[0])

static const struct {
    const char *name;
    const struct setting *rows;
    size_t n_rows;
    const char *help;
} kinds[SECTION_KINDS] = {
    [SECTION_LOOKOUTD] = { "lookoutd", ROWS(lookoutd_rows), "The daemon as a whole." },
    [SECTION_CAMERA] = { "camera", ROWS(camera_rows),
                         "One section per camera; an empty one uses the defaults." },
    [SECTION_MICROPHONE] = { "microphone", ROWS(microphone_rows),
                             "One section per microphone; an empty one uses the defaults." },
    [SECTION_RECORDING] = { "recording", ROWS(recording_rows),
                            "A file that stands in for a camera or microphone." },
    [SECTION_TASK] = { "task", ROWS(task_rows),
                       "One question asked of the sensors, answered by a bundle." },
};

const struct setting *settings_rows(enum section_kind kind, size_t *ret_n) {
    *ret_n = kinds[kind].n_rows;
    return kinds[kind].rows;
}

const char *section_kind_name(enum section_kind kind) {
    return kinds[kind].name;
}

const char *section_kind_help(enum section_kind kind) {
    return kinds[kind].help;
}

bool section_is_sensor(enum section_kind kind) {
    switch (kind) {
    case SECTION_CAMERA:
    case SECTION_MICROPHONE:
    case SECTION_RECORDING:
        return true;
    case SECTION_LOOKOUTD:
    case SECTION_TASK:
        return false;
    }
    return false;
}

const struct section *settings_find(const struct settings *settings, enum section_kind kind,
                                    const char *name) {
    for (size_t i = 0; i < settings->n_sections; i++)
        if (settings->sections[i].kind == kind && strcmp(settings->sections[i].name, name) == 0)
            return &settings->sections[i];
    return NULL;
}

struct settings *settings_free(struct settings *settings) {
    if (!settings)
        return NULL;
    for (size_t i = 0; i < settings->n_sections; i++)
        free(settings->sections[i].entries);
    free(settings->sections);
    for (size_t i = 0; i < settings->n_strings; i++)
        free(settings->strings[i]);
    free(settings->strings);
    free(settings);
    return NULL;
}

static void line_section(struct settings_line *line, const struct section *section) {
    (void) snprintf(line->section, sizeof(line->section), "%s%s%s", kinds[section->kind].name,
                    section->name[0] ? " " : "", section->name); /* sized to fit */
}

static void line_origin(struct settings_line *line, const struct origin *origin) {
    if (origin->file)
        (void) snprintf(line->origin, sizeof(line->origin), "%s:%u", origin->file,
                        origin->line); /* cut is fine */
    else
        (void) strcpy(line->origin, "default"); /* fits */
}

static const char *entry_value(const struct section *section, size_t row) {
    const struct entry *entry = &section->entries[row];

    return entry->text && entry->text[0] ? entry->text
                                         : kinds[section->kind].rows[row].default_value;
}

static int list_key(const struct section *section, size_t row, settings_line_fn *fn, void *user) {
    struct settings_line line = { .key = kinds[section->kind].rows[row].key,
                                  .value = entry_value(section, row) };

    line_section(&line, section);
    line_origin(&line, &section->entries[row].origin);
    return fn(&line, user);
}

int settings_list(const struct settings *settings, settings_line_fn *fn, void *user) {
    for (size_t i = 0; i < settings->n_sections; i++)
        for (size_t row = 0; row < kinds[settings->sections[i].kind].n_rows; row++) {
            const int r = list_key(&settings->sections[i], row, fn, user);
            if (r != 0)
                return r;
        }
    return 0;
}

/* A section that is new, or gone: one line for itself. */
static int list_section(const struct section *section, bool removed, settings_line_fn *fn,
                        void *user) {
    struct settings_line line = { .key = "", .value = "" };

    line_section(&line, section);
    line_origin(&line, &section->origin);
    if (removed)
        (void) strcpy(line.origin, "removed"); /* fits */
    return fn(&line, user);
}

/* @before is NULL if the section is new. */
static int list_changed_keys(const struct section *before, const struct section *now,
                             settings_line_fn *fn, void *user) {
    for (size_t row = 0; row < kinds[now->kind].n_rows; row++) {
        const char *old =
            before ? entry_value(before, row) : kinds[now->kind].rows[row].default_value;
        const int r = strcmp(old, entry_value(now, row)) != 0 ? list_key(now, row, fn, user) : 0;
        if (r != 0)
            return r;
    }
    return 0;
}

int settings_changes(const struct settings *before, const struct settings *now,
                     settings_line_fn *fn, void *user) {
    int r = 0;

    for (size_t i = 0; i < now->n_sections && r == 0; i++) {
        const struct section *section = &now->sections[i];
        const struct section *old = settings_find(before, section->kind, section->name);

        if (!old)
            r = list_section(section, false, fn, user);
        if (r == 0)
            r = list_changed_keys(old, section, fn, user);
    }
    for (size_t i = 0; i < before->n_sections && r == 0; i++)
        if (!settings_find(now, before->sections[i].kind, before->sections[i].name))
            r = list_section(&before->sections[i], true, fn, user);
    return r;
}
