/* SPDX-License-Identifier: MIT */
#include "models/tool_dataset.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { N_KINDS = 2 };

static const char *const folders[N_KINDS] = {
    [MODALITY_SOUND] = "audio",
    [MODALITY_PICTURE] = "images",
};

struct list {
    size_t n;
    char **paths;
};

struct dataset {
    const struct bundle *bundle;
    struct list lists[N_KINDS][BUNDLE_LABELS_MAX];
};

struct dataset *dataset_free(struct dataset *dataset) {
    if (!dataset)
        return NULL;
    for (size_t kind = 0; kind < N_KINDS; kind++)
        for (size_t label = 0; label < BUNDLE_LABELS_MAX; label++) {
            struct list *const list = &dataset->lists[kind][label];

            for (size_t i = 0; i < list->n; i++)
                free(list->paths[i]);
            free(list->paths);
        }
    free(dataset);
    return NULL;
}

static int is_shown(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
    return strcmp((*a)->d_name, (*b)->d_name); /* not alphasort(), which goes by the locale */
}

/* Take over @n @entries of the folder @path. */
static int fill(struct list *list, const char *path, struct dirent **entries, size_t n) {
    list->paths = calloc(n > 0 ? n : 1, sizeof(*list->paths));
    if (!list->paths)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        if (asprintf(&list->paths[i], "%s/%s", path, entries[i]->d_name) < 0) {
            list->paths[i] = NULL; /* undefined after a failure */
            return -ENOMEM;
        }
        list->n++;
    }
    return 0;
}

/* A folder that is not there is an empty list. */
static int read_folder(struct list *list, const char *path, struct fault *fault) {
    struct dirent **entries = NULL;
    const int n = scandir(path, &entries, is_shown, by_bytes);
    int r;

    if (n < 0 && errno == ENOENT)
        return 0;
    if (n < 0)
        return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
    r = fill(list, path, entries, (size_t) n);
    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    return r;
}

static int read_kind(struct dataset *d, enum modality_kind kind, const char *path,
                     const char *split, struct fault *fault) {
    char folder[PATH_MAX];
    int r = 0;

    for (size_t label = 0; label < d->bundle->n_labels && r == 0; label++) {
        if (snprintf(folder, sizeof(folder), "%s/%s/%s/%s", path, folders[kind], split,
                     d->bundle->labels[label]) >= (int) sizeof(folder))
            return fault_set(fault, -ENAMETOOLONG, "%s: the path is too long", path);
        r = read_folder(&d->lists[kind][label], folder, fault);
    }
    return r;
}

static size_t count_all(const struct dataset *d) {
    size_t n = 0;

    for (size_t kind = 0; kind < N_KINDS; kind++)
        for (size_t label = 0; label < BUNDLE_LABELS_MAX; label++)
            n += d->lists[kind][label].n;
    return n;
}

int dataset_new(const char *path, const char *split, const struct bundle *bundle,
                struct dataset **ret, struct fault *fault) {
    _cleanup_(dataset_freep) struct dataset *d = calloc(1, sizeof(*d));
    struct stat st;
    int r;

    assert(path && split && bundle && ret);

    if (!d)
        return -ENOMEM;
    d->bundle = bundle;
    if (stat(path, &st) < 0)
        return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
    r = read_kind(d, MODALITY_SOUND, path, split, fault);
    if (r == 0)
        r = read_kind(d, MODALITY_PICTURE, path, split, fault);
    if (r < 0)
        return r;
    if (count_all(d) == 0)
        return fault_set(fault, -ENOENT,
                         "%s: no file in {audio,images}/%s/LABEL for any label of bundle %s", path,
                         split, bundle->name);
    *ret = d;
    d = NULL; /* now the caller's */
    return 0;
}

const char *dataset_file(const struct dataset *dataset, enum modality_kind kind, size_t label,
                         size_t i) {
    const struct list *const list = &dataset->lists[kind][label];

    return i < list->n ? list->paths[i] : NULL;
}
