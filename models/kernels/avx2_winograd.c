/* SPDX-License-Identifier: MIT */
/* Winograd's F(4 x 4, 3 x 3) (winograd.h) on AVX2, for stride 1. */
#include "models/kernels/avx2_tiles.h"
#include "models/kernels/winograd.h"

enum { OUT = WINOGRAD_OUT, IN = WINOGRAD_IN, POINTS = WINOGRAD_POINTS };

/* The six points of six inputs, in one direction. */
INLINE void transform_inputs(__m256i *out, size_t out_step, const __m256i *d) {
    const __m256i c = _mm256_sub_epi16(d[4], d[2]), t = _mm256_sub_epi16(d[3], d[1]);
    const __m256i e = _mm256_add_epi16(t, t);
    const __m256i a = _mm256_sub_epi16(d[4], _mm256_slli_epi16(d[2], 2));
    const __m256i b = _mm256_sub_epi16(d[3], _mm256_slli_epi16(d[1], 2));

    out[0] = _mm256_add_epi16(_mm256_slli_epi16(_mm256_sub_epi16(d[0], d[2]), 2), c);
    out[out_step] = _mm256_add_epi16(a, b);
    out[2 * out_step] = _mm256_sub_epi16(a, b);
    out[3 * out_step] = _mm256_add_epi16(c, e);
    out[4 * out_step] = _mm256_sub_epi16(c, e);
    out[5 * out_step] = _mm256_sub_epi16(_mm256_sub_epi16(d[5], d[3]), _mm256_add_epi16(e, e));
}

/* Loops over whole vectors of points stay loops: there are far more than registers. */
static void inputs_of(int16_t *out, const int8_t *in, size_t channels, size_t row) {
    __m256i half[POINTS], d[IN], whole[IN];

#pragma GCC unroll 1
    for (size_t x = 0; x < IN; x++) {
        for (size_t y = 0; y < IN; y++)
            d[y] = tile_load(in + y * row + x * channels);
        transform_inputs(half + x, IN, d);
    }
#pragma GCC unroll 1
    for (size_t y = 0; y < IN; y++) {
        transform_inputs(whole, 1, half + y * IN);
        for (size_t x = 0; x < IN; x++)
            _mm256_store_si256((__m256i *) (out + (y * IN + x) * TILES * channels), whole[x]);
    }
}

static void inputs(int16_t *points, size_t tile, const int8_t *in, size_t channels, size_t row) {
    for (size_t d = 0; d < channels; d += TILE_DEPTH)
        inputs_of(points + tile * channels + d, in + d, channels, row);
}

/* The four outputs of six points, in one direction, times what winograd.h says. */
INLINE void transform_sums(__m256i *out, const __m256i *m) {
    const __m256i p = _mm256_add_epi32(m[1], m[2]), q = _mm256_sub_epi32(m[1], m[2]);
    const __m256i u = _mm256_add_epi32(m[3], m[4]), v = _mm256_sub_epi32(m[3], m[4]);

    out[0] = _mm256_sub_epi32(_mm256_add_epi32(m[0], u), _mm256_slli_epi32(p, 2));
    out[1] = _mm256_sub_epi32(v, _mm256_add_epi32(q, q));
    out[2] = _mm256_sub_epi32(u, p);
    out[3] = _mm256_add_epi32(_mm256_sub_epi32(_mm256_add_epi32(v, v), q), m[5]);
}

INLINE void outputs_of(int8_t *out, const struct tile_place *place, const int32_t *sums,
                       const struct ending *ending) {
    __m256i half[OUT][IN], m[IN], y[OUT];

#pragma GCC unroll 1
    for (size_t x = 0; x < IN; x++) {
        for (size_t i = 0; i < IN; i++)
            m[i] = _mm256_load_si256((const __m256i *) (sums + (i * IN + x) * BLOCK));
        transform_sums(y, m);
        for (size_t i = 0; i < OUT; i++)
            half[i][x] = y[i];
    }
    for (size_t i = 0; i < place->rows; i++, out += place->row) {
        transform_sums(y, half[i]);
        for (size_t x = 0; x < OUT; x++) {
            y[x] = _mm256_mullo_epi32(y[x], _mm256_set1_epi32(winograd_factor(i, x)));
            y[x] = _mm256_add_epi32(_mm256_srai_epi32(y[x], WINOGRAD_BITS), ending->bias);
            y[x] = avx2_requantise(y[x], &ending->scaling);
        }
        avx2_store_pixels(out, place->pixel, y, place->across, LANES, ending->min, ending->max);
    }
}

static void multiply(int32_t *sums, const int16_t *points, const int16_t *weight, size_t channels) {
    for (size_t i = 0; i < POINTS; i++, points += TILES * channels, weight += channels * BLOCK)
        tile_multiply(sums + i * BLOCK, POINTS, points, weight, channels);
}

TILE_OUTPUTS(outputs, POINTS, outputs_of)

/* From a width of 6 on it takes two thirds of the time of the direct way, or less. */
const struct tiling avx2_winograd = {
    .stride = 1,
    .width_least = 6,
    .waste_most = 3,
    .columns = BLOCK,
    .sees = IN,
    .makes = OUT,
    .n_points = POINTS,
    .n_sums = POINTS,
    .weights = winograd_weights,
    .inputs = inputs,
    .multiply = multiply,
    .outputs = outputs,
};
