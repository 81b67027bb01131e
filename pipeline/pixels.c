/* SPDX-License-Identifier: MIT */
/* Layouts as the kernel defines them: Documentation/userspace-api/media/v4l, "YUV Formats". */
#include "pipeline/pixels.h"

#include <errno.h>
#include <string.h>

static const char *const names[] = {
    [PIXEL_YUYV] = "yuyv", [PIXEL_NV12] = "nv12",   [PIXEL_I420] = "i420",
    [PIXEL_GREY] = "grey", [PIXEL_RGB24] = "rgb24",
};

enum { N_FORMATS = sizeof(names) / sizeof(names[0]) };

const char *pixels_name(enum pixel_format format) {
    return names[format];
}

int pixels_parse(const char *name, enum pixel_format *ret) {
    for (int i = 0; i < N_FORMATS; i++)
        if (strcmp(name, names[i]) == 0) {
            *ret = (enum pixel_format) i;
            return 0;
        }
    return -ENOENT;
}

int pixels_check(enum pixel_format format, int32_t width_px, int32_t height_px) {
    if (width_px < 1 || height_px < 1 || width_px > FRAME_SIDE_MAX_PX ||
        height_px > FRAME_SIDE_MAX_PX)
        return -EINVAL;
    return format == PIXEL_YUYV && width_px % 2 != 0 ? -EINVAL : 0;
}

size_t pixels_row_bytes(enum pixel_format format, int32_t width_px) {
    const size_t width = (size_t) width_px;

    switch (format) {
    case PIXEL_YUYV:
        return 2 * width;
    case PIXEL_RGB24:
        return 3 * width;
    case PIXEL_NV12:
    case PIXEL_I420:
    case PIXEL_GREY:
        break;
    }
    return width;
}

/* Chroma of odd frames is rounded up. */
size_t pixels_strided_bytes(enum pixel_format format, int32_t height_px, size_t stride_bytes) {
    const size_t height = (size_t) height_px;
    const size_t luma = stride_bytes * height;

    if (format == PIXEL_NV12 || format == PIXEL_I420)
        return luma + 2 * ((stride_bytes + 1) / 2) * ((height + 1) / 2);
    return luma;
}

size_t pixels_bytes(enum pixel_format format, int32_t width_px, int32_t height_px) {
    return pixels_strided_bytes(format, height_px, pixels_row_bytes(format, width_px));
}

void pixels_lay(struct frame *frame, const uint8_t *data, size_t stride_bytes) {
    const size_t height = (size_t) frame->height_px;
    const size_t stride =
        stride_bytes ? stride_bytes : pixels_row_bytes(frame->format, frame->width_px);
    const size_t half = (stride + 1) / 2;

    frame->planes[0] = data;
    frame->stride_bytes[0] = stride;
    if (frame->format == PIXEL_NV12) {
        frame->planes[1] = data + stride * height;
        frame->stride_bytes[1] = 2 * half;
    }
    if (frame->format == PIXEL_I420) {
        frame->planes[1] = data + stride * height;
        frame->planes[2] = frame->planes[1] + half * ((height + 1) / 2);
        frame->stride_bytes[1] = frame->stride_bytes[2] = half;
    }
}
