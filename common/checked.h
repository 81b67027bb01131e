/* SPDX-License-Identifier: MIT */
/* Sizes are added and multiplied through these, so that none can wrap. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

/** *@ret = a * b. Returns 0, or -EOVERFLOW with *@ret untouched. */
static inline int checked_mul(size_t a, size_t b, size_t *ret) {
    size_t product;

    if (__builtin_mul_overflow(a, b, &product))
        return -EOVERFLOW;
    *ret = product;
    return 0;
}

/** *@ret = a + b. Returns 0, or -EOVERFLOW with *@ret untouched. */
static inline int checked_add(size_t a, size_t b, size_t *ret) {
    size_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return -EOVERFLOW;
    *ret = sum;
    return 0;
}
