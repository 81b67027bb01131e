/* SPDX-License-Identifier: MIT */
/* devices_kinds - the two halves of devices_list(). */
#pragma once

#include "pipeline/devices.h"

/** Video nodes that capture and stream, into @ret [n_max]. Returns how many. */
size_t devices_list_cameras(struct device_info *ret, size_t n_max);

/** Capture devices of all cards, into @ret [n_max]. Returns how many. */
size_t devices_list_microphones(struct device_info *ret, size_t n_max);
