/* SPDX-License-Identifier: MIT */
#include "pipeline/masks.h"

#include <string.h>

/* YUV has BT.601's limited range, GREY and RGB the full one, as in picture.h. */
enum { LUMA_BLACK = 16, CHROMA_NEUTRAL = 128, BLACK = 0, GRAIN_PX = 2 };

/* Pixels [x0, x1) x [y0, y1). */
struct box {
    size_t x0, y0, x1, y1;
};

bool masks_valid(const struct mask *masks, size_t n_masks) {
    for (size_t i = 0; i < n_masks; i++) {
        const struct mask *m = &masks[i];

        if (m->x < 0 || m->y < 0 || m->width <= 0 || m->height <= 0 || m->x > MASK_PARTS ||
            m->y > MASK_PARTS || m->width > MASK_PARTS || m->height > MASK_PARTS)
            return false;
    }
    return true;
}

/* The lower edge: floor, then down to the grain. */
static size_t edge_down(int64_t parts, int64_t side_px) {
    const int64_t px = parts * side_px / MASK_PARTS;

    return (size_t) (px - px % GRAIN_PX);
}

/* The upper edge: ceil, then up to the grain, but not past the frame. */
static size_t edge_up(int64_t parts, int64_t side_px) {
    const int64_t exact = (parts * side_px + MASK_PARTS - 1) / MASK_PARTS;
    const int64_t px = (exact + GRAIN_PX - 1) / GRAIN_PX * GRAIN_PX;

    return (size_t) (px < side_px ? px : side_px);
}

static struct box mask_box(const struct mask *m, const struct frame *frame) {
    return (struct box){
        .x0 = edge_down(m->x, frame->width_px),
        .y0 = edge_down(m->y, frame->height_px),
        .x1 = edge_up((int64_t) m->x + m->width, frame->width_px),
        .y1 = edge_up((int64_t) m->y + m->height, frame->height_px),
    };
}

/* Half the box, for chroma planes; the upper edges of odd frames round up. */
static struct box half(struct box b) {
    return (struct box){ b.x0 / 2, b.y0 / 2, (b.x1 + 1) / 2, (b.y1 + 1) / 2 };
}

/* Set every byte of the box, @pixel_bytes wide pixels, in plane @i. */
static void fill(const struct frame *frame, size_t i, struct box b, size_t pixel_bytes, int value) {
    for (size_t y = b.y0; y < b.y1 && b.x0 < b.x1; y++)
        memset((uint8_t *) frame->planes[i] + y * frame->stride_bytes[i] + b.x0 * pixel_bytes,
               value, (b.x1 - b.x0) * pixel_bytes);
}

/* Y U Y V: x0 is even, and an odd x1 is the end of an odd frame, whose last pair has no second Y.
 */
static void fill_yuyv(const struct frame *frame, struct box b) {
    for (size_t y = b.y0; y < b.y1; y++) {
        uint8_t *row = (uint8_t *) frame->planes[0] + y * frame->stride_bytes[0];

        for (size_t x = b.x0; x < b.x1; x++) {
            row[2 * x] = LUMA_BLACK;
            row[2 * x + 1] = CHROMA_NEUTRAL;
        }
    }
}

void masks_apply(const struct frame *frame, const struct mask *masks, size_t n_masks) {
    for (size_t i = 0; i < n_masks; i++) {
        const struct box b = mask_box(&masks[i], frame);

        switch (frame->format) {
        case PIXEL_YUYV:
            fill_yuyv(frame, b);
            break;
        case PIXEL_NV12:
            fill(frame, 0, b, 1, LUMA_BLACK);
            fill(frame, 1, half(b), 2, CHROMA_NEUTRAL);
            break;
        case PIXEL_I420:
            fill(frame, 0, b, 1, LUMA_BLACK);
            fill(frame, 1, half(b), 1, CHROMA_NEUTRAL);
            fill(frame, 2, half(b), 1, CHROMA_NEUTRAL);
            break;
        case PIXEL_GREY:
            fill(frame, 0, b, 1, BLACK);
            break;
        case PIXEL_RGB24:
            fill(frame, 0, b, 3, BLACK);
            break;
        }
    }
}
