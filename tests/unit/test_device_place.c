/* SPDX-License-Identifier: MIT */
/* USB ports by a made-up /sys. */
#include "pipeline/device_place.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/test.h"

static char dir[] = "/tmp/lookout-test-XXXXXX";

__attribute__((format(printf, 1, 2))) static const char *path(const char *format, ...) {
    static char text[TEST_PATH_BYTES];
    const size_t n = (size_t) snprintf(text, sizeof(text), "%s/", dir);
    va_list arguments;

    va_start(arguments, format);
    (void) vsnprintf(text + n, sizeof(text) - n, format, arguments);
    va_end(arguments);
    return text;
}

static void write_file(const char *directory, const char *name, const char *text) {
    FILE *file = fopen(path("%s/%s", directory, name), "w");

    assert_non_null(file);
    assert_true(fprintf(file, "%s\n", text) > 0);
    assert_int_equal(fclose(file), 0);
}

/* A USB device on @port with one interface, as the kernel lays them out. */
static void plug(const char *port, const char *product, const char *serial) {
    assert_int_equal(mkdir(path("%s", port), 0700), 0);
    assert_int_equal(mkdir(path("%s/%s:1.0", port, port), 0700), 0);
    write_file(port, "idVendor", "046d");
    write_file(port, "idProduct", product);
    if (serial)
        write_file(port, "serial", serial);
}

static struct usb_place place_of(const char *port) {
    struct usb_place place;

    assert_int_equal(device_usb_place(path("%s/%s:1.0", port, port), &place), 0);
    return place;
}

static void the_port_and_make_of_an_interface_are_found(void **state) {
    struct usb_place place;

    plug("1-1.2", "082d", "DEADBEEF");
    place = place_of("1-1.2");
    assert_string_equal(place.port, "1-1.2");
    assert_string_equal(place.vendor, "046d");
    assert_string_equal(place.product, "082d");
    assert_string_equal(place.serial, "DEADBEEF");
}

static void what_is_not_on_usb_has_no_port(void **state) {
    struct usb_place place;

    assert_int_equal(mkdir(path("platform"), 0700), 0);
    assert_int_equal(device_usb_place(path("platform"), &place), -ENOENT);
    assert_int_equal(device_usb_place(path("nothing"), &place), -ENOENT);
}

static void twins_have_one_make_and_number_on_two_ports(void **state) {
    struct usb_place a, b, other, numbered;

    plug("1-2", "0825", NULL);
    plug("1-3", "0825", NULL);
    plug("1-4", "0826", NULL);
    plug("1-5", "0825", "1");
    a = place_of("1-2");
    b = place_of("1-3");
    other = place_of("1-4");
    numbered = place_of("1-5");
    assert_true(device_usb_twins(&a, &b));
    assert_false(device_usb_twins(&a, &a));
    assert_false(device_usb_twins(&a, &other));
    assert_false(device_usb_twins(&a, &numbered));
}

static int make_dir(void **state) {
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
    return remove_folder(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_port_and_make_of_an_interface_are_found),
        cmocka_unit_test(what_is_not_on_usb_has_no_port),
        cmocka_unit_test(twins_have_one_make_and_number_on_two_ports),
    };

    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
