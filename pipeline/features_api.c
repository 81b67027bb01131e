/* SPDX-License-Identifier: MIT */
#include "pipeline/features_api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "pipeline/mel.h"
#include "pipeline/picture.h"
#include "pipeline/quantise.h"
#include "pipeline/sound_file.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT int lookout_features_version(void) {
    return FEATURES_API_VERSION;
}

EXPORT int lookout_sound_new(const struct sound_features *options, struct mel **ret,
                             char *error_text, size_t error_bytes) {
    struct fault fault = { .text = "out of memory" };
    const int r = mel_new(options, ret, &fault);

    if (r < 0 && error_text)
        (void) snprintf(error_text, error_bytes, "%s", fault.text); /* cut is fine */
    return r;
}

EXPORT void lookout_sound_free(struct mel *mel) {
    (void) mel_free(mel); /* always NULL */
}

EXPORT size_t lookout_sound_window_items(const struct mel *mel) {
    return mel_shape(mel)->n_window;
}

EXPORT size_t lookout_sound_hop_items(const struct mel *mel) {
    return mel_shape(mel)->n_hop;
}

EXPORT size_t lookout_sound_n_rows(const struct mel *mel) {
    return mel_shape(mel)->n_rows;
}

EXPORT size_t lookout_sound_n_values(const struct mel *mel) {
    return mel_shape(mel)->n_values;
}

EXPORT int lookout_sound_windows(struct mel *mel, const int16_t *samples, size_t n_items,
                                 size_t hop, size_t n_windows, float *ret) {
    const struct sound_shape *s = mel_shape(mel);
    _cleanup_(freep) int16_t *window = calloc(s->n_window, sizeof(*window));

    if (!window)
        return -ENOMEM;
    for (size_t i = 0; i < n_windows; i++, ret += s->n_rows * s->n_values) {
        const size_t start = i * hop < n_items ? i * hop : n_items;
        const size_t n = n_items - start < s->n_window ? n_items - start : s->n_window;

        if (n == s->n_window) {
            mel_window(mel, samples + start, ret);
            continue;
        }
        memset(window, 0, s->n_window * sizeof(*window));
        memcpy(window, samples + start, n * sizeof(*window));
        mel_window(mel, window, ret);
    }
    return 0;
}

EXPORT size_t lookout_sound_clip_rows(const struct mel *mel, size_t n_items) {
    const struct sound_shape *s = mel_shape(mel);

    return n_items < s->n_frame ? 0 : 1 + (n_items - s->n_frame) / s->n_step;
}

EXPORT void lookout_sound_rows(struct mel *mel, const int16_t *samples, size_t n_items,
                               float *ret) {
    const size_t n_rows = lookout_sound_clip_rows(mel, n_items);

    for (size_t row = 0; row < n_rows; row++)
        mel_row(mel, samples + row * mel_shape(mel)->n_step, ret + row * mel_shape(mel)->n_values);
}

static int read_sound(const char *path, int16_t *ret, size_t max_items, struct fault *fault) {
    _cleanup_(sound_file_freep) struct sound_file *file = NULL;
    const int r = sound_file_new(path, 0, &file, fault);

    return r < 0 ? r : sound_file_read(file, false, ret, max_items, fault);
}

EXPORT int lookout_sound_read(const char *path, int16_t *ret, size_t max_items, size_t *ret_items,
                              char *error_text, size_t error_bytes) {
    struct fault fault = { .text = "out of memory" };
    const int n = read_sound(path, ret, max_items, &fault);

    if (n < 0) {
        (void) snprintf(error_text, error_bytes, "%s", fault.text); /* cut is fine */
        return n;
    }
    *ret_items = (size_t) n;
    return 0;
}

EXPORT int lookout_picture_new(const struct picture_features *options, int32_t width_px,
                               int32_t height_px, struct picture **ret) {
    return picture_new(options, PIXEL_RGB24, width_px, height_px, ret);
}

EXPORT void lookout_picture_free(struct picture *picture) {
    (void) picture_free(picture); /* always NULL */
}

EXPORT void lookout_picture_shrink(struct picture *picture, const uint8_t *rgb, size_t n,
                                   int32_t width_px, int32_t height_px, size_t bytes,
                                   uint8_t *ret) {
    struct frame frame = { .format = PIXEL_RGB24, .width_px = width_px, .height_px = height_px };

    frame.stride_bytes[0] = 3 * (size_t) width_px;
    for (size_t i = 0; i < n; i++) {
        frame.planes[0] = rgb + i * frame.stride_bytes[0] * (size_t) height_px;
        picture_shrink(picture, &frame, ret + i * bytes);
    }
}

EXPORT void lookout_quantise_values(const float *values, size_t n_items, float scale,
                                    int32_t zero_point, int8_t *ret) {
    quantise_values(values, n_items, scale, zero_point, ret);
}

EXPORT void lookout_quantise_pixels(const uint8_t *pixels, size_t n_items, float scale,
                                    int32_t zero_point, int8_t *ret) {
    int8_t table[PIXEL_VALUES];

    quantise_pixel_table(scale, zero_point, table);
    quantise_pixels(pixels, n_items, table, ret);
}
