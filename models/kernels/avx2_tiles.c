/* SPDX-License-Identifier: MIT */
/* Convolutions in tiles: which, and how the work goes round. */
#include "models/kernels/avx2_tiles.h"
#include "models/kernels/winograd.h"

enum {
    DEPTH = 16,     /* input channels in a vector */
    DEPTH_MAX = 64, /* bounds what lies on the stack */
};

_Static_assert((int) DEPTH_MAX <= (int) WINOGRAD_CHANNELS_MAX, "or sums would not be exact");

/* The one for @size; NULL. */
static const struct tiling *tiling_of(const struct conv_size *size) {
    const struct window *w = &size->window;
    const struct tiling *tiling = w->stride_h == 1 ? &avx2_winograd : &avx2_stride2;

    if (!window_is(w, 3, w->stride_h == 1 ? 1 : 2) || w->out_w < tiling->width_least ||
        size->in_channels % DEPTH != 0 || size->in_channels > DEPTH_MAX ||
        size->out_channels % BLOCK != 0)
        return NULL;
    return tiling;
}

bool avx2_tiles_take(const struct conv_size *size) {
    return tiling_of(size) != NULL;
}

static size_t tiles_for(int32_t n, const struct tiling *tiling) {
    return ((size_t) n + tiling->makes - 1) / tiling->makes;
}

/* So that there are tiles enough to be done together. */
size_t avx2_tiles_rows(const struct conv_size *size) {
    const struct tiling *tiling = tiling_of(size);

    return tiles_for(size->window.out_w, tiling) >= TILES ? tiling->makes : 2 * tiling->makes;
}

size_t avx2_tiles_packed_bytes(const struct conv_size *size) {
    return tiling_of(size)->n_points * size->out_channels * size->in_channels * sizeof(int16_t);
}

/* Of a tile at the border. */
size_t avx2_tiles_scratch_bytes(const struct conv_size *size) {
    const struct tiling *tiling = tiling_of(size);

    return tiling->sees * tiling->sees * size->in_channels;
}

/* To int16 [cols / 16][points][depth / 2][16][2]. */
void avx2_tiles_pack(void *packed, const int8_t *weight, const struct conv_size *size) {
    const struct tiling *tiling = tiling_of(size);
    const size_t depth = size->in_channels, n = tiling->n_points;
    int16_t *out = packed, points[TILE_POINTS];

    for (size_t c = 0; c < size->out_channels; c++)
        for (size_t d = 0; d < depth; d++) {
            tiling->weights(points, weight + c * 9 * depth + d, depth);
            for (size_t i = 0; i < n; i++)
                out[((c / BLOCK * n + i) * depth + d / 2 * 2) * BLOCK + c % BLOCK * 2 + d % 2] =
                    points[i];
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

        for (size_t d = 0; d < depth; d += DEPTH)
            call->tiling->inputs(points + d, t, in + d, depth, in_row);
        batch->places[t] = (struct tile_place){
            .out = call->out + y * makes * row + x * makes * pixel,
            .pixel = pixel,
            .row = row,
            .rows = least((size_t) w->out_h - y * makes, makes),
            .across = least((size_t) w->out_w - x * makes, makes),
        };
    }
}

/* Products of a pair of input channels; @begin: added to nothing yet. */
INLINE void multiply_pair(__m256i sums[TILES][2], const int16_t *v, const int16_t *weights,
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

/* A sum of the tiles and 16 columns: @v is [tiles][depth], @to [tiles][n_sums][16]. */
INLINE void multiply(int32_t *to, size_t n_sums, const int16_t *v, const int16_t *weights,
                     size_t depth) {
    __m256i sums[TILES][2];

    multiply_pair(sums, v, weights, depth, true);
    for (size_t d = 2; d < depth; d += 2)
        multiply_pair(sums, v + d, weights + d * BLOCK, depth, false);
    for (size_t t = 0; t < TILES; t++, to += n_sums * BLOCK) {
        _mm256_store_si256((__m256i *) to, sums[t][0]);
        _mm256_store_si256((__m256i *) to + 1, sums[t][1]);
    }
}

/* All sums of 16 columns; returns the next one's weights. */
static const int16_t *multiply_all(int32_t *sums, const int16_t *points, const int16_t *weights,
                                   const struct tiling *tiling, size_t channels) {
    for (size_t i = 0; i < tiling->n_sums; i++) {
        const size_t depth = tiling->parts[i] * channels;

        multiply(sums + i * BLOCK, tiling->n_sums, points, weights, depth);
        points += TILES * depth;
        weights += depth * BLOCK;
    }
    return weights;
}

void avx2_tiles_run(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                    const struct requant *rq, const struct conv_size *size, void *scratch) {
    const struct tiling *tiling = tiling_of(size);
    const size_t across = tiles_for(size->window.out_w, tiling);
    const size_t n_tiles = across * tiles_for(size->window.out_h, tiling);
    const struct call call = { tiling, out, in, size, scratch, across };
    struct tile_batch batch = { .bias = bias, .rq = rq };
    _Alignas(__m256i) int16_t points[TILE_POINTS * TILES * DEPTH_MAX];
    _Alignas(__m256i) int32_t sums[TILES * TILE_POINTS * BLOCK];

    if (n_tiles < TILES) /* the others' products are made, but not used */
        (void) memset(points, 0, sizeof(points));
    for (size_t first = 0; first < n_tiles; first += TILES) {
        const int16_t *weights = packed;

        batch.n = least(n_tiles - first, TILES);
        begin(&batch, points, &call, first);
        for (size_t c = 0; c < size->out_channels; c += BLOCK) {
            weights = multiply_all(sums, points, weights, tiling, size->in_channels);
            tiling->outputs(&batch, sums, c);
            tiling->outputs(&batch, sums + LANES, c + LANES);
        }
    }
}
