/* SPDX-License-Identifier: MIT */
/*
 * image_file - a PNG or JPEG file as a frame, for picture sequences and evaluation.
 *
 * Grey files give PIXEL_GREY, all others PIXEL_RGB24; what is transparent is black.
 */
#pragma once

#include "common/cleanup.h"
#include "common/fault.h"
#include "pipeline/source.h"

/* A larger file is refused before it is read. */
enum { IMAGE_FILE_BYTES_MAX = 64 * 1024 * 1024 };

struct image_file;

/** A reader, to be used for one file after the other. Returns 0, -ENOMEM. */
int image_file_new(struct image_file **ret);

/** NULL is allowed. Returns NULL. */
struct image_file *image_file_free(struct image_file *file);
DEFINE_CLEANUP(struct image_file *, image_file_free)

/**
 * Read and decode the file @path; its first bytes tell the kind.
 * @want_width_px, @want_height_px  as in jpeg_decode(); a PNG is always full size
 * @ret  size, format and planes are set; the planes are the reader's and writable, valid
 *       until the next call
 * Returns 0, -ENOENT, -EACCES ..., -EBADMSG (neither PNG nor JPEG, damaged, empty), -EFBIG,
 * -ENOTSUP (too many pixels), -ENOMEM; @fault names the file.
 */
int image_file_read(struct image_file *file, const char *path, int32_t want_width_px,
                    int32_t want_height_px, struct frame *ret, struct fault *fault);
