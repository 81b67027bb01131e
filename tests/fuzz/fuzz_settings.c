/* SPDX-License-Identifier: MIT */
/* lookoutd.ini: any bytes; refused with sentences, or a configuration within its ranges. */
#include "config/load.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static int check_line(const struct settings_line *line, void *user) {
    if (!line->section[0] || !line->key[0] || !line->value || !line->origin[0])
        abort();
    return 0;
}

static void check_camera(const struct camera_settings *camera) {
    if (camera->rate_hz < 0.1 || camera->rate_hz > 240 || camera->size.width_px < 16 ||
        camera->masks.n > SETTING_MASKS_MAX || !camera->device || !camera->format)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
    _cleanup_(settings_freep) struct settings *settings = NULL;
    struct problems problems = { 0 };
    const int r =
        settings_load_text("/f/x.ini", (const char *) data, n_bytes, &settings, &problems);

    if (r == -EBADMSG && (problems_none(&problems) || settings))
        abort();
    for (size_t i = 0; i < problems.n; i++)
        if (!problems.texts[i][0])
            abort();
    problems_clear(&problems);
    if (r < 0)
        return 0;
    (void) settings_list(settings, check_line, NULL);
    for (size_t i = 0; i < settings->n_sections; i++)
        if (settings->sections[i].kind == SECTION_CAMERA)
            check_camera(&settings->sections[i].camera);
    return 0;
}
