/* SPDX-License-Identifier: MIT */
/*
 * Method: the caller offers each helper one part, does its own, takes back the parts that nobody
 * has begun by then and does them too, and waits for the others. So it never waits for one that is
 * not running yet. Work lasts microseconds and follows upon work: an offer lies in one cache line
 * of the helper's own, which tries to take it by compare-and-swap, since that fetches the line but
 * once, and sleeps on a futex(2) only after LOOK_OUT_NS without one.
 */
#include "models/crew.h"

#include <assert.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/units.h"

enum {
    CACHE_LINE_BYTES = 64,
    LOOK_OUT_NS = 20000, /* some steps of a small network; waking up takes about as long */
    LOOKS = 32,          /* between two looks at the clock */
};

/* Of an offer. */
enum { OFFER_NONE, OFFER_MADE, OFFER_TAKEN, OFFER_DONE };

struct helper {
    /* Made (released) by who has the crew, taken (acquired) by the helper or back, done (released)
       by the helper. */
    alignas(CACHE_LINE_BYTES) _Atomic uint32_t offer;
    crew_part_fn *fn; /* as offered */
    void *user;
    size_t part;

    alignas(CACHE_LINE_BYTES) struct crew *crew;
    size_t thread;
    pthread_t id;
};

struct crew {
    size_t n_threads, n_started;
    atomic_bool taken;
    /* Who has the crew sleeps until an offer is done; sequentially consistent with that. */
    atomic_bool waits;

    alignas(CACHE_LINE_BYTES) _Atomic uint32_t call; /* counts calls to those that sleep */
    atomic_bool asleep;                              /* somebody may be */
    atomic_size_t ready;                             /* helpers that look out */
    atomic_bool stop;
    struct helper helpers[CREW_THREADS_MAX - 1];
};

static void futex_wait(_Atomic uint32_t *word, uint32_t value) {
    (void) syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL); /* the caller looks again */
}

static void futex_wake(_Atomic uint32_t *word) {
    (void) syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, CREW_THREADS_MAX); /* cannot fail */
}

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ volatile("yield");
#endif
}

/* ---- helpers ---- */

static bool help(struct helper *helper) {
    uint32_t made = OFFER_MADE;

    if (!atomic_compare_exchange_strong_explicit(&helper->offer, &made, OFFER_TAKEN,
                                                 memory_order_acquire, memory_order_relaxed))
        return false;
    helper->fn(helper->user, helper->part, helper->thread);
    atomic_store(&helper->offer, OFFER_DONE);
    if (atomic_load(&helper->crew->waits))
        futex_wake(&helper->offer);
    return true;
}

/* Until there has been no offer for a moment. */
static void look_out(struct helper *helper) {
    int64_t end_ns = now_ns() + LOOK_OUT_NS;

    atomic_fetch_add_explicit(&helper->crew->ready, 1, memory_order_relaxed);
    while (now_ns() < end_ns)
        for (int i = 0; i < LOOKS; i++)
            if (help(helper))
                end_ns = now_ns() + LOOK_OUT_NS;
            else
                relax();
    atomic_fetch_sub_explicit(&helper->crew->ready, 1, memory_order_relaxed);
}

static void sleep_until_called(struct crew *crew) {
    const uint32_t call = atomic_load(&crew->call);

    atomic_store(&crew->asleep, true);
    if (!atomic_load(&crew->stop))
        futex_wait(&crew->call, call);
}

static void *helper_main(void *user) {
    struct helper *helper = user;

    while (!atomic_load(&helper->crew->stop)) {
        look_out(helper);
        sleep_until_called(helper->crew);
    }
    return NULL;
}

static void call_sleepers(struct crew *crew) {
    if (!atomic_load(&crew->asleep) || !atomic_exchange(&crew->asleep, false))
        return;
    atomic_fetch_add(&crew->call, 1);
    futex_wake(&crew->call);
}

static int start(struct crew *crew) {
    sigset_t all, before;
    int r = 0;

    (void) sigfillset(&all);
    (void) pthread_sigmask(SIG_SETMASK, &all, &before); /* cannot fail with these arguments */
    while (r == 0 && crew->n_started < crew->n_threads - 1) {
        struct helper *helper = &crew->helpers[crew->n_started];

        helper->crew = crew;
        helper->thread = crew->n_started + 1;
        r = -pthread_create(&helper->id, NULL, helper_main, helper);
        if (r == 0) {
            (void) pthread_setname_np(helper->id, "crew"); /* for who looks into /proc */
            crew->n_started++;
        }
    }
    (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

/* ---- the caller's side ---- */

int crew_new(size_t n_threads, struct crew **ret) {
    _cleanup_(crew_freep) struct crew *crew = NULL;
    int r;

    if (n_threads < 1 || n_threads > CREW_THREADS_MAX)
        return -EINVAL;
    crew = aligned_alloc(CACHE_LINE_BYTES, sizeof(*crew));
    if (!crew)
        return -ENOMEM;
    *crew = (struct crew){ .n_threads = n_threads };
    r = start(crew);
    if (r < 0)
        return r;
    *ret = crew;
    crew = NULL;
    return 0;
}

struct crew *crew_free(struct crew *crew) {
    if (!crew)
        return NULL;
    atomic_store(&crew->stop, true);
    atomic_fetch_add(&crew->call, 1);
    futex_wake(&crew->call);
    for (size_t i = 0; i < crew->n_started; i++)
        (void) pthread_join(crew->helpers[i].id, NULL); /* ours, joined once */
    free(crew);
    return NULL;
}

size_t crew_n_threads(const struct crew *crew) {
    return crew->n_threads;
}

size_t crew_ready(struct crew *crew) {
    call_sleepers(crew);
    return 1 + atomic_load_explicit(&crew->ready, memory_order_relaxed);
}

bool crew_take(struct crew *crew) {
    if (atomic_exchange_explicit(&crew->taken, true, memory_order_acquire))
        return false;
    call_sleepers(crew); /* there will be work by the time they are awake */
    return true;
}

void crew_give(struct crew *crew) {
    atomic_store_explicit(&crew->taken, false, memory_order_release);
}

static bool is_done(struct helper *helper, memory_order order) {
    return atomic_load_explicit(&helper->offer, order) == OFFER_DONE;
}

static void wait_for(struct crew *crew, struct helper *helper) {
    const int64_t end_ns = now_ns() + LOOK_OUT_NS;

    do
        for (int i = 0; i < LOOKS; i++) {
            if (is_done(helper, memory_order_acquire))
                return;
            relax();
        }
    while (now_ns() < end_ns);

    atomic_store(&crew->waits, true); /* the helper was held up */
    while (!is_done(helper, memory_order_seq_cst))
        futex_wait(&helper->offer, OFFER_TAKEN);
    atomic_store(&crew->waits, false);
}

void crew_run(struct crew *crew, crew_part_fn *fn, void *user, size_t n_parts) {
    assert(n_parts >= 1 && n_parts <= crew->n_threads);

    for (size_t part = 1; part < n_parts; part++) {
        struct helper *helper = &crew->helpers[part - 1];

        helper->fn = fn;
        helper->user = user;
        helper->part = part;
        atomic_store_explicit(&helper->offer, OFFER_MADE, memory_order_release);
    }
    fn(user, 0, 0);
    for (size_t part = 1; part < n_parts; part++) {
        struct helper *helper = &crew->helpers[part - 1];
        uint32_t made = OFFER_MADE;

        if (atomic_compare_exchange_strong_explicit(&helper->offer, &made, OFFER_NONE,
                                                    memory_order_relaxed, memory_order_relaxed))
            fn(user, part, 0);
        else
            wait_for(crew, helper);
    }
}
