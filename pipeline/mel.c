/* SPDX-License-Identifier: MIT */
/*
 * Method: short-time Fourier transform with a triangular filter bank on the mel
 * scale of HTK, mel(f) = 1127 ln(1 + f / 700) (S. Young et al., The HTK Book 3.4,
 * 5.4 and 5.6). The triangles are linear in mel, their centres evenly spaced, and
 * the bin at 0 Hz is left out, as in TensorFlow's
 * python/ops/signal/mel_ops.py, linear_to_mel_weight_matrix(), which MLPerf Tiny's
 * keyword spotting uses (mlcommons/tiny, benchmark/training/keyword_spotting/
 * get_dataset.py). DCT-II as in TensorFlow's mfcc_ops.py.
 */
#include "pipeline/mel.h"

#include <assert.h>
#include <errno.h>
#include <kiss_fftr.h>
#include <math.h>

static const float SAMPLE_FULL_SCALE = 32768.0f; /* int16 to -1..1 */

/* The bins of one band that weigh something. */
struct band {
    size_t first, n;
    const float *weights;
};

struct mel {
    struct sound_shape shape;
    enum feature_kind kind;
    bool normalise;
    float floor;
    kiss_fftr_cfg fft;
    float *window;      /* [n_frame] */
    float *weights;     /* of all bands in turn */
    struct band *bands; /* [n_bands] */
    float *cosines;     /* [n_values][n_bands], scaled; mfcc only */
    float *frame;       /* [n_fft], zero behind n_frame */
    float *power;       /* [n_fft / 2 + 1] */
    float *row;         /* [n_bands] */
    kiss_fft_cpx *spectrum;
};

static double hz_to_mel(double hz) {
    return 1127.0 * log(1.0 + hz / 700.0);
}

/* Weight of the bin at @mel in the triangle over @low ... @high with its tip in the middle. */
static double triangle(double mel, double low, double centre, double high) {
    return fmax(0.0, fmin((mel - low) / (centre - low), (high - mel) / (high - centre)));
}

static void fill_bands(struct mel *mel, const struct sound_features *options) {
    const double low = hz_to_mel(options->low_hz), high = hz_to_mel(options->high_hz);
    const double spacing = (high - low) / (double) (mel->shape.n_bands + 1);
    const double bin_hz = (double) FEATURES_RATE_HZ / (double) mel->shape.n_fft;
    float *next = mel->weights;

    for (size_t b = 0; b < mel->shape.n_bands; b++) {
        const double edge = low + spacing * (double) b;
        struct band *band = &mel->bands[b];

        band->weights = next;
        for (size_t k = 1; k <= mel->shape.n_fft / 2; k++) { /* 0 Hz is left out */
            const double weight = triangle(hz_to_mel(bin_hz * (double) k), edge, edge + spacing,
                                           edge + 2.0 * spacing);
            if (weight <= 0.0)
                continue;
            if (band->n == 0)
                band->first = k;
            band->n++; /* a triangle's bins are neighbours */
            *next++ = (float) weight;
        }
    }
}

static void fill_tables(struct mel *mel, const struct sound_features *options) {
    const struct sound_shape *s = &mel->shape;
    const double scale = sqrt(2.0 / (double) s->n_bands);

    for (size_t i = 0; i < s->n_frame; i++) /* Hann, periodic; int16 to -1..1 folded in */
        mel->window[i] = (float) ((0.5 - 0.5 * cos(2.0 * M_PI * (double) i / (double) s->n_frame)) /
                                  SAMPLE_FULL_SCALE);
    fill_bands(mel, options);
    if (mel->kind != FEATURES_MFCC)
        return;
    for (size_t c = 0; c < s->n_values; c++)
        for (size_t b = 0; b < s->n_bands; b++)
            mel->cosines[c * s->n_bands + b] =
                (float) (scale * cos(M_PI * (double) c * ((double) b + 0.5) / (double) s->n_bands));
}

int mel_new(const struct sound_features *options, struct mel **ret, struct fault *fault) {
    _cleanup_(mel_freep) struct mel *mel = NULL;
    struct sound_shape shape;
    int r;

    assert(options && ret);

    r = sound_shape_of(options, &shape, fault);
    if (r < 0)
        return r;
    mel = calloc(1, sizeof(*mel));
    if (!mel)
        return -ENOMEM;
    mel->shape = shape;
    mel->kind = options->kind;
    mel->normalise = options->normalise == NORMALISE_PEAK;
    mel->floor = (float) options->floor;

    mel->fft = kiss_fftr_alloc((int) shape.n_fft, 0, NULL, NULL);
    mel->window = calloc(shape.n_frame, sizeof(*mel->window));
    mel->weights =
        calloc(2 * shape.n_fft, sizeof(*mel->weights)); /* a bin is in two bands at most */
    mel->bands = calloc(shape.n_bands, sizeof(*mel->bands));
    mel->cosines = calloc(shape.n_values * shape.n_bands, sizeof(*mel->cosines));
    mel->frame = calloc(shape.n_fft, sizeof(*mel->frame));
    mel->power = calloc(shape.n_fft / 2 + 1, sizeof(*mel->power));
    mel->row = calloc(shape.n_bands, sizeof(*mel->row));
    mel->spectrum = calloc(shape.n_fft / 2 + 1, sizeof(*mel->spectrum));
    if (!mel->fft || !mel->window || !mel->weights || !mel->bands || !mel->cosines || !mel->frame ||
        !mel->power || !mel->row || !mel->spectrum)
        return -ENOMEM;

    fill_tables(mel, options);
    *ret = mel;
    mel = NULL; /* now the caller's */
    return 0;
}

struct mel *mel_free(struct mel *mel) {
    if (!mel)
        return NULL;
    kiss_fftr_free(mel->fft);
    free(mel->window);
    free(mel->weights);
    free(mel->bands);
    free(mel->cosines);
    free(mel->frame);
    free(mel->power);
    free(mel->row);
    free(mel->spectrum);
    free(mel);
    return NULL;
}

const struct sound_shape *mel_shape(const struct mel *mel) {
    return &mel->shape;
}

void mel_bands(struct mel *mel, const int16_t *samples, float *ret) {
    const size_t n_bins = mel->shape.n_fft / 2 + 1;

    for (size_t i = 0; i < mel->shape.n_frame; i++)
        mel->frame[i] = (float) samples[i] * mel->window[i];
    kiss_fftr(mel->fft, mel->frame, mel->spectrum);
    for (size_t k = 0; k < n_bins; k++)
        mel->power[k] =
            mel->spectrum[k].r * mel->spectrum[k].r + mel->spectrum[k].i * mel->spectrum[k].i;
    if (mel->kind == FEATURES_MFCC)
        for (size_t k = 0; k < n_bins; k++)
            mel->power[k] = sqrtf(mel->power[k]);

    for (size_t b = 0; b < mel->shape.n_bands; b++) {
        const struct band *band = &mel->bands[b];
        float sum = 0.0f;

        for (size_t k = 0; k < band->n; k++)
            sum += band->weights[k] * mel->power[band->first + k];
        ret[b] = sum;
    }
}

static void logmel_values(const struct mel *mel, const float *bands, float gain, float *ret) {
    for (size_t b = 0; b < mel->shape.n_bands; b++)
        ret[b] =
            logf(fmaxf(bands[b] * gain * gain, mel->floor)); /* energy goes with gain squared */
}

static void mfcc_values(const struct mel *mel, const float *bands, float gain, float *ret) {
    float logs[SOUND_BANDS_MAX];

    for (size_t b = 0; b < mel->shape.n_bands; b++)
        logs[b] = logf(bands[b] * gain + mel->floor);
    for (size_t c = 0; c < mel->shape.n_values; c++) {
        const float *const cosines = mel->cosines + c * mel->shape.n_bands;
        float sum = 0.0f;

        for (size_t b = 0; b < mel->shape.n_bands; b++)
            sum += cosines[b] * logs[b];
        ret[c] = sum;
    }
}

void mel_values(const struct mel *mel, const float *bands, float gain, float *ret) {
    switch (mel->kind) {
    case FEATURES_LOGMEL:
        logmel_values(mel, bands, gain, ret);
        break;
    case FEATURES_MFCC:
        mfcc_values(mel, bands, gain, ret);
        break;
    }
}

void mel_row(struct mel *mel, const int16_t *samples, float *ret) {
    mel_bands(mel, samples, mel->row);
    mel_values(mel, mel->row, 1.0f, ret);
}

float mel_gain(const struct mel *mel, int16_t peak) {
    return mel->normalise && peak > 0 ? SAMPLE_FULL_SCALE / (float) peak : 1.0f;
}

bool mel_normalises(const struct mel *mel) {
    return mel->normalise;
}

void mel_window(struct mel *mel, const int16_t *samples, float *ret) {
    const struct sound_shape *s = &mel->shape;
    int16_t peak = INT16_MIN;
    float gain;

    for (size_t i = 0; i < s->n_covered; i++)
        peak = samples[i] > peak ? samples[i] : peak;
    gain = mel_gain(mel, peak);
    for (size_t row = 0; row < s->n_rows; row++) {
        mel_bands(mel, samples + row * s->n_step, mel->row);
        mel_values(mel, mel->row, gain, ret + row * s->n_values);
    }
}
