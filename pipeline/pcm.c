/* SPDX-License-Identifier: MIT */
#include "pipeline/pcm.h"

#include <errno.h>
#include <string.h>

static const struct {
    const char *name;
    size_t sample_bytes;
} formats[] = {
    [PCM_S16] = { "s16", 2 },
    [PCM_S24] = { "s24", 4 },
    [PCM_S24_3] = { "s24_3", 3 },
    [PCM_S32] = { "s32", 4 },
};

enum { N_FORMATS = sizeof(formats) / sizeof(formats[0]) };

size_t pcm_sample_bytes(enum pcm_format format) {
    return formats[format].sample_bytes;
}

const char *pcm_name(enum pcm_format format) {
    return formats[format].name;
}

int pcm_parse(const char *name, enum pcm_format *ret) {
    for (int i = 0; i < N_FORMATS; i++)
        if (strcmp(name, formats[i].name) == 0) {
            *ret = (enum pcm_format) i;
            return 0;
        }
    return -ENOENT;
}

/* One sample, moved up so that full scale is that of 32 bits. */
static int32_t sample(const uint8_t *p, enum pcm_format format) {
    switch (format) {
    case PCM_S16:
        return (int32_t) ((uint32_t) p[0] << 16 | (uint32_t) p[1] << 24);
    case PCM_S24:
    case PCM_S24_3:
        return (int32_t) ((uint32_t) p[0] << 8 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 24);
    case PCM_S32:
        break;
    }
    return (int32_t) ((uint32_t) p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16 |
                      (uint32_t) p[3] << 24);
}

/* 32 bits to 16, to nearest. */
static int16_t narrow(int64_t value) {
    const int64_t rounded = (value + 0x8000) >> 16;

    return rounded > INT16_MAX ? INT16_MAX : (int16_t) rounded;
}

void pcm_to_mono(const uint8_t *in, enum pcm_format format, size_t n_frames, size_t n_channels,
                 size_t channel, int16_t *out) {
    const size_t step = pcm_sample_bytes(format);

    for (size_t i = 0; i < n_frames; i++) {
        const uint8_t *const frame = in + i * n_channels * step;
        int64_t sum = 0;

        if (channel > 0) {
            out[i] = narrow(sample(frame + (channel - 1) * step, format));
            continue;
        }
        for (size_t c = 0; c < n_channels; c++)
            sum += sample(frame + c * step, format);
        out[i] = narrow(sum / (int64_t) n_channels);
    }
}
