/* SPDX-License-Identifier: MIT */
/* Video nodes, asked without streaming. Plain open(2): libv4l2 would do more than look. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/videodev2.h>
#include <string.h>
#include <sys/ioctl.h>

#include "pipeline/camera_setup.h"
#include "pipeline/device_place.h"
#include "pipeline/devices_kinds.h"
#include "pipeline/video_node.h"

enum {
    SIZES_MAX = 6, /* told per format in words */
    FORMATS_MAX = 32,
    NODE_BYTES = 32, /* "/dev/video63" */
};

/* Of a device that takes any size, those that people ask for. */
static const struct size {
    uint32_t width_px, height_px;
} usual_sizes[] = { { 320, 240 }, { 640, 480 }, { 1280, 720 }, { 1920, 1080 } };

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

static void tell_rates(int fd, uint32_t fourcc, struct camera_mode *mode) {
    for (uint32_t i = 0; mode->n_rates < DEVICE_RATES_MAX; i++) {
        struct v4l2_frmivalenum interval = { .index = i,
                                             .pixel_format = fourcc,
                                             .width = (uint32_t) mode->width_px,
                                             .height = (uint32_t) mode->height_px };
        const struct v4l2_fract *period = &interval.discrete;

        if (ioctl(fd, VIDIOC_ENUM_FRAMEINTERVALS, &interval) < 0)
            return;
        if (interval.type != V4L2_FRMIVAL_TYPE_DISCRETE)
            period = &interval.stepwise.min;
        if (period->numerator > 0)
            mode->rates_hz[mode->n_rates++] = (double) period->denominator / period->numerator;
        if (interval.type != V4L2_FRMIVAL_TYPE_DISCRETE)
            return; /* the fastest of them */
    }
}

static void add_mode(int fd, uint32_t fourcc, struct size size, struct device_info *info) {
    struct camera_mode *mode = &info->modes[info->n_modes];

    if (info->n_modes == DEVICE_MODES_MAX || size.width_px > INT16_MAX ||
        size.height_px > INT16_MAX)
        return;
    info->n_modes++;
    *mode = (struct camera_mode){ .width_px = (int32_t) size.width_px,
                                  .height_px = (int32_t) size.height_px };
    (void) camera_fourcc_name(fourcc, mode->format);
    tell_rates(fd, fourcc, mode);
}

static void tell_range(int fd, uint32_t fourcc, const struct v4l2_frmsize_stepwise *range,
                       struct device_info *info, struct text *text) {
    add(text, " %ux%u..%ux%u", range->min_width, range->min_height, range->max_width,
        range->max_height);
    for (size_t i = 0; i < sizeof(usual_sizes) / sizeof(usual_sizes[0]); i++) {
        const struct size *size = &usual_sizes[i];

        if (size->width_px >= range->min_width && size->width_px <= range->max_width &&
            size->height_px >= range->min_height && size->height_px <= range->max_height)
            add_mode(fd, fourcc, *size, info);
    }
}

static void tell_sizes(int fd, uint32_t fourcc, struct device_info *info, struct text *text) {
    for (uint32_t i = 0; i < DEVICE_MODES_MAX; i++) {
        struct v4l2_frmsizeenum size = { .index = i, .pixel_format = fourcc };

        if (ioctl(fd, VIDIOC_ENUM_FRAMESIZES, &size) < 0)
            return;
        if (size.type != V4L2_FRMSIZE_TYPE_DISCRETE) {
            tell_range(fd, fourcc, &size.stepwise, info, text);
            return;
        }
        if (i < SIZES_MAX)
            add(text, " %ux%u", size.discrete.width, size.discrete.height);
        add_mode(fd, fourcc, (struct size){ size.discrete.width, size.discrete.height }, info);
    }
}

static size_t list_formats(int fd, uint32_t ret[FORMATS_MAX]) {
    size_t n = 0;

    while (n < FORMATS_MAX) {
        struct v4l2_fmtdesc desc = { .index = (uint32_t) n, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };

        if (ioctl(fd, VIDIOC_ENUM_FMT, &desc) < 0)
            break;
        ret[n++] = desc.pixelformat;
    }
    return n;
}

static void tell_formats(int fd, const uint32_t *formats, size_t n, struct device_info *info) {
    struct text text = { info->formats, 0, sizeof(info->formats) };
    char name[5];

    for (size_t i = 0; i < n; i++) {
        add(&text, "%s%s", i ? ", " : "", camera_fourcc_name(formats[i], name));
        tell_sizes(fd, formats[i], info, &text);
    }
}

static void class_directory(const char *node, const char *part, char ret[PATH_MAX]) {
    const char *slash = strrchr(node, '/');

    (void) snprintf(ret, PATH_MAX, "/sys/class/video4linux/%s%s", slash ? slash + 1 : node, part);
}

/* Another camera of the same make and number, into @ret: their by-id names may change places. */
static bool has_twin(const char *node, char ret[NODE_BYTES]) {
    char directory[PATH_MAX], index[8], twin_index[8];
    struct usb_place place, twin;

    class_directory(node, "", directory);
    if (device_attribute(directory, "index", index, sizeof(index)) < 0)
        return false;
    class_directory(node, "/device", directory);
    if (device_usb_place(directory, &place) < 0)
        return false;
    for (int i = 0; i < DEVICES_VIDEO_NODES; i++) {
        (void) snprintf(ret, NODE_BYTES, "/dev/video%d", i);
        class_directory(ret, "", directory);
        if (device_attribute(directory, "index", twin_index, sizeof(twin_index)) < 0 ||
            strcmp(index, twin_index) != 0)
            continue; /* another of a camera's nodes */
        class_directory(ret, "/device", directory);
        if (device_usb_place(directory, &twin) == 0 && device_usb_twins(&place, &twin))
            return true;
    }
    return false;
}

static void name_for_ini(const char *node, char ret[SOURCE_PATH_BYTES]) {
    char twin[NODE_BYTES];

    if ((has_twin(node, twin) || devices_stable_name("/dev/v4l/by-id", node, ret) < 0) &&
        devices_stable_name("/dev/v4l/by-path", node, ret) < 0)
        (void) snprintf(ret, SOURCE_PATH_BYTES, "%s", node); /* short */
}

int devices_check_camera(const char *device, struct fault *fault) {
    char node[PATH_MAX], twin[NODE_BYTES], name[SOURCE_PATH_BYTES], twin_name[SOURCE_PATH_BYTES];

    if (strncmp(device, "/dev/v4l/by-id/", 15) != 0 || !realpath(device, node) ||
        !has_twin(node, twin))
        return 0; /* opening it tells whether it is there */
    name_for_ini(node, name);
    name_for_ini(twin, twin_name);
    return fault_set(
        fault, -ENOTUNIQ,
        "%.80s: two cameras have this name; write one of `device = %.110s` and `device "
        "= %.110s`",
        device, name, twin_name);
}

static void reason(struct device_info *info, const struct video_reason *reason) {
    (void) snprintf(info->why, sizeof(info->why), "%s", reason->why);
    (void) snprintf(info->what_to_do, sizeof(info->what_to_do), "%s", reason->what_to_do);
}

/* Buffers of another process stand in the way of ours; asking to free none of ours shows it. */
static bool is_busy(int fd) {
    struct v4l2_requestbuffers none = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
                                        .memory = V4L2_MEMORY_MMAP };

    return ioctl(fd, VIDIOC_REQBUFS, &none) < 0 && errno == EBUSY;
}

/* A node that cannot be opened: /sys tells enough to leave out what is no camera. */
static bool describe_closed(int error, struct device_info *info) {
    char directory[PATH_MAX], index[8] = "0";

    class_directory(info->node, "", directory);
    (void) device_attribute(directory, "name", info->name, sizeof(info->name)); /* "" is fine */
    (void) device_attribute(directory, "index", index, sizeof(index));          /* "0" stays */
    if (video_name_is_other(info->name) || strcmp(index, "0") != 0)
        return false;
    if (!info->name[0])
        (void) snprintf(info->name, sizeof(info->name), "%.64s", info->node);
    if (error == EACCES || error == EPERM)
        devices_tell_denied(info, -error);
    else if (error == EBUSY)
        devices_tell_busy(info);
    else {
        (void) snprintf(info->why, sizeof(info->why), "cannot be opened: %s", strerror(error));
        (void) snprintf(info->what_to_do, sizeof(info->what_to_do), "unplug it and plug it again");
    }
    return true;
}

static bool describe_open(int fd, struct device_info *info) {
    struct v4l2_capability capability = { 0 };
    struct video_reason why = { "", "" };
    uint32_t formats[FORMATS_MAX];
    struct video_node node;
    size_t n_formats;

    if (ioctl(fd, VIDIOC_QUERYCAP, &capability) < 0)
        return false;
    n_formats = list_formats(fd, formats);
    node = camera_node(&capability, formats, n_formats);
    (void) snprintf(info->name, sizeof(info->name), "%.32s", node.card);
    (void) snprintf(info->driver, sizeof(info->driver), "%.16s", node.driver);
    (void) snprintf(info->bus, sizeof(info->bus), "%.32s", node.bus);
    switch (video_node_kind(&node, &why)) {
    case VIDEO_OTHER:
        return false;
    case VIDEO_UNUSABLE:
        reason(info, &why);
        return true;
    case VIDEO_CAMERA:
        break;
    }
    tell_formats(fd, formats, n_formats, info);
    if (!info->ours && is_busy(fd))
        devices_tell_busy(info);
    else {
        info->usable = true;
        (void) devices_holder(info->node, &info->holder); /* open, but not streaming */
    }
    return true;
}

/* Returns true if the node is a camera, and describes it. */
static bool describe(const char *path, struct device_info *ret) {
    _cleanup_(closep) int fd = -1;
    int error;

    *ret = (struct device_info){ .kind = SOURCE_V4L2 };
    (void) snprintf(ret->path, sizeof(ret->path), "%s", path); /* short */
    (void) snprintf(ret->node, sizeof(ret->node), "%s", path); /* short */
    name_for_ini(path, ret->stable);
    ret->ours = devices_is_ours(path); /* before we open it ourselves */
    fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    error = errno;
    if (fd < 0)
        return error != ENOENT && error != ENODEV && describe_closed(error, ret);
    return describe_open(fd, ret);
}

void devices_each_camera(device_fn *fn, void *user) {
    char last_receiver[DEVICE_BUS_BYTES] = "";
    struct device_info *info = malloc(sizeof(*info));
    size_t n = 0;

    for (int i = 0; info && i < DEVICES_VIDEO_NODES && n < DEVICES_MAX / 2; i++) {
        char path[32];

        (void) snprintf(path, sizeof(path), "/dev/video%d", i);
        if (access(path, F_OK) < 0)
            continue;
        fn(path, NULL, user);
        if (!describe(path, info))
            continue;
        if (!info->usable && !info->formats[0] && info->bus[0]) { /* of a CSI port's many, one */
            if (strcmp(info->bus, last_receiver) == 0)
                continue;
            memcpy(last_receiver, info->bus, sizeof(last_receiver));
        }
        fn(path, info, user);
        n++;
    }
    free(info);
}
