/* SPDX-License-Identifier: MIT */
/*
 * Matrix products and convolutions with AVX-512 VNNI: a tile of rows x 32 columns of sums stays in
 * registers, while each group of 4 of a row's values is broadcast against the weights of the
 * columns. A convolution is the same on rows that overlap: it copies a strip of the image into
 * scratch, with zero points around it, where each row of a pixel's taps lies in one piece.
 *
 * Packed weights: what is to be added to the bias, int32 [cols]; then blocks of 32 columns, a last
 * one of up to 16 [..][1]
 *   int8  [steps][2][16][4]
 *   int4  [steps][2][16][4], a step's first group in the low nibbles, its second in the high ones
 * where a step is 4 (8 as int4) values along the depth; each segment of the depth (all of it; of a
 * convolution, a row of taps) begins a step.
 */
#include "models/kernels/avx512vnni.h"

enum {
    TILE_ROWS = 8,        /* x 2 vectors of sums: 16 products under way hide their latency */
    NARROW_ROWS = 16,     /* x 1 vector */
    SOME_ROWS = 4,        /* where there are no 8 */
    BLOCK_VECTORS = 2,    /* of columns */
    BLOCK = 2 * LANES,    /* columns */
    WIDE_VECTORS = 8,     /* of columns for a single row */
    STEP_BYTES_MAX = 8,   /* of a row */
    SCRATCH_BYTES = 4096, /* of a convolution, unless one row of output needs more */
};

static size_t step_bytes(bool int4) {
    return int4 ? 2 * GROUP : GROUP;
}

static size_t steps_of(size_t segment_bytes, bool int4) {
    return (segment_bytes + step_bytes(int4) - 1) / step_bytes(int4);
}

static size_t packed_bytes(size_t cols, size_t n_segments, size_t segment_bytes, bool int4) {
    const size_t vectors = (cols + LANES - 1) / LANES;

    return vectors * VECTOR + vectors * n_segments * steps_of(segment_bytes, int4) * VECTOR;
}

static void pack(void *packed, const int8_t *weight, size_t cols, size_t n_segments,
                 size_t segment_bytes, bool int4) {
    const size_t vectors = (cols + LANES - 1) / LANES, steps = steps_of(segment_bytes, int4);
    const size_t group_bits = int4 ? 4 : 8;
    uint32_t *offsets = packed;
    uint8_t *blocks = (uint8_t *) packed + vectors * VECTOR;

    for (size_t c = 0; c < cols; c++) {
        const size_t block = c / BLOCK, half = c % BLOCK / LANES;
        const size_t halves = least(vectors - block * BLOCK_VECTORS, BLOCK_VECTORS);
        uint8_t *column = blocks + block * BLOCK_VECTORS * n_segments * steps * VECTOR +
                          half * VECTOR + c % LANES * GROUP;

        for (size_t s = 0; s < n_segments; s++)
            for (size_t d = 0; d < segment_bytes; d++, weight++) {
                const size_t step = s * steps + d / step_bytes(int4);
                const size_t nibble = d % step_bytes(int4) / GROUP;

                offsets[c] -= (uint32_t) (FLIP * *weight);
                column[step * halves * VECTOR + d % GROUP] |=
                    (uint8_t) ((*weight & ((1 << group_bits) - 1)) << (4 * nibble));
            }
    }
}

/* What does not change from tile to tile. */
struct product {
    const uint8_t *weights; /* behind the offsets */
    const int32_t *bias, *offsets;
    const struct requant *rq;
    size_t cols;
    size_t n_segments, segment_bytes, segment_step; /* a row's; from one to the next, in bytes */
    bool int4, flip;                                /* inputs have not been flipped yet */
};

INLINE size_t block_bytes(const struct product *p, bool int4) {
    return BLOCK_VECTORS * p->n_segments * steps_of(p->segment_bytes, int4) * VECTOR;
}

/* One or two groups of 4 products of each of @rows with the columns of @vectors. */
INLINE void multiply(__m512i sums[][WIDE_VECTORS], const int8_t *const *in, size_t at,
                     const uint8_t *weights, const struct product *p, size_t rows, size_t vectors,
                     bool int4, bool flip) {
    const size_t block = block_bytes(p, int4), n_groups = int4 ? 2 : 1;
    const __m512i nibble = _mm512_set1_epi8(15), eight = _mm512_set1_epi8(8);
    __m512i w[2][WIDE_VECTORS];

    UNROLL for (size_t v = 0; v < vectors; v++) {
        const __m512i bytes = _mm512_loadu_si512(weights + v / 2 * block + v % 2 * VECTOR);

        w[0][v] = bytes;
        if (int4) {
            w[0][v] = _mm512_and_si512(bytes, nibble);
            w[1][v] = _mm512_and_si512(_mm512_srli_epi16(bytes, 4), nibble);
            for (size_t g = 0; g < 2; g++)
                w[g][v] = _mm512_sub_epi8(_mm512_xor_si512(w[g][v], eight), eight);
        }
    }
    UNROLL for (size_t g = 0; g < n_groups; g++) UNROLL for (size_t r = 0; r < rows; r++) {
        int32_t group;
        __m512i x;

        (void) memcpy(&group, in[r] + at + g * GROUP, sizeof(group));
        x = _mm512_set1_epi32(group);
        if (flip)
            x = vnni_flip(x);
        UNROLL for (size_t v = 0; v < vectors; v++) vnni_dot(&sums[r][v], x, w[g][v]);
    }
}

/* All products of @rows with the columns of @vectors. */
INLINE void sum_up(__m512i sums[][WIDE_VECTORS], const int8_t *const *in, const uint8_t *weights,
                   const struct product *p, size_t rows, size_t vectors, bool int4, bool flip) {
    const size_t step = step_bytes(int4), advance = least(vectors, BLOCK_VECTORS) * VECTOR;
    const size_t whole = flip ? p->segment_bytes / step * step : p->segment_bytes;
    int8_t ends[NARROW_ROWS][STEP_BYTES_MAX] = { 0 };
    const int8_t *end[NARROW_ROWS];

    for (size_t s = 0; s < p->n_segments; s++)
        for (size_t d = 0; d < whole; d += step, weights += advance)
            multiply(sums, in, s * p->segment_step + d, weights, p, rows, vectors, int4, flip);
    if (whole == p->segment_bytes)
        return;
    for (size_t r = 0; r < rows; r++) { /* nothing behind the last row may be read */
        (void) memcpy(ends[r], in[r] + whole, p->segment_bytes - whole);
        end[r] = ends[r];
    }
    multiply(sums, end, 0, weights, p, rows, vectors, int4, flip);
}

INLINE void store16(int8_t *out, __m128i bytes, size_t n) {
    if (n >= LANES)
        _mm_storeu_si128((__m128i *) out, bytes);
    else
        _mm_mask_storeu_epi8(out, vnni_lanes(n), bytes);
}

/* Four vectors of sums become bytes: of one row (@vectors 4 or more), of two or of four. */
INLINE void finish(int8_t *const out[], __m512i sums[][WIDE_VECTORS],
                   const struct scaling *scalings, const struct product *p, size_t n, size_t rows,
                   size_t vectors, bool once) {
    const __m512i zero_point = _mm512_set1_epi32(p->rq->zero_point);
    const size_t at_once = rows * vectors < 4 ? rows * vectors : 4;

    UNROLL for (size_t i = 0; i < rows * vectors; i += 4) {
        __m512i y[4], bytes;

        UNROLL for (size_t k = 0; k < 4; k++) {
            const size_t j = i + (k < at_once ? k : 0);

            y[k] = sums[j / vectors][j % vectors];
            if (k < at_once)
                y[k] = _mm512_add_epi32(vnni_scale(y[k], &scalings[j % vectors], once), zero_point);
        }
        bytes = vnni_clamp(vnni_sort(vnni_narrow(y[0], y[1], y[2], y[3])), p->rq);
        if (vectors >= 4 && n >= (i + 4) * LANES) {
            _mm512_storeu_si512(out[0] + i * LANES, bytes);
        } else if (vectors == 2 && rows >= 2 && n >= BLOCK) {
            _mm256_storeu_si256((__m256i *) out[i / 2], _mm512_castsi512_si256(bytes));
            _mm256_storeu_si256((__m256i *) out[i / 2 + 1], _mm512_extracti64x4_epi64(bytes, 1));
        } else {
            const __m128i quarters[] = { _mm512_castsi512_si128(bytes),
                                         _mm512_extracti32x4_epi32(bytes, 1),
                                         _mm512_extracti32x4_epi32(bytes, 2),
                                         _mm512_extracti32x4_epi32(bytes, 3) };

            UNROLL for (size_t k = 0; k < at_once; k++) {
                const size_t c = (i + k) % vectors * LANES;

                if (n > c)
                    store16(out[(i + k) / vectors] + c, quarters[k], n - c);
            }
        }
    }
}

/* Some columns of the product, and how they end. */
struct columns {
    const struct product *product;
    const uint8_t *weights;
    size_t c, n; /* columns [c, c + n) */
    struct scaling scalings[WIDE_VECTORS];
    bool once;
};

/* Where rows come from and go to: of each pixel of @width, then one step further. */
struct rows {
    int8_t *out;
    const int8_t *in;
    size_t n, width;
    size_t pixel_step, row_step; /* of in, in bytes */
};

/* Rows from @i on. */
INLINE void tile(const struct rows *all, size_t i, const struct columns *columns, size_t rows,
                 size_t vectors, bool int4, bool flip) {
    const struct product *p = columns->product;
    const int8_t *in[NARROW_ROWS];
    int8_t *out[NARROW_ROWS];
    __m512i sums[NARROW_ROWS][WIDE_VECTORS];
    size_t y = i / all->width, x = i % all->width;

    for (size_t r = 0; r < rows; r++) {
        in[r] = all->in + y * all->row_step + x * all->pixel_step;
        out[r] = all->out + (i + r) * p->cols + columns->c;
        if (++x == all->width) {
            x = 0;
            y++;
        }
    }
    UNROLL for (size_t v = 0; v < vectors; v++) {
        const size_t c = columns->c + v * LANES;
        const __m512i start = _mm512_add_epi32(vnni_load(p->bias + c, p->cols - c),
                                               _mm512_loadu_si512(p->offsets + c));

        UNROLL for (size_t r = 0; r < rows; r++) sums[r][v] = start;
    }
    sum_up(sums, in, columns->weights, p, rows, vectors, int4, flip);
    if (columns->once)
        finish(out, sums, columns->scalings, p, columns->n, rows, vectors, true);
    else
        finish(out, sums, columns->scalings, p, columns->n, rows, vectors, false);
}

/* All rows of @vectors x 16 columns from @c on. */
INLINE void panel(const struct rows *all, const struct product *p, size_t c, size_t vectors,
                  bool int4, bool flip) {
    const size_t most = vectors == 1 ? NARROW_ROWS : TILE_ROWS;
    struct columns columns = {
        .product = p,
        .weights = p->weights + c / BLOCK * block_bytes(p, int4),
        .c = c,
        .n = least(p->cols - c, vectors * LANES),
    };
    size_t i = 0;

    columns.once = vnni_once(p->rq, c, columns.n);
    for (size_t v = 0; v < vectors; v++)
        columns.scalings[v] =
            vnni_scaling(p->rq, c + v * LANES, p->cols - c - v * LANES, columns.once);
    while (vectors <= BLOCK_VECTORS && all->n - i > 1 && all->n >= SOME_ROWS) {
        const size_t left = all->n - i; /* tiles may overlap: some rows are computed twice */

        if (all->n >= most && left > SOME_ROWS) {
            i = least(i, all->n - most);
            tile(all, i, &columns, most, vectors, int4, flip);
            i += most;
        } else {
            i = least(i, all->n - SOME_ROWS);
            tile(all, i, &columns, SOME_ROWS, vectors, int4, flip);
            i += SOME_ROWS;
        }
    }
    for (; i < all->n; i++)
        tile(all, i, &columns, 1, vectors, int4, flip);
}

INLINE void multiply_all(const struct rows *all, const struct product *p, bool int4, bool flip) {
    size_t c = 0;

    if (all->n < SOME_ROWS)
        for (; c + WIDE_VECTORS * LANES <= p->cols; c += WIDE_VECTORS * LANES)
            panel(all, p, c, WIDE_VECTORS, int4, flip);
    for (; c + LANES < p->cols; c += BLOCK)
        panel(all, p, c, BLOCK_VECTORS, int4, flip);
    if (c < p->cols)
        panel(all, p, c, 1, int4, flip);
}

static struct product product_of(const void *packed, const int32_t *bias, const struct requant *rq,
                                 size_t cols) {
    return (struct product){ .weights =
                                 (const uint8_t *) packed + (cols + LANES - 1) / LANES * VECTOR,
                             .bias = bias,
                             .offsets = packed,
                             .rq = rq,
                             .cols = cols };
}

/* ---- matrix products ---- */

static size_t gemm_bytes_s8(size_t cols, size_t depth) {
    return packed_bytes(cols, 1, depth, false);
}

static size_t gemm_bytes_s4(size_t cols, size_t depth) {
    return packed_bytes(cols, 1, depth, true);
}

static void gemm_pack_s8(void *packed, const int8_t *weight, size_t cols, size_t depth) {
    pack(packed, weight, cols, 1, depth, false);
}

static void gemm_pack_s4(void *packed, const int8_t *weight, size_t cols, size_t depth) {
    pack(packed, weight, cols, 1, depth, true);
}

INLINE void gemm(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                 const struct requant *rq, struct gemm_size size, bool int4) {
    const struct rows all = { out, in, size.rows, size.rows, size.depth, 0 };
    struct product p = product_of(packed, bias, rq, size.cols);

    p.n_segments = 1;
    p.segment_bytes = size.depth;
    multiply_all(&all, &p, int4, true);
}

static void gemm_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                    const struct requant *rq, struct gemm_size size) {
    gemm(out, in, packed, bias, rq, size, false);
}

static void gemm_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                    const struct requant *rq, struct gemm_size size) {
    gemm(out, in, packed, bias, rq, size, true);
}

/* ---- convolutions ---- */

static bool takes(const struct conv_size *size) {
    return size->window.dilation_w == 1;
}

static size_t segment_of(const struct conv_size *size) {
    return (size_t) size->window.filter_w * size->in_channels;
}

/* A row of the image with all that taps see beside it. */
static size_t strip_row_bytes(const struct conv_size *size) {
    const struct window *w = &size->window;

    return (size_t) ((w->out_w - 1) * w->stride_w + w->filter_w) * size->in_channels;
}

/* Rows of the image under @n rows of output. */
static size_t strip_rows(const struct window *w, size_t n) {
    return (n - 1) * (size_t) w->stride_h + (size_t) ((w->filter_h - 1) * w->dilation_h) + 1;
}

/* Rows of output at a time. */
static size_t strip_out_rows(const struct conv_size *size) {
    const size_t most = SCRATCH_BYTES / strip_row_bytes(size), first = strip_rows(&size->window, 1);
    const size_t n = most > first ? (most - first) / (size_t) size->window.stride_h + 1 : 1;

    return least(n, (size_t) size->window.out_h);
}

static size_t scratch_bytes(const struct conv_size *size) {
    return strip_rows(&size->window, strip_out_rows(size)) * strip_row_bytes(size) + STEP_BYTES_MAX;
}

static size_t conv_bytes_s8(const struct conv_size *size) {
    return packed_bytes(size->out_channels, (size_t) size->window.filter_h, segment_of(size),
                        false);
}

static size_t conv_bytes_s4(const struct conv_size *size) {
    return packed_bytes(size->out_channels, (size_t) size->window.filter_h, segment_of(size), true);
}

static void conv_pack_s8(void *packed, const int8_t *weight, const struct conv_size *size) {
    pack(packed, weight, size->out_channels, (size_t) size->window.filter_h, segment_of(size),
         false);
}

static void conv_pack_s4(void *packed, const int8_t *weight, const struct conv_size *size) {
    pack(packed, weight, size->out_channels, (size_t) size->window.filter_h, segment_of(size),
         true);
}

/* Flip what output row @y and those behind it see into @strip, @n rows. */
static void fill_strip(int8_t *strip, const int8_t *in, const struct conv_size *size, int64_t y,
                       size_t n) {
    const struct window *w = &size->window;
    const size_t channels = size->in_channels, bytes = strip_row_bytes(size);
    const size_t left = (size_t) w->pad_left * channels;
    const size_t inside = least((size_t) w->in_w * channels, bytes - left);
    const int outside = size->in_zero_point ^ FLIP;

    for (size_t i = 0; i < n; i++, strip += bytes) {
        const int64_t row = y * w->stride_h - w->pad_top + (int64_t) i;

        if (row < 0 || row >= w->in_h) {
            (void) memset(strip, outside, bytes);
            continue;
        }
        (void) memset(strip, outside, left);
        vnni_copy_flipped(strip + left, in + (size_t) (row * w->in_w) * channels, inside);
        (void) memset(strip + left + inside, outside, bytes - left - inside);
    }
}

INLINE void conv(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                 const struct requant *rq, const struct conv_size *size, void *scratch, bool int4) {
    const struct window *w = &size->window;
    const size_t most = strip_out_rows(size), out_h = (size_t) w->out_h, out_w = (size_t) w->out_w;
    struct product p = product_of(packed, bias, rq, size->out_channels);
    struct rows all = { out,
                        scratch,
                        0,
                        out_w,
                        (size_t) w->stride_w * size->in_channels,
                        (size_t) w->stride_h * strip_row_bytes(size) };

    p.n_segments = (size_t) w->filter_h;
    p.segment_bytes = segment_of(size);
    p.segment_step = (size_t) w->dilation_h * strip_row_bytes(size);
    for (size_t y = 0, n; y < out_h; y += n) {
        n = least(most, out_h - y);
        fill_strip(scratch, in, size, (int64_t) y, strip_rows(w, n));
        all.n = n * out_w;
        multiply_all(&all, &p, int4, false);
        all.out += n * out_w * p.cols;
    }
}

static void conv_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                    const struct requant *rq, const struct conv_size *size, void *scratch) {
    conv(out, in, packed, bias, rq, size, scratch, false);
}

static void conv_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                    const struct requant *rq, const struct conv_size *size, void *scratch) {
    conv(out, in, packed, bias, rq, size, scratch, true);
}

const struct gemm_kernel vnni_gemm_s8 = { gemm_bytes_s8, gemm_pack_s8, gemm_s8 };
const struct gemm_kernel vnni_gemm_s4 = { gemm_bytes_s4, gemm_pack_s4, gemm_s4 };
const struct conv_kernel vnni_conv_s8 = { takes, conv_bytes_s8, conv_pack_s8, scratch_bytes,
                                          conv_s8 };
const struct conv_kernel vnni_conv_s4 = { takes, conv_bytes_s4, conv_pack_s4, scratch_bytes,
                                          conv_s4 };
