/* SPDX-License-Identifier: MIT */
/*
 * devices - which cameras and microphones this machine has, whether they can be used, and who
 * holds them.
 *
 * Nothing here starts a device's stream. A lookup takes milliseconds, unless a driver hangs:
 * then it takes as long as that, so the main thread asks through devices_scan.h.
 */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/fault.h"
#include "pipeline/source.h"

enum {
    DEVICES_MAX = 32,
    DEVICES_VIDEO_NODES = 64, /* /dev/video0 .. 63 are looked at */
    DEVICE_NAME_BYTES = 80,
    DEVICE_BUS_BYTES = 64,
    DEVICE_FORMATS_BYTES = 512,
    DEVICE_COMMAND_BYTES = 32,
    DEVICE_WHY_BYTES = 256,
    DEVICE_MODES_MAX = 48,
    DEVICE_RATES_MAX = 8,
};

/** Who has a device open. */
struct device_holder {
    int32_t pid; /* 0: nobody who may be seen */
    uint32_t uid;
    char command[DEVICE_COMMAND_BYTES]; /* "cheese" */
};

/** One picture size in one format. */
struct camera_mode {
    char format[5]; /* the fourcc: "YUYV" */
    int32_t width_px, height_px;
    size_t n_rates; /* 0: it does not tell */
    double rates_hz[DEVICE_RATES_MAX];
};

/** One device that could be a sensor. */
struct device_info {
    enum source_kind kind;
    char path[SOURCE_PATH_BYTES];   /* "/dev/video0", "hw:CARD=Device,DEV=0" */
    char node[SOURCE_PATH_BYTES];   /* "/dev/video0", "/dev/snd/pcmC1D0c" */
    char stable[SOURCE_PATH_BYTES]; /* stays the same across boots: for the INI; may equal path */
    char name[DEVICE_NAME_BYTES];   /* what the device calls itself: "HD Pro Webcam C920" */
    char driver[DEVICE_NAME_BYTES]; /* "uvcvideo", "USB-Audio" */
    char bus[DEVICE_BUS_BYTES];     /* where it is plugged: "usb-0000:01:00.0-1.2", "usb:1-1.2" */
    char formats[DEVICE_FORMATS_BYTES]; /* "YUYV 640x480 320x240, MJPG 1280x720"; "" if it does not
                                           tell now */
    size_t n_modes;                     /* cameras */
    struct camera_mode modes[DEVICE_MODES_MAX];
    unsigned sample_formats; /* microphones: bits 1 << enum pcm_format; 0: it does not tell now */
    unsigned rate_min_hz, rate_max_hz, channels_min, channels_max; /* 0: it does not tell now */
    bool ours;                                                     /* this process has it open */
    struct device_holder holder;
    bool usable;
    char why[DEVICE_WHY_BYTES], what_to_do[DEVICE_WHY_BYTES]; /* "" if usable */
};

/** Called for each device: with @info NULL before its driver is asked, then with what it said. */
typedef void device_fn(const char *path, const struct device_info *info, void *user);

/** Cameras, then microphones, each in the order of their numbers. Any thread. */
void devices_each(device_fn *fn, void *user);

/** "/dev/snd/pcmC0D0c" for an ALSA name that begins with "hw:" or "plughw:". Returns 0, -ENOENT. */
int devices_sound_node(const char *name, char ret[SOURCE_PATH_BYTES]);

/** "/dev/video0" or "/dev/snd/pcmC0D0c" for a device's name. Looks at names only, asks no driver.
 * Returns 0, -ENOENT (no camera, no microphone, or not there). */
int devices_node(enum source_kind kind, const char *name, char ret[PATH_MAX]);

/** Which other process has the video or sound node @node open. Returns 0, -ENOENT (none that may be
 * seen). */
int devices_holder(const char *node, struct device_holder *ret);

/** "/dev/video0: busy, held by pid 123 (cheese)", and what to do if that is a sound server. */
void devices_busy_fault(const char *name, const char *node, struct fault *fault);

/** The name in @directory ("/dev/v4l/by-id") that leads to @node. Returns 0, -ENOENT. */
int devices_stable_name(const char *directory, const char *node, char ret[SOURCE_PATH_BYTES]);
