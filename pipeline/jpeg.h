/* SPDX-License-Identifier: MIT */
/*
 * jpeg - one JPEG picture to RGB24 or GREY, scaled down while decoding.
 *
 * For Motion JPEG cameras and recordings and for picture files. Whatever the
 * bytes are, it returns: libjpeg's error exit is caught in jpeg.c and nowhere else.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"
#include "pipeline/source.h"

/* Memory for one picture, ours and libjpeg's own, has these bounds. */
enum {
    JPEG_PIXELS_MAX = 1 << 24,               /* 16 megapixels, decoded */
    JPEG_SCANS_MAX = 64,                     /* of a progressive picture */
    JPEG_WORK_BYTES_MAX = 256 * 1024 * 1024, /* coefficients of a progressive picture */
};

/** The comment that our recorder puts into each frame: its text up to the number. */
#define JPEG_TIME_COMMENT "lookout-time-ns="

struct jpeg;

/** A decoder, to be used again and again. Returns 0, -ENOMEM. */
int jpeg_new(struct jpeg **ret);

/** NULL is allowed. Returns NULL. */
struct jpeg *jpeg_free(struct jpeg *jpeg);
DEFINE_CLEANUP(struct jpeg *, jpeg_free)

/**
 * Decode the picture in @data [n_bytes]. Grey pictures give PIXEL_GREY, all others PIXEL_RGB24.
 * @want_width_px, @want_height_px  scale down by 8, 4 or 2, the most that leaves both sides
 *         at least this long; 0: full size
 * @ret    size, format and planes are set; the planes are the decoder's and writable, valid
 *         until the next jpeg_decode()
 * Allocates when a picture is larger than all before it, and inside libjpeg.
 * Returns 0, -EBADMSG (not a JPEG, damaged, cut short), -ENOTSUP (too large, CMYK), -ENOMEM.
 */
int jpeg_decode(struct jpeg *jpeg, const uint8_t *data, size_t n_bytes, int32_t want_width_px,
                int32_t want_height_px, struct frame *ret, struct fault *fault);

/** What jpeg_scan() found. */
struct jpeg_extent {
    size_t n_bytes;  /* from the first byte of the picture to behind its last */
    int64_t time_ns; /* of a JPEG_TIME_COMMENT, or -1 */
};

/**
 * Find the end of the picture that begins at @data, by its markers (ITU-T T.81, annex B).
 * Returns 1 and @ret, 0 if more than @n_bytes are needed to tell, -EBADMSG if this is no JPEG.
 */
int jpeg_scan(const uint8_t *data, size_t n_bytes, struct jpeg_extent *ret);
