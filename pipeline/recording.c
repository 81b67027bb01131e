/* SPDX-License-Identifier: MIT */
#include "pipeline/recording.h"

#include <errno.h>

int recording_open(const struct source_options *options, struct source **ret, struct fault *fault) {
    if (options->device[0] == '\0')
        return fault_set(fault, -EINVAL, "a recording needs a file");
    switch (options->data) {
    case SOURCE_SOUND:
        return recording_open_sound(options, ret, fault);
    case SOURCE_PICTURE:
        return recording_open_pictures(options, ret, fault);
    }
    return -EINVAL;
}
