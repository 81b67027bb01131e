/* SPDX-License-Identifier: MIT */
/*
 * Holds every row of kernels that this CPU can run, the C row among them, to naive
 * formulas written here a second time: random shapes and values, extreme ones
 * too, with guard zones before and behind the output, and behind the inputs a
 * page that must not be read.
 *
 *   check_kernels           TAP, one case for each kernel of each row
 *   check_kernels --bench   also the time of one call on layers of real nets, row by row
 *
 * Method: after checkasm of dav1d and x264.
 */
#include <math.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/units.h"
#include "models/kernels/kernels.h"
#include "models/pool.h"
#include "models/quant_float.h"

enum {
    N_ROUNDS = 150,
    GUARD_BYTES = 64,
    GUARD = 0x5a,
    IN_BYTES_MAX = 1 << 17,
    OUT_BYTES_MAX = 1 << 17,
    DEEP = 70000,
    DEEP_COLS = 64,
    CHANNELS_MAX = 272,
    BENCH_CALLS = 500,
};

static struct {
    int8_t *in, *other; /* where place() put them */
    int8_t weight[DEEP * DEEP_COLS];
    int8_t want[OUT_BYTES_MAX];
    uint8_t got[GUARD_BYTES + OUT_BYTES_MAX + GUARD_BYTES];
    int32_t bias[CHANNELS_MAX], multiplier[CHANNELS_MAX], shift[CHANNELS_MAX];
    int32_t offset[CHANNELS_MAX];
    float scale[CHANNELS_MAX], nudge[CHANNELS_MAX], below[CHANNELS_MAX];
} buffers;

/* Ends of two times IN_BYTES_MAX bytes; behind each is a page that ends who reads it by SIGSEGV. */
static int8_t *in_end, *other_end;

static int8_t *map_guarded(void) {
    const size_t page = (size_t) sysconf(_SC_PAGESIZE);
    int8_t *bytes =
        mmap(NULL, IN_BYTES_MAX + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (bytes == MAP_FAILED || mprotect(bytes + IN_BYTES_MAX, page, PROT_NONE) < 0) {
        perror("Bail out! mmap");
        exit(EXIT_FAILURE);
    }
    return bytes + IN_BYTES_MAX;
}

/* The next inputs are of @n bytes: nothing behind them may be read. */
static void place(size_t n) {
    buffers.in = in_end - n;
    buffers.other = other_end - n;
}

static uint32_t random_state = 1;

static uint32_t next_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

static size_t random_to(size_t n) {
    return next_random() % n;
}

/* Sizes around those of vectors are the ones that go wrong. */
static size_t random_size(size_t max) {
    static const size_t edges[] = { 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65 };
    const size_t n =
        random_to(2) ? edges[random_to(sizeof(edges) / sizeof(*edges))] : 1 + random_to(max);

    return n < max ? n : max;
}

/* What values are of a range; also of weights and inputs at once, for the largest sums there are.
 */
enum fill { FILL_ANY, FILL_ENDS, FILL_LOWEST };

static enum fill random_fill(void) {
    const size_t i = random_to(4);

    return i == 0 ? FILL_LOWEST : i == 1 ? FILL_ENDS : FILL_ANY;
}

static void fill_as(int8_t *values, size_t n, int32_t low, int32_t high, enum fill fill) {
    for (size_t i = 0; i < n; i++)
        values[i] =
            (int8_t) (fill == FILL_LOWEST ? low
                      : fill == FILL_ENDS ? (random_to(2) ? low : high)
                                          : low + (int32_t) random_to((size_t) (high - low + 1)));
}

static void fill_values(int8_t *values, size_t n, int32_t low, int32_t high) {
    fill_as(values, n, low, high, random_fill());
}

/* Inputs and weights; these all small half of the time, so that more products fit where they are
 * added. */
static void fill_both(size_t n_in, size_t n_weights, int32_t low, int32_t high) {
    static const int32_t small[] = { 8, 64 };
    const int32_t most = random_to(2) ? small[random_to(sizeof(small) / sizeof(*small))] : 128;
    const enum fill fill = random_fill();

    place(n_in);
    fill_as(buffers.in, n_in, -128, 127, fill);
    fill_as(buffers.weight, n_weights, low < -most ? -most : low, high > most ? most : high,
            random_to(2) ? fill : random_fill());
}

/* What float32 may do instead, for sums of @depth products at most that far from the biases. */
static struct float_requant in_float(const struct requant *rq, size_t channels, size_t depth) {
    const int64_t most = (int64_t) depth * 255 * 128;
    size_t tries = SIZE_MAX;

    for (size_t c = 0; c < channels; c++) {
        const struct rounding rounding = {
            { rq->multiplier[c], rq->shift[c] },
            rq->zero_point,
            rq->min,
            rq->max,
            buffers.bias[c] - most,
            buffers.bias[c] + most,
        };
        struct float_rounding found = { .nudge = NAN };

        (void) float_rounding_of(&rounding, &tries, &found);
        buffers.offset[c] = found.offset;
        buffers.scale[c] = found.scale;
        buffers.nudge[c] = found.nudge;
        buffers.below[c] = found.below;
    }
    return (struct float_requant){ buffers.offset, buffers.scale, buffers.nudge, buffers.below };
}

/*
 * Half of the time as layers have it: all factors small, biases near the sums, often ReLU.
 * @depth  products in a sum
 */
static struct requant random_requant(size_t channels, size_t depth) {
    const bool usual = random_to(2) == 0, relu = usual && random_to(2) == 0;
    const int32_t a = (int32_t) random_to(256) - 128, b = (int32_t) random_to(256) - 128;
    const bool clamp = !relu && random_to(2) == 0;
    const size_t shifts = 1 + random_to(8);
    struct requant rq;

    for (size_t c = 0; c < channels; c++) {
        buffers.bias[c] = (int32_t) next_random() >> (usual ? 14 + random_to(10) : random_to(24));
        buffers.multiplier[c] =
            random_to(20) == 0 ? 0 : (int32_t) ((1u << 30) + next_random() % (1u << 30));
        buffers.shift[c] = usual ? -5 - (int32_t) random_to(shifts) : (int32_t) random_to(20) - 18;
        if (buffers.multiplier[c] == 0)
            buffers.shift[c] = 0;
    }
    rq = (struct requant){
        .multiplier = buffers.multiplier,
        .shift = buffers.shift,
        .zero_point = relu ? -128 : (int32_t) random_to(256) - 128,
        .min = !clamp  ? -128
               : a < b ? a
                       : b,
        .max = !clamp  ? 127
               : a < b ? b
                       : a,
    };
    if (random_to(2))
        rq.in_float = in_float(&rq, channels, depth);
    return rq;
}

/* ---- the formulas, a second time ---- */

static int32_t wrap(int64_t x) {
    return (int32_t) (uint32_t) (uint64_t) x;
}

/* x / 2^e to nearest, ties away from zero. */
static int64_t halve(int64_t x, int e) {
    const int64_t size = x < 0 ? -x : x;
    const int64_t rounded = e ? (size + (INT64_C(1) << (e - 1))) >> e : size;

    return x < 0 ? -rounded : rounded;
}

static int64_t scale(int32_t x, int32_t multiplier, int32_t shift) {
    const int64_t wide = wrap((int64_t) ((uint64_t) (int64_t) x << (shift > 0 ? shift : 0)));
    const int64_t high = (wide * multiplier + (INT64_C(1) << 30)) >> 31; /* floor(x + 1/2) */

    return halve(high, shift > 0 ? 0 : -shift);
}

static int8_t limit(int64_t v, int32_t min, int32_t max) {
    return (int8_t) (v < min ? min : v > max ? max : v);
}

static int8_t finish(int64_t acc, const struct requant *rq, size_t c) {
    const int64_t v = scale(wrap(acc), rq->multiplier[c], rq->shift[c]);

    return limit(wrap(v + rq->zero_point), rq->min, rq->max);
}

static void naive_gemm(const struct requant *rq, struct gemm_size size) {
    for (size_t r = 0; r < size.rows; r++)
        for (size_t c = 0; c < size.cols; c++) {
            int64_t acc = buffers.bias[c];

            for (size_t d = 0; d < size.depth; d++)
                acc += buffers.in[r * size.depth + d] * buffers.weight[c * size.depth + d];
            buffers.want[r * size.cols + c] = finish(acc, rq, c);
        }
}

/* The input under a tap, and whether there is one. */
static bool under(const struct window *w, int32_t y, int32_t x, int32_t tap, size_t channels,
                  size_t c, int32_t *ret) {
    const int32_t iy = y * w->stride_h - w->pad_top + tap / w->filter_w * w->dilation_h;
    const int32_t ix = x * w->stride_w - w->pad_left + tap % w->filter_w * w->dilation_w;

    if (iy < 0 || iy >= w->in_h || ix < 0 || ix >= w->in_w)
        return false;
    *ret = buffers.in[(size_t) (iy * w->in_w + ix) * channels + c];
    return true;
}

/* The bias is of raw inputs: the zero point's share is off it. */
static void naive_conv(const struct requant *rq, const struct conv_size *size) {
    const struct window *w = &size->window;
    const size_t taps = (size_t) (w->filter_h * w->filter_w), depth = taps * size->in_channels;
    int8_t *out = buffers.want;

    for (int32_t y = 0; y < w->out_h; y++)
        for (int32_t x = 0; x < w->out_w; x++)
            for (size_t c = 0; c < size->out_channels; c++) {
                int64_t acc = buffers.bias[c];

                for (size_t d = 0; d < depth; d++) {
                    int32_t v = size->in_zero_point;

                    (void) under(w, y, x, (int32_t) (d / size->in_channels), size->in_channels,
                                 d % size->in_channels, &v);
                    acc += v * buffers.weight[c * depth + d];
                }
                *out++ = finish(acc, rq, c);
            }
}

static void naive_depthwise(const struct requant *rq, const struct depthwise_size *size) {
    const struct window *w = &size->window;
    int8_t *out = buffers.want;

    for (int32_t y = 0; y < w->out_h; y++)
        for (int32_t x = 0; x < w->out_w; x++)
            for (size_t c = 0; c < size->channels; c++) {
                int64_t acc = buffers.bias[c];
                int32_t v;

                for (int32_t tap = 0; tap < w->filter_h * w->filter_w; tap++)
                    if (under(w, y, x, tap, size->channels / size->multiplier, c / size->multiplier,
                              &v))
                        acc += (v - size->in_zero_point) *
                               buffers.weight[(size_t) tap * size->channels + c];
                *out++ = finish(acc, rq, c);
            }
}

static void naive_pool(const struct pool_size *size, bool mean) {
    const struct window *w = &size->window;
    int8_t *out = buffers.want;

    for (int32_t y = 0; y < w->out_h; y++)
        for (int32_t x = 0; x < w->out_w; x++)
            for (size_t c = 0; c < size->channels; c++) {
                int32_t sum = 0, most = -128, n = 0, v;

                for (int32_t tap = 0; tap < w->filter_h * w->filter_w; tap++)
                    if (under(w, y, x, tap, size->channels, c, &v)) {
                        sum += v;
                        most = v > most ? v : most;
                        n++;
                    }
                if (mean)
                    most = ((sum < 0 ? -sum : sum) + n / 2) / n * (sum < 0 ? -1 : 1);
                *out++ = limit(most, size->min, size->max);
            }
}

static void naive_add(size_t a_step, size_t b_step, size_t n, const struct add_terms *t) {
    for (size_t i = 0; i < n; i++) {
        const int32_t a = (buffers.in[i * a_step] - t->a_zero_point) * (1 << 20);
        const int32_t b = (buffers.other[i * b_step] - t->b_zero_point) * (1 << 20);
        const int64_t sa = scale(a, t->a.multiplier, t->a.shift);
        const int64_t sb = scale(b, t->b.multiplier, t->b.shift);
        const int64_t y =
            scale(wrap(t->subtract ? sa - sb : sa + sb), t->out.multiplier, t->out.shift);

        buffers.want[i] = limit(wrap(y + t->out_zero_point), t->min, t->max);
    }
}

/* ---- one call, guarded ---- */

static int8_t *begin(void) {
    (void) memset(buffers.got, GUARD, sizeof(buffers.got));
    return (int8_t *) buffers.got + GUARD_BYTES;
}

static bool same(size_t n) {
    for (size_t i = 0; i < sizeof(buffers.got); i++) {
        const bool inside = i >= GUARD_BYTES && i < GUARD_BYTES + n;
        const uint8_t want = inside ? (uint8_t) buffers.want[i - GUARD_BYTES] : GUARD;

        if (buffers.got[i] != want) {
            (void) printf("# byte %ld of %zu is %d, not %d\n", (long) i - GUARD_BYTES, n,
                          (int8_t) buffers.got[i], (int8_t) want);
            return false;
        }
    }
    return true;
}

/* With the inputs and weights that are there. */
static bool compare_gemm(const struct gemm_kernel *kernel, struct gemm_size size) {
    const struct requant rq = random_requant(size.cols, size.depth);
    void *packed = calloc(kernel->packed_bytes(size.cols, size.depth) + 1, 1);
    bool good;

    naive_gemm(&rq, size);
    kernel->pack(packed, buffers.weight, size.cols, size.depth);
    kernel->run(begin(), buffers.in, packed, buffers.bias, &rq, size);
    good = same(size.rows * size.cols);
    if (!good)
        (void) printf("# rows %zu, cols %zu, depth %zu\n", size.rows, size.cols, size.depth);
    free(packed);
    return good;
}

static bool try_gemm(const struct gemm_kernel *kernel, int32_t low, int32_t high,
                     struct gemm_size size) {
    low += (int32_t) random_to(2); /* -128 is a case of its own */
    fill_both(size.rows * size.depth, size.cols * size.depth, low, high);
    return compare_gemm(kernel, size);
}

/* One row whose sums are within int32, but 16 times those of nibbles without sign are not. */
static bool check_deep_gemm(const struct gemm_kernel *kernel, int32_t high) {
    place(DEEP);
    fill_as(buffers.in, DEEP, INT8_MIN, INT8_MIN, FILL_LOWEST);
    fill_as(buffers.weight, sizeof(buffers.weight), high, high, FILL_LOWEST);
    return compare_gemm(kernel, (struct gemm_size){ 1, DEEP_COLS, DEEP });
}

static bool check_gemm(const struct gemm_kernel *kernel, int32_t low, int32_t high) {
    static const struct gemm_size real[] = { { 125, 64, 64 }, { 25, 64, 40 },  { 1, 12, 64 },
                                             { 36, 16, 8 },   { 9, 128, 128 }, { 16, 16, 27 },
                                             { 4, 64, 576 },  { 1, 128, 640 }, { 3, 9, 12289 },
                                             { 13, 3, 4096 }, { 2, 16, 8191 }, { 5, 16, 4100 },
                                             { 1, 72, 62 },   { 2, 137, 66 } };
    bool good = true;

    for (size_t i = 0; i < sizeof(real) / sizeof(*real) && good; i++)
        good = try_gemm(kernel, low, high, real[i]);
    for (int i = 0; i < N_ROUNDS && good; i++)
        good = try_gemm(kernel, low, high,
                        (struct gemm_size){ random_size(40), random_size(80), random_size(300) });
    return good && check_deep_gemm(kernel, high);
}

/* Input and output of a window whose every output pixel has a tap inside. */
static struct window random_window(bool dilate) {
    struct window w = {
        .filter_h = 1 + (int32_t) random_to(5),
        .filter_w = 1 + (int32_t) random_to(5),
        .stride_h = 1 + (int32_t) random_to(3),
        .stride_w = 1 + (int32_t) random_to(3),
        .dilation_h = dilate && random_to(4) == 0 ? 2 : 1,
        .dilation_w = dilate && random_to(4) == 0 ? 3 : 1,
        .in_h = 1 + (int32_t) random_to(12),
        .in_w = 1 + (int32_t) random_to(12),
    };
    const int32_t reach_h = (w.filter_h - 1) * w.dilation_h,
                  reach_w = (w.filter_w - 1) * w.dilation_w;
    const int32_t spare_h = (w.in_h - 1) / w.stride_h * w.stride_h + reach_h + 1 - w.in_h;
    const int32_t spare_w = (w.in_w - 1) / w.stride_w * w.stride_w + reach_w + 1 - w.in_w;

    w.out_h = (w.in_h - 1) / w.stride_h + 1; /* SAME */
    w.out_w = (w.in_w - 1) / w.stride_w + 1;
    w.pad_top = spare_h > 0 ? spare_h / 2 : 0;
    w.pad_left = spare_w > 0 ? spare_w / 2 : 0;
    if (random_to(3) == 0 && w.in_h > reach_h && w.in_w > reach_w) { /* VALID */
        w.out_h = (w.in_h - reach_h - 1) / w.stride_h + 1;
        w.out_w = (w.in_w - reach_w - 1) / w.stride_w + 1;
        w.pad_top = w.pad_left = 0;
    }
    return w;
}

/* 3 x 3 at stride 1 or 2, which some rows do in tiles; SAME or VALID. */
static struct window random_3x3(void) {
    const int32_t h = 3 + (int32_t) random_to(16), w = 3 + (int32_t) random_to(16);
    const int32_t stride = 1 + (int32_t) random_to(2);

    if (random_to(2) == 0)
        return (struct window){
            h, w, (h - 3) / stride + 1, (w - 3) / stride + 1, 3, 3, stride, stride, 1, 1, 0, 0
        };
    return (struct window){ h, w, (h - 1) / stride + 1, (w - 1) / stride + 1, 3, 3, stride, stride,
                            1, 1, stride == 1 || h % 2, stride == 1 || w % 2 };
}

/* In strips of @strip rows of output. */
static void run_conv(const struct conv_kernel *kernel, const void *packed, const struct requant *rq,
                     const struct conv_size *size, int32_t strip, void *scratch) {
    const struct window *w = &size->window;
    int8_t *out = begin();

    for (int32_t y = 0, row; y < w->out_h; y += strip) {
        const int32_t n = w->out_h - y < strip ? w->out_h - y : strip;
        struct conv_size part = *size;

        part.window = window_strip(w, y, n, &row);
        kernel->run(out, buffers.in + (size_t) (row * w->in_w) * size->in_channels, packed,
                    buffers.bias, rq, &part, scratch);
        out += (size_t) (n * w->out_w) * size->out_channels;
    }
}

static bool try_conv(const struct conv_kernel *kernel, int32_t low, int32_t high,
                     const struct conv_size *size) {
    const struct window *w = &size->window;
    const size_t depth = (size_t) (w->filter_h * w->filter_w) * size->in_channels;
    const size_t scratch_bytes = kernel->scratch_bytes(size);
    const struct requant rq = random_requant(size->out_channels, depth);
    void *packed = calloc(kernel->packed_bytes(size) + 1, 1);
    uint8_t *scratch = malloc(scratch_bytes + GUARD_BYTES);
    bool good = true;

    fill_both((size_t) (w->in_h * w->in_w) * size->in_channels, size->out_channels * depth, low,
              high);
    (void) memset(scratch, GUARD, scratch_bytes + GUARD_BYTES);
    naive_conv(&rq, size);
    kernel->pack(packed, buffers.weight, size);
    for (int32_t strip = w->out_h; strip > 0 && good; strip = strip > 1 ? (strip + 1) / 2 : 0) {
        run_conv(kernel, packed, &rq, size, strip, scratch + 1);
        good = same((size_t) (w->out_h * w->out_w) * size->out_channels);
        for (size_t i = 1 + scratch_bytes; i < scratch_bytes + GUARD_BYTES; i++)
            good = good && scratch[i] == GUARD;
    }
    if (!good)
        (void) printf("# %d x %d, filter %d x %d, stride %d, %d, channels %zu to %zu\n", w->in_h,
                      w->in_w, w->filter_h, w->filter_w, w->stride_h, w->stride_w,
                      size->in_channels, size->out_channels);
    free(scratch);
    free(packed);
    return good;
}

static bool check_conv(const struct conv_kernel *kernel, int32_t low, int32_t high) {
    static const struct conv_size real[] = {
        { { 32, 32, 32, 32, 3, 3, 1, 1, 1, 1, 1, 1 }, 3, 16, -128 },
        { { 32, 32, 16, 16, 3, 3, 2, 2, 1, 1, 0, 0 }, 16, 32, -128 },
        { { 8, 8, 8, 8, 3, 3, 1, 1, 1, 1, 1, 1 }, 64, 64, 5 },
        { { 10, 15, 10, 15, 3, 3, 1, 1, 1, 1, 1, 1 }, 128, 32, 77 },
        { { 7, 8, 7, 8, 3, 3, 1, 1, 1, 1, 1, 1 }, 80, 32, -100 },
        { { 13, 11, 13, 11, 3, 3, 1, 1, 1, 1, 1, 1 }, 24, 40, -128 },
        { { 7, 9, 4, 5, 3, 3, 2, 2, 1, 1, 1, 1 }, 16, 32, 99 },
        { { 9, 10, 7, 8, 3, 3, 1, 1, 1, 1, 0, 0 }, 32, 16, -7 },
        { { 12, 7, 12, 7, 5, 3, 1, 1, 2, 1, 4, 1 }, 16, 48, 1 },
        { { 9, 5, 9, 5, 3, 3, 1, 1, 3, 1, 3, 1 }, 48, 16, -128 },
        { { 3, 4, 3, 4, 3, 3, 1, 1, 1, 1, 1, 1 }, 16, 16, 0 },
        { { 6, 20, 6, 10, 3, 3, 1, 2, 1, 1, 1, 0 }, 112, 16, 64 },
        { { 9, 19, 9, 19, 3, 3, 1, 1, 1, 1, 1, 1 }, 8, 8, 127 },
        { { 16, 16, 8, 8, 1, 1, 2, 2, 1, 1, 0, 0 }, 32, 64, -1 },
        { { 49, 10, 25, 5, 10, 4, 2, 2, 1, 1, 4, 1 }, 1, 64, 83 },
        { { 96, 96, 48, 48, 3, 3, 2, 2, 1, 1, 0, 0 }, 3, 8, -1 },
        { { 5, 20, 5, 20, 1, 9, 1, 1, 1, 1, 0, 4 }, 9, 17, 127 },
    };
    bool good = true;

    for (size_t i = 0; i < sizeof(real) / sizeof(*real) && good; i++)
        if (kernel->takes(&real[i]))
            good = try_conv(kernel, low, high, &real[i]);
    for (int i = 0; i < N_ROUNDS && good; i++) {
        /* Some rows have kernels for whole vectors of channels, and 3 x 3. */
        enum { SQUARE, WHOLE };
        const size_t kind = random_to(4);
        const struct conv_size size = {
            .window = kind == SQUARE ? random_3x3() : random_window(true),
            .in_channels = kind == SQUARE  ? (size_t) 16 << random_to(3)
                           : kind == WHOLE ? 16 * random_size(3)
                                           : random_size(24),
            .out_channels = kind == SQUARE  ? (size_t) 16 << random_to(3)
                            : kind == WHOLE ? 16 * random_size(3)
                                            : random_size(40),
            .in_zero_point = (int32_t) random_to(256) - 128,
        };

        if (kernel->takes(&size))
            good = try_conv(kernel, low, high, &size);
    }
    return good;
}

static bool try_depthwise(const struct depthwise_kernel *kernel, int32_t low, int32_t high,
                          const struct depthwise_size *size) {
    const struct window *w = &size->window;
    const size_t taps = (size_t) (w->filter_h * w->filter_w);
    const size_t in_pixels = (size_t) (w->in_h * w->in_w);
    const struct requant rq = random_requant(size->channels, taps);
    void *packed = calloc(kernel->packed_bytes(taps, size->channels) + 1, 1);
    bool good;

    fill_both(in_pixels * size->channels / size->multiplier, taps * size->channels, low, high);
    naive_depthwise(&rq, size);
    kernel->pack(packed, buffers.weight, taps, size->channels);
    kernel->run(begin(), buffers.in, packed, buffers.bias, &rq, size);
    good = same((size_t) (w->out_h * w->out_w) * size->channels);
    if (!good)
        (void) printf("# %d x %d, filter %d x %d, stride %d, %d, channels %zu x %zu\n", w->in_h,
                      w->in_w, w->filter_h, w->filter_w, w->stride_h, w->stride_w,
                      size->channels / size->multiplier, size->multiplier);
    free(packed);
    return good;
}

static bool check_depthwise(const struct depthwise_kernel *kernel, int32_t low, int32_t high) {
    static const struct depthwise_size real[] = {
        { { 48, 48, 48, 48, 3, 3, 1, 1, 1, 1, 1, 1 }, 8, 1, -128 },
        { { 12, 12, 6, 6, 3, 3, 2, 2, 1, 1, 0, 0 }, 64, 1, -128 },
        { { 9, 9, 9, 9, 5, 5, 1, 1, 1, 1, 2, 2 }, 136, 1, 3 },
        { { 3, 3, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1 }, 256, 1, -128 },
        { { 4, 4, 4, 4, 3, 3, 1, 1, 1, 1, 1, 1 }, 267, 3, 127 },
        { { 20, 9, 16, 5, 13, 11, 1, 1, 1, 1, 4, 3 }, 9, 1, 5 },
        { { 5, 701, 5, 701, 3, 3, 1, 1, 1, 1, 1, 1 }, 8, 1, -7 },
        { { 4, 450, 4, 450, 1, 5, 1, 1, 1, 100, 0, 200 }, 11, 1, 3 },
    };
    bool good = true;

    for (size_t i = 0; i < sizeof(real) / sizeof(*real) && good; i++)
        good = try_depthwise(kernel, low, high, &real[i]);
    for (int i = 0; i < N_ROUNDS && good; i++) {
        struct depthwise_size size = {
            .window = random_window(true),
            .multiplier = random_to(3) == 0 ? 1 + random_to(3) : 1,
            .in_zero_point = (int32_t) random_to(256) - 128,
        };

        size.channels = size.multiplier * random_size(CHANNELS_MAX / 3);
        good = try_depthwise(kernel, low, high, &size);
    }
    return good;
}

static bool check_pool(pool_s8_fn *pool, bool mean) {
    bool good = true;

    for (int i = 0; i < N_ROUNDS && good; i++) {
        struct pool_size size = { .window = random_window(false),
                                  .channels = random_size(CHANNELS_MAX),
                                  .min = -128,
                                  .max = 127 };
        const struct window *w = &size.window;

        if (random_to(2)) {
            size.min = -(int32_t) random_to(100);
            size.max = (int32_t) random_to(100);
        }
        place((size_t) (w->in_h * w->in_w) * size.channels);
        fill_values(buffers.in, (size_t) (w->in_h * w->in_w) * size.channels, -128, 127);
        naive_pool(&size, mean);
        pool(begin(), buffers.in, &size);
        good = same((size_t) (w->out_h * w->out_w) * size.channels);
    }
    return good;
}

static struct factor random_factor(int32_t least, int32_t most) {
    return (struct factor){ (int32_t) ((1u << 30) + next_random() % (1u << 30)),
                            least + (int32_t) random_to((size_t) (most - least + 1)) };
}

static bool check_add(add_s8_fn *add) {
    bool good = true;

    for (int i = 0; i < N_ROUNDS && good; i++) {
        const size_t n = random_size(1000), a_step = random_to(5) != 0, b_step = random_to(5) != 0;
        struct add_terms terms = {
            .a_zero_point = (int32_t) random_to(256) - 128,
            .b_zero_point = (int32_t) random_to(256) - 128,
            .out_zero_point = (int32_t) random_to(256) - 128,
            .a = random_factor(-6, 0),
            .b = random_factor(-6, 0),
            .out = random_factor(-20, -14),
            .min = random_to(2) ? -128 : -5,
            .max = random_to(2) ? 127 : 60,
            .subtract = random_to(2),
        };
        int8_t *out = begin();

        if (random_to(2)) /* as in files: the larger scale has a factor of 1/2 */
            *(random_to(2) ? &terms.a : &terms.b) = (struct factor){ 1 << 30, 0 };
        place(n);
        fill_values(buffers.in, n, -128, 127);
        fill_values(buffers.other, n, -128, 127);
        naive_add(a_step, b_step, n, &terms);
        add(out, buffers.in, a_step, buffers.other, b_step, n, &terms);
        good = same(n);
        if (good && a_step) { /* in place */
            out = begin();
            (void) memcpy(out, buffers.in, n);
            add(out, out, 1, buffers.other, b_step, n, &terms);
            good = same(n);
        }
    }
    return good;
}

/* ---- times ---- */

/* ---- how long one call takes ---- */

enum bench_kind { BENCH_GEMM, BENCH_CONV, BENCH_DEPTHWISE, BENCH_AVERAGE, BENCH_MAX, BENCH_ADD };

/* Layers of published networks. */
struct bench {
    const char *name;
    enum bench_kind kind;
    bool int4;
    struct gemm_size gemm;
    struct window window;
    size_t in_channels, out_channels;
};

#define SAME_3X3   3, 3, 1, 1, 1, 1, 1, 1
#define SAME_3X3_2 3, 3, 2, 2, 1, 1, 0, 0 /* of an even size */

static const struct bench benches[] = {
    { "gemm_s8 125x64x64", BENCH_GEMM, false, { 125, 64, 64 }, { 0 }, 0, 0 },
    { "gemm_s4 125x64x64", BENCH_GEMM, true, { 125, 64, 64 }, { 0 }, 0, 0 },
    { "gemm_s8 36x128x128", BENCH_GEMM, false, { 36, 128, 128 }, { 0 }, 0, 0 },
    { "gemm_s4 36x128x128", BENCH_GEMM, true, { 36, 128, 128 }, { 0 }, 0, 0 },
    { "gemm_s8 576x32x16", BENCH_GEMM, false, { 576, 32, 16 }, { 0 }, 0, 0 },
    { "gemm_s4 576x32x16", BENCH_GEMM, true, { 576, 32, 16 }, { 0 }, 0, 0 },
    { "gemm_s8 3x64x256", BENCH_GEMM, false, { 3, 64, 256 }, { 0 }, 0, 0 },
    { "gemm_s4 3x64x256", BENCH_GEMM, true, { 3, 64, 256 }, { 0 }, 0, 0 },
    { "gemm_s8 1x128x640", BENCH_GEMM, false, { 1, 128, 640 }, { 0 }, 0, 0 },
    { "gemm_s4 1x128x640", BENCH_GEMM, true, { 1, 128, 640 }, { 0 }, 0, 0 },
    { "conv_s8 32x32x16 3x3", BENCH_CONV, false, { 0 }, { 32, 32, 32, 32, SAME_3X3 }, 16, 16 },
    { "conv_s4 32x32x16 3x3", BENCH_CONV, true, { 0 }, { 32, 32, 32, 32, SAME_3X3 }, 16, 16 },
    { "conv_s8 8x8x64 3x3", BENCH_CONV, false, { 0 }, { 8, 8, 8, 8, SAME_3X3 }, 64, 64 },
    { "conv_s4 8x8x64 3x3", BENCH_CONV, true, { 0 }, { 8, 8, 8, 8, SAME_3X3 }, 64, 64 },
    { "conv_s8 16x16x32 3x3/2", BENCH_CONV, false, { 0 }, { 32, 32, 16, 16, SAME_3X3_2 }, 16, 32 },
    { "conv_s4 16x16x32 3x3/2", BENCH_CONV, true, { 0 }, { 32, 32, 16, 16, SAME_3X3_2 }, 16, 32 },
    { "depthwise_s8 25x5x64 3x3",
      BENCH_DEPTHWISE,
      false,
      { 0 },
      { 25, 5, 25, 5, SAME_3X3 },
      64,
      64 },
    { "depthwise_s4 25x5x64 3x3",
      BENCH_DEPTHWISE,
      true,
      { 0 },
      { 25, 5, 25, 5, SAME_3X3 },
      64,
      64 },
    { "depthwise_s8 48x48x8 3x3",
      BENCH_DEPTHWISE,
      false,
      { 0 },
      { 48, 48, 48, 48, SAME_3X3 },
      8,
      8 },
    { "average_pool_s8 25x5x64",
      BENCH_AVERAGE,
      false,
      { 0 },
      { 25, 5, 1, 1, 25, 5, 1, 1, 1, 1, 0, 0 },
      64,
      64 },
    { "max_pool_s8 32x32x16",
      BENCH_MAX,
      false,
      { 0 },
      { 32, 32, 16, 16, 2, 2, 2, 2, 1, 1, 0, 0 },
      16,
      16 },
    { "add_s8 16384", BENCH_ADD, false, { 0 }, { 0 }, 0, 0 },
};

/* One call of what the row has for it; packs first if @pack. Returns whether it has any. */
static bool call(const struct kernels *row, const struct bench *b, const struct requant *rq,
                 bool pack) {
    static alignas(POOL_ALIGN_BYTES) uint8_t packed[1 << 20]; /* as layers have theirs */
    static uint8_t scratch[1 << 16];
    const struct gemm_kernel *gemm = b->int4 ? row->gemm_s4 : row->gemm_s8;
    const struct conv_kernel *conv = b->int4 ? row->conv_s4 : row->conv_s8;
    const struct depthwise_kernel *depthwise = b->int4 ? row->depthwise_s4 : row->depthwise_s8;
    const struct conv_size conv_size = { b->window, b->in_channels, b->out_channels, -128 };
    const struct depthwise_size depthwise_size = { b->window, b->out_channels, 1, -128 };
    const struct pool_size pool_size = { b->window, b->out_channels, -128, 127 };
    const struct add_terms terms = {
        3, -5, -128, { 1 << 30, 0 }, { 1610612736, -1 }, { 1518500250, -18 }, -128, 127, false
    };
    const size_t taps = (size_t) (b->window.filter_h * b->window.filter_w);
    int8_t *out = (int8_t *) buffers.got + GUARD_BYTES;

    if (b->kind == BENCH_CONV && (!conv || !conv->takes(&conv_size)))
        return false;
    if (pack)
        (void) memset(packed, 0, sizeof(packed));
    if (b->kind == BENCH_GEMM && pack)
        gemm->pack(packed, buffers.weight, b->gemm.cols, b->gemm.depth);
    else if (b->kind == BENCH_GEMM)
        gemm->run(out, buffers.in, packed, buffers.bias, rq, b->gemm);
    else if (b->kind == BENCH_CONV && pack)
        conv->pack(packed, buffers.weight, &conv_size);
    else if (b->kind == BENCH_CONV)
        conv->run(out, buffers.in, packed, buffers.bias, rq, &conv_size, scratch);
    else if (b->kind == BENCH_DEPTHWISE && pack)
        depthwise->pack(packed, buffers.weight, taps, b->out_channels);
    else if (b->kind == BENCH_DEPTHWISE)
        depthwise->run(out, buffers.in, packed, buffers.bias, rq, &depthwise_size);
    else if (b->kind == BENCH_AVERAGE)
        row->average_pool_s8(out, buffers.in, &pool_size);
    else if (b->kind == BENCH_MAX)
        row->max_pool_s8(out, buffers.in, &pool_size);
    else
        row->add_s8(out, buffers.in, 1, buffers.other, 1, 16384, &terms);
    return true;
}

/* The fastest call of each row that this CPU can run. */
static void bench_all(void) {
    struct requant rq = random_requant(CHANNELS_MAX, 1);

    rq.zero_point = rq.min = -128; /* as after ReLU */
    rq.max = 127;
    for (size_t c = 0; c < CHANNELS_MAX; c++)
        buffers.shift[c] = -8;
    rq.in_float = in_float(&rq, CHANNELS_MAX, 9);
    place(IN_BYTES_MAX);
    fill_values(buffers.in, IN_BYTES_MAX, -128, 127);
    fill_values(buffers.other, IN_BYTES_MAX, -128, 127);
    fill_values(buffers.weight, sizeof(buffers.weight), -8, 7);
    for (size_t k = 0; k < sizeof(benches) / sizeof(*benches); k++) {
        (void) printf("# %-26s", benches[k].name);
        for (size_t i = 0; kernels_row(i); i++) {
            const struct kernels *row = kernels_row(i);
            int64_t least_ns = INT64_MAX;

            if (row->needs & ~cpu_features() || !call(row, &benches[k], &rq, true))
                continue;
            for (int n = 0; n < BENCH_CALLS; n++) {
                const int64_t start_ns = now_ns();
                int64_t took_ns;

                (void) call(row, &benches[k], &rq, false);
                took_ns = now_ns() - start_ns;
                least_ns = took_ns < least_ns ? took_ns : least_ns;
            }
            (void) printf("  %s %.2f", row->name, (double) least_ns / 1000);
        }
        (void) printf(" us\n");
    }
}

static unsigned n_cases, n_failed;

static void report(const struct kernels *row, const char *kernel, bool good) {
    n_cases++;
    n_failed += !good;
    (void) printf("%sok %u - %s of row %s computes the formula\n", good ? "" : "not ", n_cases,
                  kernel, row->name);
}

int main(int argc, char **argv) {
    in_end = map_guarded();
    other_end = map_guarded();
    for (size_t i = 0; kernels_row(i); i++) {
        const struct kernels *row = kernels_row(i);

        if (row->needs & ~cpu_features()) {
            (void) printf("ok %u - row %s # SKIP this CPU cannot run it\n", ++n_cases, row->name);
            continue;
        }
        report(row, "gemm_s8", check_gemm(row->gemm_s8, -128, 127));
        report(row, "gemm_s4", check_gemm(row->gemm_s4, -8, 7));
        if (row->conv_s8)
            report(row, "conv_s8", check_conv(row->conv_s8, -128, 127));
        if (row->conv_s4)
            report(row, "conv_s4", check_conv(row->conv_s4, -8, 7));
        report(row, "depthwise_s8", check_depthwise(row->depthwise_s8, -128, 127));
        report(row, "depthwise_s4", check_depthwise(row->depthwise_s4, -8, 7));
        report(row, "average_pool_s8", check_pool(row->average_pool_s8, true));
        report(row, "max_pool_s8", check_pool(row->max_pool_s8, false));
        report(row, "add_s8", check_add(row->add_s8));
    }
    if (argc > 1 && strcmp(argv[1], "--bench") == 0)
        bench_all();
    (void) printf("1..%u\n", n_cases);
    return n_failed > 0;
}
