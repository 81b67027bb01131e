/* SPDX-License-Identifier: MIT */
/*
 * mel - sound features: rows of log-mel energies or of MFCC.
 *
 * A window of n_window samples gives n_rows = 1 + (n_window - n_frame) / n_step
 * rows; row i is made from samples i * n_step ... + n_frame, with sample = int16 / 32768.
 *
 * logmel  periodic Hann over the frame, zero-padded to the next power of two,
 *         |X|^2, triangular HTK mel bands, ln(max(energy, floor)).
 * mfcc    the recipe of MLPerf Tiny's keyword spotting (get_dataset.py of
 *         mlcommons/tiny): the same with |X| instead of |X|^2, ln(band + floor),
 *         DCT-II scaled by sqrt(2 / n_bands) for every coefficient, the zeroth too
 *         (HTK's "almost orthogonal" scaling, as tf.signal.mfccs_from_log_mel_spectrograms).
 *
 * The same recipe divides a clip by its largest sample (with sign, as written
 * there); `normalise = peak` in the bundle asks for that. Where this differs: the
 * window stands for the clip, and of it the samples that its rows cover (all but
 * the last 10 ms there); a window without a positive sample is left as it is, where
 * the original divides by zero or turns the sign.
 *
 * Tables are computed in double, rows in float (kissfft). Results are equal on one
 * machine and within one int8 step between instruction sets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"
#include "common/recipe.h"

struct mel;

/**
 * Compute the tables. One mel serves one thread at a time (it owns scratch); nothing
 * allocates afterwards.
 * Returns 0, -ERANGE (as sound_shape_of()), -ENOMEM.
 */
int mel_new(const struct sound_features *options, struct mel **ret, struct fault *fault);

/** NULL is allowed. Returns NULL. */
struct mel *mel_free(struct mel *mel);
DEFINE_CLEANUP(struct mel *, mel_free)

/** Valid as long as @mel. */
const struct sound_shape *mel_shape(const struct mel *mel);

/** Band energies (logmel) or magnitudes (mfcc) of the frame @samples[n_frame] into @ret[n_bands].
 */
void mel_bands(struct mel *mel, const int16_t *samples, float *ret);

/**
 * One row of the network's input from the bands of a frame.
 * @bands  [n_bands] from mel_bands()
 * @gain   what the samples are to be multiplied with: 1, or mel_gain() of the window
 * @ret    [n_values]
 */
void mel_values(const struct mel *mel, const float *bands, float gain, float *ret);

/** One row with gain 1: mel_bands() and mel_values() of the frame @samples[n_frame] into
 * @ret[n_values]. */
void mel_row(struct mel *mel, const int16_t *samples, float *ret);

/** Gain of a window whose largest sample is @peak: 1 unless the options ask for `normalise = peak`.
 */
float mel_gain(const struct mel *mel, int16_t peak);

/** True if mel_gain() depends on the window, so that all its rows change with every hop. */
bool mel_normalises(const struct mel *mel);

/** All rows of the window @samples[n_window] into @ret[n_rows][n_values]. */
void mel_window(struct mel *mel, const int16_t *samples, float *ret);
