/* SPDX-License-Identifier: MIT */
/* mel_kit - two front ends for tests: log-mel, and the MFCC of MLPerf Tiny's keyword spotting. */
#pragma once

#include "pipeline/mel.h"

static const struct sound_features logmel = {
    .kind = FEATURES_LOGMEL,
    .rate_hz = 16000,
    .window_ms = 1000,
    .hop_ms = 500,
    .frame_ms = 25,
    .step_ms = 10,
    .n_bands = 40,
    .low_hz = 60,
    .high_hz = 7600,
    .floor = 1e-6,
};

static const struct sound_features mfcc = {
    .kind = FEATURES_MFCC,
    .rate_hz = 16000,
    .window_ms = 1000,
    .hop_ms = 500,
    .frame_ms = 30,
    .step_ms = 20,
    .n_bands = 40,
    .n_coefficients = 10,
    .low_hz = 20,
    .high_hz = 4000,
    .floor = 1e-6,
    .normalise = NORMALISE_PEAK,
};
