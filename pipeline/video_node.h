/* SPDX-License-Identifier: MIT */
/*
 * video_node - what a /dev/video* is, by what its driver says of it.
 *
 * Codecs, image processors, metadata and output nodes look much like cameras; a CSI camera's node
 * looks even more so, and gives nothing but raw sensor data. Pure functions, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What VIDIOC_QUERYCAP and VIDIOC_ENUM_FMT say. */
struct video_node {
    const char *driver, *card, *bus;
    uint32_t caps; /* V4L2_CAP_... of the node itself */
    size_t n_formats;
    const uint32_t *formats; /* fourccs it captures in */
};

enum video_kind {
    VIDEO_CAMERA,
    VIDEO_UNUSABLE, /* a camera, or meant as one, that gives nothing we can read */
    VIDEO_OTHER,    /* no camera at all */
};

/** Why a camera cannot be used, and what to do; static, without the device's name. */
struct video_reason {
    const char *why, *what_to_do;
};

/** @ret is set for VIDEO_UNUSABLE only. */
enum video_kind video_node_kind(const struct video_node *node, struct video_reason *ret);

/** True if the driver's name alone says that it is no camera. For nodes that cannot be opened. */
bool video_name_is_other(const char *name);
