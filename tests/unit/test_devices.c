/* SPDX-License-Identifier: MIT */
#include "pipeline/devices.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "pipeline/devices_scan.h"
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
    struct device_holder holder = { 0 };
    pid_t pid;

    touch("node");
    assert_int_equal(symlink(path("node"), path("link")), 0);
    assert_int_equal(devices_holder(path("node"), &holder), -ENOENT);
    pid = hold("node");
    assert_int_equal(devices_holder(path("link"), &holder), 0);
    assert_int_equal(holder.pid, pid);
    assert_int_equal(holder.uid, getuid());
    assert_string_equal(holder.command, "test_devices");
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(devices_holder(path("link"), &holder), -ENOENT);
}

static void a_sound_server_that_holds_a_microphone_is_explained(void **state) {
    struct fault fault = { "" };
    char word[32];
    pid_t pid;

    touch("pcm");
    assert_int_equal(prctl(PR_SET_NAME, "pipewire"), 0); /* and so is the child's */
    pid = hold("pcm");
    devices_busy_fault("hw:CARD=Device", path("pcm"), &fault);
    (void) snprintf(word, sizeof(word), "pid %d (pipewire)", (int) pid);
    assert_non_null(strstr(fault.text, word));
    assert_non_null(strstr(fault.text, "hw:CARD=Device: busy"));
    assert_non_null(strstr(fault.text, "profile to Off"));
    assert_non_null(strstr(fault.text, "pulseaudio`")); /* not cut */
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(prctl(PR_SET_NAME, "test_devices"), 0);
    devices_busy_fault("hw:CARD=Device", path("pcm"), &fault);
    assert_non_null(strstr(fault.text, "another user"));
    assert_non_null(strstr(fault.text, "fuser"));
}

static void what_we_hold_ourselves_is_not_told(void **state) {
    struct device_holder holder;
    _cleanup_(closep) int fd = -1;

    touch("own");
    fd = open(path("own"), O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(devices_holder(path("own"), &holder), -ENOENT);
    assert_int_equal(devices_holder(path("nothing-here"), &holder), -ENOENT);
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

static size_t n_told;

static void check_device(const char *name, const struct device_info *info, void *user) {
    assert_ptr_equal(user, &n_told);
    if (!info)
        return; /* it is being asked */
    n_told++;
    assert_true(info->kind == SOURCE_V4L2 || info->kind == SOURCE_ALSA);
    assert_string_equal(info->path, name);
    assert_true(info->stable[0] != '\0' && info->name[0] != '\0' && info->node[0] != '\0');
    assert_true(info->usable == (info->why[0] == '\0'));
    assert_true(info->usable == (info->what_to_do[0] == '\0'));
}

static void whatever_is_here_is_told_whole(void **state) {
    n_told = 0;
    devices_each(check_device, &n_told);
    assert_true(n_told <= DEVICES_MAX);
}

static void a_scan_finds_what_the_drivers_say(void **state) {
    const int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct pollfd p = { .fd = wake_fd, .events = POLLIN };
    struct devices_scan *scan;
    uint64_t wakes;
    size_t n;

    n_told = 0;
    devices_each(check_device, &n_told);
    assert_int_equal(devices_scan_new(wake_fd, &scan), 0);
    do {
        assert_int_equal(poll(&p, 1, 30000), 1);
        assert_int_equal(read(wake_fd, &wakes, sizeof(wakes)), sizeof(wakes));
    } while (!devices_scan_take(scan));
    (void) devices_scan_found(scan, &n);
    assert_int_equal(n, n_told);
    assert_string_equal(devices_scan_asking(scan), "");
    assert_null(devices_scan_free(scan));
    (void) close(wake_fd);
}

static int make_dir(void **state) {
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
    return remove_folder(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_holds_a_node_is_told_also_through_a_link),
        cmocka_unit_test(a_sound_server_that_holds_a_microphone_is_explained),
        cmocka_unit_test(what_we_hold_ourselves_is_not_told),
        cmocka_unit_test(the_stable_name_is_the_link_that_leads_there),
        cmocka_unit_test(whatever_is_here_is_told_whole),
        cmocka_unit_test(a_scan_finds_what_the_drivers_say),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
