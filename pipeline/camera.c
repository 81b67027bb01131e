/* SPDX-License-Identifier: MIT */
/*
 * Streaming with memory-mapped buffers as in the kernel's
 * Documentation/userspace-api/media/v4l/mmap.rst. A buffer goes back to the driver
 * as soon as the sink has seen it.
 */
#include "pipeline/camera.h"

#include <errno.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

#include "common/units.h"
#include "pipeline/camera_setup.h"
#include "pipeline/devices.h"
#include "pipeline/devices_choose.h"
#include "pipeline/jpeg.h"
#include "pipeline/masks.h"
#include "pipeline/pixels.h"
#include "pipeline/source_class.h"

enum {
    BUFFERS_WANTED = 4,
    BUFFERS_MIN = 2,
    BUFFERS_MAX = 32,
};

/* A stamp older than this, or of the future, is of another clock. */
#define STAMP_AGE_MAX_NS (2 * NS_PER_S)
/* A jump of sequence numbers beyond this is a driver that began to count anew. */
#define SEQUENCE_GAP_MAX 100000u

struct camera_buffer {
    void *data;
    size_t n_bytes;
};

struct camera {
    struct source source; /* its fd is the node's */
    const struct v4l2_calls *calls;
    struct camera_setup setup;
    uint32_t n_buffers;
    struct camera_buffer buffers[BUFFERS_MAX];
    bool read_only, streaming;
    struct jpeg *jpeg; /* if setup.jpeg */
    uint8_t *copy;     /* [setup.image_bytes] if masks cannot be written into the buffers */
    int32_t want_width_px, want_height_px;
    bool counting; /* last_sequence is set */
    uint32_t last_sequence;
    int32_t n_lost; /* since the last frame given */
    int64_t last_ns;
    size_t n_masks;
    struct mask masks[MASKS_MAX];
};

static struct source *camera_free(struct source *source) {
    struct camera *cam = (struct camera *) source;
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;

    if (cam->streaming)
        (void) cam->calls->ioctl(source->fd, VIDIOC_STREAMOFF, &type); /* it may be gone */
    for (uint32_t i = 0; i < cam->n_buffers; i++)
        if (cam->buffers[i].data)
            cam->calls->unmap(cam->buffers[i].data, cam->buffers[i].n_bytes);
    if (source->fd >= 0)
        cam->calls->close(source->fd);
    jpeg_free(cam->jpeg);
    free(cam->copy);
    free(cam);
    return NULL;
}

static struct v4l2_buffer blank_buffer(uint32_t index) {
    return (struct v4l2_buffer){ .index = index,
                                 .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
                                 .memory = V4L2_MEMORY_MMAP };
}

static int lost(const struct camera *cam, int error, struct fault *fault) {
    if (error == -ENODEV || error == -ENXIO)
        return fault_set(fault, -ENODEV, "%s: the camera is gone", cam->source.device);
    return fault_set(fault, error, "%s: the camera failed: %s", cam->source.device,
                     strerror(-error));
}

/* Frames that the driver counted but did not give. */
static void count_gap(struct camera *cam, uint32_t sequence) {
    const uint32_t n_missing = sequence - cam->last_sequence - 1; /* wraps as the driver does */

    if (cam->counting && n_missing <= SEQUENCE_GAP_MAX)
        cam->n_lost += (int32_t) n_missing;
    cam->counting = true;
    cam->last_sequence = sequence;
}

/* The kernel's stamp if it is one of our clock, else now; always later than the one before. */
static int64_t time_of(struct camera *cam, const struct v4l2_buffer *buffer) {
    const uint32_t clock = buffer->flags & V4L2_BUF_FLAG_TIMESTAMP_MASK;
    const int64_t now = now_ns();
    int64_t at_ns =
        (int64_t) buffer->timestamp.tv_sec * NS_PER_S + buffer->timestamp.tv_usec * NS_PER_US;

    if (clock != V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC || at_ns > now || now - at_ns > STAMP_AGE_MAX_NS)
        at_ns = now;
    if (at_ns <= cam->last_ns)
        at_ns = cam->last_ns + 1;
    cam->last_ns = at_ns;
    return at_ns;
}

/* Raw: the planes lie in the buffer, or in our copy of it if masks must be drawn and cannot. */
static int frame_of_raw(struct camera *cam, const struct v4l2_buffer *buffer, struct frame *ret) {
    const uint8_t *data = cam->buffers[buffer->index].data;

    if (buffer->bytesused < cam->setup.image_bytes)
        return -EBADMSG;
    if (cam->copy) {
        memcpy(cam->copy, data, cam->setup.image_bytes);
        data = cam->copy;
    }
    *ret = (struct frame){ .format = cam->setup.format,
                           .width_px = cam->setup.width_px,
                           .height_px = cam->setup.height_px };
    pixels_lay(ret, data, cam->setup.stride_bytes);
    return 0;
}

/* Give the buffer's frame, or count it as lost. Returns 1, 0, -ENOMEM. */
static int give(struct camera *cam, const struct v4l2_buffer *buffer,
                const struct source_sink *sink) {
    const int64_t time_ns = time_of(cam, buffer);
    struct frame frame = { 0 };
    int r = -EBADMSG;

    if (buffer->flags & V4L2_BUF_FLAG_ERROR)
        r = -EBADMSG;
    else if (cam->setup.jpeg)
        r = jpeg_decode(cam->jpeg, cam->buffers[buffer->index].data, buffer->bytesused,
                        cam->want_width_px, cam->want_height_px, &frame, NULL);
    else
        r = frame_of_raw(cam, buffer, &frame);
    if (r == -ENOMEM)
        return r;
    if (r < 0) {
        cam->n_lost++;
        return 0;
    }
    masks_apply(&frame, cam->masks, cam->n_masks);
    frame.time_ns = time_ns;
    frame.n_lost_before = cam->n_lost;
    cam->n_lost = 0;
    sink->frame(&frame, sink->user);
    return 1;
}

/* Nothing to dequeue: is that so, or has the stream died? A dead one stays ready for ever. */
static int nothing_ready(const struct camera *cam, struct fault *fault) {
    struct pollfd p = { .fd = cam->source.fd, .events = POLLIN };

    if (poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP)) && !(p.revents & POLLIN))
        return lost(cam, -EIO, fault);
    return 0;
}

static int camera_read(struct source *source, const struct source_sink *sink, struct fault *fault) {
    struct camera *cam = (struct camera *) source;
    struct v4l2_buffer buffer = blank_buffer(0);
    int r = cam->calls->ioctl(source->fd, VIDIOC_DQBUF, &buffer), given;

    if (r == -EAGAIN)
        return nothing_ready(cam, fault);
    if (r < 0)
        return lost(cam, r, fault);
    if (buffer.index >= cam->n_buffers || buffer.bytesused > cam->buffers[buffer.index].n_bytes)
        return lost(cam, -EIO, fault); /* the driver is out of its mind */
    count_gap(cam, buffer.sequence);
    given = give(cam, &buffer, sink);
    r = cam->calls->ioctl(source->fd, VIDIOC_QBUF, &buffer);
    if (given < 0)
        return given;
    return r < 0 ? lost(cam, r, fault) : given;
}

static void camera_want_px(struct source *source, int32_t width_px, int32_t height_px) {
    struct camera *cam = (struct camera *) source;

    cam->want_width_px = width_px;
    cam->want_height_px = height_px;
}

static const struct source_class camera_class = {
    .read = camera_read,
    .free = camera_free,
    .want_px = camera_want_px,
};

static int map_buffer(struct camera *cam, uint32_t index) {
    struct v4l2_buffer buffer = blank_buffer(index);
    struct camera_buffer *mapped = &cam->buffers[index];
    int r = cam->calls->ioctl(cam->source.fd, VIDIOC_QUERYBUF, &buffer);

    if (r < 0)
        return r;
    if (!cam->setup.jpeg && buffer.length < cam->setup.image_bytes)
        return -EIO; /* it would write frames shorter than it said */
    r = cam->calls->map(cam->source.fd, buffer.length, PROT_READ | PROT_WRITE, buffer.m.offset,
                        &mapped->data);
    if (r == -EACCES || r == -EPERM || r == -EINVAL) {
        cam->read_only = true;
        r = cam->calls->map(cam->source.fd, buffer.length, PROT_READ, buffer.m.offset,
                            &mapped->data);
    }
    if (r < 0)
        return r;
    mapped->n_bytes = buffer.length;
    return cam->calls->ioctl(cam->source.fd, VIDIOC_QBUF, &buffer);
}

/* Have the driver make buffers, map and queue them, start. */
static int start_streaming(struct camera *cam) {
    struct v4l2_requestbuffers request = { .count = BUFFERS_WANTED,
                                           .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
                                           .memory = V4L2_MEMORY_MMAP };
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;
    int r = cam->calls->ioctl(cam->source.fd, VIDIOC_REQBUFS, &request);

    if (r < 0)
        return r;
    if (request.count < BUFFERS_MIN || request.count > BUFFERS_MAX)
        return -ENOMEM;
    cam->n_buffers = request.count;
    for (uint32_t i = 0; i < cam->n_buffers; i++) {
        r = map_buffer(cam, i);
        if (r < 0)
            return r;
    }
    r = cam->calls->ioctl(cam->source.fd, VIDIOC_STREAMON, &type);
    cam->streaming = r >= 0;
    return r < 0 ? r : 0;
}

/* What decoding and masking need besides the buffers. */
static int make_room(struct camera *cam) {
    if (cam->setup.jpeg)
        return jpeg_new(&cam->jpeg);
    if (!cam->read_only || cam->n_masks == 0)
        return 0;
    cam->copy = malloc(cam->setup.image_bytes);
    return cam->copy ? 0 : -ENOMEM;
}

/* Say who has the camera, if it is busy. */
static int explain(const struct camera *cam, int error, const struct fault *why,
                   struct fault *fault) {
    const char *const device = cam->source.device;

    if (error == -EBUSY) {
        devices_busy_fault(device, device, fault);
        return error;
    }
    if (why && why->text[0] != '\0')
        return fault_set(fault, error, "%s", why->text);
    if (error == -EACCES)
        return fault_set(fault, error,
                         "%s: lookoutd may not open it; add its user to the group of the node "
                         "(video) and start it again",
                         device);
    if (error == -ENOENT)
        return fault_set(fault, error,
                         "%s: no such camera; plug it in, or choose from `lookoutctl devices`",
                         device);
    return fault_set(fault, error, "%s: cannot be started: %s", device, strerror(-error));
}

static int start(struct camera *cam, const struct source_options *options, struct fault *fault) {
    struct source *source = &cam->source;
    struct fault why = { "" };
    char name[5];
    int r = cam->calls->open(source->device);

    if (r < 0)
        return explain(cam, r, NULL, fault);
    source->fd = r;
    r = camera_set_up(cam->calls, source->fd, options, source->device, &cam->setup, &why);
    if (r < 0)
        return explain(cam, r, &why, fault);
    source->rate_hz = cam->setup.rate_hz;
    (void) snprintf(source->format, sizeof(source->format), "%s %dx%d",
                    camera_fourcc_name(cam->setup.fourcc, name), cam->setup.width_px,
                    cam->setup.height_px);
    r = start_streaming(cam);
    if (r >= 0)
        r = make_room(cam);
    return r < 0 ? explain(cam, r, NULL, fault) : 0;
}

int camera_open_with(const struct v4l2_calls *calls, const struct source_options *options,
                     struct source **ret, struct fault *fault) {
    _cleanup_(source_freep) struct source *source = NULL;
    struct camera *cam = calloc(1, sizeof(*cam));
    int r;

    if (!cam)
        return -ENOMEM;
    cam->source.class = &camera_class;
    cam->source.fd = -1;
    cam->calls = calls;
    cam->n_masks = options->n_masks;
    memcpy(cam->masks, options->masks, sizeof(cam->masks));
    source = &cam->source;
    (void) strcpy(source->device, options->device); /* arrays of one size */
    r = start(cam, options, fault);
    if (r < 0)
        return r;
    *ret = source;
    source = NULL;
    return 0;
}

/* As the camera gives it if we can; else as libv4l2 can convert it. */
static int open_node(const struct source_options *options, struct source **ret,
                     struct fault *fault) {
    const int r = camera_open_with(&v4l2_calls_plain, options, ret, fault);

    if (r != -ENOTSUP)
        return r;
    return camera_open_with(&v4l2_calls_converting, options, ret, NULL) == 0 ? 0 : r;
}

int camera_open(const struct source_options *options, struct source **ret, struct fault *fault) {
    struct source_options chosen = *options;
    struct device_choice choice;
    int r = devices_choose(SOURCE_V4L2, options->device, &choice, fault);

    if (r < 0)
        return r;
    memcpy(chosen.device, choice.device, sizeof(chosen.device));
    r = open_node(&chosen, ret, fault);
    if (r == 0)
        memcpy((*ret)->note, choice.note, sizeof(choice.note));
    return r;
}
