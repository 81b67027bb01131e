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
};

/** Most bytes needed at one moment, each buffer rounded up to ARENA_ALIGN_BYTES: no arena is
 * smaller. */
size_t arena_peak(const struct arena_buffer *buffers, size_t n);

/**
 * Place all @n buffers.
 * @ret_bytes  size of the arena.
 * Returns 0, -ENOMEM.
 */
int arena_place(struct arena_buffer *buffers, size_t n, size_t *ret_bytes);
