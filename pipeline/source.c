/* SPDX-License-Identifier: MIT */
#include "pipeline/source.h"

#include <assert.h>
#include <errno.h>

#include "pipeline/camera.h"
#include "pipeline/masks.h"
#include "pipeline/microphone.h"
#include "pipeline/recording.h"
#include "pipeline/source_class.h"

int source_open(const struct source_options *options, struct source **ret, struct fault *fault) {
    assert(options && ret);

    if (options->n_masks > MASKS_MAX || !masks_valid(options->masks, options->n_masks))
        return fault_set(fault, -EINVAL, "%s: a mask lies outside the frame", options->device);
    switch (options->kind) {
    case SOURCE_V4L2:
        return camera_open(options, ret, fault);
    case SOURCE_ALSA:
        return microphone_open(options, ret, fault);
    case SOURCE_RECORDING:
        return recording_open(options, ret, fault);
    }
    return -EINVAL;
}

struct source *source_free(struct source *source) {
    return source ? source->class->free(source) : NULL;
}

int source_fd(const struct source *source) {
    return source->fd;
}

int source_read(struct source *source, const struct source_sink *sink, struct fault *fault) {
    return source->class->read(source, sink, fault);
}

const char *source_format(const struct source *source) {
    return source->format;
}

double source_rate_hz(const struct source *source) {
    return source->rate_hz;
}

const char *source_device(const struct source *source) {
    return source->device;
}

const char *source_note(const struct source *source) {
    return source->note;
}

int64_t source_next_ns(const struct source *source) {
    return source->class->next_ns ? source->class->next_ns(source) : 0;
}

void source_want_px(struct source *source, int32_t width_px, int32_t height_px) {
    if (source->class->want_px)
        source->class->want_px(source, width_px, height_px);
}
