/* SPDX-License-Identifier: MIT */
/*
 * Samples are counted from each start of the device. The count and the
 * device's time stamps feed a sample_clock, which tells the time of each
 * block; a gap (an overrun, or a jump of time without samples) begins a new count, so
 * that no sample is ever taken for another moment's. See ALSA's pcm.h and
 * Documentation/sound/designs/timestamping.rst for what a status holds.
 */
#include "pipeline/microphone.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/checked.h"
#include "common/units.h"
#include "pipeline/devices_choose.h"
#include "pipeline/pcm_setup.h"
#include "pipeline/resample.h"
#include "pipeline/sample_clock.h"
#include "pipeline/source_class.h"

enum {
    POLLS_MAX = 8,
    BLOCKS_AT_ONCE = 8,   /* per source_read(), when behind */
    RECOVERIES_MAX = 100, /* one after the other, without a sample between */
};

/* A stamp further away is of another clock, or none. */
#define STAMP_AGE_MAX_NS (2 * NS_PER_S)

struct microphone {
    struct source source;
    snd_pcm_t *pcm;
    snd_pcm_status_t *status;
    unsigned n_polls;
    struct pollfd polls[POLLS_MAX];
    struct pcm_setup setup;
    unsigned channel;
    struct resampler *resampler;
    struct sample_clock clock;
    int64_t n_read;      /* frames since the last start */
    int64_t n_given;     /* 16 kHz samples in blocks since then */
    int64_t expected_ns; /* when the next block should begin; 0: there was none */
    bool gap;            /* before the next block */
    int n_recoveries;
    size_t chunk_items; /* read at once */
    uint8_t *raw;       /* [chunk_items, n_channels] */
    int16_t *mono;      /* [chunk_items] */
    int16_t *resampled; /* [resampler_out_max(chunk_items)] */
    size_t n_filled;    /* of block */
    struct sound_block block;
};

static struct source *microphone_free(struct source *source) {
    struct microphone *mic = (struct microphone *) source;

    pcm_closep(&mic->pcm);
    if (mic->status)
        snd_pcm_status_free(mic->status);
    closep(&source->fd);
    resampler_free(mic->resampler);
    free(mic->raw);
    free(mic->mono);
    free(mic->resampled);
    free(mic);
    return NULL;
}

/* A new count: what comes next does not continue what came. */
static void begin_count(struct microphone *mic) {
    mic->gap = mic->expected_ns != 0;
    mic->n_read = mic->n_given = 0;
    mic->n_filled = 0;
    resampler_reset(mic->resampler);
    sample_clock_reset(&mic->clock, mic->setup.rate_hz);
}

static int lost(const struct microphone *mic, int error, struct fault *fault) {
    if (error == -ENODEV || error == -EBADFD || error == -ENOTTY)
        return fault_set(fault, -ENODEV, "%s: the sound device is gone", mic->source.device);
    return fault_set(fault, error, "%s: %s", mic->source.device, snd_strerror(error));
}

/* After an overrun (-EPIPE) or a suspend (-ESTRPIPE) go on. Returns 0, or what lost() says. */
static int recover(struct microphone *mic, int error, struct fault *fault) {
    int r;

    if (error != -EPIPE && error != -ESTRPIPE)
        return lost(mic, error, fault);
    if (++mic->n_recoveries > RECOVERIES_MAX)
        return fault_set(fault, -EIO, "%s: overruns without end", mic->source.device);
    if (error == -ESTRPIPE && snd_pcm_resume(mic->pcm) == -EAGAIN)
        return 0; /* not awake yet */
    r = snd_pcm_prepare(mic->pcm);
    if (r >= 0)
        r = snd_pcm_start(mic->pcm);
    if (r < 0 && r != -EPIPE) /* overrun again: the next read repairs it */
        return lost(mic, r, fault);
    begin_count(mic);
    return 0;
}

static void give_block(struct microphone *mic, const struct source_sink *sink) {
    const double item = (double) mic->n_given * mic->setup.rate_hz / SOUND_RATE_HZ;
    struct sound_block *block = &mic->block;

    block->time_ns = sample_clock_time(&mic->clock, item);
    block->n_lost_before = 0;
    if (mic->gap) {
        const int64_t late_ns = block->time_ns - mic->expected_ns;
        const int64_t n = late_ns * SOUND_RATE_HZ / NS_PER_S;

        block->n_lost_before = n < 1 ? -1 : n > INT32_MAX ? INT32_MAX : (int32_t) n;
        if (late_ns < 0)
            block->time_ns = mic->expected_ns; /* time never goes back */
    }
    mic->gap = false;
    mic->n_given += SOUND_BLOCK_ITEMS;
    mic->expected_ns = block->time_ns + SOUND_BLOCK_ITEMS * NS_PER_S / SOUND_RATE_HZ;
    sink->sound(block, sink->user);
}

/* Put @n samples into blocks and give those that are full. Returns how many. */
static int fill_blocks(struct microphone *mic, const int16_t *samples, size_t n,
                       const struct source_sink *sink) {
    int n_blocks = 0;

    while (n > 0) {
        const size_t room = SOUND_BLOCK_ITEMS - mic->n_filled;
        const size_t part = n < room ? n : room;

        memcpy(mic->block.samples + mic->n_filled, samples, part * sizeof(*samples));
        mic->n_filled += part;
        samples += part;
        n -= part;
        if (mic->n_filled == SOUND_BLOCK_ITEMS) {
            mic->n_filled = 0;
            give_block(mic, sink);
            n_blocks++;
        }
    }
    return n_blocks;
}

/* When the status was taken: the kernel's stamp if it is one of our clock, else now. */
static int64_t status_time(const struct microphone *mic) {
    snd_htimestamp_t stamp;
    const int64_t now = now_ns();
    int64_t at_ns;

    snd_pcm_status_get_htstamp(mic->status, &stamp);
    at_ns = (int64_t) stamp.tv_sec * NS_PER_S + stamp.tv_nsec;
    return at_ns <= now && now - at_ns < STAMP_AGE_MAX_NS ? at_ns : now;
}

/* Tell the clock where the device is. @n_ready frames wait to be read. */
static void observe(struct microphone *mic, int64_t n_ready) {
    const int64_t at_ns = status_time(mic);

    if (sample_clock_observe(&mic->clock, mic->n_read + n_ready, at_ns) == 0)
        return;
    begin_count(mic);
    (void) sample_clock_observe(&mic->clock, n_ready, at_ns); /* the first is always taken */
}

/* How many frames wait, 0 after a recovery, or -errno. */
static int64_t look(struct microphone *mic, struct fault *fault) {
    const int r = snd_pcm_status(mic->pcm, mic->status);

    if (r < 0)
        return recover(mic, r, fault);
    switch (snd_pcm_status_get_state(mic->status)) {
    case SND_PCM_STATE_XRUN:
        return recover(mic, -EPIPE, fault);
    case SND_PCM_STATE_SUSPENDED:
        return recover(mic, -ESTRPIPE, fault);
    case SND_PCM_STATE_DISCONNECTED:
        return lost(mic, -ENODEV, fault);
    case SND_PCM_STATE_PREPARED: /* a start that overran at once */
        return recover(mic, -EPIPE, fault);
    case SND_PCM_STATE_OPEN:
    case SND_PCM_STATE_SETUP:
    case SND_PCM_STATE_RUNNING:
    case SND_PCM_STATE_DRAINING:
    case SND_PCM_STATE_PAUSED:
    case SND_PCM_STATE_PRIVATE1:
        break;
    }
    return (int64_t) snd_pcm_status_get_avail(mic->status);
}

/* Does the device itself say that something is ready? Plugins must be asked, or they stay ready. */
static bool is_ready(struct microphone *mic) {
    unsigned short events = 0;

    (void) poll(mic->polls, mic->n_polls, 0); /* fills revents */
    return snd_pcm_poll_descriptors_revents(mic->pcm, mic->polls, mic->n_polls, &events) < 0 ||
           events != 0;
}

static int microphone_read(struct source *source, const struct source_sink *sink,
                           struct fault *fault) {
    struct microphone *mic = (struct microphone *) source;
    int n_blocks = 0;
    int64_t n_ready;

    if (!is_ready(mic))
        return 0;
    n_ready = look(mic, fault);
    if (n_ready <= 0)
        return (int) n_ready;
    observe(mic, n_ready);
    while (n_ready > 0 && n_blocks < BLOCKS_AT_ONCE) {
        const size_t n_wanted =
            n_ready < (int64_t) mic->chunk_items ? (size_t) n_ready : mic->chunk_items;
        const snd_pcm_sframes_t n = snd_pcm_readi(mic->pcm, mic->raw, n_wanted);
        size_t n_out;

        if (n == -EAGAIN || n == 0)
            break;
        if (n < 0) {
            const int r = recover(mic, (int) n, fault);

            return r < 0 ? r : n_blocks > 0;
        }
        mic->n_recoveries = 0;
        mic->n_read += n;
        n_ready -= n;
        pcm_to_mono(mic->raw, mic->setup.format, (size_t) n, mic->setup.n_channels, mic->channel,
                    mic->mono);
        n_out = resampler_push(mic->resampler, mic->mono, (size_t) n, mic->resampled);
        n_blocks += fill_blocks(mic, mic->resampled, n_out, sink);
    }
    return n_blocks > 0;
}

static const struct source_class microphone_class = {
    .read = microphone_read,
    .free = microphone_free,
};

/* One descriptor for the device's many. */
static int watch(struct microphone *mic, struct fault *fault) {
    const int n = snd_pcm_poll_descriptors_count(mic->pcm);

    if (n < 1 || n > POLLS_MAX)
        return fault_set(fault, -ENOTSUP, "%s: has %d descriptors to wait for", mic->source.device,
                         n);
    mic->n_polls = (unsigned) snd_pcm_poll_descriptors(mic->pcm, mic->polls, (unsigned) n);
    mic->source.fd = epoll_create1(EPOLL_CLOEXEC);
    if (mic->source.fd < 0)
        return -errno;
    for (unsigned i = 0; i < mic->n_polls; i++) {
        struct epoll_event event = { .events = (uint32_t) mic->polls[i].events };

        if (epoll_ctl(mic->source.fd, EPOLL_CTL_ADD, mic->polls[i].fd, &event) < 0 &&
            errno != EEXIST)
            return fault_set(fault, -errno, "%s: cannot be waited for: %s", mic->source.device,
                             strerror(errno));
    }
    return 0;
}

/* All memory that reading needs. */
static int make_room(struct microphone *mic) {
    const struct pcm_setup *setup = &mic->setup;
    size_t frame_bytes, raw_bytes;
    int r = resampler_new((int32_t) setup->rate_hz, &mic->resampler);

    if (r < 0)
        return r;
    mic->chunk_items = setup->rate_hz / (SOUND_RATE_HZ / SOUND_BLOCK_ITEMS); /* 10 ms */
    r = checked_mul(pcm_sample_bytes(setup->format), setup->n_channels, &frame_bytes);
    if (r == 0)
        r = checked_mul(mic->chunk_items, frame_bytes, &raw_bytes);
    if (r < 0)
        return r;
    mic->raw = malloc(raw_bytes);
    mic->mono = calloc(mic->chunk_items, sizeof(*mic->mono));
    mic->resampled =
        calloc(resampler_out_max(mic->resampler, mic->chunk_items), sizeof(*mic->resampled));
    if (!mic->raw || !mic->mono || !mic->resampled || snd_pcm_status_malloc(&mic->status) < 0)
        return -ENOMEM;
    return 0;
}

static int start(struct microphone *mic, const struct source_options *options,
                 struct fault *fault) {
    struct source *source = &mic->source;
    int r = pcm_open(source->device, &mic->pcm, fault);

    if (r < 0)
        return r;
    r = pcm_set_up(mic->pcm, options, source->device, &mic->setup, fault);
    if (r < 0)
        return r;
    r = make_room(mic);
    if (r < 0)
        return r;
    r = watch(mic, fault);
    if (r < 0)
        return r;
    begin_count(mic);
    source->rate_hz = mic->setup.rate_hz;
    (void) snprintf(source->format, sizeof(source->format), "%s %u Hz %u ch",
                    mic->setup.format_name, mic->setup.rate_hz, mic->setup.n_channels);
    r = snd_pcm_start(mic->pcm);
    return r < 0 ? fault_set(fault, r, "%s: cannot be started: %s", source->device, snd_strerror(r))
                 : 0;
}

int microphone_open(const struct source_options *options, struct source **ret,
                    struct fault *fault) {
    _cleanup_(source_freep) struct source *source = NULL;
    struct device_choice choice;
    struct microphone *mic;
    int r;

    if (options->channel < 0)
        return fault_set(fault, -EINVAL, "%s: there is no channel %d", options->device,
                         options->channel);
    mic = calloc(1, sizeof(*mic));
    if (!mic)
        return -ENOMEM;
    mic->source.class = &microphone_class;
    mic->source.fd = -1;
    mic->channel = (unsigned) options->channel;
    source = &mic->source;
    r = devices_choose(SOURCE_ALSA, options->device, &choice, fault);
    if (r < 0)
        return r;
    memcpy(source->device, choice.device, sizeof(source->device));
    memcpy(source->note, choice.note, sizeof(source->note));
    r = start(mic, options, fault);
    if (r < 0)
        return r;
    *ret = source;
    source = NULL;
    return 0;
}
