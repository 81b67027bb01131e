/* SPDX-License-Identifier: MIT */
/*
 * sample_clock - at which instant a sample of a sound card was taken.
 *
 * The card counts samples evenly but at a rate of its own; the kernel tells now and then how
 * many there are, with jitter. The clock is fed these pairs and gives times that
 * are evenly spaced and follow CLOCK_MONOTONIC without drift.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct sample_clock {
    double nominal_ns; /* between two samples, by the negotiated rate */
    double period_ns;  /* as measured so far */
    double base_ns;    /* offset of sample `base_items` from `epoch_ns` */
    int64_t epoch_ns;  /* the first observation; keeps the doubles small and exact */
    int64_t base_items;
    bool running;
};

/** Begin anew for a card of @rate_hz, before its first sample. */
void sample_clock_reset(struct sample_clock *clock, double rate_hz);

/**
 * At @now_ns, sample number @n_items (from 0) is the next to come. Call with growing @n_items.
 * Returns 0; or by how many ns the time has moved away from what the samples tell, if that
 * is more than a stall could explain: then samples are missing (> 0), and the clock should be
 * reset.
 */
int64_t sample_clock_observe(struct sample_clock *clock, int64_t n_items, int64_t now_ns);

/** The instant of sample @item (fractions allowed), after the first observation. */
int64_t sample_clock_time(const struct sample_clock *clock, double item);
