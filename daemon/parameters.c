/* SPDX-License-Identifier: MIT */
#include "daemon/parameters.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The value of @key, or NULL if it is absent or null. */
static const json_t *value_of(const json_t *parameters, const char *key) {
    const json_t *value = json_object_get(parameters, key);

    return json_is_null(value) ? NULL : value;
}

static int refuse(const char *key, const char **wrong) {
    *wrong = key;
    return -EINVAL;
}

int parameter_bool(const json_t *parameters, const char *key, bool *ret, const char **wrong) {
    const json_t *value = value_of(parameters, key);

    if (!value)
        return 0;
    if (!json_is_boolean(value))
        return refuse(key, wrong);
    *ret = json_is_true(value);
    return 0;
}

int parameter_int(const json_t *parameters, const char *key, int64_t min, int64_t max, int64_t *ret,
                  const char **wrong) {
    const json_t *value = value_of(parameters, key);

    if (!value)
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) < min ||
        json_integer_value(value) > max)
        return refuse(key, wrong);
    *ret = json_integer_value(value);
    return 0;
}

/* Strings into @names [FILTER_NAMES_MAX][@name_bytes]. */
static int read_names(const json_t *parameters, const char *key, char *names, size_t name_bytes,
                      size_t *ret_n, const char **wrong) {
    const json_t *list = value_of(parameters, key);

    if (!list)
        return 0;
    if (!json_is_array(list) || json_array_size(list) > FILTER_NAMES_MAX)
        return refuse(key, wrong);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));

        if (!name || strlen(name) >= name_bytes)
            return refuse(key, wrong);
        (void) strcpy(names + i * name_bytes, name); /* its length was checked */
    }
    *ret_n = json_array_size(list);
    return 0;
}

int parameter_filter(const json_t *parameters, struct filter *ret, const char **wrong) {
    const json_t *confidence = value_of(parameters, "min_confidence");
    int r =
        read_names(parameters, "tasks", ret->tasks[0], sizeof(ret->tasks[0]), &ret->n_tasks, wrong);

    if (r == 0)
        r = read_names(parameters, "labels", ret->labels[0], sizeof(ret->labels[0]), &ret->n_labels,
                       wrong);
    if (r < 0)
        return r;
    if (confidence && !json_is_number(confidence))
        return refuse("min_confidence", wrong);
    ret->min_confidence = confidence ? json_number_value(confidence) : 0;
    return 0;
}

int parameter_cursor(const json_t *parameters, const char *boot, int64_t *ret, const char **wrong) {
    const json_t *cursor_boot = value_of(parameters, "after_boot_id");
    int64_t after = -1;
    int r;

    if (cursor_boot && !json_is_string(cursor_boot))
        return refuse("after_boot_id", wrong);
    r = parameter_int(parameters, "after_sequence", 0, INT64_MAX, &after, wrong);
    if (r < 0)
        return r;
    if (cursor_boot && strcmp(json_string_value(cursor_boot), boot) != 0)
        after = 0;
    else if (cursor_boot && after < 0)
        return refuse("after_sequence", wrong);
    *ret = after;
    return 0;
}

static bool is_known(const char *key, const char *known) {
    const size_t n = strlen(key);

    while (*known) {
        const size_t n_word = strcspn(known, " ");

        if (n == n_word && strncmp(key, known, n) == 0)
            return true;
        known += n_word + strspn(known + n_word, " ");
    }
    return false;
}

int parameters_known(const json_t *parameters, const char *known, const char **wrong) {
    const char *key;
    json_t *value;

    json_object_foreach((json_t *) parameters, key,
                        value) if (!is_known(key, known)) return refuse(key, wrong);
    return 0;
}
