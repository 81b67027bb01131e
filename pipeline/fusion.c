/* SPDX-License-Identifier: MIT */
/*
 * Method: late fusion with missing-modality masks; temperature scaling per set of
 * present modalities (C. Guo et al., On Calibration of Modern Neural Networks,
 * ICML 2017, section 4.2), so that a confidence means the same with one sensor or two.
 * Probabilities are calibrated through their logarithms, which are logits up to a
 * constant that the softmax takes away. A logit of no label beside them makes the scores small
 * where all logits are: the best score then also tells by their energy what is like no label
 * (Liu et al., Energy-based Out-of-distribution Detection, arXiv 2010.03759).
 */
#include "pipeline/fusion.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "models/runner.h"

static const double PROBABILITY_LEAST = 1e-9; /* its logarithm is still finite */

/* How one embedding enters the head. */
struct entrance {
    size_t n_items;
    int8_t missing; /* value of a missing embedding's items: the input's zero point */
};

struct fusion {
    struct runner *runner; /* of the head; NULL: a classifier */
    size_t n_modalities, n_labels;
    enum score_kind scores;
    struct calibration calibrations[1 << BUNDLE_MODALITIES_MAX];
    double scale; /* of the logits or probabilities */
    int32_t zero_point;
    struct entrance entrances[BUNDLE_MODALITIES_MAX];
    int8_t mask_present, mask_missing;
};

static bool is_int8(const struct tensor_info *info, size_t n_items) {
    return info && info->type == TENSOR_INT8 && info->n_items == n_items;
}

static int enter(struct fusion *f, const struct bundle *bundle, size_t i, struct fault *fault) {
    const struct modality *const m = &bundle->modalities[i];
    const struct tensor_info *const from = model_output(m->encoder, 0);
    const struct tensor_info *const to = model_input(bundle->head, i);

    if (!is_int8(from, m->n_embedding) || !is_int8(to, m->n_embedding) ||
        from->scale != to->scale || from->zero_point != to->zero_point)
        return fault_set(fault, -ENOTSUP,
                         "bundle %s: the head's input %zu does not fit the embedding of %s",
                         bundle->name, i, m->name);
    f->entrances[i].n_items = m->n_embedding;
    f->entrances[i].missing = (int8_t) to->zero_point;
    return 0;
}

static int new_head(struct fusion *f, const struct bundle *bundle, struct fault *fault) {
    const struct tensor_info *const mask = model_input(bundle->head, bundle->n_modalities);
    int r;

    for (size_t i = 0; i < bundle->n_modalities; i++) {
        r = enter(f, bundle, i, fault);
        if (r < 0)
            return r;
    }
    if (!is_int8(mask, bundle->n_modalities))
        return fault_set(fault, -ENOTSUP, "bundle %s: the head's last input is no int8 mask of %zu",
                         bundle->name, bundle->n_modalities);
    f->mask_missing = (int8_t) mask->zero_point;
    f->mask_present = (int8_t) fmin(round(1 / (double) mask->scale) + mask->zero_point, INT8_MAX);
    return runner_new(bundle->head, NULL, &f->runner);
}

int fusion_new(const struct bundle *bundle, struct fusion **ret, struct fault *fault) {
    const struct tensor_info *const out =
        model_output(bundle->head ? bundle->head : bundle->modalities[0].encoder, 0);
    _cleanup_(fusion_freep) struct fusion *f = NULL;
    int r;

    if (!bundle->head && bundle->n_modalities != 1)
        return fault_set(fault, -ENOTSUP, "bundle %s: %zu modalities and no head", bundle->name,
                         bundle->n_modalities);
    if (!is_int8(out, bundle->n_labels))
        return fault_set(fault, -ENOTSUP, "bundle %s: its answer is not int8 [%zu], one per label",
                         bundle->name, bundle->n_labels);
    f = calloc(1, sizeof(*f));
    if (!f)
        return -ENOMEM;
    f->n_modalities = bundle->n_modalities;
    f->n_labels = bundle->n_labels;
    f->scores = bundle->scores;
    f->scale = (double) out->scale;
    f->zero_point = out->zero_point;
    memcpy(f->calibrations, bundle->calibrations, sizeof(f->calibrations));
    if (bundle->head) {
        r = new_head(f, bundle, fault);
        if (r < 0)
            return r;
    }
    *ret = f;
    f = NULL; /* now the caller's */
    return 0;
}

struct fusion *fusion_free(struct fusion *fusion) {
    if (!fusion)
        return NULL;
    (void) runner_free(fusion->runner); /* always NULL */
    free(fusion);
    return NULL;
}

size_t fusion_best(const double *scores, size_t n_labels) {
    size_t best = 0;

    for (size_t i = 1; i < n_labels; i++)
        if (scores[i] > scores[best])
            best = i;
    return best;
}

/* In place; the greatest is taken off first so that nothing overflows. */
static void softmax(double *values, size_t n, const struct calibration *c) {
    const double greatest = values[fusion_best(values, n)];
    double sum = c->none == BUNDLE_NONE ? 0 : exp(c->none - greatest / c->temperature);

    for (size_t i = 0; i < n; i++) {
        values[i] = exp((values[i] - greatest) / c->temperature);
        sum += values[i];
    }
    for (size_t i = 0; i < n; i++)
        values[i] /= sum;
}

static const int8_t *run_head(struct fusion *f,
                              const int8_t *const embeddings[BUNDLE_MODALITIES_MAX],
                              unsigned present) {
    int8_t *const mask = runner_input(f->runner, f->n_modalities);

    for (size_t i = 0; i < f->n_modalities; i++) {
        const struct entrance *const e = &f->entrances[i];
        int8_t *const input = runner_input(f->runner, i);
        const bool is_present = (present & 1U << i) != 0;

        mask[i] = is_present ? f->mask_present : f->mask_missing;
        if (is_present)
            memcpy(input, embeddings[i], e->n_items);
        else
            memset(input, e->missing, e->n_items);
    }
    runner_run(f->runner);
    return runner_output(f->runner, 0);
}

void fusion_score(struct fusion *fusion, const int8_t *const embeddings[BUNDLE_MODALITIES_MAX],
                  unsigned present, double *ret_scores) {
    const struct fusion *const f = fusion;
    const struct calibration *const c = &f->calibrations[present];
    const int8_t *out;

    assert(present != 0 && present < 1U << f->n_modalities);

    out = f->runner ? run_head(fusion, embeddings, present) : embeddings[0];
    for (size_t i = 0; i < f->n_labels; i++)
        ret_scores[i] = f->scale * (out[i] - f->zero_point);
    if (f->scores == SCORES_PROBABILITIES && c->temperature == 1 && c->none == BUNDLE_NONE)
        return;
    if (f->scores == SCORES_PROBABILITIES)
        for (size_t i = 0; i < f->n_labels; i++)
            ret_scores[i] = log(fmax(ret_scores[i], PROBABILITY_LEAST));
    softmax(ret_scores, f->n_labels, c);
}
