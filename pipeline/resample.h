/* SPDX-License-Identifier: MIT */
/*
 * resample - any rate to 16 kHz, mono int16, for microphones, recordings and evaluation alike.
 *
 * Output sample k stands at the instant of input position k * rate / 16000: the
 * filter's delay is skipped at the start, so no time stamp needs a correction.
 * The price is that the last `resampler_latency_items()` input samples only
 * come out with later input, or with resampler_flush().
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"

enum { RESAMPLER_RATE_MIN_HZ = 4000, RESAMPLER_RATE_MAX_HZ = 384000 };

struct resampler;

/**
 * Make a resampler from @rate_hz to SOUND_RATE_HZ. 16000 itself is copied through unchanged.
 * Returns 0, -ERANGE outside RESAMPLER_RATE_MIN_HZ .. RESAMPLER_RATE_MAX_HZ, -ENOMEM.
 */
int resampler_new(int32_t rate_hz, struct resampler **ret);

/** NULL is allowed. Returns NULL. */
struct resampler *resampler_free(struct resampler *resampler);
DEFINE_CLEANUP(struct resampler *, resampler_free)

/** No push of @n_in samples gives more output samples than this. */
size_t resampler_out_max(const struct resampler *resampler, size_t n_in);

/**
 * Take all of @in, put what comes out into @out. Does not allocate. One thread at a time.
 * @in     [n_in] samples at the input rate
 * @out    [resampler_out_max(n_in)] samples at 16 kHz, must not overlap @in
 * Returns the number of samples in @out.
 */
size_t resampler_push(struct resampler *resampler, const int16_t *in, size_t n_in, int16_t *out);

/**
 * The end of the input: what the filter still holds, as if zeros followed, up to
 * ceil(n * 16000 / rate) output samples for n input samples in all.
 * @out    [out_max] samples
 * Returns the number of samples in @out; call again until 0, then resampler_reset().
 */
size_t resampler_flush(struct resampler *resampler, int16_t *out, size_t out_max);

/** Forget all input, as after a gap: the next input sample is the first again. */
void resampler_reset(struct resampler *resampler);

/** Input samples needed beyond the instant of an output sample before it comes out; 0 at 16 kHz. */
size_t resampler_latency_items(const struct resampler *resampler);
