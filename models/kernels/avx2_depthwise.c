/* SPDX-License-Identifier: MIT */
/*
 * Depthwise convolutions with AVX2, 8 channels at a time. Rows of the image are interleaved in
 * pairs and widened into lines, with zero points around them, where a vpmaddwd does two taps of a
 * column for 8 outputs. Each row lies in one line only: rows of output that begin with the upper
 * row of a pair meet weights (w0, w1), (w2, 0), those that begin with the lower one (0, w0),
 * (w1, w2). Weights stay as the C row packs them, and are widened for each call.
 */
#include "models/kernels/avx2.h"

enum {
    TAPS_MAX = 128,     /* the C row does larger filters */
    LINES_PIXELS = 384, /* room for lines, on the stack; the C row does what needs more */
    AT_ONCE = 4,        /* outputs side by side */
    SIDE = 3,           /* of the filter that has a loop of its own, */
    SMALL_LINES = 2,    /* and what a row of output sees then */
};

/* 8 channels of a layer. */
struct group {
    const struct depthwise_size *size;
    const struct requant *rq;
    size_t first, n;    /* channels; 1..8 */
    size_t in_channels; /* of the layer's input */
    size_t in_first;    /* that the first one reads */
    size_t n_lines;     /* that a row of output sees */
    __m256i bias;       /* with the input's zero point and the scaling's offset */
    struct scaling scaling;
    __m256i weights[2][TAPS_MAX]; /* [n_lines][filter_w], for rows of output that begin with the
                                     upper and with the lower row of a pair */
};

/* ---- weights ---- */

/* Up to 8 bytes, zeros behind. */
INLINE __m128i load_bytes(const void *bytes, size_t n) {
    __m128i some = _mm_setzero_si128();

    if (n == LANES)
        return _mm_loadl_epi64(bytes);
    (void) memcpy(&some, bytes, n);
    return some;
}

/* One tap's of the group's channels. */
INLINE __m128i tap_weights(const struct group *g, const uint8_t *packed, size_t tap, size_t n,
                           bool int4) {
    const size_t channels = g->size->channels;
    const __m128i nibble = _mm_set1_epi8(15), eight = _mm_set1_epi8(8);
    __m128i bytes;

    if (!int4)
        return load_bytes(packed + tap * channels + g->first, n);
    bytes = load_bytes(packed + tap * ((channels + 1) / 2) + g->first / 2, (n + 1) / 2);
    bytes = _mm_and_si128(_mm_unpacklo_epi8(bytes, _mm_srli_epi16(bytes, 4)), nibble);
    return _mm_sub_epi8(_mm_xor_si128(bytes, eight), eight);
}

INLINE __m256i interleave(__m128i upper, __m128i lower) {
    return _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(upper, lower));
}

/* Fill in the weights; returns their sums. */
INLINE __m256i pair_weights(struct group *g, const uint8_t *packed, size_t filter_h,
                            size_t filter_w, size_t n, bool int4) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i sums = _mm256_setzero_si256();

    for (size_t x = 0; x < filter_w; x++) {
        __m128i above = _mm_setzero_si128();

        for (size_t line = 0; line <= filter_h / 2; line++) {
            const size_t k = line * filter_w + x, row = 2 * line;
            __m128i upper = _mm_setzero_si128(), lower = upper;

            if (row < filter_h)
                upper = tap_weights(g, packed, row * filter_w + x, n, int4);
            if (row + 1 < filter_h)
                lower = tap_weights(g, packed, (row + 1) * filter_w + x, n, int4);
            g->weights[0][k] = interleave(upper, lower);
            g->weights[1][k] = interleave(above, upper);
            sums = _mm256_add_epi32(sums, _mm256_madd_epi16(g->weights[0][k], ones));
            above = lower;
        }
    }
    return sums;
}

INLINE void prepare(struct group *g, const uint8_t *packed, const int32_t *bias, bool int4) {
    const struct window *w = &g->size->window;
    const __m256i zero_point = _mm256_set1_epi32(g->size->in_zero_point);
    __m256i sums;

    avx2_scaling(&g->scaling, g->rq, g->first, g->first + g->n);
    if (w->filter_h == SIDE && w->filter_w == SIDE && g->n == LANES)
        sums = pair_weights(g, packed, SIDE, SIDE, LANES, int4);
    else
        sums = pair_weights(g, packed, (size_t) w->filter_h, (size_t) w->filter_w, g->n, int4);
    g->bias = _mm256_add_epi32(avx2_load(bias + g->first, g->n), g->scaling.offset);
    g->bias = _mm256_sub_epi32(g->bias, _mm256_mullo_epi32(sums, zero_point));
}

/* ---- lines ---- */

/* What lies in lines at a time. */
struct strip {
    size_t width, rows; /* outputs */
    size_t pixels;      /* of a line */
};

/* Columns of the image in a line of @n pixels: from @first on, [@begin, @end) of which are inside.
 */
struct columns {
    int64_t first;
    size_t begin, end, n;
};

static struct columns columns_of(const struct window *w, size_t x, size_t n) {
    const int64_t first = (int64_t) x * w->stride_w - w->pad_left;
    const size_t begin = first < 0 ? least((size_t) -first, n) : 0;
    const size_t end = first < w->in_w ? least((size_t) (w->in_w - first), n) : 0;

    return (struct columns){ first, begin, end > begin ? end : begin, n };
}

/* The group's channels of an input pixel. */
INLINE __m128i see(const int8_t *pixel, const struct group *g, bool whole) {
    int8_t some[LANES] = { 0 };

    if (whole)
        return _mm_loadl_epi64((const __m128i *) pixel);
    for (size_t i = 0; i < g->n; i++)
        some[i] = pixel[(g->first + i) / g->size->multiplier - g->in_first];
    return _mm_loadl_epi64((const __m128i *) some);
}

/* @n lines, from row @y of the image on. Where a row is outside it is the same pixel again and
 * again. */
INLINE void fill_lines(__m256i *lines, const int8_t *in, const struct group *g, int64_t y,
                       const struct columns *columns, size_t n, bool whole) {
    const int64_t dilation = g->size->window.dilation_h, in_h = g->size->window.in_h;
    const size_t pixel = g->in_channels, row = (size_t) g->size->window.in_w * pixel;
    const __m128i outside = _mm_set1_epi8((char) g->size->in_zero_point);
    const __m256i both = _mm256_cvtepi8_epi16(outside);

    in += g->in_first + (size_t) (columns->first + (int64_t) columns->begin) * pixel;
    for (size_t line = 0; line < n; line++, y += 2 * dilation) {
        const bool has_upper = y >= 0 && y < in_h;
        const bool has_lower = y + dilation >= 0 && y + dilation < in_h;
        const int8_t *upper = has_upper ? in + (size_t) y * row : (const int8_t *) &outside;
        const int8_t *lower =
            has_lower ? in + (size_t) (y + dilation) * row : (const int8_t *) &outside;
        const size_t upper_step = has_upper ? pixel : 0, lower_step = has_lower ? pixel : 0;
        __m256i *to = lines + line * columns->n;

        for (size_t i = 0; i < columns->begin; i++)
            *to++ = both;
#pragma GCC unroll 4
        for (size_t i = columns->begin; i < columns->end; i++) {
            *to++ = interleave(see(upper, g, whole), see(lower, g, whole));
            upper += upper_step;
            lower += lower_step;
        }
        for (size_t i = columns->end; i < columns->n; i++)
            *to++ = both;
    }
}

static size_t lines_under(const struct window *w, size_t rows) {
    return (rows - 1) * (size_t) w->stride_h / 2 + (size_t) w->filter_h / 2 + 1;
}

/* As much as fits, of one row at least; of nothing if that does not. */
static struct strip choose_strip(const struct window *w) {
    const size_t reach = (size_t) (w->filter_w - 1) * (size_t) w->dilation_w + 1;
    struct strip strip = { .width = (size_t) w->out_w, .rows = 1 };

    for (;; strip.width = (strip.width + 1) / 2) {
        strip.pixels = (strip.width - 1) * (size_t) w->stride_w + reach;
        if (lines_under(w, 1) * strip.pixels <= LINES_PIXELS)
            break;
        if (strip.width == 1)
            return (struct strip){ 0 };
    }
    while (w->dilation_h == 1 && strip.rows < (size_t) w->out_h &&
           lines_under(w, strip.rows + 1) * strip.pixels <= LINES_PIXELS)
        strip.rows++;
    return strip;
}

/* ---- outputs ---- */

/* Rows of outputs of a strip, those that begin with the same row of a pair. */
struct run {
    int8_t *out;
    const __m256i *seen;    /* the first tap of the first output */
    const __m256i *weights; /* [n_lines][filter_w] */
    size_t rows, n;         /* rows; outputs in a row */
    size_t out_step;        /* bytes from row to row */
    size_t seen_step;       /* pixels from row to row */
    size_t pixels;          /* of a line */
};

/* Add the products of 2 x 8 taps now: gcc would do all that there are first, and spill them. */
INLINE void add_taps(__m256i *sum, const __m256i *seen, __m256i weights) {
    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(weights, _mm256_loadu_si256(seen)));
    __asm__("" : "+x"(*sum));
}

/* @n outputs of any filter, whose first tap is at @seen. */
INLINE void any_tile(int8_t *out, const __m256i *seen, const struct run *run, const struct group *g,
                     size_t n) {
    const struct window *w = &g->size->window;
    const __m256i *weights = run->weights;
    __m256i y[AT_ONCE];

    for (size_t i = 0; i < n; i++)
        y[i] = g->bias;
    for (size_t line = 0; line < g->n_lines; line++)
        for (size_t x = 0; x < (size_t) w->filter_w; x++, weights++)
            for (size_t i = 0; i < n; i++)
                add_taps(&y[i],
                         seen + line * run->pixels + x * (size_t) w->dilation_w +
                             i * (size_t) w->stride_w,
                         *weights);
    for (size_t i = 0; i < n; i++)
        y[i] = avx2_requantise(y[i], &g->scaling);
    avx2_store_pixels(out, g->size->channels, y, n, g->n, _mm256_set1_epi8((char) g->rq->min),
                      _mm256_set1_epi8((char) g->rq->max));
}

static void run_any(const struct run *run, const struct group *g) {
    const size_t channels = g->size->channels, step = (size_t) g->size->window.stride_w;

    for (size_t r = 0; r < run->rows; r++) {
        int8_t *out = run->out + r * run->out_step;
        const __m256i *seen = run->seen + r * run->seen_step;
        size_t x = 0;

        for (; x + AT_ONCE <= run->n; x += AT_ONCE)
            any_tile(out + x * channels, seen + x * step, run, g, AT_ONCE);
        for (; x < run->n; x++)
            any_tile(out + x * channels, seen + x * step, run, g, 1);
    }
}

/* What 3 x 3 taps side by side and float32 need again and again: it fits in registers. */
struct small {
    __m256i weights[SMALL_LINES * SIDE], bias, min, max;
    __m256 scale, nudge;
    size_t channels, pixels;
};

INLINE void small_tile(int8_t *out, const __m256i *seen, const struct small *small, size_t n,
                       size_t step) {
    __m256i y[AT_ONCE];

#pragma GCC unroll 4
    for (size_t i = 0; i < n; i++) {
        const __m256i *upper = seen + i * step, *lower = upper + small->pixels;

        y[i] = small->bias;
#pragma GCC unroll 3
        for (size_t x = 0; x < SIDE; x++) {
            add_taps(&y[i], upper + x, small->weights[x]);
            add_taps(&y[i], lower + x, small->weights[SIDE + x]);
        }
        y[i] = avx2_round_in_float(y[i], small->scale, small->nudge);
    }
    avx2_store_pixels(out, small->channels, y, n, LANES, small->min, small->max);
}

INLINE void run_small(const struct run *run, const struct group *g, size_t step) {
    struct small small = {
        .bias = g->bias,
        .min = _mm256_set1_epi8((char) g->rq->min),
        .max = _mm256_set1_epi8((char) g->rq->max),
        .scale = g->scaling.float_scale,
        .nudge = g->scaling.float_nudge,
        .channels = g->size->channels,
        .pixels = run->pixels,
    };

#pragma GCC unroll 6
    for (size_t k = 0; k < SMALL_LINES * SIDE; k++)
        small.weights[k] = run->weights[k];
    for (size_t r = 0; r < run->rows; r++) {
        int8_t *out = run->out + r * run->out_step;
        const __m256i *seen = run->seen + r * run->seen_step;
        size_t left = run->n;

        for (; left >= AT_ONCE;
             left -= AT_ONCE, out += AT_ONCE * small.channels, seen += AT_ONCE * step)
            small_tile(out, seen, &small, AT_ONCE, step);
        if (left == 3)
            small_tile(out, seen, &small, 3, step);
        else if (left == 2)
            small_tile(out, seen, &small, 2, step);
        else if (left == 1)
            small_tile(out, seen, &small, 1, step);
    }
}

static void run_small_1(const struct run *run, const struct group *g) {
    run_small(run, g, 1);
}

static void run_small_2(const struct run *run, const struct group *g) {
    run_small(run, g, 2);
}

static void run_group(int8_t *out, const int8_t *in, const struct group *g,
                      const struct strip *strip) {
    const struct window *w = &g->size->window;
    const size_t out_h = (size_t) w->out_h, out_w = (size_t) w->out_w;
    const size_t stride = (size_t) w->stride_h, row = out_w * g->size->channels;
    const size_t kinds = stride % 2 ? 2 : 1;
    const bool small = w->filter_h == SIDE && w->filter_w == SIDE && w->dilation_w == 1 &&
                       w->stride_w <= 2 && g->n == LANES && g->scaling.how == ROUND_IN_FLOAT;
    __m256i lines[LINES_PIXELS];

    for (size_t y = 0; y < out_h; y += strip->rows)
        for (size_t x = 0; x < out_w; x += strip->width) {
            const size_t rows = least(strip->rows, out_h - y);
            const int64_t top = (int64_t) y * w->stride_h - w->pad_top;
            const struct columns columns = columns_of(w, x, strip->pixels);

            if (g->n == LANES && g->size->multiplier == 1)
                fill_lines(lines, in, g, top, &columns, lines_under(w, rows), true);
            else
                fill_lines(lines, in, g, top, &columns, lines_under(w, rows), false);
            for (size_t kind = 0; kind < kinds && kind < rows; kind++) {
                const struct run run = {
                    .out = out + (y + kind) * row + x * g->size->channels + g->first,
                    .seen = lines + kind * stride / 2 * strip->pixels,
                    .weights = g->weights[kind],
                    .rows = (rows - kind + kinds - 1) / kinds,
                    .n = least(strip->width, out_w - x),
                    .out_step = kinds * row,
                    .seen_step = kinds * stride / 2 * strip->pixels,
                    .pixels = strip->pixels,
                };

                if (!small)
                    run_any(&run, g);
                else if (w->stride_w == 1)
                    run_small_1(&run, g);
                else
                    run_small_2(&run, g);
            }
        }
}

INLINE void depthwise(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                      const struct requant *rq, const struct depthwise_size *size, bool int4) {
    const struct depthwise_kernel *c_row = int4 ? &c_depthwise_s4 : &c_depthwise_s8;
    const struct window *w = &size->window;
    const struct strip strip = choose_strip(w);
    struct group g; /* large: not to be filled with zeros first */

    if (strip.width == 0 || (int64_t) w->filter_h * w->filter_w > TAPS_MAX) {
        c_row->run(out, in, packed, bias, rq, size);
        return;
    }
    g.size = size;
    g.rq = rq;
    g.in_channels = size->channels / size->multiplier;
    g.n_lines = lines_under(w, 1);
    for (g.first = 0; g.first < size->channels; g.first += LANES) {
        g.n = least(size->channels - g.first, LANES);
        g.in_first = g.first / size->multiplier;
        prepare(&g, packed, bias, int4);
        run_group(out, in, &g, &strip);
    }
}

/* ---- the table's ---- */

static size_t bytes_s8(size_t taps, size_t channels) {
    return c_depthwise_s8.packed_bytes(taps, channels);
}

static size_t bytes_s4(size_t taps, size_t channels) {
    return c_depthwise_s4.packed_bytes(taps, channels);
}

static void pack_s8(void *packed, const int8_t *weight, size_t taps, size_t channels) {
    c_depthwise_s8.pack(packed, weight, taps, channels);
}

static void pack_s4(void *packed, const int8_t *weight, size_t taps, size_t channels) {
    c_depthwise_s4.pack(packed, weight, taps, channels);
}

static void run_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, const struct depthwise_size *size) {
    depthwise(out, in, packed, bias, rq, size, false);
}

static void run_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, const struct depthwise_size *size) {
    depthwise(out, in, packed, bias, rq, size, true);
}

const struct depthwise_kernel avx2_depthwise_s8 = { bytes_s8, pack_s8, run_s8 };
const struct depthwise_kernel avx2_depthwise_s4 = { bytes_s4, pack_s4, run_s4 };
