/* SPDX-License-Identifier: MIT */
/*
 * camera_setup - finds out what a video node is, and agrees with it on format, size and rate.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/fault.h"
#include "pipeline/source.h"
#include "pipeline/v4l2_calls.h"
#include "pipeline/video_node.h"

/** What was agreed. */
struct camera_setup {
    uint32_t fourcc; /* V4L2_PIX_FMT_... */
    bool jpeg;       /* compressed: `format` and `stride_bytes` mean nothing */
    enum pixel_format format;
    int32_t width_px, height_px;
    size_t stride_bytes; /* of the first plane */
    size_t image_bytes;  /* of a raw frame; of a compressed one, the driver's bound */
    double rate_hz;      /* 0: the driver does not tell */
};

struct v4l2_capability;

/** What video_node_kind() goes by; points into the arguments. */
struct video_node camera_node(const struct v4l2_capability *capability, const uint32_t *formats,
                              size_t n_formats);

/**
 * Choose format, size and rate by options (@format, @width_px, @height_px, @rate_hz), as near as
 * the camera has them, and set them on @fd. Returns 0, -ENOTSUP (no such format, not a camera),
 * -EBUSY, -ENODEV, -errno; @fault says why.
 */
int camera_set_up(const struct v4l2_calls *calls, int fd, const struct source_options *options,
                  const char *device, struct camera_setup *ret, struct fault *fault);

/** "YUYV" from its number; the fourth character dropped if it is a blank. Returns @ret. */
const char *camera_fourcc_name(uint32_t fourcc, char ret[5]);
