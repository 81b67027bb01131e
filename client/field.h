/* SPDX-License-Identifier: MIT */
/* Fields of a reply that may be missing or of another type: then a harmless value stands in. */
#pragma once

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/** The string @name of @object, or "". Lives as long as @object. */
static inline const char *field_text(const json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));

    return text ? text : "";
}

/** The number @name of @object, or NAN. */
static inline double field_number(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);

    return json_is_number(value) ? json_number_value(value) : (double) NAN;
}

/** The whole number @name of @object, or 0. */
static inline int64_t field_integer(const json_t *object, const char *name) {
    return json_integer_value(json_object_get(object, name));
}

/** True if @name of @object is true. */
static inline bool field_true(const json_t *object, const char *name) {
    return json_is_true(json_object_get(object, name));
}

/** Nanoseconds carried as a decimal string, or 0. */
static inline int64_t field_ns(const json_t *object, const char *name) {
    return strtoll(field_text(object, name), NULL, 10); /* garbage reads as 0, range is clamped */
}
