/* SPDX-License-Identifier: MIT */
#include "pipeline/devices_choose.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/devices_kinds.h"

/* What was seen while looking for the best. */
struct search {
    size_t n_usable, n_unusable;
    bool best_is_ours;
    char best[SOURCE_PATH_BYTES], best_name[DEVICE_NAME_BYTES];
    char refused[SOURCE_PATH_BYTES]; /* the first that cannot be used */
    char why[DEVICE_WHY_BYTES], what_to_do[DEVICE_WHY_BYTES];
};

static void keep_refused(struct search *search, const struct device_info *info) {
    if (search->n_unusable++ > 0)
        return;
    memcpy(search->refused, info->path, sizeof(search->refused));
    memcpy(search->why, info->why, sizeof(search->why));
    memcpy(search->what_to_do, info->what_to_do, sizeof(search->what_to_do));
}

/* One that another sensor of ours has is the last choice. */
static void look_at(const char *path, const struct device_info *info, void *user) {
    struct search *search = user;

    if (!info)
        return;
    if (!info->usable) {
        keep_refused(search, info);
        return;
    }
    if (search->n_usable++ > 0 &&
        (info->ours > search->best_is_ours ||
         (info->ours == search->best_is_ours && strcmp(info->stable, search->best) >= 0)))
        return;
    search->best_is_ours = info->ours;
    memcpy(search->best, info->stable, sizeof(search->best));
    memcpy(search->best_name, info->name, sizeof(search->best_name));
}

static int nothing_found(const char *what, const struct search *search, struct fault *fault) {
    if (search->n_unusable == 0)
        return fault_set(fault, -ENODEV, "no %s is there; plug one in, it is taken at once", what);
    if (search->n_unusable == 1)
        return fault_set(fault, -ENOTSUP, "the only %s cannot be used: %s: %s; %s", what,
                         search->refused, search->why, search->what_to_do);
    return fault_set(fault, -ENOTSUP,
                     "none of %zu %ss can be used (see `lookoutctl devices`): %s: %s; %s",
                     search->n_unusable, what, search->refused, search->why, search->what_to_do);
}

static int choose_any(enum source_kind kind, struct device_choice *ret, struct fault *fault) {
    const char *const what = kind == SOURCE_V4L2 ? "camera" : "microphone";
    struct search search = { 0 };

    if (kind == SOURCE_V4L2)
        devices_each_camera(look_at, &search);
    else
        devices_each_microphone(look_at, &search);
    if (search.n_usable == 0)
        return nothing_found(what, &search, fault);
    memcpy(ret->device, search.best, sizeof(ret->device));
    if (search.n_usable == 1)
        (void) snprintf(ret->note, sizeof(ret->note), "took %s, the only %s that can be used",
                        search.best_name, what);
    else
        (void) snprintf(ret->note, sizeof(ret->note),
                        "took %s, by name the first of %zu %ss; to choose, write `device =` in a "
                        "section [%s NAME], see `lookoutctl devices`",
                        search.best_name, search.n_usable, what, what);
    return 0;
}

int devices_choose(enum source_kind kind, const char *name, struct device_choice *ret,
                   struct fault *fault) {
    struct device_choice choice = { "", "" };
    int r;

    (void) snprintf(choice.device, sizeof(choice.device), "%s", name); /* one size */
    if (strcmp(name, "auto") == 0) {
        r = choose_any(kind, &choice, fault);
        if (r < 0)
            return r;
    }
    r = kind == SOURCE_V4L2 ? devices_check_camera(choice.device, fault)
                            : devices_find_microphone(choice.device, fault);
    if (r == 0)
        *ret = choice;
    return r;
}
