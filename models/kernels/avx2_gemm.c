/* SPDX-License-Identifier: MIT */
/*
 * Matrix products and convolutions with AVX2: a tile of rows x 16 columns of sums stays in
 * registers, while each pair of a row's values, widened once, is broadcast against the weights of
 * the columns. A convolution is the same on rows that overlap: a strip of the image is widened into
 * scratch, with zero points around it, where each row of a pixel's taps lies in one piece (a
 * segment). Each segment's weights begin with a pair of their own.
 */
#include "models/kernels/avx2.h"

enum {
    TILE_ROWS = 4,        /* x 2 vectors of sums: with weights and values, 14 of the 16 registers */
    WIDE_ITEMS = 12288,   /* room for a panel of rows, and for 16 columns of weights, as int16 */
    UNPACK_ROWS = 3,      /* from so many on it pays to unpack weights first */
    CONV_WIDTH = 5,       /* outputs in a row that a convolution is worth a strip for */
    SCRATCH_BYTES = 4096, /* of a convolution, unless one row of output needs more */
};

static size_t bytes_s8(size_t cols, size_t depth) {
    return depth > WIDE_ITEMS ? c_gemm_s8.packed_bytes(cols, depth)
                              : avx2_packed_bytes(cols, depth, false);
}

static size_t bytes_s4(size_t cols, size_t depth) {
    return depth > WIDE_ITEMS ? c_gemm_s4.packed_bytes(cols, depth)
                              : avx2_packed_bytes(cols, depth, true);
}

static void pack(void *packed, const int8_t *weight, size_t cols, size_t depth, bool int4) {
    for (size_t c = 0; c < cols; c++)
        for (size_t d = 0; d < depth; d++)
            avx2_pack(packed, cols, depth, int4, c, d, weight[c * depth + d]);
}

static void pack_s8(void *packed, const int8_t *weight, size_t cols, size_t depth) {
    if (depth > WIDE_ITEMS)
        c_gemm_s8.pack(packed, weight, cols, depth);
    else
        pack(packed, weight, cols, depth, false);
}

static void pack_s4(void *packed, const int8_t *weight, size_t cols, size_t depth) {
    if (depth > WIDE_ITEMS)
        c_gemm_s4.pack(packed, weight, cols, depth);
    else
        pack(packed, weight, cols, depth, true);
}

/* A row as int16; up to 15 items behind it are written, and read where they lie before @end. */
static inline void widen(int16_t *wide, const int8_t *in, size_t depth, const int8_t *end) {
    const size_t whole = (size_t) (end - in) / BLOCK * BLOCK;
    __m128i bytes = _mm_setzero_si128();
    size_t d = 0;

    for (; d < least(depth, whole); d += BLOCK)
        _mm256_storeu_si256((__m256i *) (wide + d),
                            _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *) (in + d))));
    if (d < depth) {
        (void) memcpy(&bytes, in + d, depth - d);
        _mm256_storeu_si256((__m256i *) (wide + d), _mm256_cvtepi8_epi16(bytes));
    }
}

/* What does not change from tile to tile. */
struct product {
    const uint8_t *packed;
    const int32_t *bias;
    const struct requant *rq;
    size_t cols;
    size_t stride;                                  /* of wide rows, in items */
    size_t n_segments, segment_pairs, segment_step; /* a row's; from one to the next, in items */
};

static inline size_t pairs_of(const struct product *p) {
    return p->n_segments * p->segment_pairs;
}

/* How the weights of the columns at hand lie. */
enum weights { WEIGHTS_INT16, WEIGHTS_INT8, WEIGHTS_INT4 };

INLINE void load_weights(__m256i w[2], const void *weights, size_t pair, size_t vectors,
                         enum weights kind) {
    const uint8_t *bytes = weights;

    if (kind == WEIGHTS_INT16)
        for (size_t v = 0; v < vectors; v++)
            w[v] = _mm256_loadu_si256((const __m256i *) weights + pair * vectors + v);
    else if (kind == WEIGHTS_INT8)
        avx2_weights(w, bytes + pair * vectors * PAIRS_BYTES, vectors, false);
    else
        avx2_weights(w, bytes + pair * PAIRS_BYTES, vectors, true);
}

/* Columns [c, c + vectors x 8) of the product and how they end. */
struct columns {
    const struct product *product;
    const void *weights;
    size_t c;
    struct scaling scalings[2];
};

/* @rows x @vectors x 8 sums. */
INLINE void tile(int8_t *out, const int16_t *wide, const struct columns *columns, size_t rows,
                 size_t vectors, enum weights kind) {
    const struct product *p = columns->product;
    const size_t left = p->cols - columns->c;
    __m256i sums[TILE_ROWS][2], w[2];
    size_t pair = 0;

    for (size_t v = 0; v < vectors; v++)
        for (size_t r = 0; r < rows; r++)
            sums[r][v] = avx2_load(p->bias + columns->c + v * LANES, left - v * LANES);
    for (size_t s = 0; s < p->n_segments; s++, wide += p->segment_step)
        for (size_t k = 0; k < p->segment_pairs; k++, pair++) {
            load_weights(w, columns->weights, pair, vectors, kind);
            for (size_t r = 0; r < rows; r++) {
                int32_t values;
                __m256i x;

                (void) memcpy(&values, wide + r * p->stride + 2 * k, sizeof(values));
                x = _mm256_set1_epi32(values);
                for (size_t v = 0; v < vectors; v++)
                    sums[r][v] = _mm256_add_epi32(sums[r][v], _mm256_madd_epi16(x, w[v]));
            }
        }
    for (size_t r = 0; r < rows; r++) {
        for (size_t v = 0; v < vectors; v++)
            sums[r][v] = avx2_requantise(sums[r][v], &columns->scalings[v]);
        avx2_store(out + r * p->cols, sums[r], vectors, left, p->rq->min, p->rq->max);
    }
}

/* Rows of a panel: @n_lines times @n, @step items apart. */
struct lines {
    size_t n, step, n_lines;
};

/* All of them of these columns. */
INLINE void tiles(int8_t *out, const int16_t *wide, const struct columns *columns,
                  const struct lines *lines, size_t vectors, enum weights kind) {
    const size_t stride = columns->product->stride, cols = columns->product->cols;
    const size_t n = lines->n;

    for (size_t y = 0; y < lines->n_lines; y++, wide += lines->step, out += n * cols) {
        size_t r = 0;

        for (; r + TILE_ROWS <= n; r += TILE_ROWS)
            tile(out + r * cols, wide + r * stride, columns, TILE_ROWS, vectors, kind);
        if (n - r == 3)
            tile(out + r * cols, wide + r * stride, columns, 3, vectors, kind);
        else if (n - r == 2)
            tile(out + r * cols, wide + r * stride, columns, 2, vectors, kind);
        else if (n - r == 1)
            tile(out + r * cols, wide + r * stride, columns, 1, vectors, kind);
    }
}

INLINE void panel(int8_t *out, const int16_t *wide, const struct product *p,
                  const struct lines *lines, size_t c, size_t vectors, bool int4) {
    const size_t pairs = pairs_of(p);
    const uint8_t *packed = p->packed + c / BLOCK * avx2_packed_bytes(BLOCK, 2 * pairs, int4);
    const enum weights kind = int4 ? WEIGHTS_INT4 : WEIGHTS_INT8;
    struct columns columns = { .product = p, .weights = packed, .c = c };
    __m256i unpacked[WIDE_ITEMS / BLOCK], w[2];

    for (size_t v = 0; v < vectors; v++)
        columns.scalings[v] = avx2_scaling(p->rq, c + v * LANES, p->cols);
    if (lines->n * lines->n_lines < UNPACK_ROWS || pairs * vectors > WIDE_ITEMS / BLOCK) {
        tiles(out + c, wide, &columns, lines, vectors, kind);
        return;
    }
    for (size_t k = 0; k < pairs; k++) {
        load_weights(w, packed, k, vectors, kind);
        for (size_t v = 0; v < vectors; v++)
            unpacked[k * vectors + v] = w[v];
    }
    columns.weights = unpacked;
    tiles(out + c, wide, &columns, lines, vectors, WEIGHTS_INT16);
}

INLINE void panels(int8_t *out, const int16_t *wide, const struct product *p,
                   const struct lines *lines, bool int4) {
    size_t c = 0;

    for (; c + LANES < p->cols; c += BLOCK)
        panel(out, wide, p, lines, c, 2, int4);
    if (c < p->cols)
        panel(out, wide, p, lines, c, 1, int4);
}

/* ---- matrix products ---- */

INLINE void gemm(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                 const struct requant *rq, struct gemm_size size, bool int4) {
    const struct product p = { .packed = packed,
                               .bias = bias,
                               .rq = rq,
                               .cols = size.cols,
                               .stride = (size.depth + BLOCK - 1) / BLOCK * BLOCK,
                               .n_segments = 1,
                               .segment_pairs = (size.depth + 1) / 2 };
    const int8_t *end = in + size.rows * size.depth;
    int16_t wide[WIDE_ITEMS + BLOCK];
    size_t n;

    for (size_t left = size.rows; left > 0; left -= n, in += n * size.depth, out += n * p.cols) {
        n = least(left, WIDE_ITEMS / p.stride);
        for (size_t r = 0; r < n; r++)
            widen(wide + r * p.stride, in + r * size.depth, size.depth, end);
        panels(out, wide, &p, &(struct lines){ n, 0, 1 }, int4);
    }
}

static void run_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, struct gemm_size size) {
    if (size.depth > WIDE_ITEMS)
        c_gemm_s8.run(out, in, packed, bias, rq, size);
    else
        gemm(out, in, packed, bias, rq, size, false);
}

static void run_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                   const struct requant *rq, struct gemm_size size) {
    if (size.depth > WIDE_ITEMS)
        c_gemm_s4.run(out, in, packed, bias, rq, size);
    else
        gemm(out, in, packed, bias, rq, size, true);
}

/* ---- convolutions ---- */

static size_t segment_items(const struct conv_size *size) {
    return (size_t) size->window.filter_w * size->in_channels;
}

/* Of weights, with a segment's last pair whole. */
static size_t padded_depth(const struct conv_size *size) {
    return (size_t) size->window.filter_h * ((segment_items(size) + 1) / 2 * 2);
}

static bool takes(const struct conv_size *size) {
    return size->window.dilation_w == 1 && size->window.out_w >= CONV_WIDTH &&
           padded_depth(size) <= WIDE_ITEMS;
}

/* A row of the image with all that taps see beside it. */
static size_t row_items(const struct conv_size *size) {
    const struct window *w = &size->window;

    return ((size_t) (w->out_w - 1) * (size_t) w->stride_w + (size_t) w->filter_w) *
           size->in_channels;
}

/* Rows of the image under @n rows of output. */
static size_t rows_under(const struct window *w, size_t n) {
    return (n - 1) * (size_t) w->stride_h + (size_t) (w->filter_h - 1) * (size_t) w->dilation_h + 1;
}

/* Rows of output at a time. */
static size_t strip_rows(const struct conv_size *size) {
    const size_t most = SCRATCH_BYTES / sizeof(int16_t) / row_items(size);
    const size_t first = rows_under(&size->window, 1);
    const size_t n = most > first ? (most - first) / (size_t) size->window.stride_h + 1 : 1;

    return least(n, (size_t) size->window.out_h);
}

/* Widening writes, and the last pair reads, up to 16 items behind; 16 bytes to align it. */
static size_t scratch_bytes(const struct conv_size *size) {
    return (rows_under(&size->window, strip_rows(size)) * row_items(size) + BLOCK) *
               sizeof(int16_t) +
           16;
}

static size_t scratch_bytes_s8(const struct conv_size *size) {
    return avx2_winograd_takes(size) ? avx2_winograd_scratch_bytes(size) : scratch_bytes(size);
}

static size_t conv_bytes_s8(const struct conv_size *size) {
    if (avx2_winograd_takes(size))
        return avx2_winograd_packed_bytes(size);
    return avx2_packed_bytes(size->out_channels, padded_depth(size), false);
}

static size_t conv_bytes_s4(const struct conv_size *size) {
    return avx2_packed_bytes(size->out_channels, padded_depth(size), true);
}

static void conv_pack(void *packed, const int8_t *weight, const struct conv_size *size, bool int4) {
    const size_t n_segments = (size_t) size->window.filter_h, items = segment_items(size);
    const size_t depth = padded_depth(size);

    for (size_t c = 0; c < size->out_channels; c++)
        for (size_t s = 0; s < n_segments; s++)
            for (size_t i = 0; i < items; i++)
                avx2_pack(packed, size->out_channels, depth, int4, c, s * (depth / n_segments) + i,
                          *weight++);
}

static void conv_pack_s8(void *packed, const int8_t *weight, const struct conv_size *size) {
    if (avx2_winograd_takes(size))
        avx2_winograd_pack(packed, weight, size);
    else
        conv_pack(packed, weight, size, false);
}

static void conv_pack_s4(void *packed, const int8_t *weight, const struct conv_size *size) {
    conv_pack(packed, weight, size, true);
}

static void fill(int16_t *out, int16_t value, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = value;
}

/* Widen what output row @y and those behind it see into @strip, @n rows. */
static void fill_strip(int16_t *strip, const int8_t *in, const struct conv_size *size, size_t y,
                       size_t n) {
    const struct window *w = &size->window;
    const size_t channels = size->in_channels, items = row_items(size);
    const size_t left = (size_t) w->pad_left * channels, in_items = (size_t) w->in_w * channels;
    const size_t inside = least(in_items, items - left);
    const int8_t *end = in + (size_t) w->in_h * in_items;
    const int16_t outside = (int16_t) size->in_zero_point;
    int64_t row = (int64_t) y * w->stride_h - w->pad_top;

    for (size_t i = 0; i < n; i++, row++, strip += items) {
        if (row < 0 || row >= w->in_h) {
            fill(strip, outside, items);
            continue;
        }
        fill(strip, outside, left);
        widen(strip + left, in + (size_t) row * in_items, inside, end);
        fill(strip + left + inside, outside, items - left - inside);
    }
}

INLINE void conv(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                 const struct requant *rq, const struct conv_size *size, void *scratch, bool int4) {
    const struct window *w = &size->window;
    const size_t most = strip_rows(size), items = row_items(size), out_h = (size_t) w->out_h;
    int16_t *strip = (int16_t *) (((uintptr_t) scratch + 15) & ~(uintptr_t) 15);
    const struct product p = { .packed = packed,
                               .bias = bias,
                               .rq = rq,
                               .cols = size->out_channels,
                               .stride = (size_t) w->stride_w * size->in_channels,
                               .n_segments = (size_t) w->filter_h,
                               .segment_pairs = (segment_items(size) + 1) / 2,
                               .segment_step = (size_t) w->dilation_h * items };
    struct lines lines = { (size_t) w->out_w, (size_t) w->stride_h * items, 0 };

    for (size_t y = 0; y < out_h; y += lines.n_lines) {
        lines.n_lines = least(most, out_h - y);
        fill_strip(strip, in, size, y, rows_under(w, lines.n_lines));
        panels(out + y * lines.n * p.cols, strip, &p, &lines, int4);
    }
}

static void conv_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                    const struct requant *rq, const struct conv_size *size, void *scratch) {
    if (avx2_winograd_takes(size))
        avx2_winograd_run(out, in, packed, bias, rq, size, scratch);
    else
        conv(out, in, packed, bias, rq, size, scratch, false);
}

static size_t conv_rows_s8(const struct conv_size *size) {
    return avx2_winograd_takes(size) ? avx2_winograd_rows(size) : 1;
}

static void conv_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                    const struct requant *rq, const struct conv_size *size, void *scratch) {
    conv(out, in, packed, bias, rq, size, scratch, true);
}

const struct gemm_kernel avx2_gemm_s8 = { bytes_s8, pack_s8, run_s8 };
const struct gemm_kernel avx2_gemm_s4 = { bytes_s4, pack_s4, run_s4 };
const struct conv_kernel avx2_conv_s8 = { takes,   conv_bytes_s8, conv_pack_s8, scratch_bytes_s8,
                                          conv_s8, conv_rows_s8 };
const struct conv_kernel avx2_conv_s4 = { takes,         conv_bytes_s4, conv_pack_s4,
                                          scratch_bytes, conv_s4,       NULL };
