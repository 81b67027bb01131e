/* SPDX-License-Identifier: MIT */
#include "models/tool_score.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "models/runner.h"
#include "models/tool_example.h"
#include "pipeline/fusion.h"

enum { N_KINDS = 2, NO_MODALITY = BUNDLE_MODALITIES_MAX };

struct scorer {
    const struct bundle *bundle;
    struct fusion *fusion;
    size_t modalities[N_KINDS]; /* index in the bundle by kind, or NO_MODALITY */
};

void scored_done(struct scored *scored) {
    for (size_t label = 0; label < BUNDLE_LABELS_MAX; label++) {
        for (size_t i = 0; i < scored->n_files[label]; i++)
            free(scored->files[label][i].embeddings);
        free(scored->files[label]);
    }
}

int scorer_new(const struct bundle *bundle, struct scorer **ret, struct fault *fault) {
    _cleanup_(scorer_freep) struct scorer *s = calloc(1, sizeof(*s));
    int r;

    assert(bundle && ret);

    if (!s)
        return -ENOMEM;
    s->bundle = bundle;
    s->modalities[MODALITY_SOUND] = s->modalities[MODALITY_PICTURE] = NO_MODALITY;
    for (size_t i = 0; i < bundle->n_modalities; i++) {
        size_t *const index = &s->modalities[bundle->modalities[i].kind];

        if (*index != NO_MODALITY)
            return fault_set(
                fault, -ENOTSUP,
                "%s: has two modalities of one kind; a dataset has one folder for each kind",
                bundle->path);
        *index = i;
    }
    r = fusion_new(bundle, &s->fusion, fault);
    if (r < 0)
        return r;
    *ret = s;
    s = NULL; /* now the caller's */
    return 0;
}

struct scorer *scorer_free(struct scorer *scorer) {
    if (!scorer)
        return NULL;
    fusion_free(scorer->fusion);
    free(scorer);
    return NULL;
}

/* One file through front end and encoder. */
static int encode_file(struct example *example, struct runner *runner, size_t n_embedding,
                       const char *path, struct scored_file *ret, struct fault *fault) {
    const int r = example_read(example, path, fault);

    if (r < 0)
        return r;
    ret->embeddings = calloc(example_n_windows(example), n_embedding);
    if (!ret->embeddings)
        return -ENOMEM;
    ret->n_windows = example_n_windows(example);
    for (size_t i = 0; i < ret->n_windows; i++) {
        example_input(example, i, runner_input(runner, 0));
        runner_run(runner);
        memcpy(ret->embeddings + i * n_embedding, runner_output(runner, 0), n_embedding);
    }
    return 0;
}

static size_t count_files(const struct dataset *dataset, enum modality_kind kind, size_t label) {
    size_t n = 0;

    while (dataset_file(dataset, kind, label, n))
        n++;
    return n;
}

int scorer_encode(struct scorer *scorer, enum modality_kind kind, const struct dataset *dataset,
                  struct scored *ret, struct fault *fault) {
    const size_t index = scorer->modalities[kind];
    _cleanup_(example_freep) struct example *example = NULL;
    _cleanup_(runner_freep) struct runner *runner = NULL;
    const struct modality *modality;
    int r;

    if (index == NO_MODALITY)
        return 0;
    modality = &scorer->bundle->modalities[index];
    r = example_new(modality, &example, fault);
    if (r == 0)
        r = runner_new(modality->encoder, NULL, &runner);
    for (size_t label = 0; label < scorer->bundle->n_labels && r == 0; label++) {
        const size_t n = count_files(dataset, kind, label);

        ret->files[label] = calloc(n > 0 ? n : 1, sizeof(*ret->files[label]));
        if (!ret->files[label])
            return -ENOMEM;
        ret->n_files[label] = n;
        for (size_t i = 0; i < n && r == 0; i++)
            r = encode_file(example, runner, modality->n_embedding,
                            dataset_file(dataset, kind, label, i), &ret->files[label][i], fault);
    }
    return r;
}

size_t scorer_best(struct scorer *scorer, const struct scored_file *sound,
                   const struct scored_file *picture) {
    const struct scored_file *const files[N_KINDS] = {
        [MODALITY_SOUND] = sound, [MODALITY_PICTURE] = picture
    };
    const size_t n_windows = sound ? sound->n_windows : 1; /* the picture stands still */
    const int8_t *embeddings[BUNDLE_MODALITIES_MAX] = { NULL };
    double sum[BUNDLE_LABELS_MAX] = { 0 }, scores[BUNDLE_LABELS_MAX];
    unsigned present = 0;

    for (size_t window = 0; window < n_windows; window++) {
        for (size_t kind = 0; kind < N_KINDS; kind++) {
            const size_t index = scorer->modalities[kind];

            if (!files[kind])
                continue;
            present |= 1u << index;
            embeddings[index] =
                files[kind]->embeddings + (kind == MODALITY_SOUND ? window : 0) *
                                              scorer->bundle->modalities[index].n_embedding;
        }
        fusion_score(scorer->fusion, embeddings, present, scores);
        for (size_t label = 0; label < scorer->bundle->n_labels; label++)
            sum[label] += scores[label];
    }
    return fusion_best(sum, scorer->bundle->n_labels);
}
