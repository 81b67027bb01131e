/* SPDX-License-Identifier: MIT */
/*
 * Decoding by libjpeg-turbo. Scaling is done in the frequency domain (its
 * libjpeg.txt, "Scaling"): 1/8 takes only each block's mean and is nearly free.
 * Of all eighths only 1, 1/2, 1/4 and 1/8 are used, which have SIMD code. Chroma
 * is repeated, not interpolated, so that it never crosses the edge of a mask.
 */
#include "pipeline/jpeg.h"

#include <assert.h>
#include <errno.h>
#include <setjmp.h>
#include <string.h>

/* jpeglib.h needs the two before it. */
#include <jpeglib.h>

#include <jerror.h>

#include "common/checked.h"
#include "pipeline/pixels.h"

struct jpeg {
    struct jpeg_decompress_struct info; /* its err points at `errors` */
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf broken;
    bool damaged; /* libjpeg warned and went on with guesses */
    char text[JMSG_LENGTH_MAX];
    uint8_t *pixels;
    size_t n_allocated;
};

/* libjpeg must not return from here, and would end the process. */
static void on_error(j_common_ptr info) {
    struct jpeg *jpeg = info->client_data;

    info->err->format_message(info, jpeg->text);
    longjmp(jpeg->broken, 1);
}

static void on_message(j_common_ptr info, int level) {
    struct jpeg *jpeg = info->client_data;
    const int code = info->err->msg_code;

    if (level >= 0 || code == JWRN_EXTRANEOUS_DATA)
        return; /* traces, and bytes between markers that some cameras leave */
    if (!jpeg->damaged)
        info->err->format_message(info, jpeg->text);
    jpeg->damaged = true;
}

/* Small files may ask for thousands of scans over a huge picture. */
static void on_progress(j_common_ptr info) {
    struct jpeg *jpeg = info->client_data;

    if (jpeg->info.input_scan_number > JPEG_SCANS_MAX)
        ERREXIT(info, JERR_BAD_PROGRESSION);
}

/* -ENOMEM is the only way in which libjpeg fails here. */
static int create(struct jpeg *jpeg) {
    jpeg->info.err = jpeg_std_error(&jpeg->errors);
    jpeg->errors.error_exit = on_error;
    jpeg->errors.emit_message = on_message;
    jpeg->info.client_data = jpeg; /* kept by jpeg_create_decompress() */
    if (setjmp(jpeg->broken))
        return -ENOMEM;
    jpeg_create_decompress(&jpeg->info);
    jpeg->progress.progress_monitor = on_progress;
    jpeg->info.progress = &jpeg->progress;
    jpeg->info.mem->max_memory_to_use = JPEG_WORK_BYTES_MAX;
    return 0;
}

int jpeg_new(struct jpeg **ret) {
    _cleanup_(jpeg_freep) struct jpeg *jpeg = calloc(1, sizeof(*jpeg));
    int r;

    assert(ret);

    if (!jpeg)
        return -ENOMEM;
    r = create(jpeg);
    if (r < 0)
        return r;
    *ret = jpeg;
    jpeg = NULL;
    return 0;
}

struct jpeg *jpeg_free(struct jpeg *jpeg) {
    if (!jpeg)
        return NULL;
    if (jpeg->info.mem)
        jpeg_destroy_decompress(&jpeg->info);
    free(jpeg->pixels);
    free(jpeg);
    return NULL;
}

/* 8, 4, 2 or 1: the most that leaves both sides at least as long as wanted. */
static unsigned scale_down(const struct jpeg_decompress_struct *info, int32_t want_width_px,
                           int32_t want_height_px) {
    unsigned down = 8;

    if (want_width_px <= 0 && want_height_px <= 0)
        return 1;
    while (down > 1 && ((int64_t) info->image_width < (int64_t) want_width_px * down ||
                        (int64_t) info->image_height < (int64_t) want_height_px * down))
        down /= 2;
    return down;
}

static int make_room(struct jpeg *jpeg, size_t n_bytes) {
    uint8_t *pixels;

    if (n_bytes <= jpeg->n_allocated)
        return 0;
    pixels = realloc(jpeg->pixels, n_bytes);
    if (!pixels)
        return -ENOMEM;
    jpeg->pixels = pixels;
    jpeg->n_allocated = n_bytes;
    return 0;
}

/* Header read: refuse what is too large, choose scale and colours, make room. */
static int prepare(struct jpeg *jpeg, int32_t want_width_px, int32_t want_height_px,
                   struct frame *frame) {
    struct jpeg_decompress_struct *info = &jpeg->info;

    if (info->image_width > FRAME_SIDE_MAX_PX || info->image_height > FRAME_SIDE_MAX_PX ||
        (uint64_t) info->image_width * info->image_height > JPEG_PIXELS_MAX ||
        info->num_components > 3)
        return -ENOTSUP;
    info->scale_num = 1;
    info->scale_denom = scale_down(info, want_width_px, want_height_px);
    info->out_color_space = info->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
    info->do_fancy_upsampling = FALSE;
    info->dct_method = JDCT_ISLOW; /* the same pixels with and without SIMD */
    jpeg_calc_output_dimensions(info);
    frame->format = info->num_components == 1 ? PIXEL_GREY : PIXEL_RGB24;
    frame->width_px = (int32_t) info->output_width;
    frame->height_px = (int32_t) info->output_height;
    return make_room(jpeg, pixels_bytes(frame->format, frame->width_px, frame->height_px));
}

static void read_rows(struct jpeg *jpeg, size_t stride_bytes) {
    struct jpeg_decompress_struct *info = &jpeg->info;

    (void) jpeg_start_decompress(info); /* a memory source is never suspended */
    while (info->output_scanline < info->output_height) {
        JSAMPROW row = jpeg->pixels + info->output_scanline * stride_bytes;

        (void) jpeg_read_scanlines(info, &row, 1); /* as above: always one row */
    }
    (void) jpeg_finish_decompress(info);
}

/* What libjpeg does may leave through longjmp; nothing here owns anything meanwhile. */
static int decode(struct jpeg *jpeg, const uint8_t *data, size_t n_bytes, int32_t want_width_px,
                  int32_t want_height_px, struct frame *frame) {
    int r;

    if (setjmp(jpeg->broken))
        return jpeg->errors.msg_code == JERR_OUT_OF_MEMORY ? -ENOMEM : -EBADMSG;
    jpeg_mem_src(&jpeg->info, data, n_bytes);
    (void) jpeg_read_header(&jpeg->info, TRUE); /* TRUE: an error unless there is a picture */
    r = prepare(jpeg, want_width_px, want_height_px, frame);
    if (r < 0)
        return r;
    pixels_lay(frame, jpeg->pixels, 0);
    read_rows(jpeg, frame->stride_bytes[0]);
    return jpeg->damaged ? -EBADMSG : 0;
}

int jpeg_decode(struct jpeg *jpeg, const uint8_t *data, size_t n_bytes, int32_t want_width_px,
                int32_t want_height_px, struct frame *ret, struct fault *fault) {
    struct frame frame = { 0 };
    int r;

    if (n_bytes == 0)
        return fault_set(fault, -EBADMSG, "empty JPEG picture");
    jpeg->damaged = false;
    r = decode(jpeg, data, n_bytes, want_width_px, want_height_px, &frame);
    jpeg_abort_decompress(&jpeg->info); /* ready for the next one, whatever happened */
    if (r == -EBADMSG)
        return fault_set(fault, r, "damaged JPEG picture: %s", jpeg->text);
    if (r == -ENOTSUP)
        return fault_set(fault, r, "JPEG picture of %ux%u pixels and %d colours is not supported",
                         jpeg->info.image_width, jpeg->info.image_height,
                         jpeg->info.num_components);
    if (r < 0)
        return r;
    *ret = frame;
    return 0;
}
