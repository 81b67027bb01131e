/* SPDX-License-Identifier: MIT */
#include "daemon/device_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>

#include "common/units.h"

/*
 * The node comes first; udev(7) then sets its group and makes the links, each of which is an event
 * too. So wait until it has been quiet for a moment.
 */
#define QUIET_NS (200 * NS_PER_MS)

/* Folders that come with their first device are watched once they are there. */
static const char *const folders[] = { "/dev", "/dev/snd", "/dev/v4l", "/dev/v4l/by-id",
                                       "/dev/v4l/by-path" };

enum { FOLDERS = sizeof(folders) / sizeof(folders[0]) };

struct device_watch {
    struct pipeline *pipeline;
    sd_event *event;
    sd_event_source *folders[FOLDERS], *quiet;
};

static int on_event(sd_event_source *source, const struct inotify_event *event, void *user);

static int watch_folders(struct device_watch *watch) {
    const uint32_t mask = IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_ONLYDIR;

    for (size_t i = 0; i < FOLDERS; i++) {
        int r = 0;

        if (!watch->folders[i])
            r = sd_event_add_inotify(watch->event, &watch->folders[i], folders[i], mask, on_event,
                                     watch);
        if (r == -ENOMEM)
            return r; /* whatever else keeps us from watching: sensors look by themselves */
    }
    return 0;
}

/* Of /dev itself only what leads to a camera or sound card. */
static bool is_ours(const struct device_watch *watch, const sd_event_source *source,
                    const struct inotify_event *event) {
    if (source != watch->folders[0])
        return true;
    return event->len > 0 && (strncmp(event->name, "video", 5) == 0 ||
                              strcmp(event->name, "snd") == 0 || strcmp(event->name, "v4l") == 0);
}

static int on_event(sd_event_source *source, const struct inotify_event *event, void *user) {
    struct device_watch *watch = user;
    int r;

    for (size_t i = 0; i < FOLDERS; i++)
        if (watch->folders[i] == source && (event->mask & (IN_DELETE_SELF | IN_IGNORED)))
            watch->folders[i] = sd_event_source_disable_unref(source); /* it comes back */
    if (!is_ours(watch, source, event))
        return 0;
    r = watch_folders(watch);
    if (r >= 0)
        r = sd_event_source_set_time_relative(watch->quiet, QUIET_NS / NS_PER_US);
    return r < 0 ? r : sd_event_source_set_enabled(watch->quiet, SD_EVENT_ONESHOT);
}

static int on_quiet(sd_event_source *source, uint64_t usec, void *user) {
    struct device_watch *watch = user;

    pipeline_retry(watch->pipeline);
    return 0;
}

int device_watch_new(sd_event *event, struct pipeline *pipeline, struct device_watch **ret) {
    _cleanup_(device_watch_freep) struct device_watch *watch = calloc(1, sizeof(*watch));
    int r;

    if (!watch)
        return -ENOMEM;
    watch->event = event;
    watch->pipeline = pipeline;
    r = sd_event_add_time_relative(event, &watch->quiet, CLOCK_MONOTONIC, 0, 0, on_quiet, watch);
    if (r >= 0)
        r = sd_event_source_set_enabled(watch->quiet, SD_EVENT_OFF);
    if (r >= 0)
        r = watch_folders(watch);
    if (r < 0)
        return r;
    *ret = watch;
    watch = NULL; /* now the caller's */
    return 0;
}

struct device_watch *device_watch_free(struct device_watch *watch) {
    if (!watch)
        return NULL;
    for (size_t i = 0; i < FOLDERS; i++)
        sd_event_source_disable_unref(watch->folders[i]);
    sd_event_source_disable_unref(watch->quiet);
    free(watch);
    return NULL;
}
