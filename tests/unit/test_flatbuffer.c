/* SPDX-License-Identifier: MIT */
#include "models/flatbuffer.h"

#include <errno.h>
#include <string.h>

#include "tests/test.h"

/*
 * A file of one table with an int, a vector of two ints, and a field that is absent:
 * root offset, identifier, vtable (4 fields' worth), table, vector.
 */
static const uint8_t whole[] = {
    20,  0,   0,   0,   'T', 'E', 'S', 'T', /* 0: the root is at 20 */
    12,  0,   12,  0,   4,   0,   8,   0,
    0,   0,   0,   0, /* 8: vtable of 12 bytes, table of 12 */
    12,  0,   0,   0,   42,  0,   0,   0,
    4,   0,   0,   0, /* 20: table: vtable 12 before, 42, vector at 32 */
    2,   0,   0,   0,   1,   0,   0,   0,
    255, 255, 255, 255, /* 32: 2 items: 1, -1 */
};

static const struct fb_schema schema = { "Thing", 3, { FB_32, FB_VECTOR, FB_8 } };

static int open_root(const uint8_t *bytes, size_t n_bytes, struct fb_table *table,
                     struct fb_file *file, struct fault *fault) {
    *file = (struct fb_file){ .name = "test", .bytes = bytes, .n_bytes = n_bytes };
    return fb_root_open(file, "TEST", &schema, table, fault);
}

static void a_table_gives_its_fields(void **state) {
    struct fb_table table;
    struct fb_vector vector;
    struct fb_file file;

    assert_int_equal(open_root(whole, sizeof(whole), &table, &file, NULL), 0);
    assert_int_equal(fb_i32(&table, 0, 7), 42);
    assert_int_equal(fb_u8(&table, 2, 9), 9);
    assert_false(fb_has(&table, 2));
    vector = fb_vector(&table, 1);
    assert_int_equal(vector.n_items, 2);
    assert_int_equal(fb_item_i32(&vector, 0), 1);
    assert_int_equal(fb_item_i32(&vector, 1), -1);
}

static void every_shorter_file_is_refused_with_a_sentence(void **state) {
    for (size_t n = 0; n < sizeof(whole); n++) {
        uint8_t *copy = malloc(n + 1);
        struct fault fault = { "" };
        struct fb_table table;
        struct fb_file file;

        assert_non_null(copy);
        (void) memcpy(copy, whole, n);
        assert_int_equal(open_root(copy, n, &table, &file, &fault), -EBADMSG);
        assert_true(strlen(fault.text) > 10);
        free(copy);
    }
}

/* Change one byte, expect a refusal. */
static void expect_refused(size_t place, uint8_t value) {
    uint8_t bytes[sizeof(whole)];
    struct fault fault = { "" };
    struct fb_table table;
    struct fb_file file;

    (void) memcpy(bytes, whole, sizeof(bytes));
    bytes[place] = value;
    assert_int_equal(open_root(bytes, sizeof(bytes), &table, &file, &fault), -EBADMSG);
    assert_true(strlen(fault.text) > 10);
}

static void what_points_outside_is_refused(void **state) {
    expect_refused(0, 200);   /* root behind the end */
    expect_refused(0, 0);     /* nothing can lie at 0 */
    expect_refused(0, 21);    /* odd */
    expect_refused(4, 'X');   /* another format */
    expect_refused(8, 3);     /* vtable too small */
    expect_refused(8, 13);    /* vtable of odd size */
    expect_refused(8, 200);   /* vtable too long */
    expect_refused(10, 40);   /* table longer than the file */
    expect_refused(12, 10);   /* a field that sticks out of its table */
    expect_refused(12, 2);    /* a field on top of the vtable's distance */
    expect_refused(20, 200);  /* vtable before the file */
    expect_refused(23, 0x80); /* vtable behind the file */
    expect_refused(28, 100);  /* vector behind the end */
    expect_refused(28, 5);    /* vector at an odd place */
    expect_refused(32, 3);    /* one item too many */
    expect_refused(35, 0xff); /* two thousand million items too many */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_gives_its_fields),
        cmocka_unit_test(every_shorter_file_is_refused_with_a_sentence),
        cmocka_unit_test(what_points_outside_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
