/* SPDX-License-Identifier: MIT */
/* Processes as /proc has them, sandboxed and not. */
#include "daemon/diagnose.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/cleanup.h"
#include "tests/test.h"

static char folder[] = "/tmp/lookout-test-XXXXXX";

static void write_text(const char *name, const char *text) {
    char path[PATH_MAX];
    FILE *file;

    (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_folder(void **state) {
    char path[PATH_MAX];

    if (!mkdtemp(folder))
        return -1;
    (void) snprintf(path, sizeof(path), "%s/net", folder);
    return mkdir(path, 0700);
}

static int tear_down(void **state) {
    return remove_folder(folder);
}

static void a_sandboxed_process_is_seen_as_one(void **state) {
    struct diagnosis d;

    write_text("status", "Name:\tlookoutd\nUid:\t998\t997\t998\t998\nVmHWM:\t   11000 kB\n"
                         "VmRSS:\t   10240 kB\nThreads:\t5\nCapEff:\t0000000000000000\n"
                         "NoNewPrivs:\t1\nSeccomp:\t2\nSeccomp_filters:\t9\n");
    write_text("io", "rchar: 9\nwchar: 99\nwrite_bytes: 40960\ncancelled_write_bytes: 0\n");
    write_text("mountinfo", "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
                            "60 22 8:1 /tmp /tmp rw - ext4 /dev/sda1 rw\n"
                            "61 22 8:1 / / ro,relatime - ext4 /dev/sda1 rw\n");
    write_text("net/dev", "Inter-|   Receive   |  Transmit\n face |bytes    packets\n"
                          "    lo:       0       0\n");
    diagnosis_read(folder, &d);
    assert_int_equal(d.uid, 997);
    assert_int_equal(d.peak_kib, 11000);
    assert_int_equal(d.resident_kib, 10240);
    assert_int_equal(d.n_threads, 5);
    assert_int_equal(d.written_bytes, 40960);
    assert_int_equal(d.capabilities, 0);
    assert_true(d.no_new_privileges && d.seccomp && d.read_only && !d.network);
}

static void a_free_process_is_seen_as_one(void **state) {
    _cleanup_(json_decrefp) json_t *json = NULL;
    struct diagnosis d;

    write_text("status",
               "Uid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\nNoNewPrivs:\t0\nSeccomp:\t0\n");
    write_text("mountinfo", "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n");
    write_text("net/dev", " face |bytes\n    lo:       0\n  eth0: 123 4\n");
    diagnosis_read(folder, &d);
    assert_int_equal(d.uid, 0);
    assert_true(d.capabilities == 0x1ffffffffff);
    assert_true(!d.no_new_privileges && !d.seccomp && !d.read_only && d.network);
    json = diagnosis_json(&d);
    assert_non_null(json);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(json, "sandbox"), "capabilities")),
        "000001ffffffffff");
}

static void what_cannot_be_read_is_not_taken_for_a_sandbox(void **state) {
    _cleanup_(json_decrefp) json_t *json = NULL;
    struct diagnosis d;

    diagnosis_read("/nonexistent", &d);
    assert_int_equal(d.written_bytes, -1);
    assert_true(d.capabilities != 0 && !d.seccomp && !d.no_new_privileges && !d.read_only &&
                d.network);
    json = diagnosis_json(&d);
    assert_true(json_is_null(json_object_get(json_object_get(json, "process"), "written_bytes")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sandboxed_process_is_seen_as_one),
        cmocka_unit_test(a_free_process_is_seen_as_one),
        cmocka_unit_test(what_cannot_be_read_is_not_taken_for_a_sandbox),
    };

    return cmocka_run_group_tests(tests, make_folder, tear_down);
}
