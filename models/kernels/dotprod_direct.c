/* SPDX-License-Identifier: MIT */
/*
 * Convolutions with a filter 3 columns wide, with SDOT, on the image as it lies: what 4 pixels of
 * a row see is loaded once for all three columns, and what lies outside is not multiplied at all:
 * the sums begin with what zero points there would have added.
 *
 * Packed are, for 16 columns of the product, what zero points under each row of the filter add,
 * under its left taps, and under its right taps, int32 [3][filter_h][16]; then the weights, in
 * fours as dotprod.h says: [filter_h][in_channels / 16][3 taps][4 fours].
 */
#include "models/kernels/dotprod.h"

enum {
    WIDE = 3,   /* columns of the filter */
    PIXELS = 4, /* of a tile, times 4 vectors of sums */
    STRIDE_MOST = 2,
    SEEN_MOST = (PIXELS - 1) * STRIDE_MOST + WIDE, /* columns of the image under a tile */
    FOURS = BLOCK / FOUR,
};

/* Of 16 columns. */
static size_t outside_bytes(const struct conv_size *size) {
    return (size_t) size->window.filter_h * 3 * BLOCK * sizeof(int32_t);
}

static size_t weights_bytes(const struct conv_size *size, bool int4) {
    return (size_t) size->window.filter_h * WIDE * size->in_channels * BLOCK / (int4 ? 2 : 1);
}

/* Columns that the window reaches over the right edge. */
static int64_t over(const struct window *w) {
    return (int64_t) (w->out_w - 1) * w->stride_w + WIDE - w->pad_left - w->in_w;
}

bool dotprod_direct_takes(const struct conv_size *size) {
    const struct window *w = &size->window;

    return w->filter_w == WIDE && w->dilation_w == 1 && w->stride_w <= STRIDE_MOST &&
           w->out_w > PIXELS && w->pad_left >= 0 && w->pad_left <= 1 && over(w) <= 1 &&
           size->in_channels % BLOCK == 0 && size->out_channels % BLOCK == 0 &&
           weights_bytes(size, false) <= UNPACKED_BYTES;
}

size_t dotprod_direct_packed_bytes(const struct conv_size *size, bool int4) {
    return size->out_channels / BLOCK * (outside_bytes(size) + weights_bytes(size, int4));
}

void dotprod_direct_pack(void *packed, const int8_t *weight, const struct conv_size *size,
                         bool int4) {
    const size_t rows = (size_t) size->window.filter_h, channels = size->in_channels;
    const size_t bytes = outside_bytes(size) + weights_bytes(size, int4);

    for (size_t c = 0; c < size->out_channels; c++) {
        uint8_t *block = (uint8_t *) packed + c / BLOCK * bytes;
        int32_t *outside = (void *) block;

        block += outside_bytes(size);
        if (c % BLOCK == 0)
            dotprod_clear(block, weights_bytes(size, int4), int4);
        for (size_t ky = 0; ky < rows; ky++)
            for (size_t kx = 0; kx < WIDE; kx++)
                for (size_t d = 0; d < channels; d++, weight++) {
                    const size_t sixteen = ky * (channels / BLOCK) + d / BLOCK;
                    const size_t four = (sixteen * WIDE + kx) * FOURS + d % BLOCK / FOUR;
                    const int32_t zero = *weight * size->in_zero_point;

                    outside[ky * BLOCK + c % BLOCK] += zero;
                    if (kx != 1)
                        outside[(kx / 2 + 1) * rows * BLOCK + ky * BLOCK + c % BLOCK] += zero;
                    dotprod_put(block + four * dotprod_four_bytes(BLOCK, int4), c % BLOCK, BLOCK,
                                d % FOUR, *weight, int4);
                }
    }
}

/* What is the same for all rows of output of a block of columns. */
struct work {
    size_t in_channels, cols; /* cols: of the whole output */
    size_t width;             /* pixels of a row of output */
    size_t line;              /* bytes of the image from filter row to filter row */
    bool left, right;         /* does the filter reach over the edge? */
    const struct requant *rq;
    struct columns columns;
    enum ending ending;
    const int32_t *outside;
    const int8_t *weights;
};

/* What the sums of a row of output begin with: of its first and last pixel, and of all others. */
struct begin {
    int32_t first[BLOCK], middle[BLOCK], last[BLOCK];
};

/* For the output rows for which the filter rows @inside are. */
static void begin_rows(struct begin *begin, const struct work *work, int64_t filter_h,
                       struct taps inside) {
    const int32_t *above = work->outside; /* what all taps of a row add */
    const int32_t *left = above + filter_h * BLOCK, *right = left + filter_h * BLOCK;
    int32x4_t first[VECTORS], middle[VECTORS], last[VECTORS];

    UNROLL
    for (size_t v = 0; v < VECTORS; v++) {
        middle[v] = vld1q_s32(work->columns.bias + v * LANES);
        first[v] = last[v] = vdupq_n_s32(0);
    }
    for (int64_t ky = 0; ky < filter_h; ky++, above += BLOCK, left += BLOCK, right += BLOCK) {
        const bool is_inside = ky >= inside.first && ky < inside.last;

        UNROLL
        for (size_t v = 0; v < VECTORS; v++)
            if (is_inside) {
                first[v] = vaddq_s32(first[v], vld1q_s32(left + v * LANES));
                last[v] = vaddq_s32(last[v], vld1q_s32(right + v * LANES));
            } else {
                middle[v] = vaddq_s32(middle[v], vld1q_s32(above + v * LANES));
            }
    }
    UNROLL
    for (size_t v = 0; v < VECTORS; v++) {
        vst1q_s32(begin->first + v * LANES, vaddq_s32(first[v], middle[v]));
        vst1q_s32(begin->middle + v * LANES, middle[v]);
        vst1q_s32(begin->last + v * LANES, vaddq_s32(last[v], middle[v]));
    }
}

/*
 * Add what @n rows of the filter see; @left, @right: but the first, but the last column.
 * @in    the first pixel that is seen
 * @line  bytes from row to row
 */
INLINE void add_rows(int32x4_t (*sums)[VECTORS], const int8_t *in, const int8_t *weights, size_t n,
                     size_t line, size_t channels, size_t stride, bool left, bool right) {
    const size_t seen = (PIXELS - 1) * stride + WIDE - right;
    int8x16_t w[VECTORS], x[SEEN_MOST];

    for (; n > 0; n--, in += line) {
        const int8_t *a = in;
        size_t sixteens = channels / BLOCK;

        do { /* there are some */
            UNROLL
            for (size_t i = left; i < seen; i++)
                x[i] = vld1q_s8(a + (i - left) * channels);
            UNROLL
            for (size_t kx = 0; kx < WIDE; kx++)
                UNROLL
            for (size_t four = 0; four < FOURS; four++) {
                weights = dotprod_load(w, weights, VECTORS, false);
                UNROLL
                for (size_t i = kx; i < PIXELS * stride + kx; i += stride)
                    UNROLL
                for (size_t v = 0; v < VECTORS; v++)
                    if (i >= left && i < seen)
                        dotprod_dot(&sums[(i - kx) / stride][v], w[v], x[i], four);
            }
            a += BLOCK;
        } while (--sixteens > 0);
    }
}

/* Rows of the filter that are inside, their weights, and what they see. */
struct seen {
    size_t n;
    const int8_t *weights, *in;
    struct begin begin;
};

/*
 * 4 pixels of output.
 * @in            the first pixel that they see and that is inside
 * @left, @right  is the first, is the last column that they see outside?
 */
INLINE void tile(int8_t *out, const int8_t *in, const struct work *work, const struct seen *seen,
                 size_t stride, bool left, bool right) {
    const struct begin *begin = &seen->begin;
    int32x4_t sums[PIXELS][VECTORS];

    UNROLL
    for (size_t p = 0; p < PIXELS; p++) {
        const int32_t *from = left && p == 0             ? begin->first
                              : right && p == PIXELS - 1 ? begin->last
                                                         : begin->middle;

        __asm__ volatile("" : "+r"(from)); /* loads, two at a time, are fewer than copies */
        UNROLL
        for (size_t v = 0; v < VECTORS; v++)
            sums[p][v] = vld1q_s32(from + v * LANES);
    }
    add_rows(sums, in, seen->weights, seen->n, work->line, work->in_channels, stride, left, right);
    neon_finish_whole(out, work->cols, sums, PIXELS, VECTORS, &work->columns, work->rq,
                      work->ending);
}

/* A row of output, in tiles; the last one may overlap the one before. */
INLINE void row(int8_t *out, const struct work *work, const struct seen *seen, size_t stride) {
    const size_t out_step = PIXELS * work->cols, in_step = PIXELS * stride * work->in_channels;
    const size_t last = work->width - PIXELS;
    const int8_t *in = seen->in;
    size_t x = 0;

    if (work->left) {
        tile(out, in, work, seen, stride, true, false);
        x = PIXELS;
        out += out_step;
        in += in_step - work->in_channels;
    }
    for (; x < last || !work->right; x += PIXELS, out += out_step, in += in_step) {
        if (x > last) {
            out -= (x - last) * work->cols;
            in -= (x - last) * stride * work->in_channels;
        }
        tile(out, in, work, seen, stride, false, false);
        if (x >= last)
            return;
    }
    out -= (x - last) * work->cols;
    in -= (x - last) * stride * work->in_channels;
    tile(out, in, work, seen, stride, false, true);
}

/* A block of columns of the output. */
INLINE void columns(int8_t *out, const int8_t *in, const struct work *shared,
                    const struct window *w, size_t stride) {
    const struct requant rq = *shared->rq; /* out of reach of what is stored, as work is */
    struct work work = *shared;
    struct taps before = { 0, -1 };
    struct seen seen;

    work.rq = &rq;
    for (int64_t y = 0; y < w->out_h; y++, out += work.width * work.cols) {
        const struct taps inside = window_rows(w, y);
        const int64_t top = y * w->stride_h - w->pad_top + inside.first * w->dilation_h;

        if (inside.first != before.first || inside.last != before.last)
            begin_rows(&seen.begin, &work, w->filter_h, inside);
        before = inside;
        seen.n = inside.last > inside.first ? (size_t) (inside.last - inside.first) : 0;
        seen.weights = work.weights + (size_t) inside.first * WIDE * work.in_channels * BLOCK;
        seen.in = in + (seen.n > 0 ? (size_t) (top * w->in_w) * work.in_channels : 0);
        row(out, &work, &seen, stride);
    }
}

void dotprod_direct_run(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                        const struct requant *rq, const struct conv_size *size, bool int4) {
    const struct window *w = &size->window;
    const size_t bytes = weights_bytes(size, false), cols = size->out_channels;
    const uint8_t *block = packed;
    int8_t unpacked[UNPACKED_BYTES];
    struct work work = {
        .in_channels = size->in_channels,
        .cols = cols,
        .width = (size_t) w->out_w,
        .line = (size_t) w->in_w * (size_t) w->dilation_h * size->in_channels,
        .left = w->pad_left > 0,
        .right = over(w) > 0,
        .rq = rq,
        .ending = neon_ending(rq, bias, cols, bytes / BLOCK << 14, true),
    };

    for (size_t c = 0; c < cols; c += BLOCK) {
        work.outside = (const void *) block;
        work.weights = (const void *) (block + outside_bytes(size));
        if (int4) {
            dotprod_unpack(unpacked, work.weights, bytes / (VECTORS * BLOCK), VECTORS);
            work.weights = unpacked;
        }
        work.columns = (struct columns){ bias + c, rq->multiplier + c, rq->shift + c, BLOCK };
        if (w->stride_w == 1)
            columns(out + c, in, &work, w, 1);
        else
            columns(out + c, in, &work, w, 2);
        block += outside_bytes(size) + weights_bytes(size, int4);
    }
}
