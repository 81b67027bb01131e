/* SPDX-License-Identifier: MIT */
/* The head of the bundle `tiny`: quiet = 0, noise = loudness + 7, red = red - green - 3. */
#include "pipeline/fusion.h"

#include <errno.h>
#include <math.h>

#include "common/units.h"
#include "pipeline/evidence.h"
#include "tests/replay/scene.h"

enum { SOUND = 1, PICTURE = 2, BOTH = 3, QUIET = 0, NOISE = 1, RED = 2 };

/* One in the head's quantisation. */
enum { ONE = 8 };

static const int8_t loud[] = { -3 * ONE, 0, 0, 0 };         /* noise 4 */
static const int8_t reddish[] = { 8 * ONE, 3 * ONE, 0, 0 }; /* red 2 */
static const int8_t *const embeddings[BUNDLE_MODALITIES_MAX] = { loud, reddish };

static struct fusion *make(const struct bundle *bundle) {
    struct fusion *fusion = NULL;
    struct fault fault = { "" };

    if (fusion_new(bundle, &fusion, &fault) < 0)
        fail_msg("%s", fault.text);
    return fusion;
}

static void assert_near(double got, double wanted) {
    if (fabs(got - wanted) > 1e-9)
        fail_msg("%.12f is not %.12f", got, wanted);
}

static void scores_are_the_softmax_of_the_head(void **state) {
    _cleanup_(bundle_freep) struct bundle *bundle = scene_bundle();
    _cleanup_(fusion_freep) struct fusion *fusion = make(bundle);
    const double sum = exp(0) + exp(4) + exp(2);
    double scores[BUNDLE_LABELS_MAX];

    fusion_score(fusion, embeddings, BOTH, scores);
    assert_near(scores[QUIET], exp(0) / sum);
    assert_near(scores[NOISE], exp(4) / sum);
    assert_near(scores[RED], exp(2) / sum);
    assert_int_equal(fusion_best(scores, bundle->n_labels), NOISE);
}

static void a_missing_modality_is_not_read_and_says_nothing(void **state) {
    _cleanup_(bundle_freep) struct bundle *bundle = scene_bundle();
    _cleanup_(fusion_freep) struct fusion *fusion = make(bundle);
    const int8_t *const only_picture[BUNDLE_MODALITIES_MAX] = { NULL, reddish };
    double scores[BUNDLE_LABELS_MAX];

    fusion_score(fusion, only_picture, PICTURE, scores);
    assert_near(scores[NOISE], scores[QUIET]);
    assert_near(scores[RED], exp(2) / (2 + exp(2)));
}

static void each_set_of_modalities_has_its_own_temperature(void **state) {
    _cleanup_(bundle_freep) struct bundle *bundle = scene_bundle();
    _cleanup_(fusion_freep) struct fusion *fusion = NULL;
    double scores[BUNDLE_LABELS_MAX];

    bundle->calibrations[SOUND].temperature = 2;
    fusion = make(bundle);
    fusion_score(fusion, embeddings, SOUND, scores);
    assert_near(scores[NOISE], exp(4.0 / 2) / (2 + exp(4.0 / 2)));
    fusion_score(fusion, embeddings, BOTH, scores);
    assert_near(scores[NOISE], exp(4) / (1 + exp(4) + exp(2)));
}

static void a_logit_of_no_label_takes_its_share(void **state) {
    _cleanup_(bundle_freep) struct bundle *bundle = scene_bundle();
    _cleanup_(fusion_freep) struct fusion *fusion = NULL;
    double scores[BUNDLE_LABELS_MAX];

    bundle->calibrations[SOUND] = (struct calibration){ .temperature = 2, .none = 3 };
    fusion = make(bundle);
    fusion_score(fusion, embeddings, SOUND, scores);
    assert_near(scores[NOISE], exp(4.0 / 2) / (2 + exp(4.0 / 2) + exp(3)));
    assert_near(scores[QUIET], 1 / (2 + exp(4.0 / 2) + exp(3)));
    fusion_score(fusion, embeddings, BOTH, scores);
    assert_near(scores[NOISE], exp(4) / (1 + exp(4) + exp(2)));
}

static void a_classifier_without_head_answers_itself(void **state) {
    const int8_t low[] = { -15 * ONE, -16 * ONE, -16 * ONE, -16 * ONE };
    _cleanup_(bundle_freep) struct bundle *bundle = scene_bundle();
    _cleanup_(fusion_freep) struct fusion *fusion = NULL;
    struct model *const head = bundle->head;
    double scores[BUNDLE_LABELS_MAX];

    bundle->head = NULL;
    bundle->n_modalities = 1;
    bundle->n_labels = 4; /* the embedding's items */
    fusion = make(bundle);
    fusion_score(fusion, embeddings, SOUND, scores);
    assert_near(scores[0], exp(-3) / (exp(-3) + 3));
    fusion = fusion_free(fusion);

    bundle->calibrations[SOUND].temperature = 0.01; /* logits far below 0 are no reason for none */
    fusion = make(bundle);
    fusion_score(fusion, (const int8_t *const[BUNDLE_MODALITIES_MAX]){ low }, SOUND, scores);
    assert_near(scores[0], 1);
    fusion = fusion_free(fusion);
    bundle->calibrations[SOUND].temperature = 1;

    bundle->scores = SCORES_PROBABILITIES; /* as they are */
    fusion = make(bundle);
    fusion_score(fusion, (const int8_t *const[BUNDLE_MODALITIES_MAX]){ reddish }, SOUND, scores);
    assert_near(scores[0], 8);
    assert_near(scores[1], 3);

    bundle->head = head;
    bundle->n_modalities = 2; /* so that all is freed */
}

static void a_head_that_does_not_fit_is_refused(void **state) {
    _cleanup_(bundle_freep) struct bundle *bundle = scene_bundle();
    struct fusion *fusion = NULL;
    struct fault fault = { "" };

    bundle->n_labels = 2;
    assert_int_equal(fusion_new(bundle, &fusion, &fault), -ENOTSUP);
    assert_non_null(strstr(fault.text, "tiny"));
    bundle->n_labels = 3;
    bundle->modalities[0].n_embedding = 5;
    assert_int_equal(fusion_new(bundle, &fusion, &fault), -ENOTSUP);
    assert_non_null(strstr(fault.text, "sound"));
    bundle->modalities[0].n_embedding = 4;
}

/* Both delivered one tick; ages and qualities as given. */
static struct align aligned(double sound_quality, double picture_quality) {
    struct align align;
    struct embedding e = { .tick_ns = NS_PER_S, .capture_ns = NS_PER_S };

    align_init(&align, (int64_t[]){ NS_PER_S / 2, NS_PER_S / 2 }, 2);
    e.quality = sound_quality;
    memcpy(e.values, loud, sizeof(loud));
    align_put(&align, 0, &e);
    e.quality = picture_quality;
    e.quality_reason = picture_quality < 0.5 ? "dark" : NULL;
    e.capture_ns -= 40 * NS_PER_MS;
    memcpy(e.values, reddish, sizeof(reddish));
    align_put(&align, 1, &e);
    return align;
}

static void bad_quality_is_absent_if_another_is_good(void **state) {
    struct align align = aligned(1, 0.1);

    assert_int_equal(evidence_usable(&align), SOUND);
    align = aligned(0.1, 0.1);
    assert_int_equal(evidence_usable(&align), BOTH);
    align = aligned(0.3, 0.3);
    assert_int_equal(evidence_usable(&align), BOTH);
}

static void a_share_is_what_leaving_out_costs(void **state) {
    _cleanup_(bundle_freep) struct bundle *bundle = scene_bundle();
    _cleanup_(fusion_freep) struct fusion *fusion = make(bundle);
    const struct align align = aligned(1, 1);
    struct decision decision = { .at_ns = NS_PER_S, .present = BOTH, .used = BOTH };
    struct evidence evidence[2];
    struct task_options task;
    double without[BUNDLE_LABELS_MAX];

    scene_task(bundle, &task);
    fusion_score(fusion, embeddings, BOTH, decision.scores);
    fusion_score(fusion, embeddings, PICTURE, without);
    evidence_fill(&align, fusion, &decision, &task, NOISE, evidence);
    assert_near(evidence[0].share, decision.scores[NOISE] - without[NOISE]);
    assert_true(evidence[0].share > 0);
    assert_true(evidence[1].share < 0); /* red speaks against noise */
    assert_string_equal(evidence[0].sensor, "microphone");
    assert_string_equal(evidence[1].modality, "picture");
    assert_near(evidence[1].age_ms, 40);
    assert_near(evidence_skew_ms(&align, BOTH), 40);
    assert_true(isnan(evidence_skew_ms(&align, SOUND)));
}

static void what_was_not_used_says_why(void **state) {
    _cleanup_(bundle_freep) struct bundle *bundle = scene_bundle();
    _cleanup_(fusion_freep) struct fusion *fusion = make(bundle);
    const struct align align = aligned(1, 0.1);
    struct decision decision = { .at_ns = NS_PER_S, .present = BOTH, .used = SOUND };
    struct evidence evidence[2];
    struct task_options task;

    scene_task(bundle, &task);
    fusion_score(fusion, embeddings, SOUND, decision.scores);
    evidence_fill(&align, fusion, &decision, &task, NOISE, evidence);
    assert_false(evidence[1].present);
    assert_string_equal(evidence[1].quality_reason, "dark");
    assert_near(evidence[1].share, 0);
    assert_near(evidence[0].share, decision.scores[NOISE]); /* alone: all of it */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_the_softmax_of_the_head),
        cmocka_unit_test(a_missing_modality_is_not_read_and_says_nothing),
        cmocka_unit_test(each_set_of_modalities_has_its_own_temperature),
        cmocka_unit_test(a_logit_of_no_label_takes_its_share),
        cmocka_unit_test(a_classifier_without_head_answers_itself),
        cmocka_unit_test(a_head_that_does_not_fit_is_refused),
        cmocka_unit_test(bad_quality_is_absent_if_another_is_good),
        cmocka_unit_test(a_share_is_what_leaving_out_costs),
        cmocka_unit_test(what_was_not_used_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
