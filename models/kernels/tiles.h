/* SPDX-License-Identifier: MIT */
/*
 * tiles - convolutions of 3 x 3 in fewer products: what a tile of the output sees is transformed to
 * points, their products with points of the weights are summed up over the input channels, and the
 * sums are transformed to the outputs (A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural
 * Networks, 2015). All of that is exact in integers. How the work goes round; rows of kernels do
 * the sums.
 */
#pragma once

#include "models/kernels/kernels.h"

enum {
    TILES = 4,          /* done together */
    TILE_STEP = 4,      /* pixels of the image from one tile to the next, each way */
    TILE_POINTS = 36,   /* most of them */
    TILE_CHANNELS = 16, /* input channels come in so many at least */
    TILE_BLOCK = 16,    /* columns whose weights lie together */
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

/** A way to do some convolutions. What it is given is aligned, but for images. */
struct tiling {
    int32_t stride;
    int32_t width_least;   /* of the output; from there on it pays */
    size_t waste_most;     /* pixels of the last tile of a row, that it still does */
    size_t channels_least; /* of the input, too */
    size_t columns;        /* done together: blocks of TILE_BLOCK, one or two */
    size_t sees, makes;    /* pixels of a tile's input and output, each way */
    size_t n_points;       /* of a tile, for each input channel; and of weights, for each pair */
    size_t n_sums;         /* of a tile, for each column */

    /** The points of a filter [3][3], whose taps are @step bytes apart. */
    void (*weights)(int16_t *points, const int8_t *weight, size_t step);

    /**
     * The points of tile @tile of those done together.
     * @points  of each sum [TILES][those of it][@channels]
     * @in      int8 [sees] rows, @row bytes apart, of pixels of @channels
     */
    void (*inputs)(int16_t *points, size_t tile, const int8_t *in, size_t channels, size_t row);

    /**
     * Sums of products.
     * @sums     [columns / TILE_BLOCK][TILES][n_sums][TILE_BLOCK]
     * @weights  [columns / TILE_BLOCK][points][@channels / 2][TILE_BLOCK][2]
     */
    void (*multiply)(int32_t *sums, const int16_t *points, const int16_t *weights, size_t channels);

    /** Outputs of columns [@c, @c + TILE_BLOCK). */
    void (*outputs)(const struct tile_batch *batch, const int32_t *sums, size_t c);
};

/** May @tiling do it? */
bool tiles_take(const struct tiling *tiling, const struct conv_size *size);

/** As the fields of struct conv_kernel, where it may. */
size_t tiles_rows(const struct tiling *tiling);
size_t tiles_packed_bytes(const struct tiling *tiling, const struct conv_size *size);
size_t tiles_scratch_bytes(const struct tiling *tiling, const struct conv_size *size);
void tiles_pack(const struct tiling *tiling, void *packed, const int8_t *weight,
                const struct conv_size *size);

/** @out and @scratch as conv_kernel.run() has them; the batch needs just bias and requant. */
void tiles_run(const struct tiling *tiling, struct tile_batch *batch, int8_t *out, const int8_t *in,
               const void *packed, const struct conv_size *size, void *scratch);
