/* SPDX-License-Identifier: MIT */
/* Video nodes, asked without streaming. Plain open(2): libv4l2 would do more than look. */
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <string.h>
#include <sys/ioctl.h>

#include "pipeline/camera_setup.h"
#include "pipeline/devices_kinds.h"

enum { SIZES_MAX = 6 }; /* told per format */

/* A list in one string; what does not fit is left out whole. */
struct text {
    char *bytes;
    size_t n, n_max;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...) {
    va_list arguments;
    int n;

    va_start(arguments, format);
    n = vsnprintf(text->bytes + text->n, text->n_max - text->n, format, arguments);
    va_end(arguments);
    if (n >= 0 && text->n + (size_t) n < text->n_max)
        text->n += (size_t) n;
    else
        text->bytes[text->n] = '\0';
}

static void add_sizes(int fd, uint32_t fourcc, struct text *text) {
    for (uint32_t i = 0; i < SIZES_MAX; i++) {
        struct v4l2_frmsizeenum size = { .index = i, .pixel_format = fourcc };

        if (ioctl(fd, VIDIOC_ENUM_FRAMESIZES, &size) < 0)
            return;
        if (size.type == V4L2_FRMSIZE_TYPE_DISCRETE) {
            add(text, " %ux%u", size.discrete.width, size.discrete.height);
            continue;
        }
        add(text, " %ux%u..%ux%u", size.stepwise.min_width, size.stepwise.min_height,
            size.stepwise.max_width, size.stepwise.max_height);
        return;
    }
}

static void tell_formats(int fd, struct text *text) {
    for (uint32_t i = 0;; i++) {
        struct v4l2_fmtdesc desc = { .index = i, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };
        char name[5];

        if (ioctl(fd, VIDIOC_ENUM_FMT, &desc) < 0)
            return;
        add(text, "%s%s", i ? ", " : "", camera_fourcc_name(desc.pixelformat, name));
        add_sizes(fd, desc.pixelformat, text);
    }
}

/* Returns true if the node is a camera, and describes it. */
static bool describe(const char *path, struct device_info *ret) {
    _cleanup_(closep) int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    struct v4l2_capability capability = { 0 };
    struct text formats = { ret->formats, 0, sizeof(ret->formats) };

    if (fd < 0 || ioctl(fd, VIDIOC_QUERYCAP, &capability) < 0 || !camera_is_capture(&capability))
        return false;
    *ret = (struct device_info){ .kind = SOURCE_V4L2 };
    (void) snprintf(ret->path, sizeof(ret->path), "%s", path);
    if (devices_stable_name("/dev/v4l/by-id", path, ret->stable) < 0 &&
        devices_stable_name("/dev/v4l/by-path", path, ret->stable) < 0)
        memcpy(ret->stable, ret->path, sizeof(ret->stable));
    (void) snprintf(ret->name, sizeof(ret->name), "%.32s", (const char *) capability.card);
    (void) snprintf(ret->driver, sizeof(ret->driver), "%.16s", (const char *) capability.driver);
    tell_formats(fd, &formats);
    (void) devices_holder(path, ret->holder); /* none, or not to be seen: "" */
    return true;
}

size_t devices_list_cameras(struct device_info *ret, size_t n_max) {
    size_t n = 0;

    for (int i = 0; i < DEVICES_VIDEO_NODES && n < n_max; i++) {
        char path[32];

        (void) snprintf(path, sizeof(path), "/dev/video%d", i);
        if (describe(path, &ret[n]))
            n++;
    }
    return n;
}
