/* SPDX-License-Identifier: MIT */
/*
 * latest - one value handed from a writer thread to a reader thread; the newest counts.
 *
 * The writer never waits and is never refused: what the reader did not take in
 * time is overwritten, and counted. Both sides work in place; nothing allocates
 * after latest_new().
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"

struct latest;

/**
 * Make an empty one for values of @value_bytes (at least 1).
 * Returns 0, -EINVAL, -ENOMEM.
 */
int latest_new(size_t value_bytes, struct latest **ret);

/** Free @l; both threads must have stopped using it. NULL is allowed. Returns NULL. */
struct latest *latest_free(struct latest *l);
DEFINE_CLEANUP(struct latest *, latest_free)

/** Writer: where the next value is to be written, aligned to 64 bytes; its old content is
 * undefined. */
void *latest_write_begin(struct latest *l);

/** Writer: hand over what was written since latest_write_begin(). */
void latest_write_end(struct latest *l);

/** Reader: the newest value if there is one that was not taken yet, valid until the next one is
 * taken; else NULL. */
const void *latest_take(struct latest *l);

/** Any thread: values overwritten before the reader took them. */
uint64_t latest_overwritten(const struct latest *l);
