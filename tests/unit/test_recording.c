/* SPDX-License-Identifier: MIT */
#include "pipeline/recording.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sndfile.h>
#include <string.h>

#include "common/units.h"
#include "tests/test.h"

enum { KEPT_MAX = 400 };

/* What came out of a source. */
struct kept {
    int n_blocks, n_frames, n_lost;
    int64_t times[KEPT_MAX], arrived[KEPT_MAX];
    int16_t samples[KEPT_MAX * SOUND_BLOCK_ITEMS];
    struct frame frame;
    uint8_t first_bytes[KEPT_MAX];
};

static char dir[] = "/tmp/lookout-test-XXXXXX";
static struct kept kept;

static void keep_sound(const struct sound_block *block, void *user) {
    assert_true(kept.n_blocks < KEPT_MAX);
    kept.times[kept.n_blocks] = block->time_ns;
    kept.arrived[kept.n_blocks] = now_ns();
    kept.n_lost += block->n_lost_before;
    memcpy(&kept.samples[kept.n_blocks++ * SOUND_BLOCK_ITEMS], block->samples,
           sizeof(block->samples));
}

static void keep_frame(const struct frame *frame, void *user) {
    assert_true(kept.n_frames < KEPT_MAX);
    kept.times[kept.n_frames] = frame->time_ns;
    kept.arrived[kept.n_frames] = now_ns();
    kept.n_lost += frame->n_lost_before;
    kept.frame = *frame;
    kept.first_bytes[kept.n_frames++] = frame->planes[0][0];
}

static const struct source_sink sink = { .sound = keep_sound, .frame = keep_frame };

/* Read until @n_max items or the end; returns the last result of source_read(). */
static int read_all(struct source *source, int n_max, struct fault *fault) {
    int r = 0;

    memset(&kept, 0, sizeof(kept));
    while (r >= 0 && kept.n_blocks + kept.n_frames < n_max) {
        struct pollfd p = { .fd = source_fd(source), .events = POLLIN };

        assert_int_equal(poll(&p, 1, 2000), 1);
        r = source_read(source, &sink, fault);
    }
    return r;
}

static const char *path(const char *name) {
    static char buffer[SOURCE_PATH_BYTES];

    (void) snprintf(buffer, sizeof(buffer), "%s/%s", dir, name);
    return buffer;
}

static void write_file(const char *name, const void *bytes, size_t n) {
    FILE *f = fopen(path(name), "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void write_sound(const char *name, int format, int rate_hz, int n_channels, int n) {
    SF_INFO info = { .samplerate = rate_hz, .channels = n_channels, .format = format };
    SNDFILE *snd = sf_open(path(name), SFM_WRITE, &info);

    assert_non_null(snd);
    for (int i = 0; i < n; i++) {
        int16_t frame[8];

        for (int c = 0; c < n_channels; c++)
            frame[c] = (int16_t) (i % 1000 * (c + 1));
        assert_int_equal(sf_writef_short(snd, frame, 1), 1);
    }
    assert_int_equal(sf_close(snd), 0);
}

static struct source_options options_for(const char *name, enum source_data data) {
    struct source_options o = { .kind = SOURCE_RECORDING, .data = data, .start_ns = 5 * NS_PER_S };

    (void) snprintf(o.device, sizeof(o.device), "%s", path(name));
    (void) strcpy(o.format, "auto");
    o.as_fast_as_possible = true;
    return o;
}

static void a_wav_comes_out_sample_for_sample_with_even_times(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    const struct source_options o = options_for("a.wav", SOURCE_SOUND);

    write_sound("a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, 1650);
    assert_int_equal(source_open(&o, &source, NULL), 0);
    assert_string_equal(source_format(source), "WAV 16000 Hz 1 ch");
    assert_int_equal(source_next_ns(source), 5 * NS_PER_S);
    assert_int_equal(read_all(source, KEPT_MAX, NULL), -ENODATA);
    assert_int_equal(kept.n_blocks, 10);
    for (int i = 0; i < 1600; i++)
        assert_int_equal(kept.samples[i], i % 1000);
    for (int i = 0; i < 10; i++)
        assert_int_equal(kept.times[i], 5 * NS_PER_S + i * 10 * NS_PER_MS);
    assert_true(source_next_ns(source) == INT64_MAX);
    assert_int_equal(source_read(source, &sink, NULL), -ENODATA);
}

static void a_flac_is_read_and_a_channel_chosen_or_all_averaged(void **state) {
    struct source_options o = options_for("b.flac", SOURCE_SOUND);

    write_sound("b.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16000, 3, 800);
    for (o.channel = 0; o.channel <= 3; o.channel++) {
        _cleanup_(source_freep) struct source *source = NULL;

        assert_int_equal(source_open(&o, &source, NULL), 0);
        assert_int_equal(read_all(source, KEPT_MAX, NULL), -ENODATA);
        for (int i = 0; i < 800; i++)
            assert_int_equal(kept.samples[i], i % 1000 * (o.channel ? o.channel : 2));
    }
}

static void a_channel_that_is_not_there_is_refused(void **state) {
    struct source *source = NULL;
    struct source_options o = options_for("c.wav", SOURCE_SOUND);
    struct fault fault;

    write_sound("c.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 2, 800);
    o.channel = 3;
    assert_int_equal(source_open(&o, &source, &fault), -EINVAL);
    assert_non_null(strstr(fault.text, "channel 3 was asked for, it has 2"));
}

static void other_rates_and_float_samples_are_brought_to_16_khz(void **state) {
    static const int rates[] = { 8000, 44100, 48000 };

    for (int i = 0; i < 3; i++) {
        _cleanup_(source_freep) struct source *source = NULL;
        const struct source_options o = options_for("d.wav", SOURCE_SOUND);

        write_sound("d.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, rates[i], 2, rates[i]);
        assert_int_equal(source_open(&o, &source, NULL), 0);
        assert_int_equal(read_all(source, KEPT_MAX, NULL), -ENODATA);
        assert_int_equal(kept.n_blocks, 100);
        assert_true(source_rate_hz(source) == rates[i]);
    }
}

static void a_loop_goes_on_in_time_without_a_seam(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    struct source_options o = options_for("e.wav", SOURCE_SOUND);

    o.loop = true;
    write_sound("e.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, 1000);
    assert_int_equal(source_open(&o, &source, NULL), 0);
    assert_int_equal(read_all(source, 40, NULL), 1);
    for (int i = 0; i < 40 * SOUND_BLOCK_ITEMS; i++)
        assert_int_equal(kept.samples[i], i % 1000);
    assert_int_equal(kept.times[39], 5 * NS_PER_S + 390 * NS_PER_MS);
}

static void in_real_time_blocks_come_when_they_are_over_and_do_not_drift(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    struct source_options o = options_for("f.wav", SOURCE_SOUND);
    struct pollfd p = { .events = POLLIN };

    o.as_fast_as_possible = false;
    o.start_ns = 0;
    write_sound("f.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, 16000 / 2);
    assert_int_equal(source_open(&o, &source, NULL), 0);
    p.fd = source_fd(source);
    assert_int_equal(source_read(source, &sink, NULL), 0); /* nothing yet */
    (void) poll(NULL, 0, 100);                             /* fall behind */
    assert_int_equal(poll(&p, 1, 0), 1);
    assert_int_equal(read_all(source, KEPT_MAX, NULL), -ENODATA);
    assert_int_equal(kept.n_blocks, 50);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(kept.times[i], kept.times[0] + i * 10 * NS_PER_MS);
        assert_true(kept.arrived[i] >= kept.times[i] + 10 * NS_PER_MS);
    }
    /* the last one was not late by what was late before it; room for a busy machine */
    assert_true(kept.arrived[49] - kept.times[49] < 200 * NS_PER_MS);
}

static void what_is_no_sound_is_refused_in_clear_words(void **state) {
    static const struct {
        const char *name, *bytes;
        int error;
        const char *says;
    } cases[] = {
        { "none.wav", NULL, -ENOENT, "No such file" },
        { "empty.wav", "", -EBADMSG, "is empty" },
        { "text.wav", "not a sound at all, only words", -EBADMSG, "no sound file" },
        { "", NULL, -EBADMSG, "must be a file" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct source_options o = options_for(cases[i].name, SOURCE_SOUND);
        struct source *source = NULL;
        struct fault fault = { "" };

        if (cases[i].bytes)
            write_file(cases[i].name, cases[i].bytes, strlen(cases[i].bytes));
        assert_int_equal(source_open(&o, &source, &fault), cases[i].error);
        assert_non_null(strstr(fault.text, cases[i].says));
        assert_null(source);
    }
}

static void a_flac_cut_short_ends_with_what_is_wrong(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    const struct source_options o = options_for("cut.flac", SOURCE_SOUND);
    struct fault fault = { "" };
    int r;

    write_sound("cut.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16000, 1, 32000);
    assert_int_equal(truncate(path("cut.flac"), 5000), 0);
    r = source_open(&o, &source, &fault);
    if (r == 0)
        r = read_all(source, KEPT_MAX, &fault);
    assert_true(r == -EIO || r == -EBADMSG);
    assert_true(strlen(fault.text) > 0);
}

/* Frames of 4 x 2 YUYV: 16 bytes, the first of which is the number of the frame. */
static void write_yuyv(const char *name, int n_frames, size_t n_more) {
    uint8_t bytes[64 * 16] = { 0 };

    for (int i = 0; i < n_frames; i++)
        memset(bytes + 16 * i, i, 16);
    write_file(name, bytes, 16 * (size_t) n_frames + n_more);
}

static struct source_options yuyv_options(const char *name) {
    struct source_options o = options_for(name, SOURCE_PICTURE);

    (void) strcpy(o.format, "yuyv");
    o.width_px = 4;
    o.height_px = 2;
    o.rate_hz = 10;
    return o;
}

static void raw_frames_come_in_order_with_times_of_their_index(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    struct source_options o = yuyv_options("a.yuyv");

    o.rate_hz = 30;
    write_yuyv("a.yuyv", 5, 0);
    assert_int_equal(source_open(&o, &source, NULL), 0);
    assert_string_equal(source_format(source), "raw yuyv 4x2");
    assert_int_equal(read_all(source, KEPT_MAX, NULL), -ENODATA);
    assert_int_equal(kept.n_frames, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(kept.first_bytes[i], i);
        assert_int_equal(kept.times[i], 5 * NS_PER_S + llround(i * 1e9 / 30));
    }
    assert_int_equal(kept.frame.stride_bytes[0], 8);
    assert_true(source_next_ns(source) == INT64_MAX);
}

static void half_a_frame_at_the_end_is_counted_and_told(void **state) {
    _cleanup_(source_freep) struct source *source = NULL, *looping = NULL;
    struct source_options o = yuyv_options("half.yuyv");
    struct fault fault = { "" };

    write_yuyv("half.yuyv", 2, 7);
    assert_int_equal(source_open(&o, &source, NULL), 0);
    assert_int_equal(read_all(source, KEPT_MAX, &fault), -ENODATA);
    assert_int_equal(kept.n_frames, 2);
    assert_non_null(strstr(fault.text, "half a frame (7 of 16 bytes)"));

    o.loop = true;
    assert_int_equal(source_open(&o, &looping, NULL), 0);
    assert_int_equal(read_all(looping, 6, NULL), 1);
    assert_int_equal(kept.n_lost, 2); /* before frames 2 and 4 */
    assert_int_equal(kept.times[5], 5 * NS_PER_S + 500 * NS_PER_MS);
}

static void masks_are_applied_to_recordings(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    struct source_options o = yuyv_options("m.yuyv");

    o.n_masks = 1;
    o.masks[0] = (struct mask){ 0, 0, MASK_PARTS, MASK_PARTS };
    write_yuyv("m.yuyv", 20, 0);
    assert_int_equal(source_open(&o, &source, NULL), 0);
    assert_int_equal(read_all(source, KEPT_MAX, NULL), -ENODATA);
    for (int i = 0; i < 20; i++)
        assert_int_equal(kept.first_bytes[i], 0);
}

static void raw_frames_without_a_size_or_any_frame_are_refused(void **state) {
    struct source_options o = yuyv_options("small.yuyv");
    struct source *source = NULL;
    struct fault fault = { "" };

    write_yuyv("small.yuyv", 0, 9);
    assert_int_equal(source_open(&o, &source, &fault), -EBADMSG);
    assert_non_null(strstr(fault.text, "no whole picture"));
    o.width_px = 0;
    assert_int_equal(source_open(&o, &source, &fault), -EINVAL);
    assert_non_null(strstr(fault.text, "needs its size"));
    o.width_px = 3; /* YUYV comes in pairs */
    assert_int_equal(source_open(&o, &source, &fault), -EINVAL);
    o = yuyv_options("none.yuyv");
    assert_int_equal(source_open(&o, &source, &fault), -ENOENT);
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
        cmocka_unit_test(a_wav_comes_out_sample_for_sample_with_even_times),
        cmocka_unit_test(a_flac_is_read_and_a_channel_chosen_or_all_averaged),
        cmocka_unit_test(a_channel_that_is_not_there_is_refused),
        cmocka_unit_test(other_rates_and_float_samples_are_brought_to_16_khz),
        cmocka_unit_test(a_loop_goes_on_in_time_without_a_seam),
        cmocka_unit_test(in_real_time_blocks_come_when_they_are_over_and_do_not_drift),
        cmocka_unit_test(what_is_no_sound_is_refused_in_clear_words),
        cmocka_unit_test(a_flac_cut_short_ends_with_what_is_wrong),
        cmocka_unit_test(raw_frames_come_in_order_with_times_of_their_index),
        cmocka_unit_test(half_a_frame_at_the_end_is_counted_and_told),
        cmocka_unit_test(masks_are_applied_to_recordings),
        cmocka_unit_test(raw_frames_without_a_size_or_any_frame_are_refused),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
