/* SPDX-License-Identifier: MIT */
/* Encoders of the bundle `tiny` under a virtual clock: window 1 s, hop 0.5 s. */
#include "pipeline/encoder.h"

#include <errno.h>
#include <sys/eventfd.h>

#include "tests/replay/scene.h"

enum { SOUND, PICTURE, BLOCK_MS = 10 };

#define HOP (NS_PER_S / 2)

struct rig {
    struct bundle *bundle;
    struct encoder *encoder;
    int64_t now_ns;
    struct clock clock;
    int wake_fd;
    struct tap tap;
};

static void open_rig(struct rig *rig, size_t modality) {
    struct encoder_options options = { .hop_ns = HOP };
    struct tap_options tap;
    struct fault fault = { "" };

    *rig = (struct rig){ .bundle = scene_bundle(), .now_ns = 100 * NS_PER_S };
    rig->clock.virtual_ns = &rig->now_ns;
    rig->wake_fd = eventfd(0, EFD_NONBLOCK);
    options.modality = &rig->bundle->modalities[modality];
    if (encoder_new(&options, "test", rig->wake_fd, &rig->clock, &rig->encoder, &fault) < 0)
        fail_msg("%s", fault.text);
    assert_true(encoder_fits(rig->encoder, &options));
    options.hop_ns = 2 * HOP;
    assert_false(encoder_fits(rig->encoder, &options));
    tap = encoder_tap(rig->encoder);
    tap_activate(&rig->tap, &tap);
    encoder_pump(rig->encoder); /* pictures: learn the first tick */
}

static void close_rig(struct rig *rig) {
    tap_clear(&rig->tap);
    encoder_free(rig->encoder);
    bundle_free(rig->bundle);
    close(rig->wake_fd);
}

/* Embeddings that are there; the last goes to @ret. */
static unsigned take(struct rig *rig, struct embedding *ret) {
    const struct embedding *e;
    unsigned n = 0;

    for (; (e = encoder_take_begin(rig->encoder)); n++) {
        *ret = *e;
        encoder_take_end(rig->encoder);
    }
    return n;
}

/* @n blocks of a square wave; @lost samples before the first. The clock follows. */
static void hear(struct rig *rig, int n, int32_t lost) {
    struct sound_block block = { .n_lost_before = lost };

    rig->now_ns += lost > 0 ? lost * NS_PER_S / SOUND_RATE_HZ : 0;
    for (size_t i = 0; i < SOUND_BLOCK_ITEMS; i++)
        block.samples[i] = i / 8 % 2 ? 3000 : -3000;
    for (int i = 0; i < n; i++) {
        block.time_ns = rig->now_ns;
        rig->now_ns += BLOCK_MS * NS_PER_MS;
        assert_int_equal(tap_sound(&rig->tap, &block, &rig->clock), 0);
        block.n_lost_before = 0;
        encoder_pump(rig->encoder);
    }
}

/* A grey frame of that brightness, taken now. */
static void see(struct rig *rig, uint8_t brightness) {
    uint8_t pixels[16 * 12];
    const struct frame frame = { .time_ns = rig->now_ns,
                                 .format = PIXEL_GREY,
                                 .width_px = 16,
                                 .height_px = 12,
                                 .planes = { pixels },
                                 .stride_bytes = { 16 } };

    memset(pixels, brightness, sizeof(pixels));
    assert_int_equal(tap_frame(&rig->tap, &frame, &rig->clock,
                               &(struct quality){ .value = 0.75, .reason = NULL }),
                     0);
}

/* Let time pass to the encoder's next tick. */
static void pass_tick(struct rig *rig) {
    rig->now_ns = encoder_due_ns(rig->encoder);
    encoder_pump(rig->encoder);
}

static void sound_is_encoded_at_the_first_row_end_after_the_tick(void **state) {
    struct embedding e = { 0 };
    struct rig rig;

    open_rig(&rig, SOUND);
    hear(&rig, 100, 0); /* one second: the window ends at 0.995 s */
    assert_int_equal(take(&rig, &e), 0);
    hear(&rig, 1, 0);
    assert_int_equal(take(&rig, &e), 1);
    assert_int_equal(e.tick_ns, 101 * NS_PER_S);
    assert_int_equal(e.capture_ns, 101 * NS_PER_S + 5 * NS_PER_MS); /* frame 25, step 10 ms */
    assert_true(e.quality == 1);
    hear(&rig, 50, 0);
    assert_int_equal(take(&rig, &e), 1);
    assert_int_equal(e.tick_ns, 101 * NS_PER_S + HOP);
    assert_int_equal(encoder_n_encoded(rig.encoder), 2);
    close_rig(&rig);
}

static void no_window_spans_a_gap(void **state) {
    struct embedding e = { 0 };
    struct rig rig;

    open_rig(&rig, SOUND);
    hear(&rig, 150, 0);
    (void) take(&rig, &e);
    hear(&rig, 90, 160); /* 10 ms are lost: a second must pass */
    assert_int_equal(take(&rig, &e), 0);
    assert_int_equal(encoder_n_dropped(rig.encoder), 2); /* of the ticks at 1.5 and 2 s */
    hear(&rig, 50, 0);
    assert_int_equal(take(&rig, &e), 1);
    assert_int_equal(encoder_n_dropped(rig.encoder), 2);
    close_rig(&rig);
}

static void a_jump_in_time_is_a_gap_too(void **state) {
    struct embedding e = { 0 };
    struct rig rig;

    open_rig(&rig, SOUND);
    hear(&rig, 150, 0);
    (void) take(&rig, &e);
    rig.now_ns += NS_PER_S;
    hear(&rig, 60, 0);
    assert_int_equal(take(&rig, &e), 0);
    assert_true(encoder_n_dropped(rig.encoder) > 0);
    close_rig(&rig);
}

static void a_full_queue_of_blocks_becomes_a_gap(void **state) {
    struct sound_block block = { .time_ns = 1 };
    struct tap_options options;
    struct tap tap = { 0 };
    struct rig rig;
    const struct heard *heard;

    open_rig(&rig, SOUND);
    options = encoder_tap(rig.encoder);
    tap_activate(&tap, &options);
    while (tap_sound(&tap, &block, &rig.clock) == 0)
        ;
    assert_int_equal(tap_sound(&tap, &block, &rig.clock), -ENOBUFS);
    assert_int_equal(tap.n_lost, 2);
    assert_non_null(queue_pop_begin(options.queue));
    queue_pop_end(options.queue);
    assert_int_equal(tap_sound(&tap, &block, &rig.clock), 0);
    for (heard = NULL; queue_pop_begin(options.queue); queue_pop_end(options.queue))
        heard = queue_pop_begin(options.queue);
    assert_non_null(heard);
    assert_int_equal(heard->block.n_lost_before, 2 * SOUND_BLOCK_ITEMS);
    close_rig(&rig);
}

static void the_newest_frame_is_encoded_at_the_tick(void **state) {
    struct embedding e = { 0 };
    struct rig rig;

    open_rig(&rig, PICTURE);
    assert_int_equal(encoder_due_ns(rig.encoder), 100 * NS_PER_S + HOP);
    rig.now_ns += 200 * NS_PER_MS;
    see(&rig, 255);
    rig.now_ns += 200 * NS_PER_MS;
    see(&rig, 51);
    assert_int_equal(take(&rig, &e), 0);
    pass_tick(&rig);
    assert_int_equal(take(&rig, &e), 1);
    assert_int_equal(e.tick_ns, 100 * NS_PER_S + HOP);
    assert_int_equal(e.capture_ns, e.tick_ns - 100 * NS_PER_MS);
    assert_int_equal(e.values[0], 16); /* 10 x 51 / 255 by 1/8 */
    assert_true(e.quality == 0.75);
    close_rig(&rig);
}

static void an_old_frame_is_repeated_for_two_hops(void **state) {
    struct embedding e = { 0 };
    struct rig rig;

    open_rig(&rig, PICTURE);
    pass_tick(&rig);
    assert_int_equal(take(&rig, &e), 0); /* there has been none at all */
    see(&rig, 100);
    for (int i = 0; i < 2; i++) {
        pass_tick(&rig);
        assert_int_equal(take(&rig, &e), 1);
    }
    assert_int_equal(e.tick_ns - e.capture_ns, 2 * HOP);
    assert_int_equal(encoder_n_encoded(rig.encoder), 1); /* the network ran once */
    pass_tick(&rig);
    assert_int_equal(take(&rig, &e), 0);
    assert_int_equal(encoder_n_dropped(rig.encoder), 1);
    close_rig(&rig);
}

static void ticks_slept_through_are_not_made_up_for(void **state) {
    struct embedding e = { 0 };
    struct rig rig;

    open_rig(&rig, PICTURE);
    rig.now_ns += 10 * HOP;
    see(&rig, 100);
    encoder_pump(rig.encoder);
    assert_int_equal(take(&rig, &e), 1);
    assert_int_equal(e.tick_ns, rig.now_ns);
    close_rig(&rig);
}

static void a_module_that_does_not_fit_is_refused_with_a_reason(void **state) {
    struct bundle *const bundle = scene_bundle();
    const struct encoder_options options = { .modality = &bundle->modalities[SOUND],
                                             .hop_ns = HOP };
    const int64_t now = NS_PER_S;
    const struct clock clock = { &now };
    struct encoder *encoder = NULL;
    struct fault fault = { "" };

    bundle->modalities[SOUND].sound.n_bands = 9;
    assert_int_equal(encoder_new(&options, "test", -1, &clock, &encoder, &fault), -ENOTSUP);
    assert_non_null(strstr(fault.text, "784 values"));
    assert_non_null(strstr(fault.text, "882"));
    bundle_free(bundle);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_is_encoded_at_the_first_row_end_after_the_tick),
        cmocka_unit_test(no_window_spans_a_gap),
        cmocka_unit_test(a_jump_in_time_is_a_gap_too),
        cmocka_unit_test(a_full_queue_of_blocks_becomes_a_gap),
        cmocka_unit_test(the_newest_frame_is_encoded_at_the_tick),
        cmocka_unit_test(an_old_frame_is_repeated_for_two_hops),
        cmocka_unit_test(ticks_slept_through_are_not_made_up_for),
        cmocka_unit_test(a_module_that_does_not_fit_is_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
