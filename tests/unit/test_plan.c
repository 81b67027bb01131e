/* SPDX-License-Identifier: MIT */
/* From settings to what the pipeline runs: which sensor for which modality, thresholds, recordings
 * that play on. */
#include "daemon/plan.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/load.h"
#include "tests/test.h"

enum { NOW_NS = 1000, LATER_NS = 2000 };

/* The plan of an INI text; `bundle = zoo/yard` is the one of this repository. */
static struct plan *plan_of(const char *text, const struct plan *before, int64_t now) {
    _cleanup_(settings_freep) struct settings *settings = NULL;
    struct problems problems = { 0 };
    char name[TEST_PATH_BYTES], all[8192];
    struct plan *plan = NULL;

    (void) snprintf(all, sizeof(all), "[lookoutd]\nallow_unsigned = yes\nbundles = zoo\n%s", text);
    assert_int_equal(settings_load_text(source_path("models/x.ini", name), all, strlen(all),
                                        &settings, &problems),
                     0);
    assert_int_equal(plan_new(settings, before, now, &plan), 0);
    return plan;
}

static void a_task_takes_the_first_sensor_of_each_kind(void **state) {
    _cleanup_(plan_freep) struct plan *plan =
        plan_of("[camera a]\nenabled = no\n[camera b]\n[camera c]\n[microphone m]\n[task "
                "t]\nbundle = yard\n",
                NULL, NOW_NS);

    (void) state;
    assert_string_equal(plan->all_tasks[0].reason, "");
    assert_int_equal(plan->options.n_sensors, 3);
    assert_int_equal(plan->options.n_tasks, 1);
    assert_string_equal(plan->tasks[0].sensors[0], "m");
    assert_string_equal(plan->tasks[0].sensors[1], "b");
}

static void a_task_takes_the_sensors_it_names_whatever_their_order(void **state) {
    _cleanup_(plan_freep) struct plan *plan =
        plan_of("[camera a]\n[camera b]\n[microphone m]\n[task t]\nbundle = yard\nsensors = b, "
                "m\n[task only]\nbundle = yard\n"
                "sensors = a\n",
                NULL, NOW_NS);

    (void) state;
    assert_string_equal(plan->tasks[0].sensors[0], "m");
    assert_string_equal(plan->tasks[0].sensors[1], "b");
    assert_string_equal(plan->tasks[1].sensors[0], "");
    assert_string_equal(plan->tasks[1].sensors[1], "a");
}

static void a_bundle_is_found_by_whatever_path(void **state) {
    _cleanup_(plan_freep) struct plan *plan =
        plan_of("[camera a]\n[task t]\nbundle = yard\n", NULL, NOW_NS);
    char folder[] = "/tmp/test-plan-XXXXXX", link[64], yard[TEST_PATH_BYTES];

    (void) state;
    assert_non_null(mkdtemp(folder));
    (void) snprintf(link, sizeof(link), "%s/link", folder);
    assert_int_equal(symlink(plan->bundles[0]->path, link), 0);
    assert_ptr_equal(plan_bundle_at(plan, link), plan->bundles[0]);
    assert_ptr_equal(plan_bundle_at(plan, source_path("models/zoo/yard", yard)), plan->bundles[0]);
    assert_null(plan_bundle_at(plan, source_path("models/zoo/digits", yard)));
    assert_null(plan_bundle_at(plan, "/nonexistent"));
    assert_int_equal(unlink(link), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void two_tasks_share_one_bundle(void **state) {
    _cleanup_(plan_freep) struct plan *plan = plan_of(
        "[camera a]\n[task t]\nbundle = yard\n[task u]\nbundle = ./zoo/yard\n", NULL, NOW_NS);

    (void) state;
    assert_int_equal(plan->n_bundles, 1);
    assert_ptr_equal(plan->tasks[0].bundle, plan->tasks[1].bundle);
}

static void what_cannot_run_says_why_and_the_rest_runs(void **state) {
    _cleanup_(plan_freep) struct plan *plan =
        plan_of("[camera a]\n[camera b]\n[camera c]\nenabled = no\n[task none]\nbundle = "
                "nothing\n[task many]\nbundle = yard\n"
                "sensors = a, b\n[task blind]\nbundle = yard\nsensors = c\n[task low]\nbundle = "
                "yard\non = 0.01\n"
                "[task off]\nbundle = yard\nenabled = no\n[task good]\nbundle = yard\n",
                NULL, NOW_NS);

    (void) state;
    assert_int_equal(plan->n_all_tasks, 6);
    assert_non_null(strstr(plan->all_tasks[0].reason, "no bundle `nothing`"));
    assert_non_null(strstr(plan->all_tasks[1].reason, "no modality for the sensor `b`"));
    assert_non_null(strstr(plan->all_tasks[2].reason, "no sensor that bundle yard could use"));
    assert_non_null(strstr(plan->all_tasks[3].reason, "set both"));
    assert_string_equal(plan->all_tasks[4].reason, "");
    assert_int_equal(plan->options.n_tasks, 1);
    assert_string_equal(plan->tasks[0].name, "good");
}

static void a_licence_that_forbids_the_use_stops_the_task(void **state) {
    _cleanup_(plan_freep) struct plan *plan =
        plan_of("commercial_use = yes\n[camera a]\n[task t]\nbundle = yard\n", NULL, NOW_NS);

    (void) state;
    assert_int_equal(plan->options.n_tasks, 0);
    assert_non_null(strstr(plan->all_tasks[0].reason, "forbids commercial use"));
    assert_non_null(strstr(plan->all_tasks[0].reason, plan->all_tasks[0].bundle->licence));
}

static void a_task_without_any_sensor_gets_what_its_bundle_can_use(void **state) {
    _cleanup_(plan_freep) struct plan *both = plan_of("[task t]\nbundle = yard\n[task u]\nbundle = "
                                                      "yard\n",
                                                      NULL, NOW_NS),
                                      *none = plan_of("[task t]\nbundle = yard\nenabled = no\n",
                                                      NULL, NOW_NS),
                                      *chosen = plan_of("[microphone m]\n[task t]\nbundle = yard\n",
                                                        NULL, NOW_NS),
                                      *refused = plan_of("[task t]\nbundle = yard\non = 0.01\n",
                                                         NULL, NOW_NS);

    (void) state;
    assert_int_equal(both->options.n_sensors, 2);
    assert_int_equal(both->n_auto, 2);
    assert_string_equal(both->sensors[0].name, "camera");
    assert_int_equal(both->sensors[0].source.kind, SOURCE_V4L2);
    assert_string_equal(both->sensors[0].source.device, "auto");
    assert_int_equal(both->sensors[0].source.width_px, 640);
    assert_string_equal(both->sensors[1].name, "microphone");
    assert_string_equal(both->sensors[1].source.device, "auto");
    assert_string_equal(both->tasks[1].sensors[0], "microphone");
    assert_string_equal(both->tasks[1].sensors[1], "camera");
    assert_int_equal(none->options.n_sensors, 0);
    assert_non_null(strstr(refused->all_tasks[0].reason, "set both"));
    assert_int_equal(refused->options.n_sensors, 0); /* nothing is opened for what does not run */
    assert_int_equal(refused->n_auto, 0);
    assert_int_equal(chosen->options.n_sensors, 1);
    assert_int_equal(chosen->n_auto, 0);
}

static void thresholds_of_the_ini_stand_over_the_bundles(void **state) {
    _cleanup_(plan_freep) struct plan *plan =
        plan_of("[camera a]\n[task t]\nbundle = yard\non = 0.9\noff = 0.2\nhold_ms = 7\nunknown = "
                "0.5\n[task u]\n"
                "bundle = yard\n",
                NULL, NOW_NS);
    const struct detector_options *bundle = plan->bundles[0]->detectors;

    (void) state;
    for (size_t i = 0; i < plan->bundles[0]->n_labels; i++) {
        assert_true(plan->tasks[0].detectors[i].on == 0.9 &&
                    plan->tasks[0].detectors[i].off == 0.2);
        assert_true(plan->tasks[0].detectors[i].hold_ms == 7);
        assert_true(plan->tasks[0].detectors[i].least_ms == bundle[i].least_ms);
        assert_true(plan->tasks[1].detectors[i].on == bundle[i].on);
    }
    assert_true(plan->tasks[0].unknown == 0.5);
    assert_true(plan->tasks[1].unknown == plan->bundles[0]->unknown);
}

static void a_recording_that_did_not_change_keeps_its_start(void **state) {
    _cleanup_(plan_freep) struct plan
        *before =
            plan_of("[recording a]\nfile = a.wav\n[recording b]\nfile = b.wav\n", NULL, NOW_NS),
        *now = plan_of("[recording a]\nfile = a.wav\n[recording b]\nfile = other.wav\n"
                       "[recording c]\nfile = c.wav\noffset_ms = 1\n",
                       before, LATER_NS);

    (void) state;
    assert_int_equal(now->sensors[0].source.start_ns, NOW_NS);
    assert_int_equal(now->sensors[1].source.start_ns, LATER_NS);
    assert_int_equal(now->sensors[2].source.start_ns, LATER_NS + 1000000);
    assert_int_equal(memcmp(&before->sensors[0], &now->sensors[0], sizeof(now->sensors[0])), 0);
}

static void masks_and_devices_reach_the_source(void **state) {
    _cleanup_(plan_freep) struct plan *plan =
        plan_of("[camera a]\ndevice = /dev/video7\nsize = 320x240\nmasks = "
                "0,0,50,12.5\n[microphone m]\nchannel = 2\n",
                NULL, NOW_NS);

    (void) state;
    assert_string_equal(plan->sensors[0].source.device, "/dev/video7");
    assert_int_equal(plan->sensors[0].source.width_px, 320);
    assert_int_equal(plan->sensors[0].source.n_masks, 1);
    assert_int_equal(plan->sensors[0].source.masks[0].height, MASK_PARTS / 8);
    assert_int_equal(plan->sensors[1].source.channel, 2);
    assert_int_equal(plan->sensors[1].source.data, SOURCE_SOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_task_takes_the_first_sensor_of_each_kind),
        cmocka_unit_test(a_task_takes_the_sensors_it_names_whatever_their_order),
        cmocka_unit_test(a_bundle_is_found_by_whatever_path),
        cmocka_unit_test(two_tasks_share_one_bundle),
        cmocka_unit_test(what_cannot_run_says_why_and_the_rest_runs),
        cmocka_unit_test(a_licence_that_forbids_the_use_stops_the_task),
        cmocka_unit_test(a_task_without_any_sensor_gets_what_its_bundle_can_use),
        cmocka_unit_test(thresholds_of_the_ini_stand_over_the_bundles),
        cmocka_unit_test(a_recording_that_did_not_change_keeps_its_start),
        cmocka_unit_test(masks_and_devices_reach_the_source),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
