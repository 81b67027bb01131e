/* SPDX-License-Identifier: MIT */
/* bundle.ini, and the texts of minisign: any bytes; refused with a sentence or whole. */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "models/manifest.h"
#include "models/minisign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void count(const char *sentence, void *user) {
    size_t *const n = user;

    if (!*sentence)
        abort();
    ++*n;
}

static void expect(bool is_true) {
    if (!is_true)
        abort();
}

/* What was let through must be in range. */
static void check_manifest(const struct manifest *m) {
    expect(m->n_modalities >= 1 && m->n_modalities <= BUNDLE_MODALITIES_MAX);
    expect(*m->bundle.licence && *m->bundle.name);
    for (size_t i = 0; i < m->n_modalities; i++) {
        const struct modality_section *modality = &m->modalities[i];
        struct sound_shape shape;

        expect(!strchr(modality->encoder, '/') && *modality->encoder);
        if (modality->kind == MODALITY_SOUND)
            expect(sound_shape_of(&modality->sound, &shape, NULL) == 0 && shape.n_rows >= 1);
        else
            expect(modality->size_px[0] >= 1 && modality->size_px[1] >= 1);
    }
    for (size_t i = 0; i < m->n_detectors; i++) {
        const struct detector_options o = manifest_detector(m, m->detectors[i].section.name);

        expect(o.off >= 0 && o.off <= o.on && o.on <= 1);
    }
    for (size_t i = 0; i < m->n_calibrations; i++)
        expect(m->calibrations[i].set > 0 && m->calibrations[i].set < 1u << m->n_modalities &&
               m->calibrations[i].values.temperature > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    const char *const text = (const char *) data;
    _cleanup_(freep) struct manifest *m = NULL;
    struct minisign_signature signature;
    struct minisign_key key;
    struct fault fault = { .text = "" };
    size_t n_problems = 0;
    const int r = manifest_read("fuzz", text, n_bytes, &m, count, &n_problems);

    expect(r == 0 || r == -EBADMSG || r == -ENOMEM);
    expect((r == -EBADMSG) == (n_problems > 0) || r == -ENOMEM);
    if (r == 0)
        check_manifest(m);
    if (minisign_parse_signature("fuzz", text, n_bytes, &signature, &fault) == 0)
        expect(strlen(signature.trusted_comment) < MINISIGN_COMMENT_BYTES);
    else
        expect(*fault.text);
    (void) minisign_parse_key("fuzz", text, n_bytes, &key, &fault); /* nothing to hold it to */
    return 0;
}
