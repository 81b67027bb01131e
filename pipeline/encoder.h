/* SPDX-License-Identifier: MIT */
/*
 * encoder - one worker body for every modality: a sensor's data -> an embedding per hop.
 *
 * Sound: the window that ends at the first row end at or after the tick. Pictures: the
 * newest frame at the tick; without a new one the last answer is repeated while it is
 * not older than ENCODER_HOPS_OLD hops. One encoder serves all tasks that use the same
 * module, sensor and front end.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"
#include "models/bundle.h"
#include "pipeline/clock.h"
#include "pipeline/embedding.h"
#include "pipeline/tap.h"

struct encoder;

enum { ENCODER_HOPS_OLD = 2 };

/** What the network was given for one window. */
struct encoder_input {
    int64_t capture_ns; /* end of the window */
    int8_t values[];    /* as struct encoder_shape says */
};

/** How to read it: real = scale x (value - zero_point). */
struct encoder_shape {
    enum modality_kind kind;
    size_t n_rows, n_columns; /* of a picture; or spectra over time and their bands */
    size_t n_channels;        /* 1 or 3 */
    float scale;
    int32_t zero_point;
};

/** What makes two encoders the same, besides the sensor. */
struct encoder_options {
    const struct modality *modality; /* used during the call only, but its model is referenced */
    int64_t hop_ns;
};

/**
 * Make an encoder, with its thread (which waits for data) unless the clock is virtual.
 * @name     of the sensor, for the thread's name
 * @wake_fd  eventfd written with each embedding; must outlive the encoder, as @clock
 * @fault    when the module does not fit: which shape or type
 * Returns 0, -ENOTSUP (module does not fit), -ERANGE (features), -ENOMEM, -EAGAIN.
 */
int encoder_new(const struct encoder_options *options, const char *name, int wake_fd,
                const struct clock *clock, struct encoder **ret, struct fault *fault);

/** encoder_stop(), then free; the tap must be free. NULL is allowed. Returns NULL. */
struct encoder *encoder_free(struct encoder *encoder);
DEFINE_CLEANUP(struct encoder *, encoder_free)

/** End the thread and release the module; what the tap points to stays until encoder_free(). */
void encoder_stop(struct encoder *encoder);

/** True if @options ask for what @encoder does. */
bool encoder_fits(const struct encoder *encoder, const struct encoder_options *options);

/** What to set a tap of the sensor up with. */
struct tap_options encoder_tap(struct encoder *encoder);

/** The oldest embedding not yet taken, valid until encoder_take_end(); NULL if there is none. Main.
 */
const struct embedding *encoder_take_begin(struct encoder *encoder);
void encoder_take_end(struct encoder *encoder);

struct encoder_shape encoder_shape(const struct encoder *encoder);

/**
 * Main: from now on keep a copy of what the network is given, or no longer. Nothing is copied, and
 * no memory taken, before the first call.
 * Returns 0, -ENOMEM.
 */
int encoder_show(struct encoder *encoder, bool show);

/** Main: the newest copy since encoder_show(), valid until the next call; NULL: none yet. */
const struct encoder_input *encoder_shown(struct encoder *encoder);

/** Networks run; windows that gave no embedding though it was time (gap, no room). Any thread. */
uint64_t encoder_n_encoded(const struct encoder *encoder);
uint64_t encoder_n_dropped(const struct encoder *encoder);

/** When its thread last came by (CLOCK_MONOTONIC). */
int64_t encoder_beat_ns(const struct encoder *encoder);

/** How long it may take from data to an embedding with all in order: its window and some hops. */
int64_t encoder_window_ns(const struct encoder *encoder);

int64_t encoder_hop_ns(const struct encoder *encoder);

/** Virtual clock only: work on all that is there now. */
void encoder_pump(struct encoder *encoder);

/** Virtual clock only: when to pump though no data came; INT64_MAX: never. */
int64_t encoder_due_ns(const struct encoder *encoder);
