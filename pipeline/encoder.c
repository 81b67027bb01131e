/* SPDX-License-Identifier: MIT */
#include "pipeline/encoder.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/units.h"
#include "models/runner.h"
#include "pipeline/quantise.h"
#include "pipeline/sound_window.h"

enum {
    BLOCKS = 128,    /* 1.28 s of sound */
    EMBEDDINGS = 16, /* 8 s at two per second */
    HOPS_PATIENCE = 4,
};

/* Blocks whose time is off by more than this do not follow each other. */
static const int64_t JUMP_NS = 50 * NS_PER_MS;

struct encoder {
    char sha256[SHA256_HEX_BYTES];
    enum modality_kind kind;
    struct sound_features sound;
    struct picture_features picture;
    int64_t hop_ns;
    size_t n_embedding;

    const struct clock *clock;
    int wake_fd;
    struct worker *worker;                      /* NULL under a virtual clock */
    struct runner *runner;                      /* NULL once stopped */
    struct queue *blocks;                       /* sound: capture thread -> us */
    struct latest *frames;                      /* pictures: capture thread -> us */
    struct queue *embeddings;                   /* us -> main */
    atomic_uint_least64_t n_encoded, n_dropped; /* stored by us, read by main */

    /* For who looks: */
    struct encoder_shape shape;
    struct latest *inputs;             /* us -> main; NULL until somebody looks */
    atomic_bool showing;               /* stored by main, read by us */
    const struct encoder_input *shown; /* main's: the last it took */

    /* The encoder thread's own: */
    int64_t tick_ns; /* the next; 0: not known yet */
    struct sound_window *window;
    struct sound_quality *quality;
    int64_t next_block_ns; /* where the next block should begin; 0: any */
    bool after_gap;        /* the window is not full because of a gap */
    int8_t table[PIXEL_VALUES];
    size_t n_pixel_bytes;
    struct embedding last; /* pictures: what may have to be repeated */
};

static int64_t samples_ns(size_t n_items) {
    return (int64_t) n_items * NS_PER_S / SOUND_RATE_HZ;
}

/* The first tick after @at_ns. */
static int64_t tick_after(const struct encoder *e, int64_t at_ns) {
    return at_ns - at_ns % e->hop_ns + e->hop_ns;
}

static size_t shape_items(const struct encoder_shape *shape) {
    return shape->n_rows * shape->n_columns * shape->n_channels;
}

static void drop(struct encoder *e) {
    atomic_fetch_add_explicit(&e->n_dropped, 1, memory_order_relaxed); /* a count on its own */
}

static void emit(struct encoder *e, const struct embedding *embedding) {
    const uint64_t one = 1;

    if (queue_push(e->embeddings, embedding) < 0) {
        drop(e);
        return;
    }
    (void) !write(e->wake_fd, &one, sizeof(one)); /* full means already awake */
}

/* Whoever looks sees what the network gets. */
static void show(struct encoder *e, int64_t capture_ns) {
    struct encoder_input *input;

    /* Acquire: pairs with encoder_show(), which made `inputs` before. */
    if (!atomic_load_explicit(&e->showing, memory_order_acquire))
        return;
    input = latest_write_begin(e->inputs);
    input->capture_ns = capture_ns;
    memcpy(input->values, runner_input(e->runner, 0), shape_items(&e->shape));
    latest_write_end(e->inputs);
}

/* The input is written: run, and hand over. @began_ns: when the features were begun. */
static void encode(struct encoder *e, struct embedding *embedding, int64_t began_ns) {
    const int64_t encode_ns = clock_ns(e->clock);

    show(e, embedding->capture_ns); /* before the run, which may reuse the input's memory */
    runner_run(e->runner);
    memcpy(embedding->values, runner_output(e->runner, 0), e->n_embedding);
    embedding->ready_ns = clock_ns(e->clock);
    embedding->features_took_ns += encode_ns - began_ns;
    embedding->encode_took_ns = embedding->ready_ns - encode_ns;
    atomic_fetch_add_explicit(&e->n_encoded, 1, memory_order_relaxed); /* a count on its own */
    emit(e, embedding);
}

/* --- sound --- */

/* A row of features ends at @end_ns. */
static void end_row(struct encoder *e, int64_t end_ns, const struct heard *heard,
                    int64_t began_ns) {
    struct embedding embedding = { .capture_ns = end_ns };
    struct quality quality;

    if (e->tick_ns == 0 || end_ns < e->tick_ns - e->hop_ns) /* the start, or time ran backwards */
        e->tick_ns = end_ns % e->hop_ns == 0 ? end_ns : tick_after(e, end_ns);
    if (end_ns < e->tick_ns)
        return;
    embedding.tick_ns = end_ns - end_ns % e->hop_ns;
    e->tick_ns = embedding.tick_ns + e->hop_ns;
    if (!sound_window_full(e->window)) {
        if (e->after_gap)
            drop(e);
        return;
    }
    e->after_gap = false;

    quality = sound_quality_get(e->quality);
    embedding.quality = quality.value;
    embedding.quality_reason = quality.reason;
    embedding.capture_took_ns = heard->arrived_ns - end_ns;
    embedding.queue_took_ns = began_ns - heard->arrived_ns;
    sound_window_write(e->window, runner_input(e->runner, 0));
    encode(e, &embedding, began_ns);
}

static bool follows(const struct encoder *e, const struct sound_block *block) {
    const int64_t off_ns = block->time_ns - e->next_block_ns;

    return block->n_lost_before == 0 && off_ns >= -JUMP_NS && off_ns <= JUMP_NS;
}

static void take_block(struct encoder *e, const struct heard *heard) {
    const struct sound_block *const block = &heard->block;
    const int64_t began_ns = clock_ns(e->clock);
    size_t n = 0;

    if (e->next_block_ns != 0 && !follows(e, block)) {
        sound_window_reset(e->window); /* no window may span a gap */
        e->after_gap = true;
    }
    e->next_block_ns = block->time_ns + samples_ns(SOUND_BLOCK_ITEMS);
    sound_quality_push(e->quality, block->samples, SOUND_BLOCK_ITEMS);

    while (n < SOUND_BLOCK_ITEMS) {
        bool row;

        n += sound_window_push(e->window, block->samples + n, SOUND_BLOCK_ITEMS - n, &row);
        if (row)
            end_row(e, block->time_ns + samples_ns(n), heard, began_ns);
    }
}

static void pump_sound(struct encoder *e) {
    const struct heard *heard;

    while ((heard = queue_pop_begin(e->blocks))) {
        take_block(e, heard);
        queue_pop_end(e->blocks);
    }
}

/* --- pictures --- */

static void encode_frame(struct encoder *e, const struct seen *seen, int64_t tick_ns,
                         int64_t began_ns) {
    /* It did not wait for us before the tick. */
    const int64_t waiting_ns = seen->arrived_ns > tick_ns ? seen->arrived_ns : tick_ns;

    e->last = (struct embedding){
        .tick_ns = tick_ns,
        .capture_ns = seen->time_ns,
        .quality = seen->quality,
        .quality_reason = seen->quality_reason,
        .capture_took_ns = seen->arrived_ns - seen->time_ns,
        .queue_took_ns = began_ns - waiting_ns,
        .features_took_ns = seen->shrink_took_ns,
    };
    quantise_pixels(seen->pixels, e->n_pixel_bytes, e->table, runner_input(e->runner, 0));
    encode(e, &e->last, began_ns);
}

/* No new frame: the network would say what it said. */
static void repeat_last(struct encoder *e, int64_t tick_ns, int64_t now) {
    if (e->last.tick_ns == 0)
        return; /* none has ever come */
    if (tick_ns - e->last.capture_ns > ENCODER_HOPS_OLD * e->hop_ns) {
        drop(e);
        return;
    }
    e->last.tick_ns = tick_ns;
    e->last.ready_ns = now;
    e->last.capture_took_ns = e->last.queue_took_ns = 0;
    e->last.features_took_ns = e->last.encode_took_ns = 0;
    emit(e, &e->last);
}

static void pump_pictures(struct encoder *e) {
    const int64_t now = clock_ns(e->clock);
    const int64_t tick_ns = now - now % e->hop_ns;
    const struct seen *seen;

    if (e->tick_ns == 0)
        e->tick_ns = tick_after(e, now);
    if (now < e->tick_ns)
        return;
    e->tick_ns = tick_ns + e->hop_ns; /* ticks that we slept through are gone */
    seen = latest_take(e->frames);
    if (seen)
        encode_frame(e, seen, tick_ns, now);
    else
        repeat_last(e, tick_ns, now);
}

/* --- thread --- */

void encoder_pump(struct encoder *encoder) {
    switch (encoder->kind) {
    case MODALITY_SOUND:
        pump_sound(encoder);
        return;
    case MODALITY_PICTURE:
        pump_pictures(encoder);
        return;
    }
}

int64_t encoder_due_ns(const struct encoder *encoder) {
    if (encoder->kind == MODALITY_SOUND)
        return INT64_MAX; /* its ticks come with its samples */
    return encoder->tick_ns;
}

static void run(struct worker *worker, void *user) {
    struct encoder *const e = user;

    do
        encoder_pump(e);
    while (worker_wait(worker, NULL, 0, encoder_due_ns(e)) != -ECANCELED);
}

/* --- what main calls --- */

static int check_module(const struct modality *m, struct fault *fault) {
    const struct tensor_info *const in = model_input(m->encoder, 0);
    const struct tensor_info *const out = model_output(m->encoder, 0);

    if (!in || !out || in->type != TENSOR_INT8 || out->type != TENSOR_INT8)
        return fault_set(fault, -ENOTSUP,
                         "modality %s: its encoder must have int8 input and output", m->name);
    if (out->n_items > EMBEDDING_ITEMS_MAX)
        return fault_set(fault, -ENOTSUP,
                         "modality %s: its encoder gives %zu values, at most %d do", m->name,
                         out->n_items, EMBEDDING_ITEMS_MAX);
    return 0;
}

static int misfit(const struct modality *m, size_t n_features, struct fault *fault) {
    return fault_set(fault, -ENOTSUP,
                     "modality %s: its encoder takes %zu values, the front end gives %zu", m->name,
                     model_input(m->encoder, 0)->n_items, n_features);
}

static int new_sound(struct encoder *e, const struct modality *m, struct fault *fault) {
    const struct tensor_info *const in = model_input(m->encoder, 0);
    const struct sound_shape *shape;
    int r;

    e->sound = m->sound;
    r = sound_window_new(&m->sound, in->scale, in->zero_point, &e->window, fault);
    if (r < 0)
        return r;
    shape = sound_window_shape(e->window);
    if (in->n_items != shape->n_rows * shape->n_values)
        return misfit(m, shape->n_rows * shape->n_values, fault);
    e->shape = (struct encoder_shape){ MODALITY_SOUND, shape->n_rows, shape->n_values, 1,
                                       in->scale,      in->zero_point };
    r = sound_quality_new(shape->n_window, &e->quality);
    if (r < 0)
        return r;
    return queue_new(sizeof(struct heard), BLOCKS, &e->blocks);
}

static int new_picture(struct encoder *e, const struct modality *m, struct fault *fault) {
    const struct tensor_info *const in = model_input(m->encoder, 0);

    e->picture = m->picture;
    e->n_pixel_bytes = picture_bytes(&m->picture);
    if (in->n_items != e->n_pixel_bytes)
        return misfit(m, e->n_pixel_bytes, fault);
    e->shape = (struct encoder_shape){ MODALITY_PICTURE,
                                       (size_t) m->picture.height_px,
                                       (size_t) m->picture.width_px,
                                       m->picture.colour == COLOUR_RGB ? 3 : 1,
                                       in->scale,
                                       in->zero_point };
    quantise_pixel_table(in->scale, in->zero_point, e->table);
    return latest_new(sizeof(struct seen) + e->n_pixel_bytes, &e->frames);
}

int encoder_new(const struct encoder_options *options, const char *name, int wake_fd,
                const struct clock *clock, struct encoder **ret, struct fault *fault) {
    const struct modality *const m = options->modality;
    _cleanup_(encoder_freep) struct encoder *e = NULL;
    char thread_name[WORKER_NAME_BYTES];
    int r;

    assert(m->encoder && options->hop_ns > 0);

    r = check_module(m, fault);
    if (r < 0)
        return r;
    e = calloc(1, sizeof(*e));
    if (!e)
        return -ENOMEM;
    (void) snprintf(e->sha256, sizeof(e->sha256), "%s", model_sha256(m->encoder)); /* fits */
    e->kind = m->kind;
    e->hop_ns = options->hop_ns;
    e->n_embedding = model_output(m->encoder, 0)->n_items;
    e->clock = clock;
    e->wake_fd = wake_fd;
    r = m->kind == MODALITY_SOUND ? new_sound(e, m, fault) : new_picture(e, m, fault);
    if (r < 0)
        return r;
    r = queue_new(sizeof(struct embedding), EMBEDDINGS, &e->embeddings);
    if (r < 0)
        return r;
    r = runner_new(m->encoder, NULL, &e->runner);
    if (r < 0)
        return r;
    if (!clock->virtual_ns) {
        (void) snprintf(thread_name, sizeof(thread_name), "enc:%.*s", WORKER_NAME_BYTES - 5, name);
        r = worker_new(thread_name, run, e, &e->worker);
        if (r < 0)
            return r;
    }
    *ret = e;
    e = NULL; /* now the caller's */
    return 0;
}

void encoder_stop(struct encoder *encoder) {
    if (encoder->worker)
        worker_join(encoder->worker);
    encoder->runner = runner_free(encoder->runner);
}

struct encoder *encoder_free(struct encoder *encoder) {
    if (!encoder)
        return NULL;
    encoder_stop(encoder);
    (void) worker_free(encoder->worker); /* this and the following: always NULL */
    (void) sound_window_free(encoder->window);
    (void) sound_quality_free(encoder->quality);
    (void) queue_free(encoder->blocks);
    (void) latest_free(encoder->frames);
    (void) queue_free(encoder->embeddings);
    (void) latest_free(encoder->inputs);
    free(encoder);
    return NULL;
}

static bool same_sound(const struct sound_features *a, const struct sound_features *b) {
    return a->kind == b->kind && a->rate_hz == b->rate_hz && a->window_ms == b->window_ms &&
           a->frame_ms == b->frame_ms && a->step_ms == b->step_ms && a->n_bands == b->n_bands &&
           a->n_coefficients == b->n_coefficients && a->low_hz == b->low_hz &&
           a->high_hz == b->high_hz && a->floor == b->floor && a->normalise == b->normalise;
}

static bool same_picture(const struct picture_features *a, const struct picture_features *b) {
    return a->width_px == b->width_px && a->height_px == b->height_px && a->colour == b->colour &&
           a->crop == b->crop;
}

bool encoder_fits(const struct encoder *encoder, const struct encoder_options *options) {
    const struct modality *const m = options->modality;

    if (encoder->kind != m->kind || encoder->hop_ns != options->hop_ns ||
        strcmp(encoder->sha256, model_sha256(m->encoder)) != 0)
        return false;
    return m->kind == MODALITY_SOUND ? same_sound(&encoder->sound, &m->sound)
                                     : same_picture(&encoder->picture, &m->picture);
}

struct tap_options encoder_tap(struct encoder *encoder) {
    return (struct tap_options){
        .kind = encoder->kind == MODALITY_SOUND ? TAP_SOUND : TAP_PICTURE,
        .queue = encoder->blocks,
        .latest = encoder->frames,
        .features = encoder->picture,
        .reader = encoder->kind == MODALITY_SOUND ? encoder->worker : NULL,
    };
}

const struct embedding *encoder_take_begin(struct encoder *encoder) {
    return queue_pop_begin(encoder->embeddings);
}

void encoder_take_end(struct encoder *encoder) {
    queue_pop_end(encoder->embeddings);
}

struct encoder_shape encoder_shape(const struct encoder *encoder) {
    return encoder->shape;
}

int encoder_show(struct encoder *encoder, bool show) {
    /* Relaxed: only we store it. */
    if (show == atomic_load_explicit(&encoder->showing, memory_order_relaxed))
        return 0;
    if (show && !encoder->inputs) {
        const int r = latest_new(sizeof(struct encoder_input) + shape_items(&encoder->shape),
                                 &encoder->inputs);
        if (r < 0)
            return r;
    }
    (void) latest_take(encoder->inputs); /* of an earlier look */
    encoder->shown = NULL;
    /* Release: pairs with show(). */
    atomic_store_explicit(&encoder->showing, show, memory_order_release);
    return 0;
}

const struct encoder_input *encoder_shown(struct encoder *encoder) {
    const struct encoder_input *const fresh = encoder->inputs ? latest_take(encoder->inputs) : NULL;

    if (fresh)
        encoder->shown = fresh;
    return encoder->shown;
}

uint64_t encoder_n_encoded(const struct encoder *encoder) {
    return atomic_load_explicit(&encoder->n_encoded, memory_order_relaxed);
}

uint64_t encoder_n_dropped(const struct encoder *encoder) {
    return atomic_load_explicit(&encoder->n_dropped, memory_order_relaxed);
}

int64_t encoder_beat_ns(const struct encoder *encoder) {
    return encoder->worker ? worker_beat_ns(encoder->worker) : clock_ns(encoder->clock);
}

int64_t encoder_hop_ns(const struct encoder *encoder) {
    return encoder->hop_ns;
}

int64_t encoder_window_ns(const struct encoder *encoder) {
    const double window_ms = encoder->kind == MODALITY_SOUND ? encoder->sound.window_ms : 0;

    return HOPS_PATIENCE * encoder->hop_ns + (int64_t) (window_ms * (double) NS_PER_MS);
}
