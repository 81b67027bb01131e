/* SPDX-License-Identifier: MIT */
/* recording_kit - read a source to its end in tests, and files for it in a directory of their own.
 */
#pragma once

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>

#include "common/units.h"
#include "pipeline/recording.h"
#include "tests/test.h"

enum { KEPT_MAX = 400 };

/* What came out of a source. */
struct kept {
    int n_blocks, n_frames, n_lost;
    int64_t times[KEPT_MAX], arrived[KEPT_MAX];
    int16_t samples[KEPT_MAX * SOUND_BLOCK_ITEMS];
    struct frame frame;
    uint8_t first_bytes[KEPT_MAX];
};

static char dir[] = "/tmp/lookout-test-XXXXXX";
static struct kept kept;

static inline void keep_sound(const struct sound_block *block, void *user) {
    assert_true(kept.n_blocks < KEPT_MAX);
    kept.times[kept.n_blocks] = block->time_ns;
    kept.arrived[kept.n_blocks] = now_ns();
    kept.n_lost += block->n_lost_before;
    memcpy(&kept.samples[kept.n_blocks++ * SOUND_BLOCK_ITEMS], block->samples,
           sizeof(block->samples));
}

static inline void keep_frame(const struct frame *frame, void *user) {
    assert_true(kept.n_frames < KEPT_MAX);
    kept.times[kept.n_frames] = frame->time_ns;
    kept.arrived[kept.n_frames] = now_ns();
    kept.n_lost += frame->n_lost_before;
    kept.frame = *frame;
    kept.first_bytes[kept.n_frames++] = frame->planes[0][0];
}

static const struct source_sink sink = { .sound = keep_sound, .frame = keep_frame };

/* Read until @n_max items or the end; returns the last result of source_read(). */
static inline int read_all(struct source *source, int n_max, struct fault *fault) {
    int r = 0;

    memset(&kept, 0, sizeof(kept));
    while (r >= 0 && kept.n_blocks + kept.n_frames < n_max) {
        struct pollfd p = { .fd = source_fd(source), .events = POLLIN };

        assert_int_equal(poll(&p, 1, 2000), 1);
        r = source_read(source, &sink, fault);
    }
    return r;
}

static inline const char *path(const char *name) {
    static char buffer[SOURCE_PATH_BYTES];

    (void) snprintf(buffer, sizeof(buffer), "%s/%s", dir, name);
    return buffer;
}

static inline void write_file(const char *name, const void *bytes, size_t n) {
    FILE *f = fopen(path(name), "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static inline struct source_options options_for(const char *name, enum source_data data) {
    struct source_options o = { .kind = SOURCE_RECORDING, .data = data, .start_ns = 5 * NS_PER_S };

    (void) snprintf(o.device, sizeof(o.device), "%s", path(name));
    (void) strcpy(o.format, "auto");
    o.as_fast_as_possible = true;
    return o;
}

static inline int make_dir(void **state) {
    return mkdtemp(dir) ? 0 : -1;
}

static inline int remove_dir(void **state) {
    return remove_folder(dir);
}
