/* SPDX-License-Identifier: MIT */
#include "pipeline/mel.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "pipeline/quantise.h"
#include "pipeline/sound_window.h"
#include "tests/test.h"
#include "tests/unit/mel_kit.h"

enum { ROWS_BYTES_MAX = 1 << 20, SECOND_ITEMS = 16000, N_FFT = 512, N_BINS = N_FFT / 2 + 1 };

/* A chirp over noise; the same on every machine. */
static void make_sound(int16_t *samples, size_t n_items, unsigned seed) {
    uint32_t state = seed;

    for (size_t i = 0; i < n_items; i++) {
        const double t = (double) i / SECOND_ITEMS;

        state = state * 1664525u + 1013904223u; /* Numerical Recipes, ranqd1 */
        samples[i] = (int16_t) (6000.0 * sin(2.0 * M_PI * (200.0 + 900.0 * t) * t) +
                                (double) (state >> 20) - 2048.0);
    }
}

static double mel_of(double hz) {
    return 2595.0 * log10(1.0 + hz / 700.0) * 1127.0 / (2595.0 / M_LN10);
}

/* The row once more: a plain sum over sines in double, a full matrix, no table shared with mel.c.
 */
static void reference_row(const struct sound_features *o, const int16_t *frame, size_t n_frame,
                          double gain, double *ret) {
    const double low = mel_of(o->low_hz), high = mel_of(o->high_hz);
    const double spacing = (high - low) / (o->n_bands + 1);
    double strength[N_BINS], bands[128];

    for (size_t k = 0; k < N_BINS; k++) {
        double re = 0.0, im = 0.0;
        for (size_t i = 0; i < n_frame; i++) {
            const double hann = pow(sin(M_PI * (double) i / (double) n_frame), 2.0);
            const double angle = 2.0 * M_PI * (double) (k * i % N_FFT) / N_FFT;
            re += frame[i] / 32768.0 * gain * hann * cos(angle);
            im -= frame[i] / 32768.0 * gain * hann * sin(angle);
        }
        strength[k] = o->kind == FEATURES_MFCC ? hypot(re, im) : re * re + im * im;
    }
    for (int b = 0; b < o->n_bands; b++) {
        bands[b] = 0.0;
        for (size_t k = 1; k < N_BINS; k++) {
            const double x = (mel_of((double) k * 16000.0 / N_FFT) - low) / spacing - b;
            bands[b] += fmax(0.0, 1.0 - fabs(x - 1.0)) * strength[k];
        }
    }
    for (int v = 0; v < (o->kind == FEATURES_MFCC ? o->n_coefficients : o->n_bands); v++) {
        if (o->kind == FEATURES_LOGMEL) {
            ret[v] = log(fmax(bands[v], o->floor));
            continue;
        }
        ret[v] = 0.0;
        for (int b = 0; b < o->n_bands; b++)
            ret[v] += sqrt(2.0 / o->n_bands) * log(bands[b] + o->floor) *
                      cos(M_PI * v * (2 * b + 1) / (2.0 * o->n_bands));
    }
}

static void expect_rows_of_the_reference(const struct sound_features *options, double gain) {
    static int16_t samples[SECOND_ITEMS];
    static float rows[ROWS_BYTES_MAX / sizeof(float)];
    _cleanup_(mel_freep) struct mel *mel = NULL;
    const struct sound_shape *s;

    make_sound(samples, SECOND_ITEMS, 1);
    assert_int_equal(mel_new(options, &mel, NULL), 0);
    s = mel_shape(mel);
    assert_int_equal(s->n_fft, N_FFT);
    mel_window(mel, samples, rows);
    for (size_t row = 0; row < s->n_rows; row += 16) {
        double want[128];
        reference_row(options, samples + row * s->n_step, s->n_frame, gain, want);
        for (size_t v = 0; v < s->n_values; v++)
            assert_float_equal(rows[row * s->n_values + v], want[v], 2e-5);
    }
}

static void logmel_equals_a_plain_fourier_sum_in_double(void **state) {
    expect_rows_of_the_reference(&logmel, 1.0);
}

static void mfcc_equals_the_recipe_in_double(void **state) {
    static int16_t samples[SECOND_ITEMS];
    int16_t peak = 1;

    make_sound(samples, SECOND_ITEMS, 1);
    for (size_t i = 0; i < 48 * 320 + 480; i++)
        peak = samples[i] > peak ? samples[i] : peak;
    expect_rows_of_the_reference(&mfcc, 32768.0 / peak);
}

static void mlperf_keyword_windows_have_49_rows_of_10(void **state) {
    struct sound_shape s;

    assert_int_equal(sound_shape_of(&mfcc, &s, NULL), 0);
    assert_int_equal(s.n_rows, 49);
    assert_int_equal(s.n_values, 10);
    assert_int_equal(s.n_frame, 480);
    assert_int_equal(s.n_step, 320);
}

static void silence_gives_the_floor(void **state) {
    static const int16_t silence[SECOND_ITEMS];
    static float rows[ROWS_BYTES_MAX / sizeof(float)];
    _cleanup_(mel_freep) struct mel *mel = NULL;

    assert_int_equal(mel_new(&logmel, &mel, NULL), 0);
    mel_window(mel, silence, rows);
    for (size_t i = 0; i < mel_shape(mel)->n_rows * mel_shape(mel)->n_values; i++)
        assert_float_equal(rows[i], logf(1e-6f), 0.0);
}

static void the_peak_of_a_window_decides_the_gain_only_if_asked(void **state) {
    _cleanup_(mel_freep) struct mel *plain = NULL, *peak = NULL;

    assert_int_equal(mel_new(&logmel, &plain, NULL), 0);
    assert_int_equal(mel_new(&mfcc, &peak, NULL), 0);
    assert_float_equal(mel_gain(plain, 1024), 1.0, 0.0);
    assert_float_equal(mel_gain(peak, 1024), 32.0, 0.0);
    assert_float_equal(mel_gain(peak, 0), 1.0, 0.0);
    assert_float_equal(mel_gain(peak, -5), 1.0, 0.0);
}

static void expect_refusal(struct sound_features options, const char *sentence) {
    struct sound_shape shape;
    struct fault fault = { .text = "" };

    assert_int_equal(sound_shape_of(&options, &shape, &fault), -ERANGE);
    assert_non_null(strstr(fault.text, sentence));
}

static void every_option_out_of_range_is_named(void **state) {
    struct sound_features o;

    o = logmel, o.rate_hz = 8000, expect_refusal(o, "rate_hz = 8000: must be 16000");
    o = logmel, o.n_bands = 129, expect_refusal(o, "bands = 129: must be 1 to 128");
    o = logmel, o.low_hz = 7600, expect_refusal(o, "low_hz = 7600, high_hz = 7600");
    o = logmel, o.high_hz = 8001, expect_refusal(o, "<= 8000");
    o = logmel, o.low_hz = NAN, expect_refusal(o, "low_hz = nan");
    o = logmel, o.floor = 0, expect_refusal(o, "floor = 0: must be 1e-30 to 1");
    o = logmel, o.frame_ms = 257, expect_refusal(o, "frame_ms = 257");
    o = logmel, o.step_ms = 0.01, expect_refusal(o, "step_ms = 0.01: must be whole samples");
    o = logmel, o.window_ms = 20, expect_refusal(o, "window_ms = 20: must be frame_ms (25)");
    o = logmel, o.window_ms = INFINITY, expect_refusal(o, "window_ms = inf");
    o = logmel, o.hop_ms = 505, expect_refusal(o, "hop_ms = 505: must be a multiple of step_ms");
    o = mfcc, o.n_coefficients = 41,
    expect_refusal(o, "coefficients = 41: must be 1 to bands (40)");
}

/* Push in odd portions; at every row end from the first full window on, compare with mel_window().
 */
static void expect_rolling_equals_whole(const struct sound_features *options) {
    static int16_t samples[3 * SECOND_ITEMS];
    static float rows[ROWS_BYTES_MAX / sizeof(float)];
    static int8_t want[ROWS_BYTES_MAX], got[ROWS_BYTES_MAX];
    _cleanup_(sound_window_freep) struct sound_window *w = NULL;
    _cleanup_(mel_freep) struct mel *mel = NULL;
    const struct sound_shape *s;
    size_t n_taken = 0, n_compared = 0, n_rows = 0;

    make_sound(samples, 3 * SECOND_ITEMS, 7);
    assert_int_equal(mel_new(options, &mel, NULL), 0);
    assert_int_equal(sound_window_new(options, 0.1f, 3, &w, NULL), 0);
    s = mel_shape(mel);
    while (n_taken < 3 * SECOND_ITEMS) {
        const size_t left = 3 * SECOND_ITEMS - n_taken, portion = 1 + n_taken % 331;
        bool row;

        n_taken += sound_window_push(w, samples + n_taken, left < portion ? left : portion, &row);
        if (!row)
            continue;
        assert_int_equal(n_taken, n_rows++ * s->n_step + s->n_frame);
        assert_int_equal(sound_window_full(w), n_rows >= s->n_rows);
        if (n_rows < s->n_rows || n_rows % 7 != 0)
            continue;
        mel_window(mel, samples + n_taken - s->n_covered, rows);
        quantise_values(rows, s->n_rows * s->n_values, 0.1f, 3, want);
        sound_window_write(w, got);
        assert_memory_equal(got, want, s->n_rows * s->n_values);
        n_compared++;
    }
    assert_true(n_compared > 3);
}

static void a_rolling_window_equals_the_whole_one(void **state) {
    expect_rolling_equals_whole(&logmel);
}

static void a_normalised_rolling_window_equals_the_whole_one(void **state) {
    expect_rolling_equals_whole(&mfcc);
}

static void a_step_longer_than_the_frame_skips_samples(void **state) {
    struct sound_features o = logmel;

    o.step_ms = 50;
    expect_rolling_equals_whole(&o);
}

static void a_reset_window_must_fill_again(void **state) {
    static int16_t samples[2 * SECOND_ITEMS];
    _cleanup_(sound_window_freep) struct sound_window *w = NULL;
    bool row;

    assert_int_equal(sound_window_new(&logmel, 0.1f, 0, &w, NULL), 0);
    for (size_t n = 0; n < SECOND_ITEMS;)
        n += sound_window_push(w, samples, SECOND_ITEMS - n, &row);
    assert_true(sound_window_full(w));
    sound_window_reset(w);
    assert_false(sound_window_full(w));
}

static void values_are_rounded_away_from_zero_and_saturated(void **state) {
    const float values[] = { 0.5f, -0.5f, 1.49f, -2.5f, 1e9f, -1e9f, INFINITY, NAN };
    const int8_t want[] = { 4, 2, 4, 0, 127, -128, 127, 3 };
    int8_t got[8];

    quantise_values(values, 8, 1.0f, 3, got);
    assert_memory_equal(got, want, 8);
}

static void pixels_of_the_usual_scale_are_shifted_by_128(void **state) {
    int8_t table[PIXEL_VALUES];

    quantise_pixel_table(1.0f / 255.0f, -128, table);
    for (int i = 0; i < PIXEL_VALUES; i++)
        assert_int_equal(table[i], i - 128);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logmel_equals_a_plain_fourier_sum_in_double),
        cmocka_unit_test(mfcc_equals_the_recipe_in_double),
        cmocka_unit_test(mlperf_keyword_windows_have_49_rows_of_10),
        cmocka_unit_test(silence_gives_the_floor),
        cmocka_unit_test(the_peak_of_a_window_decides_the_gain_only_if_asked),
        cmocka_unit_test(every_option_out_of_range_is_named),
        cmocka_unit_test(a_rolling_window_equals_the_whole_one),
        cmocka_unit_test(a_normalised_rolling_window_equals_the_whole_one),
        cmocka_unit_test(a_step_longer_than_the_frame_skips_samples),
        cmocka_unit_test(a_reset_window_must_fill_again),
        cmocka_unit_test(values_are_rounded_away_from_zero_and_saturated),
        cmocka_unit_test(pixels_of_the_usual_scale_are_shifted_by_128),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
