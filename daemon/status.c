/* SPDX-License-Identifier: MIT */
#include "daemon/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/event_json.h"
#include "daemon/publish_socket.h"

/* Append and release; on error release the whole list. */
static json_t *append(json_t *list, json_t *item) {
    if (json_array_append_new(list, item) == 0)
        return list;
    json_decref(list);
    return NULL;
}

static int pipeline_sensor_named(const struct daemon *daemon, const char *name,
                                 struct sensor_status *ret) {
    for (size_t i = 0; pipeline_sensor(daemon->pipeline, i, ret) == 0; i++)
        if (strcmp(ret->name, name) == 0)
            return 0;
    return -ENOENT;
}

/* A sensor that the INI disables, as it would stand in the pipeline. */
static struct sensor_status disabled_sensor(const struct daemon *daemon,
                                            const struct section *section) {
    struct sensor_status sensor = { .state = SENSOR_OFF, .since_ns = daemon->since_ns };
    const char *device = "";

    if (section->kind == SECTION_CAMERA) {
        sensor.kind = SOURCE_V4L2;
        sensor.data = SOURCE_PICTURE;
        device = section->camera.device;
    } else if (section->kind == SECTION_MICROPHONE) {
        sensor.kind = SOURCE_ALSA;
        device = section->microphone.device;
    } else {
        sensor.kind = SOURCE_RECORDING;
        sensor.data =
            strcmp(section->recording.data, "picture") == 0 ? SOURCE_PICTURE : SOURCE_SOUND;
        device = section->recording.file;
    }
    (void) snprintf(sensor.name, sizeof(sensor.name), "%s", section->name);
    (void) snprintf(sensor.device, sizeof(sensor.device), "%s", device); /* cut is fine */
    (void) strcpy(sensor.reason, "enabled = no");                        /* fits */
    return sensor;
}

json_t *status_sensors(const struct daemon *daemon) {
    json_t *list = json_array();

    for (size_t i = 0; list && i < daemon->settings->n_sections; i++) {
        const struct section *section = &daemon->settings->sections[i];
        struct sensor_status sensor;

        if (!section_is_sensor(section->kind))
            continue;
        if (pipeline_sensor_named(daemon, section->name, &sensor) < 0)
            sensor = disabled_sensor(daemon, section);
        list = append(list, sensor_json(&sensor, daemon->boot));
    }
    for (size_t i = 0; list && daemon->plan && i < daemon->plan->n_auto; i++) {
        const struct pipeline_options *options = &daemon->plan->options;
        struct sensor_status sensor;

        if (pipeline_sensor(daemon->pipeline, options->n_sensors - 1 - i, &sensor) == 0)
            list = append(list, sensor_json(&sensor, daemon->boot));
    }
    return list;
}

static int pipeline_task_named(const struct daemon *daemon, const char *name,
                               struct task_status *ret) {
    for (size_t i = 0; pipeline_task(daemon->pipeline, i, ret) == 0; i++)
        if (strcmp(ret->name, name) == 0)
            return 0;
    return -ENOENT;
}

static json_t *running_task_json(const struct task_status *task) {
    json_t *present = json_array();

    for (size_t i = 0; i < task->n_present && present; i++)
        present = append(present, json_string(task->present[i]));
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:n}", "name", task->name, "bundle",
                     task->bundle->name, "state", task_state_name(task->state), "present", present,
                     "scores", scores_json(task->bundle, task->scores), "reason");
}

static json_t *stopped_task_json(const struct plan_task *task) {
    const char *reason = task->reason[0] ? task->reason
                         : task->enabled ? "not running"
                                         : "enabled = no";

    return json_pack("{s:s, s:s, s:s, s:[], s:{}, s:o}", "name", task->name, "bundle",
                     task->bundle ? task->bundle->name : "", "state", task_state_name(TASK_STOPPED),
                     "present", "scores", "reason", text_json(reason));
}

json_t *status_tasks(const struct daemon *daemon) {
    json_t *list = json_array();

    for (size_t i = 0; list && daemon->plan && i < daemon->plan->n_all_tasks; i++) {
        const struct plan_task *task = &daemon->plan->all_tasks[i];
        struct task_status status;
        const bool runs = pipeline_task_named(daemon, task->name, &status) == 0;

        list = append(list, runs ? running_task_json(&status) : stopped_task_json(task));
    }
    return list;
}

static bool uses(const struct task_options *task, const char *sensor) {
    for (size_t m = 0; m < BUNDLE_MODALITIES_MAX; m++)
        if (strcmp(task->sensors[m], sensor) == 0)
            return true;
    return false;
}

json_t *status_tasks_of(const struct daemon *daemon, const char *sensor) {
    json_t *list = json_array();

    for (size_t i = 0; list && sensor[0] && i < daemon->plan->options.n_tasks; i++) {
        const struct task_options *task = &daemon->plan->options.tasks[i];
        struct task_status status;

        if (uses(task, sensor) && pipeline_task_named(daemon, task->name, &status) == 0)
            list = append(list, running_task_json(&status));
    }
    return list;
}

json_t *status_bundles(const struct daemon *daemon) {
    json_t *list = json_array();

    for (size_t i = 0; list && daemon->plan && i < daemon->plan->n_bundles; i++)
        list = append(list, bundle_json(daemon->plan->bundles[i]));
    return list;
}

json_t *problems_json(const struct problems *problems) {
    json_t *list = json_array();
    char more[64];

    for (size_t i = 0; list && i < problems->n; i++)
        list = append(list, text_json(problems->texts[i]));
    if (list && problems->n_more > 0) {
        (void) snprintf(more, sizeof(more), "and %zu more", problems->n_more);
        list = append(list, json_string(more));
    }
    return list;
}

json_t *status_errors(const struct daemon *daemon) {
    return problems_json(&daemon->problems);
}

static int add_setting(const struct settings_line *line, void *user) {
    return json_array_append_new(user, setting_json(line));
}

json_t *status_settings(const struct daemon *daemon) {
    json_t *list = json_array();

    if (list && settings_list(daemon->settings, add_setting, list) < 0) {
        json_decref(list);
        return NULL;
    }
    return list;
}

/* What is configured, and what of it does not work. */
static void count(const struct daemon *daemon, size_t *ret_n_sensors, size_t *ret_n_tasks,
                  size_t *ret_n_bad) {
    struct sensor_status sensor;
    struct task_status task;

    *ret_n_sensors = *ret_n_tasks = *ret_n_bad = 0;
    for (size_t i = 0; pipeline_sensor(daemon->pipeline, i, &sensor) == 0; i++) {
        (*ret_n_sensors)++;
        *ret_n_bad += sensor.state == SENSOR_LOST || sensor.state == SENSOR_DEGRADED;
    }
    for (size_t i = 0; pipeline_task(daemon->pipeline, i, &task) == 0; i++) {
        (*ret_n_tasks)++;
        *ret_n_bad += task.state != TASK_RUNNING;
    }
    for (size_t i = 0; daemon->plan && i < daemon->plan->n_all_tasks; i++)
        *ret_n_bad += daemon->plan->all_tasks[i].reason[0] != '\0';
}

const char *status_state(const struct daemon *daemon) {
    size_t n_sensors, n_tasks, n_bad;

    count(daemon, &n_sensors, &n_tasks, &n_bad);
    return n_bad > 0 || !problems_none(&daemon->problems) ? "degraded"
           : n_sensors == 0                               ? "idle"
                                                          : "running";
}

void status_sentence(const struct daemon *daemon, char *ret, size_t n_bytes) {
    size_t n_sensors, n_tasks, n_bad;

    count(daemon, &n_sensors, &n_tasks, &n_bad);
    if (!problems_none(&daemon->problems))
        (void) snprintf(ret, n_bytes, "Bad configuration: %s",
                        daemon->problems.n > 0 ? daemon->problems.texts[0] : "out of memory");
    else if (n_sensors == 0 && n_bad == 0)
        (void) snprintf(ret, n_bytes, "Nothing is seen or heard: no task asks for it");
    else
        (void) snprintf(ret, n_bytes, "%zu sensor%s, %zu task%s, %zu not as it should be",
                        n_sensors, n_sensors == 1 ? "" : "s", n_tasks, n_tasks == 1 ? "" : "s",
                        n_bad);
}

static int set(json_t *map, const char *name, double value) {
    return json_object_set_new(map, name, number_json(value));
}

static double resident_kib(void) {
    long n_pages = 0;
    FILE *from = fopen("/proc/self/statm", "re");

    if (!from)
        return 0;
    if (fscanf(from, "%*d %ld", &n_pages) != 1)
        n_pages = 0;
    (void) fclose(from); /* only read from */
    return (double) n_pages * (double) sysconf(_SC_PAGESIZE) / 1024;
}

static json_t *statistics(const struct daemon *daemon) {
    const struct publish_counts published = publish_socket_counts(daemon->socket);
    const struct server_counts clients = server_counts(daemon->server);
    json_t *map = json_object();
    struct statistic statistic;
    int r = 0;

    for (size_t i = 0; pipeline_statistic(daemon->pipeline, i, &statistic) == 0; i++)
        r |= set(map, statistic.name, statistic.value);
    r |= set(map, "published_ms_p50", histogram_ms(&daemon->published, 0.5));
    r |= set(map, "published_ms_p99", histogram_ms(&daemon->published, 0.99));
    r |= set(map, "events", (double) published.n_events);
    r |= set(map, "subscribers", (double) published.n_subscribers);
    r |= set(map, "subscribers_dropped", (double) published.n_subscribers_dropped);
    r |= set(map, "events_dropped", (double) published.n_messages_dropped);
    r |= set(map, "clients", (double) clients.n_connections);
    r |= set(map, "clients_accepted", (double) clients.n_accepted);
    r |= set(map, "clients_refused", (double) clients.n_refused);
    r |= set(map, "resident_kib", resident_kib());
    if (r == 0)
        return map;
    json_decref(map);
    return NULL;
}

json_t *status_all(const struct daemon *daemon) {
    return json_pack("{s:s, s:s, s:i, s:o, s:o, s:o, s:o, s:o}", "version", LOOKOUT_VERSION,
                     "state", status_state(daemon), "pid", (int) getpid(), "since",
                     instant_json(daemon->since_ns, daemon->boot), "config_errors",
                     status_errors(daemon), "sensors", status_sensors(daemon), "tasks",
                     status_tasks(daemon), "statistics", statistics(daemon));
}
