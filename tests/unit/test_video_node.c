/* SPDX-License-Identifier: MIT */
/*
 * What real machines say of their video nodes (v4l2-ctl --all, as their owners published it), and
 * what we make of it.
 */
#include "pipeline/video_node.h"

#include <linux/videodev2.h>
#include <string.h>

#include "tests/test.h"

#define FORMATS(...)                                                                               \
    .formats = (const uint32_t[]) {                                                                \
        __VA_ARGS__                                                                                \
    }

static const struct example {
    const char *what, *driver, *card, *bus;
    uint32_t caps;
    enum video_kind kind;
    const char *why;         /* a part of it */
    const uint32_t *formats; /* ended by 0; NULL: none */
} examples[] = {
    { "USB webcam", "uvcvideo", "HD Pro Webcam C920", "usb-0000:01:00.0-1.2", 0x04200001,
      VIDEO_CAMERA, "", FORMATS(V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_H264, V4L2_PIX_FMT_MJPEG, 0) },
    { "its metadata node", "uvcvideo", "HD Pro Webcam C920", "usb-0000:01:00.0-1.2", 0x04a00000,
      VIDEO_OTHER, "", NULL },
    { "H.264 node of a USB camera", "uvcvideo", "HD USB Camera", "usb-0000:01:00.0-1.3", 0x04200001,
      VIDEO_UNUSABLE, "compressed video", FORMATS(V4L2_PIX_FMT_H264, 0) },
    { "depth node", "uvcvideo", "Intel(R) RealSense(TM) Depth Ca", "usb-0000:00:14.0-2", 0x04200001,
      VIDEO_UNUSABLE, "distances", FORMATS(V4L2_PIX_FMT_Z16, 0) },
    { "old USB camera with a mosaic, which libv4l2 converts", "STV06xx", "Camera",
      "usb-0000:01:00.0-1.4", 0x05200001, VIDEO_CAMERA, "", FORMATS(V4L2_PIX_FMT_SGRBG8, 0) },
    { "Pi 4 bullseye: CSI sensor", "unicam", "unicam", "platform:fe801000.csi", 0x05200001,
      VIDEO_UNUSABLE, "CSI camera",
      FORMATS(V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_UYVY, V4L2_PIX_FMT_RGB565, V4L2_PIX_FMT_RGB24,
              V4L2_PIX_FMT_SBGGR8, v4l2_fourcc('p', 'B', 'A', 'A'), V4L2_PIX_FMT_SBGGR10, 0) },
    { "Pi Zero bullseye: its embedded data", "unicam", "unicam", "platform:20801000.csi",
      0x04a00000, VIDEO_OTHER, "", NULL },
    { "Pi 4 bookworm: CSI sensor by the media controller", "unicam", "unicam",
      "platform:fe801000.csi", 0x25200001, VIDEO_UNUSABLE, "CSI camera",
      FORMATS(V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_SRGGB10, 0) },
    { "Pi 4: HDMI to CSI bridge, which gives pictures", "unicam", "unicam", "platform:fe801000.csi",
      0x05200001, VIDEO_CAMERA, "", FORMATS(V4L2_PIX_FMT_UYVY, V4L2_PIX_FMT_RGB24, 0) },
    { "Pi 4: decoder", "bcm2835-codec", "bcm2835-codec-decode", "platform:bcm2835-codec",
      0x04204000, VIDEO_OTHER, "", NULL },
    { "Pi 4: image encoder", "bcm2835-codec", "bcm2835-codec-encode_image",
      "platform:bcm2835-codec", 0x04204000, VIDEO_OTHER, "", NULL },
    { "Pi 4: ISP output node", "bcm2835-isp", "bcm2835-isp", "platform:bcm2835-isp", 0x04200002,
      VIDEO_OTHER, "", NULL },
    { "Pi 4: ISP capture node", "bcm2835-isp", "bcm2835-isp", "platform:bcm2835-isp", 0x04200001,
      VIDEO_OTHER, "", FORMATS(V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_NV12, 0) },
    { "Pi 4: ISP statistics", "bcm2835-isp", "bcm2835-isp", "platform:bcm2835-isp", 0x04a00000,
      VIDEO_OTHER, "", NULL },
    { "Pi 4: HEVC decoder", "rpivid", "rpivid", "platform:rpivid", 0x04204000, VIDEO_OTHER, "",
      NULL },
    { "Pi 5: HEVC decoder", "rpi-hevc-dec", "rpi-hevc-dec", "platform:rpi-hevc-dec", 0x04204000,
      VIDEO_OTHER, "", NULL },
    { "Pi 5: CSI sensor", "rp1-cfe", "rp1-cfe", "platform:1f00110000.csi", 0x24200001,
      VIDEO_UNUSABLE, "CSI camera", FORMATS(V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_SRGGB10, 0) },
    { "Pi 5: CSI sensor's embedded data", "rp1-cfe", "rp1-cfe", "platform:1f00110000.csi",
      0x24a00000, VIDEO_OTHER, "", NULL },
    { "Pi 5: ISP input", "pispbe", "pispbe", "platform:1000880000.pisp_be", 0x04202000, VIDEO_OTHER,
      "", NULL },
    { "Pi 5: ISP output, which captures", "pispbe", "pispbe", "platform:1000880000.pisp_be",
      0x04201000, VIDEO_OTHER, "", FORMATS(V4L2_PIX_FMT_YUV420, 0) },
    { "Pi 3, legacy firmware driver", "bm2835 mmal", "mmal service 16.1", "platform:bcm2835-v4l2",
      0x05200005, VIDEO_CAMERA, "",
      FORMATS(V4L2_PIX_FMT_YUV420, V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_JPEG, V4L2_PIX_FMT_H264, 0) },
    { "any CSI camera through libcamera's V4L2 layer", "libcamera", "imx219",
      "platform:/base/soc/i2c0mux/i2c@", 0x05200001, VIDEO_CAMERA, "",
      FORMATS(V4L2_PIX_FMT_NV12, V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_MJPEG, 0) },
    { "raw sensor of another SoC", "imx7-csi", "imx-capture", "platform:32e20000.csi", 0x24200001,
      VIDEO_UNUSABLE, "CSI camera", FORMATS(V4L2_PIX_FMT_SGBRG12, V4L2_PIX_FMT_SBGGR8, 0) },
    { "ISP of a Rockchip", "rkisp1", "rkisp1", "platform:rkisp1", 0x24201000, VIDEO_UNUSABLE,
      "several planes", FORMATS(V4L2_PIX_FMT_NV12, 0) },
    { "loopback that is fed", "v4l2 loopback", "Dummy video device (0x0000)",
      "platform:v4l2loopback-000", 0x05200001, VIDEO_CAMERA, "", FORMATS(V4L2_PIX_FMT_YUYV, 0) },
    { "loopback that announces all", "v4l2 loopback", "Dummy video device (0x0000)",
      "platform:v4l2loopback-000", 0x05208003, VIDEO_CAMERA, "", FORMATS(V4L2_PIX_FMT_YUYV, 0) },
    { "loopback with exclusive_caps that nothing feeds", "v4l2 loopback",
      "Dummy video device (0x0000)", "platform:v4l2loopback-000", 0x05208002, VIDEO_UNUSABLE,
      "no program writes", NULL },
    { "driver of tests", "vivid", "vivid", "platform:vivid-000", 0x05200001, VIDEO_CAMERA, "",
      FORMATS(V4L2_PIX_FMT_YUYV, V4L2_PIX_FMT_SRGGB8, V4L2_PIX_FMT_NV12, 0) },
    { "radio", "si470x", "Silicon Labs Si470x", "usb-0000:00:14.0-1", 0x00250000, VIDEO_OTHER, "",
      NULL },
};

static void what_real_machines_say_is_told_apart(void **state) {
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        const struct example *e = &examples[i];
        struct video_node node = { e->driver, e->card, e->bus, e->caps, 0, e->formats };
        struct video_reason reason = { "", "" };
        enum video_kind kind;

        while (e->formats && e->formats[node.n_formats])
            node.n_formats++;
        kind = video_node_kind(&node, &reason);
        if (kind != e->kind || !strstr(reason.why, e->why))
            fail_msg("%s: kind %d, not %d; why: %s", e->what, (int) kind, (int) e->kind,
                     reason.why);
        assert_int_equal(reason.what_to_do[0] != '\0', kind == VIDEO_UNUSABLE);
    }
}

static void a_name_is_enough_for_what_cannot_be_opened(void **state) {
    assert_true(video_name_is_other("bcm2835-codec-decode"));
    assert_true(video_name_is_other("bcm2835-isp-capture0"));
    assert_true(video_name_is_other("pispbe-output0"));
    assert_true(video_name_is_other("rpivid"));
    assert_false(video_name_is_other("HD Pro Webcam C920"));
    assert_false(video_name_is_other("unicam-image"));
    assert_false(video_name_is_other(""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_real_machines_say_is_told_apart),
        cmocka_unit_test(a_name_is_enough_for_what_cannot_be_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
