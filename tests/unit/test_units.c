/* SPDX-License-Identifier: MIT */
#include "common/units.h"

#include <string.h>

#include "tests/test.h"

/* Wall time of @at in nanoseconds, read back with strptime(3). */
static int64_t wall_ns(const struct instant *at) {
    struct tm tm = { 0 };
    const char *rest = strptime(at->wall, "%Y-%m-%dT%H:%M:%S", &tm);
    int micros = -1, hours = 0, minutes = 0;
    char sign = '?';

    assert_non_null(rest);
    assert_int_equal(sscanf(rest, ".%6d%c%2d:%2d", &micros, &sign, &hours, &minutes), 4);
    assert_true(sign == '+' || sign == '-');
    return (timegm(&tm) - (sign == '-' ? -1 : 1) * (hours * 60 + minutes) * 60) * NS_PER_S +
           micros * NS_PER_US;
}

static int64_t realtime_ns(void) {
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
    return (int64_t) now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void the_clock_never_goes_back(void **state) {
    int64_t last = now_ns();

    for (int i = 0; i < 1000; i++) {
        const int64_t next = now_ns();
        assert_true(next >= last);
        last = next;
    }
}

static void the_boot_id_is_one_for_all_calls(void **state) {
    char a[BOOT_ID_BYTES], b[BOOT_ID_BYTES];

    boot_id(a);
    boot_id(b);
    assert_string_equal(a, b);
    assert_true(strlen(a) == BOOT_ID_BYTES - 1 || strcmp(a, "unknown") == 0);
}

static void now_is_told_as_wall_time_in_any_zone(void **state) {
    static const char *const zones[] = { "UTC0", "EST5EDT", "IST-5:30", "NPT-5:45" };
    char boot[BOOT_ID_BYTES];

    boot_id(boot);
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        struct instant at;
        int64_t before, after;

        assert_int_equal(setenv("TZ", zones[i], 1), 0);
        tzset();
        before = realtime_ns();
        at = instant_at(now_ns(), boot);
        after = realtime_ns();
        assert_true(wall_ns(&at) >= before - 5 * NS_PER_MS); /* two clocks are read in turn */
        assert_true(wall_ns(&at) <= after + 5 * NS_PER_MS);
        assert_string_equal(at.boot_id, boot);
    }
}

static void a_moment_an_hour_ago_lies_an_hour_back(void **state) {
    char boot[BOOT_ID_BYTES];
    const int64_t now = now_ns(), ago = now - 3600 * NS_PER_S;
    struct instant a, b;

    boot_id(boot);
    a = instant_at(ago, boot);
    b = instant_at(now, boot);
    assert_true(a.monotonic_ns == ago);
    assert_true(llabs(wall_ns(&b) - wall_ns(&a) - 3600 * NS_PER_S) < 5 * NS_PER_MS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_clock_never_goes_back),
        cmocka_unit_test(the_boot_id_is_one_for_all_calls),
        cmocka_unit_test(now_is_told_as_wall_time_in_any_zone),
        cmocka_unit_test(a_moment_an_hour_ago_lies_an_hour_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
