/* SPDX-License-Identifier: MIT */
/* parameters - reads the parameters of a call; a wrong one is named. Main thread only. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/publish_socket.h"

/** Each returns 0, or -EINVAL with *@wrong = @key. What is absent or null leaves @ret alone. */

int parameter_bool(const json_t *parameters, const char *key, bool *ret, const char **wrong);

/** From @min to @max. */
int parameter_int(const json_t *parameters, const char *key, int64_t min, int64_t max, int64_t *ret,
                  const char **wrong);

/** The filters of Watch and ListEvents: tasks, labels, min_confidence. */
int parameter_filter(const json_t *parameters, struct filter *ret, const char **wrong);

/**
 * The cursor of Watch and ListEvents.
 * @boot  this boot's id; a cursor of another stands before all events of this one.
 * @ret   sequence, or -1 without a cursor.
 */
int parameter_cursor(const json_t *parameters, const char *boot, int64_t *ret, const char **wrong);

/** 0 if each key is one of @known (separated by blanks). */
int parameters_known(const json_t *parameters, const char *known, const char **wrong);
