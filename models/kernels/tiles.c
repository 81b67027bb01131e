/* SPDX-License-Identifier: MIT */
#include "models/kernels/tiles.h"

#include <string.h>

#include "models/kernels/winograd.h"

enum {
    ALIGN_BYTES = 64,
    CHANNELS_MAX = 128, /* bounds what lies on the stack */
    BLOCKS_MAX = 2,     /* of columns done together */
};

_Static_assert((int) CHANNELS_MAX <= (int) WINOGRAD_CHANNELS_MAX, "or sums would not be exact");

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t tiles_for(int32_t n, const struct tiling *tiling) {
    return ((size_t) n + tiling->makes - 1) / tiling->makes;
}

bool tiles_take(const struct tiling *tiling, const struct conv_size *size) {
    const int32_t width = size->window.out_w;

    return window_is(&size->window, 3, tiling->stride) && width >= tiling->width_least &&
           tiles_for(width, tiling) * tiling->makes - (size_t) width <= tiling->waste_most &&
           size->in_channels % TILE_CHANNELS == 0 && size->in_channels >= tiling->channels_least &&
           size->in_channels <= CHANNELS_MAX && size->out_channels % tiling->columns == 0;
}

/* So that there are tiles enough to be done together, and whole ones for each of two threads. */
size_t tiles_rows(const struct tiling *tiling) {
    return 2 * tiling->makes;
}

size_t tiles_packed_bytes(const struct tiling *tiling, const struct conv_size *size) {
    return tiling->n_points * size->out_channels * size->in_channels * sizeof(int16_t);
}

/* Of a tile at the border. */
size_t tiles_scratch_bytes(const struct tiling *tiling, const struct conv_size *size) {
    return tiling->sees * tiling->sees * size->in_channels;
}

void tiles_pack(const struct tiling *tiling, void *packed, const int8_t *weight,
                const struct conv_size *size) {
    const size_t depth = size->in_channels, n = tiling->n_points;
    int16_t *out = packed, points[TILE_POINTS];

    for (size_t c = 0; c < size->out_channels; c++)
        for (size_t d = 0; d < depth; d++) {
            tiling->weights(points, weight + c * 9 * depth + d, depth);
            for (size_t i = 0; i < n; i++)
                out[((c / TILE_BLOCK * n + i) * depth + d / 2 * 2) * TILE_BLOCK +
                    c % TILE_BLOCK * 2 + d % 2] = points[i];
        }
}

/* What the kernel is called for. */
struct call {
    const struct tiling *tiling;
    int8_t *out;
    const int8_t *in;
    const struct conv_size *size;
    int8_t *patch;
    size_t across; /* tiles */
};

/* What tile (@y, @x) sees, pixel by pixel and @row bytes from row to row, where all of it is inside
 * the image; else a copy, with zero points around it. */
static const int8_t *tile_input(const struct call *call, size_t y, size_t x, size_t *row) {
    const struct window *w = &call->size->window;
    const size_t depth = call->size->in_channels, sees = call->tiling->sees;
    const int64_t top = (int64_t) (y * TILE_STEP) - w->pad_top;
    const int64_t left = (int64_t) (x * TILE_STEP) - w->pad_left;
    const struct taps rows = taps_inside(top, 1, (int64_t) sees, w->in_h);
    const struct taps columns = taps_inside(left, 1, (int64_t) sees, w->in_w);
    const int64_t first = (top * w->in_w + left) * (int64_t) depth;

    if (rows.last - rows.first == (int64_t) sees &&
        columns.last - columns.first == (int64_t) sees) {
        *row = (size_t) w->in_w * depth;
        return call->in + first;
    }
    *row = sees * depth;
    (void) memset(call->patch, call->size->in_zero_point, sees * *row);
    for (int64_t i = rows.first; i < rows.last && columns.first < columns.last; i++)
        (void) memcpy(call->patch + (size_t) i * *row + (size_t) columns.first * depth,
                      call->in + first + (i * w->in_w + columns.first) * (int64_t) depth,
                      (size_t) (columns.last - columns.first) * depth);
    return call->patch;
}

/* The points of tiles [first, first + @batch->n), and where their outputs go. */
static void begin(struct tile_batch *batch, int16_t *points, const struct call *call,
                  size_t first) {
    const struct window *w = &call->size->window;
    const size_t depth = call->size->in_channels, makes = call->tiling->makes;
    const size_t pixel = call->size->out_channels, row = (size_t) w->out_w * pixel;

    for (size_t t = 0; t < batch->n; t++) {
        const size_t y = (first + t) / call->across, x = (first + t) % call->across;
        size_t in_row;
        const int8_t *in = tile_input(call, y, x, &in_row);

        call->tiling->inputs(points, t, in, depth, in_row);
        batch->places[t] = (struct tile_place){
            .out = call->out + y * makes * row + x * makes * pixel,
            .pixel = pixel,
            .row = row,
            .rows = least((size_t) w->out_h - y * makes, makes),
            .across = least((size_t) w->out_w - x * makes, makes),
        };
    }
}

void tiles_run(const struct tiling *tiling, struct tile_batch *batch, int8_t *out, const int8_t *in,
               const void *packed, const struct conv_size *size, void *scratch) {
    const size_t across = tiles_for(size->window.out_w, tiling),
                 block_sums = TILES * tiling->n_sums;
    const size_t n_tiles = across * tiles_for(size->window.out_h, tiling);
    const size_t block_weights = tiling->n_points * size->in_channels * TILE_BLOCK;
    const struct call call = { tiling, out, in, size, scratch, across };
    _Alignas(ALIGN_BYTES) int16_t points[TILE_POINTS * TILES * CHANNELS_MAX];
    _Alignas(ALIGN_BYTES) int32_t sums[BLOCKS_MAX * TILES * TILE_POINTS * TILE_BLOCK];

    if (n_tiles < TILES) /* the others' products are made, but not used */
        (void) memset(points, 0, sizeof(points));
    for (size_t first = 0; first < n_tiles; first += TILES) {
        const int16_t *weights = packed;

        batch->n = least(n_tiles - first, TILES);
        begin(batch, points, &call, first);
        for (size_t c = 0; c < size->out_channels; c += tiling->columns) {
            tiling->multiply(sums, points, weights, size->in_channels);
            for (size_t b = 0; b < tiling->columns / TILE_BLOCK; b++, weights += block_weights)
                tiling->outputs(batch, sums + b * block_sums * TILE_BLOCK, c + b * TILE_BLOCK);
        }
    }
}
