/* SPDX-License-Identifier: MIT */
/*
 * Depthwise convolutions with NEON, 16 channels at a time. What some rows of output see is copied
 * into a part of its own, 16 bytes for each column, with what lies outside put around it; so no
 * pixel is a special one, and weights and factors stay in registers. Two taps' products fit into an
 * int16 (SMULL, SMLAL), unless both weights are -128: then the C row does the layer.
 */
#include "models/kernels/neon.h"

enum {
    TAPS_MAX = 128,       /* the C row does larger filters */
    PART_BYTES = 1 << 14, /* bounds how many pixels of output run in one go */
    HEADER_BYTES = 16,
    PAIR_CHANNELS = BLOCK / 2, /* then a vector holds two columns */
};

/* Begins the packed weights; then sums int32 [channels, whole blocks], then [blocks][taps][16]. */
struct header {
    int32_t plain; /* packed as for the C row, behind the header */
};

static size_t sums_bytes(size_t channels) {
    return parts(channels, BLOCK) * BLOCK * sizeof(int32_t);
}

static size_t tap_bytes(bool int4) {
    return int4 ? BLOCK / 2 : BLOCK;
}

static size_t packed_bytes(size_t taps, size_t channels, bool int4) {
    const size_t plain = (int4 ? &c_depthwise_s4 : &c_depthwise_s8)->packed_bytes(taps, channels);
    const size_t blocks = sums_bytes(channels) + parts(channels, BLOCK) * taps * tap_bytes(int4);

    return HEADER_BYTES + (taps > TAPS_MAX || plain > blocks ? plain : blocks);
}

static size_t bytes_s8(size_t taps, size_t channels) {
    return packed_bytes(taps, channels, false);
}

static size_t bytes_s4(size_t taps, size_t channels) {
    return packed_bytes(taps, channels, true);
}

/* May the taps run in pairs? */
static bool pairs_fit(const int8_t *weight, size_t taps, size_t channels) {
    for (size_t tap = 0; tap + 1 < taps; tap += 2)
        for (size_t c = 0; c < channels; c++)
            if (weight[tap * channels + c] == INT8_MIN &&
                weight[(tap + 1) * channels + c] == INT8_MIN)
                return false;
    return true;
}

static void pack(void *packed, const int8_t *weight, size_t taps, size_t channels, bool int4) {
    const struct header header = { taps > TAPS_MAX || !pairs_fit(weight, taps, channels) };
    uint8_t *out = (uint8_t *) packed + HEADER_BYTES, *blocks = out + sums_bytes(channels);

    (void) memcpy(packed, &header, sizeof(header));
    if (header.plain) {
        (int4 ? &c_depthwise_s4 : &c_depthwise_s8)->pack(out, weight, taps, channels);
        return;
    }
    for (size_t c = 0; c < channels; c++) {
        uint8_t *column = blocks + c / BLOCK * taps * tap_bytes(int4);
        int32_t sum = 0;

        for (size_t tap = 0; tap < taps; tap++) {
            const int8_t w = weight[tap * channels + c];

            sum += w;
            if (int4)
                column[tap * tap_bytes(true) + c % 8] |=
                    (uint8_t) ((w & 15) << (c % BLOCK / 8 * 4));
            else
                column[tap * tap_bytes(false) + c % BLOCK] = (uint8_t) w;
        }
        (void) memcpy(out + c * sizeof(sum), &sum, sizeof(sum));
    }
}

static void pack_s8(void *packed, const int8_t *weight, size_t taps, size_t channels) {
    pack(packed, weight, taps, channels, false);
}

static void pack_s4(void *packed, const int8_t *weight, size_t taps, size_t channels) {
    pack(packed, weight, taps, channels, true);
}

/* Up to 16 channels of one layer, or 8 of two columns each. */
struct block {
    const struct depthwise_size *size;
    const struct requant *rq;
    enum ending ending;
    size_t first, n;  /* channels */
    bool pair, three; /* 3 x 3, for run_3x3() */
    size_t n_taps;
    int8_t weights[TAPS_MAX][BLOCK];
    struct some_columns columns; /* the input's zero point folded into the bias */
};

static void read_weights(struct block *b, const uint8_t *blocks, bool int4) {
    const uint8_t *at = blocks + b->first / BLOCK * b->n_taps * tap_bytes(int4);

    for (size_t tap = 0; tap < b->n_taps; tap++, at += tap_bytes(int4)) {
        int8x16_t w;

        if (int4) {
            const int8x8_t both = vreinterpret_s8_u8(vld1_u8(at));

            w = vcombine_s8(vshr_n_s8(vshl_n_s8(both, 4), 4), vshr_n_s8(both, 4));
        } else {
            w = vreinterpretq_s8_u8(vld1q_u8(at));
        }
        vst1q_s8(b->weights[tap], b->pair ? vcombine_s8(vget_low_s8(w), vget_low_s8(w)) : w);
    }
}

/* The zero point's share of a bias is at most 2^22. */
static void read_columns(struct block *b, const uint8_t *sums, const int32_t *bias) {
    const size_t bytes = b->n * sizeof(int32_t);
    int32_t sum[BLOCK];

    if (b->n < BLOCK)
        (void) memset(&b->columns, 0, sizeof(b->columns));
    (void) memcpy(sum, sums + b->first * sizeof(*sum), sizeof(sum));
    (void) memcpy(b->columns.bias, bias + b->first, bytes);
    (void) memcpy(b->columns.multiplier, b->rq->multiplier + b->first, bytes);
    (void) memcpy(b->columns.shift, b->rq->shift + b->first, bytes);
    for (size_t v = 0; v < BLOCK; v += LANES)
        vst1q_s32(b->columns.bias + v, vmlsq_n_s32(vld1q_s32(b->columns.bias + v),
                                                   vld1q_s32(sum + v), b->size->in_zero_point));
    if (!b->pair)
        return;
    (void) memcpy(b->columns.bias + PAIR_CHANNELS, b->columns.bias, bytes);
    (void) memcpy(b->columns.multiplier + PAIR_CHANNELS, b->columns.multiplier, bytes);
    (void) memcpy(b->columns.shift + PAIR_CHANNELS, b->columns.shift, bytes);
}

/* The block's channels of one pixel. */
static void copy_pixel(int8_t *out, const int8_t *in, const struct block *b) {
    const size_t multiplier = b->size->multiplier;

    for (size_t i = 0; i < b->n; i++)
        out[i] = in[(b->first + i) / multiplier];
}

/* Which part of the output runs in one go, and the copy of what it sees. */
struct part {
    int64_t x, y, n, lines; /* columns and rows of output */
    int64_t columns, rows;  /* of input */
    size_t pitch;           /* bytes of a column */
    int8_t *bytes;
};

/* @n pixels of input. */
static void copy_row(int8_t *out, const int8_t *in, size_t n, const struct block *b) {
    const size_t channels = b->size->channels / b->size->multiplier;

    if (b->pair) {
        (void) memcpy(out, in, n * PAIR_CHANNELS);
    } else if (b->n == BLOCK && b->size->multiplier == 1) {
        size_t i = 0;

        in += b->first;
        for (; i + 4 <= n; i += 4, in += 4 * channels, out += 4 * BLOCK) {
            const int8x16_t x[] = { vld1q_s8(in), vld1q_s8(in + channels),
                                    vld1q_s8(in + 2 * channels), vld1q_s8(in + 3 * channels) };

            UNROLL
            for (size_t k = 0; k < 4; k++)
                vst1q_s8(out + k * BLOCK, x[k]);
        }
        for (; i < n; i++, in += channels, out += BLOCK)
            vst1q_s8(out, vld1q_s8(in));
    } else {
        for (size_t i = 0; i < n; i++)
            copy_pixel(out + i * BLOCK, in + i * channels, b);
    }
}

static void fill_part(const struct part *part, const int8_t *in, const struct block *b) {
    const struct window *w = &b->size->window;
    const size_t row_bytes = (size_t) w->in_w * (b->size->channels / b->size->multiplier);
    const size_t columns = (size_t) part->columns;
    const int64_t left = part->x * w->stride_w - w->pad_left;
    const int64_t top = part->y * w->stride_h - w->pad_top;
    const size_t before = least(left < 0 ? (size_t) -left : 0, columns);
    const int64_t start = left > 0 ? left : 0, room = w->in_w - start;
    const size_t n = room > 0 ? least((size_t) room, columns - before) : 0;
    const int64_t first = top < 0 ? -top : 0;
    const int64_t end = w->in_h - top < part->rows ? w->in_h - top : part->rows;

    (void) memset(part->bytes, b->size->in_zero_point,
                  (size_t) (part->rows * part->columns) * part->pitch);
    in += (size_t) start * (b->size->channels / b->size->multiplier);
    for (int64_t i = first; i < end; i++)
        copy_row(part->bytes + ((size_t) i * columns + before) * part->pitch,
                 in + (size_t) (top + i) * row_bytes, n, b);
}

INLINE void add_products(int32x4_t *sums, int16x8_t low, int16x8_t high) {
    sums[0] = vaddw_s16(sums[0], vget_low_s16(low));
    sums[1] = vaddw_high_s16(sums[1], low);
    sums[2] = vaddw_s16(sums[2], vget_low_s16(high));
    sums[3] = vaddw_high_s16(sums[3], high);
}

INLINE void add_pair(int32x4_t *sums, int8x16_t x0, int8x16_t w0, int8x16_t x1, int8x16_t w1) {
    const int16x8_t low = vmull_s8(vget_low_s8(x0), vget_low_s8(w0));
    const int16x8_t high = vmull_high_s8(x0, w0);

    add_products(sums, vmlal_s8(low, vget_low_s8(x1), vget_low_s8(w1)),
                 vmlal_high_s8(high, x1, w1));
}

INLINE void add_one(int32x4_t *sums, int8x16_t x, int8x16_t w) {
    add_products(sums, vmull_s8(vget_low_s8(x), vget_low_s8(w)), vmull_high_s8(x, w));
}

/* Pixels of output: some lines of some, and how they follow each other in the output and the part.
 */
struct pixels {
    size_t lines, n;
    size_t step, line_step;
    size_t in_step, in_line_step;
};

/* The three taps of a filter row, @column bytes from one to the next. */
INLINE void load_three(int8x16_t *x, const int8_t *row, size_t column) {
    if (column == BLOCK) {
        const int8x16x3_t all = vld1q_s8_x3(row);

        UNROLL
        for (size_t i = 0; i < 3; i++)
            x[i] = all.val[i];
    } else {
        UNROLL
        for (size_t i = 0; i < 3; i++)
            x[i] = vld1q_s8(row + i * column);
    }
}

/* Filters of 3 x 3, @column bytes between two taps: all that does not change is in registers. */
INLINE void run_3x3(int8_t *out, const int8_t *const *rows, const struct pixels *pixels,
                    const struct block *b, size_t column, enum ending ending) {
    const struct requant limits = { .zero_point = b->rq->zero_point,
                                    .min = b->rq->min,
                                    .max = b->rq->max };
    const size_t step = pixels->step, in_step = pixels->in_step;
    int32x4_t bias[4], multiplier[4], shift[4];
    int8x16_t w[9];

    UNROLL
    for (size_t v = 0; v < 4; v++) {
        bias[v] = vld1q_s32(b->columns.bias + v * LANES);
        multiplier[v] = vld1q_s32(b->columns.multiplier + v * LANES);
        shift[v] = vld1q_s32(b->columns.shift + v * LANES);
    }
    UNROLL
    for (size_t tap = 0; tap < 9; tap++)
        w[tap] = vld1q_s8(b->weights[tap]);
    for (size_t line = 0; line < pixels->lines; line++) {
        const int8_t *r0 = rows[0] + line * pixels->in_line_step;
        const int8_t *r1 = rows[1] + line * pixels->in_line_step;
        const int8_t *r2 = rows[2] + line * pixels->in_line_step;
        int8_t *to = out + line * pixels->line_step;

        for (size_t i = pixels->n; i > 0; i--) {
            int32x4_t sums[4] = { bias[0], bias[1], bias[2], bias[3] };
            int16x8_t low, high;
            int8x16_t x[3];

            UNROLL
            for (size_t tap = 0; tap < 9; tap++)
                __asm__("" : "+w"(w[tap])); /* else their halves take registers of their own */
            load_three(x, r0, column);
            add_pair(sums, x[0], w[0], x[1], w[1]);
            low = vmull_s8(vget_low_s8(x[2]), vget_low_s8(w[2]));
            high = vmull_high_s8(x[2], w[2]);
            load_three(x, r1, column);
            add_products(sums, vmlal_s8(low, vget_low_s8(x[0]), vget_low_s8(w[3])),
                         vmlal_high_s8(high, x[0], w[3]));
            add_pair(sums, x[1], w[4], x[2], w[5]);
            load_three(x, r2, column);
            add_pair(sums, x[0], w[6], x[1], w[7]);
            add_one(sums, x[2], w[8]);
            UNROLL
            for (size_t v = 0; v < 4; v++)
                sums[v] = neon_scale(sums[v], multiplier[v], shift[v], limits.zero_point, ending);
            vst1q_s8(to, neon_narrow(sums, 4, &limits, ending));
            to += step;
            r0 += in_step;
            r1 += in_step;
            r2 += in_step;
        }
    }
}

/* Any filter: one pixel, at @at behind @taps. */
INLINE void run_taps(int8_t *out, const int8_t *const *taps, size_t at, const struct block *b) {
    const struct columns columns = { b->columns.bias, b->columns.multiplier, b->columns.shift,
                                     BLOCK };
    int32x4_t sums[1][4];
    size_t tap = 0;

    UNROLL
    for (size_t v = 0; v < 4; v++)
        sums[0][v] = vld1q_s32(b->columns.bias + v * LANES);
    for (; tap + 1 < b->n_taps; tap += 2)
        add_pair(sums[0], vld1q_s8(taps[tap] + at), vld1q_s8(b->weights[tap]),
                 vld1q_s8(taps[tap + 1] + at), vld1q_s8(b->weights[tap + 1]));
    if (tap < b->n_taps)
        add_one(sums[0], vld1q_s8(taps[tap] + at), vld1q_s8(b->weights[tap]));
    neon_finish(out, 0, sums, 1, 4, &columns, b->rq, b->ending);
}

/* Whole vectors of output. */
static void run_pixels(int8_t *out, const int8_t *const *taps, const struct pixels *pixels,
                       const struct block *b) {
    if (!b->three)
        for (size_t line = 0; line < pixels->lines; line++)
            for (size_t i = 0; i < pixels->n; i++)
                run_taps(out + line * pixels->line_step + i * pixels->step, taps,
                         line * pixels->in_line_step + i * pixels->in_step, b);
    else if (b->ending != ENDING_RELU && b->pair)
        run_3x3(out, taps, pixels, b, PAIR_CHANNELS, ENDING_RIGHT);
    else if (b->ending != ENDING_RELU)
        run_3x3(out, taps, pixels, b, BLOCK, ENDING_RIGHT);
    else if (b->pair)
        run_3x3(out, taps, pixels, b, PAIR_CHANNELS, ENDING_RELU);
    else
        run_3x3(out, taps, pixels, b, BLOCK, ENDING_RELU);
}

/* Where the taps of the part's first pixel lie; by rows for run_3x3(). */
static void place(const int8_t **taps, const struct part *part, const struct block *b) {
    const struct window *w = &b->size->window;

    for (int64_t ky = 0; ky < w->filter_h; ky++)
        for (int64_t kx = 0; kx < (b->three ? 1 : w->filter_w); kx++)
            *taps++ =
                part->bytes +
                (size_t) (ky * w->dilation_h * part->columns + kx * w->dilation_w) * part->pitch;
}

/* The last vectors of the part's lines, where they are a part of one: from column @first on. */
static void run_rest(int8_t *out, const int8_t **taps, const struct part *part,
                     const struct pixels *pixels, size_t first, const struct block *b) {
    const size_t width = b->pair ? 2 : 1, n_taps = b->three ? 3 : b->n_taps;
    const struct pixels one = { .lines = 1, .n = 1 };
    int8_t some[BLOCK];

    for (size_t line = 0; line < (size_t) part->lines; line++)
        for (size_t i = first; i * width < (size_t) part->n; i++) {
            const int8_t *at[TAPS_MAX];

            for (size_t tap = 0; tap < n_taps; tap++)
                at[tap] = taps[tap] + line * pixels->in_line_step + i * pixels->in_step;
            run_pixels(some, at, &one, b);
            (void) memcpy(out + line * pixels->line_step + i * pixels->step, some, b->n);
        }
}

static void run_part(int8_t *out, const int8_t *in, const struct part *part,
                     const struct block *b) {
    const struct window *w = &b->size->window;
    const size_t channels = b->size->channels, width = b->pair ? 2 : 1;
    const size_t whole = b->pair || b->n == BLOCK ? (size_t) part->n / width : 0;
    const struct pixels pixels = {
        .lines = (size_t) part->lines,
        .n = whole,
        .step = width * channels,
        .line_step = (size_t) w->out_w * channels,
        .in_step = b->pair ? BLOCK : (size_t) w->stride_w * BLOCK,
        .in_line_step = (size_t) (w->stride_h * part->columns) * part->pitch,
    };
    const int8_t *taps[TAPS_MAX];

    out += (size_t) (part->y * w->out_w + part->x) * channels + b->first;
    fill_part(part, in, b);
    place(taps, part, b);
    run_pixels(out, taps, &pixels, b);
    if (whole * width < (size_t) part->n)
        run_rest(out, taps, part, &pixels, whole, b);
}

/* Each pixel by itself, where the taps lie far from each other. */
static void run_far(int8_t *out, const int8_t *in, const struct block *b) {
    const struct window *w = &b->size->window;
    const size_t channels = b->size->channels / b->size->multiplier;
    int8_t seen[TAPS_MAX][BLOCK];
    const int8_t *taps[TAPS_MAX];
    int8_t some[BLOCK];

    for (int64_t y = 0; y < w->out_h; y++)
        for (int64_t x = 0; x < w->out_w; x++) {
            const struct taps rows = window_rows(w, y), columns = window_columns(w, x);
            size_t tap = 0;

            (void) memset(seen, b->size->in_zero_point, sizeof(seen));
            for (int64_t ky = 0; ky < w->filter_h; ky++)
                for (int64_t kx = 0; kx < w->filter_w; kx++, tap++) {
                    taps[tap] = seen[tap];
                    if (ky >= rows.first && ky < rows.last && kx >= columns.first &&
                        kx < columns.last)
                        copy_pixel(seen[tap], in + window_pixel(w, y, x, ky, kx) * channels, b);
                }
            run_taps(some, taps, 0, b);
            (void) memcpy(out + (size_t) (y * w->out_w + x) * b->size->channels + b->first, some,
                          b->n);
        }
}

/* Make the part @n columns by @lines rows of output; does it fit? */
static bool part_fits(struct part *part, const struct block *b, int64_t n, int64_t lines) {
    const struct window *w = &b->size->window;

    part->n = n;
    part->lines = lines;
    part->columns = (n - 1) * w->stride_w + (int64_t) (w->filter_w - 1) * w->dilation_w + 1;
    part->columns += b->pair; /* a vector has two */
    part->rows = (lines - 1) * w->stride_h + (int64_t) (w->filter_h - 1) * w->dilation_h + 1;
    return part->columns <= PART_BYTES && part->rows <= PART_BYTES &&
           part->columns * part->rows * (int64_t) part->pitch <= PART_BYTES;
}

static void run_block(int8_t *out, const int8_t *in, const struct block *b) {
    const struct window *w = &b->size->window;
    int8_t bytes[PART_BYTES + BLOCK];
    struct part part = { .pitch = b->pair ? PAIR_CHANNELS : BLOCK, .bytes = bytes };
    int64_t n = w->out_w, lines = w->out_h;

    while (lines > 1 && !part_fits(&part, b, n, lines))
        lines = (lines + 1) / 2;
    while (n > 1 && !part_fits(&part, b, n, lines))
        n = (n + 1) / 2;
    if (!part_fits(&part, b, n, lines)) {
        run_far(out, in, b);
        return;
    }
    for (part.y = 0; part.y < w->out_h; part.y += lines)
        for (part.x = 0; part.x < w->out_w; part.x += n) {
            (void) part_fits(&part, b, n < w->out_w - part.x ? n : w->out_w - part.x,
                             lines < w->out_h - part.y ? lines : w->out_h - part.y);
            run_part(out, in, &part, b);
        }
}

static void run(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                const struct requant *rq, const struct depthwise_size *size, bool int4) {
    const struct window *w = &size->window;
    const size_t taps = (size_t) w->filter_h * (size_t) w->filter_w, channels = size->channels;
    const uint8_t *sums = (const uint8_t *) packed + HEADER_BYTES;
    struct block block = {
        .size = size,
        .rq = rq,
        .n_taps = taps,
        .pair = channels == PAIR_CHANNELS && size->multiplier == 1 && w->stride_w == 1,
    };
    struct header header;

    (void) memcpy(&header, packed, sizeof(header));
    if (header.plain) {
        (int4 ? &c_depthwise_s4 : &c_depthwise_s8)->run(out, in, sums, bias, rq, size);
        return;
    }
    block.ending = neon_ending(rq, bias, channels, taps << 15, true);
    block.three =
        w->filter_h == 3 && w->filter_w == 3 && w->dilation_w == 1 && block.ending != ENDING_ANY;
    for (size_t c = 0; c < channels; c += BLOCK) {
        block.first = c;
        block.n = least(channels - c, BLOCK);
        read_weights(&block, sums + sums_bytes(channels), int4);
        read_columns(&block, sums, bias);
        run_block(out, in, &block);
    }
}

static void run_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, const struct depthwise_size *size) {
    run(out, in, packed, bias, rq, size, false);
}

static void run_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, const struct depthwise_size *size) {
    run(out, in, packed, bias, rq, size, true);
}

const struct depthwise_kernel neon_depthwise_s8 = { bytes_s8, pack_s8, run_s8 };
const struct depthwise_kernel neon_depthwise_s4 = { bytes_s4, pack_s4, run_s4 };
