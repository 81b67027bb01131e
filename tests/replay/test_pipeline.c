/* SPDX-License-Identifier: MIT */
/* The pipeline in its threads, in real time, on short cuts of the scene. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/units.h"
#include "pipeline/parts.h"
#include "tests/replay/scene.h"

enum { SOUND_BYTES_PER_S = 32000, PICTURE_BYTES_PER_S = 16 * 12 * 3 * 10, WAV_HEADER_BYTES = 44 };

/* What came out of a pipeline so far. */
struct told {
    unsigned n_begun, n_ended_events, n_scores, n_ends;
    enum sensor_state states[SCENE_SENSORS];
    char reasons[SCENE_SENSORS][REASON_BYTES];
    struct event last_event;
};

struct bench {
    struct scene scene;
    struct pipeline *pipeline;
    struct told seen;
    char folder[64];
};

static void write_file(const char *path, const char *bytes, size_t n_bytes) {
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n_bytes, file), n_bytes);
    fclose(file);
}

/* Seconds @from to @to of the scene's sound (a WAV whose header claims more) or pictures. */
static void cut(struct bench *bench, int sensor, double from_s, double to_s) {
    const bool sound = sensor == SCENE_SOUND;
    const size_t per_s = sound ? SOUND_BYTES_PER_S : PICTURE_BYTES_PER_S;
    const size_t n_header = sound ? WAV_HEADER_BYTES : 0;
    const size_t n_bytes = (size_t) ((to_s - from_s) * (double) per_s);
    char *const device = bench->scene.sensors[sensor].source.device;
    char *const bytes = malloc(n_header + n_bytes);
    FILE *file = fopen(device, "r");

    assert_non_null(bytes);
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, n_header, file), n_header);
    assert_int_equal(fseek(file, (long) (n_header + (size_t) (from_s * (double) per_s)), SEEK_SET),
                     0);
    assert_int_equal(fread(bytes + n_header, 1, n_bytes, file), n_bytes);
    fclose(file);
    snprintf(device, SOURCE_PATH_BYTES, "%s/%s", bench->folder, sound ? "cut.wav" : "cut.rgb");
    write_file(device, bytes, n_header + n_bytes);
    free(bytes);
}

static int set_up(void **state) {
    struct bench *const bench = calloc(1, sizeof(*bench));

    assert_non_null(bench);
    strcpy(bench->folder, "/tmp/lookout-test-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    scene_open(&bench->scene, false);
    cut(bench, SCENE_SOUND, 2.5, 6);
    cut(bench, SCENE_PICTURE, 2.5, 6);
    assert_int_equal(pipeline_new(&bench->pipeline), 0);
    *state = bench;
    return 0;
}

static int tear_down(void **state) {
    struct bench *const bench = *state;
    pipeline_free(bench->pipeline);
    scene_close(&bench->scene);
    assert_int_equal(remove_folder(bench->folder), 0);
    free(bench);
    return 0;
}

static void note(struct told *seen, const struct notice *notice) {
    const struct sensor_status *const sensor = &notice->sensor;

    switch (notice->kind) {
    case NOTICE_EVENT:
        seen->n_begun += notice->event.phase == EVENT_BEGIN;
        seen->n_ended_events += notice->event.phase == EVENT_END;
        seen->last_event = notice->event;
        return;
    case NOTICE_SENSOR:
        for (size_t i = 0; i < SCENE_SENSORS; i++)
            if (strcmp(sensor->name, i == SCENE_SOUND ? "microphone" : "camera") == 0) {
                seen->states[i] = sensor->state;
                strcpy(seen->reasons[i], sensor->reason);
            }
        return;
    case NOTICE_SCORES:
        seen->n_scores++;
        return;
    case NOTICE_ENDED:
        seen->n_ends++;
        return;
    }
}

/* Take notices until @done says so. Returns false after @most_ms. */
static bool run_until(struct bench *bench, bool (*done)(const struct told *), int most_ms) {
    const int64_t until_ns = now_ns() + most_ms * NS_PER_MS;
    struct pollfd fd = { .fd = pipeline_fd(bench->pipeline), .events = POLLIN };
    struct notice notice;

    while (now_ns() < until_ns) {
        while (pipeline_next(bench->pipeline, &notice) == 1)
            note(&bench->seen, &notice);
        assert_true(pipeline_progresses(bench->pipeline));
        if (done(&bench->seen))
            return true;
        (void) poll(&fd, 1, 50);
    }
    return false;
}

static void apply(struct bench *bench) {
    struct fault fault = { "" };

    if (pipeline_apply(bench->pipeline, &bench->scene.options, &fault) < 0)
        fail_msg("%s", fault.text);
}

static bool has_ended(const struct told *seen) {
    return seen->n_ends > 0;
}

static bool has_begun(const struct told *seen) {
    return seen->n_begun > 0;
}

static bool sound_is_lost(const struct told *seen) {
    return seen->states[SCENE_SOUND] == SENSOR_LOST;
}

static bool sound_runs(const struct told *seen) {
    return seen->states[SCENE_SOUND] == SENSOR_RUNNING;
}

static bool both_run(const struct told *seen) {
    return sound_runs(seen) && seen->states[SCENE_PICTURE] == SENSOR_RUNNING;
}

static bool has_many_scores(const struct told *seen) {
    return seen->n_scores >= 6;
}

static bool never(const struct told *seen) {
    return false;
}

static double statistic(const struct pipeline *pipeline, const char *name) {
    struct statistic s;

    for (size_t i = 0; pipeline_statistic(pipeline, i, &s) == 0; i++)
        if (strcmp(s.name, name) == 0)
            return s.value;
    fail_msg("no statistic %s", name);
    return 0;
}

static void threads_tell_the_events_of_the_scene_and_its_end(void **state) {
    struct bench *const bench = *state;
    struct told *const seen = &bench->seen;
    struct task_status task;

    apply(bench);
    assert_true(run_until(bench, has_begun, 5000));
    assert_string_equal(seen->last_event.label, "noise");
    assert_int_equal(seen->last_event.n_evidence, 2);
    assert_true(seen->last_event.evidence[0].present);
    assert_true(seen->last_event.skew_ms < 1000);
    assert_true(seen->last_event.n_latencies > 0);
    assert_int_equal(pipeline_task(bench->pipeline, 0, &task), 0);
    assert_int_equal(task.state, TASK_RUNNING);
    assert_int_equal(task.n_present, 2);

    assert_true(run_until(bench, has_ended, 8000));
    assert_int_equal(seen->n_ended_events, seen->n_begun);
    assert_int_equal(seen->states[SCENE_SOUND], SENSOR_OFF);
    assert_string_equal(seen->reasons[SCENE_PICTURE], "recording ended");
    assert_true(statistic(bench->pipeline, "decisions") >= 4);
    assert_true(statistic(bench->pipeline, "total_ms_p50") > 0);
    assert_int_equal(pipeline_task(bench->pipeline, 0, &task), 0);
    assert_int_equal(task.state, TASK_STOPPED);
}

static void a_missing_recording_is_lost_and_found_without_restart(void **state) {
    struct bench *const bench = *state;
    char *const device = bench->scene.sensors[SCENE_SOUND].source.device;
    char away[SOURCE_PATH_BYTES + 8];
    struct sensor_status status;

    snprintf(away, sizeof(away), "%s.away", device);
    assert_int_equal(rename(device, away), 0);
    apply(bench);
    assert_true(run_until(bench, sound_is_lost, 2000));
    assert_non_null(strstr(bench->seen.reasons[SCENE_SOUND], "cut.wav"));
    assert_int_equal(rename(away, device), 0);
    assert_true(run_until(bench, sound_runs, 3000));
    assert_string_equal(bench->seen.reasons[SCENE_SOUND], "");
    assert_int_equal(pipeline_sensor(bench->pipeline, 0, &status), 0);
    assert_true(status.rate_hz == 16000);
    assert_int_equal(status.n_lost, 0); /* it had never been there */
    assert_int_equal(pipeline_sensor(bench->pipeline, 2, &status), -ENOENT);
}

static void a_wrong_option_changes_nothing_and_says_what(void **state) {
    struct bench *const bench = *state;
    struct pipeline_options wrong = bench->scene.options;
    struct task_options task = bench->scene.task;
    struct sensor_options sensors[SCENE_SENSORS];
    struct fault fault = { "" };
    struct sensor_status status;

    apply(bench);
    wrong.tasks = &task;
    strcpy(task.sensors[0], "nobody");
    assert_int_equal(pipeline_apply(bench->pipeline, &wrong, &fault), -EINVAL);
    assert_non_null(strstr(fault.text, "nobody"));
    strcpy(task.sensors[0], "camera");
    assert_int_equal(pipeline_apply(bench->pipeline, &wrong, &fault), -EINVAL);
    assert_non_null(strstr(fault.text, "camera"));

    wrong = bench->scene.options;
    memcpy(sensors, bench->scene.sensors, sizeof(sensors));
    wrong.sensors = sensors;
    strcpy(sensors[1].name, "microphone");
    assert_int_equal(pipeline_apply(bench->pipeline, &wrong, &fault), -EINVAL);
    assert_non_null(strstr(fault.text, "microphone"));

    assert_int_equal(pipeline_sensor(bench->pipeline, 1, &status), 0);
    assert_string_equal(status.name, "camera");
    assert_true(run_until(bench, both_run, 2000));
}

static void what_did_not_change_goes_on_through_a_reload(void **state) {
    struct bench *const bench = *state;
    struct bundle *other, *const first = bench->scene.bundle;
    struct sensor_status before, after;
    struct task_status task;

    apply(bench);
    assert_true(run_until(bench, has_begun, 5000));
    assert_int_equal(pipeline_sensor(bench->pipeline, 0, &before), 0);

    other = scene_bundle(); /* the same bundle, opened anew as a reload does */
    bench->scene.task.bundle = bench->scene.bundle = other;
    bench->scene.sensors[SCENE_PICTURE].source.rate_hz = 5; /* the camera is another one now */
    apply(bench);
    bundle_free(first);
    assert_false(run_until(bench, never, 600));
    assert_int_equal(bench->seen.n_ended_events, 0); /* the event goes on */
    assert_int_equal(pipeline_sensor(bench->pipeline, 0, &after), 0);
    assert_true(before.since_ns == after.since_ns);
    assert_int_equal(pipeline_task(bench->pipeline, 0, &task), 0);
    assert_ptr_equal(task.bundle, other);
    assert_true(task.scores[1] > 0.5);
}

static void a_task_that_goes_ends_its_events(void **state) {
    struct bench *const bench = *state;

    apply(bench);
    assert_true(run_until(bench, has_begun, 5000));
    bench->scene.options.n_tasks = 0;
    bench->scene.options.n_sensors = 1;
    apply(bench);
    (void) run_until(bench, never, 100);
    assert_int_equal(bench->seen.n_ended_events, 1);
    assert_int_equal(bench->seen.last_event.phase, EVENT_END);
    assert_int_equal(bench->seen.states[SCENE_PICTURE], SENSOR_OFF);
    assert_int_equal(bench->seen.states[SCENE_SOUND], SENSOR_RUNNING);
}

/* Take notices one by one until there is an event. */
static void take_until_event(struct bench *bench) {
    const int64_t until_ns = now_ns() + 5 * NS_PER_S;
    struct pollfd fd = { .fd = pipeline_fd(bench->pipeline), .events = POLLIN };
    struct notice notice;

    for (;;) {
        while (pipeline_next(bench->pipeline, &notice) == 1)
            if (notice.kind == NOTICE_EVENT)
                return;
        assert_true(now_ns() < until_ns);
        (void) poll(&fd, 1, 50);
    }
}

static void scores_not_yet_taken_go_with_their_bundle(void **state) {
    struct bench *const bench = *state;

    apply(bench);
    take_until_event(bench); /* the scores of that decision come next */
    bench->scene.options.n_tasks = 0;
    apply(bench);
    (void) run_until(bench, never, 100);
    assert_int_equal(bench->seen.n_scores, 0);
    assert_int_equal(bench->seen.n_ended_events, 1);
}

static void a_task_that_comes_waits_for_all_its_sensors(void **state) {
    struct bench *const bench = *state;

    bench->scene.options.n_tasks = 0;
    apply(bench);
    assert_true(run_until(bench, both_run, 2000));
    bench->scene.options.n_tasks = 1;
    apply(bench);
    assert_true(run_until(bench, has_many_scores, 5000));
    assert_true(statistic(bench->pipeline, "windows_late") <= 1); /* as it starts */
}

static void what_a_reload_has_to_say_is_ready_at_once(void **state) {
    struct bench *const bench = *state;
    struct pollfd fd = { .fd = pipeline_fd(bench->pipeline), .events = POLLIN };

    apply(bench);
    assert_true(run_until(bench, has_ended, 10000)); /* nothing moves any more */
    (void) run_until(bench, never, 100);
    assert_int_equal(poll(&fd, 1, 0), 0);
    bench->scene.options.n_tasks = bench->scene.options.n_sensors = 0;
    apply(bench);
    assert_int_equal(poll(&fd, 1, 0), 1);
    (void) run_until(bench, never, 10);
    assert_string_equal(bench->seen.reasons[SCENE_PICTURE], "no longer configured");
}

static void reloads_in_quick_succession_do_no_harm(void **state) {
    struct bench *const bench = *state;

    for (int i = 0; i < 20; i++) {
        bench->scene.options.n_tasks = i % 2;
        bench->scene.sensors[SCENE_PICTURE].source.rate_hz = 10 + i % 3;
        apply(bench);
        (void) run_until(bench, never, i % 4 * 10);
    }
    bench->scene.options.n_tasks = 1;
    apply(bench);
    assert_true(run_until(bench, both_run, 2000));
}

static unsigned record(struct bench *bench, const char *sensor, const char *path, int flags) {
    struct record_request request = { .fd = open(path, flags, 0600) };
    struct fault fault = { "" };
    unsigned id = 0;

    strcpy(request.sensor, sensor);
    assert_true(request.fd >= 0);
    if (pipeline_record_start(bench->pipeline, &request, &id, &fault) < 0)
        fail_msg("%s", fault.text);
    return id;
}

static bool has_time_comment(const char *path) {
    static char bytes[1 << 20];
    FILE *file = fopen(path, "r");
    size_t n;

    assert_non_null(file);
    n = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    return memmem(bytes, n, "lookout-time-ns=", 16) != NULL;
}

static void a_recording_can_be_played_again(void **state) {
    struct bench *const bench = *state;
    char sound[128], pictures[128];
    struct record_result result;
    struct stat stat_of;
    struct sensor_options *const sensors = bench->scene.sensors;
    unsigned ids[2];

    snprintf(sound, sizeof(sound), "%s/recorded.wav", bench->folder);
    snprintf(pictures, sizeof(pictures), "%s/recorded.mjpeg", bench->folder);
    bench->scene.options.n_tasks = 0;
    apply(bench);
    ids[0] = record(bench, "microphone", sound, O_WRONLY | O_CREAT);
    ids[1] = record(bench, "camera", pictures, O_WRONLY | O_CREAT);
    (void) run_until(bench, never, 2000);

    assert_int_equal(pipeline_record_stop(bench->pipeline, ids[0], &result), 0);
    assert_int_equal(result.error, 0);
    assert_int_equal(result.n_lost, 0);
    assert_in_range(result.n_items, 150, 260);
    assert_int_equal(result.last_ns - result.first_ns, (int64_t) (result.n_items - 1) * 10000000);
    assert_int_equal(stat(sound, &stat_of), 0);
    assert_int_equal(stat_of.st_size, WAV_HEADER_BYTES + (off_t) result.n_items * 320);
    assert_int_equal(pipeline_record_stop(bench->pipeline, ids[1], &result), 0);
    assert_in_range(result.n_items, 15, 22);
    assert_true(has_time_comment(pictures));
    assert_int_equal(pipeline_record_stop(bench->pipeline, ids[1], &result), -ENOENT);

    strcpy(sensors[SCENE_SOUND].source.device, sound);
    strcpy(sensors[SCENE_PICTURE].source.device, pictures);
    strcpy(sensors[SCENE_PICTURE].source.format, "auto");
    bench->scene.options.n_tasks = 1;
    apply(bench);
    memset(&bench->seen, 0, sizeof(bench->seen));
    assert_true(run_until(bench, has_ended, 6000));
    assert_string_equal(bench->seen.reasons[SCENE_PICTURE], "recording ended");
    assert_true(bench->seen.n_scores >= 2);
}

/* Freeing the sensors one by one looked a recording's sensor up among those already freed. */
static void recordings_may_last_until_all_sensors_go(void **state) {
    struct bench *const bench = *state;
    struct record_result result;
    unsigned ids[2];

    bench->scene.options.n_tasks = 0;
    apply(bench);
    ids[0] = record(bench, "microphone", "/dev/null", O_WRONLY);
    ids[1] = record(bench, "camera", "/dev/null", O_WRONLY);
    (void) run_until(bench, never, 300);
    bench->scene.options.n_sensors = 0;
    apply(bench);
    assert_int_equal(pipeline_record_stop(bench->pipeline, ids[0], &result), 0);
    assert_int_equal(pipeline_record_stop(bench->pipeline, ids[1], &result), 0);
}

static void a_full_disk_ends_the_writing_and_is_told(void **state) {
    struct bench *const bench = *state;
    struct record_result result;
    unsigned id;

    bench->scene.options.n_tasks = 0;
    apply(bench);
    id = record(bench, "microphone", "/dev/full", O_WRONLY);
    (void) run_until(bench, never, 300);
    assert_int_equal(pipeline_record_stop(bench->pipeline, id, &result), 0);
    assert_int_equal(result.error, -ENOSPC);
    assert_int_equal(result.n_items, 0);
    assert_true(result.n_lost > 10);
}

static void a_reader_that_never_reads_holds_up_nobody(void **state) {
    struct bench *const bench = *state;
    struct record_request request = { .sensor = "camera" };
    struct record_result result;
    struct fault fault = { "" };
    int ends[2];
    unsigned id;

    bench->scene.options.n_tasks = 0;
    apply(bench);
    assert_int_equal(pipe(ends), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 0);
    request.fd = ends[1];
    assert_int_equal(pipeline_record_start(bench->pipeline, &request, &id, &fault), 0);
    assert_int_equal(pipeline_record_start(bench->pipeline, &request, &id, &fault), -EBUSY);
    (void) run_until(bench, never, 1500);
    assert_int_equal(bench->seen.states[SCENE_PICTURE], SENSOR_RUNNING);
    assert_int_equal(pipeline_record_stop(bench->pipeline, id, &result), 0);
    assert_true(result.error < 0);
    assert_true(result.n_lost > 0);
    close(ends[0]);
}

static void *read_slowly(void *user) {
    const int *const fd = user;
    char bytes[4096];

    while (read(*fd, bytes, sizeof(bytes)) > 0)
        (void) poll(NULL, 0, 400);
    return NULL;
}

static void a_slow_reader_holds_up_a_stop_for_a_second(void **state) {
    struct bench *const bench = *state;
    struct record_request request = { .sensor = "microphone" };
    struct record_result result;
    struct fault fault = { "" };
    int64_t began_ns, took_ns;
    pthread_t reader;
    int ends[2];
    unsigned id;

    bench->scene.options.n_tasks = 0;
    apply(bench);
    assert_int_equal(pipe(ends), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) >= 0);
    request.fd = ends[1];
    assert_int_equal(pipeline_record_start(bench->pipeline, &request, &id, &fault), 0);
    (void) run_until(bench, never, 1500); /* eleven times what the pipe holds */
    assert_int_equal(pthread_create(&reader, NULL, read_slowly, &ends[0]), 0);
    began_ns = now_ns();
    assert_int_equal(pipeline_record_stop(bench->pipeline, id, &result), 0);
    took_ns = now_ns() - began_ns;
    assert_int_equal(pthread_join(reader, NULL), 0);
    close(ends[0]);
    assert_int_equal(result.error, -ETIMEDOUT);
    assert_true(result.n_items > 0);
    assert_true(took_ns < 2 * NS_PER_S);
}

static void the_first_error_of_a_recording_is_told(void **state) {
    struct bench *const bench = *state;
    struct rlimit before, none;
    struct record_result result;
    char path[128];
    unsigned id;

    bench->scene.options.n_tasks = 0;
    apply(bench);
    snprintf(path, sizeof(path), "%s/none.wav", bench->folder);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0); /* not even the header can be written */
    id = record(bench, "microphone", path, O_WRONLY | O_CREAT);
    (void) run_until(bench, never, 100);
    assert_int_equal(pipeline_record_stop(bench->pipeline, id, &result), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(result.error, -EFBIG);
}

static void a_descriptor_for_reading_is_refused(void **state) {
    struct bench *const bench = *state;
    struct record_request request = { .sensor = "camera", .fd = open("/dev/null", O_RDONLY) };
    struct fault fault = { "" };
    unsigned id;

    apply(bench);
    assert_int_equal(pipeline_record_start(bench->pipeline, &request, &id, &fault), -EBADF);
    strcpy(request.sensor, "nobody");
    assert_int_equal(pipeline_record_start(bench->pipeline, &request, &id, &fault), -ENOENT);
    close(request.fd); /* still ours */
}

static void an_encoder_that_gives_nothing_starves_the_watchdog(void **state) {
    struct bench *const bench = *state;
    struct encoder_part *part;

    apply(bench);
    assert_true(run_until(bench, both_run, 2000));
    part = &bench->pipeline->parts.encoders[0];
    part->moved_ns = now_ns() - 30 * NS_PER_S; /* as if its thread hung since then */
    assert_false(pipeline_progresses(bench->pipeline));
    bench->pipeline->parts.sensors[0].state = SENSOR_LOST; /* declared: then it is no fault */
    assert_true(pipeline_progresses(bench->pipeline));
    bench->pipeline->parts.sensors[0].state = SENSOR_RUNNING;
    assert_false(run_until(bench, never, 600)); /* and it goes on */
}

static void a_virtual_clock_is_refused_in_threads(void **state) {
    struct bench *const bench = *state;
    struct fault fault = { "" };

    bench->scene.sensors[0].source.as_fast_as_possible = true;
    assert_int_equal(pipeline_apply(bench->pipeline, &bench->scene.options, &fault), -EINVAL);
    assert_non_null(strstr(fault.text, "virtual"));
}

#define PIPELINE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        PIPELINE_TEST(threads_tell_the_events_of_the_scene_and_its_end),
        PIPELINE_TEST(a_missing_recording_is_lost_and_found_without_restart),
        PIPELINE_TEST(a_wrong_option_changes_nothing_and_says_what),
        PIPELINE_TEST(what_did_not_change_goes_on_through_a_reload),
        PIPELINE_TEST(a_task_that_goes_ends_its_events),
        PIPELINE_TEST(scores_not_yet_taken_go_with_their_bundle),
        PIPELINE_TEST(a_task_that_comes_waits_for_all_its_sensors),
        PIPELINE_TEST(what_a_reload_has_to_say_is_ready_at_once),
        PIPELINE_TEST(reloads_in_quick_succession_do_no_harm),
        PIPELINE_TEST(a_recording_can_be_played_again),
        PIPELINE_TEST(recordings_may_last_until_all_sensors_go),
        PIPELINE_TEST(a_full_disk_ends_the_writing_and_is_told),
        PIPELINE_TEST(a_reader_that_never_reads_holds_up_nobody),
        PIPELINE_TEST(a_slow_reader_holds_up_a_stop_for_a_second),
        PIPELINE_TEST(the_first_error_of_a_recording_is_told),
        PIPELINE_TEST(a_descriptor_for_reading_is_refused),
        PIPELINE_TEST(an_encoder_that_gives_nothing_starves_the_watchdog),
        PIPELINE_TEST(a_virtual_clock_is_refused_in_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
