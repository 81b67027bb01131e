/* SPDX-License-Identifier: MIT */
/*
 * render_image - pictures on a terminal: a cell shows two pixels, one above the other, in the
 * colours that the terminal has; without colours or Unicode one, as a character.
 */
#pragma once

#include "client/image.h"
#include "client/render.h"

/** How many pixels of height a cell shows: 2, or 1. */
size_t image_cell_px(const struct screen *screen);

/** Write row @row of cells of @image, as many columns as it has pixels of width. */
void image_row(const struct screen *screen, const struct image *image, size_t row);
