/* SPDX-License-Identifier: MIT */
/*
 * bundle - a directory with a task's modules, labels and self-test.
 *
 * bundle_open() reads bundle.ini, checks every hash and the signature (or that
 * the place is trusted), opens the modules, holds their shapes against the
 * manifest and runs the self-test. What is returned is immutable and shared.
 * The format is docs/bundle.md.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"
#include "common/recipe.h"
#include "models/model.h"

enum {
    BUNDLE_MODALITIES_MAX = 4,
    BUNDLE_LABELS_MAX = 64,
    BUNDLE_NAME_BYTES = 64, /* names, labels, versions, with NUL */
    BUNDLE_TEXT_BYTES = 256,
    EMBEDDING_ITEMS_MAX = 256,
};

enum modality_kind { MODALITY_SOUND, MODALITY_PICTURE };

/** How the outputs of a classifier or head are to be read. */
enum score_kind { SCORES_LOGITS, SCORES_PROBABILITIES };

struct modality {
    char name[BUNDLE_NAME_BYTES]; /* of its [modality NAME] section */
    enum modality_kind kind;
    struct model *encoder; /* without a [head] the whole classifier; owned by the bundle */
    size_t n_embedding;    /* items of the encoder's output */
    size_t n_selftests;    /* samples it was run on at open; 0 without a self-test */
    union {
        struct sound_features sound;
        struct picture_features picture;
    };
};

/** Thresholds and times of one label, [detector] overlaid by [detector LABEL]. */
struct detector_options {
    double on, off;   /* scores 0..1, off <= on */
    double least_ms;  /* score must stay >= on this long before the event begins */
    double hold_ms;   /* score must stay < off this long before it ends */
    double smooth_ms; /* time constant of the exponential average over scores; 0: none */
    double update_ms; /* an update event at most this often while it lasts; 0: none */
    bool report;      /* `report = no` in [detector LABEL]: never an event (e.g. background) */
};

/** From the answers for one set of present modalities to scores; what a bundle says nothing of is 1
 * and BUNDLE_NONE. */
struct calibration {
    double temperature; /* logits are divided by it */
    double none;        /* then a logit of no label beside them: what is like none has low scores */
};

enum { BUNDLE_NONE = -1000 }; /* takes no part in the softmax */

enum bundle_trust { TRUST_PACKAGE, TRUST_SIGNED, TRUST_UNSIGNED };

struct bundle {
    char name[BUNDLE_NAME_BYTES], version[BUNDLE_NAME_BYTES], licence[BUNDLE_NAME_BYTES];
    char description[BUNDLE_TEXT_BYTES]; /* "" if there is none */
    bool non_commercial;                 /* licence says so: "-NC", or `commercial_use = no` */
    char *path;                          /* the directory, absolute */
    char sha256[SHA256_HEX_BYTES];       /* of its SHA256SUMS */
    enum bundle_trust trust;

    size_t n_modalities;
    struct modality modalities[BUNDLE_MODALITIES_MAX];

    struct model *head; /* NULL: an ordinary classifier of one modality */
    size_t n_head_selftests;
    double hop_ms; /* of all modalities */
    enum score_kind scores;
    double unknown; /* best score below this: `unknown`; 0: never */
    size_t n_labels;
    char labels[BUNDLE_LABELS_MAX][BUNDLE_NAME_BYTES];

    struct calibration calibrations[1 << BUNDLE_MODALITIES_MAX]; /* bit i: modality i is present */
    struct detector_options detectors[BUNDLE_LABELS_MAX];
};

struct bundle_options {
    const char *kernels;     /* as model_open() */
    const char *trusted_dir; /* what lies below is trusted as the package is: "/usr/lib/lookout" */
    const char *keys_dir;    /* minisign public keys *.pub, e.g. "/etc/lookout/keys.d" */
    bool allow_unsigned;
    bool skip_selftest; /* tools only */
};

/**
 * Open the bundle in directory @path.
 * @ret    owned by the caller.
 * @fault  names the file (and line, key) and what to do.
 * Returns 0, -ENOENT, -EACCES, -EBADMSG (damaged, wrong hash, self-test failed),
 * -EKEYREJECTED (no valid signature), -ENOTSUP, -EFBIG, -ENOMEM. Any thread; takes tens of
 * milliseconds.
 */
int bundle_open(const char *path, const struct bundle_options *options, struct bundle **ret,
                struct fault *fault);

/** NULL is allowed. Returns NULL. */
struct bundle *bundle_free(struct bundle *bundle);
DEFINE_CLEANUP(struct bundle *, bundle_free)

/** Index of @label, or -ENOENT. */
int bundle_label(const struct bundle *bundle, const char *label);
