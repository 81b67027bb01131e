/* SPDX-License-Identifier: MIT */
/*
 * Sound becomes a WAV file (Multimedia Programming Interface and Data Specifications 1.0, IBM and
 * Microsoft, 1991; PCM, 16 kHz, mono, 16 bit). Its header is written first with the greatest length
 * and put right at the end, if the file can be. Time is kept: what is missing between two
 * blocks is silence, so that sound and pictures stay together; n_lost counts it.
 */
#include "pipeline/recorder.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/units.h"
#include "pipeline/jpeg_encode.h"
#include "pipeline/pixels.h"
#include "pipeline/sink_file.h"
#include "pipeline/worker.h"

enum {
    BLOCKS = 512, /* 5 s */
    FRAMES = 4,
    BYTES_PER_SAMPLE = 2,
    RIFF_HEADER_BYTES = 8, /* of the WAV header, not counted by its first length */
    FMT_BYTES = 16,
    WAVE_FORMAT_PCM = 1,
};

/* Blocks closer than this to where they are expected follow each other. */
static const int64_t JITTER_NS = 20 * NS_PER_MS;

struct recorder {
    enum source_data data;
    size_t frame_bytes_max;
    struct queue *queue; /* capture thread -> us */
    struct worker *worker;
    bool stopped;
    /* The recorder thread's own, main's after it has ended: */
    struct sink_file file;
    struct jpeg_encode *encode; /* pictures */
    struct record_result result;
    int64_t next_ns; /* sound: where the next block should begin */
};

struct wav_header {
    char riff[4];
    uint32_t n_bytes; /* of all that follows; all numbers little endian */
    char wave[4], fmt[4];
    uint32_t n_fmt_bytes;
    uint16_t format, n_channels;
    uint32_t rate_hz, bytes_per_s;
    uint16_t bytes_per_frame, bits;
    char data[4];
    uint32_t n_data_bytes;
};

static struct wav_header wav_header(uint64_t n_data_bytes) {
    const uint64_t most = UINT32_MAX - sizeof(struct wav_header);
    const uint32_t n = (uint32_t) (n_data_bytes < most ? n_data_bytes : most);

    return (struct wav_header){
        .riff = { 'R', 'I', 'F', 'F' },
        .n_bytes = htole32(n + (uint32_t) sizeof(struct wav_header) - RIFF_HEADER_BYTES),
        .wave = { 'W', 'A', 'V', 'E' },
        .fmt = { 'f', 'm', 't', ' ' },
        .n_fmt_bytes = htole32(FMT_BYTES),
        .format = htole16(WAVE_FORMAT_PCM),
        .n_channels = htole16(1),
        .rate_hz = htole32(SOUND_RATE_HZ),
        .bytes_per_s = htole32(SOUND_RATE_HZ * BYTES_PER_SAMPLE),
        .bytes_per_frame = htole16(BYTES_PER_SAMPLE),
        .bits = htole16(8 * BYTES_PER_SAMPLE),
        .data = { 'd', 'a', 't', 'a' },
        .n_data_bytes = htole32(n),
    };
}

static void note_item(struct recorder *r, int error, int64_t first_ns, int64_t last_ns) {
    if (error < 0) {
        r->result.n_lost++;
        return;
    }
    if (r->result.n_items++ == 0)
        r->result.first_ns = first_ns;
    r->result.last_ns = last_ns;
}

/* Silence for the time that is missing before @block. */
static int keep_time(struct recorder *r, const struct sound_block *block) {
    const int64_t missing_ns = block->time_ns - r->next_ns;
    int64_t n_items;

    if (r->result.n_items == 0 || missing_ns < JITTER_NS)
        return 0;
    n_items = (missing_ns * SOUND_RATE_HZ + NS_PER_S / 2) / NS_PER_S;
    r->result.n_lost += (uint64_t) (n_items / SOUND_BLOCK_ITEMS);
    return sink_file_skip(&r->file, n_items * BYTES_PER_SAMPLE);
}

static void write_block(struct recorder *r, const struct sound_block *block) {
    const int64_t block_ns = NS_PER_S * SOUND_BLOCK_ITEMS / SOUND_RATE_HZ;
    int16_t samples[SOUND_BLOCK_ITEMS];
    int error;

    for (size_t i = 0; i < SOUND_BLOCK_ITEMS; i++)
        samples[i] = (int16_t) htole16((uint16_t) block->samples[i]);
    error = keep_time(r, block);
    if (error == 0)
        error = sink_file_write(&r->file, samples, sizeof(samples));
    r->next_ns = block->time_ns + block_ns;
    note_item(r, error, block->time_ns, block->time_ns);
}

static void write_frame(struct recorder *r, const struct photographed *item) {
    struct frame frame = { .time_ns = item->time_ns,
                           .format = item->format,
                           .width_px = item->width_px,
                           .height_px = item->height_px };
    const uint8_t *data;
    size_t n_bytes;
    int error;

    pixels_lay(&frame, item->pixels, 0);
    error = jpeg_encode_frame(r->encode, &frame, &data, &n_bytes);
    if (error == 0)
        error = sink_file_write(&r->file, data, n_bytes);
    note_item(r, error, item->time_ns, item->time_ns);
}

static void write_all(struct recorder *r) {
    const void *item;

    while ((item = queue_pop_begin(r->queue))) {
        if (r->data == SOURCE_SOUND)
            write_block(r, &((const struct heard *) item)->block);
        else
            write_frame(r, item);
        queue_pop_end(r->queue);
    }
}

static void record(struct worker *worker, void *user) {
    struct recorder *const r = user;
    struct wav_header header = wav_header(UINT32_MAX);

    r->file.worker = worker;
    if (r->data == SOURCE_SOUND)
        (void) sink_file_write(&r->file, &header, sizeof(header)); /* the error stays in the file */
    do
        write_all(r);
    while (worker_wait(worker, NULL, 0, WORKER_FOREVER) != -ECANCELED);

    write_all(r);
    if (r->data != SOURCE_SOUND)
        return;
    header = wav_header((uint64_t) r->file.n_bytes - sizeof(header));
    (void) sink_file_rewrite(&r->file, 0, &header,
                             sizeof(header)); /* as above; a pipe stays as it is */
}

int recorder_new(int fd, enum source_data data, size_t frame_bytes_max, const char *name,
                 struct recorder **ret, struct fault *fault) {
    _cleanup_(recorder_freep) struct recorder *r = NULL;
    char thread_name[WORKER_NAME_BYTES];
    size_t frame_item_bytes;
    int e;

    r = calloc(1, sizeof(*r));
    if (!r)
        return -ENOMEM;
    r->data = data;
    r->frame_bytes_max = frame_bytes_max;
    e = sink_file_init(&r->file, fd);
    r->file.fd = -1; /* not ours yet */
    if (e < 0)
        return fault_set(fault, e, "recording of %s: the descriptor is not open for writing", name);
    frame_item_bytes = (sizeof(struct photographed) + frame_bytes_max + 63) / 64 * 64;
    e = data == SOURCE_SOUND ? queue_new(sizeof(struct heard), BLOCKS, &r->queue)
                             : queue_new(frame_item_bytes, FRAMES, &r->queue);
    if (e == 0 && data == SOURCE_PICTURE)
        e = jpeg_encode_new(&r->encode);
    if (e < 0)
        return e;
    (void) snprintf(thread_name, sizeof(thread_name), "rec:%.*s", WORKER_NAME_BYTES - 5, name);
    r->file.fd = fd;
    e = worker_new(thread_name, record, r, &r->worker);
    if (e < 0) {
        r->file.fd = -1;
        return e;
    }
    *ret = r;
    r = NULL; /* now the caller's */
    return 0;
}

struct tap_options recorder_tap(struct recorder *recorder) {
    return (struct tap_options){
        .kind = recorder->data == SOURCE_SOUND ? TAP_SOUND_RECORDER : TAP_FRAME_RECORDER,
        .queue = recorder->queue,
        .frame_bytes_max = recorder->frame_bytes_max,
        .reader = recorder->worker,
    };
}

static void finish(struct recorder *r) {
    if (r->stopped)
        return;
    r->stopped = true;
    if (r->worker)
        worker_join(r->worker);
    if (r->file.fd >= 0 && close(r->file.fd) < 0 && r->file.error == 0)
        r->file.error = -errno; /* some file systems tell a full disk here */
    r->file.fd = -1;
    r->result.error = r->file.error;
}

void recorder_stop(struct recorder *recorder, struct record_result *ret) {
    finish(recorder);
    *ret = recorder->result;
}

struct recorder *recorder_free(struct recorder *recorder) {
    if (!recorder)
        return NULL;
    finish(recorder);
    (void) worker_free(recorder->worker); /* this and the following: always NULL */
    (void) queue_free(recorder->queue);
    (void) jpeg_encode_free(recorder->encode);
    free(recorder);
    return NULL;
}
