/* SPDX-License-Identifier: MIT */
/* devices_kinds - the two halves of devices_each(), and what they share. Any thread. */
#pragma once

#include "pipeline/devices.h"

/** Video nodes that are cameras, or meant as such. */
void devices_each_camera(device_fn *fn, void *user);

/** Capture devices of all cards. */
void devices_each_microphone(device_fn *fn, void *user);

/**
 * Refuse a name below /dev/v4l/by-id that two cameras could have. Returns 0, -ENOTUNIQ with @fault.
 */
int devices_check_camera(const char *device, struct fault *fault);

/**
 * Turn "usb:1-1.2" into ALSA's name; refuse a card's name that another of its make could have.
 * Returns 0, -ENODEV, -ENOTUNIQ with @fault.
 */
int devices_find_microphone(char device[SOURCE_PATH_BYTES], struct fault *fault);

/** True if this process has @node open. */
bool devices_is_ours(const char *node);

/** Fill in holder, why and what to do for @info->node, which is busy. */
void devices_tell_busy(struct device_info *info);

/** The same for one that may not be opened. @error  -EACCES or -EPERM */
void devices_tell_denied(struct device_info *info, int error);
