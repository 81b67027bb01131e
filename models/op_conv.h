/* SPDX-License-Identifier: MIT */
/* op_conv - what the int8 and float32 halves of the convolutions share. */
#pragma once

#include "models/op_check.h"

/** A convolution's geometry, checked. */
struct conv_shape {
    struct window window;
    size_t in_channels, out_channels;
    size_t multiplier; /* depthwise: output channels for each input channel; else 1 */
    size_t depth;      /* multiply-adds for one output: taps, x in_channels unless depthwise */
    struct activation activation;
};

/** Does every output pixel read just the input pixel at its own place? */
static inline bool conv_is_pointwise(const struct conv_shape *shape) {
    const struct window *w = &shape->window;

    return w->filter_h == 1 && w->filter_w == 1 && w->stride_h == 1 && w->stride_w == 1;
}

static inline size_t conv_out_pixels(const struct conv_shape *shape) {
    return (size_t) shape->window.out_h * (size_t) shape->window.out_w;
}

static inline size_t conv_taps(const struct conv_shape *shape) {
    return (size_t) shape->window.filter_h * (size_t) shape->window.filter_w;
}

/** Check everything but the weights' numbers. @depthwise: of DEPTHWISE_CONV_2D. Returns 0, -errno.
 */
int conv_check(const struct op_context *context, bool depthwise, struct conv_shape *ret);

/**
 * Copy what the filter sees from output pixel @pixel on, for @n pixels, into @patches
 * [n, taps, in_channels]; places outside are filled with the byte @outside.
 * @item_bytes  of one value
 */
void conv_gather(void *patches, const void *image, const struct conv_shape *shape, size_t pixel,
                 size_t n, size_t item_bytes, int outside);

/**
 * How many patches to gather at a time: whole tiles of @tile patches in about @n_bytes, and no more
 * than there are.
 */
size_t conv_patch_rows(const struct conv_shape *shape, size_t item_bytes, size_t tile,
                       size_t n_bytes);

/** The float32 halves, after conv_check(). */
int conv_plan_f32(const struct op_context *context, const struct conv_shape *shape,
                  struct step *step);
int depthwise_plan_f32(const struct op_context *context, const struct conv_shape *shape,
                       struct step *step);
