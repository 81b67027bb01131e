/* SPDX-License-Identifier: MIT */
/*
 * Holds the float32 kernels of every row that this CPU can run to naive formulas. All numbers are
 * small and whole, so that every order of summation gives the same bits.
 *
 *   check_f32           TAP, one case for each kernel of each row
 *   check_f32 --bench   also the time of one product of a real net
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "models/kernels/kernels.h"

enum { N_ROUNDS = 200, N_GUARD = 16, BENCH_CALLS = 300, LARGEST = 8 };

static const float guard = -12345.5f;
static uint32_t random_state = 1;

static uint32_t random_to(uint32_t n) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state % n;
}

/* Sizes around those of vectors are the ones that go wrong. */
static size_t random_size(uint32_t most) {
    static const size_t edges[] = { 1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 129 };
    const size_t n =
        random_to(2) ? edges[random_to(sizeof(edges) / sizeof(*edges))] : 1 + random_to(most);

    return n < most ? n : most;
}

static void *some(size_t n) {
    void *memory = calloc(n > 0 ? n : 1, sizeof(float));

    if (!memory)
        abort();
    return memory;
}

/* In a block of its own, so that a sanitizer sees the first read beyond. */
static float *some_numbers(size_t n) {
    float *numbers = some(n);

    for (size_t i = 0; i < n; i++)
        numbers[i] = (float) random_to(2 * LARGEST + 1) - LARGEST;
    return numbers;
}

static struct f32_clamp random_clamp(void) {
    return random_to(2) ? (struct f32_clamp){ -INFINITY, INFINITY } : (struct f32_clamp){ 0, 6 };
}

static float limit(float x, struct f32_clamp clamp) {
    return x < clamp.min ? clamp.min : x > clamp.max ? clamp.max : x;
}

/* An output with guards before and behind; free it by guarded_free(). */
static float *guarded(size_t n) {
    float *all = some(n + 2 * N_GUARD);

    for (size_t i = 0; i < n + 2 * N_GUARD; i++)
        all[i] = guard;
    return all + N_GUARD;
}

/* Is it @want [n], and are its guards whole? */
static bool guarded_free(float *got, const float *want, size_t n) {
    bool good = memcmp(got, want, n * sizeof(*got)) == 0;

    for (size_t i = 0; i < N_GUARD; i++)
        good = good && got[-1 - (ptrdiff_t) i] == guard && got[n + i] == guard;
    free(got - N_GUARD);
    return good;
}

static bool try_gemm(const struct f32_kernels *kernels, struct f32_size size) {
    const struct f32_clamp clamp = random_clamp();
    float *in = some_numbers(size.rows * size.depth), *bias = some_numbers(size.cols);
    float *weight = some_numbers(size.cols * size.depth), *want = some(size.rows * size.cols);
    float *packed = some(kernels->packed_items(size.cols, size.depth));
    float *got = guarded(size.rows * size.cols);

    for (size_t r = 0; r < size.rows; r++)
        for (size_t c = 0; c < size.cols; c++) {
            float sum = bias[c];

            for (size_t d = 0; d < size.depth; d++)
                sum += in[r * size.depth + d] * weight[c * size.depth + d];
            want[r * size.cols + c] = limit(sum, clamp);
        }
    kernels->pack(packed, weight, bias, size.cols, size.depth);
    kernels->gemm(got, in, packed, size, clamp);
    free(in);
    free(bias);
    free(weight);
    free(packed);
    if (guarded_free(got, want, size.rows * size.cols)) {
        free(want);
        return true;
    }
    free(want);
    (void) printf("# %zu x %zu x %zu differs\n", size.rows, size.cols, size.depth);
    return false;
}

static bool check_gemm(const struct f32_kernels *kernels) {
    bool good = true;

    for (int i = 0; i < N_ROUNDS; i++)
        good = try_gemm(kernels,
                        (struct f32_size){ random_size(40), random_size(300), random_size(130) }) &&
               good;
    return good;
}

static int32_t random_from(int32_t least, int32_t most) {
    return least + (int32_t) random_to((uint32_t) (most - least + 1));
}

static struct window random_window(void) {
    struct window w = {
        .in_h = random_from(1, 9),
        .in_w = random_from(1, 20),
        .out_h = random_from(1, 6),
        .out_w = random_from(1, 20),
        .filter_h = random_from(1, 5),
        .filter_w = random_from(1, 5),
        .stride_h = random_from(1, 2),
        .stride_w = random_from(1, 2),
        .dilation_h = random_to(4) == 0 ? 2 : 1,
        .dilation_w = random_to(4) == 0 ? 2 : 1,
    };

    if (random_to(2))
        w.filter_h = w.filter_w = 3;
    w.pad_top = random_from(0, w.filter_h - 1);
    w.pad_left = random_from(0, w.filter_w - 1);
    return w;
}

static void naive_depthwise(float *out, const float *in, const float *weight, const float *bias,
                            const struct f32_depthwise *size, struct f32_clamp clamp) {
    const struct window *w = &size->window;
    const size_t channels = size->channels, in_channels = channels / size->multiplier;

    for (int32_t y = 0; y < w->out_h; y++)
        for (int32_t x = 0; x < w->out_w; x++)
            for (size_t c = 0; c < channels; c++) {
                float sum = bias[c];

                for (int32_t tap = 0; tap < w->filter_h * w->filter_w; tap++) {
                    const int32_t iy =
                        y * w->stride_h - w->pad_top + tap / w->filter_w * w->dilation_h;
                    const int32_t ix =
                        x * w->stride_w - w->pad_left + tap % w->filter_w * w->dilation_w;

                    if (iy >= 0 && iy < w->in_h && ix >= 0 && ix < w->in_w)
                        sum +=
                            in[(size_t) (iy * w->in_w + ix) * in_channels + c / size->multiplier] *
                            weight[(size_t) tap * channels + c];
                }
                *out++ = limit(sum, clamp);
            }
}

static bool try_depthwise(const struct f32_kernels *kernels, const struct f32_depthwise *size) {
    const struct window *w = &size->window;
    const struct f32_clamp clamp = random_clamp();
    const size_t channels = size->channels;
    const size_t n_out = (size_t) (w->out_h * w->out_w) * channels;
    float *in = some_numbers((size_t) (w->in_h * w->in_w) * channels / size->multiplier);
    float *weight = some_numbers((size_t) (w->filter_h * w->filter_w) * channels);
    float *bias = some_numbers(channels), *want = some(n_out), *got = guarded(n_out);
    bool good;

    naive_depthwise(want, in, weight, bias, size, clamp);
    kernels->depthwise(got, in, weight, bias, size, clamp);
    good = guarded_free(got, want, n_out);
    free(in);
    free(weight);
    free(bias);
    free(want);
    if (!good)
        (void) printf("# %zu channels, %d x %d taps, %d x %d outputs differ\n", channels,
                      w->filter_h, w->filter_w, w->out_h, w->out_w);
    return good;
}

static bool check_depthwise(const struct f32_kernels *kernels) {
    bool good = true;

    for (int i = 0; i < N_ROUNDS; i++) {
        struct f32_depthwise size = { random_window(), random_size(70),
                                      random_to(4) == 0 ? 1 + random_to(3) : 1 };

        size.channels *= size.multiplier;
        good = try_depthwise(kernels, &size) && good;
    }
    return good;
}

static bool check_add(const struct f32_kernels *kernels) {
    bool good = true;

    for (int i = 0; i < N_ROUNDS; i++) {
        const size_t n = random_size(300);
        const struct f32_clamp clamp = random_clamp();
        float *a = some_numbers(n), *b = some_numbers(n), *want = some(n), *got = guarded(n);

        for (size_t k = 0; k < n; k++)
            want[k] = limit(a[k] + b[k], clamp);
        if (random_to(2)) { /* in place */
            (void) memcpy(got, a, n * sizeof(*a));
            kernels->add(got, got, b, n, clamp);
        } else {
            kernels->add(got, a, b, n, clamp);
        }
        good = guarded_free(got, want, n) && good;
        free(a);
        free(b);
        free(want);
    }
    return good;
}

/* A pointwise layer of keyword spotting. */
static void bench(const struct kernels *row) {
    static const struct f32_size size = { 125, 64, 64 };
    const struct f32_kernels *kernels = f32_of(row);
    float *in = some_numbers(size.rows * size.depth), *out = some(size.rows * size.cols);
    float *packed = some(kernels->packed_items(size.cols, size.depth));
    int64_t least_ns = INT64_MAX;

    for (int i = 0; i < BENCH_CALLS; i++) {
        const int64_t start_ns = now_ns();

        kernels->gemm(out, in, packed, size, (struct f32_clamp){ 0, 6 });
        if (now_ns() - start_ns < least_ns)
            least_ns = now_ns() - start_ns;
    }
    (void) printf("# %s gemm_f32 %zu x %zu x %zu: %.2f us\n", row->name, size.rows, size.cols,
                  size.depth, (double) least_ns / (double) NS_PER_US);
    free(in);
    free(out);
    free(packed);
}

static unsigned n_cases, n_failed;

static void report(const struct kernels *row, const char *kernel, bool good) {
    (void) printf("%s %u - %s %s\n", good ? "ok" : "not ok", ++n_cases, row->name, kernel);
    n_failed += !good;
}

int main(int argc, char **argv) {
    for (size_t i = 0; kernels_row(i); i++) {
        const struct kernels *row = kernels_row(i);

        if (row->needs & ~cpu_features()) {
            (void) printf("ok %u - row %s # SKIP this CPU cannot run it\n", ++n_cases, row->name);
            continue;
        }
        report(row, "gemm_f32", check_gemm(f32_of(row)));
        report(row, "depthwise_f32", check_depthwise(f32_of(row)));
        report(row, "add_f32", check_add(f32_of(row)));
        if (argc > 1 && strcmp(argv[1], "--bench") == 0)
            bench(row);
    }
    (void) printf("1..%u\n", n_cases);
    return n_failed > 0;
}
