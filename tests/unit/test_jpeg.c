/* SPDX-License-Identifier: MIT */
#include "pipeline/jpeg.h"

#include <errno.h>
#include <string.h>

#include "tests/test.h"
#include "tests/unit/jpeg_maker.h"

static struct jpeg *jpeg;

static int decode(const uint8_t *bytes, size_t n_bytes, int32_t want_px, struct frame *ret,
                  struct fault *fault) {
    return jpeg_decode(jpeg, bytes, n_bytes, want_px, want_px, ret, fault);
}

static void colours_and_grey_come_out_in_full_size(void **state) {
    for (int n_colours = 1; n_colours <= 3; n_colours += 2) {
        const struct jpeg_picture p = { 37, 21, n_colours, .level = 200 };
        _cleanup_(freep) uint8_t *bytes = NULL;
        struct frame f;
        size_t n;

        bytes = jpeg_make(&p, &n);
        assert_int_equal(decode(bytes, n, 0, &f, NULL), 0);
        assert_int_equal(f.format, n_colours == 1 ? PIXEL_GREY : PIXEL_RGB24);
        assert_int_equal(f.width_px, 37);
        assert_int_equal(f.height_px, 21);
        assert_int_equal(f.stride_bytes[0], 37 * n_colours);
        for (int i = 0; i < 37 * 21 * n_colours; i++)
            assert_in_range(f.planes[0][i], 199, 201);
    }
}

static void a_wanted_size_is_scaled_down_to_but_never_below(void **state) {
    static const struct {
        int32_t want_px, width_px, height_px;
    } cases[] = {
        { 0, 640, 480 },   { 1, 80, 60 },     { 60, 80, 60 },    { 61, 160, 120 },
        { 120, 160, 120 }, { 121, 320, 240 }, { 241, 640, 480 }, { 5000, 640, 480 },
    };
    const struct jpeg_picture p = { 640, 480, 3, .level = 50 };
    _cleanup_(freep) uint8_t *bytes = NULL;
    size_t n;

    bytes = jpeg_make(&p, &n);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct frame f;

        assert_int_equal(decode(bytes, n, cases[i].want_px, &f, NULL), 0);
        assert_int_equal(f.width_px, cases[i].width_px);
        assert_int_equal(f.height_px, cases[i].height_px);
        assert_in_range(f.planes[0][f.stride_bytes[0] * (size_t) f.height_px - 1], 48, 52);
    }
}

static void every_cut_of_a_picture_is_damaged_and_the_next_is_fine(void **state) {
    for (int progressive = 0; progressive < 2; progressive++) {
        const struct jpeg_picture p = { 64, 48, 3, .level = 90, .progressive = progressive };
        _cleanup_(freep) uint8_t *bytes = NULL;
        struct fault fault = { "" };
        struct frame f;
        size_t n;

        bytes = jpeg_make(&p, &n);
        for (size_t cut = 0; cut + 2 < n; cut += 7) {
            assert_int_equal(decode(bytes, cut, 0, &f, &fault), -EBADMSG);
            assert_true(strlen(fault.text) > 10);
        }
        assert_int_equal(decode(bytes, n, 0, &f, NULL), 0);
    }
}

static void any_byte_may_be_wrong(void **state) {
    const struct jpeg_picture p = { 64, 48, 3, .level = 90 };
    _cleanup_(freep) uint8_t *bytes = NULL;
    size_t n;

    bytes = jpeg_make(&p, &n);
    for (size_t i = 0; i < n; i++)
        for (int flip = 1; flip < 256; flip *= 4) {
            struct frame f = { 0 };
            int r;

            bytes[i] ^= (uint8_t) flip;
            r = decode(bytes, n, 16, &f, NULL);
            assert_true(r == 0 || r == -EBADMSG || r == -ENOTSUP);
            if (r == 0)
                assert_true(f.width_px > 0 && f.height_px > 0 && f.planes[0]);
            bytes[i] ^= (uint8_t) flip;
        }
}

static void a_picture_that_claims_a_huge_size_is_refused(void **state) {
    const struct jpeg_picture p = { 64, 48, 3, .level = 90 };
    _cleanup_(freep) uint8_t *bytes = NULL;
    uint8_t *sof;
    struct fault fault = { "" };
    struct frame f;
    size_t n;

    bytes = jpeg_make(&p, &n);
    sof = memmem(bytes, n, "\xff\xc0", 2);
    assert_non_null(sof);
    memset(sof + 5, 0xfe, 4); /* 65278 x 65278 */
    assert_int_equal(decode(bytes, n, 0, &f, &fault), -ENOTSUP);
    assert_non_null(strstr(fault.text, "65278x65278"));
}

/* Cameras leave the tables out: they are the standard's, T.81 annex K. */
static void a_frame_without_huffman_tables_is_decoded(void **state) {
    const struct jpeg_picture p = { 64, 48, 3, .level = 90 };
    _cleanup_(freep) uint8_t *bytes = NULL;
    uint8_t *dht;
    struct frame f;
    size_t n;

    bytes = jpeg_make(&p, &n);
    while ((dht = memmem(bytes, n, "\xff\xc4", 2))) {
        const size_t length = 2 + ((size_t) dht[2] << 8) + dht[3];

        memmove(dht, dht + length, n - (size_t) (dht - bytes) - length);
        n -= length;
    }
    assert_int_equal(decode(bytes, n, 0, &f, NULL), 0);
    assert_in_range(f.planes[0][0], 88, 92);
}

static void a_scan_finds_the_end_and_the_time(void **state) {
    static const struct {
        const char *comment;
        int64_t time_ns;
    } cases[] = {
        { NULL, -1 },
        { "lookout-time-ns=123456789012345", 123456789012345 },
        { "lookout-time-ns=0", 0 },
        { "lookout-time-ns=", -1 },
        { "lookout-time-ns=-5", -1 },
        { "lookout-time-ns=12x", -1 },
        { "lookout-time-ns=9999999999999999999999", -1 },
        { "some other comment", -1 },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct jpeg_picture p = { 64, 48, 3, .level = 90, .comment = cases[i].comment };
        _cleanup_(freep) uint8_t *bytes = NULL, *twice = NULL;
        struct jpeg_extent extent;
        size_t n;

        bytes = jpeg_make(&p, &n);
        twice = malloc(2 * n);
        assert_non_null(twice);
        memcpy(twice, bytes, n);
        memcpy(twice + n, bytes, n);
        assert_int_equal(jpeg_scan(twice, 2 * n, &extent), 1);
        assert_int_equal(extent.n_bytes, n);
        assert_int_equal(extent.time_ns, cases[i].time_ns);
        for (size_t cut = 0; cut < n; cut++)
            assert_int_equal(jpeg_scan(bytes, cut, &extent), 0);
    }
}

static void a_scan_refuses_what_is_no_jpeg(void **state) {
    static const char *const bad[] = { "x", "\xffx", "\xff\xd8x?", "\xff\xd8\xff\xd8",
                                       "\xff\xd8\xff\xe0\x00\x01zz" };
    static const size_t sizes[] = { 1, 2, 4, 4, 8 };
    struct jpeg_extent extent;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(jpeg_scan((const uint8_t *) bad[i], sizes[i], &extent), -EBADMSG);
}

static int open_jpeg(void **state) {
    return jpeg_new(&jpeg);
}

static int close_jpeg(void **state) {
    jpeg = jpeg_free(jpeg);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colours_and_grey_come_out_in_full_size),
        cmocka_unit_test(a_wanted_size_is_scaled_down_to_but_never_below),
        cmocka_unit_test(every_cut_of_a_picture_is_damaged_and_the_next_is_fine),
        cmocka_unit_test(any_byte_may_be_wrong),
        cmocka_unit_test(a_picture_that_claims_a_huge_size_is_refused),
        cmocka_unit_test(a_frame_without_huffman_tables_is_decoded),
        cmocka_unit_test(a_scan_finds_the_end_and_the_time),
        cmocka_unit_test(a_scan_refuses_what_is_no_jpeg),
    };

    return cmocka_run_group_tests(tests, open_jpeg, close_jpeg);
}
