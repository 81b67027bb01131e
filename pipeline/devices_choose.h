/* SPDX-License-Identifier: MIT */
/*
 * devices_choose - from what an INI says in `device` to the one device that it means.
 */
#pragma once

#include "pipeline/devices.h"

struct device_choice {
    char device[SOURCE_PATH_BYTES]; /* to open */
    char note[SOURCE_NOTE_BYTES];   /* a sentence on why, if nobody named it; else "" */
};

/**
 * @kind  SOURCE_V4L2 or SOURCE_ALSA
 * @name  "auto": the first by stable name that can be used; "usb:PORT" or "usb:PORT,DEV=N": the
 *        microphone plugged there; a name of several alike is refused; any other as it is.
 * May take as long as a driver takes. Returns 0, -ENODEV, -EBUSY, -EACCES, -ENOTSUP (there are
 * some, none can be used), -ENOTUNIQ; @fault says why and what to do.
 */
int devices_choose(enum source_kind kind, const char *name, struct device_choice *ret,
                   struct fault *fault);
