/* SPDX-License-Identifier: MIT */
/* Looks at the sensors of a running pipeline, in real time. */
#include "pipeline/look.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "common/units.h"
#include "tests/replay/scene.h"

struct bench {
    struct scene scene;
    struct pipeline *pipeline;
    struct look look;
};

static void apply(struct bench *bench, size_t n_sensors, size_t n_tasks) {
    struct pipeline_options options = bench->scene.options;
    struct fault fault = { "" };

    options.n_sensors = n_sensors;
    options.n_tasks = n_tasks;
    if (pipeline_apply(bench->pipeline, &options, &fault) < 0)
        fail_msg("%s", fault.text);
}

static int set_up(void **state) {
    struct bench *const bench = calloc(1, sizeof(*bench));

    assert_non_null(bench);
    scene_open(&bench->scene, false);
    for (size_t i = 0; i < SCENE_SENSORS; i++)
        bench->scene.sensors[i].source.loop = true;
    assert_int_equal(pipeline_new(&bench->pipeline), 0);
    apply(bench, SCENE_SENSORS, 1);
    *state = bench;
    return 0;
}

static int tear_down(void **state) {
    struct bench *const bench = *state;

    pipeline_free(bench->pipeline);
    scene_close(&bench->scene);
    free(bench);
    return 0;
}

static void turn(struct bench *bench) {
    struct pollfd fd = { .fd = pipeline_fd(bench->pipeline), .events = POLLIN };
    struct notice notice;

    (void) poll(&fd, 1, 20);
    while (pipeline_next(bench->pipeline, &notice) == 1)
        ;
}

/* Look until @done says so; fails after ten seconds. */
static void look_until(struct bench *bench, unsigned id, bool (*done)(const struct look *)) {
    const int64_t until_ns = now_ns() + 10 * NS_PER_S;

    do {
        assert_true(now_ns() < until_ns);
        turn(bench);
        assert_int_equal(pipeline_look(bench->pipeline, id, &bench->look), 0);
    } while (!done(&bench->look));
}

static bool has_sound(const struct look *look) {
    return look->level.n_samples > 0 && look->n_inputs == 1 && look->inputs[0].input;
}

static bool has_picture(const struct look *look) {
    return look->view.rgb && look->n_inputs == 1 && look->inputs[0].input;
}

static bool has_view(const struct look *look) {
    return look->view.rgb != NULL;
}

static bool is_off(const struct look *look) {
    return look->sensor.state == SENSOR_OFF;
}

static unsigned start(struct bench *bench, const char *sensor) {
    struct fault fault = { "" };
    unsigned id = 0;

    if (pipeline_look_start(bench->pipeline, sensor, &id, &fault) < 0)
        fail_msg("%s", fault.text);
    return id;
}

static void a_look_shows_what_comes_and_what_the_network_got(void **state) {
    struct bench *const bench = *state;
    const unsigned sound = start(bench, "microphone"), picture = start(bench, "camera");

    look_until(bench, sound, has_sound);
    assert_true(bench->look.level.peak_db >= bench->look.level.rms_db);
    assert_true(bench->look.level.rms_db >= -96 && bench->look.level.peak_db <= 0);
    assert_string_equal(bench->look.inputs[0].task, "watch");
    assert_int_equal(bench->look.inputs[0].shape.kind, MODALITY_SOUND);
    assert_int_equal(bench->look.inputs[0].shape.n_channels, 1);

    look_until(bench, picture, has_picture);
    assert_int_equal(bench->look.view.width_px, 16);
    assert_int_equal(bench->look.view.height_px, 12);
    assert_true(bench->look.view.brightness >= 0 && bench->look.view.brightness <= 1);
    assert_int_equal(bench->look.inputs[0].shape.kind, MODALITY_PICTURE);
    assert_true(bench->look.sensor.n_gaps == 0);
    pipeline_look_stop(bench->pipeline, sound);
    pipeline_look_stop(bench->pipeline, picture);
    assert_int_equal(pipeline_look(bench->pipeline, sound, &bench->look), -ENOENT);
}

static void several_look_at_one_sensor_and_places_come_free(void **state) {
    struct bench *const bench = *state;
    const int64_t until_ns = now_ns() + 10 * NS_PER_S;
    struct fault fault = { "" };
    unsigned ids[LOOKS_MAX], more;

    for (size_t i = 0; i < LOOKS_MAX; i++)
        ids[i] = start(bench, "camera");
    assert_int_equal(pipeline_look_start(bench->pipeline, "camera", &more, &fault), -EBUSY);
    assert_int_equal(pipeline_look_start(bench->pipeline, "nobody", &more, &fault), -ENOENT);
    for (size_t i = 0; i < LOOKS_MAX; i++)
        look_until(bench, ids[i], has_picture);
    for (size_t i = 0; i < LOOKS_MAX; i++)
        pipeline_look_stop(bench->pipeline, ids[i]);
    while (pipeline_look_start(bench->pipeline, "camera", &more, &fault) < 0) {
        assert_true(now_ns() < until_ns);
        turn(bench); /* the capture thread gives the taps up at its next turn */
    }
    look_until(bench, more, has_picture);
}

static void a_look_outlives_its_sensor(void **state) {
    struct bench *const bench = *state;
    const unsigned id = start(bench, "camera");

    look_until(bench, id, has_picture);
    apply(bench, 1, 0); /* the microphone alone */
    look_until(bench, id, is_off);
    assert_string_equal(bench->look.sensor.name, "camera");
    assert_int_equal(bench->look.n_inputs, 0);
    apply(bench, SCENE_SENSORS, 1);
    look_until(bench, id, has_picture);
}

static void a_device_that_is_no_sensor_can_be_looked_at(void **state) {
    struct bench *const bench = *state;
    const int64_t until_ns = now_ns() + 10 * NS_PER_S;
    struct fault fault = { "" };
    unsigned id;

    apply(bench, 1, 0); /* the microphone alone */
    assert_int_equal(pipeline_look_start_device(
                         bench->pipeline, &bench->scene.sensors[SCENE_PICTURE].source, &id, &fault),
                     0);
    look_until(bench, id, has_view);
    assert_int_equal(bench->look.sensor.state, SENSOR_RUNNING);
    assert_int_equal(bench->look.n_inputs, 0);
    pipeline_look_stop(bench->pipeline, id);
    for (size_t i = 0; i < LOOKS_MAX; i++) /* its thread ends by itself, and gives its place up */
        while (pipeline_look_start_device(
                   bench->pipeline, &bench->scene.sensors[SCENE_PICTURE].source, &id, &fault) < 0) {
            assert_true(now_ns() < until_ns);
            turn(bench);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_look_shows_what_comes_and_what_the_network_got, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(several_look_at_one_sensor_and_places_come_free, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_look_outlives_its_sensor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_device_that_is_no_sensor_can_be_looked_at, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
