/* SPDX-License-Identifier: MIT */
#include "models/tool_example.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "pipeline/image_file.h"
#include "pipeline/mel.h"
#include "pipeline/picture.h"
#include "pipeline/quantise.h"
#include "pipeline/sound_file.h"

enum {
    CHUNK_ITEMS = 1 << 16,
    SOUND_ITEMS_MAX = 3600 * FEATURES_RATE_HZ, /* an hour */
    MAGIC_BYTES = 4,
};

struct example {
    const struct modality *modality;
    const struct tensor_info *input;
    /* sound */
    struct mel *mel;
    int16_t *samples, *window; /* [n_room], [n_window] */
    size_t n_samples, n_room;
    float *values; /* of one window */
    /* picture */
    struct image_file *file;
    struct picture *plan;
    uint8_t *pixels; /* of one picture */
    int8_t table[PIXEL_VALUES];
};

static int new_sound(struct example *e, struct fault *fault) {
    const int r = mel_new(&e->modality->sound, &e->mel, fault);

    if (r < 0)
        return r;
    e->window = calloc(mel_shape(e->mel)->n_window, sizeof(*e->window));
    e->values = calloc(example_n_items(e), sizeof(*e->values));
    return e->window && e->values ? 0 : -ENOMEM;
}

static int new_picture(struct example *e) {
    quantise_pixel_table(e->input->scale, e->input->zero_point, e->table);
    e->pixels = calloc(1, picture_bytes(&e->modality->picture));
    return e->pixels ? image_file_new(&e->file) : -ENOMEM;
}

int example_new(const struct modality *modality, struct example **ret, struct fault *fault) {
    _cleanup_(example_freep) struct example *e = calloc(1, sizeof(*e));
    int r;

    assert(modality && ret);

    if (!e)
        return -ENOMEM;
    e->modality = modality;
    e->input = model_input(modality->encoder, 0);
    r = modality->kind == MODALITY_SOUND ? new_sound(e, fault) : new_picture(e);
    if (r < 0)
        return r;
    *ret = e;
    e = NULL; /* now the caller's */
    return 0;
}

struct example *example_free(struct example *example) {
    if (!example)
        return NULL;
    mel_free(example->mel);
    free(example->samples);
    free(example->window);
    free(example->values);
    image_file_free(example->file);
    picture_free(example->plan);
    free(example->pixels);
    free(example);
    return NULL;
}

static int grow(struct example *e, const char *path, struct fault *fault) {
    const size_t n_room = 2 * e->n_room + CHUNK_ITEMS;
    int16_t *more;

    if (e->n_room >= SOUND_ITEMS_MAX)
        return fault_set(fault, -EFBIG, "%s: is longer than an hour", path);
    more = realloc(e->samples, n_room * sizeof(*more));
    if (!more)
        return -ENOMEM;
    e->samples = more;
    e->n_room = n_room;
    return 0;
}

static int read_sound(struct example *e, const char *path, struct fault *fault) {
    _cleanup_(sound_file_freep) struct sound_file *file = NULL;
    int r = sound_file_new(path, 0, &file, fault);

    e->n_samples = 0;
    while (r >= 0) {
        if (e->n_samples == e->n_room) {
            r = grow(e, path, fault);
            if (r < 0)
                break;
        }
        r = sound_file_read(file, false, e->samples + e->n_samples, e->n_room - e->n_samples,
                            fault);
        if (r > 0)
            e->n_samples += (size_t) r;
        if (r >= 0 && e->n_samples < e->n_room)
            return 0; /* the end */
    }
    return r;
}

static int read_picture(struct example *e, const char *path, struct fault *fault) {
    struct frame frame = { 0 };
    int r = image_file_read(e->file, path, 0, 0, &frame, fault);

    if (r == 0 && (!e->plan || !picture_fits(e->plan, &frame))) {
        e->plan = picture_free(e->plan);
        r = picture_new(&e->modality->picture, frame.format, frame.width_px, frame.height_px,
                        &e->plan);
        if (r < 0)
            return fault_set(fault, r, "%s: cannot be shrunk: %s", path, strerror(-r));
    }
    if (r == 0)
        picture_shrink(e->plan, &frame, e->pixels);
    return r;
}

int example_read(struct example *example, const char *path, struct fault *fault) {
    return example->modality->kind == MODALITY_SOUND ? read_sound(example, path, fault)
                                                     : read_picture(example, path, fault);
}

size_t example_n_windows(const struct example *example) {
    const struct sound_shape *s;

    if (example->modality->kind == MODALITY_PICTURE)
        return 1;
    s = mel_shape(example->mel);
    return example->n_samples <= s->n_window ? 1
                                             : 1 + (example->n_samples - s->n_window) / s->n_hop;
}

size_t example_shape(const struct example *example, size_t ret[3]) {
    const struct picture_features *const p = &example->modality->picture;

    if (example->modality->kind == MODALITY_SOUND) {
        ret[0] = mel_shape(example->mel)->n_rows;
        ret[1] = mel_shape(example->mel)->n_values;
        return 2;
    }
    ret[0] = (size_t) p->height_px;
    ret[1] = (size_t) p->width_px;
    ret[2] = p->colour == COLOUR_RGB ? 3 : 1;
    return 3;
}

size_t example_n_items(const struct example *example) {
    size_t shape[3] = { 1, 1, 1 };

    (void) example_shape(example, shape); /* what it leaves is 1 */
    return shape[0] * shape[1] * shape[2];
}

static void sound_values(struct example *e, size_t i, float *ret) {
    const struct sound_shape *s = mel_shape(e->mel);
    const size_t first = i * s->n_hop; /* at most n_samples, as example_n_windows() counts */
    const size_t n = e->n_samples - first < s->n_window ? e->n_samples - first : s->n_window;

    memset(e->window + n, 0, (s->n_window - n) * sizeof(*e->window));
    memcpy(e->window, e->samples + first, n * sizeof(*e->window));
    mel_window(e->mel, e->window, ret);
}

void example_values(struct example *example, size_t i, float *ret) {
    assert(i < example_n_windows(example));

    if (example->modality->kind == MODALITY_SOUND) {
        sound_values(example, i, ret);
        return;
    }
    for (size_t k = 0; k < example_n_items(example); k++)
        ret[k] = (float) example->pixels[k] / 255.0f;
}

void example_input(struct example *example, size_t i, int8_t *ret) {
    assert(i < example_n_windows(example));

    if (example->modality->kind == MODALITY_SOUND) {
        sound_values(example, i, example->values);
        quantise_values(example->values, example_n_items(example), example->input->scale,
                        example->input->zero_point, ret);
        return;
    }
    quantise_pixels(example->pixels, example_n_items(example), example->table, ret);
}

bool example_is_picture(const char *path) {
    static const uint8_t png[MAGIC_BYTES] = { 0x89, 'P', 'N', 'G' }, jpeg[] = { 0xff, 0xd8, 0xff };
    uint8_t magic[MAGIC_BYTES] = { 0 };
    FILE *const file = fopen(path, "rbe");

    if (!file)
        return false;
    (void) fread(magic, 1, sizeof(magic), file); /* what is missing stays 0 */
    (void) fclose(file);                         /* only read from */
    return memcmp(magic, png, sizeof(png)) == 0 || memcmp(magic, jpeg, sizeof(jpeg)) == 0;
}
