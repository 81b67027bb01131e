/* SPDX-License-Identifier: MIT */
#include "daemon/plan.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"
#include "config/check.h"
#include "config/load.h"

#define TRUSTED_DIR "/usr/lib/lookout"

static_assert(CHECK_SENSORS_MAX == (int) SENSORS_MAX && CHECK_TASKS_MAX == (int) TASKS_MAX,
              "check.h follows");
static_assert(SETTING_MASKS_MAX == (int) MASKS_MAX && SETTING_MASK_PARTS == (int) MASK_PARTS,
              "settings.h follows");
static_assert(SECTION_NAME_BYTES == (int) NAME_BYTES, "settings.h follows");

/* The text was read from an INI line, so it may be longer than the field. */
#define COPY(to, from) snprintf((to), sizeof(to), "%s", (from))

static void plan_masks(const struct mask_list *list, struct source_options *source) {
    source->n_masks = list->n;
    for (size_t i = 0; i < list->n; i++)
        source->masks[i] = (struct mask){ .x = list->masks[i].x,
                                          .y = list->masks[i].y,
                                          .width = list->masks[i].width,
                                          .height = list->masks[i].height };
}

static void plan_camera(const struct camera_settings *camera, struct source_options *source) {
    source->kind = SOURCE_V4L2;
    source->data = SOURCE_PICTURE;
    (void) COPY(source->device, camera->device);
    (void) COPY(source->format, camera->format);
    source->width_px = camera->size.width_px;
    source->height_px = camera->size.height_px;
    source->rate_hz = camera->rate_hz;
    plan_masks(&camera->masks, source);
}

static void plan_microphone(const struct microphone_settings *microphone,
                            struct source_options *source) {
    source->kind = SOURCE_ALSA;
    source->data = SOURCE_SOUND;
    (void) COPY(source->device, microphone->device);
    (void) COPY(source->format, microphone->format);
    source->channel = microphone->channel;
}

static void plan_recording(const struct recording_settings *recording, int64_t now,
                           struct source_options *source) {
    const bool is_picture = strcmp(recording->data, "picture") == 0;

    source->kind = SOURCE_RECORDING;
    source->data = is_picture ? SOURCE_PICTURE : SOURCE_SOUND;
    (void) COPY(source->device, recording->file);
    (void) COPY(source->format, recording->format);
    source->width_px = is_picture ? recording->size.width_px : 0;
    source->height_px = is_picture ? recording->size.height_px : 0;
    source->rate_hz = is_picture ? recording->rate_hz : 0;
    source->channel = recording->channel;
    source->loop = recording->loop;
    source->as_fast_as_possible = strcmp(recording->clock, "virtual") == 0;
    source->start_ns = now + (int64_t) (recording->offset_ms * (double) NS_PER_MS);
    plan_masks(&recording->masks, source);
}

/* An unchanged recording plays on instead of starting again. */
static void keep_start(struct sensor_options *sensor, const struct plan *before) {
    struct sensor_options old;

    for (size_t i = 0; before && i < before->options.n_sensors; i++) {
        old = before->sensors[i];
        old.source.start_ns = sensor->source.start_ns;
        if (memcmp(&old, sensor, sizeof(old)) == 0)
            sensor->source.start_ns = before->sensors[i].source.start_ns;
    }
}

static bool sensor_enabled(const struct section *section) {
    switch (section->kind) {
    case SECTION_CAMERA:
        return section->camera.enabled;
    case SECTION_MICROPHONE:
        return section->microphone.enabled;
    case SECTION_RECORDING:
        return section->recording.enabled;
    case SECTION_LOOKOUTD:
    case SECTION_TASK:
        return false;
    }
    return false;
}

static void plan_sensor(const struct section *section, int64_t now, struct sensor_options *sensor) {
    memset(sensor, 0, sizeof(*sensor)); /* padding too: options are compared bytewise */
    (void) COPY(sensor->name, section->name);
    if (section->kind == SECTION_CAMERA)
        plan_camera(&section->camera, &sensor->source);
    else if (section->kind == SECTION_MICROPHONE)
        plan_microphone(&section->microphone, &sensor->source);
    else
        plan_recording(&section->recording, now, &sensor->source);
}

static void plan_sensors(struct plan *plan, const struct settings *settings,
                         const struct plan *before, int64_t now) {
    for (size_t i = 0; i < settings->n_sections; i++) {
        const struct section *section = &settings->sections[i];
        struct sensor_options *sensor = &plan->sensors[plan->options.n_sensors];

        if (!sensor_enabled(section))
            continue;
        plan_sensor(section, now, sensor);
        if (section->kind == SECTION_RECORDING)
            keep_start(sensor, before);
        plan->options.n_sensors++;
    }
}

/* Where the bundle of a task lies: a path as it is, a name by the search path. Returns 0, -ENOENT.
 */
static int find_bundle(const struct lookoutd_settings *lookoutd, const char *place,
                       char path[PATH_MAX], struct fault *fault) {
    if (strchr(place, '/')) {
        (void) snprintf(path, PATH_MAX, "%s", place); /* opening it tells if it was too long */
        return 0;
    }
    for (size_t i = 0; i < lookoutd->bundles.n; i++) {
        (void) snprintf(path, PATH_MAX, "%s/%s", lookoutd->bundles.names[i], place);
        if (access(path, F_OK) == 0)
            return 0;
    }
    return fault_set(fault, -ENOENT, "no bundle `%s` in the search path (`bundles` in [lookoutd])",
                     place);
}

const struct bundle *plan_bundle_at(const struct plan *plan, const char *path) {
    char real[PATH_MAX];

    if (!realpath(path, real))
        return NULL;
    for (size_t i = 0; i < plan->n_bundles; i++)
        if (strcmp(plan->bundles[i]->path, real) == 0)
            return plan->bundles[i];
    return NULL;
}

struct bundle_options plan_bundle_options(const struct lookoutd_settings *lookoutd,
                                          bool skip_selftest) {
    return (struct bundle_options){ .trusted_dir = TRUSTED_DIR,
                                    .keys_dir = lookoutd->keys,
                                    .allow_unsigned = lookoutd->allow_unsigned,
                                    .skip_selftest = skip_selftest };
}

/* The bundle of @task, opened or shared. Returns 0, -errno of bundle_open(). */
static int open_bundle(struct plan *plan, const struct lookoutd_settings *lookoutd,
                       const char *place, const struct bundle **ret, struct fault *fault) {
    const struct bundle_options options = plan_bundle_options(lookoutd, false);
    char path[PATH_MAX];
    int r = find_bundle(lookoutd, place, path, fault);

    if (r < 0)
        return r;
    *ret = plan_bundle_at(plan, path);
    if (*ret)
        return 0;
    r = bundle_open(path, &options, &plan->bundles[plan->n_bundles], fault);
    if (r < 0)
        return r;
    *ret = plan->bundles[plan->n_bundles++];
    return 0;
}

static bool fits(const struct sensor_options *sensor, const struct modality *modality) {
    return sensor->source.data ==
           (modality->kind == MODALITY_SOUND ? SOURCE_SOUND : SOURCE_PICTURE);
}

static const struct sensor_options *sensor_named(const struct plan *plan, const char *name) {
    for (size_t i = 0; i < plan->options.n_sensors; i++)
        if (strcmp(plan->sensors[i].name, name) == 0)
            return &plan->sensors[i];
    return NULL;
}

static bool is_taken(const struct task_options *task, const char *sensor) {
    for (size_t i = 0; i < BUNDLE_MODALITIES_MAX; i++)
        if (strcmp(task->sensors[i], sensor) == 0)
            return true;
    return false;
}

/* The candidates in order: the sensors a task names, or all. NULL past the last or for a disabled
 * one. */
static const struct sensor_options *candidate(const struct plan *plan,
                                              const struct name_list *names, size_t i) {
    return names->n > 0 ? sensor_named(plan, names->names[i]) : &plan->sensors[i];
}

/* A sensor for each modality. Returns 0, -EINVAL with the reason. */
static int match_sensors(const struct plan *plan, const struct name_list *names,
                         struct task_options *task, struct fault *fault) {
    const size_t n = names->n > 0 ? names->n : plan->options.n_sensors;
    size_t n_matched = 0;

    for (size_t m = 0; m < task->bundle->n_modalities; m++)
        for (size_t i = 0; i < n && task->sensors[m][0] == '\0'; i++) {
            const struct sensor_options *sensor = candidate(plan, names, i);

            if (sensor && fits(sensor, &task->bundle->modalities[m]) &&
                !is_taken(task, sensor->name)) {
                (void) COPY(task->sensors[m], sensor->name);
                n_matched++;
            }
        }
    for (size_t i = 0; i < names->n; i++)
        if (sensor_named(plan, names->names[i]) && !is_taken(task, names->names[i]))
            return fault_set(fault, -EINVAL, "bundle %s has no modality for the sensor `%s`",
                             task->bundle->name, names->names[i]);
    if (n_matched == 0)
        return fault_set(fault, -EINVAL, "no sensor that bundle %s could use is there and enabled",
                         task->bundle->name);
    return 0;
}

static double overlay(double wanted, double bundle) {
    return isnan(wanted) ? bundle : wanted;
}

/* The INI's thresholds over the bundle's. Returns 0, -EINVAL with the reason. */
static int overlay_thresholds(const struct task_settings *settings, struct task_options *task,
                              struct fault *fault) {
    task->unknown = overlay(settings->unknown, task->bundle->unknown);
    for (size_t i = 0; i < task->bundle->n_labels; i++) {
        struct detector_options *detector = &task->detectors[i];

        *detector = task->bundle->detectors[i];
        detector->on = overlay(settings->on, detector->on);
        detector->off = overlay(settings->off, detector->off);
        detector->least_ms = overlay(settings->least_ms, detector->least_ms);
        detector->hold_ms = overlay(settings->hold_ms, detector->hold_ms);
        detector->smooth_ms = overlay(settings->smooth_ms, detector->smooth_ms);
        detector->update_ms = overlay(settings->update_ms, detector->update_ms);
        if (detector->off > detector->on)
            return fault_set(fault, -EINVAL,
                             "on = %g is below off = %g of the label `%s`, which the bundle sets; "
                             "set both",
                             detector->on, detector->off, task->bundle->labels[i]);
    }
    return 0;
}

/* What a task gets where nobody wrote a sensor down: an INI of two empty sections. */
static int load_auto(const struct settings *settings, struct settings **ret) {
    static const char text[] = "[camera camera]\n[microphone microphone]\n";
    struct problems none = { 0 };

    for (size_t i = 0; i < settings->n_sections; i++)
        if (section_is_sensor(settings->sections[i].kind))
            return 0; /* even with `enabled = no`: nothing is added to what somebody chose */
    return settings_load_text("default", text, strlen(text), ret, &none);
}

/* Those of @automatic, NULL: none, that the bundle can use. */
static void add_auto_sensors(struct plan *plan, const struct settings *automatic,
                             const struct bundle *bundle) {
    for (size_t i = 1; automatic && i < automatic->n_sections; i++) {
        struct sensor_options *sensor = &plan->sensors[plan->options.n_sensors];
        bool needed = false;

        plan_sensor(&automatic->sections[i], 0, sensor);
        for (size_t m = 0; m < bundle->n_modalities; m++)
            needed = needed || fits(sensor, &bundle->modalities[m]);
        if (needed && !sensor_named(plan, sensor->name)) {
            plan->options.n_sensors++;
            plan->n_auto++;
        }
    }
}

static int plan_task(struct plan *plan, const struct settings *settings,
                     const struct settings *automatic, const struct section *section,
                     struct plan_task *outcome, struct fault *fault) {
    struct task_options *task = &plan->tasks[plan->options.n_tasks];
    int r = open_bundle(plan, &settings->sections[0].lookoutd, section->task.bundle,
                        &outcome->bundle, fault);

    if (r < 0)
        return r;
    if (settings->sections[0].lookoutd.commercial_use && outcome->bundle->non_commercial)
        return fault_set(fault, -EPERM,
                         "the licence of bundle %s, %s, forbids commercial use, which "
                         "`commercial_use = yes` in [lookoutd] says this is; use another bundle",
                         outcome->bundle->name, outcome->bundle->licence);
    memset(task, 0, sizeof(*task)); /* padding too: options are compared bytewise */
    (void) COPY(task->name, section->name);
    task->bundle = (struct bundle *) outcome->bundle;
    r = overlay_thresholds(&section->task, task, fault);
    if (r < 0)
        return r; /* before anything is opened for it */
    add_auto_sensors(plan, automatic, task->bundle);
    return match_sensors(plan, &section->task.sensors, task, fault);
}

static int plan_tasks(struct plan *plan, const struct settings *settings,
                      const struct settings *automatic) {
    for (size_t i = 0; i < settings->n_sections; i++) {
        const struct section *section = &settings->sections[i];
        struct plan_task *outcome = &plan->all_tasks[plan->n_all_tasks];
        struct fault fault = { "out of memory" };
        int r;

        if (section->kind != SECTION_TASK)
            continue;
        plan->n_all_tasks++;
        (void) COPY(outcome->name, section->name);
        outcome->enabled = section->task.enabled;
        if (!outcome->enabled)
            continue;
        r = plan_task(plan, settings, automatic, section, outcome, &fault);
        if (r == -ENOMEM)
            return r;
        if (r < 0)
            (void) COPY(outcome->reason, fault.text);
        else
            plan->options.n_tasks++;
    }
    return 0;
}

int plan_new(const struct settings *settings, const struct plan *before, int64_t now,
             struct plan **ret) {
    _cleanup_(plan_freep) struct plan *plan = calloc(1, sizeof(*plan));
    _cleanup_(settings_freep) struct settings *automatic = NULL;
    int r;

    if (!plan)
        return -ENOMEM;
    plan->tasks = calloc(TASKS_MAX, sizeof(*plan->tasks));
    if (!plan->tasks)
        return -ENOMEM;
    plan_sensors(plan, settings, before, now);
    r = load_auto(settings, &automatic);
    if (r == 0)
        r = plan_tasks(plan, settings, automatic);
    if (r < 0)
        return r;
    plan->options.sensors = plan->sensors;
    plan->options.tasks = plan->tasks;
    *ret = plan;
    plan = NULL;
    return 0;
}

struct plan *plan_free(struct plan *plan) {
    if (!plan)
        return NULL;
    for (size_t i = 0; i < plan->n_bundles; i++)
        bundle_free(plan->bundles[i]);
    free(plan->tasks);
    free(plan);
    return NULL;
}
