/* SPDX-License-Identifier: MIT */
/* window - which taps of a filter fall inside an image. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Where a filter's taps fall; rows first. Places outside the image are skipped. */
struct window {
    int32_t in_h, in_w, out_h, out_w;
    int32_t filter_h, filter_w, stride_h, stride_w, dilation_h, dilation_w;
    int32_t pad_top, pad_left;
};

/** Is it of @filter x @filter taps side by side, at stride @stride both ways? */
static inline bool window_is(const struct window *w, int32_t filter, int32_t stride) {
    return w->filter_h == filter && w->filter_w == filter && w->stride_h == stride &&
           w->stride_w == stride && w->dilation_h == 1 && w->dilation_w == 1;
}

/** Taps [first, last) of one dimension; last <= first: none. */
struct taps {
    int64_t first, last;
};

/** Of a filter of @filter taps that starts at @start, those that fall on 0 .. @in - 1. */
static inline struct taps taps_inside(int64_t start, int64_t dilation, int64_t filter, int64_t in) {
    struct taps taps = { 0, filter };

    if (start < 0)
        taps.first = (-start + dilation - 1) / dilation;
    if (start + (filter - 1) * dilation >= in)
        taps.last = (in - start + dilation - 1) / dilation; /* may be before first: none */
    return taps;
}

static inline struct taps window_rows(const struct window *w, int64_t y) {
    return taps_inside(y * w->stride_h - w->pad_top, w->dilation_h, w->filter_h, w->in_h);
}

static inline struct taps window_columns(const struct window *w, int64_t x) {
    return taps_inside(x * w->stride_w - w->pad_left, w->dilation_w, w->filter_w, w->in_w);
}

/**
 * Output rows [@first, @first + @n) of @w as a window of its own, onto an image whose first row
 * is @ret_row of the old one.
 */
static inline struct window window_strip(const struct window *w, int32_t first, int32_t n,
                                         int32_t *ret_row) {
    const int64_t top = (int64_t) first * w->stride_h - w->pad_top;
    const int64_t below =
        top + (int64_t) (n - 1) * w->stride_h + (int64_t) (w->filter_h - 1) * w->dilation_h + 1;
    const int64_t begin = top > 0 ? top : 0;
    struct window strip = *w;

    strip.out_h = n;
    strip.pad_top = (int32_t) (begin - top);
    strip.in_h = (int32_t) ((below < w->in_h ? below : w->in_h) - begin);
    *ret_row = (int32_t) begin;
    return strip;
}

/**
 * Does what one row of the output sees, with the places between its taps and outside, stay
 * within @most items? Dilations and strides come from outside and may be anything up to 2^31.
 */
static inline bool window_sees_at_most(const struct window *w, size_t channels, int64_t most) {
    const int64_t rows = (int64_t) (w->filter_h - 1) * w->dilation_h + 1;
    const int64_t columns =
        (int64_t) (w->out_w - 1) * w->stride_w + (int64_t) (w->filter_w - 1) * w->dilation_w + 1;

    return rows <= most && columns <= most / rows && channels <= (size_t) (most / (rows * columns));
}

/** Index of the input pixel under tap (ky, kx) of output pixel (y, x); it must be inside. */
static inline size_t window_pixel(const struct window *w, int64_t y, int64_t x, int64_t ky,
                                  int64_t kx) {
    const int64_t iy = y * w->stride_h - w->pad_top + ky * w->dilation_h;
    const int64_t ix = x * w->stride_w - w->pad_left + kx * w->dilation_w;

    return (size_t) (iy * w->in_w + ix);
}
