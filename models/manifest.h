/* SPDX-License-Identifier: MIT */
/*
 * manifest - what stands in a bundle.ini, read by a const table of keys.
 *
 * One row describes a key: section, type, range, default, what it is for. Nothing
 * else parses. Whatever is wrong is told with file:line, key, value and what is
 * allowed, and reading goes on. docs/bundle.md describes every row; a test holds
 * it to the table.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "models/bundle.h"

enum {
    MANIFEST_KEYS_MAX = 48,
    MANIFEST_CALIBRATIONS_MAX = (1 << BUNDLE_MODALITIES_MAX) - 1,
    MANIFEST_DETECTORS_MAX = BUNDLE_LABELS_MAX + 1, /* one for each label, one for all */
};

enum manifest_kind {
    MANIFEST_BUNDLE,
    MANIFEST_MODALITY,
    MANIFEST_HEAD,
    MANIFEST_CLASSIFIER,
    MANIFEST_CALIBRATION,
    MANIFEST_DETECTOR,
};

enum manifest_type {
    MANIFEST_TEXT,    /* char [BUNDLE_NAME_BYTES] */
    MANIFEST_LONG,    /* char [BUNDLE_TEXT_BYTES] */
    MANIFEST_FILE,    /* char [BUNDLE_NAME_BYTES]: a file of the bundle, no directories */
    MANIFEST_NUMBER,  /* double */
    MANIFEST_INTEGER, /* int32_t */
    MANIFEST_SIZE,    /* int32_t [2]: WIDTHxHEIGHT */
    MANIFEST_CHOICE,  /* int: index of one of `choices` */
    MANIFEST_YES_NO,  /* bool */
};

/** Modalities that a key of [modality NAME] is for. */
enum manifest_for { FOR_ALL = 0, FOR_SOUND = 1, FOR_PICTURE = 2, FOR_MFCC = 4 };

/** One row of the table. */
struct manifest_key {
    enum manifest_kind kind;
    const char *key;
    enum manifest_type type;
    unsigned wanted_by;        /* enum manifest_for */
    double min, max;           /* of numbers */
    const char *choices;       /* separated by one blank, in the order of the enum; or NULL */
    const char *default_value; /* as it would be written; NULL: the key must be there; "": none */
    size_t offset;             /* of the value in its section's struct */
};

/** What every section's struct begins with. */
struct manifest_section {
    char name[BUNDLE_NAME_BYTES];      /* NAME of [kind NAME], "" without one */
    unsigned line;                     /* of its header; 0: the section is not there */
    unsigned lines[MANIFEST_KEYS_MAX]; /* of each row's key; 0: not set */
};

struct bundle_section {
    struct manifest_section section;
    int32_t format;
    char name[BUNDLE_NAME_BYTES], version[BUNDLE_NAME_BYTES], licence[BUNDLE_NAME_BYTES];
    char description[BUNDLE_TEXT_BYTES];
    bool commercial_use;
};

struct modality_section {
    struct manifest_section section;
    int kind; /* enum modality_kind */
    char encoder[BUNDLE_NAME_BYTES];
    double hop_ms; /* 0: not set */
    int features, normalise;
    struct sound_features sound; /* without kind, hop and normalise */
    int32_t size_px[2];
    int colour, crop;
};

/** [head], or [classifier] without a file. */
struct head_section {
    struct manifest_section section;
    char file[BUNDLE_NAME_BYTES], labels[BUNDLE_NAME_BYTES];
    double unknown;
    int scores; /* enum score_kind */
};

struct calibration_section {
    struct manifest_section section;
    unsigned set; /* bit i: modality i */
    struct calibration values;
};

struct detector_section {
    struct manifest_section section;
    struct detector_options options;
};

struct manifest {
    struct bundle_section bundle;
    size_t n_modalities;
    struct modality_section modalities[BUNDLE_MODALITIES_MAX];
    struct head_section head, classifier;
    size_t n_calibrations;
    struct calibration_section calibrations[MANIFEST_CALIBRATIONS_MAX];
    size_t n_detectors;
    struct detector_section detectors[MANIFEST_DETECTORS_MAX];
};

/** Called with each problem's sentence, which is valid during the call only. */
typedef void manifest_problem_fn(const char *sentence, void *user);

/**
 * Read @n_bytes of text.
 * @name  stands for the file in sentences.
 * @ret   the whole manifest, owned by the caller (free()); only on success
 * Returns 0, -EBADMSG after at least one problem, -ENOMEM.
 */
int manifest_read(const char *name, const char *text, size_t n_bytes, struct manifest **ret,
                  manifest_problem_fn *fn, void *user);

/** Row @i of the table, or NULL past the last. */
const struct manifest_key *manifest_key(size_t i);

/** "bundle", "modality" ... */
const char *manifest_kind_name(enum manifest_kind kind);

/** The options of @label: its own [detector LABEL] over [detector] over the defaults. */
struct detector_options manifest_detector(const struct manifest *manifest, const char *label);
