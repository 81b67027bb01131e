/* SPDX-License-Identifier: MIT */
/*
 * pcm_setup - agrees with an ALSA capture device on what it delivers.
 *
 * Nothing is converted below us: neither rate, channels nor sample format. The plug layer is told
 * to leave them alone, and what the device has is taken as it is.
 */
#pragma once

#include <alsa/asoundlib.h>
#include <stdint.h>

#include "common/fault.h"
#include "pipeline/pcm.h"
#include "pipeline/source.h"

/** What was agreed. */
struct pcm_setup {
    enum pcm_format format;
    const char *format_name; /* static: ALSA's own, "S16_LE" */
    unsigned n_channels, rate_hz;
    snd_pcm_uframes_t period_items, buffer_items; /* 10 ms and several hundred, as near as it can */
};

/** libasound writes to stderr what it also returns; stop that in the calling thread. */
void pcm_keep_quiet(void);

/**
 * Open the capture device @name, not blocking; a busy one is refused with its holder's name.
 * Returns 0, -ENOENT (no such device), -ENODEV, -EBUSY, -EACCES, -errno; @fault says why.
 */
int pcm_open(const char *name, snd_pcm_t **ret, struct fault *fault);

static inline void pcm_closep(snd_pcm_t **pcm) {
    if (*pcm)
        (void) snd_pcm_close(*pcm); /* nothing to save */
}

/**
 * Choose format, channels, rate and buffer by options (@format, @channel, @rate_hz) and prepare
 * @pcm.
 * @device  for faults
 * Returns 0, -ENOTSUP (none of what we know, or not what was asked for), -errno.
 */
int pcm_set_up(snd_pcm_t *pcm, const struct source_options *options, const char *device,
               struct pcm_setup *ret, struct fault *fault);

/** What a capture device has of what we can use. */
struct pcm_offer {
    unsigned formats; /* bits 1 << enum pcm_format */
    unsigned rate_min_hz, rate_max_hz, channels_min, channels_max;
};

/** Ask the capture device @name; opens it for a moment. Returns 0, -EBUSY, -EACCES, -errno. */
int pcm_ask(const char *name, struct pcm_offer *ret);

/** "S16_LE, S32_LE, 8000 to 48000 Hz, 1 to 2 ch" into @ret [n_max]; "" if there is no format. */
void pcm_offer_text(const struct pcm_offer *offer, char *ret, size_t n_max);
