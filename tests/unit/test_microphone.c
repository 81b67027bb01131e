/* SPDX-License-Identifier: MIT */
/* Real ALSA on tests/rig/fake-mic: a PCM in user space that plays a file at a card's pace. */
#include "pipeline/microphone.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>

#include "common/units.h"
#include "pipeline/devices.h"
#include "pipeline/pcm_setup.h"
#include "tests/test.h"

enum { BLOCKS_MAX = 400, RAW_ITEMS = 30000 };

static char dir[] = "/tmp/lookout-test-XXXXXX";
static char control[64];

static struct {
    int n;
    struct sound_block blocks[BLOCKS_MAX];
    int64_t arrived[BLOCKS_MAX];
} kept;

static void keep(const struct sound_block *block, void *user) {
    assert_true(kept.n < BLOCKS_MAX);
    kept.arrived[kept.n] = now_ns();
    kept.blocks[kept.n++] = *block;
}

static const struct source_sink sink = { .sound = keep };

/* Read until there are @n blocks, an error, or @wait_ms have passed. */
static int read_blocks(struct source *source, int n, int wait_ms, struct fault *fault) {
    const int64_t until_ns = now_ns() + wait_ms * NS_PER_MS;
    int r = 0;

    kept.n = 0;
    while (r >= 0 && kept.n < n && now_ns() < until_ns) {
        struct pollfd p = { .fd = source_fd(source), .events = POLLIN };

        (void) poll(&p, 1, 100);
        r = source_read(source, &sink, fault);
    }
    return r;
}

static void command(const char *word) {
    FILE *f;

    if (!word) {
        (void) remove(control);
        return;
    }
    f = fopen(control, "w");
    assert_non_null(f);
    assert_true(fputs(word, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static struct source_options options_for(const char *pcm) {
    struct source_options o = { .kind = SOURCE_ALSA, .data = SOURCE_SOUND };

    (void) strcpy(o.device, pcm);
    (void) strcpy(o.format, "auto");
    return o;
}

/* Sample i of the file has the value i; it repeats after RAW_ITEMS. */
static void assert_continuous(const struct sound_block *blocks, int n) {
    for (int i = 1; i < n * SOUND_BLOCK_ITEMS; i++) {
        const int before = blocks[(i - 1) / SOUND_BLOCK_ITEMS].samples[(i - 1) % SOUND_BLOCK_ITEMS];

        assert_int_equal(blocks[i / SOUND_BLOCK_ITEMS].samples[i % SOUND_BLOCK_ITEMS],
                         (before + 1) % RAW_ITEMS);
    }
}

static void every_sample_comes_once_at_its_time(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    const struct source_options o = options_for("mic16");
    const int64_t opened_ns = now_ns();

    assert_int_equal(source_open(&o, &source, NULL), 0);
    assert_string_equal(source_format(source), "S16_LE 16000 Hz 1 ch");
    assert_string_equal(source_device(source), "mic16");
    assert_int_equal(source_read(source, &sink, NULL), 0); /* does not block */
    assert_true(read_blocks(source, 50, 5000, NULL) >= 0);
    assert_in_range(kept.n, 50, 60);
    assert_int_equal(kept.blocks[0].samples[0], 0);
    assert_continuous(kept.blocks, kept.n);
    assert_true(llabs(kept.blocks[0].time_ns - opened_ns) < 200 * NS_PER_MS);
    for (int i = 0; i < kept.n; i++) {
        assert_int_equal(kept.blocks[i].n_lost_before, 0);
        assert_true(kept.arrived[i] > kept.blocks[i].time_ns + 9 * NS_PER_MS);
        if (i > 0)
            assert_true(llabs(kept.blocks[i].time_ns - kept.blocks[i - 1].time_ns -
                              10 * NS_PER_MS) < NS_PER_MS);
    }
}

static void a_stereo_device_at_48_khz_is_mixed_and_resampled(void **state) {
    for (int channel = 0; channel <= 2; channel++) {
        _cleanup_(source_freep) struct source *source = NULL;
        struct source_options o = options_for("mic48");
        double energy = 0;

        o.channel = channel;
        assert_int_equal(source_open(&o, &source, NULL), 0);
        assert_string_equal(source_format(source), "S16_LE 48000 Hz 2 ch");
        assert_true(source_rate_hz(source) == 48000);
        assert_true(read_blocks(source, 30, 5000, NULL) >= 0);
        assert_true(kept.n >= 30);
        for (int i = 5 * SOUND_BLOCK_ITEMS; i < 25 * SOUND_BLOCK_ITEMS; i++)
            energy += pow(kept.blocks[i / SOUND_BLOCK_ITEMS].samples[i % SOUND_BLOCK_ITEMS], 2);
        /* left: a tone of 10000, right: its opposite at half the size */
        assert_true(fabs(sqrt(energy / (20 * SOUND_BLOCK_ITEMS)) - (channel == 0   ? 2500
                                                                    : channel == 1 ? 10000
                                                                                   : 5000) /
                                                                       M_SQRT2) < 20);
    }
}

static void not_reading_for_too_long_is_a_counted_gap(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    const struct source_options o = options_for("mic16");
    int64_t end_ns;

    assert_int_equal(source_open(&o, &source, NULL), 0);
    assert_true(read_blocks(source, 20, 5000, NULL) >= 0);
    end_ns = kept.blocks[kept.n - 1].time_ns + 10 * NS_PER_MS;
    (void) poll(NULL, 0, 900); /* longer than any buffer it chose */
    assert_true(read_blocks(source, 20, 5000, NULL) >= 0);
    assert_true(kept.n >= 20);
    assert_true(kept.blocks[0].n_lost_before > SOUND_RATE_HZ / 2);
    assert_int_equal(kept.blocks[0].n_lost_before,
                     (kept.blocks[0].time_ns - end_ns) * SOUND_RATE_HZ / NS_PER_S);
    assert_true(kept.arrived[0] - kept.blocks[0].time_ns < 300 * NS_PER_MS);
    for (int i = 1; i < 20; i++)
        assert_int_equal(kept.blocks[i].n_lost_before, 0);
    assert_continuous(kept.blocks, kept.n);
}

static void an_overrun_is_repaired_when_it_is_over(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    const struct source_options o = options_for("mic16");

    assert_int_equal(source_open(&o, &source, NULL), 0);
    assert_true(read_blocks(source, 20, 5000, NULL) >= 0);
    command("xrun");
    assert_true(read_blocks(source, 1, 200, NULL) >= 0);
    assert_int_equal(kept.n, 0);
    command(NULL);
    assert_true(read_blocks(source, 20, 5000, NULL) >= 0);
    assert_true(kept.n >= 20);
    assert_true(kept.blocks[0].n_lost_before > 0);
    assert_int_equal(kept.blocks[1].n_lost_before, 0);
}

static void overruns_without_end_are_a_lost_device(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    const struct source_options o = options_for("mic16");
    struct fault fault = { "" };

    assert_int_equal(source_open(&o, &source, NULL), 0);
    command("xrun");
    assert_int_equal(read_blocks(source, 1, 10000, &fault), -EIO);
    assert_non_null(strstr(fault.text, "overruns without end"));
    command(NULL);
}

static void a_stall_gives_nothing_and_then_a_gap(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    const struct source_options o = options_for("mic16");

    assert_int_equal(source_open(&o, &source, NULL), 0);
    assert_true(read_blocks(source, 20, 5000, NULL) >= 0);
    command("stall");
    assert_true(read_blocks(source, 100, 100, NULL) >= 0); /* what was on its way */
    assert_true(read_blocks(source, 1, 500, NULL) >= 0);
    assert_int_equal(kept.n, 0);
    command(NULL);
    assert_true(read_blocks(source, 20, 5000, NULL) >= 0);
    assert_true(kept.n >= 20);
    assert_true(kept.blocks[0].n_lost_before > SOUND_RATE_HZ / 4);
    assert_true(kept.arrived[19] - kept.blocks[19].time_ns < 300 * NS_PER_MS);
}

static void an_unplugged_device_is_gone_until_it_is_back(void **state) {
    _cleanup_(source_freep) struct source *source = NULL, *again = NULL;
    const struct source_options o = options_for("mic16");
    struct fault fault = { "" };

    assert_int_equal(source_open(&o, &source, NULL), 0);
    assert_true(read_blocks(source, 20, 5000, NULL) >= 0);
    command("unplug");
    assert_int_equal(read_blocks(source, BLOCKS_MAX, 2000, &fault), -ENODEV);
    assert_string_equal(fault.text, "mic16: the sound device is gone");
    source = source_free(source);
    assert_int_equal(source_open(&o, &again, &fault), -ENODEV);
    assert_non_null(strstr(fault.text, "mic16: cannot be opened"));
    command(NULL);
    assert_int_equal(source_open(&o, &again, NULL), 0);
    assert_true(read_blocks(again, 20, 5000, NULL) >= 0);
    assert_true(kept.n >= 20);
}

static void what_the_device_has_not_is_refused_in_clear_words(void **state) {
    struct source *source = NULL;
    struct source_options o = options_for("mic16");
    struct fault fault = { "" };

    (void) strcpy(o.format, "s32");
    assert_int_equal(source_open(&o, &source, &fault), -ENOTSUP);
    assert_non_null(strstr(fault.text, "no such sample format"));
    o = options_for("mic16");
    o.channel = 2;
    assert_int_equal(source_open(&o, &source, &fault), -ENOTSUP);
    assert_non_null(strstr(fault.text, "no such channel"));
    o = options_for("mic16");
    o.rate_hz = 48000; /* and nothing resamples behind our back */
    assert_int_equal(source_open(&o, &source, &fault), -ENOTSUP);
    assert_non_null(strstr(fault.text, "no such rate"));
    o = options_for("no-such-pcm");
    assert_int_equal(source_open(&o, &source, &fault), -ENOENT);
    assert_string_equal(fault.text, "no-such-pcm: no such sound device");
    assert_null(source);
}

static void a_plug_around_the_device_does_not_convert(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    const struct source_options o = options_for("plugged48");

    assert_int_equal(source_open(&o, &source, NULL), 0);
    assert_string_equal(source_format(source), "S16_LE 48000 Hz 2 ch");
}

static void *open_and_close(void *user) {
    const struct source_options o = options_for(user);

    for (int i = 0; i < 5; i++) {
        struct source *source = NULL;

        if (source_open(&o, &source, NULL) < 0)
            return user;
        source_free(source);
    }
    return NULL;
}

static void two_threads_may_open_two_devices(void **state) {
    static char names[2][8] = { "mic16", "mic48" };
    pthread_t threads[2];

    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, open_and_close, names[i]), 0);
    for (int i = 0; i < 2; i++) {
        void *failed;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

static void names_for_alsa_lead_to_nodes(void **state) {
    char node[SOURCE_PATH_BYTES];

    assert_int_equal(devices_sound_node("default", node), -ENOENT);
    assert_int_equal(devices_sound_node("hw:no-such-card,0", node), -ENOENT);
    assert_int_equal(devices_sound_node("usb:1-1", node), -ENOENT);
}

/* What I2S cards are like: one sample format that is not S16, 48 kHz, left and right. */
static void cards_with_one_wide_format_are_heard_as_they_are(void **state) {
    static const struct {
        const char *device, *says;
    } cards[] = { { "i2s_s32", "S32_LE 48000 Hz 2 ch" },
                  { "i2s_s24", "S24_LE 48000 Hz 2 ch" },
                  { "i2s_s24_3", "S24_3LE 48000 Hz 2 ch" } };

    for (size_t i = 0; i < sizeof(cards) / sizeof(cards[0]); i++)
        for (int channel = 0; channel <= 2; channel++) {
            /* left is a tone of 10000, right half of it upside down, the mean a quarter */
            static const int peaks[] = { 2500, 10000, 5000 };
            _cleanup_(source_freep) struct source *source = NULL;
            struct source_options o = options_for(cards[i].device);
            int peak = 0;

            o.channel = channel;
            assert_int_equal(source_open(&o, &source, NULL), 0);
            assert_string_equal(source_format(source), cards[i].says);
            assert_true(read_blocks(source, 10, 5000, NULL) >= 0);
            assert_true(kept.n >= 10);
            for (int b = 3; b < kept.n; b++) /* the resampler begins with silence */
                for (int n = 0; n < SOUND_BLOCK_ITEMS; n++)
                    peak = abs(kept.blocks[b].samples[n]) > peak ? abs(kept.blocks[b].samples[n])
                                                                 : peak;
            if (abs(peak - peaks[channel]) > peaks[channel] / 20)
                fail_msg("%s channel %d: peak %d, not %d", cards[i].device, channel, peak,
                         peaks[channel]);
        }
}

static void what_a_card_offers_is_told(void **state) {
    struct pcm_offer offer;
    char text[80];

    assert_int_equal(pcm_ask("i2s_s32", &offer), 0);
    assert_int_equal(offer.formats, 1U << PCM_S32);
    pcm_offer_text(&offer, text, sizeof(text));
    assert_string_equal(text, "S32_LE, 48000 to 48000 Hz, 2 to 2 ch");
    assert_int_equal(pcm_ask("no-such-thing", &offer), -ENOENT);
}

static int16_t raw[RAW_ITEMS * 2];

static void write_raw(const char *path, size_t n_items) {
    FILE *f = fopen(path, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(raw, sizeof(raw[0]), n_items, f), n_items);
    assert_int_equal(fclose(f), 0);
}

/* The stereo tone once more, each sample in the @n_bytes last bytes of its place. */
static void write_wide(const char *name, size_t place_bytes, size_t sample_bytes) {
    char path[128];
    FILE *f;

    (void) snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "wb");
    assert_non_null(f);
    for (size_t i = 0; i < RAW_ITEMS * 2; i++) {
        const int32_t wide = (int32_t) ((uint32_t) raw[i] << 16) >> (32 - 8 * sample_bytes);

        assert_int_equal(fwrite(&wide, 1, place_bytes, f), place_bytes); /* little endian */
    }
    assert_int_equal(fclose(f), 0);
}

/* The devices, and a configuration for ALSA that has them. */
static int set_up(void **state) {
    char path[128], both[256];
    FILE *f;

    assert_non_null(mkdtemp(dir));
    (void) snprintf(control, sizeof(control), "%s/control", dir);
    for (int i = 0; i < RAW_ITEMS; i++)
        raw[i] = (int16_t) i;
    (void) snprintf(path, sizeof(path), "%s/mono.raw", dir);
    write_raw(path, RAW_ITEMS);
    for (int i = 0; i < RAW_ITEMS; i++) { /* 1 kHz: whole periods */
        raw[2 * i] = (int16_t) lrint(10000 * sin(2 * M_PI * i / 48));
        raw[2 * i + 1] = (int16_t) (-raw[2 * i] / 2);
    }
    (void) snprintf(path, sizeof(path), "%s/stereo.raw", dir);
    write_raw(path, RAW_ITEMS * 2);
    write_wide("s32.raw", 4, 4);
    write_wide("s24.raw", 4, 3);
    write_wide("s24_3.raw", 3, 3);
    (void) snprintf(path, sizeof(path), "%s/asound.conf", dir);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(
        fprintf(f,
                "pcm_type.fakemic { lib \"%s\" }\n"
                "pcm.mic16 { type fakemic infile \"%s/mono.raw\" rate 16000 channels 1 "
                "control \"%s\" }\n"
                "pcm.mic48 { type fakemic infile \"%s/stereo.raw\" rate 48000 channels 2 "
                "control \"%s\" }\n"
                "pcm.i2s_s32 { type fakemic infile \"%s/s32.raw\" rate 48000 channels 2 "
                "format S32_LE }\n"
                "pcm.i2s_s24 { type fakemic infile \"%s/s24.raw\" rate 48000 channels 2 "
                "format S24_LE }\n"
                "pcm.i2s_s24_3 { type fakemic infile \"%s/s24_3.raw\" rate 48000 channels 2 "
                "format S24_3LE }\n"
                "pcm.plugged48 { type plug slave.pcm mic48 }\n",
                getenv("LOOKOUT_FAKE_MIC"), dir, control, dir, control, dir, dir, dir) > 0);
    assert_int_equal(fclose(f), 0);
    (void) snprintf(both, sizeof(both), "/usr/share/alsa/alsa.conf:%s", path);
    return setenv("ALSA_CONFIG_PATH", both, 1);
}

static int clean_up(void **state) {
    return remove_folder(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_sample_comes_once_at_its_time),
        cmocka_unit_test(a_stereo_device_at_48_khz_is_mixed_and_resampled),
        cmocka_unit_test(not_reading_for_too_long_is_a_counted_gap),
        cmocka_unit_test(an_overrun_is_repaired_when_it_is_over),
        cmocka_unit_test(overruns_without_end_are_a_lost_device),
        cmocka_unit_test(a_stall_gives_nothing_and_then_a_gap),
        cmocka_unit_test(an_unplugged_device_is_gone_until_it_is_back),
        cmocka_unit_test(what_the_device_has_not_is_refused_in_clear_words),
        cmocka_unit_test(a_plug_around_the_device_does_not_convert),
        cmocka_unit_test(two_threads_may_open_two_devices),
        cmocka_unit_test(cards_with_one_wide_format_are_heard_as_they_are),
        cmocka_unit_test(what_a_card_offers_is_told),
        cmocka_unit_test(names_for_alsa_lead_to_nodes),
    };

    return cmocka_run_group_tests(tests, set_up, clean_up);
}
