/* SPDX-License-Identifier: MIT */
/*
 * arena - where buffers with lifetimes lie in one block of memory.
 *
 * Two buffers may share bytes only if they are never needed at the same time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { ARENA_ALIGN_BYTES = 16 };

struct arena_buffer {
    size_t n_bytes;
    int32_t first, last; /* moments at which it is needed, both included; first <= last */
    size_t offset;       /* set by arena_place(): a multiple of ARENA_ALIGN_BYTES */

    /* Not NULL: it is written while this one, which stands before it in the array, is read,
       upwards both. They may share bytes if it begins at least @lead bytes before; one other at
       most lies so over a buffer. */
    const struct arena_buffer *over;
    size_t lead;
};

/** Bytes needed at @moment, each buffer rounded up to ARENA_ALIGN_BYTES, pairs that may share bytes
 * doing so. */
size_t arena_live(const struct arena_buffer *buffers, size_t n, int32_t moment);

/** The most at any moment: no arena is smaller. */
size_t arena_peak(const struct arena_buffer *buffers, size_t n);

/**
 * Place all @n buffers.
 * @ret_bytes  size of the arena.
 * Returns 0, -ENOMEM.
 */
int arena_place(struct arena_buffer *buffers, size_t n, size_t *ret_bytes);
