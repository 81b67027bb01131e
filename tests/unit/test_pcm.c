/* SPDX-License-Identifier: MIT */
#include "pipeline/pcm.h"

#include <errno.h>

#include "tests/test.h"

static void sixteen_bits_pass_unchanged(void **state) {
    static const uint8_t in[] = { 0x00, 0x80, 0xff, 0xff, 0x34, 0x12, 0xff, 0x7f };
    int16_t out[4];

    pcm_to_mono(in, PCM_S16, 4, 1, 0, out);
    assert_int_equal(out[0], -32768);
    assert_int_equal(out[1], -1);
    assert_int_equal(out[2], 0x1234);
    assert_int_equal(out[3], 32767);
}

static void longer_samples_are_rounded_to_the_nearest(void **state) {
    static const uint8_t s24[] = { 0x7f, 0x34, 0x12, 0xaa, 0x80, 0x34, 0x12, 0x55,
                                   0xff, 0xff, 0x7f, 0x00, 0x00, 0x00, 0x80, 0x00 };
    static const uint8_t s24_3[] = { 0x7f, 0x34, 0x12, 0x80, 0x34, 0x12,
                                     0xff, 0xff, 0x7f, 0x00, 0x00, 0x80 };
    static const uint8_t s32[] = { 0xff, 0x7f, 0x34, 0x12, 0x00, 0x80, 0x34, 0x12,
                                   0xff, 0xff, 0xff, 0x7f, 0x00, 0x00, 0x00, 0x80 };
    static const uint8_t *const in[] = { [PCM_S24] = s24, [PCM_S24_3] = s24_3, [PCM_S32] = s32 };

    for (int format = PCM_S24; format <= PCM_S32; format++) {
        int16_t out[4];

        pcm_to_mono(in[format], (enum pcm_format) format, 4, 1, 1, out);
        assert_int_equal(out[0], 0x1234);
        assert_int_equal(out[1], 0x1235);
        assert_int_equal(out[2], 32767); /* not over */
        assert_int_equal(out[3], -32768);
    }
}

static void a_channel_is_chosen_or_all_are_averaged(void **state) {
    static const uint8_t in[] = { 100, 0, 200, 0, 0xf4, 0xff, 0xff, 0x7f, 0xff, 0x7f, 0xff, 0x7f };
    int16_t out[2];

    pcm_to_mono(in, PCM_S16, 2, 3, 2, out);
    assert_int_equal(out[0], 200);
    assert_int_equal(out[1], 32767);
    pcm_to_mono(in, PCM_S16, 2, 3, 3, out);
    assert_int_equal(out[0], -12);
    pcm_to_mono(in, PCM_S16, 2, 3, 0, out);
    assert_int_equal(out[0], 96);
    assert_int_equal(out[1], 32767);
}

static void names_are_those_of_the_settings(void **state) {
    enum pcm_format format;

    for (int i = PCM_S16; i <= PCM_S32; i++) {
        assert_int_equal(pcm_parse(pcm_name((enum pcm_format) i), &format), 0);
        assert_int_equal(format, i);
    }
    assert_int_equal(pcm_parse("u8", &format), -ENOENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sixteen_bits_pass_unchanged),
        cmocka_unit_test(longer_samples_are_rounded_to_the_nearest),
        cmocka_unit_test(a_channel_is_chosen_or_all_are_averaged),
        cmocka_unit_test(names_are_those_of_the_settings),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
