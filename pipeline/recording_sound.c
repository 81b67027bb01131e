/* SPDX-License-Identifier: MIT */
#include "pipeline/recording.h"

#include <errno.h>
#include <string.h>

#include "common/units.h"
#include "pipeline/pace.h"
#include "pipeline/sound_file.h"
#include "pipeline/source_class.h"

enum {
    BLOCKS_AT_ONCE = 8, /* per source_read(), when behind */
    BLOCK_NS = (int) (NS_PER_S * SOUND_BLOCK_ITEMS / SOUND_RATE_HZ),
};

struct sound_recording {
    struct source source;
    struct pace pace;
    struct sound_file *file;
    bool loop, ended;
    int64_t start_ns, n_blocks; /* given so far */
    struct sound_block next;
    int error; /* met while reading ahead; told after what was read before it */
    struct fault fault;
};

static struct source *sound_free(struct source *source) {
    struct sound_recording *rec = (struct sound_recording *) source;

    sound_file_free(rec->file);
    pace_close(&rec->pace);
    free(rec);
    return NULL;
}

/* Read the block that the next source_read() gives, so that the end is known in time. */
static void load_next(struct sound_recording *rec) {
    const int n =
        sound_file_read(rec->file, rec->loop, rec->next.samples, SOUND_BLOCK_ITEMS, &rec->fault);

    rec->next.time_ns = rec->start_ns + rec->n_blocks * BLOCK_NS;
    rec->ended = n != SOUND_BLOCK_ITEMS;
    rec->error = n < 0 ? n : -ENODATA;
}

static int sound_read(struct source *source, const struct source_sink *sink, struct fault *fault) {
    struct sound_recording *rec = (struct sound_recording *) source;
    int n;

    for (n = 0; n < BLOCKS_AT_ONCE && !rec->ended; n++) {
        /* a block is there when its last sample is */
        if (!pace_due(&rec->pace, rec->next.time_ns + BLOCK_NS))
            return n > 0;
        sink->sound(&rec->next, sink->user);
        rec->n_blocks++;
        load_next(rec);
        if (rec->pace.fast)
            return 1;
    }
    if (n > 0) {
        pace_wait_for(&rec->pace, rec->next.time_ns + (rec->ended ? 0 : BLOCK_NS));
        return 1;
    }
    return fault_set(fault, rec->error, "%s", rec->fault.text);
}

static int64_t sound_next_ns(const struct source *source) {
    const struct sound_recording *rec = (const struct sound_recording *) source;

    return rec->ended ? INT64_MAX : rec->next.time_ns;
}

static const struct source_class sound_class = {
    .read = sound_read,
    .free = sound_free,
    .next_ns = sound_next_ns,
};

int recording_open_sound(const struct source_options *options, struct source **ret,
                         struct fault *fault) {
    _cleanup_(source_freep) struct source *source = NULL;
    struct sound_recording *rec = calloc(1, sizeof(*rec));
    int r;

    if (!rec)
        return -ENOMEM;
    rec->source.class = &sound_class;
    rec->pace.fd = -1;
    rec->loop = options->loop;
    source = &rec->source;
    r = sound_file_new(options->device, options->channel, &rec->file, fault);
    if (r < 0)
        return r;
    r = pace_init(&rec->pace, options->as_fast_as_possible);
    if (r < 0)
        return r;
    source->fd = rec->pace.fd;
    source->rate_hz = sound_file_rate_hz(rec->file);
    (void) strcpy(source->device, options->device); /* arrays of one size */
    (void) snprintf(source->format, sizeof(source->format), "%s", sound_file_format(rec->file));
    rec->start_ns = options->start_ns ? options->start_ns : now_ns();
    load_next(rec);
    if (rec->ended && rec->error != -ENODATA)
        return fault_set(fault, rec->error, "%s", rec->fault.text);
    if (rec->ended)
        return fault_set(fault, -EBADMSG, "%s: is shorter than 10 ms", options->device);
    pace_wait_for(&rec->pace, rec->next.time_ns + BLOCK_NS);
    *ret = source;
    source = NULL;
    return 0;
}
