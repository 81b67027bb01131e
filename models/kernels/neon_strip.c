/* SPDX-License-Identifier: MIT */
/*
 * The rows of an image that some rows of a convolution's output see, with what lies outside put
 * around them: then each pixel sees one run of bytes for each row of the filter, at even steps.
 */
#include "models/kernels/neon.h"

enum {
    STRIP_BYTES = 4096,   /* as many output rows at a time as fit */
    STRIP_MOST = 1 << 14, /* of one output row; above, the kernel is not for it */
};

/* Input rows that @lines rows of output see. */
static size_t n_rows(const struct window *w, size_t lines) {
    return (lines - 1) * (size_t) w->stride_h +
           (size_t) (w->filter_h - 1) * (size_t) w->dilation_h + 1;
}

static size_t row_bytes(const struct conv_size *size) {
    const struct window *w = &size->window;

    return ((size_t) (w->out_w - 1) * (size_t) w->stride_w + (size_t) w->filter_w) *
           size->in_channels;
}

static size_t strip_bytes(const struct conv_size *size, size_t lines) {
    return n_rows(&size->window, lines) * row_bytes(size) + BLOCK;
}

bool neon_strip_takes(const struct conv_size *size) {
    const struct window *w = &size->window;

    return w->dilation_w == 1 && w->filter_h <= STRIP_RUNS &&
           (uint64_t) w->out_w * (uint64_t) w->stride_w + (uint64_t) w->filter_w <= STRIP_MOST &&
           w->dilation_h <= STRIP_MOST && size->in_channels <= STRIP_MOST &&
           strip_bytes(size, 1) <= STRIP_MOST;
}

size_t neon_strip_lines(const struct conv_size *size) {
    const size_t most = (size_t) size->window.out_h;
    size_t lines = 1;

    while (lines < most && strip_bytes(size, lines + 1) <= STRIP_BYTES)
        lines++;
    return lines;
}

size_t neon_strip_bytes(const struct conv_size *size) {
    return strip_bytes(size, neon_strip_lines(size));
}

/* Row @iy of the image, where there is one, in the middle of zero points. */
static void fill_row(int8_t *row, const int8_t *in, const struct conv_size *size, int64_t iy) {
    const struct window *w = &size->window;
    const int64_t width = (int64_t) (row_bytes(size) / size->in_channels);
    const int64_t left = w->pad_left < width ? w->pad_left : width;
    const int64_t room = width - left, n = w->in_w < room ? w->in_w : room;
    const size_t channels = size->in_channels;

    if (iy < 0 || iy >= w->in_h) {
        (void) memset(row, size->in_zero_point, (size_t) width * channels);
        return;
    }
    (void) memset(row, size->in_zero_point, (size_t) left * channels);
    (void) memcpy(row + (size_t) left * channels, in + (size_t) (iy * w->in_w) * channels,
                  (size_t) n * channels);
    (void) memset(row + (size_t) (left + n) * channels, size->in_zero_point,
                  (size_t) (room - n) * channels);
}

void neon_strip_fill(int8_t *strip, const int8_t *in, const struct conv_size *size, int64_t y,
                     size_t lines) {
    const struct window *w = &size->window;
    const int64_t top = y * w->stride_h - w->pad_top;
    const size_t bytes = row_bytes(size), n = n_rows(w, lines);

    for (size_t i = 0; i < n; i++)
        fill_row(strip + i * bytes, in, size, top + (int64_t) i);
    (void) memset(strip + n * bytes, 0, BLOCK);
}

struct lines neon_strip_runs(const int8_t **runs, const int8_t *strip,
                             const struct conv_size *size) {
    const struct window *w = &size->window;
    const size_t bytes = row_bytes(size);

    for (size_t k = 0; k < (size_t) w->filter_h; k++)
        runs[k] = strip + k * (size_t) w->dilation_h * bytes;
    return (struct lines){
        .runs = runs,
        .n_runs = (size_t) w->filter_h,
        .run = (size_t) w->filter_w * size->in_channels,
        .pitch = (size_t) w->stride_w * size->in_channels,
        .width = (size_t) w->out_w,
        .line = (size_t) w->stride_h * bytes,
        .room = SIZE_MAX,
    };
}
