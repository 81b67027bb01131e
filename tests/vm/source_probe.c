/* SPDX-License-Identifier: MIT */
/*
 * source_probe - opens a camera or microphone as the daemon does and tells what comes.
 *
 *   source_probe devices
 *   source_probe camera|microphone DEVICE FORMAT WIDTHxHEIGHT RATE CHANNEL ITEMS SECONDS [mask]
 *
 * Prints `opened ...`, a line for each frame or block, and how it ended. Exit
 * status 0 unless the arguments are wrong: the tests read the lines.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"
#include "pipeline/devices.h"
#include "pipeline/pixels.h"
#include "pipeline/source.h"

enum { N_ARGUMENTS = 9 };

static int n_items;

/* FNV-1a over the picture: tells frames apart. */
static uint64_t hash_frame(const struct frame *frame) {
    const size_t row = pixels_row_bytes(frame->format, frame->width_px);
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t y = 0; y < (size_t) frame->height_px; y++)
        for (size_t x = 0; x < row; x++)
            hash =
                (hash ^ frame->planes[0][y * frame->stride_bytes[0] + x]) * UINT64_C(1099511628211);
    return hash;
}

static void tell_frame(const struct frame *frame, void *user) {
    printf("frame %s %dx%d time %lld age %lld lost %d hash %016llx first %d\n",
           pixels_name(frame->format), frame->width_px, frame->height_px,
           (long long) frame->time_ns, (long long) (now_ns() - frame->time_ns),
           frame->n_lost_before, (unsigned long long) hash_frame(frame), frame->planes[0][0]);
    n_items++;
}

/* Rising zero crossings tell a tone's pitch, the largest sample that there is sound. */
static void tell_block(const struct sound_block *block, void *user) {
    static int16_t last;
    int n_rising = 0, largest = 0;

    for (int i = 0; i < SOUND_BLOCK_ITEMS; i++) {
        n_rising += last < 0 && block->samples[i] >= 0;
        last = block->samples[i];
        largest = last > largest ? last : largest;
    }
    printf("block time %lld age %lld lost %d rising %d largest %d\n", (long long) block->time_ns,
           (long long) (now_ns() - block->time_ns), block->n_lost_before, n_rising, largest);
    n_items++;
}

static int read_items(struct source *source, int n_wanted, int64_t until_ns, struct fault *fault) {
    const struct source_sink sink = { .sound = tell_block, .frame = tell_frame };
    int r = 0;

    while (r >= 0 && n_items < n_wanted && now_ns() < until_ns) {
        struct pollfd p = { .fd = source_fd(source), .events = POLLIN };

        if (poll(&p, 1, 100) > 0)
            r = source_read(source, &sink, fault);
        (void) fflush(stdout); /* the test reads while we run */
    }
    return r;
}

static void tell_device(const char *path, const struct device_info *info, void *user) {
    if (info)
        printf("device %s | %s | %s | %s | %s | pid %d (%s) | %s | %s\n", path, info->stable,
               info->name, info->driver, info->formats, info->holder.pid, info->holder.command,
               info->usable ? "usable" : info->why, info->what_to_do);
}

int main(int n_arguments, char **arguments) {
    struct source_options o = { .kind = SOURCE_V4L2, .data = SOURCE_PICTURE };
    _cleanup_(source_freep) struct source *source = NULL;
    struct fault fault = { "" };
    int r;

    if (n_arguments == 2 && strcmp(arguments[1], "devices") == 0) {
        devices_each(tell_device, NULL);
        return 0;
    }
    if (n_arguments < N_ARGUMENTS ||
        sscanf(arguments[4], "%dx%d", &o.width_px, &o.height_px) != 2) {
        fprintf(stderr, "see the top of source_probe.c\n");
        return 1;
    }
    if (strcmp(arguments[1], "microphone") == 0) {
        o.kind = SOURCE_ALSA;
        o.data = SOURCE_SOUND;
    }
    (void) snprintf(o.device, sizeof(o.device), "%s", arguments[2]);
    (void) snprintf(o.format, sizeof(o.format), "%s", arguments[3]);
    o.rate_hz = atof(arguments[5]);
    o.channel = atoi(arguments[6]);
    o.n_masks = n_arguments > N_ARGUMENTS;
    o.masks[0] = (struct mask){ 0, 0, MASK_PARTS, MASK_PARTS };
    r = source_open(&o, &source, &fault);
    if (r == 0) {
        printf("opened %s rate %g format %s\n", source_device(source), source_rate_hz(source),
               source_format(source));
        (void) fflush(stdout);
        r = read_items(source, atoi(arguments[7]), now_ns() + atoi(arguments[8]) * NS_PER_S,
                       &fault);
    }
    printf("ended %s: %s\n", r >= 0 ? "well" : strerrorname_np(-r), fault.text);
    return 0;
}
