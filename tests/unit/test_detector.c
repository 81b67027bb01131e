/* SPDX-License-Identifier: MIT */
#include "pipeline/detector.h"

#include <math.h>

#include "common/units.h"
#include "tests/test.h"

enum { HOP_MS = 500, GAP_MS = 1250 };

/* One label; each test sets what it is about. */
static const struct detector_options plain = { .on = 0.7, .off = 0.5, .report = true };

static struct detector *make(const struct detector_options *options) {
    struct detector *d = NULL;

    assert_int_equal(detector_new(options, 1, GAP_MS * NS_PER_MS, &d), 0);
    return d;
}

/* One decision at @at_ms; what happened as one letter: b, u, e, or '.'. */
static char step(struct detector *d, double score, int at_ms) {
    struct detection detection;

    detector_step(d, &score, false, at_ms * NS_PER_MS);
    if (!detector_next(d, &detection))
        return '.';
    assert_int_equal(detection.at_ns, at_ms * NS_PER_MS);
    return "bue"[detection.phase];
}

static void an_event_begins_at_on_and_ends_below_off(void **state) {
    _cleanup_(detector_freep) struct detector *d = make(&plain);

    assert_int_equal(step(d, 0.69, 0), '.');
    assert_int_equal(step(d, 0.70, 500), 'b');
    assert_int_equal(step(d, 0.55, 1000), '.'); /* between off and on: goes on */
    assert_int_equal(step(d, 0.50, 1500), '.');
    assert_int_equal(step(d, 0.49, 2000), 'e');
    assert_int_equal(step(d, 0.69, 2500), '.');
}

static void a_score_must_stay_for_least_ms(void **state) {
    struct detector_options options = plain;
    _cleanup_(detector_freep) struct detector *d = NULL;
    struct detection detection;
    double score = 0.9;

    options.least_ms = 1000;
    d = make(&options);
    assert_int_equal(step(d, 0.9, 0), '.');
    assert_int_equal(step(d, 0.9, 500), '.');
    assert_int_equal(step(d, 0.6, 999), '.'); /* a moment below `on` starts it anew */
    assert_int_equal(step(d, 0.9, 1500), '.');
    assert_int_equal(step(d, 0.9, 2000), '.');
    detector_step(d, &score, false, 2500 * NS_PER_MS);
    assert_int_equal(detector_next(d, &detection), 1);
    assert_int_equal(detection.began_ns, 1500 * NS_PER_MS);
}

static void an_event_holds_for_hold_ms(void **state) {
    struct detector_options options = plain;
    _cleanup_(detector_freep) struct detector *d = NULL;

    options.hold_ms = 1000;
    d = make(&options);
    assert_int_equal(step(d, 0.9, 0), 'b');
    assert_int_equal(step(d, 0.1, 500), '.');
    assert_int_equal(step(d, 0.6, 1000), '.'); /* back: the hold starts anew */
    assert_int_equal(step(d, 0.1, 1500), '.');
    assert_int_equal(step(d, 0.1, 2000), '.');
    assert_int_equal(step(d, 0.1, 2500), 'e');
}

static void updates_come_at_most_every_update_ms(void **state) {
    struct detector_options options = plain;
    _cleanup_(detector_freep) struct detector *d = NULL;

    options.update_ms = 1000;
    d = make(&options);
    assert_int_equal(step(d, 0.9, 0), 'b');
    assert_int_equal(step(d, 0.9, 500), '.');
    assert_int_equal(step(d, 0.9, 1000), 'u');
    assert_int_equal(step(d, 0.9, 1500), '.');
    assert_int_equal(step(d, 0.9, 2000), 'u');
}

static void smoothing_follows_real_time_not_steps(void **state) {
    struct detector_options options = plain;
    _cleanup_(detector_freep) struct detector *even = NULL, *odd = NULL;

    options.smooth_ms = 1000;
    even = make(&options);
    odd = make(&options);
    (void) step(even, 0, 0);
    (void) step(odd, 0, 0);
    for (int ms = 250; ms <= 1000; ms += 250)
        (void) step(even, 1, ms);
    (void) step(odd, 1, 100);
    (void) step(odd, 1, 1000);
    assert_true(fabs(detector_scores(even)[0] - (1 - exp(-1))) < 1e-12);
    assert_true(fabs(detector_scores(odd)[0] - (1 - exp(-1))) < 1e-12);
}

static void an_unknown_answer_begins_no_event_but_keeps_one(void **state) {
    const double scores[] = { 0.75 };
    _cleanup_(detector_freep) struct detector *d = make(&plain);
    struct detection detection;

    detector_step(d, scores, true, 0);
    assert_int_equal(detector_next(d, &detection), 0);
    assert_int_equal(step(d, 0.75, 500), 'b');
    detector_step(d, scores, true, 1000 * NS_PER_MS);
    assert_int_equal(detector_next(d, &detection), 0);
    assert_true(detector_running(d));
}

static void a_label_that_is_not_reported_has_scores_but_no_events(void **state) {
    struct detector_options options = plain;
    _cleanup_(detector_freep) struct detector *d = NULL;

    options.report = false;
    d = make(&options);
    assert_int_equal(step(d, 1, 0), '.');
    assert_int_equal(step(d, 1, 500), '.');
    assert_true(detector_scores(d)[0] == 1);
}

static void a_break_is_no_proof_that_a_score_stayed(void **state) {
    struct detector_options options = plain;
    _cleanup_(detector_freep) struct detector *d = NULL;

    options.least_ms = 1000;
    d = make(&options);
    assert_int_equal(step(d, 0.9, 0), '.');
    assert_int_equal(step(d, 0.9, 5000), '.');
    assert_int_equal(step(d, 0.9, 6000), 'b');
}

static void silence_ends_an_event_after_its_hold(void **state) {
    struct detector_options options = plain;
    _cleanup_(detector_freep) struct detector *d = NULL;
    struct detection detection;

    options.hold_ms = 2000;
    d = make(&options);
    assert_int_equal(step(d, 0.9, 1000), 'b');
    detector_silence(d, 2500 * NS_PER_MS);
    assert_int_equal(detector_next(d, &detection), 0);
    detector_silence(d, 3000 * NS_PER_MS);
    assert_int_equal(detector_next(d, &detection), 1);
    assert_int_equal(detection.phase, EVENT_END);
    assert_int_equal(detection.at_ns, 3000 * NS_PER_MS);
    assert_false(detector_running(d));
}

static void an_event_keeps_its_number_and_the_next_has_another(void **state) {
    _cleanup_(detector_freep) struct detector *d = make(&plain);
    const double scores[] = { 0.9, 0.1, 0.8, 0.2 };
    const uint64_t numbers[] = { 1, 1, 2, 2 };
    struct detection detection;

    for (int i = 0; i < 4; i++) {
        detector_step(d, &scores[i], false, i * 500 * NS_PER_MS);
        assert_int_equal(detector_next(d, &detection), 1);
        assert_int_equal(detection.number, numbers[i]);
    }
    assert_true(detection.confidence == 0.8); /* the end tells the peak */
}

static void labels_do_not_disturb_each_other(void **state) {
    const struct detector_options options[] = { plain, plain, plain };
    const double first[] = { 0.9, 0.0, 0.8 }, second[] = { 0.1, 0.95, 0.8 };
    _cleanup_(detector_freep) struct detector *d = NULL;
    struct detection detection;

    assert_int_equal(detector_new(options, 3, GAP_MS * NS_PER_MS, &d), 0);
    detector_step(d, first, false, 0);
    assert_int_equal(detector_next(d, &detection), 1);
    assert_int_equal(detection.label, 0);
    assert_int_equal(detector_next(d, &detection), 1);
    assert_int_equal(detection.label, 2);
    assert_int_equal(detector_next(d, &detection), 0);

    detector_step(d, second, false, 500 * NS_PER_MS);
    assert_int_equal(detector_next(d, &detection), 1);
    assert_int_equal(detection.label, 0);
    assert_int_equal(detection.phase, EVENT_END);
    assert_int_equal(detector_next(d, &detection), 1);
    assert_int_equal(detection.label, 1);
    assert_int_equal(detection.phase, EVENT_BEGIN);

    detector_finish(d, 600 * NS_PER_MS);
    assert_int_equal(detector_next(d, &detection), 1);
    assert_int_equal(detector_next(d, &detection), 1);
    assert_int_equal(detector_next(d, &detection), 0);
    assert_false(detector_running(d));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_begins_at_on_and_ends_below_off),
        cmocka_unit_test(a_score_must_stay_for_least_ms),
        cmocka_unit_test(an_event_holds_for_hold_ms),
        cmocka_unit_test(updates_come_at_most_every_update_ms),
        cmocka_unit_test(smoothing_follows_real_time_not_steps),
        cmocka_unit_test(an_unknown_answer_begins_no_event_but_keeps_one),
        cmocka_unit_test(a_label_that_is_not_reported_has_scores_but_no_events),
        cmocka_unit_test(a_break_is_no_proof_that_a_score_stayed),
        cmocka_unit_test(silence_ends_an_event_after_its_hold),
        cmocka_unit_test(an_event_keeps_its_number_and_the_next_has_another),
        cmocka_unit_test(labels_do_not_disturb_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
