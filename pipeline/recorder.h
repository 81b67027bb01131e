/* SPDX-License-Identifier: MIT */
/*
 * recorder - writes what one sensor delivers to a descriptor: WAV, or Motion JPEG.
 *
 * A thread of its own takes blocks or frames (masks already applied) from a bounded queue and
 * writes. When the disk is slow, the queue is full and data is lost to the recording, counted;
 * capture never waits. A write that fails ends the writing; the error stays for the result.
 */
#pragma once

#include <stddef.h>

#include "common/cleanup.h"
#include "common/fault.h"
#include "pipeline/pipeline.h"
#include "pipeline/tap.h"

struct recorder;

/**
 * @fd    open for writing; owned by the recorder from a successful call on
 * @name  of the sensor, for the thread's name
 * @frame_bytes_max  room for the pixels of a frame; larger ones are lost, counted. Sound: 0
 * Returns 0, -EBADF (not open for writing), -EINVAL, -ENOMEM, -EAGAIN.
 */
int recorder_new(int fd, enum source_data data, size_t frame_bytes_max, const char *name,
                 struct recorder **ret, struct fault *fault);

/** recorder_stop() if that was not done, then free. NULL is allowed. Returns NULL. */
struct recorder *recorder_free(struct recorder *recorder);
DEFINE_CLEANUP(struct recorder *, recorder_free)

/** What to set a tap of the sensor up with. */
struct tap_options recorder_tap(struct recorder *recorder);

/** Write what is still in the queue, finish the file, close the descriptor. n_lost is what was
 * refused and not written. */
void recorder_stop(struct recorder *recorder, struct record_result *ret);
