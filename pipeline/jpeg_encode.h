/* SPDX-License-Identifier: MIT */
/*
 * jpeg_encode - one frame to one JPEG picture with its time in a comment.
 *
 * Frames are limited range BT.601 as cameras give them; JFIF is full range, so that what
 * pipeline/jpeg.h decodes is what pipeline/picture.h would have made of the frame.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "pipeline/source.h"

struct jpeg_encode;

/** An encoder, to be used again and again by one thread. Returns 0, -ENOMEM. */
int jpeg_encode_new(struct jpeg_encode **ret);

/** NULL is allowed. Returns NULL. */
struct jpeg_encode *jpeg_encode_free(struct jpeg_encode *encode);
DEFINE_CLEANUP(struct jpeg_encode *, jpeg_encode_free)

/**
 * @frame  its time goes into the comment JPEG_TIME_COMMENT
 * @ret_data [@ret_n_bytes]  the encoder's, until the next call
 * Allocates inside libjpeg. Returns 0, -ENOMEM, -EINVAL (libjpeg refuses it).
 */
int jpeg_encode_frame(struct jpeg_encode *encode, const struct frame *frame,
                      const uint8_t **ret_data, size_t *ret_n_bytes);
