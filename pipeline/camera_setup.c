/* SPDX-License-Identifier: MIT */
/* V4L2 as in the kernel's Documentation/userspace-api/media/v4l: querying, format and streaming
 * parameters. */
#include "pipeline/camera_setup.h"

#include <errno.h>
#include <linux/videodev2.h>
#include <math.h>
#include <string.h>

#include "pipeline/pixels.h"

enum { FORMATS_MAX = 64, INTERVALS_MAX = 64 };

/* In the order of preference; the last two only come by conversion, if at all. */
static const struct known {
    uint32_t fourcc;
    const char *name; /* as in the settings */
    bool jpeg, converted;
    enum pixel_format format;
} known[] = {
    { V4L2_PIX_FMT_YUYV, "yuyv", .format = PIXEL_YUYV },
    { V4L2_PIX_FMT_MJPEG, "mjpeg", .jpeg = true, .format = PIXEL_RGB24 },
    { V4L2_PIX_FMT_JPEG, "mjpeg", .jpeg = true, .format = PIXEL_RGB24 },
    { V4L2_PIX_FMT_NV12, "nv12", .format = PIXEL_NV12 },
    { V4L2_PIX_FMT_GREY, "grey", .format = PIXEL_GREY },
    { V4L2_PIX_FMT_RGB24, "rgb24", .converted = true, .format = PIXEL_RGB24 },
    { V4L2_PIX_FMT_YUV420, "i420", .converted = true, .format = PIXEL_I420 },
};

enum { N_KNOWN = sizeof(known) / sizeof(known[0]) };

struct video_node camera_node(const struct v4l2_capability *capability, const uint32_t *formats,
                              size_t n_formats) {
    return (struct video_node){
        .driver = (const char *) capability->driver,
        .card = (const char *) capability->card,
        .bus = (const char *) capability->bus_info,
        .caps = capability->capabilities & V4L2_CAP_DEVICE_CAPS ? capability->device_caps
                                                                : capability->capabilities,
        .n_formats = n_formats,
        .formats = formats,
    };
}

const char *camera_fourcc_name(uint32_t fourcc, char ret[5]) {
    for (int i = 0; i < 4; i++)
        ret[i] = (char) (fourcc >> 8 * i & 0x7f);
    ret[4] = '\0';
    if (ret[3] == ' ')
        ret[3] = '\0';
    return ret;
}

/* The formats that the driver itself has. Returns how many. */
static size_t list_formats(const struct v4l2_calls *calls, int fd, uint32_t ret[FORMATS_MAX]) {
    size_t n = 0;

    while (n < FORMATS_MAX) {
        struct v4l2_fmtdesc desc = { .index = (uint32_t) n, .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };

        if (calls->ioctl(fd, VIDIOC_ENUM_FMT, &desc) < 0)
            break;
        ret[n++] = desc.pixelformat;
    }
    return n;
}

/* The kernel ends all three; a driver in user space may not. */
static int query(const struct v4l2_calls *calls, int fd, struct v4l2_capability *ret) {
    const int r = calls->ioctl(fd, VIDIOC_QUERYCAP, ret);

    ret->driver[sizeof(ret->driver) - 1] = '\0';
    ret->card[sizeof(ret->card) - 1] = '\0';
    ret->bus_info[sizeof(ret->bus_info) - 1] = '\0';
    return r;
}

static bool contains(const uint32_t *fourccs, size_t n, uint32_t fourcc) {
    for (size_t i = 0; i < n; i++)
        if (fourccs[i] == fourcc)
            return true;
    return false;
}

static struct v4l2_format wanted_format(const struct source_options *options, uint32_t fourcc) {
    struct v4l2_format format = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };

    format.fmt.pix.width = (uint32_t) options->width_px;
    format.fmt.pix.height = (uint32_t) options->height_px;
    format.fmt.pix.pixelformat = fourcc;
    format.fmt.pix.field = V4L2_FIELD_ANY;
    return format;
}

/* Does it reach the wanted rate in this format and size? Yes, if it does not tell. */
static bool fast_enough(const struct v4l2_calls *calls, int fd, const struct v4l2_format *format,
                        double rate_hz) {
    const double slack = 0.99; /* 30000/1001 is as good as 30 */

    for (uint32_t i = 0; i < INTERVALS_MAX; i++) {
        struct v4l2_frmivalenum interval = { .index = i,
                                             .pixel_format = format->fmt.pix.pixelformat,
                                             .width = format->fmt.pix.width,
                                             .height = format->fmt.pix.height };
        const struct v4l2_fract *shortest = &interval.discrete;

        if (calls->ioctl(fd, VIDIOC_ENUM_FRAMEINTERVALS, &interval) < 0)
            return i == 0;
        if (interval.type != V4L2_FRMIVAL_TYPE_DISCRETE)
            shortest = &interval.stepwise.min;
        if (shortest->numerator == 0 ||
            shortest->denominator >= slack * rate_hz * shortest->numerator)
            return true;
        if (interval.type != V4L2_FRMIVAL_TYPE_DISCRETE)
            return false;
    }
    return false;
}

static bool asked_for(const struct known *k, const struct source_options *options) {
    if (options->format[0] == '\0' || strcmp(options->format, "auto") == 0)
        return !k->converted;
    return strcmp(options->format, k->name) == 0;
}

/*
 * The first native format with the wanted size and rate; else the first with the
 * size; else the first. Returns NULL if there is none.
 */
static const struct known *choose(const struct v4l2_calls *calls, int fd,
                                  const struct source_options *options, const uint32_t *native,
                                  size_t n_native) {
    const struct known *first = NULL, *sized = NULL;

    for (size_t i = 0; i < N_KNOWN; i++) {
        struct v4l2_format format = wanted_format(options, known[i].fourcc);

        if (!asked_for(&known[i], options) || !contains(native, n_native, known[i].fourcc))
            continue;
        first = first ? first : &known[i];
        if (calls->ioctl(fd, VIDIOC_TRY_FMT, &format) < 0 ||
            format.fmt.pix.width != (uint32_t) options->width_px ||
            format.fmt.pix.height != (uint32_t) options->height_px)
            continue;
        sized = sized ? sized : &known[i];
        if (fast_enough(calls, fd, &format, options->rate_hz))
            return &known[i];
    }
    return sized ? sized : first;
}

/* The first of all known that can be had by conversion. */
static const struct known *choose_converted(const struct v4l2_calls *calls, int fd,
                                            const struct source_options *options) {
    const bool any = options->format[0] == '\0' || strcmp(options->format, "auto") == 0;

    for (size_t i = 0; i < N_KNOWN; i++) {
        struct v4l2_format format = wanted_format(options, known[i].fourcc);

        if (known[i].converted && (any || asked_for(&known[i], options)) &&
            calls->ioctl(fd, VIDIOC_TRY_FMT, &format) >= 0 &&
            format.fmt.pix.pixelformat == known[i].fourcc)
            return &known[i];
    }
    return NULL;
}

static int no_format(const struct source_options *options, const char *device,
                     const uint32_t *native, size_t n_native, struct fault *fault) {
    char offered[128] = "nothing", name[5];
    size_t n = 0;

    for (size_t i = 0; i < n_native && n < sizeof(offered); i++)
        n += (size_t) snprintf(offered + n, sizeof(offered) - n, "%s%s", i ? ", " : "",
                               camera_fourcc_name(native[i], name));
    if (!options->format[0] || strcmp(options->format, "auto") == 0)
        return fault_set(fault, -ENOTSUP,
                         "%s: offers no format that can be read, but %s; take another camera",
                         device, offered);
    return fault_set(fault, -ENOTSUP,
                     "%s: cannot give format %s; it offers %s: write `format = auto`", device,
                     options->format, offered);
}

/* Take what S_FMT said, if it makes sense: the driver's numbers are not trusted. Returns 0,
 * -ENOTSUP. */
static int take_format(const struct known *k, const struct v4l2_pix_format *pix,
                       struct camera_setup *setup) {
    size_t row_bytes;

    if (pix->pixelformat != k->fourcc || pix->width > FRAME_SIDE_MAX_PX ||
        pix->height > FRAME_SIDE_MAX_PX)
        return -ENOTSUP;
    *setup = (struct camera_setup){ .fourcc = k->fourcc,
                                    .jpeg = k->jpeg,
                                    .format = k->format,
                                    .width_px = (int32_t) pix->width,
                                    .height_px = (int32_t) pix->height,
                                    .image_bytes = pix->sizeimage };
    if (k->jpeg)
        return setup->image_bytes > 0 ? 0 : -ENOTSUP;
    if (pixels_check(k->format, setup->width_px, setup->height_px) < 0)
        return -ENOTSUP;
    row_bytes = pixels_row_bytes(k->format, setup->width_px);
    setup->stride_bytes = pix->bytesperline ? pix->bytesperline : row_bytes;
    if (setup->stride_bytes < row_bytes || setup->stride_bytes > 4 * row_bytes)
        return -ENOTSUP;
    setup->image_bytes = pixels_strided_bytes(k->format, setup->height_px, setup->stride_bytes);
    return 0;
}

static int set_format(const struct v4l2_calls *calls, int fd, const struct known *k,
                      const struct source_options *options, const char *device,
                      struct camera_setup *setup, struct fault *fault) {
    struct v4l2_format format = wanted_format(options, k->fourcc);
    int r = calls->ioctl(fd, VIDIOC_S_FMT, &format);

    if (r < 0)
        return fault_set(fault, r, "%s: format %s %dx%d: %s", device, k->name, options->width_px,
                         options->height_px, strerror(-r));
    r = take_format(k, &format.fmt.pix, setup);
    if (r < 0)
        return fault_set(fault, r,
                         "%s: asked for %s %dx%d, it says %ux%u with %u bytes a line; its driver "
                         "is wrong: choose another `size` or `format`, or another camera",
                         device, k->name, options->width_px, options->height_px,
                         format.fmt.pix.width, format.fmt.pix.height, format.fmt.pix.bytesperline);
    return 0;
}

/* Ask for the rate and note what it became. Some cameras know none: then 0. */
static double set_rate(const struct v4l2_calls *calls, int fd, double rate_hz) {
    enum { MILLI = 1000 }; /* rates are given to 1/1000 Hz */
    struct v4l2_streamparm parm = { .type = V4L2_BUF_TYPE_VIDEO_CAPTURE };
    const struct v4l2_fract *period = &parm.parm.capture.timeperframe;
    int r;

    parm.parm.capture.timeperframe =
        (struct v4l2_fract){ .numerator = MILLI,
                             .denominator = (uint32_t) llround(rate_hz * MILLI) };
    r = rate_hz > 0 ? calls->ioctl(fd, VIDIOC_S_PARM, &parm) : -EINVAL;
    if (r < 0) {
        memset(&parm, 0, sizeof(parm));
        parm.type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
        r = calls->ioctl(fd, VIDIOC_G_PARM, &parm);
    }
    if (r < 0 || period->numerator == 0 || period->denominator == 0)
        return 0;
    return (double) period->denominator / period->numerator;
}

/* Refuse what is no camera, or one that gives nothing we can read. */
static int check_node(const struct video_node *node, const char *device, struct fault *fault) {
    struct video_reason reason;

    switch (video_node_kind(node, &reason)) {
    case VIDEO_CAMERA:
        return 0;
    case VIDEO_UNUSABLE:
        return fault_set(fault, -ENOTSUP, "%s: %s; %s", device, reason.why, reason.what_to_do);
    case VIDEO_OTHER:
        break;
    }
    return fault_set(fault, -ENOTSUP,
                     "%s: %s is no camera (it does not capture and stream); `lookoutctl devices` "
                     "lists those that are",
                     device, node->card);
}

int camera_set_up(const struct v4l2_calls *calls, int fd, const struct source_options *options,
                  const char *device, struct camera_setup *ret, struct fault *fault) {
    struct v4l2_capability capability = { 0 };
    struct camera_setup setup = { 0 };
    uint32_t native[FORMATS_MAX];
    struct video_node node;
    const struct known *k;
    size_t n_native;
    int r = query(calls, fd, &capability);

    if (r == -ENODEV)
        return fault_set(fault, r, "%s: the camera is gone", device);
    if (r < 0)
        return fault_set(fault, -ENOTSUP, "%s: is no video device", device);
    n_native = list_formats(calls, fd, native);
    node = camera_node(&capability, native, n_native);
    r = check_node(&node, device, fault);
    if (r < 0)
        return r;
    k = choose(calls, fd, options, native, n_native);
    if (!k)
        k = choose_converted(calls, fd, options);
    if (!k)
        return no_format(options, device, native, n_native, fault);
    r = set_format(calls, fd, k, options, device, &setup, fault);
    if (r < 0)
        return r;
    setup.rate_hz = set_rate(calls, fd, options->rate_hz);
    *ret = setup;
    return 0;
}
