/* SPDX-License-Identifier: MIT */
#include "pipeline/align.h"

#include "common/units.h"
#include "tests/test.h"

enum { SOUND, PICTURE, BOTH = 3 };

#define HOP (500 * NS_PER_MS)

static struct align make(int64_t sound_hop_ns, int64_t picture_hop_ns) {
    struct align a;

    align_init(&a, (int64_t[]){ sound_hop_ns, picture_hop_ns }, 2);
    return a;
}

static void put(struct align *a, size_t slot, int64_t tick_ns) {
    const struct embedding embedding = { .tick_ns = tick_ns, .capture_ns = tick_ns };

    assert_false(align_behind(a, tick_ns));
    align_put(a, slot, &embedding);
}

/* Both modalities deliver each tick before. */
static struct align running_until(int64_t tick_ns) {
    struct align a = make(HOP, HOP);

    put(&a, SOUND, tick_ns - HOP);
    put(&a, PICTURE, tick_ns - HOP);
    assert_true(align_complete(&a, BOTH));
    align_advance(&a);
    return a;
}

static void a_tick_is_complete_when_both_have_delivered(void **state) {
    struct align a = running_until(10 * HOP);

    put(&a, PICTURE, 10 * HOP);
    assert_false(align_complete(&a, BOTH));
    put(&a, SOUND, 10 * HOP);
    assert_true(align_complete(&a, BOTH));
    assert_int_equal(align_present(&a), BOTH);
    align_advance(&a);
    assert_false(align_complete(&a, BOTH)); /* nothing fresh */
    assert_int_equal(align_deadline_ns(&a), 11 * HOP + HOP / 2);
}

static void a_lost_sensor_is_not_waited_for(void **state) {
    struct align a = running_until(10 * HOP);

    put(&a, SOUND, 10 * HOP);
    assert_true(align_complete(&a, 1 << SOUND));
}

static void a_modality_without_sensor_is_never_waited_for(void **state) {
    struct align a = make(HOP, 0);

    put(&a, SOUND, HOP);
    assert_true(align_complete(&a, BOTH));
    assert_int_equal(align_present(&a), 1 << SOUND);
}

static void who_has_not_delivered_yet_is_not_waited_for(void **state) {
    struct align a = make(HOP, HOP);

    put(&a, PICTURE, 4 * HOP); /* the sound still fills its first window */
    assert_true(align_complete(&a, BOTH));
}

static void an_older_embedding_counts_for_two_hops(void **state) {
    struct align a = running_until(10 * HOP);

    for (int64_t tick = 10; tick <= 11; tick++) { /* the picture's last was tick 9 */
        put(&a, SOUND, tick * HOP);
        assert_false(align_complete(&a, BOTH)); /* but at the deadline: */
        assert_true(align_fresh(&a));
        assert_int_equal(align_present(&a), BOTH);
        align_advance(&a);
    }
    put(&a, SOUND, 12 * HOP);
    assert_int_equal(align_present(&a), 1 << SOUND);
    assert_true(align_complete(&a, BOTH)); /* nor is it waited for any more */
}

static void a_late_embedding_is_counted_and_serves_the_next_tick(void **state) {
    struct align a = running_until(10 * HOP);

    put(&a, SOUND, 10 * HOP);
    align_advance(&a); /* the deadline came first */
    put(&a, PICTURE, 10 * HOP);
    assert_int_equal(a.n_late, 1);
    assert_false(align_complete(&a, BOTH)); /* both are awaited for 11 */
    put(&a, PICTURE, 11 * HOP);
    put(&a, SOUND, 11 * HOP);
    assert_true(align_complete(&a, BOTH));
}

static void a_jump_ahead_asks_for_the_tick_before_first(void **state) {
    struct align a = running_until(10 * HOP);

    put(&a, SOUND, 10 * HOP);
    assert_true(align_behind(&a, 11 * HOP));
    assert_false(align_behind(&a, 10 * HOP));
    align_advance(&a);
    assert_false(align_behind(&a, 11 * HOP));
    align_rest(&a);
    assert_false(align_behind(&a, 1000 * HOP));
    put(&a, SOUND, 1000 * HOP);
    assert_int_equal(a.tick_ns, 1000 * HOP);
}

static void after_an_empty_deadline_the_next_embedding_decides(void **state) {
    struct align a = running_until(10 * HOP);

    assert_false(align_fresh(&a));
    align_postpone(&a);
    assert_int_equal(align_deadline_ns(&a), 11 * HOP + HOP / 2);
    put(&a, PICTURE, 10 * HOP);
    assert_true(align_complete(&a, BOTH));
    align_advance(&a);
    assert_int_equal(a.tick_ns, 11 * HOP);
}

static void the_quicker_hop_decides_and_the_slower_is_awaited_at_its_own_ticks(void **state) {
    struct align a = make(HOP, 2 * HOP);

    assert_int_equal(a.hop_ns, HOP);
    put(&a, SOUND, 2 * HOP);
    put(&a, PICTURE, 2 * HOP);
    align_advance(&a);
    put(&a, SOUND, 3 * HOP);
    assert_true(align_complete(&a, BOTH)); /* 3 is no tick of the picture's */
    assert_int_equal(align_present(&a), BOTH);
    align_advance(&a);
    put(&a, SOUND, 4 * HOP);
    assert_false(align_complete(&a, BOTH));
    put(&a, PICTURE, 4 * HOP);
    assert_true(align_complete(&a, BOTH));
}

static void at_rest_there_is_no_deadline(void **state) {
    struct align a = make(HOP, HOP);

    assert_int_equal(align_deadline_ns(&a), INT64_MAX);
    put(&a, SOUND, HOP);
    assert_int_equal(align_deadline_ns(&a), HOP + HOP / 2);
    align_rest(&a);
    assert_int_equal(align_deadline_ns(&a), INT64_MAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tick_is_complete_when_both_have_delivered),
        cmocka_unit_test(a_lost_sensor_is_not_waited_for),
        cmocka_unit_test(a_modality_without_sensor_is_never_waited_for),
        cmocka_unit_test(who_has_not_delivered_yet_is_not_waited_for),
        cmocka_unit_test(an_older_embedding_counts_for_two_hops),
        cmocka_unit_test(a_late_embedding_is_counted_and_serves_the_next_tick),
        cmocka_unit_test(a_jump_ahead_asks_for_the_tick_before_first),
        cmocka_unit_test(after_an_empty_deadline_the_next_embedding_decides),
        cmocka_unit_test(the_quicker_hop_decides_and_the_slower_is_awaited_at_its_own_ticks),
        cmocka_unit_test(at_rest_there_is_no_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
