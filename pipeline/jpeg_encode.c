/* SPDX-License-Identifier: MIT */
/*
 * Encoding by libjpeg-turbo, row by row. Y' = (Y - 16) 255 / 219 and C' = (C - 128) 255 / 224 + 128
 * (ITU-R BT.601 to ITU-T T.871) through tables.
 */
#include "pipeline/jpeg_encode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

/* jpeglib.h needs the two before it. */
#include <jpeglib.h>

#include <jerror.h>

#include "pipeline/jpeg.h"
#include "pipeline/pixels.h"

enum { QUALITY = 90, BYTE_VALUES = 256, PIXEL_BYTES_MAX = 3 };

struct jpeg_encode {
    struct jpeg_compress_struct info; /* its err points at `errors` */
    struct jpeg_error_mgr errors;
    jmp_buf broken;
    unsigned char *data; /* libjpeg's, by malloc() */
    unsigned long n_bytes;
    uint8_t luma[BYTE_VALUES], chroma[BYTE_VALUES];
    uint8_t row[FRAME_SIDE_MAX_PX * PIXEL_BYTES_MAX];
};

/* libjpeg must not return from here, and would end the process. */
static void on_error(j_common_ptr info) {
    struct jpeg_encode *const encode = info->client_data;

    longjmp(encode->broken, 1);
}

static void on_message(j_common_ptr info, int level) {
    (void) info;
    (void) level; /* warnings are of no use when encoding */
}

static uint8_t stretch(int value, int zero, int range, int offset) {
    const int scaled = (value - zero) * 255;
    const int rounded = (scaled + (scaled < 0 ? -range / 2 : range / 2)) / range + offset;

    return (uint8_t) (rounded < 0 ? 0 : rounded > 255 ? 255 : rounded);
}

/* -ENOMEM is the only way in which libjpeg fails here. */
static int create(struct jpeg_encode *e) {
    e->info.err = jpeg_std_error(&e->errors);
    e->errors.error_exit = on_error;
    e->errors.emit_message = on_message;
    e->info.client_data = e; /* kept by jpeg_create_compress() */
    if (setjmp(e->broken))
        return -ENOMEM;
    jpeg_create_compress(&e->info);
    return 0;
}

int jpeg_encode_new(struct jpeg_encode **ret) {
    _cleanup_(jpeg_encode_freep) struct jpeg_encode *e = calloc(1, sizeof(*e));
    int r;

    if (!e)
        return -ENOMEM;
    for (int i = 0; i < BYTE_VALUES; i++) {
        e->luma[i] = stretch(i, 16, 219, 0);
        e->chroma[i] = stretch(i, 128, 224, 128);
    }
    r = create(e);
    if (r < 0)
        return r;
    *ret = e;
    e = NULL; /* now the caller's */
    return 0;
}

struct jpeg_encode *jpeg_encode_free(struct jpeg_encode *encode) {
    if (!encode)
        return NULL;
    if (encode->info.mem)
        jpeg_destroy_compress(&encode->info);
    free(encode->data);
    free(encode);
    return NULL;
}

/* Chroma of pixel @x in row @y of a frame in YUYV, NV12 or I420. */
static void chroma_at(const struct frame *f, size_t x, size_t y, uint8_t *ret_u, uint8_t *ret_v) {
    const uint8_t *row;

    *ret_u = *ret_v = 128; /* GREY and RGB24 have none and are not asked */
    switch (f->format) {
    case PIXEL_YUYV:
        row = f->planes[0] + y * f->stride_bytes[0] + x / 2 * 4;
        *ret_u = row[1];
        *ret_v = row[3];
        return;
    case PIXEL_NV12:
        row = f->planes[1] + y / 2 * f->stride_bytes[1] + x / 2 * 2;
        *ret_u = row[0];
        *ret_v = row[1];
        return;
    case PIXEL_I420:
        *ret_u = f->planes[1][y / 2 * f->stride_bytes[1] + x / 2];
        *ret_v = f->planes[2][y / 2 * f->stride_bytes[2] + x / 2];
        return;
    case PIXEL_GREY:
    case PIXEL_RGB24:
        return;
    }
}

/* Row @y as libjpeg wants it: full range YCbCr, or the frame's own bytes. */
static const uint8_t *row_of(struct jpeg_encode *e, const struct frame *f, size_t y) {
    const uint8_t *const luma = f->planes[0] + y * f->stride_bytes[0];
    const size_t pitch = f->format == PIXEL_YUYV ? 2 : 1;

    if (f->format == PIXEL_GREY || f->format == PIXEL_RGB24)
        return luma;
    for (size_t x = 0; x < (size_t) f->width_px; x++) {
        uint8_t u, v;

        chroma_at(f, x, y, &u, &v);
        e->row[3 * x] = e->luma[luma[x * pitch]];
        e->row[3 * x + 1] = e->chroma[u];
        e->row[3 * x + 2] = e->chroma[v];
    }
    return e->row;
}

static void set_up(struct jpeg_encode *e, const struct frame *f) {
    const bool grey = f->format == PIXEL_GREY;

    e->info.image_width = (JDIMENSION) f->width_px;
    e->info.image_height = (JDIMENSION) f->height_px;
    e->info.input_components = grey ? 1 : 3;
    e->info.in_color_space = grey ? JCS_GRAYSCALE : f->format == PIXEL_RGB24 ? JCS_RGB : JCS_YCbCr;
    jpeg_set_defaults(&e->info);
    jpeg_set_quality(&e->info, QUALITY, TRUE);
    e->info.dct_method = JDCT_ISLOW; /* the same bytes with and without SIMD */
}

/* What libjpeg does may leave through longjmp; nothing here owns anything meanwhile. */
static int compress(struct jpeg_encode *e, const struct frame *f, const char *comment) {
    if (setjmp(e->broken))
        return e->errors.msg_code == JERR_OUT_OF_MEMORY ? -ENOMEM : -EINVAL;
    jpeg_mem_dest(&e->info, &e->data, &e->n_bytes);
    set_up(e, f);
    jpeg_start_compress(&e->info, TRUE);
    jpeg_write_marker(&e->info, JPEG_COM, (const JOCTET *) comment, (unsigned) strlen(comment));
    while (e->info.next_scanline < e->info.image_height) {
        JSAMPROW row = (JSAMPROW) row_of(e, f, e->info.next_scanline); /* only read */

        (void) jpeg_write_scanlines(&e->info, &row, 1); /* a memory target is never suspended */
    }
    jpeg_finish_compress(&e->info);
    return 0;
}

int jpeg_encode_frame(struct jpeg_encode *encode, const struct frame *frame,
                      const uint8_t **ret_data, size_t *ret_n_bytes) {
    char comment[64];
    int r;

    free(encode->data); /* libjpeg makes a new one */
    encode->data = NULL;
    encode->n_bytes = 0;
    (void) snprintf(comment, sizeof(comment), JPEG_TIME_COMMENT "%lld",
                    (long long) frame->time_ns); /* fits */
    r = compress(encode, frame, comment);
    jpeg_abort_compress(&encode->info); /* ready for the next one, whatever happened */
    if (r < 0)
        return r;
    *ret_data = encode->data;
    *ret_n_bytes = encode->n_bytes;
    return 0;
}
