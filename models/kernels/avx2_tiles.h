/* SPDX-License-Identifier: MIT */
/*
 * avx2_tiles - convolutions on AVX2 in fewer products: what a tile of the output sees is
 * transformed to points, their products with points of the weights are summed up over the input
 * channels, and the sums are transformed to the outputs (A. Lavin, S. Gray, Fast Algorithms for
 * Convolutional Neural Networks, 2015). All of that is exact in integers.
 */
#pragma once

#include "models/kernels/avx2.h"

enum {
    TILES = 4,       /* done together */
    TILE_STEP = 4,   /* pixels of the image from one tile to the next, each way */
    TILE_SEES = 6,   /* most pixels of it, each way */
    TILE_POINTS = 36 /* most of them */
};

/** Where the outputs of a tile go. */
struct tile_place {
    int8_t *out;         /* column 0 of the first pixel */
    size_t pixel, row;   /* bytes from one to the next */
    size_t rows, across; /* pixels that are inside the output, 1.. */
};

/** Tiles done together, and what becomes of their sums. */
struct tile_batch {
    size_t n; /* of them; 1.. */
    struct tile_place places[TILES];
    const int32_t *bias;
    const struct requant *rq;
};

/** A way to do some convolutions of 3 x 3. */
struct tiling {
    size_t sees, makes;   /* pixels of a tile's input and output, each way */
    size_t n_points;      /* of a tile, for each input channel; and of the weights, for each pair */
    size_t n_sums;        /* of a tile, for each column */
    int32_t width_least;  /* of the output, from which on it pays */
    const uint8_t *parts; /* [n_sums] points that go into each sum, one after the other */

    /** The points of a filter [3][3], whose taps are @step bytes apart. */
    void (*weights)(int16_t *points, const int8_t *weight, size_t step);

    /**
     * The points of tile @tile of those done together, for 16 channels.
     * @points    aligned; of each sum [TILES][parts][@channels]
     * @in        int8 [sees] rows, @row bytes apart, of pixels of @channels
     */
    void (*inputs)(int16_t *points, size_t tile, const int8_t *in, size_t channels, size_t row);

    /** Outputs of columns [@c, @c + 8). @sums are aligned [TILES][n_sums], BLOCK apart. */
    void (*outputs)(const struct tile_batch *batch, const int32_t *sums, size_t c);
};

/** Winograd's F(4 x 4, 3 x 3) for stride 1; for stride 2. */
extern const struct tiling avx2_winograd, avx2_stride2;

INLINE __m256i tile_load(const int8_t *in) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *) in));
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
 * Define the function for `outputs` from @tile, which does one tile:
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
        tile_ending(&ending, batch, c);                                                            \
        if (ending.scaling.how == ROUND_IN_FLOAT)                                                  \
            name##_as(batch, sums, c, &ending, ROUND_IN_FLOAT);                                    \
        else if (ending.scaling.how == ROUND_SPLIT)                                                \
            name##_as(batch, sums, c, &ending, ROUND_SPLIT);                                       \
        else if (ending.scaling.how == ROUND_ONCE)                                                 \
            name##_as(batch, sums, c, &ending, ROUND_ONCE);                                        \
        else                                                                                       \
            name##_as(batch, sums, c, &ending, ROUND_TWICE);                                       \
    }
