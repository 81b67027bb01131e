/* SPDX-License-Identifier: MIT */
/* Base64 is that of RFC 4648, section 4. */
#include "client/image.h"

#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <string.h>
#include <sys/stat.h>

#include "client/field.h"

enum { CHANNELS = 3, GROUP_CHARS = 4, GROUP_BYTES = 3, INT8_OFFSET = 128, PRIVATE_MODE = 0600 };

int image_new(size_t width_px, size_t height_px, struct image **ret) {
    struct image *image;

    if (width_px == 0 || height_px == 0 || width_px > IMAGE_SIDE_PX_MAX ||
        height_px > IMAGE_SIDE_PX_MAX)
        return -ERANGE;
    image = calloc(1, sizeof(*image) + width_px * height_px * CHANNELS);
    if (!image)
        return -ENOMEM;
    image->width_px = width_px;
    image->height_px = height_px;
    *ret = image;
    return 0;
}

struct image *image_free(struct image *image) {
    free(image);
    return NULL;
}

static int digit_of(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Exactly @n_bytes of base64 in @text into @ret. Returns 0, -EBADMSG. */
static int decode(const char *text, uint8_t *ret, size_t n_bytes) {
    const size_t n_padding = (GROUP_BYTES - n_bytes % GROUP_BYTES) % GROUP_BYTES;
    const size_t n_chars = (n_bytes + n_padding) / GROUP_BYTES * GROUP_CHARS;
    uint32_t bits = 0;
    size_t n = 0;

    if (strlen(text) != n_chars)
        return -EBADMSG;
    for (size_t i = 0; i < n_chars; i++) {
        const int digit = i >= n_chars - n_padding ? 0 : digit_of(text[i]);

        if (digit < 0)
            return -EBADMSG;
        bits = bits << 6 | (uint32_t) digit;
        if (i % GROUP_CHARS == GROUP_CHARS - 1)
            for (int shift = 16; shift >= 0 && n < n_bytes; shift -= 8)
                ret[n++] = (uint8_t) (bits >> shift);
    }
    return 0;
}

/* A size as JSON has it; 0 if it is none that a picture may have. */
static size_t side(json_int_t value) {
    return value > 0 && value <= IMAGE_SIDE_PX_MAX ? (size_t) value : 0;
}

int image_of_picture(const json_t *picture, struct image **ret) {
    const size_t width = side(field_integer(picture, "width_px")),
                 height = side(field_integer(picture, "height_px"));
    const int64_t frame_width = field_integer(picture, "frame_width_px"),
                  frame_height = field_integer(picture, "frame_height_px");
    _cleanup_(image_freep) struct image *squeezed = NULL;
    int r = image_new(width, height, &squeezed);

    if (r == -ENOMEM)
        return r;
    if (r < 0 || frame_width <= 0 || frame_width > UINT16_MAX || frame_height <= 0 ||
        frame_height > UINT16_MAX)
        return -EBADMSG;
    r = decode(field_text(picture, "rgb"), squeezed->rgb, width * height * CHANNELS);
    if (r < 0)
        return r;
    r = image_scale(squeezed, width, width * (size_t) frame_height / (size_t) frame_width, ret);
    return r == -ERANGE ? -EBADMSG : r;
}

/* From black over red and yellow to white. */
static void heat(int level, uint8_t ret[CHANNELS]) {
    for (int c = 0; c < CHANNELS; c++) {
        const int value = level * CHANNELS - c * UINT8_MAX;

        ret[c] = (uint8_t) (value < 0 ? 0 : value > UINT8_MAX ? UINT8_MAX : value);
    }
}

/* [rows, columns] of spectra: a row is a moment, and becomes a column. */
static void draw_sound(const uint8_t *levels, size_t n_rows, size_t n_bands, struct image *image) {
    for (size_t t = 0; t < n_rows; t++)
        for (size_t band = 0; band < n_bands; band++)
            heat(levels[t * n_bands + band],
                 image->rgb + ((n_bands - 1 - band) * n_rows + t) * CHANNELS);
}

static void draw_picture(const uint8_t *levels, size_t n_channels, struct image *image) {
    const size_t n = image->width_px * image->height_px;

    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < CHANNELS; c++)
            image->rgb[i * CHANNELS + c] = levels[i * n_channels + (n_channels > 1 ? c : 0)];
}

int image_of_input(const json_t *input, struct image **ret) {
    const json_t *shape = json_object_get(input, "shape");
    const size_t n_rows = side(json_integer_value(json_array_get(shape, 0))),
                 n_columns = side(json_integer_value(json_array_get(shape, 1))),
                 n_channels = side(json_integer_value(json_array_get(shape, 2)));
    const bool is_sound = strcmp(field_text(input, "kind"), "sound") == 0;
    const size_t n_items = n_rows * n_columns * n_channels;
    _cleanup_(freep) uint8_t *levels = NULL;
    int r;

    if (n_items == 0 || (n_channels != 1 && (n_channels != CHANNELS || is_sound)))
        return -EBADMSG;
    levels = malloc(n_items);
    if (!levels)
        return -ENOMEM;
    r = decode(field_text(input, "values"), levels, n_items);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n_items; i++) /* int8 -128 is black, 127 white */
        levels[i] = (uint8_t) (levels[i] + INT8_OFFSET);
    r = is_sound ? image_new(n_rows, n_columns, ret) : image_new(n_columns, n_rows, ret);
    if (r < 0)
        return r;
    if (is_sound)
        draw_sound(levels, n_rows, n_columns, *ret);
    else
        draw_picture(levels, n_channels, *ret);
    return 0;
}

/* The pixels of @n_from that pixel @i of @n_to covers: from @ret_first, at least one. */
static size_t covered(size_t i, size_t n_to, size_t n_from, size_t *ret_first) {
    const size_t first = i * n_from / n_to, end = (i + 1) * n_from / n_to;

    *ret_first = first;
    return end > first ? end - first : 1;
}

static void average(const struct image *image, size_t x, size_t n_x, size_t y, size_t n_y,
                    uint8_t ret[CHANNELS]) {
    size_t sums[CHANNELS] = { 0 };

    for (size_t dy = 0; dy < n_y; dy++)
        for (size_t dx = 0; dx < n_x; dx++)
            for (size_t c = 0; c < CHANNELS; c++)
                sums[c] += image->rgb[((y + dy) * image->width_px + x + dx) * CHANNELS + c];
    for (size_t c = 0; c < CHANNELS; c++)
        ret[c] = (uint8_t) (sums[c] / (n_x * n_y));
}

int image_scale(const struct image *image, size_t width_px, size_t height_px, struct image **ret) {
    struct image *scaled;
    int r = image_new(width_px, height_px, &scaled);

    if (r < 0)
        return r;
    for (size_t y = 0; y < height_px; y++)
        for (size_t x = 0; x < width_px; x++) {
            size_t from_x, from_y;
            const size_t n_x = covered(x, width_px, image->width_px, &from_x),
                         n_y = covered(y, height_px, image->height_px, &from_y);

            average(image, from_x, n_x, from_y, n_y, scaled->rgb + (y * width_px + x) * CHANNELS);
        }
    *ret = scaled;
    return 0;
}

void image_place(struct image *to, const struct image *from, size_t x, size_t y) {
    for (size_t row = 0; row < from->height_px; row++)
        memcpy(to->rgb + ((y + row) * to->width_px + x) * CHANNELS,
               from->rgb + row * from->width_px * CHANNELS, from->width_px * CHANNELS);
}

/* @path empty and for its owner only, even if it was there; devices and pipes stay as they are. */
static int open_private(const char *path) {
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, PRIVATE_MODE);
    struct stat status;

    if (fd < 0 ||
        (fstat(fd, &status) == 0 && (!S_ISREG(status.st_mode) || fchmod(fd, PRIVATE_MODE) == 0)))
        return fd;
    (void) close(fd); /* nothing was written */
    return -1;
}

int image_write_png(const struct image *image, const char *path, struct fault *fault) {
    png_image header = { .version = PNG_IMAGE_VERSION,
                         .width = (png_uint_32) image->width_px,
                         .height = (png_uint_32) image->height_px,
                         .format = PNG_FORMAT_RGB };
    const int fd = open_private(path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
    int ok, r;

    if (!file) {
        r = fault_set(fault, -errno, "%s: cannot be written: %s", path, strerror(errno));
        if (fd >= 0)
            (void) close(fd); /* nothing was written */
        return r;
    }
    ok = png_image_write_to_stdio(&header, file, 0, image->rgb, 0, NULL);
    if (fclose(file) != 0 || !ok)
        return fault_set(fault, -EIO, "%s: cannot be written%s%s", path, ok ? "" : ": ",
                         ok ? "; is the disk full?" : header.message);
    return 0;
}
