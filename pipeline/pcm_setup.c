/* SPDX-License-Identifier: MIT */
#include "pipeline/pcm_setup.h"

#include <errno.h>
#include <string.h>

#include "pipeline/devices.h"
#include "pipeline/resample.h"

enum { PERIOD_US = 10000, BUFFER_US = 400000 };

static const snd_pcm_format_t alsa_formats[] = {
    [PCM_S16] = SND_PCM_FORMAT_S16_LE,
    [PCM_S24] = SND_PCM_FORMAT_S24_LE,
    [PCM_S24_3] = SND_PCM_FORMAT_S24_3LE,
    [PCM_S32] = SND_PCM_FORMAT_S32_LE,
};

/* No resampling is best; then what divides well and devices really have. */
static const unsigned rates_hz[] = { SOUND_RATE_HZ, 48000, 32000, 44100, 96000, 8000, 192000 };

static void keep_quiet(const char *file, int line, const char *function, int error,
                       const char *format, va_list arguments) {}

void pcm_keep_quiet(void) {
    (void) snd_lib_error_set_local(keep_quiet); /* what was set before is not of interest */
}

int pcm_open(const char *name, snd_pcm_t **ret, struct fault *fault) {
    const int mode = SND_PCM_NONBLOCK | SND_PCM_NO_AUTO_RESAMPLE | SND_PCM_NO_AUTO_CHANNELS |
                     SND_PCM_NO_AUTO_FORMAT;
    char node[SOURCE_PATH_BYTES];
    int r;

    pcm_keep_quiet();
    r = snd_pcm_open(ret, name, SND_PCM_STREAM_CAPTURE, mode);
    if (r >= 0)
        return 0;
    *ret = NULL;
    if (r == -EBUSY && devices_sound_node(name, node) == 0) {
        devices_busy_fault(name, node, fault);
        return r;
    }
    if (r == -ENOENT)
        return fault_set(fault, r, "%s: no such sound device", name);
    return fault_set(fault, r, "%s: cannot be opened: %s", name, snd_strerror(r));
}

static int choose_format(snd_pcm_t *pcm, snd_pcm_hw_params_t *hw, const char *wanted,
                         enum pcm_format *ret) {
    static const enum pcm_format by_preference[] = { PCM_S16, PCM_S32, PCM_S24, PCM_S24_3 };

    if (wanted[0] != '\0' && strcmp(wanted, "auto") != 0)
        return pcm_parse(wanted, ret) < 0
                   ? -EINVAL
                   : snd_pcm_hw_params_set_format(pcm, hw, alsa_formats[*ret]);
    for (size_t i = 0; i < sizeof(by_preference) / sizeof(by_preference[0]); i++) {
        *ret = by_preference[i];
        if (snd_pcm_hw_params_set_format(pcm, hw, alsa_formats[*ret]) == 0)
            return 0;
    }
    return -EINVAL;
}

/* The fewest channels that hold the wanted one. */
static int choose_channels(snd_pcm_t *pcm, snd_pcm_hw_params_t *hw, unsigned channel,
                           unsigned *ret) {
    unsigned n = channel > 0 ? channel : 1;
    const int r = snd_pcm_hw_params_set_channels_min(pcm, hw, &n);

    return r < 0 ? r : snd_pcm_hw_params_set_channels_first(pcm, hw, ret);
}

static int choose_rate(snd_pcm_t *pcm, snd_pcm_hw_params_t *hw, double wanted_hz, unsigned *ret) {
    (void) snd_pcm_hw_params_set_rate_resample(pcm, hw, 0); /* only the plug layer knows it */
    if (wanted_hz > 0) {
        *ret = (unsigned) wanted_hz;
        return snd_pcm_hw_params_set_rate(pcm, hw, *ret, 0);
    }
    for (size_t i = 0; i < sizeof(rates_hz) / sizeof(rates_hz[0]); i++)
        if (snd_pcm_hw_params_set_rate(pcm, hw, rates_hz[i], 0) == 0) {
            *ret = rates_hz[i];
            return 0;
        }
    *ret = SOUND_RATE_HZ;
    return snd_pcm_hw_params_set_rate_near(pcm, hw, ret, NULL);
}

/* Choose and write the hardware's parameters; *@what names the last thing tried. */
static int set_hardware(snd_pcm_t *pcm, const struct source_options *options,
                        struct pcm_setup *setup, const char **what) {
    snd_pcm_hw_params_t *hw;
    unsigned period_us = PERIOD_US, buffer_us = BUFFER_US;
    int r;

    snd_pcm_hw_params_alloca(&hw);
    *what = "any parameters";
    r = snd_pcm_hw_params_any(pcm, hw);
    if (r < 0)
        return r;
    *what = "interleaved access";
    r = snd_pcm_hw_params_set_access(pcm, hw, SND_PCM_ACCESS_RW_INTERLEAVED);
    if (r < 0)
        return r;
    *what = "sample format (of s16, s24, s24_3, s32)";
    r = choose_format(pcm, hw, options->format, &setup->format);
    if (r < 0)
        return r;
    *what = "channel";
    r = choose_channels(pcm, hw, (unsigned) options->channel, &setup->n_channels);
    if (r < 0)
        return r;
    *what = "rate";
    r = choose_rate(pcm, hw, options->rate_hz, &setup->rate_hz);
    if (r < 0)
        return r;
    *what = "buffer";
    r = snd_pcm_hw_params_set_period_time_near(pcm, hw, &period_us, NULL);
    if (r < 0)
        return r;
    r = snd_pcm_hw_params_set_buffer_time_near(pcm, hw, &buffer_us, NULL);
    if (r < 0)
        return r;
    *what = "combination of parameters";
    r = snd_pcm_hw_params(pcm, hw);
    if (r < 0)
        return r;
    setup->format_name = snd_pcm_format_name(alsa_formats[setup->format]);
    (void) snd_pcm_hw_params_get_period_size(hw, &setup->period_items, NULL); /* now fixed */
    (void) snd_pcm_hw_params_get_buffer_size(hw, &setup->buffer_items);
    return 0;
}

/* Wake once per period; time stamps of the clock we use everywhere. */
static int set_software(snd_pcm_t *pcm, const struct pcm_setup *setup) {
    snd_pcm_sw_params_t *sw;
    int r;

    snd_pcm_sw_params_alloca(&sw);
    r = snd_pcm_sw_params_current(pcm, sw);
    if (r < 0)
        return r;
    (void) snd_pcm_sw_params_set_avail_min(pcm, sw, setup->period_items);
    (void) snd_pcm_sw_params_set_tstamp_mode(pcm, sw, SND_PCM_TSTAMP_ENABLE);
    /* old kernels and plugins refuse it; then their stamps are checked against our clock */
    (void) snd_pcm_sw_params_set_tstamp_type(pcm, sw, SND_PCM_TSTAMP_TYPE_MONOTONIC);
    return snd_pcm_sw_params(pcm, sw);
}

int pcm_ask(const char *name, struct pcm_offer *ret) {
    _cleanup_(pcm_closep) snd_pcm_t *pcm = NULL;
    struct pcm_offer offer = { 0 };
    snd_pcm_hw_params_t *hw;
    int r;

    pcm_keep_quiet();
    r = snd_pcm_open(&pcm, name, SND_PCM_STREAM_CAPTURE, SND_PCM_NONBLOCK);
    if (r < 0)
        return r;
    snd_pcm_hw_params_alloca(&hw);
    r = snd_pcm_hw_params_any(pcm, hw);
    if (r < 0)
        return r;
    for (size_t i = 0; i < sizeof(alsa_formats) / sizeof(alsa_formats[0]); i++)
        if (snd_pcm_hw_params_test_format(pcm, hw, alsa_formats[i]) == 0)
            offer.formats |= 1U << i;
    /* after hw_params_any() these hold what the device has */
    (void) snd_pcm_hw_params_get_rate_min(hw, &offer.rate_min_hz, NULL);
    (void) snd_pcm_hw_params_get_rate_max(hw, &offer.rate_max_hz, NULL);
    (void) snd_pcm_hw_params_get_channels_min(hw, &offer.channels_min);
    (void) snd_pcm_hw_params_get_channels_max(hw, &offer.channels_max);
    *ret = offer;
    return 0;
}

void pcm_offer_text(const struct pcm_offer *offer, char *ret, size_t n_max) {
    size_t n = 0;

    ret[0] = '\0';
    for (size_t i = 0; i < sizeof(alsa_formats) / sizeof(alsa_formats[0]) && n < n_max; i++)
        if (offer->formats & 1U << i)
            n += (size_t) snprintf(ret + n, n_max - n, "%s%s", n ? ", " : "",
                                   snd_pcm_format_name(alsa_formats[i]));
    if (n > 0 && n < n_max)
        (void) snprintf(ret + n, n_max - n, ", %u to %u Hz, %u to %u ch", offer->rate_min_hz,
                        offer->rate_max_hz, offer->channels_min,
                        offer->channels_max); /* cut is fine */
}

int pcm_set_up(snd_pcm_t *pcm, const struct source_options *options, const char *device,
               struct pcm_setup *ret, struct fault *fault) {
    struct pcm_setup setup = { 0 };
    const char *what = "";
    int r = set_hardware(pcm, options, &setup, &what);

    if (r == -EINVAL)
        return fault_set(
            fault, -ENOTSUP,
            "%s: the device has no such %s (asked for: format %s, channel %d, rate %g)", device,
            what, options->format, options->channel, options->rate_hz);
    if (r < 0)
        return fault_set(fault, r, "%s: %s: %s", device, what, snd_strerror(r));
    if (setup.rate_hz < RESAMPLER_RATE_MIN_HZ || setup.rate_hz > RESAMPLER_RATE_MAX_HZ)
        return fault_set(fault, -ENOTSUP, "%s: %u samples/s cannot be used", device, setup.rate_hz);
    r = set_software(pcm, &setup);
    if (r < 0)
        return fault_set(fault, r, "%s: software parameters: %s", device, snd_strerror(r));
    r = snd_pcm_prepare(pcm);
    if (r < 0)
        return fault_set(fault, r, "%s: cannot be prepared: %s", device, snd_strerror(r));
    *ret = setup;
    return 0;
}
