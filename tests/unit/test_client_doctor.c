/* SPDX-License-Identifier: MIT */
/* Machines as /proc and /sys have them, daemons as they answer, and what the doctor says of them.
 */
#include "client/doctor.h"

#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "client/field.h"
#include "common/cleanup.h"
#include "common/units.h"
#include "tests/test.h"
#include "tests/unit/json_kit.h"

static char root[] = "/tmp/lookout-test-XXXXXX";

/* A file below the root, with its directories. */
static void write_text(const char *name, const char *text) {
    char command[PATH_MAX + 32], path[PATH_MAX];
    FILE *file;

    (void) snprintf(path, sizeof(path), "%s/%s", root, name);
    (void) snprintf(command, sizeof(command), "mkdir -p $(dirname '%s')", path);
    assert_int_equal(system(command), 0);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_root(void **state) {
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state) {
    return remove_folder(root);
}

static void a_pi_tells_heat_power_memory_and_disks(void **state) {
    struct machine m;

    write_text("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4");
    write_text("proc/uptime", "86400.25 300000.00\n");
    write_text("proc/meminfo",
               "MemTotal:  900000 kB\nMemFree: 100 kB\nMemAvailable:   300000 kB\n");
    write_text("sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
    write_text("sys/class/thermal/thermal_zone0/temp", "61322\n");
    write_text("sys/class/thermal/thermal_zone1/type", "broken\n");
    write_text("sys/class/thermal/thermal_zone1/temp", "-274000\n");
    write_text("sys/class/hwmon/hwmon0/name", "rpi_volt\n");
    write_text("sys/class/hwmon/hwmon0/in0_lcrit_alarm", "1\n");
    write_text("sys/class/hwmon/hwmon1/name", "rp1_adc\n");
    write_text("sys/class/hwmon/hwmon1/temp1_input", "55000\n");
    write_text("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n");
    write_text("sys/block/mmcblk0/stat", " 1 2 3 4 5 6 2000000 8 9 10 11\n");
    write_text("sys/block/mmcblk0boot0/stat", " 1 2 3 4 5 6 7 8 9 10 11\n");
    write_text("sys/block/loop0/stat", " 1 2 3 4 5 6 7 8 9 10 11\n");
    machine_read(root, &m);
    assert_string_equal(m.model, "Raspberry Pi 4 Model B Rev 1.4");
    assert_true(m.uptime_s > 86400 && m.uptime_s < 86401);
    assert_int_equal(m.memory_kib, 900000);
    assert_int_equal(m.memory_available_kib, 300000);
    assert_true(fabs(m.temperature_c - 61.322) < 1e-6);
    assert_string_equal(m.temperature_of, "cpu-thermal");
    assert_true(m.knows_voltage && m.under_voltage && m.knows_throttled);
    assert_int_equal(m.throttled, 0x50005);
    assert_int_equal(m.n_disks, 1);
    assert_string_equal(m.disks[0].name, "mmcblk0");
    assert_int_equal(m.disks[0].written_bytes, 1024000000);
}

static void a_machine_that_tells_nothing_is_no_error(void **state) {
    struct machine m;

    machine_read("/nonexistent", &m);
    assert_string_equal(m.model, "");
    assert_true(isnan(m.temperature_c));
    assert_true(!m.knows_voltage && !m.knows_throttled && m.n_disks == 0 && m.memory_kib == 0);
}

/* --- findings --- */

static struct machine healthy_machine(void) {
    return (struct machine){
        .uptime_s = 86400,
        .memory_kib = 900000,
        .memory_available_kib = 500000,
        .temperature_c = 50,
        .temperature_of = "cpu-thermal",
        .knows_throttled = true,
        .n_disks = 1,
        .disks = { { "mmcblk0", 100000000 } },
    };
}

#define STATUS(errors, sensors, tasks, statistics)                                                 \
    "{'version': '1', 'state': 'running', 'pid': 1, 'since': {'monotonic_ns': '1000000000'},"      \
    " 'config_errors': [" errors "], 'sensors': [" sensors "], 'tasks': [" tasks "],"              \
    " 'statistics': {" statistics "}}"
#define SENSOR                                                                                     \
    "{'name': 'gate', 'state': 'running', 'format': 'YUYV', 'rate': 10, 'quality': 1, 'n_gaps': "  \
    "1}"
#define TASK "{'name': 'yard', 'state': 'running', 'bundle': 'yard'}"
#define STATISTICS                                                                                 \
    "'encode_ms_p50': 1, 'encode_ms_p99': 2, 'published_ms_p50': 8, 'published_ms_p99': 11,"       \
    " 'windows_encoded': 1000, 'windows_dropped': 1, 'windows_late': 0, 'subscribers_dropped': 0"
#define SANDBOXED                                                                                  \
    "{'process': {'resident_kib': 10240, 'peak_kib': 11000, 'written_bytes': 1000000},"            \
    " 'sandbox': {'uid': 998, 'no_new_privileges': true, 'seccomp': true, 'capabilities': '0',"    \
    "             'read_only': true, 'network': false}}"

/* The @key of @check in the first finding called so; "" if there is none. */
static const char *told(const json_t *findings, const char *check, const char *key) {
    for (size_t i = 0; i < json_array_size(findings); i++)
        if (strcmp(field_text(json_array_get(findings, i), "check"), check) == 0)
            return field_text(json_array_get(findings, i), key);
    return "";
}

static const char *state_of(const json_t *findings, const char *check) {
    return told(findings, check, "state");
}

static json_t *examine(struct machine machine, bool synchronised, const char *status,
                       const char *diagnosis) {
    _cleanup_(json_decrefp) json_t *status_json = read_json(status),
                                   *diagnosis_json = read_json(diagnosis);
    const struct patient patient = {
        .machine = &machine,
        .synchronised = synchronised,
        .status = status_json,
        .diagnosis = diagnosis_json,
        .now_ns = 86401 * NS_PER_S,
    };
    json_t *findings = doctor_examine(&patient);

    assert_non_null(findings);
    for (size_t i = 0; i < json_array_size(findings);
         i++) { /* each that needs it says what to do */
        const json_t *finding = json_array_get(findings, i);
        const char *state = field_text(finding, "state");

        assert_true(*field_text(finding, "text"));
        if (strcmp(state, "warning") == 0 || strcmp(state, "bad") == 0)
            assert_true(*field_text(finding, "what_to_do"));
        if (strcmp(state, "good") == 0)
            assert_true(json_is_null(json_object_get(finding, "what_to_do")));
    }
    return findings;
}

static void a_healthy_box_has_no_findings(void **state) {
    _cleanup_(json_decrefp) json_t *findings =
        examine(healthy_machine(), true, STATUS("", SENSOR, TASK, STATISTICS), SANDBOXED);

    assert_int_equal(doctor_n_findings(findings), 0);
    for (const char *const *check =
             (const char *const[]){ "daemon", "configuration", "sensor gate", "task yard", "speed",
                                    "windows", "sandbox", "clock", "temperature", "power",
                                    "throttling", "memory", "card mmcblk0", "own writes", NULL };
         *check; check++)
        assert_string_equal(state_of(findings, *check), "good");
}

static void a_sick_machine_is_told_so(void **state) {
    struct machine machine = healthy_machine();

    machine.temperature_c = 85;
    machine.throttled = 0x50005;
    machine.memory_available_kib = 1000;
    machine.disks[0].written_bytes = INT64_C(20000000000);
    _cleanup_(json_decrefp) json_t *findings =
        examine(machine, false, STATUS("", SENSOR, TASK, STATISTICS), SANDBOXED);
    assert_string_equal(state_of(findings, "temperature"), "warning");
    assert_string_equal(state_of(findings, "power"), "bad");
    assert_string_equal(state_of(findings, "throttling"), "warning");
    assert_string_equal(state_of(findings, "memory"), "warning");
    assert_string_equal(state_of(findings, "card mmcblk0"), "warning");
    assert_string_equal(state_of(findings, "clock"), "warning");
    assert_int_equal(doctor_n_findings(findings), 6);
}

static void a_sick_daemon_is_told_so(void **state) {
    _cleanup_(json_decrefp) json_t *findings = examine(
        healthy_machine(), true,
        STATUS(
            "'a.ini:3: [camra]: unknown section'",
            "{'name': 'gate', 'state': 'lost', 'reason': 'no such device'},"
            "{'name': 'yard', 'state': 'degraded', 'reason': 'dark', 'format': 'YUYV', 'rate': 9.5,"
            " 'quality': 0.1, 'n_gaps': 2, 'n_lost': 1},"
            "{'name': 'night', 'state': 'running', 'quality': 0.1},"
            "{'name': 'mic', 'state': 'running', 'format': 'S16_LE 48000 Hz', 'rate': 48000, "
            "'n_gaps': 500}",
            "{'name': 'watch', 'state': 'stopped', 'reason': 'no bundle'}",
            "'published_ms_p99': 3000, 'windows_encoded': 900, 'windows_dropped': 100,"
            " 'windows_late': 0, 'subscribers_dropped': 2"),
        "{'process': {'written_bytes': 9000000000}, 'sandbox': {'uid': 0, 'capabilities': 'ff'}}");

    assert_string_equal(state_of(findings, "configuration"), "bad");
    assert_string_equal(state_of(findings, "sensor gate"), "bad");
    assert_string_equal(state_of(findings, "sensor yard"), "warning");
    assert_string_equal(told(findings, "sensor yard", "text"),
                        "degraded: dark; YUYV, 9.5/s, quality 10 %, 2 gaps, lost 1 times");
    assert_string_equal(state_of(findings, "sensor night"), "note");
    assert_string_equal(state_of(findings, "sensor mic"), "warning");
    assert_string_equal(state_of(findings, "task watch"), "bad");
    assert_string_equal(state_of(findings, "speed"), "warning");
    assert_string_equal(state_of(findings, "windows"), "warning");
    assert_string_equal(state_of(findings, "subscribers"), "warning");
    assert_string_equal(state_of(findings, "sandbox"), "warning");
    assert_string_equal(state_of(findings, "own writes"), "warning");
    assert_int_equal(doctor_n_findings(findings), 10);
}

static void an_answer_of_other_types_is_survived(void **state) {
    static const char *const answers[] = {
        "{}", "{'sensors': 3, 'tasks': {}, 'statistics': []}",
        "{'sensors': [3, {}], 'tasks': [null, {}], 'config_errors': [5]}"
    };

    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++)
        json_decref(examine(healthy_machine(), true, answers[i], answers[0]));
}

static void long_lines_are_wrapped_by_words(void **state) {
    _cleanup_(json_decrefp) json_t *findings = read_json(
        "{'list': [{'check': 'clock', 'state': 'bad', 'text': 'one two three four five six',"
        " 'what_to_do': 'seven eight'}]}");
    _cleanup_(freep) char *text = NULL;
    struct screen screen = { .columns = 54 };
    size_t n_bytes;

    screen.out = open_memstream(&text, &n_bytes);
    assert_non_null(screen.out);
    doctor_write(&screen, json_object_get(findings, "list"));
    assert_int_equal(fclose(screen.out), 0);
    assert_string_equal(text, "bad      clock               one two three four five\n"
                              "                             six\n"
                              "                             > seven eight\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pi_tells_heat_power_memory_and_disks),
        cmocka_unit_test(a_machine_that_tells_nothing_is_no_error),
        cmocka_unit_test(a_healthy_box_has_no_findings),
        cmocka_unit_test(a_sick_machine_is_told_so),
        cmocka_unit_test(a_sick_daemon_is_told_so),
        cmocka_unit_test(an_answer_of_other_types_is_survived),
        cmocka_unit_test(long_lines_are_wrapped_by_words),
    };

    return setlocale(LC_CTYPE, "C.UTF-8") ? cmocka_run_group_tests(tests, make_root, remove_root)
                                          : 1;
}
