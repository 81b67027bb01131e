/* SPDX-License-Identifier: MIT */
/*
 * embedding - what an encoder hands to the main thread: one window's answer.
 *
 * A plain value that travels by queue. For a bundle without a head the values
 * are the classifier's outputs.
 */
#pragma once

#include <stdint.h>

#include "models/bundle.h"

struct embedding {
    int64_t tick_ns;    /* the decision instant it was made for, a multiple of the hop */
    int64_t capture_ns; /* end of its window: when the last sample or the frame was taken */
    int64_t ready_ns;   /* when the network was done */
    /* How long each stage took, see stats.h. */
    int64_t capture_took_ns, queue_took_ns, features_took_ns, encode_took_ns;
    double quality;                     /* 0..1 */
    const char *quality_reason;         /* static, or NULL if good */
    int8_t values[EMBEDDING_ITEMS_MAX]; /* the first n_embedding of its modality */
};
