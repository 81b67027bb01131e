/* SPDX-License-Identifier: MIT */
/*
 * source - what any camera, microphone or recording offers to its capture thread.
 *
 * A source is opened, read and closed by one thread (its sensor's capture
 * worker), which waits on the source's descriptor and its stop fd. Reading
 * never blocks. A sound source delivers blocks of 10 ms at 16 kHz mono, resampled
 * if the device has another rate; a picture source delivers frames that are
 * only valid during the call.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"

enum {
    SOUND_RATE_HZ = 16000,
    SOUND_BLOCK_ITEMS = 160, /* 10 ms at 16 kHz */
    SOURCE_PATH_BYTES = 512,
    SOURCE_FORMAT_BYTES = 64,
    SOURCE_NOTE_BYTES = 256,
    MASKS_MAX = 16,
    MASK_PARTS = 10000, /* masks are given in 1/100 % of width and height */
};

/** 10 ms of sound. */
struct sound_block {
    int64_t time_ns;       /* CLOCK_MONOTONIC of the first sample, resampler's delay taken off */
    int32_t n_lost_before; /* samples (at 16 kHz) known to be missing before this block: a gap,
                              never filled in; -1: unknown */
    int16_t samples[SOUND_BLOCK_ITEMS];
};

enum pixel_format { PIXEL_YUYV, PIXEL_NV12, PIXEL_I420, PIXEL_GREY, PIXEL_RGB24 };

/** One frame, masks already applied. Planes are the source's; valid during the callback only. */
struct frame {
    int64_t time_ns; /* capture, CLOCK_MONOTONIC, from the kernel where it tells */
    enum pixel_format format;
    int32_t width_px, height_px;
    const uint8_t *planes[3]; /* NV12 uses two, I420 three (Y, U, V), the rest one */
    size_t stride_bytes[3];
    int32_t n_lost_before; /* frames the driver dropped before this one, by its sequence number */
};

/** A rectangle blacked out before anything else sees the frame; 1/100 % of width and height. */
struct mask {
    int32_t x, y, width, height; /* 0..MASK_PARTS */
};

enum source_kind { SOURCE_V4L2, SOURCE_ALSA, SOURCE_RECORDING };
enum source_data { SOURCE_SOUND, SOURCE_PICTURE };

/** What to open; plain values, compared with memcmp-like equality on reload. */
struct source_options {
    enum source_kind kind;
    enum source_data data;
    char device[SOURCE_PATH_BYTES]; /* as devices_choose() takes it; path of a recording */
    char format[16]; /* "auto", "yuyv", "mjpeg", "nv12", "grey"; ALSA "auto", "s16", "s24", "s24_3",
                        "s32"; raw recordings: "yuyv" ... */
    int32_t width_px, height_px; /* wanted; a raw recording's real size */
    double
        rate_hz; /* frames/s wanted (raw and picture recordings: real); sound: 0 = device's own */
    int32_t channel; /* sound: 0 = mean of all channels, else 1.. */
    size_t n_masks;
    struct mask masks[MASKS_MAX];
    bool loop;                /* recording: start again at the end */
    bool as_fast_as_possible; /* recording: the descriptor is always ready (virtual clock) */
    int64_t start_ns;         /* recording: time of its first sample/frame; 0: now_ns() at open */
};

struct source;

/** Receives what source_read() found. Same thread. */
struct source_sink {
    void (*sound)(const struct sound_block *block, void *user);
    void (*frame)(const struct frame *frame, void *user);
    void *user;
};

/**
 * Open and start. May take as long as a driver takes (capture thread only).
 * @fault  e.g. "/dev/video0: busy, held by pid 123 (cheese)"
 * Returns 0, -ENOENT, -ENODEV, -EBUSY, -EACCES, -EBADMSG, -ENOTSUP, -ENOMEM, other -errno of the
 * device.
 */
int source_open(const struct source_options *options, struct source **ret, struct fault *fault);

/** Stop and close. NULL is allowed. Returns NULL. */
struct source *source_free(struct source *source);
DEFINE_CLEANUP(struct source *, source_free)

/** A descriptor to poll(2) for @events (POLLIN ...), valid until source_free(); an epoll fd where a
 * device has several. */
int source_fd(const struct source *source);

/**
 * Hand over everything that is ready (at most a few blocks or one frame), never blocks.
 * Returns 1 if something was handed over, 0 if nothing was ready, -ENODATA at the
 * end of a recording, -ENODEV or another -errno if the device is lost.
 */
int source_read(struct source *source, const struct source_sink *sink, struct fault *fault);

/** What was negotiated, for a person: "YUYV 640x480", "S16_LE 48000 Hz 2 ch"; valid until
 * source_free(). */
const char *source_format(const struct source *source);

/** Negotiated frames/s, or the device's samples/s. */
double source_rate_hz(const struct source *source);

/** The device that was really opened (an "auto" resolved); valid until source_free(). */
const char *source_device(const struct source *source);

/** Why it was that device, if "auto" chose it, else ""; valid until source_free(). */
const char *source_note(const struct source *source);

/**
 * Say how large the pictures need to be from the next frame on: compressed ones are then
 * decoded scaled down by 2, 4 or 8, to no less than this. 0 x 0, as after source_open(): full
 * size. Raw frames stay as they are. Capture thread.
 */
void source_want_px(struct source *source, int32_t width_px, int32_t height_px);

/** Virtual clock: time of what the next source_read() will deliver, INT64_MAX at the end.
 * Recordings only, else 0. */
int64_t source_next_ns(const struct source *source);
