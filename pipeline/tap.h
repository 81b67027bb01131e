/* SPDX-License-Identifier: MIT */
/*
 * tap - where a sensor's capture thread hands its data to an encoder or recorder.
 *
 * A sensor has a fixed array of taps. Main sets one up and makes it ACTIVE; the
 * capture thread then serves it with every block or frame. To take it away main makes
 * it RETIRING and must keep what it points to until the capture thread, at its
 * next turn, has made it FREE. No lock; the state is the only shared variable, with
 * release by who changes it and acquire by who acts on it.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "models/bundle.h"
#include "pipeline/clock.h"
#include "pipeline/latest.h"
#include "pipeline/picture.h"
#include "pipeline/quality.h"
#include "pipeline/queue.h"
#include "pipeline/source.h"
#include "pipeline/worker.h"

/** What goes through a tap's queue from a microphone. */
struct heard {
    int64_t arrived_ns; /* when we got it */
    struct sound_block block;
};

/** What goes through a tap's latest from a camera: a frame shrunk for one network. */
struct seen {
    int64_t time_ns, arrived_ns, shrink_took_ns;
    int32_t width_px, height_px; /* of the whole frame */
    double quality;
    const char *quality_reason; /* static or NULL */
    uint8_t pixels[];           /* picture_bytes() */
};

/** What goes through a tap's queue from a camera to a recorder: a frame without padding. */
struct photographed {
    int64_t time_ns;
    enum pixel_format format;
    int32_t width_px, height_px;
    uint8_t pixels[]; /* pixels_bytes() */
};

enum tap_kind {
    TAP_SOUND,          /* encoder: every block counts */
    TAP_PICTURE,        /* encoder: the newest frame counts */
    TAP_SOUND_RECORDER, /* recorders: what they are too slow for is lost to them alone */
    TAP_FRAME_RECORDER,
};

/** What main sets up. The pointers must stay valid until the tap is FREE. */
struct tap_options {
    enum tap_kind kind;
    struct queue *queue;    /* SOUND*: of struct heard; FRAME_RECORDER: of struct photographed */
    size_t frame_bytes_max; /* FRAME_RECORDER: room for pixels in an item */
    struct latest *latest;  /* PICTURE: of struct seen */
    struct picture_features features; /* PICTURE */
    struct worker *reader;            /* woken with every item of the queue; NULL: nobody */
};

enum tap_state { TAP_FREE, TAP_ACTIVE, TAP_RETIRING };

struct tap {
    atomic_int
        state; /* enum tap_state; main: FREE -> ACTIVE -> RETIRING, capture: RETIRING -> FREE */
    atomic_uint_least64_t
        n_lost; /* items the reader had no room for; stored by capture, read by main */
    struct tap_options options; /* written by main while FREE, read by capture while ACTIVE */
    /* The capture thread's own: */
    struct picture *picture; /* plan for the frames that come now */
    int32_t n_refused_items; /* sound samples refused since the last block that went in */
};

/** Main: set up and serve from now on. @tap must be FREE. */
void tap_activate(struct tap *tap, const struct tap_options *options);

/** Main: stop serving. Wake the capture thread afterwards. */
void tap_retire(struct tap *tap);

/** Main: true if set up or not yet given up by the capture thread. */
bool tap_busy(const struct tap *tap);

/** Capture: true if @tap is to be served; a retiring one is given up here. */
bool tap_turn(struct tap *tap);

/** Capture: hand over. Returns 0, or -ENOBUFS if the reader was too slow and it is lost (then
 * counted). */
int tap_sound(struct tap *tap, const struct sound_block *block, const struct clock *clock);

/** Capture: shrink or copy, and hand over. Returns 0, or, counted, -ENOBUFS, -EMSGSIZE (no room for
 * such a frame), -ENOMEM, -ERANGE. */
int tap_frame(struct tap *tap, const struct frame *frame, const struct clock *clock,
              const struct quality *quality);

/** After the capture thread has ended: give up what it left. */
void tap_clear(struct tap *tap);
