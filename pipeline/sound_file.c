/* SPDX-License-Identifier: MIT */
/*
 * Samples are read as float in [-1, 1): libsndfile would scale float files to
 * their peak if asked for integers (sf_command, SFC_SET_SCALE_FLOAT_INT_READ).
 * An int16 makes the way through float and back unchanged.
 */
#include "pipeline/sound_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sndfile.h>
#include <string.h>
#include <sys/stat.h>

#include "pipeline/resample.h"
#include "pipeline/source.h"

enum {
    CHUNK_FRAMES = 480, /* 10 ms at 48 kHz */
    CHANNELS_MAX = 32,
    /* output of one chunk at the lowest rate, and one */
    OUT_ITEMS = CHUNK_FRAMES * (SOUND_RATE_HZ / RESAMPLER_RATE_MIN_HZ) + 2,
};

struct sound_file {
    SNDFILE *snd;
    SF_INFO info;
    int32_t channel;
    struct resampler *resampler;
    sf_count_t n_read; /* frames since the last rewind */
    bool flushing;     /* no more input; the filter's tail remains */
    size_t out_first, out_end;
    float frames[CHUNK_FRAMES * CHANNELS_MAX];
    int16_t mono[CHUNK_FRAMES];
    int16_t out[OUT_ITEMS];
    char path[SOURCE_PATH_BYTES];
    char format[SOURCE_FORMAT_BYTES];
};

static int open_fd(const char *path, int *ret, struct fault *fault) {
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fault_set(fault, -EBADMSG, "%s: a sound recording must be a file", path);
    if (st.st_size == 0)
        return fault_set(fault, -EBADMSG, "%s: is empty", path);
    *ret = fd;
    fd = -1;
    return 0;
}

static const char *container_name(int format) {
    switch (format & SF_FORMAT_TYPEMASK) {
    case SF_FORMAT_WAV:
    case SF_FORMAT_WAVEX:
        return "WAV";
    case SF_FORMAT_FLAC:
        return "FLAC";
    case SF_FORMAT_OGG:
        return "Ogg";
    default:
        return "sound file";
    }
}

static int check_info(const struct sound_file *f, struct fault *fault) {
    const SF_INFO *info = &f->info;

    if (info->channels < 1 || info->channels > CHANNELS_MAX)
        return fault_set(fault, -ENOTSUP, "%s: has %d channels, at most %d are supported", f->path,
                         info->channels, CHANNELS_MAX);
    if (f->channel < 0 || f->channel > info->channels)
        return fault_set(fault, -EINVAL, "%s: channel %d was asked for, it has %d", f->path,
                         f->channel, info->channels);
    if (info->samplerate < RESAMPLER_RATE_MIN_HZ || info->samplerate > RESAMPLER_RATE_MAX_HZ)
        return fault_set(fault, -ENOTSUP, "%s: has %d samples/s, supported are %d to %d", f->path,
                         info->samplerate, RESAMPLER_RATE_MIN_HZ, RESAMPLER_RATE_MAX_HZ);
    if (info->frames <= 0)
        return fault_set(fault, -EBADMSG, "%s: holds no samples", f->path);
    return 0;
}

int sound_file_new(const char *path, int32_t channel, struct sound_file **ret,
                   struct fault *fault) {
    _cleanup_(sound_file_freep) struct sound_file *f = NULL;
    _cleanup_(closep) int fd = -1;
    int r;

    assert(path && ret);

    if (strlen(path) >= SOURCE_PATH_BYTES)
        return fault_set(fault, -ENAMETOOLONG, "%s: path is too long", path);
    f = calloc(1, sizeof(*f));
    if (!f)
        return -ENOMEM;
    (void) strcpy(f->path, path); /* measured above */
    f->channel = channel;
    r = open_fd(path, &fd, fault);
    if (r < 0)
        return r;
    f->snd = sf_open_fd(fd, SFM_READ, &f->info, SF_TRUE);
    fd = -1; /* libsndfile's, which closes it even when it fails */
    if (!f->snd)
        return fault_set(fault, -EBADMSG, "%s: is no sound file that can be read: %s", path,
                         sf_strerror(NULL));
    r = check_info(f, fault);
    if (r < 0)
        return r;
    r = resampler_new(f->info.samplerate, &f->resampler);
    if (r < 0)
        return r;
    (void) snprintf(f->format, sizeof(f->format), "%s %d Hz %d ch", container_name(f->info.format),
                    f->info.samplerate, f->info.channels);
    *ret = f;
    f = NULL;
    return 0;
}

struct sound_file *sound_file_free(struct sound_file *f) {
    if (!f)
        return NULL;
    if (f->snd)
        (void) sf_close(f->snd); /* only read from */
    resampler_free(f->resampler);
    free(f);
    return NULL;
}

static int16_t to_s16(float value) {
    const float scaled = value * 32768.0f;

    if (isnan(scaled)) /* a float file may hold it */
        return 0;
    if (scaled <= INT16_MIN)
        return INT16_MIN;
    return scaled < INT16_MAX ? (int16_t) lrintf(scaled) : INT16_MAX;
}

static int16_t mix(const struct sound_file *f, const float *frame) {
    float sum = 0;

    if (f->channel > 0)
        return to_s16(frame[f->channel - 1]);
    for (int c = 0; c < f->info.channels; c++)
        sum += frame[c];
    return to_s16(sum / (float) f->info.channels);
}

/* Fill `out` with what one more chunk of the file gives. Returns 1, 0 at the end, -EIO. */
static int refill(struct sound_file *f, bool loop, struct fault *fault) {
    const sf_count_t n = f->flushing ? 0 : sf_readf_float(f->snd, f->frames, CHUNK_FRAMES);

    f->out_first = f->out_end = 0;
    if (n < 0 || (n < CHUNK_FRAMES && sf_error(f->snd) != SF_ERR_NO_ERROR))
        return fault_set(fault, -EIO, "%s: cannot be read on after %.2f s: %s", f->path,
                         (double) f->n_read / f->info.samplerate, sf_strerror(f->snd));
    f->n_read += n;
    if (n > 0) {
        for (sf_count_t i = 0; i < n; i++)
            f->mono[i] = mix(f, &f->frames[i * f->info.channels]);
        f->out_end = resampler_push(f->resampler, f->mono, (size_t) n, f->out);
        return 1;
    }
    if (!f->flushing && f->n_read < f->info.frames)
        return fault_set(fault, -EIO, "%s: is truncated, ends after %.2f of %.2f s", f->path,
                         (double) f->n_read / f->info.samplerate,
                         (double) f->info.frames / f->info.samplerate);
    if (loop && !f->flushing) {
        if (sf_seek(f->snd, 0, SEEK_SET) != 0)
            return fault_set(fault, -EIO, "%s: cannot be read again from its start", f->path);
        f->n_read = 0;
        return 1;
    }
    f->flushing = true;
    f->out_end = resampler_flush(f->resampler, f->out, OUT_ITEMS);
    return f->out_end > 0;
}

int sound_file_read(struct sound_file *f, bool loop, int16_t *out, size_t n, struct fault *fault) {
    size_t n_done = 0;

    while (n_done < n) {
        const size_t ready = f->out_end - f->out_first;
        const size_t part = ready < n - n_done ? ready : n - n_done;

        memcpy(out + n_done, f->out + f->out_first, part * sizeof(*out));
        f->out_first += part;
        n_done += part;
        if (n_done < n) {
            const int r = refill(f, loop, fault);

            if (r < 0)
                return r;
            if (r == 0)
                break;
        }
    }
    return (int) n_done;
}

const char *sound_file_format(const struct sound_file *f) {
    return f->format;
}

double sound_file_rate_hz(const struct sound_file *f) {
    return f->info.samplerate;
}
