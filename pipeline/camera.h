/* SPDX-License-Identifier: MIT */
/*
 * camera - a V4L2 video node as a source.
 */
#pragma once

#include "pipeline/source.h"
#include "pipeline/v4l2_calls.h"

/**
 * See source_open(). `device`: as devices_choose() takes it.
 * `format`: "auto" (yuyv, mjpeg, nv12, grey, in this order, what has the wanted size and rate; else
 * what libv4l2 converts), or one of these, "rgb24" or "i420". Frames with the driver's error flag,
 * too short, or with a damaged JPEG are skipped and counted in the next frame's n_lost_before, as
 * are gaps in the sequence numbers. source_read() returns -ENODEV when the camera is gone, -EIO
 * when it failed.
 */
int camera_open(const struct source_options *options, struct source **ret, struct fault *fault);

/**
 * The same with other system calls, and a node or a link to one as device; @calls must outlive the
 * source.
 */
int camera_open_with(const struct v4l2_calls *calls, const struct source_options *options,
                     struct source **ret, struct fault *fault);
