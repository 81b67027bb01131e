/* SPDX-License-Identifier: MIT */
#include "models/bundle.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "common/utf8.h"
#include "models/bundle_check.h"
#include "models/bundle_dir.h"
#include "models/manifest.h"

static const char manifest_name[] = "bundle.ini";
static const char selftest_prefix[] = "selftest/";
static const char selftest_suffix[] = ".io";

struct bundle *bundle_free(struct bundle *bundle) {
    if (!bundle)
        return NULL;
    for (size_t i = 0; i < bundle->n_modalities; i++)
        model_unref(bundle->modalities[i].encoder);
    model_unref(bundle->head);
    free(bundle->path);
    free(bundle);
    return NULL;
}

int bundle_label(const struct bundle *bundle, const char *label) {
    for (size_t i = 0; i < bundle->n_labels; i++)
        if (strcmp(bundle->labels[i], label) == 0)
            return (int) i;
    return -ENOENT;
}

/* The first problem of a manifest, and how many there are. */
struct problems {
    struct fault first;
    size_t n;
};

static void note_problem(const char *sentence, void *user) {
    struct problems *const problems = user;

    if (problems->n++ == 0)
        (void) snprintf(problems->first.text, sizeof(problems->first.text), "%s",
                        sentence); /* cut is fine */
}

/* What it says goes out as JSON and on D-Bus. */
static int read_text(const struct bundle_dir *dir, const char *name, char **ret, size_t *ret_n,
                     struct fault *fault) {
    _cleanup_(freep) char *text = NULL;
    size_t n_bytes;
    int r;

    r = bundle_dir_read(dir, name, &text, &n_bytes, fault);
    if (r < 0)
        return r;
    if (!utf8_is_valid(text, n_bytes))
        return fault_set(fault, -EBADMSG, "%s/%s: is not UTF-8 text", bundle_dir_path(dir), name);
    *ret = text;
    *ret_n = n_bytes;
    text = NULL;
    return 0;
}

static int read_manifest(const struct bundle_dir *dir, struct manifest **ret, struct fault *fault) {
    _cleanup_(freep) char *text = NULL, *path = NULL;
    struct problems problems = { .n = 0 };
    size_t n_bytes;
    int r;

    if (asprintf(&path, "%s/%s", bundle_dir_path(dir), manifest_name) < 0) {
        path = NULL; /* undefined after a failure */
        return -ENOMEM;
    }
    r = read_text(dir, manifest_name, &text, &n_bytes, fault);
    if (r < 0)
        return r;
    r = manifest_read(path, text, n_bytes, ret, note_problem, &problems);
    if (r == -EBADMSG && problems.n > 1)
        return fault_set(fault, r, "%.300s (and %zu more; see `lookout-model check`)",
                         problems.first.text, problems.n - 1);
    if (r == -EBADMSG)
        return fault_set(fault, r, "%s", problems.first.text);
    return r;
}

/* One label from @line, which is @n bytes long. Returns what is wrong, or NULL. */
static const char *read_label(struct bundle *b, const char *line, size_t n) {
    while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t' || line[n - 1] == '\r'))
        n--;
    if (n == 0)
        return "is empty";
    if (n >= BUNDLE_NAME_BYTES)
        return "is longer than 63 bytes";
    if (b->n_labels == BUNDLE_LABELS_MAX)
        return "is one label too many (at most 64)";
    for (size_t i = 0; i < n; i++)
        if ((unsigned char) line[i] < ' ' || line[i] == 0x7f || line[i] == ']')
            return "holds a control character or a ]";
    memcpy(b->labels[b->n_labels], line, n);
    b->labels[b->n_labels][n] = '\0';
    if (strcmp(b->labels[b->n_labels], "unknown") == 0)
        return "is `unknown`, which is what Lookout answers below the threshold of that name";
    if (bundle_label(b, b->labels[b->n_labels]) >= 0)
        return "stands there for the second time";
    b->n_labels++;
    return NULL;
}

static int read_labels(struct bundle *b, const struct bundle_dir *dir, const char *name,
                       struct fault *fault) {
    _cleanup_(freep) char *text = NULL;
    const char *next;
    size_t n_bytes;
    int r;

    r = read_text(dir, name, &text, &n_bytes, fault);
    if (r < 0)
        return r;
    next = text;
    for (unsigned line = 1; next < text + n_bytes; line++) {
        const char *const newline = memchr(next, '\n', n_bytes - (size_t) (next - text));
        const char *const end = newline ? newline : text + n_bytes;
        const char *const wrong = read_label(b, next, (size_t) (end - next));

        if (wrong)
            return fault_set(fault, -EBADMSG, "%s/%s:%u: the label %s", bundle_dir_path(dir), name,
                             line, wrong);
        next = newline ? newline + 1 : end;
    }
    if (b->n_labels == 0)
        return fault_set(fault, -EBADMSG, "%s/%s: holds no label", bundle_dir_path(dir), name);
    return 0;
}

/* Read, check and open the module @name. */
static int open_module(const struct bundle_dir *dir, const char *name, const char *kernels,
                       struct model **ret, struct fault *fault) {
    _cleanup_(freep) char *bytes = NULL, *path = NULL;
    size_t n_bytes;
    int r;

    r = bundle_dir_read(dir, name, &bytes, &n_bytes, fault);
    if (r < 0)
        return r;
    if (asprintf(&path, "%s/%s", bundle_dir_path(dir), name) < 0) {
        path = NULL; /* undefined after a failure */
        return -ENOMEM;
    }
    return model_open_memory(path, bytes, n_bytes, kernels, ret, fault);
}

static void take_modality(struct modality *to, const struct modality_section *from) {
    memcpy(to->name, from->section.name, sizeof(to->name));
    to->kind = (enum modality_kind) from->kind;
    if (to->kind == MODALITY_SOUND) {
        to->sound = from->sound;
        return;
    }
    to->picture = (struct picture_features){
        .width_px = from->size_px[0],
        .height_px = from->size_px[1],
        .colour = (enum picture_colour) from->colour,
        .crop = (enum picture_crop) from->crop,
        .hop_ms = from->hop_ms,
    };
}

/* Everything in the manifest that needs no other file. */
static void take_manifest(struct bundle *b, const struct manifest *m) {
    const struct head_section *const head = m->head.section.line ? &m->head : &m->classifier;

    memcpy(b->name, m->bundle.name, sizeof(b->name));
    memcpy(b->version, m->bundle.version, sizeof(b->version));
    memcpy(b->licence, m->bundle.licence, sizeof(b->licence));
    memcpy(b->description, m->bundle.description, sizeof(b->description));
    b->non_commercial = !m->bundle.commercial_use || strstr(b->licence, "-NC") != NULL;
    b->n_modalities = m->n_modalities;
    for (size_t i = 0; i < m->n_modalities; i++)
        take_modality(&b->modalities[i], &m->modalities[i]);
    b->hop_ms = m->modalities[0].hop_ms;
    b->scores = (enum score_kind) head->scores;
    b->unknown = head->unknown;
    for (size_t set = 0; set < sizeof(b->calibrations) / sizeof(b->calibrations[0]); set++)
        b->calibrations[set] = (struct calibration){ .temperature = 1, .none = BUNDLE_NONE };
    for (size_t i = 0; i < m->n_calibrations; i++)
        b->calibrations[m->calibrations[i].set] = m->calibrations[i].values;
}

/* Detectors of all labels; a [detector LABEL] must be of a label there is. */
static int take_detectors(struct bundle *b, const struct manifest *m, struct fault *fault) {
    for (size_t i = 0; i < m->n_detectors; i++) {
        const struct manifest_section *section = &m->detectors[i].section;

        if (*section->name && bundle_label(b, section->name) < 0)
            return fault_set(fault, -EBADMSG, "%s/%s:%u: [detector %s]: there is no such label",
                             b->path, manifest_name, section->line, section->name);
    }
    for (size_t i = 0; i < b->n_labels; i++)
        b->detectors[i] = manifest_detector(m, b->labels[i]);
    return 0;
}

static int open_modules(struct bundle *b, const struct manifest *m, const struct bundle_dir *dir,
                        const char *kernels, struct fault *fault) {
    const char *files[BUNDLE_MODALITIES_MAX + 1];
    struct fault wrong = { .text = "" };
    int r = 0;

    for (size_t i = 0; i < b->n_modalities && r == 0; i++) {
        files[i] = m->modalities[i].encoder;
        r = open_module(dir, files[i], kernels, &b->modalities[i].encoder, fault);
    }
    files[b->n_modalities] = m->head.file;
    if (r == 0 && m->head.section.line)
        r = open_module(dir, m->head.file, kernels, &b->head, fault);
    if (r == 0) {
        r = bundle_check_shapes(b, files, &wrong);
        if (r < 0)
            return fault_set(fault, r, "%s/%s", b->path, wrong.text);
    }
    for (size_t i = 0; i < b->n_modalities && r == 0; i++)
        b->modalities[i].n_embedding = model_output(b->modalities[i].encoder, 0)->n_items;
    return r;
}

/* The module that selftest/NAME.io is for, and where its count goes; NULL if there is none. */
static struct model *find_module(struct bundle *b, const char *file, size_t **ret_n) {
    const char *const name = file + sizeof(selftest_prefix) - 1;
    const size_t n = strlen(name), n_suffix = sizeof(selftest_suffix) - 1;

    if (n <= n_suffix || strcmp(name + n - n_suffix, selftest_suffix) != 0)
        return NULL;
    for (size_t i = 0; i < b->n_modalities; i++)
        if (strlen(b->modalities[i].name) == n - n_suffix &&
            memcmp(b->modalities[i].name, name, n - n_suffix) == 0) {
            *ret_n = &b->modalities[i].n_selftests;
            return b->modalities[i].encoder;
        }
    *ret_n = &b->n_head_selftests;
    return n - n_suffix == strlen("head") && memcmp(name, "head", n - n_suffix) == 0 ? b->head
                                                                                     : NULL;
}

/* Every listed file is what the list says; those in selftest/ are run, too. */
static int check_files(struct bundle *b, const struct bundle_dir *dir, bool skip_selftest,
                       struct fault *fault) {
    const char *file;
    int r = 0;

    for (size_t i = 0; r == 0 && (file = bundle_dir_file(dir, i)); i++) {
        _cleanup_(freep) char *bytes = NULL;
        const bool is_selftest = strncmp(file, selftest_prefix, sizeof(selftest_prefix) - 1) == 0;
        struct model *module;
        size_t n_bytes, *n_samples;

        if (!is_selftest || skip_selftest) {
            r = bundle_dir_read(dir, file, &bytes, &n_bytes, fault);
            continue;
        }
        module = find_module(b, file, &n_samples);
        if (!module)
            return fault_set(fault, -EBADMSG,
                             "%s/%s: belongs to no module; self-tests are named after their "
                             "modality, or head.io",
                             b->path, file);
        r = bundle_check_selftest(dir, module, file, n_samples, fault);
    }
    return r;
}

int bundle_open(const char *path, const struct bundle_options *options, struct bundle **ret,
                struct fault *fault) {
    _cleanup_(bundle_dir_freep) struct bundle_dir *dir = NULL;
    _cleanup_(bundle_freep) struct bundle *b = NULL;
    _cleanup_(freep) struct manifest *m = NULL;
    int r;

    assert(path && options && ret);

    r = bundle_dir_open(path, options, &dir, fault);
    if (r == 0)
        r = read_manifest(dir, &m, fault);
    if (r < 0)
        return r;

    b = calloc(1, sizeof(*b));
    if (!b)
        return -ENOMEM;
    b->path = strdup(bundle_dir_path(dir));
    if (!b->path)
        return -ENOMEM;
    b->trust = bundle_dir_trust(dir);
    memcpy(b->sha256, bundle_dir_sha256(dir), sizeof(b->sha256));
    take_manifest(b, m);
    r = read_labels(b, dir, m->head.section.line ? m->head.labels : m->classifier.labels, fault);
    if (r == 0)
        r = take_detectors(b, m, fault);
    if (r == 0)
        r = open_modules(b, m, dir, options->kernels, fault);
    if (r == 0)
        r = check_files(b, dir, options->skip_selftest, fault);
    if (r < 0)
        return r;

    *ret = b;
    b = NULL; /* now the caller's */
    return 0;
}
