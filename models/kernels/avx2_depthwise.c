/* SPDX-License-Identifier: MIT */
/*
 * Depthwise convolutions with AVX2: the bytes of two taps are interleaved, widened, and multiplied
 * by pairs of weights, for 16 channels at a time. Each tap of an output pixel has a pointer; taps
 * outside the image point to bytes of the zero point, so that its share folds into the bias
 * (indirection as in XNNPACK's operators; M. Dukhan, The Indirect Convolution Algorithm, 2019).
 */
#include "models/kernels/avx2.h"

enum {
    TAPS_MAX = 128,       /* an even number; the C row does larger filters */
    CHUNK = 128,          /* channels that share the work of finding taps */
    OUTSIDE_BYTES = 2048, /* of zero points: bounds how many pixels run in one go */
};

/* Packed weights: sums int32 [channels, to full blocks], then int16 or int4 weights. */
static size_t sums_bytes(size_t channels) {
    return (channels + BLOCK - 1) / BLOCK * BLOCK * sizeof(int32_t);
}

/* int16 [channels / 16][pairs][16][2]: as in avx2.h, but whole blocks and wide already. */
static size_t wide_bytes(size_t taps, size_t channels) {
    return (channels + BLOCK - 1) / BLOCK * ((taps + 1) / 2) * BLOCK * 2 * sizeof(int16_t);
}

static size_t bytes_s8(size_t taps, size_t channels) {
    return taps > TAPS_MAX ? c_depthwise_s8.packed_bytes(taps, channels)
                           : sums_bytes(channels) + wide_bytes(taps, channels);
}

static size_t bytes_s4(size_t taps, size_t channels) {
    return taps > TAPS_MAX ? c_depthwise_s4.packed_bytes(taps, channels)
                           : sums_bytes(channels) + avx2_packed_bytes(channels, taps, true);
}

static void pack_sums(int32_t *sums, const int8_t *weight, size_t taps, size_t channels) {
    for (size_t tap = 0; tap < taps; tap++)
        for (size_t c = 0; c < channels; c++)
            sums[c] += weight[tap * channels + c];
}

static void pack_s8(void *packed, const int8_t *weight, size_t taps, size_t channels) {
    int16_t *wide = (int16_t *) ((uint8_t *) packed + sums_bytes(channels));
    const size_t pairs = (taps + 1) / 2;

    if (taps > TAPS_MAX) {
        c_depthwise_s8.pack(packed, weight, taps, channels);
        return;
    }
    pack_sums(packed, weight, taps, channels);
    for (size_t tap = 0; tap < taps; tap++)
        for (size_t c = 0; c < channels; c++)
            wide[((c / BLOCK * pairs + tap / 2) * BLOCK + c % BLOCK) * 2 + tap % 2] =
                weight[tap * channels + c];
}

static void pack_s4(void *packed, const int8_t *weight, size_t taps, size_t channels) {
    if (taps > TAPS_MAX) {
        c_depthwise_s4.pack(packed, weight, taps, channels);
        return;
    }
    pack_sums(packed, weight, taps, channels);
    for (size_t tap = 0; tap < taps; tap++)
        for (size_t c = 0; c < channels; c++)
            avx2_pack((uint8_t *) packed + sums_bytes(channels), channels, taps, true, c, tap,
                      weight[tap * channels + c]);
}

/* Some channels of one layer. */
struct chunk {
    const struct depthwise_size *size;
    const struct requant *rq;
    const uint8_t *weights; /* of channel @first, which begins a block */
    size_t first, n;        /* channels */
    size_t n_taps;
    int32_t bias[CHUNK]; /* the input's zero point folded in */
    struct scaling scalings[CHUNK / LANES];
    int8_t outside[OUTSIDE_BYTES];
};

static void prepare(struct chunk *chunk, const int32_t *sums, const int32_t *bias) {
    const __m256i zero_point = _mm256_set1_epi32(chunk->size->in_zero_point);

    for (size_t c = 0; c < chunk->n; c += LANES) {
        const __m256i sum = _mm256_loadu_si256((const __m256i *) (sums + chunk->first + c));
        const __m256i all = avx2_load(bias + chunk->first + c, chunk->n - c);

        _mm256_storeu_si256((__m256i *) (chunk->bias + c),
                            _mm256_sub_epi32(all, _mm256_mullo_epi32(sum, zero_point)));
        chunk->scalings[c / LANES] =
            avx2_scaling(chunk->rq, chunk->first + c, chunk->first + chunk->n);
    }
    (void) memset(chunk->outside, chunk->size->in_zero_point, sizeof(chunk->outside));
}

/* What a tap sees: 16 or 8 channels as they lie, or some, each of which may feed several outputs.
 */
enum access { ACCESS_16, ACCESS_8, ACCESS_SOME };

INLINE __m128i see(const int8_t *tap, const struct chunk *chunk, size_t c, enum access access) {
    const size_t multiplier = chunk->size->multiplier, skip = chunk->first % multiplier;
    int8_t some[LANES] = { 0 };

    if (access == ACCESS_16)
        return _mm_loadu_si128((const __m128i *) (tap + c));
    if (access == ACCESS_8)
        return _mm_loadl_epi64((const __m128i *) (tap + c));
    for (size_t i = 0; i < least(chunk->n - c, LANES); i++)
        some[i] = tap[(skip + c + i) / multiplier];
    return _mm_loadl_epi64((const __m128i *) some);
}

INLINE void weights_of(__m256i w[2], const uint8_t *at, size_t half, bool int4) {
    if (int4) {
        avx2_weights(w, at, 2, true);
        w[0] = half ? w[1] : w[0];
    } else {
        w[0] = _mm256_loadu_si256((const __m256i *) at + half);
        w[1] = _mm256_loadu_si256((const __m256i *) at + 1);
    }
}

/* From channel @c of the chunk on, in @n_pixels pixels of a row, @step bytes of input apart. */
INLINE void run_group(int8_t *out, const int8_t *const *taps, size_t n_pixels, size_t step,
                      const struct chunk *chunk, size_t c, enum access access, bool int4) {
    const size_t vectors = access == ACCESS_16 ? 2 : 1, half = c % BLOCK / LANES;
    const size_t pair_bytes = int4 ? PAIRS_BYTES : BLOCK * 2 * sizeof(int16_t);
    const size_t pairs = (chunk->n_taps + 1) / 2;
    const uint8_t *weights = chunk->weights + c / BLOCK * pairs * pair_bytes;
    const struct scaling *scalings = &chunk->scalings[c / LANES];
    size_t at = 0;

    for (size_t i = 0; i < n_pixels; i++, at += step, out += chunk->size->channels) {
        __m256i sums[2], w[2];

        for (size_t v = 0; v < vectors; v++)
            sums[v] = _mm256_loadu_si256((const __m256i *) (chunk->bias + c) + v);
        for (size_t k = 0; k < pairs; k++) {
            const __m128i a = see(taps[2 * k] + at, chunk, c, access);
            const __m128i b = see(taps[2 * k + 1] + at, chunk, c, access);

            weights_of(w, weights + k * pair_bytes, half, int4);
            sums[0] = _mm256_add_epi32(
                sums[0], _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm_unpacklo_epi8(a, b)), w[0]));
            if (vectors == 2)
                sums[1] = _mm256_add_epi32(
                    sums[1],
                    _mm256_madd_epi16(_mm256_cvtepi8_epi16(_mm_unpackhi_epi8(a, b)), w[1]));
        }
        for (size_t v = 0; v < vectors; v++)
            sums[v] = avx2_requantise(sums[v], &scalings[v]);
        avx2_store(out, sums, vectors, least(chunk->n - c, BLOCK), chunk->rq->min, chunk->rq->max);
    }
}

INLINE void run_pixels(int8_t *out, const int8_t *const *taps, size_t n_pixels, size_t step,
                       const struct chunk *chunk, bool int4) {
    const size_t whole = chunk->size->multiplier == 1 ? chunk->n : 0;
    size_t c = 0;

    for (; c + BLOCK <= whole; c += BLOCK)
        run_group(out + c, taps, n_pixels, step, chunk, c, ACCESS_16, int4);
    for (; c + LANES <= whole; c += LANES)
        run_group(out + c, taps, n_pixels, step, chunk, c, ACCESS_8, int4);
    for (; c < chunk->n; c += LANES)
        run_group(out + c, taps, n_pixels, step, chunk, c, ACCESS_SOME, int4);
}

/* Point @taps to what output pixel (y, x) sees of the chunk's channels. */
static void place(const int8_t **taps, const int8_t *in, const struct chunk *chunk, int64_t y,
                  int64_t x) {
    const struct window *w = &chunk->size->window;
    const struct taps rows = window_rows(w, y), columns = window_columns(w, x);
    const size_t channels = chunk->size->channels / chunk->size->multiplier;
    const int64_t row_step = (int64_t) w->dilation_h * w->in_w * (int64_t) channels;
    const int64_t step = w->dilation_w * (int64_t) channels;
    const int8_t **tap = taps;

    int64_t at = ((y * w->stride_h - w->pad_top) * w->in_w + x * w->stride_w - w->pad_left) *
                 (int64_t) channels;

    in += chunk->first / chunk->size->multiplier;
    for (int64_t ky = 0; ky < w->filter_h; ky++, at += row_step) {
        const bool row = ky >= rows.first && ky < rows.last;

        for (int64_t kx = 0; kx < w->filter_w; kx++)
            *tap++ = row && kx >= columns.first && kx < columns.last ? in + at + kx * step
                                                                     : chunk->outside;
    }
    *tap = tap[-1]; /* of an odd number; its weights are zeros */
}

/* How many output pixels from @x on see no column outside. */
static int64_t n_inside(const struct window *w, int64_t x) {
    const int64_t start = x * w->stride_w - w->pad_left;
    const int64_t room = w->in_w - 1 - start - (int64_t) (w->filter_w - 1) * w->dilation_w;

    if (start < 0 || room < 0)
        return 0;
    return room / w->stride_w + 1 < w->out_w - x ? room / w->stride_w + 1 : w->out_w - x;
}

INLINE void run_chunk(int8_t *out, const int8_t *in, const struct chunk *chunk, bool int4) {
    const struct depthwise_size *size = chunk->size;
    const struct window *w = &size->window;
    const size_t step = (size_t) w->stride_w * (size->channels / size->multiplier);
    const int64_t most = 1 + (int64_t) ((OUTSIDE_BYTES - CHUNK) / step);
    const int8_t *taps[TAPS_MAX + 1];
    int64_t n;

    for (int64_t y = 0; y < w->out_h; y++)
        for (int64_t x = 0; x < w->out_w; x += n, out += (size_t) n * size->channels) {
            n = n_inside(w, x);
            n = n < 1 ? 1 : n > most ? most : n;
            place(taps, in, chunk, y, x);
            run_pixels(out, taps, (size_t) n, step, chunk, int4);
        }
}

INLINE void depthwise(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                      const struct requant *rq, const struct depthwise_size *size, bool int4) {
    const size_t taps = (size_t) size->window.filter_h * (size_t) size->window.filter_w;
    struct chunk chunk = { .size = size, .rq = rq, .n_taps = taps };

    for (size_t c = 0; c < size->channels; c += CHUNK) {
        chunk.first = c;
        chunk.n = least(size->channels - c, CHUNK);
        chunk.weights = (const uint8_t *) packed + sums_bytes(size->channels) +
                        (int4 ? avx2_packed_bytes(c, taps, true) : wide_bytes(taps, c));
        prepare(&chunk, packed, bias);
        run_chunk(out + c, in, &chunk, int4);
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

const struct depthwise_kernel avx2_depthwise_s8 = { bytes_s8, pack_s8, run_s8 };
const struct depthwise_kernel avx2_depthwise_s4 = { bytes_s4, pack_s4, run_s4 };
