/* SPDX-License-Identifier: MIT */
/* A made-up V4L2 device below camera.c, which does what its script says. */
#include "pipeline/camera.h"

#include <errno.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "common/units.h"
#include "pipeline/camera_setup.h"
#include "tests/test.h"
#include "tests/unit/jpeg_maker.h"

enum { FORMATS_MAX = 6, N_BUFFERS = 4, BUFFER_BYTES = 1 << 21, SCRIPT_MAX = 32 };

/* What one VIDIOC_DQBUF gives. */
struct act {
    int error; /* -ENODEV ...; 0: a frame */
    uint32_t sequence, flags, bytesused;
    int64_t age_ns; /* of its stamp */
    uint8_t fill;   /* value of its bytes, if it is raw */
};

static struct {
    /* the device */
    uint32_t capabilities, device_caps;
    const char *driver, *bus;
    uint32_t formats[FORMATS_MAX], width_px, height_px; /* the one size it has; 0: any */
    uint32_t max_hz[FORMATS_MAX];                       /* per format; 0: does not tell */
    bool converts, busy, read_only;
    uint32_t padding_bytes; /* per line */
    struct act script[SCRIPT_MAX];
    int n_acts;
    uint8_t *jpeg;
    /* what became of it */
    int fd, n_played, n_queued, n_mapped, n_opened;
    bool streaming;
    struct v4l2_pix_format pix;
    uint8_t *buffers[N_BUFFERS];
    bool queued[N_BUFFERS];
} dev;

static int format_index(uint32_t fourcc) {
    for (int i = 0; i < FORMATS_MAX; i++)
        if (fourcc && dev.formats[i] == fourcc)
            return i;
    return -1;
}

static bool is_converted(uint32_t fourcc) {
    return dev.converts && (fourcc == V4L2_PIX_FMT_RGB24 || fourcc == V4L2_PIX_FMT_YUV420);
}

static uint32_t line_bytes(uint32_t fourcc, uint32_t width) {
    return fourcc == V4L2_PIX_FMT_YUYV    ? 2 * width
           : fourcc == V4L2_PIX_FMT_RGB24 ? 3 * width
                                          : width;
}

static int try_format(struct v4l2_format *f) {
    struct v4l2_pix_format *pix = &f->fmt.pix;

    if (format_index(pix->pixelformat) < 0 && !is_converted(pix->pixelformat))
        pix->pixelformat = dev.formats[0];
    if (dev.width_px) {
        pix->width = dev.width_px;
        pix->height = dev.height_px;
    }
    pix->bytesperline = line_bytes(pix->pixelformat, pix->width) + dev.padding_bytes;
    pix->sizeimage = pix->bytesperline * pix->height * 2;
    return 0;
}

static int intervals(struct v4l2_frmivalenum *i) {
    const int index = format_index(i->pixel_format);

    if (index < 0 || dev.max_hz[index] == 0 || i->index > 1)
        return -EINVAL;
    i->type = V4L2_FRMIVAL_TYPE_DISCRETE;
    i->discrete = (struct v4l2_fract){ 1, i->index ? 1 : dev.max_hz[index] };
    return 0;
}

static int stream_parm(struct v4l2_streamparm *parm) {
    const int index = format_index(dev.pix.pixelformat);
    struct v4l2_fract *t = &parm->parm.capture.timeperframe;

    if (index >= 0 && dev.max_hz[index] && t->denominator > dev.max_hz[index] * t->numerator)
        *t = (struct v4l2_fract){ 1, dev.max_hz[index] };
    return 0;
}

static int dequeue(struct v4l2_buffer *buffer) {
    const struct act *act = &dev.script[dev.n_played];
    const int64_t at_ns = now_ns() - act->age_ns;
    uint32_t i = 0;

    if (dev.n_played == dev.n_acts)
        return -EAGAIN;
    dev.n_played++;
    if (act->error)
        return act->error;
    while (i < N_BUFFERS && !dev.queued[i])
        i++;
    assert_true(i < N_BUFFERS); /* all were given back */
    dev.queued[i] = false;
    buffer->index = i;
    buffer->sequence = act->sequence;
    buffer->flags = act->flags;
    buffer->bytesused = act->bytesused ? act->bytesused : dev.pix.sizeimage;
    buffer->timestamp.tv_sec = at_ns / NS_PER_S;
    buffer->timestamp.tv_usec = at_ns % NS_PER_S / NS_PER_US;
    if (dev.jpeg)
        memcpy(dev.buffers[i], dev.jpeg, act->bytesused);
    else
        memset(dev.buffers[i], act->fill, dev.pix.sizeimage);
    return 0;
}

static int fake_ioctl(int fd, unsigned long request, void *argument) {
    struct v4l2_capability *capability = argument;
    struct v4l2_fmtdesc *desc = argument;
    struct v4l2_buffer *buffer = argument;

    assert_int_equal(fd, dev.fd);
    switch (request) {
    case VIDIOC_QUERYCAP:
        capability->capabilities = dev.capabilities;
        capability->device_caps = dev.device_caps;
        (void) strcpy((char *) capability->driver, dev.driver);
        (void) strcpy((char *) capability->card, "made up");
        (void) strcpy((char *) capability->bus_info, dev.bus);
        return 0;
    case VIDIOC_ENUM_FMT:
        if (desc->index >= FORMATS_MAX || !dev.formats[desc->index])
            return -EINVAL;
        desc->pixelformat = dev.formats[desc->index];
        return 0;
    case VIDIOC_TRY_FMT:
        return try_format(argument);
    case VIDIOC_S_FMT:
        if (dev.busy)
            return -EBUSY;
        (void) try_format(argument);
        dev.pix = ((struct v4l2_format *) argument)->fmt.pix;
        return 0;
    case VIDIOC_ENUM_FRAMEINTERVALS:
        return intervals(argument);
    case VIDIOC_S_PARM:
        return stream_parm(argument);
    case VIDIOC_REQBUFS:
        ((struct v4l2_requestbuffers *) argument)->count = N_BUFFERS;
        return 0;
    case VIDIOC_QUERYBUF:
        buffer->length = BUFFER_BYTES;
        buffer->m.offset = buffer->index;
        return 0;
    case VIDIOC_QBUF:
        assert_true(buffer->index < N_BUFFERS && !dev.queued[buffer->index]);
        dev.queued[buffer->index] = true;
        dev.n_queued++;
        return 0;
    case VIDIOC_DQBUF:
        return dequeue(argument);
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF:
        dev.streaming = request == VIDIOC_STREAMON;
        return 0;
    default:
        return -ENOTTY;
    }
}

static int fake_open(const char *path) {
    if (strcmp(path, "/dev/video7") != 0)
        return strcmp(path, "/dev/forbidden") == 0 ? -EACCES : -ENOENT;
    dev.n_opened++;
    dev.fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
    return dev.fd;
}

static void fake_close(int fd) {
    assert_int_equal(fd, dev.fd);
    dev.n_opened--;
    (void) close(fd);
}

static int fake_map(int fd, size_t n_bytes, int protection, int64_t offset, void **ret) {
    assert_int_equal(n_bytes, BUFFER_BYTES);
    if (dev.read_only && (protection & PROT_WRITE))
        return -EACCES;
    dev.buffers[offset] = malloc(n_bytes);
    dev.n_mapped++;
    *ret = dev.buffers[offset];
    return 0;
}

static void fake_unmap(void *data, size_t n_bytes) {
    dev.n_mapped--;
    free(data);
}

static const struct v4l2_calls calls = { fake_open, fake_close, fake_ioctl, fake_map, fake_unmap };

/* The last frame that came, and the first bytes of its planes. */
static struct {
    int n;
    struct frame frame;
    uint8_t bytes[3];
    bool mapped; /* it lay in a buffer of the device, which had not been queued yet */
} kept;

static void keep(const struct frame *frame, void *user) {
    kept.n++;
    kept.frame = *frame;
    kept.mapped = false;
    for (int i = 0; i < 3; i++)
        kept.bytes[i] = frame->planes[i] ? frame->planes[i][0] : 0;
    for (int i = 0; i < N_BUFFERS; i++)
        if (frame->planes[0] == dev.buffers[i])
            kept.mapped = !dev.queued[i];
}

static const struct source_sink sink = { .frame = keep };

/* A webcam as many are: YUYV slow, MJPEG fast. */
static struct source_options plug_in_webcam(void) {
    struct source_options o = { .kind = SOURCE_V4L2,
                                .data = SOURCE_PICTURE,
                                .width_px = 640,
                                .height_px = 480,
                                .rate_hz = 10 };

    memset(&dev, 0, sizeof(dev));
    memset(&kept, 0, sizeof(kept));
    dev.capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING | V4L2_CAP_DEVICE_CAPS;
    dev.device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    dev.driver = "uvcvideo";
    dev.bus = "usb-0000:01:00.0-1";
    dev.formats[0] = V4L2_PIX_FMT_MJPEG;
    dev.formats[1] = V4L2_PIX_FMT_YUYV;
    dev.max_hz[0] = 30;
    dev.max_hz[1] = 15;
    (void) strcpy(o.device, "/dev/video7");
    (void) strcpy(o.format, "auto");
    return o;
}

static void act(struct act a) {
    dev.script[dev.n_acts++] = a;
}

enum { MONOTONIC = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC };

static void formats_are_preferred_in_order_if_fast_enough(void **state) {
    static const struct {
        uint32_t formats[FORMATS_MAX];
        const char *wanted;
        double rate_hz, got_hz;
        const char *says;
    } cases[] = {
        { { V4L2_PIX_FMT_MJPEG, V4L2_PIX_FMT_YUYV }, "auto", 10, 10, "YUYV 640x480" },
        { { V4L2_PIX_FMT_MJPEG, V4L2_PIX_FMT_YUYV }, "auto", 30, 30, "MJPG 640x480" },
        { { V4L2_PIX_FMT_MJPEG, V4L2_PIX_FMT_YUYV }, "auto", 60, 15, "YUYV 640x480" },
        { { V4L2_PIX_FMT_MJPEG, V4L2_PIX_FMT_YUYV }, "mjpeg", 10, 10, "MJPG 640x480" },
        { { V4L2_PIX_FMT_MJPEG, V4L2_PIX_FMT_YUYV }, "yuyv", 30, 15, "YUYV 640x480" },
        { { V4L2_PIX_FMT_GREY, V4L2_PIX_FMT_NV12 }, "auto", 10, 10, "NV12 640x480" },
        { { V4L2_PIX_FMT_SRGGB8, V4L2_PIX_FMT_GREY }, "", 10, 10, "GREY 640x480" },
        { { V4L2_PIX_FMT_SRGGB8 }, "auto", 10, 10, "RGB3 640x480" },
        { { V4L2_PIX_FMT_SRGGB8 }, "i420", 10, 10, "YU12 640x480" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        _cleanup_(source_freep) struct source *source = NULL;
        struct source_options o = plug_in_webcam();

        memcpy(dev.formats, cases[i].formats, sizeof(dev.formats));
        dev.converts = true;
        o.rate_hz = cases[i].rate_hz;
        (void) strcpy(o.format, cases[i].wanted);
        assert_int_equal(camera_open_with(&calls, &o, &source, NULL), 0);
        assert_string_equal(source_format(source), cases[i].says);
        assert_true(source_rate_hz(source) == cases[i].got_hz);
        assert_true(dev.streaming);
    }
}

static void another_size_is_taken_and_reported(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    struct source_options o = plug_in_webcam();

    dev.width_px = 320;
    dev.height_px = 240;
    assert_int_equal(camera_open_with(&calls, &o, &source, NULL), 0);
    assert_string_equal(source_format(source), "YUYV 320x240");
}

static void a_format_that_is_not_there_is_refused_with_what_is(void **state) {
    struct source *source = NULL;
    struct source_options o = plug_in_webcam();
    struct fault fault = { "" };

    (void) strcpy(o.format, "nv12");
    assert_int_equal(camera_open_with(&calls, &o, &source, &fault), -ENOTSUP);
    assert_string_equal(
        fault.text,
        "/dev/video7: cannot give format nv12; it offers MJPG, YUYV: write `format = auto`");
    assert_int_equal(dev.n_opened, 0);
    o = plug_in_webcam();
    dev.formats[0] = V4L2_PIX_FMT_RGB565;
    dev.formats[1] = 0;
    assert_int_equal(camera_open_with(&calls, &o, &source, &fault), -ENOTSUP);
    assert_string_equal(fault.text, "/dev/video7: offers no format that can be read, but RGBP; "
                                    "take another camera");
}

static void nodes_that_are_no_cameras_are_refused_and_not_found(void **state) {
    static const struct {
        uint32_t caps;
        const char *driver;
    } cases[] = {
        { V4L2_CAP_META_CAPTURE | V4L2_CAP_STREAMING, "uvcvideo" },
        { V4L2_CAP_VIDEO_OUTPUT | V4L2_CAP_STREAMING, "vivid" },
        { V4L2_CAP_VIDEO_M2M | V4L2_CAP_STREAMING, "codec" },
        { V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_READWRITE, "old" },
        { V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING, "bcm2835-isp" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct source *source = NULL;
        struct source_options o = plug_in_webcam();
        struct fault fault = { "" };

        dev.device_caps = cases[i].caps;
        dev.driver = cases[i].driver;
        assert_int_equal(camera_open_with(&calls, &o, &source, &fault), -ENOTSUP);
        assert_non_null(strstr(fault.text, "is no camera"));
        assert_int_equal(dev.n_opened, 0);
    }
}

static void a_csi_camera_is_refused_with_what_to_do(void **state) {
    struct source *source = NULL;
    struct source_options o = plug_in_webcam();
    struct fault fault = { "" };

    dev.driver = "unicam";
    dev.bus = "platform:fe801000.csi";
    dev.formats[1] = V4L2_PIX_FMT_SBGGR10;
    assert_int_equal(camera_open_with(&calls, &o, &source, &fault), -ENOTSUP);
    assert_non_null(strstr(fault.text, "libcamera"));
    assert_int_equal(dev.n_opened, 0);
}

static void what_cannot_be_opened_says_why(void **state) {
    struct source *source = NULL;
    struct source_options o = plug_in_webcam();
    struct fault fault = { "" };

    (void) strcpy(o.device, "/dev/video99");
    assert_int_equal(camera_open_with(&calls, &o, &source, &fault), -ENOENT);
    assert_string_equal(
        fault.text,
        "/dev/video99: no such camera; plug it in, or choose from `lookoutctl devices`");
    (void) strcpy(o.device, "/dev/forbidden");
    assert_int_equal(camera_open_with(&calls, &o, &source, &fault), -EACCES);
    assert_non_null(strstr(fault.text, "lookoutd may not open it"));
    o = plug_in_webcam();
    dev.busy = true;
    assert_int_equal(camera_open_with(&calls, &o, &source, &fault), -EBUSY);
    assert_non_null(strstr(fault.text, "busy"));
    assert_int_equal(dev.n_opened, 0);
}

static void frames_come_from_the_mapped_buffer_and_go_back_at_once(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    struct source_options o = plug_in_webcam();
    int64_t before_ns;

    for (uint32_t i = 0; i < 20; i++)
        act((struct act){
            .sequence = i, .flags = MONOTONIC, .age_ns = 3 * NS_PER_MS, .fill = (uint8_t) i });
    dev.padding_bytes = 64;
    assert_int_equal(camera_open_with(&calls, &o, &source, NULL), 0);
    assert_int_equal(dev.n_queued, N_BUFFERS);
    for (int i = 0; i < 20; i++) {
        before_ns = now_ns();
        assert_int_equal(source_read(source, &sink, NULL), 1);
        assert_true(kept.mapped);
        assert_int_equal(kept.bytes[0], i);
        assert_int_equal(kept.frame.stride_bytes[0], 2 * 640 + 64);
        assert_int_equal(kept.frame.n_lost_before, 0);
        assert_true(llabs(before_ns - 3 * NS_PER_MS - kept.frame.time_ns) < 50 * NS_PER_MS);
        assert_int_equal(dev.n_queued, N_BUFFERS + i + 1);
    }
    assert_int_equal(source_read(source, &sink, NULL), 0); /* EAGAIN */
    source = source_free(source);
    assert_int_equal(dev.n_mapped, 0);
    assert_int_equal(dev.n_opened, 0);
    assert_false(dev.streaming);
}

static void gaps_and_bad_frames_are_counted_before_the_next_good_one(void **state) {
    static const struct {
        struct act act;
        int r, n_lost;
    } cases[] = {
        { { .sequence = 5 }, 1, 0 }, /* the first may have any number */
        { { .sequence = 6 }, 1, 0 },
        { { .sequence = 9 }, 1, 2 },
        { { .sequence = 10, .flags = V4L2_BUF_FLAG_ERROR }, 0, 0 },
        { { .sequence = 11, .bytesused = 1000 }, 0, 0 }, /* too short */
        { { .sequence = 13 }, 1, 3 },
        { { .sequence = 1 }, 1, 0 }, /* counting anew is no gap */
        { { .sequence = 2 }, 1, 0 },
    };
    const int n = sizeof(cases) / sizeof(cases[0]);
    _cleanup_(source_freep) struct source *source = NULL;
    struct source_options o = plug_in_webcam();

    for (int i = 0; i < n; i++)
        act(cases[i].act);
    assert_int_equal(camera_open_with(&calls, &o, &source, NULL), 0);
    for (int i = 0; i < n; i++) {
        assert_int_equal(source_read(source, &sink, NULL), cases[i].r);
        if (cases[i].r)
            assert_int_equal(kept.frame.n_lost_before, cases[i].n_lost);
        assert_int_equal(dev.n_queued, N_BUFFERS + i + 1);
    }
}

static void sequence_numbers_may_wrap(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    struct source_options o = plug_in_webcam();

    act((struct act){ .sequence = UINT32_MAX });
    act((struct act){ .sequence = 1 });
    assert_int_equal(camera_open_with(&calls, &o, &source, NULL), 0);
    assert_int_equal(source_read(source, &sink, NULL), 1);
    assert_int_equal(source_read(source, &sink, NULL), 1);
    assert_int_equal(kept.frame.n_lost_before, 1);
}

static void stamps_of_another_clock_are_replaced_and_time_always_grows(void **state) {
    static const struct act acts[] = {
        { .flags = V4L2_BUF_FLAG_TIMESTAMP_UNKNOWN, .age_ns = NS_PER_S },
        { .flags = MONOTONIC, .age_ns = 3600 * NS_PER_S },
        { .flags = MONOTONIC, .age_ns = -NS_PER_S },
        { .flags = MONOTONIC, .age_ns = NS_PER_S }, /* before the last one */
    };
    _cleanup_(source_freep) struct source *source = NULL;
    struct source_options o = plug_in_webcam();
    int64_t last_ns = 0;

    for (int i = 0; i < 4; i++)
        act(acts[i]);
    assert_int_equal(camera_open_with(&calls, &o, &source, NULL), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(source_read(source, &sink, NULL), 1);
        assert_true(kept.frame.time_ns > last_ns);
        assert_true(llabs(now_ns() - kept.frame.time_ns) < 200 * NS_PER_MS);
        last_ns = kept.frame.time_ns;
    }
}

static void a_camera_that_goes_or_fails_is_lost(void **state) {
    static const struct {
        int error, r;
        const char *says;
    } cases[] = {
        { -ENODEV, -ENODEV, "/dev/video7: the camera is gone" },
        { -EIO, -EIO, "/dev/video7: the camera failed: Input/output error" },
    };

    for (size_t i = 0; i < 2; i++) {
        _cleanup_(source_freep) struct source *source = NULL;
        struct source_options o = plug_in_webcam();
        struct fault fault = { "" };

        act((struct act){ .sequence = 0 });
        act((struct act){ .error = cases[i].error });
        assert_int_equal(camera_open_with(&calls, &o, &source, NULL), 0);
        assert_int_equal(source_read(source, &sink, &fault), 1);
        assert_int_equal(source_read(source, &sink, &fault), cases[i].r);
        assert_string_equal(fault.text, cases[i].says);
    }
}

static void masks_are_drawn_in_the_buffer_or_in_a_copy(void **state) {
    for (int read_only = 0; read_only < 2; read_only++) {
        _cleanup_(source_freep) struct source *source = NULL;
        struct source_options o = plug_in_webcam();

        o.n_masks = 1;
        o.masks[0] = (struct mask){ 0, 0, 100, 100 };
        dev.read_only = read_only;
        act((struct act){ .fill = 99 });
        assert_int_equal(camera_open_with(&calls, &o, &source, NULL), 0);
        assert_int_equal(source_read(source, &sink, NULL), 1);
        assert_int_equal(kept.bytes[0], 16);
        assert_int_equal(kept.mapped, !read_only);
        assert_int_equal(kept.frame.planes[0][640 * 2 * 100], 99);
        if (read_only)
            assert_int_equal(dev.buffers[0][0], 99);
    }
}

static void jpeg_frames_are_decoded_as_small_as_wanted_and_damage_counted(void **state) {
    const struct jpeg_picture p = { 640, 480, 3, .level = 120 };
    _cleanup_(source_freep) struct source *source = NULL;
    _cleanup_(freep) uint8_t *bytes = NULL;
    struct source_options o = plug_in_webcam();
    size_t n;

    bytes = jpeg_make(&p, &n);
    dev.jpeg = bytes;
    act((struct act){ .sequence = 0, .bytesused = (uint32_t) n });
    act((struct act){ .sequence = 1, .bytesused = (uint32_t) n / 2 });
    act((struct act){ .sequence = 2, .bytesused = (uint32_t) n });
    (void) strcpy(o.format, "mjpeg");
    assert_int_equal(camera_open_with(&calls, &o, &source, NULL), 0);
    assert_int_equal(source_read(source, &sink, NULL), 1);
    assert_int_equal(kept.frame.format, PIXEL_RGB24);
    assert_int_equal(kept.frame.width_px, 640);
    assert_in_range(kept.bytes[0], 118, 122);
    source_want_px(source, 64, 64);
    assert_int_equal(source_read(source, &sink, NULL), 0);
    assert_int_equal(source_read(source, &sink, NULL), 1);
    assert_int_equal(kept.frame.width_px, 160);
    assert_int_equal(kept.frame.n_lost_before, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_are_preferred_in_order_if_fast_enough),
        cmocka_unit_test(another_size_is_taken_and_reported),
        cmocka_unit_test(a_format_that_is_not_there_is_refused_with_what_is),
        cmocka_unit_test(nodes_that_are_no_cameras_are_refused_and_not_found),
        cmocka_unit_test(a_csi_camera_is_refused_with_what_to_do),
        cmocka_unit_test(what_cannot_be_opened_says_why),
        cmocka_unit_test(frames_come_from_the_mapped_buffer_and_go_back_at_once),
        cmocka_unit_test(gaps_and_bad_frames_are_counted_before_the_next_good_one),
        cmocka_unit_test(sequence_numbers_may_wrap),
        cmocka_unit_test(stamps_of_another_clock_are_replaced_and_time_always_grows),
        cmocka_unit_test(a_camera_that_goes_or_fails_is_lost),
        cmocka_unit_test(masks_are_drawn_in_the_buffer_or_in_a_copy),
        cmocka_unit_test(jpeg_frames_are_decoded_as_small_as_wanted_and_damage_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
