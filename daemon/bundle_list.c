/* SPDX-License-Identifier: MIT */
#include "daemon/bundle_list.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "daemon/event_json.h"

struct listing {
    const struct daemon *daemon;
    json_t *bundles, *broken;
    json_t *seen; /* set of folder names: the first of a name counts */
};

static void add_opened(struct listing *listing, const char *path) {
    const struct bundle_options options =
        plan_bundle_options(&listing->daemon->settings->sections[0].lookoutd, true);
    _cleanup_(bundle_freep) struct bundle *bundle = NULL;
    struct fault fault = { "out of memory" };

    if (bundle_open(path, &options, &bundle, &fault) < 0)
        (void) json_array_append_new(
            listing->broken,
            json_pack("{s:o, s:o}", "path", text_json(path), "why", text_json(fault.text)));
    else
        (void) json_array_append_new(listing->bundles, bundle_json(bundle));
}

static void add(struct listing *listing, const char *directory, const char *name) {
    char path[PATH_MAX], manifest[PATH_MAX];
    const struct bundle *used;

    if (name[0] == '.' || json_object_get(listing->seen, name) ||
        (size_t) snprintf(path, sizeof(path), "%s/%s", directory, name) >= sizeof(path) ||
        (size_t) snprintf(manifest, sizeof(manifest), "%s/bundle.ini", path) >= sizeof(manifest) ||
        access(manifest, F_OK) < 0)
        return;
    (void) json_object_set_new(listing->seen, name, json_true());
    used = plan_bundle_at(listing->daemon->plan, path);
    if (used)
        (void) json_array_append_new(listing->bundles, bundle_json(used));
    else
        add_opened(listing, path);
}

json_t *bundle_list(const struct daemon *daemon, json_t **ret_broken) {
    const struct name_list *const places = &daemon->settings->sections[0].lookoutd.bundles;
    struct listing listing = { daemon, json_array(), json_array(), json_object() };

    for (size_t i = 0; i < places->n; i++) {
        struct dirent **entries;
        const int n = scandir(places->names[i], &entries, NULL, alphasort);

        for (int k = 0; k < n; k++) {
            add(&listing, places->names[i], entries[k]->d_name);
            free(entries[k]);
        }
        if (n >= 0)
            free(entries);
    }
    json_decref(listing.seen);
    *ret_broken = listing.broken;
    return listing.bundles;
}
