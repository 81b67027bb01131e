/* SPDX-License-Identifier: MIT */
/* Recordings: any bytes as a picture recording (Y4M, Motion JPEG, PNG), raw frames and sound. */
#include "pipeline/recording.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/cleanup.h"

enum { READS_MAX = 50 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static int64_t last_ns;

static void check_frame(const struct frame *frame, void *user) {
    if (frame->time_ns <= last_ns || !frame->planes[0] || frame->n_lost_before < 0)
        abort();
    last_ns = frame->time_ns;
}

static void check_block(const struct sound_block *block, void *user) {
    if (block->time_ns <= last_ns || block->n_lost_before != 0)
        abort();
    last_ns = block->time_ns;
}

static void play(const struct source_options *options) {
    const struct source_sink sink = { .sound = check_block, .frame = check_frame };
    _cleanup_(source_freep) struct source *source = NULL;
    struct fault fault = { "" };
    int r = source_open(options, &source, &fault);

    if (r < 0 && fault.text[0] == '\0' && r != -ENOMEM)
        abort(); /* a person is told nothing */
    last_ns = 0;
    for (int i = 0; i < READS_MAX && r >= 0; i++)
        r = source_read(source, &sink, &fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    _cleanup_(closep) int fd = memfd_create("recording", MFD_CLOEXEC);
    struct source_options options = { .kind = SOURCE_RECORDING,
                                      .data = SOURCE_PICTURE,
                                      .as_fast_as_possible = true,
                                      .start_ns = 1000,
                                      .n_masks = 1,
                                      .masks = { { 2500, 2500, 5000, 5000 } } };

    if (fd < 0 || write(fd, data, n_bytes) != (ssize_t) n_bytes)
        return 0;
    (void) snprintf(options.device, sizeof(options.device), "/proc/self/fd/%d", fd);
    for (int loop = 0; loop < 2; loop++) {
        options.loop = loop;
        (void) strcpy(options.format, "auto");
        play(&options);
        (void) strcpy(options.format, "i420");
        options.width_px = options.height_px = 9;
        play(&options);
        options.data = SOURCE_SOUND;
        play(&options);
        options.data = SOURCE_PICTURE;
    }
    return 0;
}
