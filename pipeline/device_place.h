/* SPDX-License-Identifier: MIT */
/*
 * device_place - where in the machine a device is plugged, by what /sys tells. Any thread.
 *
 * A USB port's path ("1-1.2": bus 1, hub port 1, its port 2) stays the same across boots. What a
 * device says of itself does not tell two of the same kind apart.
 */
#pragma once

#include <stdbool.h>

enum { USB_PORT_BYTES = 32, USB_SERIAL_BYTES = 80 };

struct usb_place {
    char port[USB_PORT_BYTES]; /* "1-1.2" */
    char vendor[8], product[8];
    char serial[USB_SERIAL_BYTES]; /* "" if it has none */
};

/** The first line of the file @directory/@name into @ret [n_max]. Returns 0, -errno. */
int device_attribute(const char *directory, const char *name, char *ret, int n_max);

/**
 * The USB device that @directory ("/sys/class/video4linux/video0/device") belongs to.
 * Returns 0, -ENOENT: it is not on USB.
 */
int device_usb_place(const char *directory, struct usb_place *ret);

/** The same make and serial number on different ports. */
bool device_usb_twins(const struct usb_place *a, const struct usb_place *b);
