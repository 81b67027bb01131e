/* SPDX-License-Identifier: MIT */
#include "daemon/device_json.h"

#include <stdio.h>

#include "daemon/event_json.h"
#include "pipeline/pcm.h"

static json_t *text_or_null(const char *text) {
    return text && text[0] ? text_json(text) : json_null();
}

/* The microphone's formats by their names in the settings. */
static json_t *sample_formats_json(unsigned formats) {
    static const enum pcm_format all[] = { PCM_S16, PCM_S24, PCM_S24_3, PCM_S32 };
    json_t *list = json_array();

    for (size_t i = 0; list && i < sizeof(all) / sizeof(all[0]); i++)
        if (formats & 1U << all[i])
            (void) json_array_append_new(list, json_string(pcm_name(all[i]))); /* as below */
    return list;
}

static json_t *sampling_json(const struct device_info *device) {
    if (device->sample_formats == 0)
        return json_null();
    return json_pack(
        "{s:o, s:i, s:i, s:i, s:i}", "formats", sample_formats_json(device->sample_formats),
        "rate_min", (int) device->rate_min_hz, "rate_max", (int) device->rate_max_hz,
        "channels_min", (int) device->channels_min, "channels_max", (int) device->channels_max);
}

static json_t *mode_json(const struct camera_mode *mode) {
    json_t *rates = json_array();

    for (size_t i = 0; rates && i < mode->n_rates; i++)
        (void) json_array_append_new(rates, number_json(mode->rates_hz[i])); /* as below */
    return json_pack("{s:o, s:i, s:i, s:o}", "format", text_json(mode->format), "width",
                     mode->width_px, "height", mode->height_px, "rates", rates);
}

static json_t *modes_json(const struct device_info *device) {
    json_t *list = json_array();

    for (size_t i = 0; list && i < device->n_modes; i++)
        (void) json_array_append_new(list, mode_json(&device->modes[i])); /* no memory: shorter */
    return list;
}

static json_t *holder_json(const struct device_holder *holder) {
    char text[DEVICE_COMMAND_BYTES + 32];

    if (holder->pid == 0)
        return json_null();
    (void) snprintf(text, sizeof(text), "pid %d (%s)", holder->pid, holder->command); /* fits */
    return text_json(text);
}

json_t *device_json(const struct device_info *device, const char *sensor) {
    const struct device_holder *holder = &device->holder;

    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, "
                     "s:o}",
                     "kind", sensor_kind_name(device->kind, SOURCE_SOUND), "device",
                     text_json(device->path), "stable", text_json(device->stable), "name",
                     text_json(device->name), "driver", text_json(device->driver), "bus",
                     text_or_null(device->bus), "formats", text_json(device->formats), "modes",
                     modes_json(device), "sampling", sampling_json(device), "usable",
                     device->usable, "why", text_or_null(device->why), "what_to_do",
                     text_or_null(device->what_to_do), "holder", holder_json(holder), "holder_pid",
                     holder->pid ? json_integer(holder->pid) : json_null(), "holder_command",
                     text_or_null(holder->command), "sensor", text_or_null(sensor));
}
