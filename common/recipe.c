/* SPDX-License-Identifier: MIT */
#include "common/recipe.h"

#include <assert.h>
#include <errno.h>
#include <math.h>

enum { FFT_ITEMS_MAX = 4096 /* 256 ms at 16 kHz */ };

static const double MS_PER_S = 1000.0;
static const double WINDOW_MS_MAX = 60000.0;

/* @ms in whole samples, or 0 if it is not a whole number of them. */
static size_t samples_of(double ms, double max_ms) {
    const double n = ms * FEATURES_RATE_HZ / MS_PER_S;

    if (!(n >= 1.0) || !(ms <= max_ms) || fabs(n - round(n)) > 1e-6)
        return 0;
    return (size_t) llround(n);
}

static size_t fft_items(size_t n_frame) {
    size_t n = 2;

    while (n < n_frame)
        n *= 2;
    return n;
}

static int check_spectrum(const struct sound_features *options, struct fault *fault) {
    if (options->rate_hz != FEATURES_RATE_HZ)
        return fault_set(fault, -ERANGE,
                         "rate_hz = %d: must be %d, the only rate of Lookout's sound",
                         (int) options->rate_hz, FEATURES_RATE_HZ);
    if (options->n_bands < 1 || options->n_bands > SOUND_BANDS_MAX)
        return fault_set(fault, -ERANGE, "bands = %d: must be 1 to %d", (int) options->n_bands,
                         SOUND_BANDS_MAX);
    if (options->kind == FEATURES_MFCC &&
        (options->n_coefficients < 1 || options->n_coefficients > options->n_bands))
        return fault_set(fault, -ERANGE, "coefficients = %d: must be 1 to bands (%d)",
                         (int) options->n_coefficients, (int) options->n_bands);
    if (!(options->low_hz >= 0.0 && options->low_hz < options->high_hz &&
          options->high_hz <= FEATURES_RATE_HZ / 2.0))
        return fault_set(fault, -ERANGE,
                         "low_hz = %g, high_hz = %g: must be 0 <= low_hz < high_hz <= %d",
                         options->low_hz, options->high_hz, FEATURES_RATE_HZ / 2);
    if (!(options->floor >= 1e-30 && options->floor <= 1.0))
        return fault_set(fault, -ERANGE, "floor = %g: must be 1e-30 to 1", options->floor);
    return 0;
}

int sound_shape_of(const struct sound_features *options, struct sound_shape *ret,
                   struct fault *fault) {
    const double frame_ms_max = FFT_ITEMS_MAX * MS_PER_S / FEATURES_RATE_HZ;
    struct sound_shape s = { 0 };
    int r;

    assert(options && ret);

    r = check_spectrum(options, fault);
    if (r < 0)
        return r;
    s.n_frame = samples_of(options->frame_ms, frame_ms_max);
    if (s.n_frame < 2)
        return fault_set(fault, -ERANGE,
                         "frame_ms = %g: must be whole samples at 16 kHz, at most %g ms",
                         options->frame_ms, frame_ms_max);
    s.n_step = samples_of(options->step_ms, WINDOW_MS_MAX);
    if (s.n_step == 0)
        return fault_set(fault, -ERANGE, "step_ms = %g: must be whole samples at 16 kHz",
                         options->step_ms);
    s.n_window = samples_of(options->window_ms, WINDOW_MS_MAX);
    if (s.n_window < s.n_frame)
        return fault_set(fault, -ERANGE,
                         "window_ms = %g: must be frame_ms (%g) to %g and whole samples",
                         options->window_ms, options->frame_ms, WINDOW_MS_MAX);
    s.n_hop = samples_of(options->hop_ms, WINDOW_MS_MAX);
    if (s.n_hop == 0 || s.n_hop % s.n_step != 0)
        return fault_set(fault, -ERANGE,
                         "hop_ms = %g: must be a multiple of step_ms (%g), at most %g",
                         options->hop_ms, options->step_ms, WINDOW_MS_MAX);

    s.n_rows = 1 + (s.n_window - s.n_frame) / s.n_step;
    s.n_bands = (size_t) options->n_bands;
    s.n_values = options->kind == FEATURES_MFCC ? (size_t) options->n_coefficients : s.n_bands;
    s.n_fft = fft_items(s.n_frame);
    s.n_covered = s.n_frame + (s.n_rows - 1) * s.n_step;
    *ret = s;
    return 0;
}
