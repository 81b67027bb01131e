/* SPDX-License-Identifier: MIT */
#include "pipeline/sample_clock.h"

#include <math.h>

#include "common/units.h"
#include "tests/test.h"

enum { RATE_HZ = 48000, CHUNK = 480 };

#define START_NS (INT64_C(123456) * NS_PER_S)

static uint32_t random_state = 1;

/* 0 .. n - 1, the same each run (Numerical Recipes' quick generator). */
static int64_t random_below(int64_t n) {
    random_state = random_state * 1664525u + 1013904223u;
    return (int64_t) (random_state >> 8) % n;
}

/* When sample @item of a card that is fast by @ppm is there. */
static int64_t true_ns(int64_t item, double ppm) {
    return START_NS + llround((double) item * 1e9 / (RATE_HZ * (1 + ppm / 1e6)));
}

static void without_jitter_times_are_exact(void **state) {
    struct sample_clock clock;

    sample_clock_reset(&clock, RATE_HZ);
    for (int64_t n = CHUNK; n < RATE_HZ * 10; n += CHUNK) {
        assert_int_equal(sample_clock_observe(&clock, n, true_ns(n, 0)), 0);
        assert_true(llabs(sample_clock_time(&clock, (double) (n - CHUNK)) - true_ns(n - CHUNK, 0)) <
                    1000);
    }
}

static void jitter_hardly_moves_the_spacing_of_blocks(void **state) {
    struct sample_clock clock;
    int64_t last_ns = 0;

    sample_clock_reset(&clock, RATE_HZ);
    for (int64_t n = CHUNK; n < RATE_HZ * 20; n += CHUNK) {
        int64_t at_ns;

        assert_int_equal(
            sample_clock_observe(&clock, n, true_ns(n, 0) + random_below(2 * NS_PER_MS)), 0);
        at_ns = sample_clock_time(&clock, (double) (n - CHUNK));
        if (last_ns)
            assert_true(llabs(at_ns - last_ns - 10 * NS_PER_MS) < 50 * NS_PER_US);
        last_ns = at_ns;
        if (n > RATE_HZ * 5)
            assert_true(llabs(at_ns - true_ns(n - CHUNK, 0) - NS_PER_MS) < NS_PER_MS);
    }
}

static void a_fast_or_slow_card_is_followed_without_drift(void **state) {
    static const double ppms[] = { 300, -300, 2000 };

    for (size_t i = 0; i < sizeof(ppms) / sizeof(ppms[0]); i++) {
        struct sample_clock clock;

        sample_clock_reset(&clock, RATE_HZ);
        for (int64_t n = CHUNK; n < (int64_t) RATE_HZ * 600; n += CHUNK)
            assert_int_equal(sample_clock_observe(&clock, n, true_ns(n, ppms[i])), 0);
        assert_true(llabs(sample_clock_time(&clock, RATE_HZ * 600.0) -
                          true_ns(RATE_HZ * INT64_C(600), ppms[i])) < 200 * NS_PER_US);
    }
}

static void a_jump_of_time_is_told(void **state) {
    struct sample_clock clock;

    sample_clock_reset(&clock, RATE_HZ);
    for (int64_t n = CHUNK; n < RATE_HZ; n += CHUNK)
        assert_int_equal(sample_clock_observe(&clock, n, true_ns(n, 0)), 0);
    assert_true(llabs(sample_clock_observe(&clock, RATE_HZ, true_ns(RATE_HZ, 0) + NS_PER_S) -
                      NS_PER_S) < NS_PER_MS);
    assert_true(sample_clock_observe(&clock, RATE_HZ, true_ns(RATE_HZ, 0) - NS_PER_S) < 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_jitter_times_are_exact),
        cmocka_unit_test(jitter_hardly_moves_the_spacing_of_blocks),
        cmocka_unit_test(a_fast_or_slow_card_is_followed_without_drift),
        cmocka_unit_test(a_jump_of_time_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
