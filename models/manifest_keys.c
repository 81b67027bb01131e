/* SPDX-License-Identifier: MIT */
/* The table of all keys of bundle.ini, and how one value is read. */
#include "models/manifest_keys.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MS_MAX = 600000, /* ten minutes */
};

#define BUNDLE(field_) .kind = MANIFEST_BUNDLE, .offset = offsetof(struct bundle_section, field_)
#define MODALITY(field_)                                                                           \
    .kind = MANIFEST_MODALITY, .offset = offsetof(struct modality_section, field_)
#define HEAD(field_) .kind = MANIFEST_HEAD, .offset = offsetof(struct head_section, field_)
#define CLASSIFIER(field_)                                                                         \
    .kind = MANIFEST_CLASSIFIER, .offset = offsetof(struct head_section, field_)
#define CALIBRATION(field_)                                                                        \
    .kind = MANIFEST_CALIBRATION, .offset = offsetof(struct calibration_section, field_)
#define DETECTOR(field_)                                                                           \
    .kind = MANIFEST_DETECTOR, .offset = offsetof(struct detector_section, options.field_)

/* clang-format off */
static const struct manifest_key keys[] = {
    { BUNDLE(format), .key = "format", .type = MANIFEST_INTEGER, .min = 1, .max = 1 },
    { BUNDLE(name), .key = "name", .type = MANIFEST_TEXT },
    { BUNDLE(version), .key = "version", .type = MANIFEST_TEXT },
    { BUNDLE(licence), .key = "licence", .type = MANIFEST_TEXT },
    { BUNDLE(commercial_use), .key = "commercial_use", .type = MANIFEST_YES_NO, .default_value = "yes" },
    { BUNDLE(description), .key = "description", .type = MANIFEST_LONG, .default_value = "" },

    { MODALITY(kind), .key = "kind", .type = MANIFEST_CHOICE, .choices = "sound picture" },
    { MODALITY(encoder), .key = "encoder", .type = MANIFEST_FILE },
    { MODALITY(hop_ms), .key = "hop_ms", .type = MANIFEST_NUMBER, .min = 10, .max = 60000, .default_value = "" },
    { MODALITY(sound.rate_hz), .key = "rate_hz", .type = MANIFEST_INTEGER, .wanted_by = FOR_SOUND,
      .min = FEATURES_RATE_HZ, .max = FEATURES_RATE_HZ, .default_value = "16000" },
    { MODALITY(sound.window_ms), .key = "window_ms", .type = MANIFEST_NUMBER, .wanted_by = FOR_SOUND, .min = 10, .max = 60000 },
    { MODALITY(features), .key = "features", .type = MANIFEST_CHOICE, .wanted_by = FOR_SOUND, .choices = "logmel mfcc" },
    { MODALITY(sound.frame_ms), .key = "frame_ms", .type = MANIFEST_NUMBER, .wanted_by = FOR_SOUND, .min = 1, .max = 256, .default_value = "25" },
    { MODALITY(sound.step_ms), .key = "step_ms", .type = MANIFEST_NUMBER, .wanted_by = FOR_SOUND, .min = 1, .max = 1000, .default_value = "10" },
    { MODALITY(sound.n_bands), .key = "bands", .type = MANIFEST_INTEGER, .wanted_by = FOR_SOUND, .min = 1, .max = SOUND_BANDS_MAX, .default_value = "40" },
    { MODALITY(sound.n_coefficients), .key = "coefficients", .type = MANIFEST_INTEGER, .wanted_by = FOR_MFCC, .min = 1, .max = SOUND_BANDS_MAX, .default_value = "10" },
    { MODALITY(sound.low_hz), .key = "low_hz", .type = MANIFEST_NUMBER, .wanted_by = FOR_SOUND, .min = 0, .max = 8000, .default_value = "60" },
    { MODALITY(sound.high_hz), .key = "high_hz", .type = MANIFEST_NUMBER, .wanted_by = FOR_SOUND, .min = 0, .max = 8000, .default_value = "7600" },
    { MODALITY(sound.floor), .key = "floor", .type = MANIFEST_NUMBER, .wanted_by = FOR_SOUND, .min = 1e-30, .max = 1, .default_value = "1e-6" },
    { MODALITY(normalise), .key = "normalise", .type = MANIFEST_CHOICE, .wanted_by = FOR_SOUND, .choices = "none peak", .default_value = "none" },
    { MODALITY(size_px), .key = "size_px", .type = MANIFEST_SIZE, .wanted_by = FOR_PICTURE, .min = 1, .max = PICTURE_SIDE_PX_MAX },
    { MODALITY(colour), .key = "colour", .type = MANIFEST_CHOICE, .wanted_by = FOR_PICTURE, .choices = "rgb grey", .default_value = "rgb" },
    { MODALITY(crop), .key = "crop", .type = MANIFEST_CHOICE, .wanted_by = FOR_PICTURE, .choices = "none centre-square", .default_value = "none" },

    { HEAD(file), .key = "file", .type = MANIFEST_FILE },
    { HEAD(labels), .key = "labels", .type = MANIFEST_FILE, .default_value = "labels.txt" },
    { HEAD(scores), .key = "scores", .type = MANIFEST_CHOICE, .choices = "logits probabilities", .default_value = "logits" },
    { HEAD(unknown), .key = "unknown", .type = MANIFEST_NUMBER, .min = 0, .max = 1, .default_value = "0" },

    { CLASSIFIER(labels), .key = "labels", .type = MANIFEST_FILE, .default_value = "labels.txt" },
    { CLASSIFIER(scores), .key = "scores", .type = MANIFEST_CHOICE, .choices = "logits probabilities" },
    { CLASSIFIER(unknown), .key = "unknown", .type = MANIFEST_NUMBER, .min = 0, .max = 1, .default_value = "0" },

    { CALIBRATION(values.temperature), .key = "temperature", .type = MANIFEST_NUMBER, .min = 0.01, .max = 100, .default_value = "1" },
    { CALIBRATION(values.none), .key = "none", .type = MANIFEST_NUMBER, .min = BUNDLE_NONE, .max = 1000, .default_value = "-1000" },

    { DETECTOR(on), .key = "on", .type = MANIFEST_NUMBER, .min = 0, .max = 1, .default_value = "0.7" },
    { DETECTOR(off), .key = "off", .type = MANIFEST_NUMBER, .min = 0, .max = 1, .default_value = "0.5" },
    { DETECTOR(least_ms), .key = "least_ms", .type = MANIFEST_NUMBER, .min = 0, .max = MS_MAX, .default_value = "0" },
    { DETECTOR(hold_ms), .key = "hold_ms", .type = MANIFEST_NUMBER, .min = 0, .max = MS_MAX, .default_value = "1000" },
    { DETECTOR(smooth_ms), .key = "smooth_ms", .type = MANIFEST_NUMBER, .min = 0, .max = MS_MAX, .default_value = "0" },
    { DETECTOR(update_ms), .key = "update_ms", .type = MANIFEST_NUMBER, .min = 0, .max = MS_MAX, .default_value = "1000" },
    { DETECTOR(report), .key = "report", .type = MANIFEST_YES_NO, .default_value = "yes" },
};
/* clang-format on */

enum { N_KEYS = sizeof(keys) / sizeof(keys[0]) };
_Static_assert((int) N_KEYS <= (int) MANIFEST_KEYS_MAX,
               "lines[] of struct manifest_section is too short");

const struct manifest_key *manifest_key(size_t i) {
    return i < N_KEYS ? &keys[i] : NULL;
}

/* Text of one line: no control characters, not longer than @room with NUL. */
static int read_text(const char *value, char *ret, size_t room) {
    const size_t n = strlen(value);

    if (n == 0 || n >= room)
        return -ERANGE;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char) value[i] < ' ' || value[i] == 0x7f)
            return -ERANGE;
    memcpy(ret, value, n + 1);
    return 0;
}

static int read_file(const char *value, char *ret) {
    if (strchr(value, '/') || strchr(value, '\\') || strchr(value, ' ') || value[0] == '.')
        return -ERANGE;
    return read_text(value, ret, BUNDLE_NAME_BYTES);
}

static int read_number(const struct manifest_key *key, const char *value, double *ret) {
    char *end;
    const double number = strtod(value, &end);

    if (value[strspn(value, "0123456789+-.eE")] != '\0') /* neither hexadecimal nor inf */
        return -ERANGE;
    if (end == value || *end != '\0' || !(number >= key->min && number <= key->max))
        return -ERANGE;
    *ret = number;
    return 0;
}

static int read_integer(const struct manifest_key *key, const char *value, int32_t *ret) {
    double number;

    if (read_number(key, value, &number) < 0 || number != trunc(number))
        return -ERANGE;
    *ret = (int32_t) number;
    return 0;
}

/* WIDTHxHEIGHT */
static int read_size(const struct manifest_key *key, const char *value, int32_t ret[2]) {
    char width[16];
    const char *const times = strchr(value, 'x');
    int32_t size[2];

    if (!times || (size_t) (times - value) >= sizeof(width))
        return -ERANGE;
    memcpy(width, value, (size_t) (times - value));
    width[times - value] = '\0';
    if (read_integer(key, width, &size[0]) < 0 || read_integer(key, times + 1, &size[1]) < 0)
        return -ERANGE;
    memcpy(ret, size, sizeof(size));
    return 0;
}

static int read_choice(const char *choices, const char *value, int *ret) {
    const size_t n = strlen(value);
    int index = 0;

    for (const char *choice = choices; choice; index++) {
        const char *const blank = strchr(choice, ' ');
        const size_t n_choice = blank ? (size_t) (blank - choice) : strlen(choice);

        if (n == n_choice && memcmp(choice, value, n) == 0) {
            *ret = index;
            return 0;
        }
        choice = blank ? blank + 1 : NULL;
    }
    return -ERANGE;
}

static int read_yes_no(const char *value, bool *ret) {
    int index;

    if (read_choice("no yes", value, &index) < 0)
        return -ERANGE;
    *ret = index == 1;
    return 0;
}

int manifest_key_set(const struct manifest_key *key, const char *value, void *section) {
    void *const field = (char *) section + key->offset;

    switch (key->type) {
    case MANIFEST_TEXT:
        return read_text(value, field, BUNDLE_NAME_BYTES);
    case MANIFEST_LONG:
        return read_text(value, field, BUNDLE_TEXT_BYTES);
    case MANIFEST_FILE:
        return read_file(value, field);
    case MANIFEST_NUMBER:
        return read_number(key, value, field);
    case MANIFEST_INTEGER:
        return read_integer(key, value, field);
    case MANIFEST_SIZE:
        return read_size(key, value, field);
    case MANIFEST_CHOICE:
        return read_choice(key->choices, value, field);
    case MANIFEST_YES_NO:
        return read_yes_no(value, field);
    }
    return -ERANGE;
}

void manifest_key_defaults(enum manifest_kind kind, void *section) {
    for (size_t i = 0; i < N_KEYS; i++)
        if (keys[i].kind == kind && keys[i].default_value && *keys[i].default_value) {
            const int r = manifest_key_set(&keys[i], keys[i].default_value, section);

            assert(r == 0); /* the table is ours */
            (void) r;
        }
}

void manifest_key_allowed(const struct manifest_key *key, char *ret, size_t room) {
    const char *const plural = key->type == MANIFEST_INTEGER ? "a whole number" : "a number";

    switch (key->type) {
    case MANIFEST_TEXT:
    case MANIFEST_LONG:
        (void) snprintf(ret, room, "must be 1 to %d bytes of text",
                        (key->type == MANIFEST_TEXT ? BUNDLE_NAME_BYTES : BUNDLE_TEXT_BYTES) - 1);
        return;
    case MANIFEST_FILE:
        (void) snprintf(ret, room,
                        "must be the name of a file in the bundle, without directories and blanks");
        return;
    case MANIFEST_NUMBER:
    case MANIFEST_INTEGER:
        if (key->min < key->max)
            (void) snprintf(ret, room, "must be %s from %g to %g", plural, key->min, key->max);
        else
            (void) snprintf(ret, room, "must be %g", key->min);
        return;
    case MANIFEST_SIZE:
        (void) snprintf(ret, room, "must be WIDTHxHEIGHT, each from %g to %g", key->min, key->max);
        return;
    case MANIFEST_CHOICE:
        (void) snprintf(ret, room, "must be one of: %s", key->choices);
        return;
    case MANIFEST_YES_NO:
        (void) snprintf(ret, room, "must be yes or no");
        return;
    }
}
