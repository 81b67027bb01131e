/* SPDX-License-Identifier: MIT */
#include "pipeline/sound_window.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "pipeline/quantise.h"

struct sound_window {
    struct mel *mel;
    float scale;
    int32_t zero_point;

    int16_t *frame;    /* [n_frame] the last samples */
    size_t n_in_frame; /* of them there */
    size_t n_to_skip;  /* samples between frames, if the step is longer than the frame */

    size_t next;     /* ring index of the next row */
    uint64_t n_seen; /* rows since the last reset */
    int8_t *rows;    /* ring [n_rows][n_values], quantised */
    /* Only if the gain depends on the window: */
    float *bands;   /* ring [n_rows][n_bands] */
    int16_t *peaks; /* ring [n_rows] */
    float *row;     /* scratch, the larger of n_bands and n_values */
};

int sound_window_new(const struct sound_features *options, float scale, int32_t zero_point,
                     struct sound_window **ret, struct fault *fault) {
    _cleanup_(sound_window_freep) struct sound_window *w = NULL;
    const struct sound_shape *s;
    int r;

    assert(options && ret);

    w = calloc(1, sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->scale = scale;
    w->zero_point = zero_point;
    r = mel_new(options, &w->mel, fault);
    if (r < 0)
        return r;
    s = mel_shape(w->mel);
    w->frame = calloc(s->n_frame, sizeof(*w->frame));
    w->rows = calloc(s->n_rows, s->n_values);
    w->bands = calloc(mel_normalises(w->mel) ? s->n_rows : 1, s->n_bands * sizeof(*w->bands));
    w->peaks = calloc(s->n_rows, sizeof(*w->peaks));
    w->row = calloc(s->n_bands, sizeof(*w->row)); /* n_values <= n_bands */
    if (!w->frame || !w->rows || !w->bands || !w->peaks || !w->row)
        return -ENOMEM;

    *ret = w;
    w = NULL; /* now the caller's */
    return 0;
}

struct sound_window *sound_window_free(struct sound_window *window) {
    if (!window)
        return NULL;
    (void) mel_free(window->mel); /* always NULL */
    free(window->frame);
    free(window->rows);
    free(window->bands);
    free(window->peaks);
    free(window->row);
    free(window);
    return NULL;
}

const struct sound_shape *sound_window_shape(const struct sound_window *window) {
    return mel_shape(window->mel);
}

static int16_t peak_of(const int16_t *samples, size_t n_items) {
    int16_t peak = INT16_MIN;

    for (size_t i = 0; i < n_items; i++)
        peak = samples[i] > peak ? samples[i] : peak;
    return peak;
}

static void quantise_row(struct sound_window *w, const float *bands, float gain, int8_t *ret) {
    mel_values(w->mel, bands, gain, w->row);
    quantise_values(w->row, mel_shape(w->mel)->n_values, w->scale, w->zero_point, ret);
}

/* The frame is full: one more row, then make room for the next. */
static void finish_row(struct sound_window *w) {
    const struct sound_shape *s = mel_shape(w->mel);
    float *const bands = w->bands + (mel_normalises(w->mel) ? w->next * s->n_bands : 0);

    mel_bands(w->mel, w->frame, bands);
    if (mel_normalises(w->mel))
        w->peaks[w->next] = peak_of(w->frame, s->n_frame);
    else
        quantise_row(w, bands, 1.0f, w->rows + w->next * s->n_values);
    w->next = (w->next + 1) % s->n_rows;
    w->n_seen++;

    if (s->n_step < s->n_frame) {
        w->n_in_frame = s->n_frame - s->n_step;
        memmove(w->frame, w->frame + s->n_step, w->n_in_frame * sizeof(*w->frame));
    } else {
        w->n_in_frame = 0;
        w->n_to_skip = s->n_step - s->n_frame;
    }
}

size_t sound_window_push(struct sound_window *window, const int16_t *samples, size_t n_items,
                         bool *ret_row) {
    struct sound_window *const w = window;
    const size_t n_skipped = w->n_to_skip < n_items ? w->n_to_skip : n_items;
    const size_t room = mel_shape(w->mel)->n_frame - w->n_in_frame;
    const size_t n = n_items - n_skipped < room ? n_items - n_skipped : room;

    w->n_to_skip -= n_skipped;
    memcpy(w->frame + w->n_in_frame, samples + n_skipped, n * sizeof(*samples));
    w->n_in_frame += n;
    *ret_row = n == room;
    if (*ret_row)
        finish_row(w);
    return n_skipped + n;
}

bool sound_window_full(const struct sound_window *window) {
    return window->n_seen >= mel_shape(window->mel)->n_rows;
}

/* All rows again with the gain of this window. */
static void normalise_rows(struct sound_window *w) {
    const struct sound_shape *s = mel_shape(w->mel);
    const float gain = mel_gain(w->mel, peak_of(w->peaks, s->n_rows));

    for (size_t row = 0; row < s->n_rows; row++)
        quantise_row(w, w->bands + row * s->n_bands, gain, w->rows + row * s->n_values);
}

void sound_window_write(struct sound_window *window, int8_t *ret) {
    const struct sound_shape *s = mel_shape(window->mel);
    const size_t n_old = s->n_rows - window->next; /* rows from the oldest to the ring's end */

    assert(sound_window_full(window));

    if (mel_normalises(window->mel))
        normalise_rows(window);
    memcpy(ret, window->rows + window->next * s->n_values, n_old * s->n_values);
    memcpy(ret + n_old * s->n_values, window->rows, window->next * s->n_values);
}

void sound_window_reset(struct sound_window *window) {
    window->n_in_frame = window->n_to_skip = window->next = 0;
    window->n_seen = 0;
}
