/* SPDX-License-Identifier: MIT */
/* JPEG: any bytes, in full size and scaled down; what is decoded must be whole, and a scan stay
 * inside. */
#include "pipeline/jpeg.h"

#include <stdint.h>
#include <stdlib.h>

#include "pipeline/pixels.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

/* The planes must be there from the first byte to the last: ASan says if not. */
static void touch(const struct frame *frame) {
    const size_t n = pixels_bytes(frame->format, frame->width_px, frame->height_px);
    const volatile uint8_t *const bytes = frame->planes[0];

    for (size_t i = 0; i < n; i += 61)
        (void) bytes[i];
    (void) bytes[n - 1];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    static struct jpeg *jpeg; /* one for all inputs, so that one may not spoil the next */
    struct jpeg_extent extent;

    if (!jpeg && jpeg_new(&jpeg) < 0)
        return 0;
    if (jpeg_scan(data, n_bytes, &extent) == 1 &&
        (extent.n_bytes > n_bytes || extent.n_bytes < 4 || extent.time_ns < -1))
        abort();
    for (int32_t want_px = 0; want_px <= 16; want_px += 16) {
        struct fault fault = { "" };
        struct frame frame;

        if (jpeg_decode(jpeg, data, n_bytes, want_px, want_px, &frame, &fault) == 0)
            touch(&frame);
        else if (fault.text[0] == '\0')
            abort();
    }
    return 0;
}
