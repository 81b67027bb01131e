/* SPDX-License-Identifier: MIT */
#include "pipeline/resample.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "pipeline/source.h"
#include "tests/test.h"

enum { OUT_MAX = 400000, IN_MAX = 384000 };

static int16_t in[IN_MAX], out[OUT_MAX], other[OUT_MAX];

/* All of @n_in through a new resampler in pieces of @piece; returns the number of outputs. */
static size_t run(int32_t rate_hz, size_t n_in, size_t piece, int16_t *to) {
    _cleanup_(resampler_freep) struct resampler *r = NULL;
    size_t n_out = 0, n;

    assert_int_equal(resampler_new(rate_hz, &r), 0);
    for (size_t i = 0; i < n_in; i += piece) {
        const size_t part = n_in - i < piece ? n_in - i : piece;

        n = resampler_push(r, in + i, part, to + n_out);
        assert_true(n <= resampler_out_max(r, part));
        n_out += n;
    }
    while ((n = resampler_flush(r, to + n_out, 100)) > 0)
        n_out += n;
    return n_out;
}

static void make_tone(int32_t rate_hz, double tone_hz, size_t n) {
    for (size_t i = 0; i < n; i++)
        in[i] = (int16_t) lrint(10000 * sin(2 * M_PI * tone_hz * (double) i / rate_hz));
}

static const int32_t rates[] = { 4000, 8000, 11025, 22050, 32000, 44100, 48000, 96000, 192000 };
enum { N_RATES = sizeof(rates) / sizeof(rates[0]) };

static void sixteen_khz_passes_unchanged(void **state) {
    make_tone(SOUND_RATE_HZ, 440, 5000);
    assert_int_equal(run(SOUND_RATE_HZ, 5000, 77, out), 5000);
    assert_memory_equal(in, out, 5000 * sizeof(*in));
}

static void a_tone_stays_where_it_was_in_time_at_any_rate(void **state) {
    for (size_t i = 0; i < N_RATES; i++) {
        const size_t n_in = (size_t) rates[i] / 2;
        size_t n;

        make_tone(rates[i], 440, n_in);
        n = run(rates[i], n_in, n_in / 50, out);
        assert_int_equal(n, (n_in * SOUND_RATE_HZ + (size_t) rates[i] - 1) / (size_t) rates[i]);
        /* away from the ends, where the filter sees silence */
        for (size_t k = 400; k + 400 < n; k++)
            assert_true(fabs(out[k] - 10000 * sin(2 * M_PI * 440 * (double) k / SOUND_RATE_HZ)) <
                        20);
    }
}

static void what_lies_above_8_khz_is_gone(void **state) {
    make_tone(48000, 11000, 48000);
    for (size_t k = 400, n = run(48000, 48000, 480, out); k + 400 < n; k++)
        assert_true(abs(out[k]) <= 10); /* 60 dB down */
}

static void the_size_of_the_pieces_does_not_matter(void **state) {
    make_tone(44100, 1000, 44100);
    const size_t n = run(44100, 44100, 44100, out);

    assert_int_equal(run(44100, 44100, 441, other), n);
    assert_memory_equal(out, other, n * sizeof(*out));
    assert_int_equal(run(44100, 44100, 1, other), n);
    assert_memory_equal(out, other, n * sizeof(*out));
}

static void after_a_reset_it_is_as_new(void **state) {
    _cleanup_(resampler_freep) struct resampler *r = NULL;
    size_t n;

    make_tone(48000, 700, 9600);
    assert_int_equal(resampler_new(48000, &r), 0);
    n = resampler_push(r, in, 9600, out);
    resampler_reset(r);
    assert_int_equal(resampler_push(r, in, 9600, other), n);
    assert_memory_equal(out, other, n * sizeof(*out));
}

static void rates_out_of_range_are_refused(void **state) {
    struct resampler *r = NULL;

    assert_int_equal(resampler_new(0, &r), -ERANGE);
    assert_int_equal(resampler_new(-48000, &r), -ERANGE);
    assert_int_equal(resampler_new(RESAMPLER_RATE_MAX_HZ + 1, &r), -ERANGE);
    assert_null(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sixteen_khz_passes_unchanged),
        cmocka_unit_test(a_tone_stays_where_it_was_in_time_at_any_rate),
        cmocka_unit_test(what_lies_above_8_khz_is_gone),
        cmocka_unit_test(the_size_of_the_pieces_does_not_matter),
        cmocka_unit_test(after_a_reset_it_is_as_new),
        cmocka_unit_test(rates_out_of_range_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
