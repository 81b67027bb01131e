/* SPDX-License-Identifier: MIT */
/* A sensor whose device fails: on tests/rig/fake-mic in real time, on recordings under a virtual
 * clock. */
#include "pipeline/sensor.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "common/units.h"
#include "pipeline/jpeg_encode.h"
#include "tests/test.h"

enum { RAW_ITEMS = 16000, BLOCKS = 1024, WIDTH_PX = 16, HEIGHT_PX = 16 };

static char dir[] = "/tmp/lookout-test-XXXXXX";

static const struct clock real = { NULL };

struct rig {
    struct sensor *sensor;
    struct queue *blocks;
    struct tap *tap;
    int wake_fd;
    struct sensor_report report; /* the last */
    char states[256];            /* all so far, a letter each: s r d l o */
};

static void command(const char *word) {
    char path[128];
    FILE *file;

    (void) snprintf(path, sizeof(path), "%s/control", dir);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(word, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void open_rig(struct rig *rig, const struct sensor_options *options,
                     const struct clock *clock) {
    struct tap_options tap = { .kind = TAP_SOUND };

    *rig = (struct rig){ .wake_fd = eventfd(0, EFD_NONBLOCK) };
    assert_int_equal(queue_new(sizeof(struct heard), BLOCKS, &rig->blocks), 0);
    tap.queue = rig->blocks;
    assert_int_equal(sensor_new(options, rig->wake_fd, clock, &rig->sensor), 0);
    if (options->source.data == SOURCE_SOUND)
        rig->tap = sensor_add_tap(rig->sensor, &tap);
    sensor_go(rig->sensor);
}

static void close_rig(struct rig *rig) {
    sensor_free(rig->sensor);
    queue_free(rig->blocks);
    close(rig->wake_fd);
}

static void take_reports(struct rig *rig) {
    while (sensor_next_report(rig->sensor, &rig->report))
        rig->states[strlen(rig->states)] = "srdlo"[rig->report.state];
}

/* Until the sensor has become @state (then true), or for @most_ms. */
static bool becomes(struct rig *rig, enum sensor_state state, int most_ms) {
    const int64_t until_ns = now_ns() + most_ms * NS_PER_MS;
    struct pollfd fd = { .fd = rig->wake_fd, .events = POLLIN };
    uint64_t wakes;

    while (now_ns() < until_ns) {
        (void) poll(&fd, 1, 50);
        (void) !read(rig->wake_fd, &wakes, sizeof(wakes));
        take_reports(rig);
        if (rig->states[0] && rig->report.state == state)
            return true;
    }
    return false;
}

static struct sensor_options fake_microphone(void) {
    return (struct sensor_options){
        .name = "mic",
        .source = { .kind = SOURCE_ALSA, .data = SOURCE_SOUND, .device = "fake", .format = "auto" },
    };
}

static void an_unplugged_microphone_is_lost_and_found_again(void **state) {
    const struct sensor_options options = fake_microphone();
    struct heard heard;
    struct rig rig;
    bool marked = false;

    command("");
    open_rig(&rig, &options, &real);
    assert_true(becomes(&rig, SENSOR_RUNNING, 3000));
    assert_true(rig.report.format[0] != '\0');
    command("unplug");
    assert_true(becomes(&rig, SENSOR_LOST, 3000));
    assert_true(rig.report.reason[0] != '\0');
    assert_int_equal(sensor_n_lost(rig.sensor), 1);
    while (queue_pop(rig.blocks, &heard))
        assert_true(heard.block.n_lost_before == 0);

    command("");
    assert_true(becomes(&rig, SENSOR_RUNNING, 4000));
    assert_string_equal(rig.report.reason, "");
    (void) poll(NULL, 0, 100);
    if (queue_pop(rig.blocks, &heard))
        marked = heard.block.n_lost_before != 0; /* nobody takes it for what follows */
    close_rig(&rig);
    assert_true(marked);
}

static void a_stalled_microphone_is_lost_after_two_seconds(void **state) {
    const struct sensor_options options = fake_microphone();
    struct rig rig;
    int64_t began_ns;

    command("");
    open_rig(&rig, &options, &real);
    assert_true(becomes(&rig, SENSOR_RUNNING, 3000));
    command("stall");
    began_ns = now_ns();
    assert_true(becomes(&rig, SENSOR_LOST, 5000));
    assert_true(now_ns() - began_ns > NS_PER_S);
    assert_non_null(strstr(rig.report.reason, "no data"));
    command("");
    assert_true(becomes(&rig, SENSOR_RUNNING, 5000));
    close_rig(&rig);
}

static void a_device_that_is_not_there_is_lost_with_the_reason(void **state) {
    struct sensor_options options = fake_microphone();
    struct rig rig;

    strcpy(options.source.device, "nothing-of-that-name");
    open_rig(&rig, &options, &real);
    assert_true(becomes(&rig, SENSOR_LOST, 3000));
    assert_non_null(strstr(rig.report.reason, "nothing-of-that-name"));
    (void) poll(NULL, 0, 1700); /* tried again at 0.5 and 1.5 s */
    take_reports(&rig);
    assert_string_equal(rig.states, "l"); /* told once */
    assert_int_equal(sensor_n_lost(rig.sensor), 0);
    close_rig(&rig);
}

/* A Motion JPEG of @n frames at 10/s; every second one of the first @n_bad is damaged. */
static void write_mjpeg(const char *path, int n, int n_bad) {
    static uint8_t pixels[WIDTH_PX * HEIGHT_PX], damaged[65536];
    struct jpeg_encode *encode = NULL;
    FILE *const file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(jpeg_encode_new(&encode), 0);
    for (int i = 0; i < n; i++) {
        const struct frame frame = { .time_ns = i * NS_PER_S / 10,
                                     .format = PIXEL_GREY,
                                     .width_px = WIDTH_PX,
                                     .height_px = HEIGHT_PX,
                                     .planes = { pixels },
                                     .stride_bytes = { WIDTH_PX } };
        const uint8_t *data;
        size_t n_bytes;

        memset(pixels, i, sizeof(pixels));
        assert_int_equal(jpeg_encode_frame(encode, &frame, &data, &n_bytes), 0);
        memcpy(damaged, data, n_bytes);
        for (size_t b = 4; i < n_bad && i % 2 && b < n_bytes; b++)
            if (damaged[b] == 0xff && damaged[b + 1] == 0xc0)
                damaged[b + 4] = 77; /* SOF0: no such precision */
        assert_int_equal(fwrite(damaged, 1, n_bytes, file), n_bytes);
    }
    jpeg_encode_free(encode);
    assert_int_equal(fclose(file), 0);
}

static void frequent_gaps_are_degraded_until_they_stop(void **state) {
    struct sensor_options options = {
        .name = "camera",
        .source = { .kind = SOURCE_RECORDING,
                    .data = SOURCE_PICTURE,
                    .format = "auto",
                    .rate_hz = 10,
                    .as_fast_as_possible = true,
                    .start_ns = NS_PER_S },
    };
    int64_t now = NS_PER_S;
    const struct clock clock = { &now };
    struct fault fault = { "" };
    struct rig rig;
    int r = 0;

    (void) snprintf(options.source.device, SOURCE_PATH_BYTES, "%s/gaps.mjpeg", dir);
    write_mjpeg(options.source.device, 400, 60);
    open_rig(&rig, &options, &clock);
    if (sensor_open(rig.sensor, &fault) < 0)
        fail_msg("%s", fault.text);
    while (r >= 0 && sensor_next_ns(rig.sensor) != INT64_MAX) {
        now = sensor_next_ns(rig.sensor);
        r = sensor_read(rig.sensor, &fault);
        take_reports(&rig);
    }
    assert_string_equal(rig.states, "rdro");
    assert_in_range(sensor_n_gaps(rig.sensor), 25, 30);
    close_rig(&rig);
}

/* The device, and a configuration for ALSA that has it. */
static int set_up(void **state) {
    static int16_t silence[RAW_ITEMS];
    char path[128], both[256];
    FILE *file;

    assert_non_null(mkdtemp(dir));
    (void) snprintf(path, sizeof(path), "%s/mic.raw", dir);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(silence, sizeof(*silence), RAW_ITEMS, file), RAW_ITEMS);
    assert_int_equal(fclose(file), 0);
    (void) snprintf(path, sizeof(path), "%s/asound.conf", dir);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fprintf(file,
                        "pcm_type.fakemic { lib \"%s\" }\n"
                        "pcm.fake { type fakemic infile \"%s/mic.raw\" rate 16000 channels 1 "
                        "control \"%s/control\" }\n",
                        getenv("LOOKOUT_FAKE_MIC"), dir, dir) > 0);
    assert_int_equal(fclose(file), 0);
    (void) snprintf(both, sizeof(both), "/usr/share/alsa/alsa.conf:%s", path);
    return setenv("ALSA_CONFIG_PATH", both, 1);
}

static int clean_up(void **state) {
    return remove_folder(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unplugged_microphone_is_lost_and_found_again),
        cmocka_unit_test(a_stalled_microphone_is_lost_after_two_seconds),
        cmocka_unit_test(a_device_that_is_not_there_is_lost_with_the_reason),
        cmocka_unit_test(frequent_gaps_are_degraded_until_they_stop),
    };
    return cmocka_run_group_tests(tests, set_up, clean_up);
}
