/* SPDX-License-Identifier: MIT */
#include "daemon/recordings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/event_json.h"
#include "daemon/journal.h"
#include "daemon/refusal.h"

static bool is_writable_file(int fd) {
    struct stat status;
    const int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY && fstat(fd, &status) == 0 &&
           (S_ISREG(status.st_mode) || S_ISFIFO(status.st_mode));
}

/* Whoever may be heard or seen must find it in the journal. */
static void log_recording(const struct connection *connection, const char *sensor,
                          const char *what) {
    char pid[16], uid[16];

    (void) snprintf(pid, sizeof(pid), "%d", (int) connection_peer(connection)->pid);
    (void) snprintf(uid, sizeof(uid), "%u", connection_peer(connection)->uid);
    journal_send(LOG_NOTICE, JOURNAL_RECORDING,
                 JOURNAL_FIELDS({ "SENSOR", sensor }, { "CLIENT_PID", pid }, { "CLIENT_UID", uid }),
                 "sensor %s: %s by process %s of user %s", sensor, what, pid, uid);
}

/* @fd becomes the pipeline's if it succeeds. Returns NULL, or the refusal. */
static struct message *start_one(struct recordings *recordings, struct daemon *daemon,
                                 const struct connection *connection, const char *sensor, int fd) {
    struct record_request request = { .fd = fd };
    struct fault fault = { "" };
    unsigned id;
    int r;

    if (!sensor || strlen(sensor) >= sizeof(request.sensor))
        return refusal_new("NoSuchSensor", "name", sensor ? sensor : "");
    if (!is_writable_file(fd))
        return refusal_new("BadRequest", "why",
                           "each descriptor must be a file or pipe, open for writing");
    (void) strcpy(request.sensor, sensor); /* its length was checked */
    r = pipeline_record_start(daemon->pipeline, &request, &id, &fault);
    if (r == -ENOENT)
        return refusal_new("NoSuchSensor", "name", sensor);
    if (r < 0)
        return refusal_new("BadRequest", "why", fault.text[0] ? fault.text : strerror(-r));
    (void) strcpy(recordings->items[recordings->n].sensor, sensor); /* its length was checked */
    recordings->items[recordings->n++].id = id;
    log_recording(connection, sensor, "recording started");
    return NULL;
}

static struct message *start_all(struct recordings *recordings, struct daemon *daemon,
                                 const struct connection *connection, const json_t *sensors,
                                 int *fds, size_t n_fds) {
    struct message *refusal = NULL;

    if (!daemon_settings(daemon)->allow_record)
        return refusal_new("NotAllowed", "needs",
                           "allow_record = yes in [lookoutd] of lookoutd.ini");
    if (!connection_peer(connection)->is_admin)
        return refusal_of_peer();
    if (recordings->n > 0)
        return refusal_new("BadRequest", "why",
                           "this connection records already; call StopRecord first");
    if (!json_is_array(sensors) || json_array_size(sensors) == 0 ||
        json_array_size(sensors) > SENSORS_MAX)
        return refusal_of_parameter("sensors");
    if (json_array_size(sensors) != n_fds)
        return refusal_new("BadRequest", "why",
                           "as many descriptors as sensors must come with the call (SCM_RIGHTS)");
    for (size_t i = 0; i < n_fds && !refusal; i++) {
        refusal = start_one(recordings, daemon, connection,
                            json_string_value(json_array_get(sensors, i)), fds[i]);
        if (!refusal)
            fds[i] = -1; /* the pipeline's now */
    }
    return refusal;
}

struct message *recordings_start(struct recordings *recordings, struct daemon *daemon,
                                 struct connection *connection, const json_t *sensors) {
    int fds[CONNECTION_FDS_MAX];
    const size_t n_fds = connection_take_fds(connection, fds);
    const size_t n_before = recordings->n;
    struct message *refusal = start_all(recordings, daemon, connection, sensors, fds, n_fds);

    for (size_t i = 0; i < n_fds; i++)
        closep(&fds[i]);
    if (!refusal)
        return varlink_reply(json_pack("{s:O}", "started", sensors), false);
    if (n_before == 0)
        message_unref(
            recordings_stop(recordings, daemon)); /* those that had started: all or none */
    return refusal;
}

static json_t *result_json(const struct daemon *daemon, const char *sensor, int error,
                           const struct record_result *result) {
    return json_pack(
        "{s:s, s:o, s:o, s:I, s:I, s:o}", "sensor", sensor, "first",
        result->first_ns ? instant_json(result->first_ns, daemon->boot) : json_null(), "last",
        result->last_ns ? instant_json(result->last_ns, daemon->boot) : json_null(), "items",
        (json_int_t) result->n_items, "lost", (json_int_t) result->n_lost, "error",
        error < 0 ? json_string(error == -ENOENT ? "the sensor is gone" : strerror(-error))
                  : json_null());
}

struct message *recordings_stop(struct recordings *recordings, struct daemon *daemon) {
    json_t *results = json_array();

    for (size_t i = 0; i < recordings->n; i++) {
        struct record_result result = { 0 };
        const int r = pipeline_record_stop(daemon->pipeline, recordings->items[i].id, &result);

        journal_send(LOG_NOTICE, JOURNAL_RECORDING,
                     JOURNAL_FIELDS({ "SENSOR", recordings->items[i].sensor }),
                     "sensor %s: recording ended", recordings->items[i].sensor);
        (void) json_array_append_new(results, result_json(daemon, recordings->items[i].sensor,
                                                          r < 0 ? r : result.error, &result));
    }
    recordings->n = 0;
    return varlink_reply(json_pack("{s:o}", "results", results), false);
}
