/* SPDX-License-Identifier: MIT */
#include "pipeline/tap.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "pipeline/pixels.h"

enum { PLANES_MAX = 3 };

void tap_activate(struct tap *tap, const struct tap_options *options) {
    assert(!tap_busy(tap));
    tap->options = *options;
    atomic_store_explicit(&tap->n_lost, 0, memory_order_relaxed); /* nobody else has it now */
    /* Release: the options are there for the acquire in tap_turn(). */
    atomic_store_explicit(&tap->state, TAP_ACTIVE, memory_order_release);
}

void tap_retire(struct tap *tap) {
    atomic_store_explicit(&tap->state, TAP_RETIRING, memory_order_release);
}

bool tap_busy(const struct tap *tap) {
    /* Acquire: pairs with the release in give_up(); then we may free what the tap pointed to. */
    return atomic_load_explicit(&tap->state, memory_order_acquire) != TAP_FREE;
}

static void give_up(struct tap *tap) {
    tap->picture = picture_free(tap->picture);
    tap->n_refused_items = 0;
    /* Release: we touch nothing of it after this; pairs with tap_busy(). */
    atomic_store_explicit(&tap->state, TAP_FREE, memory_order_release);
}

bool tap_turn(struct tap *tap) {
    /* Acquire: pairs with tap_activate(). */
    const int state = atomic_load_explicit(&tap->state, memory_order_acquire);

    if (state == TAP_RETIRING)
        give_up(tap);
    return state == TAP_ACTIVE;
}

void tap_clear(struct tap *tap) {
    if (tap_busy(tap))
        give_up(tap);
}

/* Relaxed: a count on its own. */
static int lost(struct tap *tap, int error) {
    atomic_fetch_add_explicit(&tap->n_lost, 1, memory_order_relaxed);
    return error;
}

static void wake(const struct tap *tap) {
    if (tap->options.reader)
        worker_wake(tap->options.reader);
}

int tap_sound(struct tap *tap, const struct sound_block *block, const struct clock *clock) {
    struct heard *const heard = queue_push_begin(tap->options.queue);

    if (!heard) {
        tap->n_refused_items += SOUND_BLOCK_ITEMS;
        return lost(tap, -ENOBUFS);
    }
    heard->arrived_ns = clock_ns(clock);
    heard->block = *block;
    if (heard->block.n_lost_before >= 0) /* the reader sees what it missed as a gap */
        heard->block.n_lost_before += tap->n_refused_items;
    tap->n_refused_items = 0;
    queue_push_end(tap->options.queue);
    wake(tap);
    return 0;
}

static int plan(struct tap *tap, const struct frame *frame) {
    if (tap->picture && picture_fits(tap->picture, frame))
        return 0;
    tap->picture = picture_free(tap->picture);
    return picture_new(&tap->options.features, frame->format, frame->width_px, frame->height_px,
                       &tap->picture);
}

static int shrink(struct tap *tap, const struct frame *frame, const struct clock *clock,
                  const struct quality *quality) {
    struct seen *seen;
    int r;

    r = plan(tap, frame);
    if (r < 0)
        return r;
    seen = latest_write_begin(tap->options.latest);
    *seen = (struct seen){
        .time_ns = frame->time_ns,
        .arrived_ns = clock_ns(clock),
        .width_px = frame->width_px,
        .height_px = frame->height_px,
        .quality = quality->value,
        .quality_reason = quality->reason,
    };
    picture_shrink(tap->picture, frame, seen->pixels);
    seen->shrink_took_ns = clock_ns(clock) - seen->arrived_ns;
    latest_write_end(tap->options.latest);
    return 0; /* its reader comes by itself, at its tick */
}

static void copy_planes(const struct frame *frame, uint8_t *ret) {
    struct frame packed = *frame;

    pixels_lay(&packed, ret, 0);
    for (size_t i = 0; i < PLANES_MAX && frame->planes[i]; i++) {
        const size_t height = (size_t) frame->height_px;
        const size_t n_rows = i == 0 ? height : (height + 1) / 2;

        for (size_t y = 0; y < n_rows; y++)
            memcpy((uint8_t *) packed.planes[i] + y * packed.stride_bytes[i],
                   frame->planes[i] + y * frame->stride_bytes[i], packed.stride_bytes[i]);
    }
}

static int copy(struct tap *tap, const struct frame *frame) {
    struct photographed *item;

    if (pixels_bytes(frame->format, frame->width_px, frame->height_px) >
        tap->options.frame_bytes_max)
        return -EMSGSIZE;
    item = queue_push_begin(tap->options.queue);
    if (!item)
        return -ENOBUFS;
    item->time_ns = frame->time_ns;
    item->format = frame->format;
    item->width_px = frame->width_px;
    item->height_px = frame->height_px;
    copy_planes(frame, item->pixels);
    queue_push_end(tap->options.queue);
    wake(tap);
    return 0;
}

int tap_frame(struct tap *tap, const struct frame *frame, const struct clock *clock,
              const struct quality *quality) {
    const int r = tap->options.kind == TAP_FRAME_RECORDER ? copy(tap, frame)
                                                          : shrink(tap, frame, clock, quality);

    return r < 0 ? lost(tap, r) : 0;
}
