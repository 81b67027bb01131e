/* SPDX-License-Identifier: MIT */
#include "daemon/device_list.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "daemon/client.h"
#include "daemon/device_json.h"
#include "pipeline/devices_scan.h"

struct device_list {
    struct daemon *daemon;
    int wake_fd;
    sd_event_source *wake, *deadline;
    struct devices_scan *scan; /* NULL: nothing is being asked */
    bool late;                 /* the scan took longer than anyone waits */
};

static bool sensor_has(const struct sensor_status *sensor, const struct device_info *device) {
    char node[PATH_MAX];

    return devices_node(sensor->kind, sensor->device, node) == 0 && strcmp(node, device->node) == 0;
}

static json_t *found_json(const struct daemon *daemon, const struct device_info *device) {
    struct device_info known = *device;
    struct sensor_status sensor;

    for (size_t i = 0; device->ours && pipeline_sensor(daemon->pipeline, i, &sensor) == 0; i++)
        if (sensor_has(&sensor, device)) {
            if (!known.formats[0]) /* a sound card that is open does not tell */
                (void) snprintf(known.formats, sizeof(known.formats), "%s", sensor.format);
            return device_json(&known, sensor.name);
        }
    return device_json(device, NULL);
}

/* The device whose driver has not answered. */
static json_t *silent_json(const char *path) {
    struct device_info device = {
        .kind = strncmp(path, "/dev/", 5) == 0 ? SOURCE_V4L2 : SOURCE_ALSA,
        .why = "its driver does not answer",
        .what_to_do = "unplug it and plug it again; if that does not help, restart this machine",
    };

    (void) snprintf(device.path, sizeof(device.path), "%s", path);     /* one size */
    (void) snprintf(device.stable, sizeof(device.stable), "%s", path); /* one size */
    (void) snprintf(device.name, sizeof(device.name), "%.64s", path);
    return device_json(&device, NULL);
}

static json_t *devices_json(const struct device_list *list) {
    json_t *devices = json_array();
    const struct device_info *found;
    const char *asking;
    size_t n;
    int r = 0;

    found = devices_scan_found(list->scan, &n);
    for (size_t i = 0; i < n; i++)
        r |= json_array_append_new(devices, found_json(list->daemon, &found[i]));
    asking = devices_scan_asking(list->scan);
    if (list->late && asking[0])
        r |= json_array_append_new(devices, silent_json(asking));
    if (r == 0)
        return devices;
    json_decref(devices);
    return NULL;
}

static struct message *answer(const struct device_list *list) {
    json_t *devices = devices_json(list);

    return devices ? varlink_reply(json_pack("{s:o}", "devices", devices), false) : NULL;
}

/* @user is the answer, NULL without memory. */
static void answer_if_waiting(struct connection *connection, void *user) {
    struct client *client = connection_user(connection);

    if (!client || !client->waits_for_devices)
        return;
    client->waits_for_devices = false;
    connection_set_streaming(connection, false);
    connection_send(connection, user ? message_ref(user) : NULL);
    connection_resume(connection); /* it may ask again at once */
}

static void answer_all(struct device_list *list, struct message *message) {
    server_each(list->daemon->server, answer_if_waiting, message);
    message_unref(message);
}

static int on_wake(sd_event_source *source, int fd, uint32_t revents, void *user) {
    struct device_list *list = user;
    struct message *message;
    uint64_t wakes;
    int r;

    (void) !read(fd, &wakes, sizeof(wakes)); /* only to empty it */
    if (!list->scan || !devices_scan_take(list->scan))
        return 0;
    list->late = false;
    message = answer(list);
    list->scan = devices_scan_free(list->scan); /* its thread has ended */
    r = sd_event_source_set_enabled(list->deadline, SD_EVENT_OFF);
    answer_all(list, message);
    return r;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *user) {
    struct device_list *list = user;

    list->late = true;
    if (list->scan)
        answer_all(list, answer(list));
    return 0;
}

static int start_scan(struct device_list *list) {
    int r = devices_scan_new(list->wake_fd, &list->scan);

    if (r == 0)
        r = sd_event_source_set_time_relative(list->deadline, DEVICE_LIST_NS / NS_PER_US);
    return r < 0 ? r : sd_event_source_set_enabled(list->deadline, SD_EVENT_ONESHOT);
}

struct message *device_list_ask(struct device_list *list, struct connection *connection) {
    struct client *client = connection_user(connection);
    const int r = list->scan ? 0 : start_scan(list);

    if (r < 0)
        return varlink_error(
            "org.lookoutd.Lookout1.BadRequest",
            json_pack("{s:s+}", "why", "no thread can be started to ask: ", strerror(-r)));
    if (list->late)
        return answer(list);
    client->waits_for_devices = true;
    connection_set_streaming(connection, true);
    return NULL;
}

int device_list_new(struct daemon *daemon, struct device_list **ret) {
    _cleanup_(device_list_freep) struct device_list *list = calloc(1, sizeof(*list));
    int r;

    if (!list)
        return -ENOMEM;
    list->daemon = daemon;
    list->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (list->wake_fd < 0)
        return -errno;
    r = sd_event_add_io(daemon->event, &list->wake, list->wake_fd, EPOLLIN, on_wake, list);
    if (r >= 0)
        r = sd_event_add_time_relative(daemon->event, &list->deadline, CLOCK_MONOTONIC, 0, 0,
                                       on_deadline, list);
    if (r >= 0)
        r = sd_event_source_set_enabled(list->deadline, SD_EVENT_OFF);
    if (r < 0)
        return r;
    *ret = list;
    list = NULL; /* now the caller's */
    return 0;
}

struct device_list *device_list_free(struct device_list *list) {
    if (!list)
        return NULL;
    sd_event_source_disable_unref(list->wake);
    sd_event_source_disable_unref(list->deadline);
    devices_scan_free(list->scan);
    closep(&list->wake_fd);
    free(list);
    return NULL;
}
