/* SPDX-License-Identifier: MIT */
#include "models/manifest.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ini.h"
#include "models/manifest_keys.h"

enum { ALLOWED_BYTES = 128, DEFAULT_HOP_MS = 500 };

static const char *const kind_names[] = {
    [MANIFEST_BUNDLE] = "bundle",
    [MANIFEST_MODALITY] = "modality",
    [MANIFEST_HEAD] = "head",
    [MANIFEST_CLASSIFIER] = "classifier",
    [MANIFEST_CALIBRATION] = "calibration",
    [MANIFEST_DETECTOR] = "detector",
};

enum { N_KINDS = sizeof(kind_names) / sizeof(kind_names[0]) };

struct reader {
    const char *file;
    struct manifest *manifest;
    manifest_problem_fn *fn;
    void *user;
    size_t n_problems;

    bool in_section; /* the last header was a good one */
    enum manifest_kind kind;
    struct manifest_section *section;
    char title[2 * BUNDLE_NAME_BYTES]; /* "modality sound" */
};

const char *manifest_kind_name(enum manifest_kind kind) {
    return kind_names[kind];
}

__attribute__((format(printf, 3, 4))) static void problem(struct reader *r, unsigned line,
                                                          const char *format, ...) {
    struct fault text;
    va_list arguments;
    int n = 0;

    if (line > 0)
        n = snprintf(text.text, sizeof(text.text), "%s:%u: ", r->file, line);
    else
        n = snprintf(text.text, sizeof(text.text), "%s: ", r->file);
    if (n > 0 && (size_t) n < sizeof(text.text)) {
        va_start(arguments, format);
        (void) vsnprintf(text.text + n, sizeof(text.text) - (size_t) n, format, arguments);
        va_end(arguments);
    }
    r->n_problems++;
    r->fn(text.text, r->user);
}

/* "modality sound" -> kind and "sound"; false for no kind of ours. */
static bool split_title(const char *title, enum manifest_kind *ret_kind, const char **ret_name) {
    const size_t n = strcspn(title, " ");

    for (int kind = 0; kind < N_KINDS; kind++)
        if (strlen(kind_names[kind]) == n && memcmp(title, kind_names[kind], n) == 0) {
            *ret_kind = (enum manifest_kind) kind;
            *ret_name = title[n] ? title + n + 1 : "";
            return true;
        }
    return false;
}

/* The @i-th section of @kind that was read, or NULL past the last. */
static struct manifest_section *section_at(struct manifest *m, enum manifest_kind kind, size_t i) {
    switch (kind) {
    case MANIFEST_BUNDLE:
        return i == 0 && m->bundle.section.line ? &m->bundle.section : NULL;
    case MANIFEST_HEAD:
        return i == 0 && m->head.section.line ? &m->head.section : NULL;
    case MANIFEST_CLASSIFIER:
        return i == 0 && m->classifier.section.line ? &m->classifier.section : NULL;
    case MANIFEST_MODALITY:
        return i < m->n_modalities ? &m->modalities[i].section : NULL;
    case MANIFEST_CALIBRATION:
        return i < m->n_calibrations ? &m->calibrations[i].section : NULL;
    case MANIFEST_DETECTOR:
        return i < m->n_detectors ? &m->detectors[i].section : NULL;
    }
    return NULL;
}

/* Room for one more section of @kind, or NULL. */
static struct manifest_section *section_add(struct manifest *m, enum manifest_kind kind) {
    switch (kind) {
    case MANIFEST_BUNDLE:
        return &m->bundle.section;
    case MANIFEST_HEAD:
        return &m->head.section;
    case MANIFEST_CLASSIFIER:
        return &m->classifier.section;
    case MANIFEST_MODALITY:
        return m->n_modalities < BUNDLE_MODALITIES_MAX ? &m->modalities[m->n_modalities++].section
                                                       : NULL;
    case MANIFEST_CALIBRATION:
        return m->n_calibrations < MANIFEST_CALIBRATIONS_MAX
                   ? &m->calibrations[m->n_calibrations++].section
                   : NULL;
    case MANIFEST_DETECTOR:
        return m->n_detectors < MANIFEST_DETECTORS_MAX ? &m->detectors[m->n_detectors++].section
                                                       : NULL;
    }
    return NULL;
}

/* What is wrong with the name of [kind NAME], or NULL. */
static const char *check_name(enum manifest_kind kind, const char *name) {
    const bool may_have =
        kind == MANIFEST_MODALITY || kind == MANIFEST_CALIBRATION || kind == MANIFEST_DETECTOR;

    if (strlen(name) >= BUNDLE_NAME_BYTES)
        return "the name is too long (at most 63 bytes)";
    if (*name && !may_have)
        return "takes no name";
    if (!*name && may_have && kind != MANIFEST_DETECTOR)
        return "needs a name, as in [modality sound] or [calibration sound+picture]";
    if (kind == MANIFEST_MODALITY && strcmp(name, "head") == 0)
        return "a modality cannot be called head: selftest/head.io is the head's";
    if (kind == MANIFEST_MODALITY && strpbrk(name, " +/.,"))
        return "a modality's name has no blank and none of + / . ,";
    return NULL;
}

static void read_header(struct reader *r, const struct ini_item *item) {
    const char *name, *wrong;
    struct manifest_section *old;

    r->in_section = false;
    if (!split_title(item->section, &r->kind, &name)) {
        problem(r, item->line,
                "[%s]: no such section; there are bundle, modality NAME, head, classifier, "
                "calibration NAME+NAME, detector, detector LABEL",
                item->section);
        return;
    }
    wrong = check_name(r->kind, name);
    if (wrong) {
        problem(r, item->line, "[%s]: %s", item->section, wrong);
        return;
    }
    for (size_t i = 0; (old = section_at(r->manifest, r->kind, i)); i++)
        if (strcmp(old->name, name) == 0) {
            problem(r, item->line, "[%s]: stands for the second time, first in line %u",
                    item->section, old->line);
            return;
        }
    r->section = section_add(r->manifest, r->kind);
    if (!r->section) {
        problem(r, item->line, "[%s]: too many sections of this kind", item->section);
        return;
    }
    r->in_section = true;
    r->section->line = item->line;
    (void) strcpy(r->section->name, name); /* measured by check_name() */
    (void) snprintf(r->title, sizeof(r->title), "%s",
                    item->section); /* as long as the name allows */
    manifest_key_defaults(r->kind, r->section);
}

/* The keys of a section as "a, b, c". */
static void list_keys(enum manifest_kind kind, char *ret, size_t room) {
    const struct manifest_key *key;
    size_t n = 0;

    ret[0] = '\0';
    for (size_t i = 0; (key = manifest_key(i)); i++)
        if (key->kind == kind && n < room)
            n += (size_t) snprintf(ret + n, room - n, "%s%s", n ? ", " : "", key->key);
}

static void read_setting(struct reader *r, const struct ini_item *item) {
    const struct manifest_key *key;
    char allowed[2 * ALLOWED_BYTES];
    size_t i = 0;

    while ((key = manifest_key(i)) && (key->kind != r->kind || strcmp(key->key, item->key) != 0))
        i++;
    if (!key) {
        list_keys(r->kind, allowed, sizeof(allowed));
        problem(r, item->line, "[%s] %s: no such key; there are %s", r->title, item->key, allowed);
        return;
    }
    if (r->section->lines[i]) {
        problem(r, item->line, "[%s] %s: stands for the second time, first in line %u", r->title,
                item->key, r->section->lines[i]);
        return;
    }
    r->section->lines[i] = item->line;
    if (manifest_key_set(key, item->value, r->section) < 0) {
        manifest_key_allowed(key, allowed, sizeof(allowed));
        problem(r, item->line, "[%s] %s = %.64s: %s", r->title, item->key, item->value, allowed);
    }
}

static int read_item(const struct ini_item *item, void *user) {
    struct reader *const r = user;

    if (item->problem) {
        if (!item->key) /* perhaps a header: what follows belongs to nothing we know */
            r->in_section = r->in_section && item->section[0] != '\0';
        if (item->text)
            problem(r, item->line, "`%.64s`: %s", item->text, item->problem);
        else
            problem(r, item->line, "%s", item->problem);
    } else if (!item->key) {
        read_header(r, item);
    } else if (item->section[0] == '\0') {
        problem(r, item->line, "%s: stands before the first [section]", item->key);
    } else if (r->in_section) {
        read_setting(r, item);
    } /* else: the section itself was told */
    return 0;
}

/* The kinds of modality this section is, as enum manifest_for. */
static unsigned features_of(const struct modality_section *m) {
    if (m->kind == MODALITY_PICTURE)
        return FOR_PICTURE;
    return FOR_SOUND | (m->features == FEATURES_MFCC ? FOR_MFCC : 0);
}

/* Keys that must be there and are not; keys of a modality of another kind. */
static void check_keys(struct reader *r, enum manifest_kind kind,
                       const struct manifest_section *section) {
    const unsigned is =
        kind == MANIFEST_MODALITY ? features_of((const struct modality_section *) section) : 0;
    const struct manifest_key *key;

    for (size_t i = 0; (key = manifest_key(i)); i++) {
        const bool wanted = key->wanted_by == FOR_ALL || (key->wanted_by & is);

        if (key->kind != kind)
            continue;
        if (wanted && !key->default_value && section->lines[i] == 0)
            problem(r, section->line, "[%s%s%s]: the key `%s` is missing", kind_names[kind],
                    *section->name ? " " : "", section->name, key->key);
        if (!wanted && section->lines[i])
            problem(r, section->lines[i], "[%s %s] %s: is only for %s", kind_names[kind],
                    section->name, key->key,
                    key->wanted_by == FOR_PICTURE ? "kind = picture"
                    : key->wanted_by == FOR_MFCC  ? "features = mfcc"
                                                  : "kind = sound");
    }
}

static void check_sections(struct reader *r) {
    const struct manifest *m = r->manifest;

    if (!m->bundle.section.line)
        problem(r, 0, "[bundle] is missing");
    if (m->n_modalities == 0)
        problem(r, 0, "no [modality NAME] section");
    if (m->head.section.line && m->classifier.section.line)
        problem(r, m->classifier.section.line,
                "[classifier]: a bundle has a [head] or a [classifier], not both");
    if (!m->head.section.line && !m->classifier.section.line)
        problem(r, 0, "neither [head] nor [classifier]");
    if (m->classifier.section.line && m->n_modalities > 1)
        problem(r, m->classifier.section.line,
                "[classifier]: is for a bundle of one modality; %zu of them need a [head]",
                m->n_modalities);
    for (int kind = 0; kind < N_KINDS; kind++) {
        const struct manifest_section *section;

        for (size_t i = 0; (section = section_at(r->manifest, (enum manifest_kind) kind, i)); i++)
            check_keys(r, (enum manifest_kind) kind, section);
    }
}

/* Copy what stands elsewhere into the sound's own struct and let it check itself. */
static void finish_sound(struct reader *r, struct modality_section *m) {
    struct sound_shape shape;
    struct fault fault;

    m->sound.kind = (enum feature_kind) m->features;
    m->sound.normalise = (enum sound_normalise) m->normalise;
    m->sound.hop_ms = m->hop_ms;
    if (sound_shape_of(&m->sound, &shape, &fault) < 0)
        problem(r, m->section.line, "[modality %s]: %s", m->section.name, fault.text);
}

/* One hop for all modalities: what a section says, else what another says, else the default. */
static void finish_modalities(struct reader *r) {
    struct manifest *m = r->manifest;
    double hop_ms = 0.0;

    for (size_t i = 0; i < m->n_modalities; i++) {
        const struct modality_section *modality = &m->modalities[i];

        if (hop_ms == 0.0)
            hop_ms = modality->hop_ms;
        else if (modality->hop_ms != 0.0 && modality->hop_ms != hop_ms)
            problem(r, modality->section.line,
                    "[modality %s] hop_ms = %g: all modalities must have the same hop_ms, another "
                    "has %g",
                    modality->section.name, modality->hop_ms, hop_ms);
    }
    for (size_t i = 0; i < m->n_modalities; i++) {
        m->modalities[i].hop_ms = hop_ms != 0.0 ? hop_ms : DEFAULT_HOP_MS;
        if (m->modalities[i].kind == MODALITY_SOUND && r->n_problems == 0)
            finish_sound(r, &m->modalities[i]);
    }
}

/* "sound+picture" to a set of modalities; 0 if a name is unknown or stands twice. */
static unsigned modality_set(const struct manifest *m, const char *names) {
    unsigned set = 0;

    for (const char *name = names; name;) {
        const size_t n = strcspn(name, "+");
        size_t i = 0;

        while (i < m->n_modalities && (strlen(m->modalities[i].section.name) != n ||
                                       memcmp(m->modalities[i].section.name, name, n) != 0))
            i++;
        if (i == m->n_modalities || (set & 1u << i))
            return 0;
        set |= 1u << i;
        name = name[n] ? name + n + 1 : NULL;
    }
    return set;
}

static void finish_calibrations(struct reader *r) {
    struct manifest *m = r->manifest;

    for (size_t i = 0; i < m->n_calibrations; i++) {
        struct calibration_section *c = &m->calibrations[i];

        c->set = modality_set(m, c->section.name);
        if (c->set == 0)
            problem(r, c->section.line,
                    "[calibration %s]: must be names of modalities of this bundle, joined by +",
                    c->section.name);
        for (size_t j = 0; j < i && c->set; j++)
            if (m->calibrations[j].set == c->set)
                problem(r, c->section.line, "[calibration %s]: means the same as line %u",
                        c->section.name, m->calibrations[j].section.line);
    }
}

static void finish_detectors(struct reader *r) {
    for (size_t i = 0; i < r->manifest->n_detectors; i++) {
        const struct manifest_section *section = &r->manifest->detectors[i].section;
        const struct detector_options options = manifest_detector(r->manifest, section->name);

        if (options.off > options.on)
            problem(r, section->line, "[detector%s%s]: off = %g must not be above on = %g",
                    *section->name ? " " : "", section->name, options.off, options.on);
    }
}

int manifest_read(const char *name, const char *text, size_t n_bytes, struct manifest **ret,
                  manifest_problem_fn *fn, void *user) {
    _cleanup_(freep) struct manifest *manifest = calloc(1, sizeof(*manifest));
    struct reader r = { .file = name, .manifest = manifest, .fn = fn, .user = user };

    assert(ret && fn);

    if (!manifest)
        return -ENOMEM;
    (void) ini_read_text(name, text, n_bytes, read_item, &r); /* read_item() always returns 0 */
    check_sections(&r);
    finish_modalities(&r);
    finish_calibrations(&r);
    finish_detectors(&r);
    if (r.n_problems > 0)
        return -EBADMSG;
    *ret = manifest;
    manifest = NULL; /* now the caller's */
    return 0;
}

static const struct detector_section *find_detector(const struct manifest *manifest,
                                                    const char *label) {
    for (size_t i = 0; i < manifest->n_detectors; i++)
        if (strcmp(manifest->detectors[i].section.name, label) == 0)
            return &manifest->detectors[i];
    return NULL;
}

/* Overlay what @section sets itself. */
static void overlay(struct detector_section *to, const struct detector_section *section) {
    const struct manifest_key *key;

    for (size_t i = 0; (key = manifest_key(i)); i++)
        if (key->kind == MANIFEST_DETECTOR && section->section.lines[i]) {
            const size_t n = key->type == MANIFEST_YES_NO ? sizeof(bool) : sizeof(double);

            memcpy((char *) to + key->offset, (const char *) section + key->offset, n);
        }
}

struct detector_options manifest_detector(const struct manifest *manifest, const char *label) {
    const struct detector_section *all = find_detector(manifest, ""),
                                  *own = find_detector(manifest, label);
    struct detector_section result = { .options = { 0 } };

    manifest_key_defaults(MANIFEST_DETECTOR, &result);
    if (all)
        overlay(&result, all);
    if (own)
        overlay(&result, own);
    return result.options;
}
