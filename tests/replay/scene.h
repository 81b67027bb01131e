/* SPDX-License-Identifier: MIT */
/*
 * scene - the bundle `tiny` and its scene (tiny/make_tiny.py) as options of a pipeline.
 *
 * LOOKOUT_TINY is the folder that the build made them in; by hand, run from the root of the
 * repository.
 */
#pragma once

#include <string.h>

#include "models/bundle.h"
#include "pipeline/pipeline.h"
#include "tests/test.h"

enum { SCENE_SOUND, SCENE_PICTURE, SCENE_SENSORS };

struct scene {
    struct bundle *bundle;
    struct sensor_options sensors[SCENE_SENSORS];
    struct task_options task;
    struct pipeline_options options;
};

static inline void scene_path(const char *name, char *ret, size_t n_bytes) {
    const char *const root = getenv("LOOKOUT_TINY");

    (void) snprintf(ret, n_bytes, "%s/%s", root ? root : "build/tests/replay/tiny",
                    name); /* short names */
}

static inline struct bundle *scene_bundle(void) {
    const struct bundle_options options = { .allow_unsigned = true };
    char path[TEST_PATH_BYTES];
    struct bundle *bundle = NULL;
    struct fault fault = { "" };

    scene_path("", path, sizeof(path));
    if (bundle_open(path, &options, &bundle, &fault) < 0)
        fail_msg("%s", fault.text);
    return bundle;
}

/* A task for @bundle with the scene's sensors, all of whose modalities are there. */
static inline void scene_task(const struct bundle *bundle, struct task_options *ret) {
    *ret = (struct task_options){ .name = "watch",
                                  .bundle = (struct bundle *) bundle,
                                  .unknown = bundle->unknown };
    memcpy(ret->detectors, bundle->detectors, sizeof(ret->detectors));
    for (size_t i = 0; i < bundle->n_modalities; i++)
        strcpy(ret->sensors[i],
               bundle->modalities[i].kind == MODALITY_SOUND ? "microphone" : "camera");
}

/* Release with scene_close(). @scene must stay where it is: options point into it. */
static inline void scene_open(struct scene *scene, bool virtual_clock) {
    *scene = (struct scene){ .bundle = scene_bundle() };
    scene->sensors[SCENE_SOUND] = (struct sensor_options){
        .name = "microphone",
        .source = { .kind = SOURCE_RECORDING, .data = SOURCE_SOUND, .format = "auto" },
    };
    scene->sensors[SCENE_PICTURE] = (struct sensor_options){
        .name = "camera",
        .source = { .kind = SOURCE_RECORDING,
                    .data = SOURCE_PICTURE,
                    .format = "rgb24",
                    .width_px = 16,
                    .height_px = 12,
                    .rate_hz = 10 },
    };
    scene_path("scene.wav", scene->sensors[SCENE_SOUND].source.device, SOURCE_PATH_BYTES);
    scene_path("scene.rgb", scene->sensors[SCENE_PICTURE].source.device, SOURCE_PATH_BYTES);
    for (size_t i = 0; i < SCENE_SENSORS; i++)
        scene->sensors[i].source.as_fast_as_possible = virtual_clock;
    scene_task(scene->bundle, &scene->task);
    scene->options = (struct pipeline_options){
        .n_sensors = SCENE_SENSORS,
        .n_tasks = 1,
        .sensors = scene->sensors,
        .tasks = &scene->task,
    };
}

static inline void scene_close(struct scene *scene) {
    scene->bundle = bundle_free(scene->bundle);
}
