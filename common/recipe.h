/* SPDX-License-Identifier: MIT */
/*
 * recipe - how a bundle asks for sound and pictures to be prepared for its encoders.
 *
 * Plain values that models/ reads from a bundle and pipeline/ turns into tables; the
 * recipes themselves are pipeline/mel.h and pipeline/picture.h.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/fault.h"

enum {
    FEATURES_RATE_HZ = 16000, /* the only rate of sound inside Lookout */
    SOUND_BANDS_MAX = 128,
    PICTURE_SIDE_PX_MAX = 1024,
};

enum feature_kind { FEATURES_LOGMEL, FEATURES_MFCC };

/** Loudness of a window before its features: as it is, or divided by its largest sample. */
enum sound_normalise { NORMALISE_NONE, NORMALISE_PEAK };

/** Sound features; the recipe is pipeline/mel.h. */
struct sound_features {
    enum feature_kind kind;
    int32_t rate_hz;        /* FEATURES_RATE_HZ */
    double window_ms;       /* length of what the network sees */
    double hop_ms;          /* step between windows */
    double frame_ms;        /* one spectrum, e.g. 25 */
    double step_ms;         /* step between spectra, e.g. 10; hop_ms is a multiple */
    int32_t n_bands;        /* mel bands, 1..128 */
    int32_t n_coefficients; /* MFCC only, 1..n_bands */
    double low_hz, high_hz;
    double
        floor; /* added to (mfcc) or lower bound of (logmel) a band's energy before the logarithm */
    enum sound_normalise normalise;
};

enum picture_colour { COLOUR_RGB, COLOUR_GREY };
enum picture_crop { CROP_NONE, CROP_CENTRE_SQUARE };

/** Picture features; the recipe is pipeline/picture.h. */
struct picture_features {
    int32_t width_px, height_px;
    enum picture_colour colour;
    enum picture_crop crop;
    double hop_ms; /* step between encoded pictures */
};

/** Sizes that follow from the options. All are at least 1. */
struct sound_shape {
    size_t n_frame, n_step, n_window, n_hop; /* samples at 16 kHz */
    size_t n_rows;                           /* of one window */
    size_t n_values;                         /* of one row: bands, or coefficients */
    size_t n_bands;
    size_t n_fft;     /* power of two, >= n_frame */
    size_t n_covered; /* samples of a window that its rows cover, <= n_window */
};

/**
 * Work out the sizes and check every option.
 * @fault  names the option that is wrong and what is allowed.
 * Returns 0, -ERANGE.
 */
int sound_shape_of(const struct sound_features *options, struct sound_shape *ret,
                   struct fault *fault);
