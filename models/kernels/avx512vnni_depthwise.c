/* SPDX-License-Identifier: MIT */
/*
 * Depthwise convolutions with AVX-512 VNNI: 64 outputs at a time, which are 64 channels of a pixel,
 * or 8, 16 or 32 channels of some pixels side by side. The bytes of 4 taps are interleaved, so that
 * one vpdpbusd adds up 4 taps of 16 outputs.
 *
 * Such a chunk of channels of a strip of the image is copied with zero points around it and its
 * top bits flipped. A strip's row holds columns 0, s, 2s, ..., then 1, s + 1, ... for stride
 * s: so what a tap shows to outputs side by side lies side by side.
 *
 * Packed weights: sums of a channel's weights, int32 [channels]; then for each chunk
 *   int8  [groups][4][16][4]: 4 taps for the outputs of each of the 4 interleaved vectors
 *   int4  [groups][2][16][4]: the vectors 0 and 2 in low nibbles, 1 and 3 in the high ones
 */
#include "models/kernels/avx512vnni.h"

#include <stdalign.h>

enum {
    TAPS_MAX = 128, /* the C row does larger filters */
    GROUPS_MAX = TAPS_MAX / GROUP,
    VECTORS = 4,         /* of sums, for a vector of outputs */
    FOURTHS = 4,         /* of a vector of bytes */
    STRIP_BYTES = 12288, /* on the stack; of it at least what a pixel's taps see */
    AT_ONCE = 4,         /* vectors of outputs that share loads of weights */
};

static size_t n_groups(size_t taps) {
    return (taps + GROUP - 1) / GROUP;
}

static size_t chunk_bytes(size_t taps, bool int4) {
    return n_groups(taps) * VECTORS * VECTOR / (int4 ? 2 : 1);
}

static size_t sums_bytes(size_t channels) {
    return round_up(channels, LANES) * sizeof(int32_t);
}

/* Fewer channels than 64 that lie side by side, pixel after pixel. */
static bool is_flat(size_t n) {
    return n >= 8 && n < VECTOR && VECTOR % n == 0;
}

/* How many of the @left channels the next chunk has; two flat ones beat one of 24. */
static size_t chunk_channels(size_t left) {
    return left == 24 ? 16 : least(left, VECTOR);
}

static size_t packed_bytes(size_t taps, size_t channels, bool int4) {
    size_t n_chunks = 0;

    for (size_t c = 0; c < channels; c += chunk_channels(channels - c))
        n_chunks++;
    return sums_bytes(channels) + n_chunks * chunk_bytes(taps, int4);
}

static size_t bytes_s8(size_t taps, size_t channels) {
    return taps > TAPS_MAX ? c_depthwise_s8.packed_bytes(taps, channels)
                           : packed_bytes(taps, channels, false);
}

static size_t bytes_s4(size_t taps, size_t channels) {
    return taps > TAPS_MAX ? c_depthwise_s4.packed_bytes(taps, channels)
                           : packed_bytes(taps, channels, true);
}

/* Where in a chunk the weight of @tap for output @i of 64 lies; half a byte each if int4. */
static size_t place_of(size_t tap, size_t i) {
    const size_t vector = i % LANES / 4, lane = i / LANES * 4 + i % 4;

    return ((tap / GROUP * VECTORS + vector) * LANES + lane) * GROUP + tap % GROUP;
}

/* Channels [@first, @first + @n). */
static void pack_chunk(uint8_t *chunk, int32_t *sums, const int8_t *weight, size_t taps,
                       size_t channels, size_t first, size_t n, bool int4) {
    for (size_t i = 0; i < (is_flat(n) ? (size_t) VECTOR : n); i++)
        for (size_t tap = 0; tap < taps; tap++) {
            const int8_t w = weight[tap * channels + first + i % n];
            const size_t at = place_of(tap, i), vector = at / VECTOR;

            if (i < n)
                sums[first + i] += w;
            if (int4)
                chunk[vector / 2 * VECTOR + at % VECTOR] |=
                    (uint8_t) ((w & 15) << (vector % 2 * 4));
            else
                chunk[at] = (uint8_t) w;
        }
}

static void pack(void *packed, const int8_t *weight, size_t taps, size_t channels, bool int4) {
    uint8_t *chunk = (uint8_t *) packed + sums_bytes(channels);

    for (size_t c = 0, n; c < channels; c += n, chunk += chunk_bytes(taps, int4)) {
        n = chunk_channels(channels - c);
        pack_chunk(chunk, packed, weight, taps, channels, c, n, int4);
    }
}

static void pack_s8(void *packed, const int8_t *weight, size_t taps, size_t channels) {
    if (taps > TAPS_MAX)
        c_depthwise_s8.pack(packed, weight, taps, channels);
    else
        pack(packed, weight, taps, channels, false);
}

static void pack_s4(void *packed, const int8_t *weight, size_t taps, size_t channels) {
    if (taps > TAPS_MAX)
        c_depthwise_s4.pack(packed, weight, taps, channels);
    else
        pack(packed, weight, taps, channels, true);
}

/* How a strip lies: planes of pixels that are a stride apart in the image. */
struct strip {
    size_t width;        /* outputs in a row */
    size_t rows;         /* of output */
    size_t phases;       /* planes of a row of the image; 0: a plane for each tap */
    size_t plane_pixels; /* of a plane */
};

/* Up to 64 channels of a layer. */
struct chunk {
    const struct depthwise_size *size;
    const struct requant *rq;
    const int8_t *weights;
    size_t first, n; /* channels */
    size_t n_taps;
    enum rounding how;
    __m512i bias[VECTORS];
    struct scaling scalings[VECTORS];
    struct strip strip;    /* this and the next are the same for as many channels */
    size_t taps[TAPS_MAX]; /* where in a strip the first output's taps lie; whole groups */
};

/* The values of the chunk's channels for the 16 outputs from 16 x @fourth on. */
INLINE __m512i fourth_of(const int32_t *values, const struct chunk *chunk, size_t fourth) {
    const size_t n = chunk->n, at = is_flat(n) ? fourth * LANES % n : fourth * LANES;

    if (n == LANES / 2)
        return _mm512_broadcast_i32x8(_mm256_loadu_si256((const __m256i *) values));
    return at < n ? vnni_load(values + at, n - at) : _mm512_setzero_si512();
}

/* The values of the chunk's channels as the interleaved vectors want them. */
INLINE void interleave(__m512i out[VECTORS], const int32_t *values, const struct chunk *chunk) {
    const __m512i a = fourth_of(values + chunk->first, chunk, 0);
    const __m512i b = fourth_of(values + chunk->first, chunk, 1);
    const __m512i c = fourth_of(values + chunk->first, chunk, 2);
    const __m512i d = fourth_of(values + chunk->first, chunk, 3);
    const __m512i ab[] = { _mm512_shuffle_i32x4(a, b, 0x44), _mm512_shuffle_i32x4(a, b, 0xee) };
    const __m512i cd[] = { _mm512_shuffle_i32x4(c, d, 0x44), _mm512_shuffle_i32x4(c, d, 0xee) };

    for (size_t v = 0; v < VECTORS; v += 2) { /* fourths of vectors change places with vectors */
        out[v] = _mm512_shuffle_i32x4(ab[v / 2], cd[v / 2], 0x88);
        out[v + 1] = _mm512_shuffle_i32x4(ab[v / 2], cd[v / 2], 0xdd);
    }
}

static void prepare(struct chunk *chunk, const int32_t *sums, const int32_t *bias) {
    const struct requant *rq = chunk->rq;
    const __m512i zero_point = _mm512_set1_epi32(chunk->size->in_zero_point + FLIP);
    __m512i starts[VECTORS], totals[VECTORS], a[VECTORS], b[VECTORS], below[VECTORS];
    __m512i offsets[VECTORS];

    chunk->how = vnni_rounding_of_many(rq, chunk->first, chunk->n);
    interleave(starts, bias, chunk);
    interleave(totals, sums, chunk);
    for (size_t v = 0; v < VECTORS; v++)
        chunk->bias[v] = _mm512_sub_epi32(starts[v], _mm512_mullo_epi32(totals[v], zero_point));
    if (chunk->how >= ROUND_SPLIT) {
        interleave(offsets, rq->in_float.offset, chunk);
        interleave(a, (const void *) rq->in_float.scale, chunk);
        interleave(b, (const void *) rq->in_float.nudge, chunk);
        interleave(below, (const void *) rq->in_float.below, chunk);
        for (size_t v = 0; v < VECTORS; v++) {
            chunk->bias[v] = _mm512_add_epi32(chunk->bias[v], offsets[v]);
            chunk->scalings[v].float_scale = _mm512_castsi512_ps(a[v]);
            chunk->scalings[v].float_nudge = _mm512_castsi512_ps(b[v]);
            chunk->scalings[v].float_below = _mm512_castsi512_ps(below[v]);
        }
        return;
    }
    interleave(a, rq->multiplier, chunk);
    interleave(b, rq->shift, chunk);
    for (size_t v = 0; v < VECTORS; v++)
        chunk->scalings[v] = vnni_scaling_of(a[v], b[v], chunk->how);
}

/* 4 taps x 64 outputs. */
INLINE void add_taps(__m512i sums[VECTORS], const __m512i in[GROUP], const __m512i w[VECTORS]) {
    const __m512i ab[] = { _mm512_unpacklo_epi8(in[0], in[1]), _mm512_unpackhi_epi8(in[0], in[1]) };
    const __m512i cd[] = { _mm512_unpacklo_epi8(in[2], in[3]), _mm512_unpackhi_epi8(in[2], in[3]) };

    vnni_dot(&sums[0], _mm512_unpacklo_epi16(ab[0], cd[0]), w[0]);
    vnni_dot(&sums[1], _mm512_unpackhi_epi16(ab[0], cd[0]), w[1]);
    vnni_dot(&sums[2], _mm512_unpacklo_epi16(ab[1], cd[1]), w[2]);
    vnni_dot(&sums[3], _mm512_unpackhi_epi16(ab[1], cd[1]), w[3]);
}

/* Up to 4 taps from @tap on of @n vectors of outputs. */
INLINE void add_group(__m512i sums[][VECTORS], const int8_t *in, size_t in_step,
                      const struct chunk *chunk, size_t n, size_t tap, size_t n_taps) {
    __m512i w[VECTORS], x[GROUP];

#pragma GCC unroll 16
    for (size_t v = 0; v < VECTORS; v++)
        w[v] = _mm512_loadu_si512(chunk->weights + (tap / GROUP * VECTORS + v) * VECTOR);

#pragma GCC unroll 16
    for (size_t i = 0; i < n; i++) {

#pragma GCC unroll 16
        for (size_t t = 0; t < GROUP; t++)
            x[t] = t < n_taps ? _mm512_loadu_si512(in + i * in_step + chunk->taps[tap + t])
                              : _mm512_setzero_si512();
        add_taps(sums[i], x, w);
    }
}

/* The first @bytes of the outputs, @n of each pixel, of which there are @channels. */
static void scatter(int8_t *out, __m512i bytes, size_t n, size_t channels, size_t n_bytes) {
    __m128i fourths[FOURTHS];

    _mm512_storeu_si512(fourths, bytes);
    for (size_t i = 0; i < n_bytes; i += n, out += channels)
        if (n == 8)
            _mm_storel_epi64((__m128i *) out,
                             _mm_loadl_epi64((__m128i *) ((int8_t *) fourths + i)));
        else
            for (size_t k = 0; k < n; k += sizeof(*fourths))
                _mm_storeu_si128((__m128i *) (out + k), fourths[(i + k) / sizeof(*fourths)]);
}

/* @n vectors of outputs, whose first taps are seen at @in; the last is of @last bytes. */
INLINE void run_vectors(int8_t *out, size_t out_step, const int8_t *in, size_t in_step,
                        const struct chunk *chunk, size_t n, size_t last, size_t n_taps,
                        enum rounding how) {
    __m512i sums[AT_ONCE][VECTORS];

#pragma GCC unroll 16
    for (size_t i = 0; i < n; i++)
#pragma GCC unroll 16
        for (size_t v = 0; v < VECTORS; v++)
            sums[i][v] = chunk->bias[v];
    if (n_taps == 9) {
        add_group(sums, in, in_step, chunk, n, 0, GROUP);
        add_group(sums, in, in_step, chunk, n, 4, GROUP);
        add_group(sums, in, in_step, chunk, n, 8, 1);
    } else {
        for (size_t tap = 0; tap < chunk->n_taps; tap += GROUP)
            add_group(sums, in, in_step, chunk, n, tap, GROUP);
    }

#pragma GCC unroll 16
    for (size_t v = 0; v < VECTORS; v++) {
        const struct scaling scaling = vnni_load_scaling(&chunk->scalings[v], how);

#pragma GCC unroll 16
        for (size_t i = 0; i < n; i++)
            sums[i][v] = vnni_scale(sums[i][v], &scaling, how);
    }

#pragma GCC unroll 16
    for (size_t i = 0; i < n; i++) {
        const __m512i y =
            vnni_clamp(vnni_narrow_scaled(sums[i], chunk->rq->zero_point, how), chunk->rq);

        if (is_flat(chunk->n) && chunk->n < chunk->size->channels)
            scatter(out + i * out_step, y, chunk->n, chunk->size->channels,
                    i + 1 < n ? (size_t) VECTOR : last);
        else if (i + 1 < n || last == VECTOR)
            _mm512_storeu_si512(out + i * out_step, y);
        else
            _mm512_mask_storeu_epi8(out + i * out_step, vnni_bytes(last), y);
    }
}

/* A row of output pixels. */
INLINE void run_row(int8_t *out, const int8_t *in, const struct chunk *chunk, size_t out_w,
                    size_t n_taps, enum rounding how) {
    const bool flat = is_flat(chunk->n);
    const size_t n = flat ? round_up(out_w * chunk->n, VECTOR) / VECTOR : out_w;
    const size_t out_step = (flat ? VECTOR / chunk->n : 1) * chunk->size->channels;
    const size_t in_step = flat ? VECTOR : chunk->n;
    const size_t last = flat ? out_w * chunk->n - (n - 1) * VECTOR : chunk->n;
    size_t i = 0;

    if (flat || chunk->n == VECTOR) {
        for (; i + AT_ONCE <= n; i += AT_ONCE)
            run_vectors(out + i * out_step, out_step, in + i * in_step, in_step, chunk, AT_ONCE,
                        i + AT_ONCE < n ? VECTOR : last, n_taps, how);
        for (; i + 2 <= n; i += 2)
            run_vectors(out + i * out_step, out_step, in + i * in_step, in_step, chunk, 2,
                        i + 2 < n ? VECTOR : last, n_taps, how);
    }
    for (; i < n; i++)
        run_vectors(out + i * out_step, out_step, in + i * in_step, in_step, chunk, 1,
                    flat && i + 1 < n ? VECTOR : last, n_taps, how);
}

static size_t rows_under(const struct window *w, size_t n) {
    return (n - 1) * (size_t) w->stride_h + (size_t) (w->filter_h - 1) * (size_t) w->dilation_h + 1;
}

/* Planes of each row, and pixels in a plane, for @width outputs side by side. */
static struct strip strip_of(const struct window *w, size_t width) {
    const size_t stride = (size_t) w->stride_w;
    const size_t columns =
        (width - 1) * stride + (size_t) (w->filter_w - 1) * (size_t) w->dilation_w + 1;

    return (struct strip){ width, 1, least(stride, columns), (columns + stride - 1) / stride };
}

/* As much as fits. */
static struct strip choose_strip(const struct chunk *chunk) {
    const struct window *w = &chunk->size->window;
    size_t width = (size_t) w->out_w, row_bytes;
    struct strip strip = strip_of(w, width);

    for (;; strip = strip_of(w, width)) {
        row_bytes = strip.phases * strip.plane_pixels * chunk->n;
        if (rows_under(w, 1) * row_bytes <= STRIP_BYTES)
            break;
        if (width == 1) { /* taps far apart */
            width = least(STRIP_BYTES / (chunk->n_taps * chunk->n), (size_t) w->out_w);
            return (struct strip){ width, 1, 0, width };
        }
        width = (width + 1) / 2;
    }
    while (strip.rows < (size_t) w->out_h &&
           rows_under(w, strip.rows + 1) * row_bytes <= STRIP_BYTES)
        strip.rows++;
    return strip;
}

/* Point the chunk's taps to what the first output sees of a strip. */
static void place_taps(struct chunk *chunk) {
    const struct window *w = &chunk->size->window;
    const struct strip *strip = &chunk->strip;
    const size_t stride = (size_t) w->stride_w, plane_bytes = strip->plane_pixels * chunk->n;
    size_t tap = 0;

    for (size_t y = 0; y < (size_t) w->filter_h; y++)
        for (size_t kx = 0; kx < (size_t) w->filter_w; kx++, tap++) {
            const size_t x = kx * (size_t) w->dilation_w;
            const size_t row = y * (size_t) w->dilation_h * strip->phases;

            chunk->taps[tap] = strip->phases == 0 ? tap * plane_bytes
                               : stride == 1
                                   ? row * plane_bytes + x * chunk->n
                                   : (row + x % stride) * plane_bytes + x / stride * chunk->n;
        }
    for (; tap % GROUP != 0; tap++) /* their weights are zeros */
        chunk->taps[tap] = chunk->taps[0];
}

/* Of pixels of 8, 16 or 32 channels every other one; returns how many of @n were done. */
static size_t copy_every_other(int8_t *out, const int8_t *in, size_t channels, size_t n) {
    const size_t pixels = VECTOR / channels;
    const __m512i lane = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
    const __m512i lanes = _mm512_set1_epi64((int64_t) channels / 8);
    const __m512i pixel_lane =
        _mm512_and_si512(lane, _mm512_sub_epi64(lanes, _mm512_set1_epi64(1)));
    /* lane + lanes of all pixels before it, once more */
    const __m512i from = _mm512_sub_epi64(_mm512_add_epi64(lane, lane), pixel_lane);
    size_t i = 0;

    for (; i + pixels < n; i += pixels, out += VECTOR, in += 2 * VECTOR) /* one more is there */
        _mm512_storeu_si512(out,
                            vnni_flip(_mm512_permutex2var_epi64(_mm512_loadu_si512(in), from,
                                                                _mm512_loadu_si512(in + VECTOR))));
    return i;
}

/* The chunk's channels of @n pixels, @step apart, of which the first is @in. */
static void copy_pixels(int8_t *out, const int8_t *in, const struct chunk *chunk, size_t step,
                        size_t n) {
    const size_t multiplier = chunk->size->multiplier,
                 channels = chunk->size->channels / multiplier;
    const bool all = chunk->n == chunk->size->channels && multiplier == 1;
    size_t i = 0;

    if (step == 1 && all) {
        vnni_copy_flipped(out, in, n * channels);
        return;
    }
    if (step == 2 && all && is_flat(channels))
        i = copy_every_other(out, in, channels, n);
    out += i * chunk->n;
    in += i * step * channels;
    for (; multiplier == 1 && i < n; i++, out += chunk->n, in += step * channels) /* and beyond */
        _mm512_storeu_si512(
            out, vnni_flip(_mm512_maskz_loadu_epi8(vnni_bytes(chunk->n), in + chunk->first)));
    for (; i < n; i++, out += chunk->n, in += step * channels)
        for (size_t c = 0; c < chunk->n; c++)
            out[c] = (int8_t) (in[(chunk->first + c) / multiplier] ^ FLIP);
}

/* How many steps are at least @n; a division takes as long as a row of a small image. */
static int64_t steps_over(int64_t n, int64_t step) {
    return step == 1 ? n : (n + step - 1) / step;
}

/* A plane: of row @y of the image, from column @x on. */
static void fill_plane(int8_t *out, const int8_t *in, const struct chunk *chunk, int64_t y,
                       int64_t x) {
    const struct depthwise_size *size = chunk->size;
    const struct window *w = &size->window;
    const int outside = size->in_zero_point ^ FLIP;
    const int64_t step = w->stride_w, n = (int64_t) chunk->strip.plane_pixels;
    const int64_t before = x < 0 ? steps_over(-x, step) : 0;
    const int64_t end = w->in_w > x ? steps_over(w->in_w - x, step) : 0;
    const size_t begin = y < 0 || y >= w->in_h || before > n ? (size_t) n : (size_t) before;
    const size_t last = end < n ? (end > (int64_t) begin ? (size_t) end : begin) : (size_t) n;
    const int64_t first = x + (int64_t) begin * step;

    vnni_fill(out, outside, begin * chunk->n);
    if (begin < last)
        copy_pixels(out + begin * chunk->n,
                    in + (size_t) (y * w->in_w + first) * (size->channels / size->multiplier),
                    chunk, (size_t) step, last - begin);
    vnni_fill(out + last * chunk->n, outside, ((size_t) n - last) * chunk->n);
}

/* What @rows rows of output see from output pixel (@y, @x) on. */
static void fill_strip(int8_t *out, const int8_t *in, const struct chunk *chunk, size_t y, size_t x,
                       size_t rows) {
    const struct window *w = &chunk->size->window;
    const struct strip *strip = &chunk->strip;
    const int64_t top = (int64_t) y * w->stride_h - w->pad_top;
    const int64_t left = (int64_t) x * w->stride_w - w->pad_left;
    const size_t plane_bytes = strip->plane_pixels * chunk->n;

    if (strip->phases == 0)
        for (int64_t tap = 0; tap < (int64_t) chunk->n_taps; tap++, out += plane_bytes)
            fill_plane(out, in, chunk, top + tap / w->filter_w * w->dilation_h,
                       left + tap % w->filter_w * w->dilation_w);
    else
        for (size_t row = 0; row < rows_under(w, rows); row++)
            for (size_t phase = 0; phase < strip->phases; phase++, out += plane_bytes)
                fill_plane(out, in, chunk, top + (int64_t) row, left + (int64_t) phase);
}

static void run_row_of(int8_t *out, const int8_t *in, const struct chunk *chunk, size_t width) {
    if (chunk->how == ROUND_IN_FLOAT && chunk->n_taps == 9)
        run_row(out, in, chunk, width, 9, ROUND_IN_FLOAT);
    else if (chunk->how == ROUND_IN_FLOAT)
        run_row(out, in, chunk, width, 0, ROUND_IN_FLOAT);
    else if (chunk->how == ROUND_SPLIT)
        run_row(out, in, chunk, width, 0, ROUND_SPLIT);
    else if (chunk->how == ROUND_POSITIVE && chunk->n_taps == 9)
        run_row(out, in, chunk, width, 9, ROUND_POSITIVE);
    else if (chunk->how == ROUND_POSITIVE)
        run_row(out, in, chunk, width, 0, ROUND_POSITIVE);
    else if (chunk->how == ROUND_RIGHT)
        run_row(out, in, chunk, width, 0, ROUND_RIGHT);
    else
        run_row(out, in, chunk, width, 0, ROUND_ANY);
}

static void run_chunk(int8_t *out, const int8_t *in, const struct chunk *chunk) {
    const struct window *w = &chunk->size->window;
    const struct strip *strip = &chunk->strip;
    const size_t out_h = (size_t) w->out_h, out_w = (size_t) w->out_w;
    const size_t step = (size_t) w->stride_h * strip->phases * strip->plane_pixels * chunk->n;
    alignas(VECTOR)
        int8_t seen[STRIP_BYTES + VECTOR]; /* a whole vector is read where a pixel begins */

    for (size_t y = 0; y < out_h; y += strip->rows)
        for (size_t x = 0; x < out_w; x += strip->width) {
            const size_t rows = least(strip->rows, out_h - y);

            fill_strip(seen, in, chunk, y, x, rows);
            for (size_t r = 0; r < rows; r++)
                run_row_of(out + ((y + r) * out_w + x) * chunk->size->channels, seen + r * step,
                           chunk, least(strip->width, out_w - x));
        }
}

/* A chunk's int4 weights as int8. */
static void unpack(int8_t *out, const int8_t *packed, size_t n) {
    const __m512i nibble = _mm512_set1_epi8(15), eight = _mm512_set1_epi8(8);

    for (size_t i = 0; i < n; i += VECTOR) {
        const __m512i bytes = _mm512_loadu_si512(packed + i);
        const __m512i w[] = { _mm512_and_si512(bytes, nibble),
                              _mm512_and_si512(_mm512_srli_epi16(bytes, 4), nibble) };

        for (size_t v = 0; v < 2; v++)
            _mm512_storeu_si512(out + 2 * i + v * VECTOR,
                                _mm512_sub_epi8(_mm512_xor_si512(w[v], eight), eight));
    }
}

static void depthwise(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                      const struct requant *rq, const struct depthwise_size *size, bool int4) {
    const size_t taps = (size_t) size->window.filter_h * (size_t) size->window.filter_w;
    const size_t bytes = chunk_bytes(taps, int4);
    const int8_t *weights = (const int8_t *) packed + sums_bytes(size->channels);
    int8_t unpacked[GROUPS_MAX * VECTORS * VECTOR];
    struct chunk chunk = { .size = size, .rq = rq, .n_taps = taps };

    for (size_t c = 0; c < size->channels; c += chunk.n, weights += bytes) {
        const size_t n = chunk_channels(size->channels - c);

        chunk.first = c;
        if (n != chunk.n) {
            chunk.n = n;
            chunk.strip = choose_strip(&chunk);
            place_taps(&chunk);
        }
        chunk.weights = int4 ? unpacked : weights;
        if (int4)
            unpack(unpacked, weights, bytes);
        prepare(&chunk, packed, bias);
        run_chunk(out + c, in, &chunk);
    }
}

static void run_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, const struct depthwise_size *size) {
    if ((int64_t) size->window.filter_h * size->window.filter_w > TAPS_MAX)
        c_depthwise_s8.run(out, in, packed, bias, rq, size);
    else
        depthwise(out, in, packed, bias, rq, size, false);
}

static void run_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, const struct depthwise_size *size) {
    if ((int64_t) size->window.filter_h * size->window.filter_w > TAPS_MAX)
        c_depthwise_s4.run(out, in, packed, bias, rq, size);
    else
        depthwise(out, in, packed, bias, rq, size, true);
}

const struct depthwise_kernel vnni_depthwise_s8 = { bytes_s8, pack_s8, run_s8 };
const struct depthwise_kernel vnni_depthwise_s4 = { bytes_s4, pack_s4, run_s4 };
