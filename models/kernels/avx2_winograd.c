/* SPDX-License-Identifier: MIT */
/*
 * Convolutions of 3 x 3 at stride 1 on AVX2, by Winograd's F(4 x 4, 3 x 3) (winograd.h).
 *
 * Some tiles are done together, so that each weight is used for all of them. Tiles at the border of
 * the image are copied first, with zero points around them.
 */
#include "models/kernels/avx2.h"
#include "models/kernels/winograd.h"

enum {
    OUT = WINOGRAD_OUT,
    IN = WINOGRAD_IN,
    POINTS = WINOGRAD_POINTS,
    TILES = 4,       /* done together */
    DEPTH = 16,      /* input channels in a vector */
    DEPTH_MAX = 64,  /* bounds what lies on the stack */
    WIDTH_LEAST = 6, /* from there on it takes two thirds of the time or less */
};

bool avx2_winograd_takes(const struct conv_size *size) {
    return winograd_fits(size) && size->window.out_w >= WIDTH_LEAST &&
           size->in_channels % DEPTH == 0 && size->in_channels <= DEPTH_MAX &&
           size->out_channels % BLOCK == 0;
}

/* So that there are tiles enough to be done together. */
size_t avx2_winograd_rows(const struct conv_size *size) {
    return winograd_tiles((size_t) size->window.out_w) >= TILES ? OUT : 2 * OUT;
}

size_t avx2_winograd_packed_bytes(const struct conv_size *size) {
    return POINTS * size->out_channels * size->in_channels * sizeof(int16_t);
}

/* Of a tile at the border. */
size_t avx2_winograd_scratch_bytes(const struct conv_size *size) {
    return (size_t) IN * IN * size->in_channels;
}

/* To int16 [cols / 16][points][depth / 2][16][2]. */
void avx2_winograd_pack(void *packed, const int8_t *weight, const struct conv_size *size) {
    const size_t depth = size->in_channels;
    int16_t *out = packed, points[POINTS];

    for (size_t c = 0; c < size->out_channels; c++)
        for (size_t d = 0; d < depth; d++) {
            winograd_weights(points, weight + c * 9 * depth + d, depth);
            for (size_t i = 0; i < POINTS; i++)
                out[((c / BLOCK * POINTS + i) * depth + d / 2 * 2) * BLOCK + c % BLOCK * 2 +
                    d % 2] = points[i];
        }
}

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

/*
 * 16 channels of a tile; the points to every @step items of @out. Loops over whole vectors of
 * points stay loops: there are far more than registers.
 */
static void transform_tile(int16_t *out, size_t step, const int8_t *in, size_t pixel, size_t row) {
    __m256i half[POINTS], d[IN], points[IN];

#pragma GCC unroll 1
    for (size_t x = 0; x < IN; x++) {
        for (size_t y = 0; y < IN; y++)
            d[y] =
                _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *) (in + y * row + x * pixel)));
        transform_inputs(half + x, IN, d);
    }
#pragma GCC unroll 1
    for (size_t y = 0; y < IN; y++) {
        transform_inputs(points, 1, half + y * IN);
        for (size_t x = 0; x < IN; x++)
            _mm256_store_si256((__m256i *) (out + (y * IN + x) * step), points[x]);
    }
}

/* One point of the tiles and 16 columns: @v is [tiles][depth], @out [tiles][points][16]. */
INLINE void multiply_point(int32_t *out, const int16_t *v, const int16_t *weights, size_t depth) {
    __m256i sums[TILES][2];

    for (size_t t = 0; t < TILES; t++)
        sums[t][0] = sums[t][1] = _mm256_setzero_si256();
    for (size_t d = 0; d < depth; d += 2, weights += 2 * BLOCK) {
        const __m256i w[2] = { _mm256_loadu_si256((const __m256i *) weights),
                               _mm256_loadu_si256((const __m256i *) weights + 1) };

        for (size_t t = 0; t < TILES; t++) {
            int32_t pair;
            __m256i x;

            (void) memcpy(&pair, v + t * depth + d, sizeof(pair));
            x = _mm256_set1_epi32(pair);
            sums[t][0] = _mm256_add_epi32(sums[t][0], _mm256_madd_epi16(x, w[0]));
            sums[t][1] = _mm256_add_epi32(sums[t][1], _mm256_madd_epi16(x, w[1]));
        }
    }
    for (size_t t = 0; t < TILES; t++) {
        _mm256_store_si256((__m256i *) (out + t * POINTS * BLOCK), sums[t][0]);
        _mm256_store_si256((__m256i *) (out + t * POINTS * BLOCK + LANES), sums[t][1]);
    }
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

/* What becomes of the sums of 8 columns. */
struct ending {
    const struct requant *rq;
    __m256i bias;
    struct scaling scaling;
};

/* 8 columns of a tile, the pixels that are inside the output; @points is [36][16]. */
INLINE void finish_tile(int8_t *out, size_t pixel, size_t row, const int32_t *points,
                        const struct ending *ending, size_t rows, size_t across,
                        enum rounding_steps how) {
    const __m256i min = _mm256_set1_epi8((char) ending->rq->min);
    const __m256i max = _mm256_set1_epi8((char) ending->rq->max);
    struct scaling scaling = ending->scaling;
    __m256i half[OUT][IN], m[IN], y[OUT];

    scaling.how = how; /* known to the compiler */
#pragma GCC unroll 1
    for (size_t x = 0; x < IN; x++) {
        for (size_t i = 0; i < IN; i++)
            m[i] = _mm256_load_si256((const __m256i *) (points + (i * IN + x) * BLOCK));
        transform_sums(y, m);
        for (size_t i = 0; i < OUT; i++)
            half[i][x] = y[i];
    }
    for (size_t i = 0; i < rows; i++, out += row) {
        transform_sums(y, half[i]);
        for (size_t x = 0; x < OUT; x++) {
            y[x] = _mm256_mullo_epi32(y[x], _mm256_set1_epi32(winograd_factor(i, x)));
            y[x] = _mm256_add_epi32(_mm256_srai_epi32(y[x], WINOGRAD_BITS), ending->bias);
            y[x] = avx2_requantise(y[x], &scaling);
        }
        avx2_store_pixels(out, pixel, y, across, LANES, min, max);
    }
}

/* What the kernel is called for. */
struct call {
    int8_t *out;
    const int8_t *in;
    const int16_t *weights;
    const int32_t *bias;
    const struct requant *rq;
    const struct conv_size *size;
    int8_t *patch;
    size_t across; /* tiles */
};

/* What tile (@y, @x) sees, pixel by pixel and @row bytes from row to row, where all of it is inside
 * the image; else a copy. */
static const int8_t *tile_input(const struct call *call, size_t y, size_t x, size_t *row) {
    const struct window *w = &call->size->window;
    const size_t depth = call->size->in_channels;
    const int64_t top = (int64_t) (y * OUT) - w->pad_top, left = (int64_t) (x * OUT) - w->pad_left;
    const struct taps rows = taps_inside(top, 1, IN, w->in_h);
    const struct taps columns = taps_inside(left, 1, IN, w->in_w);
    const int64_t first = (top * w->in_w + left) * (int64_t) depth;

    if (rows.first == 0 && rows.last == IN && columns.first == 0 && columns.last == IN) {
        *row = (size_t) w->in_w * depth;
        return call->in + first;
    }
    *row = IN * depth;
    (void) memset(call->patch, call->size->in_zero_point, IN * *row);
    for (int64_t i = rows.first; i < rows.last && columns.first < columns.last; i++)
        (void) memcpy(call->patch + (size_t) (i * IN + columns.first) * depth,
                      call->in + first + (i * w->in_w + columns.first) * (int64_t) depth,
                      (size_t) (columns.last - columns.first) * depth);
    return call->patch;
}

/* The points of tiles [first, first + @n), [points][tiles][depth]. */
static void transform_tiles(int16_t *points, const struct call *call, size_t first, size_t n) {
    const size_t depth = call->size->in_channels;

    for (size_t t = 0; t < n; t++) {
        const size_t tile = first + t;
        size_t row;
        const int8_t *in = tile_input(call, tile / call->across, tile % call->across, &row);

        for (size_t d = 0; d < depth; d += DEPTH)
            transform_tile(points + t * depth + d, TILES * depth, in + d, depth, row);
    }
}

static void finish_tiles(const struct call *call, const int32_t *sums, size_t first, size_t n,
                         size_t c) {
    const struct window *w = &call->size->window;
    const size_t cols = call->size->out_channels, row = (size_t) w->out_w * cols;
    struct ending ending = { .rq = call->rq };

    avx2_scaling(&ending.scaling, call->rq, c, cols);
    ending.bias = _mm256_add_epi32(avx2_load(call->bias + c, LANES), ending.scaling.offset);
    for (size_t t = 0; t < n; t++, sums += POINTS * BLOCK) {
        const size_t y = (first + t) / call->across * OUT, x = (first + t) % call->across * OUT;
        const size_t rows = least((size_t) w->out_h - y, OUT);
        const size_t across = least((size_t) w->out_w - x, OUT);
        int8_t *out = call->out + y * row + x * cols + c;

        if (ending.scaling.how == ROUND_IN_FLOAT)
            finish_tile(out, cols, row, sums, &ending, rows, across, ROUND_IN_FLOAT);
        else if (ending.scaling.how == ROUND_ONCE)
            finish_tile(out, cols, row, sums, &ending, rows, across, ROUND_ONCE);
        else
            finish_tile(out, cols, row, sums, &ending, rows, across, ROUND_TWICE);
    }
}

void avx2_winograd_run(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                       const struct requant *rq, const struct conv_size *size, void *scratch) {
    const size_t depth = size->in_channels;
    const size_t across = winograd_tiles((size_t) size->window.out_w);
    const size_t n_tiles = across * winograd_tiles((size_t) size->window.out_h);
    const struct call call = { out, in, packed, bias, rq, size, scratch, across };
    _Alignas(__m256i) int16_t points[POINTS * TILES * DEPTH_MAX];
    _Alignas(__m256i) int32_t sums[TILES * POINTS * BLOCK];

    if (n_tiles < TILES) /* the others' products are made, but not used */
        (void) memset(points, 0, sizeof(points));
    for (size_t first = 0; first < n_tiles; first += TILES) {
        const size_t n = least(n_tiles - first, TILES);
        const int16_t *weights = call.weights;

        transform_tiles(points, &call, first, n);
        for (size_t c = 0; c < size->out_channels; c += BLOCK) {
            for (size_t i = 0; i < POINTS; i++, weights += depth * BLOCK)
                multiply_point(sums + i * BLOCK, points + i * TILES * depth, weights, depth);
            finish_tiles(&call, sums, first, n, c);
            finish_tiles(&call, sums + LANES, first, n, c + LANES);
        }
    }
}
