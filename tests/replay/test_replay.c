/* SPDX-License-Identifier: MIT */
/*
 * Golden texts: tests/replay/golden/NAME.txt. After a change that is meant to change them,
 * run with LOOKOUT_GOLDEN_UPDATE=1 and read the difference in git.
 */
#include <errno.h>
#include <math.h>

#include "common/units.h"
#include "tests/replay/scene.h"

/* Where recordings without a time of their own begin, see pipeline/replay.c. */
#define START_NS (1000 * NS_PER_S)

struct transcript {
    bool brief; /* times, labels and two digits of confidence: what holds for trained networks on
                   any CPU */
    char *text;
    size_t n_bytes;
    FILE *file; /* writes to text */
    unsigned n_events, n_scores, n_ended;
};

static double seconds(int64_t at_ns) {
    return (double) (at_ns - START_NS) / (double) NS_PER_S;
}

static void write_evidence(FILE *file, const struct evidence *e) {
    if (e->present)
        fprintf(file, " | %s %.0f ms q %.2f share %+.3f", e->modality, e->age_ms, e->quality,
                e->share);
    else
        fprintf(file, " | %s absent%s%s", e->modality, e->quality_reason ? " " : "",
                e->quality_reason ? e->quality_reason : "");
}

static void write_event(FILE *file, const struct event *e) {
    fprintf(file, "%7.3f %-6s %-6s %.3f since %.3f %s", seconds(e->at_ns),
            event_phase_name(e->phase), e->label, e->confidence, seconds(e->began_ns),
            strrchr(e->id, '-'));
    for (size_t i = 0; i < e->n_evidence; i++)
        write_evidence(file, &e->evidence[i]);
    if (!isnan(e->skew_ms))
        fprintf(file, " | skew %.0f ms", e->skew_ms);
    fputc('\n', file);
}

static void write_brief(FILE *file, const struct event *e) {
    fprintf(file, "%7.2f %-5s %-10s %.2f", seconds(e->at_ns), event_phase_name(e->phase), e->label,
            e->confidence);
    for (size_t i = 0; i < e->n_evidence; i++)
        fprintf(file, " %s%s", e->evidence[i].present ? "" : "no ", e->evidence[i].modality);
    fputc('\n', file);
}

static int note(const struct notice *notice, void *user) {
    struct transcript *const t = user;

    switch (notice->kind) {
    case NOTICE_EVENT:
        t->n_events++;
        if (!t->brief)
            write_event(t->file, &notice->event);
        else if (notice->event.phase != EVENT_UPDATE)
            write_brief(t->file, &notice->event);
        break;
    case NOTICE_SENSOR:
        fprintf(t->file, "%7.3f sensor %s %s %s\n", seconds(notice->sensor.since_ns),
                notice->sensor.name, sensor_state_name(notice->sensor.state),
                notice->sensor.reason);
        break;
    case NOTICE_SCORES:
        t->n_scores++;
        break;
    case NOTICE_ENDED:
        t->n_ended++;
        break;
    }
    return 0;
}

static struct transcript replay(const struct pipeline_options *options, bool brief) {
    struct transcript t = { .brief = brief };
    struct fault fault = { "" };
    int r;

    t.file = open_memstream(&t.text, &t.n_bytes);
    assert_non_null(t.file);
    r = pipeline_replay(options, note, &t, &fault);
    fclose(t.file);
    if (r < 0)
        fail_msg("%s: %s", strerror(-r), fault.text);
    assert_int_equal(t.n_ended, 1);
    return t;
}

static void hold_to_golden(const char *name, const char *text) {
    char relative[256], path[TEST_PATH_BYTES], stored[16384];
    size_t n;
    FILE *file;

    snprintf(relative, sizeof(relative), "tests/replay/golden/%s.txt", name);
    source_path(relative, path);
    if (getenv("LOOKOUT_GOLDEN_UPDATE")) {
        file = fopen(path, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
        return;
    }
    file = fopen(path, "r");
    if (!file)
        fail_msg("%s: %s", path, strerror(errno));
    n = fread(stored, 1, sizeof(stored) - 1, file);
    stored[n] = '\0';
    fclose(file);
    if (strcmp(stored, text) != 0)
        fail_msg("%s differs; if that is meant, LOOKOUT_GOLDEN_UPDATE=1 stores this:\n%s", relative,
                 text);
}

/* Twice, since one run cannot show that the next is the same. */
static void replay_twice(struct scene *scene, const char *golden, bool brief) {
    struct transcript first = replay(&scene->options, brief);
    struct transcript second = replay(&scene->options, brief);

    assert_string_equal(first.text, second.text);
    assert_int_equal(first.n_scores, second.n_scores);
    assert_true(first.n_events > 0);
    hold_to_golden(golden, first.text);
    free(first.text);
    free(second.text);
}

static void a_scene_gives_the_stored_events_twice(void **state) {
    struct scene scene;

    scene_open(&scene, true);
    replay_twice(&scene, "tiny_both", false);
    scene_close(&scene);
}

static void without_pictures_the_sound_is_still_decided(void **state) {
    struct scene scene;

    scene_open(&scene, true);
    scene.options.n_sensors = 1;
    scene.task.sensors[1][0] = '\0';
    replay_twice(&scene, "tiny_sound", false);
    scene_close(&scene);
}

static void without_sound_the_pictures_are_still_decided(void **state) {
    struct scene scene;

    scene_open(&scene, true);
    scene.options.n_sensors = 1;
    scene.options.sensors = &scene.sensors[SCENE_PICTURE];
    scene.task.sensors[0][0] = '\0';
    replay_twice(&scene, "tiny_picture", false);
    scene_close(&scene);
}

static void a_shorter_sound_leaves_the_pictures_alone(void **state) {
    struct scene scene;
    char path[TEST_PATH_BYTES], shorter[] = "/tmp/lookout-test-XXXXXX.wav";
    const int fd = mkstemps(shorter, 4);
    static char bytes[44 + 32000 * 5]; /* 5 s */
    FILE *file;

    assert_true(fd >= 0);
    scene_path("scene.wav", path, sizeof(path));
    file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, sizeof(bytes), file), sizeof(bytes));
    fclose(file);
    assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
    close(fd);

    scene_open(&scene, true);
    strcpy(scene.sensors[SCENE_SOUND].source.device, shorter);
    replay_twice(&scene, "tiny_sound_lost", false);
    scene_close(&scene);
    unlink(shorter);
}

static void dark_pictures_count_as_absent_and_the_camera_is_degraded(void **state) {
    static const char black[16 * 12 * 3 * 10 * 8]; /* 8 s */
    char dark[] = "/tmp/lookout-test-XXXXXX.rgb";
    const int fd = mkstemps(dark, 4);
    struct scene scene;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, black, sizeof(black)), sizeof(black));
    close(fd);
    scene_open(&scene, true);
    strcpy(scene.sensors[SCENE_PICTURE].source.device, dark);
    replay_twice(&scene, "tiny_dark", false);
    scene_close(&scene);
    unlink(dark);
}

static void two_tasks_share_their_encoders_and_decide_alike(void **state) {
    struct scene scene;
    struct task_options tasks[2];
    struct transcript one, two;

    scene_open(&scene, true);
    one = replay(&scene.options, false);
    tasks[0] = tasks[1] = scene.task;
    strcpy(tasks[1].name, "again");
    scene.options.tasks = tasks;
    scene.options.n_tasks = 2;
    two = replay(&scene.options, false);
    assert_int_equal(two.n_events, 2 * one.n_events);
    assert_int_equal(two.n_scores, 2 * one.n_scores);
    free(one.text);
    free(two.text);
    scene_close(&scene);
}

/* What `./dev demo` plays, with the trained bundle that it plays it to. */
static void the_demo_scene_gives_the_stored_events_twice(void **state) {
    const struct bundle_options options = { .allow_unsigned = true };
    struct source_options *source;
    struct fault fault = { "" };
    char path[TEST_PATH_BYTES];
    struct scene scene;

    scene_open(&scene, true);
    scene.bundle = bundle_free(scene.bundle);
    if (bundle_open(source_path("models/zoo/digits", path), &options, &scene.bundle, &fault) < 0)
        fail_msg("%s", fault.text);
    scene_task(scene.bundle, &scene.task);
    source = &scene.sensors[SCENE_SOUND].source;
    assert_true(strlen(source_path("demo/scene/picture.mjpeg", path)) < SOURCE_PATH_BYTES);
    strcpy(source->device, source_path("demo/scene/sound.flac", path));
    source = &scene.sensors[SCENE_PICTURE].source;
    strcpy(source->device, source_path("demo/scene/picture.mjpeg", path));
    strcpy(source->format, "auto");
    source->width_px = source->height_px = 0;
    source->rate_hz = 0;
    replay_twice(&scene, "demo", true);
    scene_close(&scene);
}

static int stop_at_first_score(const struct notice *notice, void *user) {
    *(int *) user += notice->kind == NOTICE_SCORES;
    return notice->kind == NOTICE_SCORES ? 42 : 0;
}

static void the_callback_can_stop_a_replay(void **state) {
    struct scene scene;
    int n_scores = 0;

    scene_open(&scene, true);
    assert_int_equal(pipeline_replay(&scene.options, stop_at_first_score, &n_scores, NULL), 42);
    assert_int_equal(n_scores, 1);
    scene_close(&scene);
}

static void what_cannot_be_replayed_is_refused_with_a_reason(void **state) {
    struct scene scene;
    struct fault fault = { "" };
    struct transcript t = { 0 };

    scene_open(&scene, true);
    scene.sensors[0].source.loop = true;
    assert_int_equal(pipeline_replay(&scene.options, note, &t, &fault), -EINVAL);
    assert_non_null(strstr(fault.text, "microphone"));

    scene.sensors[0].source.loop = false;
    strcpy(scene.sensors[1].source.device, "/nowhere/scene.rgb");
    assert_int_equal(pipeline_replay(&scene.options, note, &t, &fault), -ENOENT);
    assert_non_null(strstr(fault.text, "/nowhere/scene.rgb"));
    scene_close(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scene_gives_the_stored_events_twice),
        cmocka_unit_test(without_pictures_the_sound_is_still_decided),
        cmocka_unit_test(without_sound_the_pictures_are_still_decided),
        cmocka_unit_test(a_shorter_sound_leaves_the_pictures_alone),
        cmocka_unit_test(dark_pictures_count_as_absent_and_the_camera_is_degraded),
        cmocka_unit_test(two_tasks_share_their_encoders_and_decide_alike),
        cmocka_unit_test(the_demo_scene_gives_the_stored_events_twice),
        cmocka_unit_test(the_callback_can_stop_a_replay),
        cmocka_unit_test(what_cannot_be_replayed_is_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
