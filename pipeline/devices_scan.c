/* SPDX-License-Identifier: MIT */
#include "pipeline/devices_scan.h"

#include <errno.h>
#include <stdio.h>

#include "pipeline/queue.h"
#include "pipeline/worker.h"

/* What the thread says: it asks, it has an answer, or it has asked all. */
enum message_kind { MESSAGE_ASKING, MESSAGE_FOUND, MESSAGE_ENDED };

struct message {
    enum message_kind kind;
    struct device_info info; /* of MESSAGE_ASKING the path only */
};

/* Nodes that are no device say MESSAGE_ASKING alone; a full queue loses none that was found. */
enum { MESSAGES = 128 };

struct devices_scan {
    int wake_fd;
    struct queue *messages; /* thread -> main */
    struct worker *worker;
    bool ended;
    size_t n;
    struct device_info found[DEVICES_MAX];
    char asking[SOURCE_PATH_BYTES];
};

/* --- the thread --- */

static void say(struct devices_scan *scan, enum message_kind kind, const char *path,
                const struct device_info *info) {
    struct message *message = queue_push_begin(scan->messages);
    const uint64_t one = 1;

    if (!message)
        return; /* more devices than any machine has; those before are told */
    message->kind = kind;
    if (info)
        message->info = *info;
    else
        (void) snprintf(message->info.path, sizeof(message->info.path), "%s", path);
    queue_push_end(scan->messages);
    (void) !write(scan->wake_fd, &one, sizeof(one)); /* full means already awake */
}

static void tell(const char *path, const struct device_info *info, void *user) {
    say(user, info ? MESSAGE_FOUND : MESSAGE_ASKING, path, info);
}

static void ask_all(struct worker *worker, void *user) {
    devices_each(tell, user);
    say(user, MESSAGE_ENDED, "", NULL);
}

/* --- main --- */

int devices_scan_new(int wake_fd, struct devices_scan **ret) {
    _cleanup_(devices_scan_freep) struct devices_scan *scan = calloc(1, sizeof(*scan));
    int r;

    if (!scan)
        return -ENOMEM;
    scan->wake_fd = wake_fd;
    r = queue_new(sizeof(struct message), MESSAGES, &scan->messages);
    if (r == 0)
        r = worker_new("devices", ask_all, scan, &scan->worker);
    if (r < 0)
        return r;
    *ret = scan;
    scan = NULL; /* now the caller's */
    return 0;
}

struct devices_scan *devices_scan_free(struct devices_scan *scan) {
    if (!scan)
        return NULL;
    (void) worker_free(scan->worker);  /* always NULL */
    (void) queue_free(scan->messages); /* always NULL */
    free(scan);
    return NULL;
}

bool devices_scan_take(struct devices_scan *scan) {
    const struct message *message;

    while ((message = queue_pop_begin(scan->messages))) {
        scan->asking[0] = '\0';
        if (message->kind == MESSAGE_ASKING)
            (void) snprintf(scan->asking, sizeof(scan->asking), "%s", message->info.path);
        else if (message->kind == MESSAGE_FOUND && scan->n < DEVICES_MAX)
            scan->found[scan->n++] = message->info;
        scan->ended = scan->ended || message->kind == MESSAGE_ENDED;
        queue_pop_end(scan->messages);
    }
    return scan->ended;
}

const struct device_info *devices_scan_found(const struct devices_scan *scan, size_t *ret_n) {
    *ret_n = scan->n;
    return scan->found;
}

const char *devices_scan_asking(const struct devices_scan *scan) {
    return scan->asking;
}
