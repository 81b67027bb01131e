/* SPDX-License-Identifier: MIT */
#include "daemon/unknown.h"

#include <string.h>

const char *unknown_task(const struct daemon *daemon, const struct filter *filter) {
    for (size_t i = 0; i < filter->n_tasks; i++)
        if (!settings_find(daemon->settings, SECTION_TASK, filter->tasks[i]))
            return filter->tasks[i];
    return NULL;
}

static bool has_label(const struct bundle *bundle, const char *label) {
    for (size_t i = 0; i < bundle->n_labels; i++)
        if (strcmp(bundle->labels[i], label) == 0)
            return true;
    return false;
}

static bool may_come(const struct plan *plan, const char *label) {
    size_t n_enabled = 0;

    for (size_t i = 0; plan && i < plan->n_all_tasks; i++) {
        const struct plan_task *task = &plan->all_tasks[i];

        if (!task->enabled)
            continue;
        n_enabled++;
        if (!task->bundle || has_label(task->bundle, label))
            return true;
    }
    return n_enabled == 0;
}

const char *unknown_label(const struct daemon *daemon, const struct filter *filter) {
    for (size_t i = 0; i < filter->n_labels; i++)
        if (!may_come(daemon->plan, filter->labels[i]))
            return filter->labels[i];
    return NULL;
}
