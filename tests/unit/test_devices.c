/* SPDX-License-Identifier: MIT */
#include "pipeline/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tests/test.h"

static char dir[] = "/tmp/lookout-test-XXXXXX";

static const char *path(const char *name) {
    static char buffers[2][SOURCE_PATH_BYTES];
    static int turn;

    turn = !turn;
    (void) snprintf(buffers[turn], sizeof(buffers[turn]), "%s/%s", dir, name);
    return buffers[turn];
}

static void touch(const char *name) {
    const int fd = open(path(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
}

/* A process that holds the file until it is killed; returns when it does. */
static pid_t hold(const char *name) {
    int ready[2];
    char byte;
    pid_t pid;

    assert_int_equal(pipe(ready), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (open(path(name), O_RDONLY) < 0 || write(ready[1], "", 1) != 1)
            _exit(1);
        (void) pause();
        _exit(0);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    (void) close(ready[0]);
    (void) close(ready[1]);
    return pid;
}

static void who_holds_a_node_is_told_also_through_a_link(void **state) {
    char holder[DEVICE_HOLDER_BYTES], expected[DEVICE_HOLDER_BYTES];
    pid_t pid;

    touch("node");
    assert_int_equal(symlink(path("node"), path("link")), 0);
    assert_int_equal(devices_holder(path("node"), holder), -ENOENT);
    pid = hold("node");
    assert_int_equal(devices_holder(path("link"), holder), 0);
    (void) snprintf(expected, sizeof(expected), "pid %d (test_devices)", (int) pid);
    assert_string_equal(holder, expected);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(devices_holder(path("link"), holder), -ENOENT);
}

static void what_we_hold_ourselves_is_not_told(void **state) {
    char holder[DEVICE_HOLDER_BYTES];
    _cleanup_(closep) int fd = -1;

    touch("own");
    fd = open(path("own"), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(devices_holder(path("own"), holder), -ENOENT);
    assert_int_equal(devices_holder(path("nothing-here"), holder), -ENOENT);
}

static void the_stable_name_is_the_link_that_leads_there(void **state) {
    char name[SOURCE_PATH_BYTES];

    touch("video0");
    touch("video1");
    assert_int_equal(mkdir(path("by-id"), 0700), 0);
    assert_int_equal(symlink("../video0", path("by-id/usb-Good_Camera-index0")), 0);
    assert_int_equal(symlink("../gone", path("by-id/usb-Other_Camera-index0")), 0);
    assert_int_equal(devices_stable_name(path("by-id"), path("video0"), name), 0);
    assert_string_equal(name, path("by-id/usb-Good_Camera-index0"));
    assert_int_equal(devices_stable_name(path("by-id"), path("video1"), name), -ENOENT);
    assert_int_equal(devices_stable_name(path("no-such"), path("video0"), name), -ENOENT);
}

static void the_list_holds_whole_entries(void **state) {
    static struct device_info infos[DEVICES_MAX];
    const size_t n = devices_list(infos);

    assert_true(n <= DEVICES_MAX);
    for (size_t i = 0; i < n; i++) {
        assert_true(infos[i].kind == SOURCE_V4L2 || infos[i].kind == SOURCE_ALSA);
        assert_true(infos[i].path[0] != '\0' && infos[i].stable[0] != '\0');
        assert_true(infos[i].name[0] != '\0');
    }
}

static int make_dir(void **state) {
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
    char command[64];

    (void) snprintf(command, sizeof(command), "rm -r %s", dir);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_holds_a_node_is_told_also_through_a_link),
        cmocka_unit_test(what_we_hold_ourselves_is_not_told),
        cmocka_unit_test(the_stable_name_is_the_link_that_leads_there),
        cmocka_unit_test(the_list_holds_whole_entries),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
