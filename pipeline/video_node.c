/* SPDX-License-Identifier: MIT */
/*
 * The names are those of mainline's and the Raspberry Pi's kernels from 5.10 on; what real boxes
 * say stands in tests/unit/test_video_node.c.
 */
#include "pipeline/video_node.h"

#include <linux/videodev2.h>
#include <string.h>

/* Parts of an image or codec pipeline: they process what others give them. */
static const char *const processors[] = { "bcm2835-isp", "bcm2835-codec", "pispbe", "rpivid",
                                          "rpi-hevc-dec" };

/* Receivers of CSI cameras that list formats a camera behind them does not have. */
static const char *const receivers[] = { "unicam", "bcm2835-unicam", "rp1-cfe" };

/* Not decoded by us, nor by libv4l2: compressed video, distances. */
static const uint32_t unreadable[] = {
    V4L2_PIX_FMT_H264, V4L2_PIX_FMT_H264_NO_SC, V4L2_PIX_FMT_H264_MVC, V4L2_PIX_FMT_HEVC,
    V4L2_PIX_FMT_VP8,  V4L2_PIX_FMT_VP9,        V4L2_PIX_FMT_MPEG1,    V4L2_PIX_FMT_MPEG2,
    V4L2_PIX_FMT_MPEG, V4L2_PIX_FMT_MPEG4,      V4L2_PIX_FMT_H263,     V4L2_PIX_FMT_Z16,
    V4L2_PIX_FMT_INZI, V4L2_PIX_FMT_CNF4,
};

static bool starts_with_any(const char *name, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (strncmp(name, words[i], strlen(words[i])) == 0)
            return true;
    return false;
}

bool video_name_is_other(const char *name) {
    return starts_with_any(name, processors, sizeof(processors) / sizeof(processors[0]));
}

/* 8 to 16 bits of a colour mosaic: all such fourccs name its first colours. */
static bool is_mosaic(uint32_t fourcc) {
    static const char *const starts[] = { "BA8", "BYR2", "GBRG", "GRBG", "RGGB", "BG1", "GB1",
                                          "BA1", "RG1",  "GR1",  "pB",   "pG",   "pR",  "aB",
                                          "aG",  "aR",   "bB",   "bG",   "bR",   "PC1", "PC2" };
    char name[5];

    for (int i = 0; i < 4; i++)
        name[i] = (char) (fourcc >> 8 * i & 0x7f);
    name[4] = '\0';
    return starts_with_any(name, starts, sizeof(starts) / sizeof(starts[0]));
}

static size_t count(const struct video_node *node, bool (*is)(uint32_t fourcc)) {
    size_t n = 0;

    for (size_t i = 0; i < node->n_formats; i++)
        n += is(node->formats[i]);
    return n;
}

static bool is_unreadable(uint32_t fourcc) {
    for (size_t i = 0; i < sizeof(unreadable) / sizeof(unreadable[0]); i++)
        if (unreadable[i] == fourcc)
            return true;
    return false;
}

/*
 * A sensor on a CSI port. Its receiver lists any format it could carry (so YUYV too) as long as it
 * can carry a mosaic, while one with a video decoder behind it lists what that really gives. A USB
 * camera with a mosaic is one that libv4l2 converts.
 */
static bool is_raw_sensor(const struct video_node *node) {
    const size_t n = count(node, is_mosaic);

    if (strncmp(node->bus, "usb-", 4) == 0)
        return false;
    if (starts_with_any(node->driver, receivers, sizeof(receivers) / sizeof(receivers[0])))
        return n > 0 || node->n_formats == 0 || (node->caps & V4L2_CAP_IO_MC);
    return n > 0 && n == node->n_formats;
}

static enum video_kind unusable(const char *why, const char *what_to_do, struct video_reason *ret) {
    *ret = (struct video_reason){ why, what_to_do };
    return VIDEO_UNUSABLE;
}

enum video_kind video_node_kind(const struct video_node *node, struct video_reason *ret) {
    const uint32_t single = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    const uint32_t multi = V4L2_CAP_VIDEO_CAPTURE_MPLANE | V4L2_CAP_STREAMING;
    const uint32_t wrong = V4L2_CAP_VIDEO_OUTPUT | V4L2_CAP_VIDEO_OUTPUT_MPLANE |
                           V4L2_CAP_VIDEO_M2M | V4L2_CAP_VIDEO_M2M_MPLANE | V4L2_CAP_META_CAPTURE |
                           V4L2_CAP_META_OUTPUT;

    if (strcmp(node->driver, "v4l2 loopback") == 0)
        return node->caps & V4L2_CAP_VIDEO_CAPTURE
                   ? VIDEO_CAMERA
                   : unusable("no program writes pictures into it yet",
                              "start the program that feeds this v4l2loopback device", ret);
    if (video_name_is_other(node->driver) || (node->caps & wrong))
        return VIDEO_OTHER;
    if ((node->caps & single) != single && (node->caps & multi) != multi)
        return VIDEO_OTHER;
    if (is_raw_sensor(node))
        return unusable("a CSI camera, whose node gives raw sensor data and no pictures",
                        "let libcamera make pictures of it: CSI CAMERAS in lookoutd(8) says how",
                        ret);
    if ((node->caps & single) != single)
        return unusable(
            "it captures into several planes, which Lookout does not read",
            "let libcamera or GStreamer feed a v4l2loopback device from it: CSI CAMERAS "
            "in lookoutd(8) says how",
            ret);
    if (node->n_formats > 0 && count(node, is_unreadable) == node->n_formats)
        return unusable("it gives compressed video or distances, which Lookout does not read",
                        "take the camera's other node, which gives YUYV or MJPG", ret);
    return VIDEO_CAMERA;
}
