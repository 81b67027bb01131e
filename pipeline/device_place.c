/* SPDX-License-Identifier: MIT */
#include "pipeline/device_place.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

int device_attribute(const char *directory, const char *name, char *ret, int n_max) {
    char path[PATH_MAX];
    FILE *file;
    int r = 0;

    (void) snprintf(path, sizeof(path), "%s/%s", directory, name); /* opening tells if it was cut */
    file = fopen(path, "re");
    if (!file)
        return -errno;
    if (fgets(ret, n_max, file))
        ret[strcspn(ret, "\n")] = '\0';
    else
        r = -ENODATA;
    (void) fclose(file); /* only read from */
    return r;
}

int device_usb_place(const char *directory, struct usb_place *ret) {
    struct usb_place place = { .port = "" };
    char path[PATH_MAX];
    char *slash;

    if (!realpath(directory, path))
        return -ENOENT;
    while (device_attribute(path, "idVendor", place.vendor, sizeof(place.vendor)) < 0) {
        slash = strrchr(path, '/'); /* realpath(3): there is one, unless it was the root */
        if (!slash || slash == path)
            return -ENOENT;
        *slash = '\0';
    }
    slash = strrchr(path, '/');
    (void) snprintf(place.port, sizeof(place.port), "%.31s", slash ? slash + 1 : path);
    if (device_attribute(path, "idProduct", place.product, sizeof(place.product)) < 0)
        return -ENOENT;
    (void) device_attribute(path, "serial", place.serial, sizeof(place.serial)); /* few have one */
    *ret = place;
    return 0;
}

bool device_usb_twins(const struct usb_place *a, const struct usb_place *b) {
    return strcmp(a->port, b->port) != 0 && strcmp(a->vendor, b->vendor) == 0 &&
           strcmp(a->product, b->product) == 0 && strcmp(a->serial, b->serial) == 0;
}
