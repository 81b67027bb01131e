/* SPDX-License-Identifier: MIT */
/* avx2_tiles - what the tilings (tiles.h) of the AVX2 row share. */
#pragma once

#include "models/kernels/avx2.h"
#include "models/kernels/tiles.h"

/** Winograd's F(4 x 4, 3 x 3) for stride 1; for stride 2. */
extern const struct tiling avx2_winograd, avx2_stride2;

enum { TILE_DEPTH = 16 }; /* input channels in a vector */

_Static_assert((int) BLOCK == (int) TILE_BLOCK && (int) TILE_DEPTH == (int) TILE_CHANNELS, "");

INLINE __m256i tile_load(const int8_t *in) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *) in));
}

/** Products of a pair of input channels; @begin: added to nothing yet. */
INLINE void tile_multiply_pair(__m256i sums[TILES][2], const int16_t *v, const int16_t *weights,
                               size_t depth, bool begin) {
    const __m256i w[2] = { _mm256_loadu_si256((const __m256i *) weights),
                           _mm256_loadu_si256((const __m256i *) weights + 1) };

    for (size_t t = 0; t < TILES; t++) {
        int32_t pair;
        __m256i x;

        (void) memcpy(&pair, v + t * depth, sizeof(pair));
        x = _mm256_set1_epi32(pair);
        for (size_t i = 0; i < 2; i++) {
            const __m256i product = _mm256_madd_epi16(x, w[i]);

            sums[t][i] = begin ? product : _mm256_add_epi32(sums[t][i], product);
        }
    }
}

/** A sum of the tiles and 16 columns: @v is [tiles][depth], @to [tiles][n_sums][16]. */
INLINE void tile_multiply(int32_t *to, size_t n_sums, const int16_t *v, const int16_t *weights,
                          size_t depth) {
    __m256i sums[TILES][2];

    tile_multiply_pair(sums, v, weights, depth, true);
    for (size_t d = 2; d < depth; d += 2)
        tile_multiply_pair(sums, v + d, weights + d * BLOCK, depth, false);
    for (size_t t = 0; t < TILES; t++, to += n_sums * BLOCK) {
        _mm256_store_si256((__m256i *) to, sums[t][0]);
        _mm256_store_si256((__m256i *) to + 1, sums[t][1]);
    }
}

/** What becomes of the sums of 8 columns. */
struct ending {
    __m256i bias, min, max; /* bytes, the latter two */
    struct scaling scaling;
};

/** Of columns [@c, @c + 8). */
INLINE void tile_ending(struct ending *ending, const struct tile_batch *batch, size_t c) {
    avx2_scaling(&ending->scaling, batch->rq, c, c + LANES);
    ending->bias = _mm256_add_epi32(avx2_load(batch->bias + c, LANES), ending->scaling.offset);
    ending->min = _mm256_set1_epi8((char) batch->rq->min);
    ending->max = _mm256_set1_epi8((char) batch->rq->max);
}

/**
 * Define the function for tiling.outputs() from @tile, which does 8 columns of one tile:
 *   void tile(int8_t *out, const struct tile_place *, const int32_t *sums, const struct ending *)
 * inlined once for each way to round.
 */
#define TILE_OUTPUTS(name, n_sums, tile)                                                           \
    INLINE void name##_as(const struct tile_batch *batch, const int32_t *sums, size_t c,           \
                          struct ending *ending, enum rounding_steps how) {                        \
        ending->scaling.how = how; /* known to the compiler */                                     \
        for (size_t t = 0; t < batch->n; t++)                                                      \
            tile(batch->places[t].out + c, &batch->places[t], sums + t * (n_sums) *BLOCK, ending); \
    }                                                                                              \
    static void name(const struct tile_batch *batch, const int32_t *sums, size_t c) {              \
        struct ending ending;                                                                      \
                                                                                                   \
        for (size_t end = c + BLOCK; c < end; c += LANES, sums += LANES) {                         \
            tile_ending(&ending, batch, c);                                                        \
            if (ending.scaling.how == ROUND_IN_FLOAT)                                              \
                name##_as(batch, sums, c, &ending, ROUND_IN_FLOAT);                                \
            else if (ending.scaling.how == ROUND_SPLIT)                                            \
                name##_as(batch, sums, c, &ending, ROUND_SPLIT);                                   \
            else if (ending.scaling.how == ROUND_ONCE)                                             \
                name##_as(batch, sums, c, &ending, ROUND_ONCE);                                    \
            else                                                                                   \
                name##_as(batch, sums, c, &ending, ROUND_TWICE);                                   \
        }                                                                                          \
    }
