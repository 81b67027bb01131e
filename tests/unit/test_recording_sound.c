/* SPDX-License-Identifier: MIT */
#include "pipeline/recording.h"

#include <sndfile.h>

#include "tests/test.h"
#include "tests/unit/recording_kit.h"

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
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
