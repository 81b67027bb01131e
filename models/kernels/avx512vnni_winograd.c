/* SPDX-License-Identifier: MIT */
/*
 * Winograd's F(4 x 4, 3 x 3) (winograd.h) with AVX-512 VNNI: a product of int16 takes vpdpwssd
 * twice the time that one of int8 takes vpdpbusd, so that a quarter of them is half the time.
 */
#include "models/kernels/avx512vnni.h"
#include "models/kernels/tiles.h"
#include "models/kernels/winograd.h"

enum {
    OUT = WINOGRAD_OUT,
    IN = WINOGRAD_IN,
    POINTS = WINOGRAD_POINTS,
    DEPTH = 32, /* input channels in a vector */
    BLOCKS = 2, /* of columns, so that sums enough are under way */
    BLOCK_SUMS = TILES * POINTS * LANES,
};

_Static_assert((int) LANES == (int) TILE_BLOCK, "");

/* The six points of six inputs, in one direction. */
INLINE void transform_inputs(__m512i *out, size_t out_step, const __m512i *d) {
    const __m512i c = _mm512_sub_epi16(d[4], d[2]), t = _mm512_sub_epi16(d[3], d[1]);
    const __m512i e = _mm512_add_epi16(t, t);
    const __m512i a = _mm512_sub_epi16(d[4], _mm512_slli_epi16(d[2], 2));
    const __m512i b = _mm512_sub_epi16(d[3], _mm512_slli_epi16(d[1], 2));

    out[0] = _mm512_add_epi16(_mm512_slli_epi16(_mm512_sub_epi16(d[0], d[2]), 2), c);
    out[out_step] = _mm512_add_epi16(a, b);
    out[2 * out_step] = _mm512_sub_epi16(a, b);
    out[3 * out_step] = _mm512_add_epi16(c, e);
    out[4 * out_step] = _mm512_sub_epi16(c, e);
    out[5 * out_step] = _mm512_sub_epi16(_mm512_sub_epi16(d[5], d[3]), _mm512_add_epi16(e, e));
}

/* Up to 32 channels, those in @some. */
static void inputs_of(int16_t *out, const int8_t *in, size_t channels, size_t row, __mmask32 some) {
    __m512i half[POINTS], d[IN], whole[IN];

#pragma GCC unroll 1
    for (size_t x = 0; x < IN; x++) {
        for (size_t y = 0; y < IN; y++)
            d[y] = _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(some, in + y * row + x * channels));
        transform_inputs(half + x, IN, d);
    }
#pragma GCC unroll 1
    for (size_t y = 0; y < IN; y++) {
        transform_inputs(whole, 1, half + y * IN);
        for (size_t x = 0; x < IN; x++)
            _mm512_mask_storeu_epi16(out + (y * IN + x) * TILES * channels, some, whole[x]);
    }
}

static void inputs(int16_t *points, size_t tile, const int8_t *in, size_t channels, size_t row) {
    for (size_t d = 0; d < channels; d += DEPTH)
        inputs_of(points + tile * channels + d, in + d, channels, row,
                  (__mmask32) vnni_bytes(least(channels - d, DEPTH)));
}

/* As _mm512_dpwssd_epi32(), for which gcc 12 copies the sum first. */
INLINE void dot(__m512i *sum, __m512i x, __m512i y) {
    __asm__("vpdpwssd %2, %1, %0" : "+v"(*sum) : "v"(x), "v"(y));
}

/* A sum of the tiles and 32 columns. */
INLINE void multiply_point(int32_t *to, const int16_t *points, const int16_t *weight,
                           size_t channels) {
    __m512i sums[TILES][BLOCKS];

#pragma GCC unroll 4
    for (size_t t = 0; t < TILES; t++)
        sums[t][0] = sums[t][1] = _mm512_setzero_si512();
    for (size_t d = 0; d < channels; d += 2, weight += 2 * LANES) {
        const __m512i w[] = { _mm512_loadu_si512(weight),
                              _mm512_loadu_si512(weight + POINTS * channels * LANES) };

#pragma GCC unroll 4
        for (size_t t = 0; t < TILES; t++) {
            int32_t pair;
            __m512i x;

            (void) memcpy(&pair, points + t * channels + d, sizeof(pair));
            x = _mm512_set1_epi32(pair);
            dot(&sums[t][0], x, w[0]);
            dot(&sums[t][1], x, w[1]);
        }
    }
#pragma GCC unroll 4
    for (size_t t = 0; t < TILES; t++, to += POINTS * LANES) {
        _mm512_store_si512(to, sums[t][0]);
        _mm512_store_si512(to + BLOCK_SUMS, sums[t][1]);
    }
}

static void multiply(int32_t *sums, const int16_t *points, const int16_t *weight, size_t channels) {
    for (size_t i = 0; i < POINTS; i++, sums += LANES, points += TILES * channels)
        multiply_point(sums, points, weight + i * channels * LANES, channels);
}

/* The four outputs of six points, in one direction, times what winograd.h says. */
INLINE void transform_sums(__m512i *out, const __m512i *m) {
    const __m512i p = _mm512_add_epi32(m[1], m[2]), q = _mm512_sub_epi32(m[1], m[2]);
    const __m512i u = _mm512_add_epi32(m[3], m[4]), v = _mm512_sub_epi32(m[3], m[4]);

    out[0] = _mm512_sub_epi32(_mm512_add_epi32(m[0], u), _mm512_slli_epi32(p, 2));
    out[1] = _mm512_sub_epi32(v, _mm512_add_epi32(q, q));
    out[2] = _mm512_sub_epi32(u, p);
    out[3] = _mm512_add_epi32(_mm512_sub_epi32(_mm512_add_epi32(v, v), q), m[5]);
}

/* What becomes of 16 columns. */
struct ending {
    const struct requant *rq;
    __m512i bias;
    struct scaling scaling;
};

/* The first @n of 4 pixels. */
INLINE void store(int8_t *out, size_t pixel, __m512i bytes, size_t n) {
    _mm_storeu_si128((__m128i *) out, _mm512_castsi512_si128(bytes));
    if (n > 1)
        _mm_storeu_si128((__m128i *) (out + pixel), _mm512_extracti32x4_epi32(bytes, 1));
    if (n > 2)
        _mm_storeu_si128((__m128i *) (out + 2 * pixel), _mm512_extracti32x4_epi32(bytes, 2));
    if (n > 3)
        _mm_storeu_si128((__m128i *) (out + 3 * pixel), _mm512_extracti32x4_epi32(bytes, 3));
}

INLINE void outputs_of(int8_t *out, const struct tile_place *place, const int32_t *sums,
                       const struct ending *ending, enum rounding how) {
    const struct scaling scaling = vnni_load_scaling(&ending->scaling, how);
    __m512i half[OUT][IN], m[IN], y[OUT];

#pragma GCC unroll 1
    for (size_t x = 0; x < IN; x++) {
        for (size_t i = 0; i < IN; i++)
            m[i] = _mm512_load_si512(sums + (i * IN + x) * LANES);
        transform_sums(y, m);
        for (size_t i = 0; i < OUT; i++)
            half[i][x] = y[i];
    }
#pragma GCC unroll 1
    for (size_t i = 0; i < place->rows; i++, out += place->row) {
        transform_sums(y, half[i]);
        for (size_t x = 0; x < OUT; x++) {
            y[x] = _mm512_mullo_epi32(y[x], _mm512_set1_epi32(winograd_factor(i, x)));
            y[x] = _mm512_add_epi32(_mm512_srai_epi32(y[x], WINOGRAD_BITS), ending->bias);
            y[x] = vnni_scale(y[x], &scaling, how);
        }
        store(out, place->pixel,
              vnni_clamp(vnni_sort(vnni_narrow_scaled(y, ending->rq->zero_point, how)), ending->rq),
              place->across);
    }
}

INLINE void outputs_as(const struct tile_batch *batch, const int32_t *sums, size_t c,
                       enum rounding how) {
    struct ending ending = {
        .rq = batch->rq,
        .bias = _mm512_loadu_si512(batch->bias + c),
        .scaling = vnni_scaling(batch->rq, c, LANES, how),
    };

    if (how >= ROUND_SPLIT)
        ending.bias =
            _mm512_add_epi32(ending.bias, _mm512_loadu_si512(batch->rq->in_float.offset + c));
    for (size_t t = 0; t < batch->n; t++, sums += POINTS * LANES)
        outputs_of(batch->places[t].out + c, &batch->places[t], sums, &ending, how);
}

static void outputs(const struct tile_batch *batch, const int32_t *sums, size_t c) {
    const enum rounding how = vnni_rounding_of_many(batch->rq, c, LANES);

    if (how == ROUND_IN_FLOAT)
        outputs_as(batch, sums, c, ROUND_IN_FLOAT);
    else if (how == ROUND_SPLIT)
        outputs_as(batch, sums, c, ROUND_SPLIT);
    else if (how == ROUND_POSITIVE)
        outputs_as(batch, sums, c, ROUND_POSITIVE);
    else if (how == ROUND_RIGHT)
        outputs_as(batch, sums, c, ROUND_RIGHT);
    else
        outputs_as(batch, sums, c, ROUND_ANY);
}

/* From 64 channels on it takes four fifths of the time of the direct way, or less, where the last
 * tile is not mostly outside. */
const struct tiling vnni_winograd = {
    .stride = 1,
    .width_least = 8,
    .waste_most = 2,
    .channels_least = 64,
    .columns = BLOCKS * LANES,
    .sees = IN,
    .makes = OUT,
    .n_points = POINTS,
    .n_sums = POINTS,
    .weights = winograd_weights,
    .inputs = inputs,
    .multiply = multiply,
    .outputs = outputs,
};
