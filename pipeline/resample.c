/* SPDX-License-Identifier: MIT */
/*
 * Method: band-limited interpolation with a Kaiser-windowed sinc, as libspeexdsp
 * does it (J. O. Smith, Digital Audio Resampling, and speexdsp resample.c).
 * speex_resampler_skip_zeros() starts half a filter in, which aligns output
 * sample 0 with input sample 0.
 */
#include "pipeline/resample.h"

#include <assert.h>
#include <errno.h>
#include <speex/speex_resampler.h>
#include <string.h>

#include "pipeline/source.h"

/* 80 dB and more of stop band; 0.1 % of a Pi core at 48 kHz. */
enum { QUALITY = 6, ZEROS_ITEMS = 256 };

struct resampler {
    SpeexResamplerState *speex; /* NULL: the rates are equal */
    int32_t rate_hz;
    size_t latency_items;
    uint64_t n_in, n_out; /* since the last reset */
};

int resampler_new(int32_t rate_hz, struct resampler **ret) {
    _cleanup_(resampler_freep) struct resampler *r = NULL;
    int error = RESAMPLER_ERR_SUCCESS;

    assert(ret);

    if (rate_hz < RESAMPLER_RATE_MIN_HZ || rate_hz > RESAMPLER_RATE_MAX_HZ)
        return -ERANGE;
    r = malloc(sizeof(*r));
    if (!r)
        return -ENOMEM;
    *r = (struct resampler){ .rate_hz = rate_hz };
    if (rate_hz != SOUND_RATE_HZ) {
        r->speex = speex_resampler_init(1, (spx_uint32_t) rate_hz, SOUND_RATE_HZ, QUALITY, &error);
        if (!r->speex)
            return -ENOMEM; /* the arguments are in range */
        r->latency_items = (size_t) speex_resampler_get_input_latency(r->speex);
        resampler_reset(r);
    }
    *ret = r;
    r = NULL;
    return 0;
}

struct resampler *resampler_free(struct resampler *r) {
    if (!r)
        return NULL;
    if (r->speex)
        speex_resampler_destroy(r->speex);
    free(r);
    return NULL;
}

/* ceil(n * 16000 / rate) */
static uint64_t outputs_for(const struct resampler *r, uint64_t n_in) {
    return (n_in * SOUND_RATE_HZ + (uint64_t) r->rate_hz - 1) / (uint64_t) r->rate_hz;
}

size_t resampler_out_max(const struct resampler *r, size_t n_in) {
    return (size_t) outputs_for(r, n_in) + 1; /* one more where the phase just wraps */
}

/* Feed @in, or zeros if NULL, until it is used up or @out is full. */
static size_t process(struct resampler *r, const int16_t *in, size_t n_in, int16_t *out,
                      size_t out_max) {
    static const int16_t zeros[ZEROS_ITEMS];
    size_t used = 0, made = 0;

    while (used < n_in && made < out_max) {
        const size_t left = n_in - used;
        spx_uint32_t n_used = (spx_uint32_t) (!in && left > ZEROS_ITEMS ? ZEROS_ITEMS : left);
        spx_uint32_t n_made = (spx_uint32_t) (out_max - made);

        (void) speex_resampler_process_int(r->speex, 0, in ? in + used : zeros, &n_used, out + made,
                                           &n_made); /* fails for a bad channel number only */
        used += n_used;
        made += n_made;
    }
    return made;
}

size_t resampler_push(struct resampler *r, const int16_t *in, size_t n_in, int16_t *out) {
    size_t n_out = n_in;

    if (n_in == 0)
        return 0;
    if (r->speex)
        n_out = process(r, in, n_in, out, resampler_out_max(r, n_in));
    else
        memcpy(out, in, n_in * sizeof(*in));
    r->n_in += n_in;
    r->n_out += n_out;
    return n_out;
}

size_t resampler_flush(struct resampler *r, int16_t *out, size_t out_max) {
    const uint64_t left = outputs_for(r, r->n_in) - r->n_out;
    const size_t wanted = left < out_max ? (size_t) left : out_max;
    /* enough zeros for the filter's tail, whatever its phase */
    const size_t n_zeros =
        r->latency_items * 2 + ((size_t) r->rate_hz / SOUND_RATE_HZ + 1) * wanted;
    size_t n_out;

    if (!r->speex || wanted == 0)
        return 0;
    n_out = process(r, NULL, n_zeros, out, wanted);
    r->n_out += n_out;
    return n_out;
}

void resampler_reset(struct resampler *r) {
    r->n_in = r->n_out = 0;
    if (!r->speex)
        return;
    (void) speex_resampler_reset_mem(r->speex); /* cannot fail */
    (void) speex_resampler_skip_zeros(r->speex);
}

size_t resampler_latency_items(const struct resampler *r) {
    return r->latency_items;
}
