/* SPDX-License-Identifier: MIT */
#include "pipeline/sensor.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/units.h"

enum {
    REPORTS = 16,
    GAPS_FREQUENT = 5,
    BLOCK_NS = (int) (NS_PER_S * SOUND_BLOCK_ITEMS / SOUND_RATE_HZ),
    /* The grid on which quality.h judges, so a picture should not be decoded smaller. */
    QUALITY_WIDTH_PX = 160,
    QUALITY_HEIGHT_PX = 120,
};

static const int64_t RETRY_LEAST_NS = NS_PER_S / 2, RETRY_MOST_NS = 30 * NS_PER_S;
static const int64_t BEAT_NS = NS_PER_S;       /* the heart of a thread that waits for data beats */
static const int64_t STALL_NS = 2 * NS_PER_S;  /* no data for so long: lost */
static const int64_t STALL_FRAMES = 3;         /* but a slow camera may take this many frames */
static const int64_t PROVEN_NS = 5 * NS_PER_S; /* delivered for so long: retry quickly again */
static const int64_t GAPS_SPAN_NS = 10 * NS_PER_S; /* GAPS_FREQUENT in it: degraded */

struct sensor {
    struct sensor_options options;
    const struct clock *clock;
    int wake_fd;
    struct worker *worker; /* NULL under a virtual clock */
    struct queue *reports; /* capture thread -> main */
    struct tap taps[TAPS_MAX];

    atomic_bool go;                       /* stored by main, read by the capture thread */
    atomic_bool ended;                    /* stored by the capture thread, read by main */
    atomic_bool retry;                    /* set by main, cleared by the capture thread */
    atomic_uint_least64_t n_gaps, n_lost; /* stored by the capture thread, read by main */
    atomic_int_least64_t data_ns;         /* as above */

    /* The capture thread's own: */
    struct source *source;
    struct picture_quality *quality; /* cameras */
    struct sensor_report state;      /* as it is */
    bool unreported;                 /* and main has not been told: the queue was full */
    bool after_break;      /* the next block or frame is the first since the source was opened */
    int64_t retry_ns;      /* pause before the next attempt */
    int64_t began_ns;      /* first data since it was opened, 0: none yet */
    int64_t span_began_ns; /* gaps are counted in spans */
    unsigned n_span_gaps;
};

/* --- what main calls --- */

static worker_fn capture;

int sensor_new(const struct sensor_options *options, int wake_fd, const struct clock *clock,
               struct sensor **ret) {
    _cleanup_(sensor_freep) struct sensor *s = NULL;
    char name[NAME_BYTES + 8];
    int r;

    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->options = *options;
    s->clock = clock;
    s->wake_fd = wake_fd;
    s->retry_ns = RETRY_LEAST_NS;
    s->state = (struct sensor_report){ .state = SENSOR_STARTING, .at_ns = clock_ns(clock) };
    r = queue_new(sizeof(struct sensor_report), REPORTS, &s->reports);
    if (r < 0)
        return r;
    if (options->source.data == SOURCE_PICTURE) {
        r = picture_quality_new(&s->quality);
        if (r < 0)
            return r;
    }
    if (!clock->virtual_ns) {
        (void) snprintf(name, sizeof(name), "see:%s", options->name); /* cut to 15 is fine */
        if (options->source.data == SOURCE_SOUND)
            (void) memcpy(name, "hear", 4); /* "hear" and a part of the name */
        r = worker_new(name, capture, s, &s->worker);
        if (r < 0)
            return r;
    }
    *ret = s;
    s = NULL; /* now the caller's */
    return 0;
}

struct sensor *sensor_free(struct sensor *sensor) {
    if (!sensor)
        return NULL;
    (void) worker_free(sensor->worker); /* always NULL */
    (void) source_free(
        sensor->source); /* always NULL; the thread closed it, the virtual clock did not */
    for (size_t i = 0; i < TAPS_MAX; i++)
        tap_clear(&sensor->taps[i]);
    (void) picture_quality_free(sensor->quality); /* always NULL */
    (void) queue_free(sensor->reports);           /* always NULL */
    free(sensor);
    return NULL;
}

void sensor_stop(struct sensor *sensor) {
    if (sensor->worker)
        worker_stop(sensor->worker);
}

bool sensor_ended(const struct sensor *sensor) {
    /* Relaxed: sensor_free() joins the thread before it frees. */
    return !sensor->worker || atomic_load_explicit(&sensor->ended, memory_order_relaxed);
}

void sensor_go(struct sensor *sensor) {
    /* Release: taps set up before are seen by the acquire in capture(). */
    atomic_store_explicit(&sensor->go, true, memory_order_release);
    if (sensor->worker)
        worker_wake(sensor->worker);
}

void sensor_retry(struct sensor *sensor) {
    /* Relaxed: nothing else is read by it; the wake orders it. */
    atomic_store_explicit(&sensor->retry, true, memory_order_relaxed);
    if (sensor->worker)
        worker_wake(sensor->worker);
}

const struct sensor_options *sensor_options(const struct sensor *sensor) {
    return &sensor->options;
}

int sensor_next_report(struct sensor *sensor, struct sensor_report *ret) {
    return queue_pop(sensor->reports, ret);
}

size_t sensor_n_free_taps(const struct sensor *sensor) {
    size_t n = 0;

    for (size_t i = 0; i < TAPS_MAX; i++)
        n += !tap_busy(&sensor->taps[i]);
    return n;
}

struct tap *sensor_add_tap(struct sensor *sensor, const struct tap_options *options) {
    for (size_t i = 0; i < TAPS_MAX; i++)
        if (!tap_busy(&sensor->taps[i])) {
            tap_activate(&sensor->taps[i], options);
            return &sensor->taps[i];
        }
    return NULL;
}

void sensor_remove_tap(struct sensor *sensor, struct tap *tap) {
    tap_retire(tap);
    if (sensor->worker)
        worker_wake(sensor->worker);
    else
        tap_clear(tap); /* one thread */
}

uint64_t sensor_n_gaps(const struct sensor *sensor) {
    return atomic_load_explicit(&sensor->n_gaps, memory_order_relaxed);
}

uint64_t sensor_n_lost(const struct sensor *sensor) {
    return atomic_load_explicit(&sensor->n_lost, memory_order_relaxed);
}

int64_t sensor_beat_ns(const struct sensor *sensor) {
    return sensor->worker ? worker_beat_ns(sensor->worker) : clock_ns(sensor->clock);
}

int64_t sensor_data_ns(const struct sensor *sensor) {
    return atomic_load_explicit(&sensor->data_ns, memory_order_relaxed);
}

/* --- the capture thread --- */

/* Tell main what is; kept for later if the queue is full. */
static void tell(struct sensor *s) {
    const uint64_t one = 1;

    s->unreported = queue_push(s->reports, &s->state) < 0;
    (void) !write(s->wake_fd, &one, sizeof(one)); /* full means already awake */
}

static void become(struct sensor *s, enum sensor_state state, const char *reason) {
    if (s->state.state == state && strcmp(s->state.reason, reason) == 0)
        return;
    s->state.state = state;
    s->state.at_ns = clock_ns(s->clock);
    (void) snprintf(s->state.reason, sizeof(s->state.reason), "%s", reason); /* cut is fine */
    tell(s);
}

static void count_gap(struct sensor *s) {
    /* Relaxed: a count on its own. */
    atomic_fetch_add_explicit(&s->n_gaps, 1, memory_order_relaxed);
    s->n_span_gaps++;
}

/* Frequent gaps make it degraded, a span with few makes it good again. */
static void judge_gaps(struct sensor *s, int64_t now) {
    if (s->n_span_gaps >= GAPS_FREQUENT && s->state.state == SENSOR_RUNNING)
        become(s, SENSOR_DEGRADED, "frequent gaps: data is lost between the device and us");
    if (now - s->span_began_ns < GAPS_SPAN_NS)
        return;
    if (s->n_span_gaps < GAPS_FREQUENT && s->state.state == SENSOR_DEGRADED)
        become(s, SENSOR_RUNNING, "");
    s->span_began_ns = now;
    s->n_span_gaps = 0;
}

/* The first data after the source was opened: now it runs. */
static void note_data(struct sensor *s, int64_t now) {
    /* Relaxed: a time on its own. */
    atomic_store_explicit(&s->data_ns, now, memory_order_relaxed);
    if (s->began_ns == 0) {
        s->began_ns = s->span_began_ns = now;
        s->n_span_gaps = 0;
        (void) snprintf(s->state.format, sizeof(s->state.format), "%s", source_format(s->source));
        (void) snprintf(s->state.device, sizeof(s->state.device), "%s", source_device(s->source));
        (void) snprintf(s->state.note, sizeof(s->state.note), "%s", source_note(s->source));
        s->state.rate_hz = source_rate_hz(s->source);
        become(s, SENSOR_RUNNING, "");
    }
    judge_gaps(s, now);
}

static void take_sound(const struct sound_block *block, void *user) {
    struct sensor *const s = user;
    struct sound_block marked;

    if (block->n_lost_before != 0)
        count_gap(s);
    if (s->after_break && s->state.state != SENSOR_STARTING && block->n_lost_before == 0) {
        marked = *block;
        marked.n_lost_before = -1; /* nobody knows how much was missed while it was lost */
        block = &marked;
    }
    s->after_break = false;
    note_data(s, clock_ns(s->clock));
    for (size_t i = 0; i < TAPS_MAX; i++)
        if (tap_turn(&s->taps[i]) && tap_sound(&s->taps[i], block, s->clock) < 0 &&
            s->taps[i].options.kind == TAP_SOUND)
            count_gap(s); /* a recorder's loss is no gap of the sensor */
}

static void take_frame(const struct frame *frame, void *user) {
    struct sensor *const s = user;
    struct quality quality;

    if (frame->n_lost_before > 0)
        count_gap(s);
    note_data(s, clock_ns(s->clock));
    quality = picture_quality_push(s->quality, frame);
    for (size_t i = 0; i < TAPS_MAX; i++)
        if (tap_turn(&s->taps[i]))
            (void) tap_frame(&s->taps[i], frame, s->clock, &quality); /* counted by the tap */
}

static int open_source(struct sensor *s, struct fault *fault) {
    int r;

    r = source_open(&s->options.source, &s->source, fault);
    if (r < 0)
        return r;
    s->after_break = true;
    s->began_ns = 0;
    return 0;
}

static int64_t stall_ns(const struct sensor *s) {
    const double rate_hz = source_rate_hz(s->source);
    int64_t frames_ns = 0;

    if (s->options.source.data == SOURCE_PICTURE && rate_hz > 0)
        frames_ns = (int64_t) ((double) (STALL_FRAMES * NS_PER_S) / rate_hz);
    return frames_ns > STALL_NS ? frames_ns : STALL_NS;
}

/* How large pictures must be for all that want some; whole ones for a recorder. */
static void want_pictures(struct sensor *s) {
    int32_t width_px = QUALITY_WIDTH_PX, height_px = QUALITY_HEIGHT_PX;
    bool whole = false;

    for (size_t i = 0; i < TAPS_MAX; i++) {
        const struct tap_options *const o = &s->taps[i].options;

        if (!tap_turn(&s->taps[i]))
            continue;
        whole = whole || o->kind == TAP_FRAME_RECORDER;
        width_px = o->features.width_px > width_px ? o->features.width_px : width_px;
        height_px = o->features.height_px > height_px ? o->features.height_px : height_px;
    }
    source_want_px(s->source, whole ? 0 : width_px, whole ? 0 : height_px);
}

static int read_source(struct sensor *s, struct fault *fault) {
    const struct source_sink sink = { .sound = take_sound, .frame = take_frame, .user = s };

    if (s->options.source.data == SOURCE_PICTURE)
        want_pictures(s);
    return source_read(s->source, &sink, fault);
}

/* Give up retired taps and tell what main has no place for yet. */
static void house_keeping(struct sensor *s) {
    for (size_t i = 0; i < TAPS_MAX; i++)
        (void) tap_turn(&s->taps[i]); /* whether it is active does not matter here */
    if (s->unreported)
        tell(s);
}

/* Until the source is lost or ends (-errno), or we are to stop (-ECANCELED). */
static int capture_until_lost(struct sensor *s, struct worker *worker, struct fault *fault) {
    const int64_t patience_ns = stall_ns(s);
    struct pollfd fd = { .fd = source_fd(s->source), .events = POLLIN };
    int64_t last_ns = now_ns();
    int r;

    for (;;) {
        r = worker_wait(worker, &fd, 1, now_ns() + BEAT_NS);
        if (r < 0)
            return r;
        house_keeping(s);
        r = read_source(s, fault);
        if (r < 0)
            return r;
        if (r > 0)
            last_ns = now_ns();
        else if (now_ns() - last_ns >= patience_ns)
            return fault_set(fault, -ETIMEDOUT,
                             "%s: no data for %d s; unplug it and plug it in again",
                             source_device(s->source), (int) (patience_ns / NS_PER_S));
        if (s->began_ns > 0 && last_ns - s->began_ns > PROVEN_NS)
            s->retry_ns = RETRY_LEAST_NS;
    }
}

/* One attempt: open, capture, close. As capture_until_lost(). */
static int attempt(struct sensor *s, struct worker *worker, struct fault *fault) {
    int r;

    r = open_source(s, fault);
    if (r < 0)
        return r;
    r = capture_until_lost(s, worker, fault);
    if (s->began_ns > 0 && r != -ECANCELED && r != -ENODATA)
        atomic_fetch_add_explicit(&s->n_lost, 1, memory_order_relaxed);
    s->source = source_free(s->source);
    return r;
}

/* Returns 0 at @until_ns, -ECANCELED if we are to stop. */
static int pause_until(struct sensor *s, struct worker *worker, int64_t until_ns) {
    while (now_ns() < until_ns) {
        if (worker_wait(worker, NULL, 0, until_ns) == -ECANCELED)
            return -ECANCELED;
        house_keeping(s);
    }
    return 0;
}

/* The pause of a lost sensor, longer each time; a device that comes ends it. As pause_until(). */
static int pause_lost(struct sensor *s, struct worker *worker) {
    const int64_t until_ns = now_ns() + s->retry_ns;

    s->retry_ns = s->retry_ns * 2 < RETRY_MOST_NS ? s->retry_ns * 2 : RETRY_MOST_NS;
    while (now_ns() < until_ns) {
        if (worker_wait(worker, NULL, 0, until_ns) == -ECANCELED)
            return -ECANCELED;
        house_keeping(s);
        if (!atomic_exchange_explicit(&s->retry, false, memory_order_relaxed)) /* as there */
            continue;
        s->retry_ns = RETRY_LEAST_NS;
        return 0;
    }
    return 0;
}

/* Open, capture and open again until we are to stop. */
static void capture_all(struct sensor *s, struct worker *worker) {
    struct fault fault;
    int r;

    /* Acquire: pairs with sensor_go(). */
    while (!atomic_load_explicit(&s->go, memory_order_acquire))
        if (worker_wait(worker, NULL, 0, WORKER_FOREVER) == -ECANCELED)
            return;

    do {
        fault = (struct fault){ "" };
        r = attempt(s, worker, &fault);
        if (r == -ENODATA) {
            become(s, SENSOR_OFF, fault.text[0] ? fault.text : "recording ended");
            r = pause_until(s, worker, WORKER_FOREVER);
        } else if (r != -ECANCELED) {
            become(s, SENSOR_LOST, fault.text[0] ? fault.text : strerror(-r));
            r = pause_lost(s, worker);
        }
    } while (r != -ECANCELED);
}

static void capture(struct worker *worker, void *user) {
    struct sensor *const s = user;
    const uint64_t one = 1;

    capture_all(s, worker);
    /* Relaxed: sensor_free() joins the thread before it frees. */
    atomic_store_explicit(&s->ended, true, memory_order_relaxed);
    (void) !write(s->wake_fd, &one, sizeof(one)); /* full means already awake */
}

/* --- the virtual clock's thread, which is main --- */

int sensor_open(struct sensor *sensor, struct fault *fault) {
    assert(!sensor->worker);
    return open_source(sensor, fault);
}

int64_t sensor_next_ns(const struct sensor *sensor) {
    const int64_t first_ns = sensor->source ? source_next_ns(sensor->source) : INT64_MAX;

    if (first_ns == INT64_MAX || sensor->options.source.data != SOURCE_SOUND)
        return first_ns;
    return first_ns + BLOCK_NS; /* a block is there when its last sample is */
}

int sensor_read(struct sensor *sensor, struct fault *fault) {
    int r;

    assert(!sensor->worker);
    r = read_source(sensor, fault);
    if (r == -ENODATA || (r >= 0 && source_next_ns(sensor->source) == INT64_MAX)) {
        become(sensor, SENSOR_OFF, fault && fault->text[0] ? fault->text : "recording ended");
        sensor->source = source_free(sensor->source);
    }
    return r;
}
