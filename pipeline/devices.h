/* SPDX-License-Identifier: MIT */
/*
 * devices - which cameras and microphones this machine has, and who holds them.
 *
 * Nothing here starts a device's stream or waits for one; a lookup takes milliseconds.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "pipeline/source.h"

enum {
    DEVICES_MAX = 32,
    DEVICES_VIDEO_NODES = 64, /* /dev/video0 .. 63 are looked at */
    DEVICE_NAME_BYTES = 80,
    DEVICE_FORMATS_BYTES = 512,
    DEVICE_HOLDER_BYTES = 64,
};

/** One device that could be a sensor. */
struct device_info {
    enum source_kind kind;
    char path[SOURCE_PATH_BYTES];   /* "/dev/video0", "hw:CARD=Device,DEV=0" */
    char stable[SOURCE_PATH_BYTES]; /* stays the same across boots and ports: for the INI; may equal
                                       path */
    char name[DEVICE_NAME_BYTES];   /* what the device calls itself: "HD Pro Webcam C920" */
    char driver[DEVICE_NAME_BYTES]; /* "uvcvideo", "USB-Audio" */
    char formats[DEVICE_FORMATS_BYTES]; /* "YUYV 640x480 320x240, MJPG 1280x720"; "" if it does not
                                           tell now */
    char holder[DEVICE_HOLDER_BYTES];   /* who has it open, "pid 123 (cheese)"; "" if none or not
                                           readable */
};

/**
 * Cameras, then microphones, each in the order of their numbers. Main thread or any other.
 * @ret  [DEVICES_MAX]
 * Returns how many there are in @ret.
 */
size_t devices_list(struct device_info ret[DEVICES_MAX]);

/** The first microphone's name for ALSA, "default" if no card captures. */
void devices_first_microphone(char ret[SOURCE_PATH_BYTES]);

/** "/dev/snd/pcmC0D0c" for an ALSA name that begins with "hw:" or "plughw:". Returns 0, -ENOENT. */
int devices_sound_node(const char *name, char ret[SOURCE_PATH_BYTES]);

/** Which other process has @node open, as "pid 123 (cheese)". Returns 0, -ENOENT (none that may be
 * seen). */
int devices_holder(const char *node, char ret[DEVICE_HOLDER_BYTES]);

/** The name in @directory ("/dev/v4l/by-id") that leads to @node. Returns 0, -ENOENT. */
int devices_stable_name(const char *directory, const char *node, char ret[SOURCE_PATH_BYTES]);
