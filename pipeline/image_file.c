/* SPDX-License-Identifier: MIT */
/* PNG by libpng's simplified interface (its manual, section V), which neither jumps nor exits. */
#include "pipeline/image_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <png.h>
#include <string.h>
#include <sys/stat.h>

#include "pipeline/jpeg.h"
#include "pipeline/pixels.h"

static const uint8_t png_signature[] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
static const uint8_t jpeg_signature[] = { 0xff, 0xd8, 0xff };

struct buffer {
    uint8_t *bytes;
    size_t n_allocated;
};

struct image_file {
    struct jpeg *jpeg;
    struct buffer coded, pixels;
};

int image_file_new(struct image_file **ret) {
    _cleanup_(image_file_freep) struct image_file *f = calloc(1, sizeof(*f));
    int r;

    assert(ret);

    if (!f)
        return -ENOMEM;
    r = jpeg_new(&f->jpeg);
    if (r < 0)
        return r;
    *ret = f;
    f = NULL;
    return 0;
}

struct image_file *image_file_free(struct image_file *f) {
    if (!f)
        return NULL;
    jpeg_free(f->jpeg);
    free(f->coded.bytes);
    free(f->pixels.bytes);
    free(f);
    return NULL;
}

static int make_room(struct buffer *buffer, size_t n_bytes) {
    uint8_t *bytes;

    if (n_bytes <= buffer->n_allocated)
        return 0;
    bytes = realloc(buffer->bytes, n_bytes);
    if (!bytes)
        return -ENOMEM;
    *buffer = (struct buffer){ .bytes = bytes, .n_allocated = n_bytes };
    return 0;
}

/* The whole file into @buffer; returns its size, which fits an int. */
static int read_whole(const char *path, struct buffer *buffer, struct fault *fault) {
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    size_t n_done = 0;
    ssize_t n = 1;

    if (fd < 0 || fstat(fd, &st) < 0)
        return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return fault_set(fault, -EBADMSG, "%s: is no file", path);
    if (st.st_size > IMAGE_FILE_BYTES_MAX)
        return fault_set(fault, -EFBIG, "%s: is larger than %d bytes", path, IMAGE_FILE_BYTES_MAX);
    if (make_room(buffer, (size_t) st.st_size) < 0)
        return -ENOMEM;
    while (n_done < (size_t) st.st_size && n > 0) {
        n = read(fd, buffer->bytes + n_done, (size_t) st.st_size - n_done);
        if (n < 0)
            return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
        n_done += (size_t) n;
    }
    return (int) n_done;
}

static int decode_png(struct image_file *f, size_t n_bytes, struct frame *ret,
                      struct fault *fault) {
    const png_color black = { 0 };
    png_image png = { .version = PNG_IMAGE_VERSION };
    bool colour;

    if (!png_image_begin_read_from_memory(&png, f->coded.bytes, n_bytes))
        return fault_set(fault, -EBADMSG, "damaged PNG picture: %s", png.message);
    colour = png.format & PNG_FORMAT_FLAG_COLOR;
    png.format = colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    if (png.width > FRAME_SIDE_MAX_PX || png.height > FRAME_SIDE_MAX_PX ||
        (uint64_t) png.width * png.height > JPEG_PIXELS_MAX) {
        png_image_free(&png);
        return fault_set(fault, -ENOTSUP, "PNG picture of %ux%u pixels is not supported", png.width,
                         png.height);
    }
    if (make_room(&f->pixels, PNG_IMAGE_SIZE(png)) < 0) {
        png_image_free(&png);
        return -ENOMEM;
    }
    /* it frees `png`, also when it fails */
    if (!png_image_finish_read(&png, &black, f->pixels.bytes, 0, NULL))
        return fault_set(fault, -EBADMSG, "damaged PNG picture: %s", png.message);
    *ret = (struct frame){ .format = colour ? PIXEL_RGB24 : PIXEL_GREY,
                           .width_px = (int32_t) png.width,
                           .height_px = (int32_t) png.height };
    pixels_lay(ret, f->pixels.bytes, 0);
    return 0;
}

static bool begins_with(const uint8_t *bytes, size_t n_bytes, const uint8_t *prefix,
                        size_t n_prefix) {
    return n_bytes >= n_prefix && memcmp(bytes, prefix, n_prefix) == 0;
}

int image_file_read(struct image_file *f, const char *path, int32_t want_width_px,
                    int32_t want_height_px, struct frame *ret, struct fault *fault) {
    const int n = read_whole(path, &f->coded, fault);
    const uint8_t *const bytes = f->coded.bytes;
    struct fault why = { "" };
    int r;

    if (n < 0)
        return n;
    if (begins_with(bytes, (size_t) n, png_signature, sizeof(png_signature)))
        r = decode_png(f, (size_t) n, ret, &why);
    else if (begins_with(bytes, (size_t) n, jpeg_signature, sizeof(jpeg_signature)))
        r = jpeg_decode(f->jpeg, bytes, (size_t) n, want_width_px, want_height_px, ret, &why);
    else
        r = fault_set(&why, -EBADMSG, n > 0 ? "is neither PNG nor JPEG" : "is empty");
    return r < 0 ? fault_set(fault, r, "%s: %s", path, why.text) : r;
}
