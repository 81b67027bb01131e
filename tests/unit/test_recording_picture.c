/* SPDX-License-Identifier: MIT */
#include "pipeline/recording.h"

#include <png.h>
#include <sys/stat.h>

#include "tests/test.h"
#include "tests/unit/jpeg_maker.h"
#include "tests/unit/recording_kit.h"

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
        assert_int_equal(kept.first_bytes[i], 16); /* black */
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

/* A Y4M file of @n_frames, all bytes of frame i being @i. */
static void write_y4m(const char *name, const char *header, int n_frames, size_t frame_bytes) {
    FILE *f = fopen(path(name), "wb");
    uint8_t bytes[256];

    assert_non_null(f);
    assert_true(fprintf(f, "%s\n", header) > 0);
    for (int i = 0; i < n_frames; i++) {
        memset(bytes, i, sizeof(bytes));
        assert_true(fprintf(f, i % 2 ? "FRAME Ixyz\n" : "FRAME\n") > 0);
        assert_int_equal(fwrite(bytes, 1, frame_bytes, f), frame_bytes);
    }
    assert_int_equal(fclose(f), 0);
}

static void y4m_comes_as_420_422_or_mono_at_its_own_rate(void **state) {
    static const struct {
        const char *header;
        size_t frame_bytes;
        enum pixel_format format;
        const char *name;
    } cases[] = {
        { "YUV4MPEG2 W5 H3 F25:1 Ip A1:1", 15 + 2 * 6, PIXEL_I420, "Y4M i420 5x3" },
        { "YUV4MPEG2 W6 H4 C420mpeg2 F25:1 XA=b", 24 + 12, PIXEL_I420, "Y4M i420 6x4" },
        { "YUV4MPEG2 W6 H4 C422 F25:1", 24 + 24, PIXEL_YUYV, "Y4M yuyv 6x4" },
        { "YUV4MPEG2 W6 H4 Cmono F25:1", 24, PIXEL_I420, "Y4M i420 6x4" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        _cleanup_(source_freep) struct source *source = NULL;
        const struct source_options o = options_for("a.y4m", SOURCE_PICTURE);

        write_y4m("a.y4m", cases[i].header, 7, cases[i].frame_bytes);
        assert_int_equal(source_open(&o, &source, NULL), 0);
        assert_string_equal(source_format(source), cases[i].name);
        assert_true(source_rate_hz(source) == 25);
        assert_int_equal(read_all(source, KEPT_MAX, NULL), -ENODATA);
        assert_int_equal(kept.n_frames, 7);
        assert_int_equal(kept.frame.format, cases[i].format);
        assert_int_equal(kept.first_bytes[6], 6);
        assert_int_equal(kept.times[6], 5 * NS_PER_S + 6 * 40 * NS_PER_MS);
    }
}

static void y4m_422_is_packed_pixel_by_pixel(void **state) {
    static const char file[] = "YUV4MPEG2 W4 H1 C422\nFRAME\nabcdUVwx";
    _cleanup_(source_freep) struct source *source = NULL;
    const struct source_options o = options_for("p.y4m", SOURCE_PICTURE);

    write_file("p.y4m", file, sizeof(file) - 1);
    assert_int_equal(source_open(&o, &source, NULL), 0);
    assert_int_equal(read_all(source, 1, NULL), 1);
    assert_memory_equal(kept.frame.planes[0], "aUbwcVdx", 8);
}

static void y4m_headers_that_make_no_sense_are_refused(void **state) {
    static const struct {
        const char *header;
        int error;
    } cases[] = {
        { "YUV4MPEG2", -EBADMSG },
        { "YUV4MPEG2 W6", -EBADMSG },
        { "YUV4MPEG2 W6 H0", -EBADMSG },
        { "YUV4MPEG2 W6 H-4", -EBADMSG },
        { "YUV4MPEG2 W6x H4", -EBADMSG },
        { "YUV4MPEG2 W99999999999999999999 H4", -EBADMSG },
        { "YUV4MPEG2 W8193 H4", -EBADMSG },
        { "YUV4MPEG2 W6 H4 F25", -EBADMSG },
        { "YUV4MPEG2 W6 H4 F25:0", -EBADMSG },
        { "YUV4MPEG2 W6 H4 Q1", -EBADMSG },
        { "YUV4MPEG2 W6 H4 C444", -ENOTSUP },
        { "YUV4MPEG2 W6 H4 C420p10", -ENOTSUP },
        { "YUV4MPEG2 W5 H4 C422", -ENOTSUP },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct source_options o = options_for("bad.y4m", SOURCE_PICTURE);
        struct source *source = NULL;
        struct fault fault = { "" };

        write_y4m("bad.y4m", cases[i].header, 1, 36);
        assert_int_equal(source_open(&o, &source, &fault), cases[i].error);
        assert_non_null(strstr(fault.text, "bad.y4m: "));
    }
}

static void half_a_y4m_frame_is_counted_and_a_lost_header_told(void **state) {
    _cleanup_(source_freep) struct source *half = NULL, *lost = NULL;
    struct source_options o = options_for("half.y4m", SOURCE_PICTURE);
    struct fault fault = { "" };

    write_y4m("half.y4m", "YUV4MPEG2 W6 H4", 3, 36);
    assert_int_equal(truncate(path("half.y4m"), 16 + 2 * 36 + 6 + 11 + 6 + 9), 0);
    assert_int_equal(source_open(&o, &half, NULL), 0);
    assert_int_equal(read_all(half, KEPT_MAX, &fault), -ENODATA);
    assert_int_equal(kept.n_frames, 2);
    assert_non_null(strstr(fault.text, "half a frame (9 of 36 bytes)"));

    write_y4m("half.y4m", "YUV4MPEG2 W6 H4", 3, 35); /* a byte short each */
    assert_int_equal(source_open(&o, &lost, NULL), 0);
    assert_int_equal(read_all(lost, KEPT_MAX, &fault), -EBADMSG);
    assert_int_equal(kept.n_frames, 1);
    assert_non_null(strstr(fault.text, "no frame header after frame 1"));
}

static void append(const char *name, const void *bytes, size_t n) {
    FILE *f = fopen(path(name), "ab");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

/* One JPEG picture at the end of the file; @cut bytes of it are missing. */
static void append_jpeg(const char *name, int level, int64_t time_ns, size_t cut) {
    struct jpeg_picture p = { 64, 48, 3, .level = level };
    _cleanup_(freep) uint8_t *bytes = NULL;
    char comment[64];
    size_t n;

    (void) snprintf(comment, sizeof(comment), "lookout-time-ns=%lld", (long long) time_ns);
    p.comment = time_ns >= 0 ? comment : NULL;
    bytes = jpeg_make(&p, &n);
    append(name, bytes, n - cut);
}

static void motion_jpeg_keeps_the_distances_of_its_markers(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    struct source_options o = options_for("t.mjpeg", SOURCE_PICTURE);
    /* the fourth and fifth go back and leap: one period each (100 ms) */
    static const int64_t markers[] = { 777, 50777, 1000777, 500, INT64_C(900000000000000000) };
    static const int64_t times[] = { 0, 50000, 1000000, 101000000, 201000000 };

    (void) remove(path("t.mjpeg"));
    for (int i = 0; i < 5; i++)
        append_jpeg("t.mjpeg", 10 * i, markers[i], 0);
    o.loop = true;
    assert_int_equal(source_open(&o, &source, NULL), 0);
    assert_string_equal(source_format(source), "MJPEG rgb24 64x48");
    assert_int_equal(read_all(source, 10, NULL), 1);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(kept.times[i], 5 * NS_PER_S + times[i]);
        assert_in_range(kept.first_bytes[i] + 2, 10 * i, 10 * i + 4);
        /* the second time round begins a period after the last */
        assert_int_equal(kept.times[5 + i] - kept.times[5], times[i]);
    }
    assert_int_equal(kept.times[5] - kept.times[4], 100 * NS_PER_MS);
}

static void damage_between_jpegs_is_skipped_and_counted(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    struct source_options o = options_for("d.mjpeg", SOURCE_PICTURE);
    struct fault fault = { "" };

    (void) remove(path("d.mjpeg"));
    append_jpeg("d.mjpeg", 10, -1, 0);
    append("d.mjpeg", "some garbage \xff\xff", 15);
    append_jpeg("d.mjpeg", 20, -1, 30); /* broken, the next follows at once */
    append_jpeg("d.mjpeg", 30, -1, 0);
    append("d.mjpeg", "\xff\xd8\xff\xd9", 4); /* whole, but without a picture */
    append_jpeg("d.mjpeg", 40, -1, 0);
    append_jpeg("d.mjpeg", 50, -1, 3);
    o.format[0] = '\0';
    assert_int_equal(source_open(&o, &source, NULL), 0);
    assert_int_equal(read_all(source, KEPT_MAX, &fault), -ENODATA);
    assert_int_equal(kept.n_frames, 3);
    assert_int_equal(kept.n_lost, 2);
    assert_in_range(kept.first_bytes[2], 38, 42);
    assert_int_equal(kept.times[2], 5 * NS_PER_S + 300 * NS_PER_MS); /* one was damaged */
    assert_non_null(strstr(fault.text, "ends in half a picture"));
}

static void jpegs_are_decoded_as_small_as_wanted_and_masked(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    struct source_options o = options_for("w.mjpeg", SOURCE_PICTURE);

    (void) remove(path("w.mjpeg"));
    for (int i = 0; i < 3; i++)
        append_jpeg("w.mjpeg", 200, -1, 0);
    o.n_masks = 1;
    o.masks[0] = (struct mask){ 0, 0, 5000, 5000 };
    assert_int_equal(source_open(&o, &source, NULL), 0);
    assert_int_equal(read_all(source, 1, NULL), 1);
    assert_int_equal(kept.frame.width_px, 64);
    assert_int_equal(kept.frame.planes[0][0], 0);
    assert_in_range(kept.frame.planes[0][32 * 3], 198, 202);
    source_want_px(source, 16, 12);
    assert_int_equal(read_all(source, 1, NULL), 1);
    assert_int_equal(kept.frame.width_px, 16);
    assert_int_equal(kept.frame.planes[0][0], 0);
    assert_in_range(kept.frame.planes[0][8 * 3], 198, 202);
    source_want_px(source, 0, 0);
    assert_int_equal(read_all(source, 1, NULL), 1);
    assert_int_equal(kept.frame.width_px, 64);
}

static void write_png(const char *name, int width_px, int level, bool colour) {
    png_image png = { .version = PNG_IMAGE_VERSION,
                      .width = (png_uint_32) width_px,
                      .height = 8,
                      .format = colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY };
    uint8_t pixels[64 * 8 * 3];

    memset(pixels, level, sizeof(pixels));
    assert_true(png_image_write_to_file(&png, path(name), 0, pixels, 0, NULL));
}

static void a_directory_of_pictures_comes_in_byte_order(void **state) {
    _cleanup_(source_freep) struct source *source = NULL;
    struct source_options o = options_for("seq", SOURCE_PICTURE);

    assert_int_equal(mkdir(path("seq"), 0700), 0);
    write_png("seq/b.png", 16, 3, true);
    write_png("seq/B.PNG", 16, 1, true); /* capitals come first in bytes */
    append_jpeg("seq/a10.jpg", 2, -1, 0);
    write_png("seq/z.png", 24, 4, false);
    write_file("seq/broken.png", "\x89PNG\r\n\x1a\nnothing", 15);
    write_file("seq/notes.txt", "not a picture", 13);
    write_png("seq/.hidden.png", 16, 9, true);
    o.rate_hz = 2;
    assert_int_equal(source_open(&o, &source, NULL), 0);
    assert_string_equal(source_format(source), "pictures rgb24 16x8");
    assert_int_equal(read_all(source, KEPT_MAX, NULL), -ENODATA);
    assert_int_equal(kept.n_frames, 4);
    assert_int_equal(kept.first_bytes[0], 1);
    assert_in_range(kept.first_bytes[1], 1, 3);
    assert_int_equal(kept.first_bytes[2], 3);
    assert_int_equal(kept.first_bytes[3], 4);
    assert_int_equal(kept.n_lost, 1); /* broken.png, between b.png and z.png */
    assert_int_equal(kept.frame.format, PIXEL_GREY);
    assert_int_equal(kept.frame.width_px, 24);
    assert_int_equal(kept.times[3], 5 * NS_PER_S + 2000 * NS_PER_MS);
}

static void pictures_of_the_wrong_kind_are_refused_in_clear_words(void **state) {
    static const struct {
        const char *name, *bytes;
        int error;
        const char *says;
    } cases[] = {
        { "none.png", NULL, -ENOENT, "No such file" },
        { "empty.mjpeg", "", -EBADMSG, "is empty" },
        { "text.txt", "only words, and enough of them", -EBADMSG, "is neither" },
        { "cut.png", "\x89PNG\r\n\x1a\n", -EBADMSG, "damaged PNG" },
        { "cut.mjpeg", "\xff\xd8\xff\xe0", -EBADMSG, "no whole picture" },
        { "empty-directory", NULL, -EBADMSG, "no .png, .jpg or .jpeg" },
    };

    assert_int_equal(mkdir(path("empty-directory"), 0700), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct source_options o = options_for(cases[i].name, SOURCE_PICTURE);
        struct source *source = NULL;
        struct fault fault = { "" };

        if (cases[i].bytes)
            write_file(cases[i].name, cases[i].bytes, strlen(cases[i].bytes));
        assert_int_equal(source_open(&o, &source, &fault), cases[i].error);
        assert_non_null(strstr(fault.text, cases[i].says));
        assert_null(source);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_frames_come_in_order_with_times_of_their_index),
        cmocka_unit_test(half_a_frame_at_the_end_is_counted_and_told),
        cmocka_unit_test(masks_are_applied_to_recordings),
        cmocka_unit_test(raw_frames_without_a_size_or_any_frame_are_refused),
        cmocka_unit_test(y4m_comes_as_420_422_or_mono_at_its_own_rate),
        cmocka_unit_test(y4m_422_is_packed_pixel_by_pixel),
        cmocka_unit_test(y4m_headers_that_make_no_sense_are_refused),
        cmocka_unit_test(half_a_y4m_frame_is_counted_and_a_lost_header_told),
        cmocka_unit_test(motion_jpeg_keeps_the_distances_of_its_markers),
        cmocka_unit_test(damage_between_jpegs_is_skipped_and_counted),
        cmocka_unit_test(jpegs_are_decoded_as_small_as_wanted_and_masked),
        cmocka_unit_test(a_directory_of_pictures_comes_in_byte_order),
        cmocka_unit_test(pictures_of_the_wrong_kind_are_refused_in_clear_words),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
