/* SPDX-License-Identifier: MIT */
/*
 * Colours: ISO 8613-6 (SGR 38 and 48) with ;2; for 24 bits, and ;5; for xterm's 256, of which
 * 16..231 are a cube of six levels and 232..255 a ramp of greys.
 */
#include "client/render_image.h"

#include <stdlib.h>
#include <string.h>

enum { CHANNELS = 3, CUBE_FIRST = 16, CUBE_LEVELS = 6, GREY_FIRST = 232, GREYS = 24 };

static const uint8_t cube_levels[CUBE_LEVELS] = { 0, 95, 135, 175, 215, 255 };

static const char ramp[] = " .:-=+*#%@"; /* from dark to bright */

static bool has_blocks(const struct screen *screen) {
    return screen->unicode && screen->colour && screen->depth != DEPTH_FEW;
}

size_t image_cell_px(const struct screen *screen) {
    return has_blocks(screen) ? 2 : 1;
}

static int nearest_level(int value) {
    int best = 0;

    for (int i = 1; i < CUBE_LEVELS; i++)
        if (abs(cube_levels[i] - value) < abs(cube_levels[best] - value))
            best = i;
    return best;
}

static int distance(const uint8_t *rgb, int r, int g, int b) {
    return abs(rgb[0] - r) + abs(rgb[1] - g) + abs(rgb[2] - b);
}

/* The number of the nearest of the 256 colours. */
static int colour_256(const uint8_t *rgb) {
    const int r = nearest_level(rgb[0]), g = nearest_level(rgb[1]), b = nearest_level(rgb[2]);
    const int mean = (rgb[0] + rgb[1] + rgb[2]) / CHANNELS;
    const int step = mean < 8 ? 0 : (mean - 8) / 10 < GREYS ? (mean - 8) / 10 : GREYS - 1;
    const int grey = 8 + 10 * step; /* 8, 18 ... 238 */

    if (distance(rgb, grey, grey, grey) <
        distance(rgb, cube_levels[r], cube_levels[g], cube_levels[b]))
        return GREY_FIRST + step;
    return CUBE_FIRST + CUBE_LEVELS * (CUBE_LEVELS * r + g) + b;
}

/* @kind 38 is the foreground, 48 the background. */
static void set_colour(const struct screen *screen, int kind, const uint8_t *rgb) {
    if (screen->depth == DEPTH_TRUE) /* ferror() is looked at when the program ends */
        (void) fprintf(screen->out, "\033[%d;2;%d;%d;%dm", kind, rgb[0], rgb[1], rgb[2]);
    else
        (void) fprintf(screen->out, "\033[%d;5;%dm", kind, colour_256(rgb));
}

static void row_of_blocks(const struct screen *screen, const uint8_t *upper, const uint8_t *lower,
                          size_t n) {
    for (size_t x = 0; x < n; x++, upper += CHANNELS, lower += CHANNELS) {
        if (x == 0 || memcmp(upper, upper - CHANNELS, CHANNELS) != 0)
            set_colour(screen, 38, upper);
        if (x == 0 || memcmp(lower, lower - CHANNELS, CHANNELS) != 0)
            set_colour(screen, 48, lower);
        (void) fputs("\xe2\x96\x80", screen->out); /* U+2580, the upper half */
    }
    (void) fputs("\033[0m", screen->out);
}

static void row_of_characters(const struct screen *screen, const uint8_t *rgb, size_t n) {
    for (size_t x = 0; x < n; x++, rgb += CHANNELS) { /* BT.601, in 1/1000 */
        const size_t luma = (size_t) (299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2]) / 1000;

        (void) fputc(ramp[luma * (sizeof(ramp) - 1) / (UINT8_MAX + 1)], screen->out);
    }
}

void image_row(const struct screen *screen, const struct image *image, size_t row) {
    const size_t stride = image->width_px * CHANNELS, y = row * image_cell_px(screen);
    const uint8_t *const upper = image->rgb + y * stride;

    if (!has_blocks(screen))
        row_of_characters(screen, upper, image->width_px);
    else
        row_of_blocks(screen, upper, y + 1 < image->height_px ? upper + stride : upper,
                      image->width_px);
}
