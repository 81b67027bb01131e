/* SPDX-License-Identifier: MIT */
/*
 * Method: the second-order delay-locked loop of F. Adriaensen, "Using a DLL to
 * filter time", Linux Audio Conference 2005: the error between predicted and
 * observed time corrects the phase by sqrt(2) w and the period by w^2, with
 * w = 2 pi B / F for bandwidth B and update rate F (here: the samples since the last update).
 */
#include "pipeline/sample_clock.h"

#include <assert.h>
#include <math.h>

#include "common/units.h"

/* Cards settle within seconds; a jitter of 10 ms moves a block by 0.2 ms at most. */
#define BANDWIDTH_HZ 0.2
/* One late wake-up must not be followed blindly. */
#define OMEGA_MAX 0.2
/* Crystals are within 0.1 %; what is further off is a wrong observation. */
#define RATE_TOLERANCE 0.005
/* More than any scheduling delay the card's time stamp may contain. */
#define JUMP_NS (150 * NS_PER_MS)

void sample_clock_reset(struct sample_clock *clock, double rate_hz) {
    const double period_ns = (double) NS_PER_S / rate_hz;

    *clock = (struct sample_clock){ .nominal_ns = period_ns, .period_ns = period_ns };
}

int64_t sample_clock_observe(struct sample_clock *clock, int64_t n_items, int64_t now_ns) {
    const double n_new = (double) (n_items - clock->base_items);
    const double predicted_ns = clock->base_ns + n_new * clock->period_ns;
    double error_ns, omega;

    if (!clock->running) {
        clock->running = true;
        clock->epoch_ns = now_ns;
        clock->base_items = n_items;
        return 0;
    }
    error_ns = (double) (now_ns - clock->epoch_ns) - predicted_ns;
    if (fabs(error_ns) > (double) JUMP_NS)
        return (int64_t) error_ns;
    omega =
        fmin(2 * M_PI * BANDWIDTH_HZ * n_new * clock->nominal_ns / (double) NS_PER_S, OMEGA_MAX);
    clock->base_ns = predicted_ns + M_SQRT2 * omega * error_ns;
    clock->base_items = n_items;
    if (n_new > 0)
        clock->period_ns += omega * omega * error_ns / n_new;
    clock->period_ns = fmax(clock->period_ns, clock->nominal_ns * (1 - RATE_TOLERANCE));
    clock->period_ns = fmin(clock->period_ns, clock->nominal_ns * (1 + RATE_TOLERANCE));
    return 0;
}

int64_t sample_clock_time(const struct sample_clock *clock, double item) {
    assert(clock->running);

    return clock->epoch_ns +
           llround(clock->base_ns + (item - (double) clock->base_items) * clock->period_ns);
}
