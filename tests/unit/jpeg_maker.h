/* SPDX-License-Identifier: MIT */
/* jpeg_maker - JPEG pictures for tests, made by libjpeg. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* jpeglib.h needs the two before it. */
#include <jpeglib.h>

struct jpeg_picture {
    int width_px, height_px, n_colours; /* 1 or 3 */
    int level;                          /* all bytes of the picture have this value */
    bool progressive;
    const char *comment; /* NULL: none */
};

/* Make one; returns its bytes, to be freed by the caller. */
static inline unsigned char *jpeg_make(const struct jpeg_picture *picture, size_t *ret_n_bytes) {
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    unsigned char *bytes = NULL;
    unsigned long n_bytes = 0;
    JSAMPROW row = malloc((size_t) picture->width_px * 3);

    memset(row, picture->level, (size_t) picture->width_px * 3);
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &bytes, &n_bytes);
    info.image_width = (JDIMENSION) picture->width_px;
    info.image_height = (JDIMENSION) picture->height_px;
    info.input_components = picture->n_colours;
    info.in_color_space = picture->n_colours == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info);
    if (picture->progressive)
        jpeg_simple_progression(&info);
    jpeg_start_compress(&info, TRUE);
    if (picture->comment)
        jpeg_write_marker(&info, JPEG_COM, (const JOCTET *) picture->comment,
                          (unsigned) strlen(picture->comment));
    while (info.next_scanline < info.image_height)
        (void) jpeg_write_scanlines(&info, &row, 1);
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    free(row);
    *ret_n_bytes = n_bytes;
    return bytes;
}
