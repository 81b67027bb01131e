/* SPDX-License-Identifier: MIT */
/*
 * The C row: the specification. Plain loops over the formulas of TensorFlow Lite Micro's
 * reference kernels (tensorflow/lite/kernels/internal/reference/integer_ops/{conv,depthwise_conv,
 * fully_connected,pooling,add}.h), written so that a compiler can vectorise the inner ones.
 */
#include "models/kernels/kernels.h"

#include <string.h>

enum {
    DOT_CHUNK = 1 << 14, /* products of int8 whose sum stays inside int32 */
    NIBBLE_CHUNK = 128,  /* int4 weights unpacked at a time; even */
    GEMM_BLOCK = 16,     /* input rows that share unpacked int4 weights */
    CHANNEL_CHUNK = 64,  /* channels summed at a time; even */
    ADD_LEFT_SHIFT = 20,
};

static int8_t requantise(uint32_t acc, const struct requant *rq, size_t c) {
    const struct factor factor = { rq->multiplier[c], rq->shift[c] };
    const int32_t y = wrap_add(mbqm((int32_t) acc, factor), rq->zero_point);

    return (int8_t) clamp_to(y, rq->min, rq->max);
}

/* Sum of a[i] x b[i], n up to DOT_CHUNK. */
static int32_t dot_chunk(const int8_t *restrict a, const int8_t *restrict b, size_t n) {
    int32_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* The same for any n, wrapping. */
static uint32_t dot(const int8_t *a, const int8_t *b, size_t n) {
    uint32_t sum = 0;

    for (size_t i = 0; i < n; i += DOT_CHUNK)
        sum += (uint32_t) dot_chunk(a + i, b + i, n - i < DOT_CHUNK ? n - i : DOT_CHUNK);
    return sum;
}

static size_t bytes_s8(size_t rows, size_t cols) {
    return rows * cols;
}

static void pack_s8(void *packed, const int8_t *weight, size_t rows, size_t cols) {
    (void) memcpy(packed, weight, rows * cols);
}

/* int4: two a byte, the earlier one in the low nibble; each row begins with a byte of its own. */
static size_t row_bytes_s4(size_t cols) {
    return (cols + 1) / 2;
}

static size_t bytes_s4(size_t rows, size_t cols) {
    return rows * row_bytes_s4(cols);
}

static void pack_s4(void *packed, const int8_t *weight, size_t rows, size_t cols) {
    uint8_t *out = packed;

    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < cols; c++)
            out[r * row_bytes_s4(cols) + c / 2] |=
                (uint8_t) ((weight[r * cols + c] & 15) << (c % 2 * 4));
}

/* Unpack n nibbles; n odd leaves the last high nibble alone. */
static void unpack_s4(int8_t *restrict out, const uint8_t *restrict packed, size_t n) {
    for (size_t i = 0; i < n / 2; i++) {
        out[2 * i] = (int8_t) (((packed[i] & 15) ^ 8) - 8);
        out[2 * i + 1] = (int8_t) (((packed[i] >> 4) ^ 8) - 8);
    }
    if (n % 2)
        out[n - 1] = (int8_t) (((packed[n / 2] & 15) ^ 8) - 8);
}

static void gemm_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                    const struct requant *rq, struct gemm_size size) {
    const int8_t *weight = packed;

    for (size_t r = 0; r < size.rows; r++)
        for (size_t c = 0; c < size.cols; c++) {
            const uint32_t sum = dot(in + r * size.depth, weight + c * size.depth, size.depth);

            out[r * size.cols + c] = requantise((uint32_t) bias[c] + sum, rq, c);
        }
}

/* Sums of up to GEMM_BLOCK input rows with one row of int4 weights. */
static void dots_s4(uint32_t sums[GEMM_BLOCK], const int8_t *in, const uint8_t *weight, size_t rows,
                    size_t depth) {
    int8_t unpacked[NIBBLE_CHUNK];

    for (size_t d = 0; d < depth; d += NIBBLE_CHUNK) {
        const size_t n = depth - d < NIBBLE_CHUNK ? depth - d : NIBBLE_CHUNK;

        unpack_s4(unpacked, weight + d / 2, n);
        for (size_t r = 0; r < rows; r++)
            sums[r] += (uint32_t) dot_chunk(in + r * depth + d, unpacked, n);
    }
}

static void gemm_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                    const struct requant *rq, struct gemm_size size) {
    const uint8_t *weight = packed;

    for (size_t r = 0; r < size.rows; r += GEMM_BLOCK) {
        const size_t rows = size.rows - r < GEMM_BLOCK ? size.rows - r : GEMM_BLOCK;

        for (size_t c = 0; c < size.cols; c++) {
            uint32_t sums[GEMM_BLOCK] = { 0 };

            dots_s4(sums, in + r * size.depth, weight + c * row_bytes_s4(size.depth), rows,
                    size.depth);
            for (size_t i = 0; i < rows; i++)
                out[(r + i) * size.cols + c] = requantise((uint32_t) bias[c] + sums[i], rq, c);
        }
    }
}

/* acc[i] += (in - zero_point) x weight[i] for n channels from channel @c on. */
static void add_tap(uint32_t *restrict acc, const int8_t *restrict in,
                    const int8_t *restrict weight, size_t c, size_t n,
                    const struct depthwise_size *size) {
    const int32_t zero_point = size->in_zero_point;

    if (size->multiplier == 1)
        for (size_t i = 0; i < n; i++)
            acc[i] += (uint32_t) ((in[c + i] - zero_point) * weight[i]);
    else
        for (size_t i = 0; i < n; i++)
            acc[i] += (uint32_t) ((in[(c + i) / size->multiplier] - zero_point) * weight[i]);
}

/* Where the weights of depthwise kernels come from: row @tap, @n channels from @c on (a chunk). */
typedef const int8_t *weight_row_fn(int8_t unpacked[CHANNEL_CHUNK], const void *packed, size_t tap,
                                    size_t channels, size_t c, size_t n);

static const int8_t *weight_row_s8(int8_t unpacked[CHANNEL_CHUNK], const void *packed, size_t tap,
                                   size_t channels, size_t c, size_t n) {
    return (const int8_t *) packed + tap * channels + c;
}

static const int8_t *weight_row_s4(int8_t unpacked[CHANNEL_CHUNK], const void *packed, size_t tap,
                                   size_t channels, size_t c, size_t n) {
    unpack_s4(unpacked, (const uint8_t *) packed + tap * row_bytes_s4(channels) + c / 2, n);
    return unpacked;
}

/* One output pixel's channels [c, c + n). */
static inline void depthwise_chunk(uint32_t acc[CHANNEL_CHUNK], const int8_t *in,
                                   const void *packed, const struct depthwise_size *size,
                                   weight_row_fn *weight_row, int64_t y, int64_t x, size_t c,
                                   size_t n) {
    const struct window *w = &size->window;
    const struct taps rows = window_rows(w, y), columns = window_columns(w, x);
    const size_t in_channels = size->channels / size->multiplier;
    int8_t unpacked[CHANNEL_CHUNK];

    for (int64_t ky = rows.first; ky < rows.last; ky++)
        for (int64_t kx = columns.first; kx < columns.last; kx++)
            add_tap(acc, in + window_pixel(w, y, x, ky, kx) * in_channels,
                    weight_row(unpacked, packed, (size_t) (ky * w->filter_w + kx), size->channels,
                               c, n),
                    c, n, size);
}

static inline void depthwise(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                             const struct requant *rq, const struct depthwise_size *size,
                             weight_row_fn *weight_row) {
    uint32_t acc[CHANNEL_CHUNK];

    for (int64_t y = 0; y < size->window.out_h; y++)
        for (int64_t x = 0; x < size->window.out_w; x++, out += size->channels)
            for (size_t c = 0; c < size->channels; c += CHANNEL_CHUNK) {
                const size_t left = size->channels - c;
                const size_t n = left < CHANNEL_CHUNK ? left : CHANNEL_CHUNK;

                for (size_t i = 0; i < n; i++)
                    acc[i] = (uint32_t) bias[c + i];
                depthwise_chunk(acc, in, packed, size, weight_row, y, x, c, n);
                for (size_t i = 0; i < n; i++)
                    out[c + i] = requantise(acc[i], rq, c + i);
            }
}

static void depthwise_s8(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                         const struct requant *rq, const struct depthwise_size *size) {
    depthwise(out, in, packed, bias, rq, size, weight_row_s8);
}

static void depthwise_s4(int8_t *out, const int8_t *in, const void *packed, const int32_t *bias,
                         const struct requant *rq, const struct depthwise_size *size) {
    depthwise(out, in, packed, bias, rq, size, weight_row_s4);
}

/* Mean of @n raw values, ties away from zero. */
static int32_t mean_of(int64_t sum, int64_t n) {
    return (int32_t) (sum > 0 ? (sum + n / 2) / n : (sum - n / 2) / n);
}

void c_average_pool_s8(int8_t *out, const int8_t *in, const struct pool_size *size) {
    const struct window *w = &size->window;

    for (int64_t y = 0; y < w->out_h; y++)
        for (int64_t x = 0; x < w->out_w; x++, out += size->channels) {
            const struct taps rows = window_rows(w, y), columns = window_columns(w, x);
            const int64_t n = (rows.last - rows.first) * (columns.last - columns.first);

            for (size_t c = 0; c < size->channels; c++) {
                int64_t sum = 0;

                for (int64_t ky = rows.first; ky < rows.last; ky++)
                    for (int64_t kx = columns.first; kx < columns.last; kx++)
                        sum += in[window_pixel(w, y, x, ky, kx) * size->channels + c];
                out[c] = (int8_t) clamp_to(mean_of(sum, n), size->min, size->max);
            }
        }
}

void c_max_pool_s8(int8_t *out, const int8_t *in, const struct pool_size *size) {
    const struct window *w = &size->window;

    for (int64_t y = 0; y < w->out_h; y++)
        for (int64_t x = 0; x < w->out_w; x++, out += size->channels) {
            const struct taps rows = window_rows(w, y), columns = window_columns(w, x);

            for (size_t c = 0; c < size->channels; c++) {
                int8_t most = INT8_MIN;

                for (int64_t ky = rows.first; ky < rows.last; ky++)
                    for (int64_t kx = columns.first; kx < columns.last; kx++) {
                        const int8_t v = in[window_pixel(w, y, x, ky, kx) * size->channels + c];

                        most = v > most ? v : most;
                    }
                out[c] = (int8_t) clamp_to(most, size->min, size->max);
            }
        }
}

void c_add_s8(int8_t *out, const int8_t *a, size_t a_step, const int8_t *b, size_t b_step, size_t n,
              const struct add_terms *terms) {
    for (size_t i = 0; i < n; i++) {
        const int32_t va = shift_left(a[i * a_step] - terms->a_zero_point, ADD_LEFT_SHIFT);
        const int32_t vb = shift_left(b[i * b_step] - terms->b_zero_point, ADD_LEFT_SHIFT);
        const int32_t sa = mbqm(va, terms->a), sb = mbqm(vb, terms->b);
        const int32_t sum = terms->subtract ? wrap_sub(sa, sb) : wrap_add(sa, sb);
        const int32_t y = wrap_add(mbqm(sum, terms->out), terms->out_zero_point);

        out[i] = (int8_t) clamp_to(y, terms->min, terms->max);
    }
}

const struct gemm_kernel c_gemm_s8 = { bytes_s8, pack_s8, gemm_s8 };
const struct gemm_kernel c_gemm_s4 = { bytes_s4, pack_s4, gemm_s4 };
const struct depthwise_kernel c_depthwise_s8 = { bytes_s8, pack_s8, depthwise_s8 };
const struct depthwise_kernel c_depthwise_s4 = { bytes_s4, pack_s4, depthwise_s4 };

const struct kernels kernels_c = {
    .name = "c",
    .patch_rows = 4,
    .gemm_s8 = &c_gemm_s8,
    .gemm_s4 = &c_gemm_s4,
    .depthwise_s8 = &c_depthwise_s8,
    .depthwise_s4 = &c_depthwise_s4,
    .average_pool_s8 = c_average_pool_s8,
    .max_pool_s8 = c_max_pool_s8,
    .add_s8 = c_add_s8,
};
