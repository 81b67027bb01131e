/* SPDX-License-Identifier: MIT */
/* Every step that runs in strips makes the same bytes in strips, and touches nothing else. */
#include <glob.h>
#include <string.h>

#include "model_kit.h"
#include "models/graph.h"
#include "models/kernels/kernels.h"
#include "models/model_graph.h"

enum { LONGEST_STRIP = 4, SEED = 7 };

static uint32_t random_state = SEED;

static uint32_t next_random(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return random_state;
}

/* A block of its own, so that a sanitizer sees the first byte past it. */
static void *copy_of(const void *bytes, size_t n) {
    void *copy = malloc(n > 0 ? n : 1);

    assert_non_null(copy);
    return n > 0 ? memcpy(copy, bytes, n) : copy;
}

/* Rows of the inputs that @rows take, each in a block of its own. */
static void cut_inputs(const struct step *step, const uint8_t *arena, struct strip *strip) {
    const struct rows needs = step_needs(step, strip->rows);

    assert_true(needs.first < needs.last);
    for (size_t i = 0; i < step->n_inputs; i++)
        strip->in[i] = copy_of((const uint8_t *) step_input(step, i, arena) +
                                   (size_t) needs.first * step->rows.in_bytes[i],
                               (size_t) (needs.last - needs.first) * step->rows.in_bytes[i]);
}

static void check_step(const struct step *step, uint8_t *arena, const uint8_t *before) {
    const struct step_rows *rows = &step->rows;
    void *scratch = malloc(step->scratch_bytes + 1);

    assert_non_null(scratch);
    for (int32_t y = 0; y < rows->n;) {
        const int32_t left = rows->n - y, some = 1 + (int32_t) (next_random() % LONGEST_STRIP);
        const int32_t n = some < left ? some : left;
        const size_t n_bytes = (size_t) n * rows->out_bytes;
        struct strip strip = { .rows = { y, y + n }, .scratch = scratch };
        const void *whole;

        strip.out = malloc(n_bytes);
        assert_non_null(strip.out);
        cut_inputs(step, before, &strip);
        rows->run(step, &strip);
        whole = (const uint8_t *) step_output(step, 0, arena) + (size_t) y * rows->out_bytes;
        assert_memory_equal(strip.out, whole, n_bytes);
        free(strip.out);
        for (size_t i = 0; i < step->n_inputs; i++)
            free((void *) (uintptr_t) strip.in[i]);
        y += n;
    }
    free(scratch);
}

/* Run @model step by step, each that can also in strips. Returns how many could. */
static size_t check_model(const struct model *model) {
    const struct graph *graph = model_graph(model);
    uint8_t *arena = malloc(graph->arena_bytes + 1), *before = malloc(graph->arena_bytes + 1);
    size_t n = 0;

    assert_non_null(arena);
    assert_non_null(before);
    for (size_t i = 0; i < graph->arena_bytes; i++)
        arena[i] = (uint8_t) (next_random() & 63); /* as float32: small */
    for (size_t s = 0; s < graph->n_steps; s++) {
        const struct step *step = &graph->steps[s];

        (void) memcpy(before, arena, graph->arena_bytes);
        if (step->run)
            step->run(step, arena);
        if (step->rows.run && step->rows.n_images == 1) {
            check_step(step, arena, before);
            n++;
        }
    }
    free(arena);
    free(before);
    return n;
}

/* All of tests/conformance/@group with each row of kernels; @least steps must run in strips. */
static void check_group(const char *group, size_t least) {
    char relative[64], pattern[TEST_PATH_BYTES];
    size_t n_steps = 0;
    glob_t files;

    (void) snprintf(relative, sizeof(relative), "tests/conformance/%s/*.tflite", group);
    assert_int_equal(glob(source_path(relative, pattern), 0, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++)
        for (size_t row = 0; kernels_row(row); row++) {
            struct model *model = NULL;
            struct fault fault;

            if (kernels_row(row)->needs & ~cpu_features())
                continue;
            assert_int_equal(model_open(files.gl_pathv[i], kernels_row(row)->name, &model, &fault),
                             0);
            n_steps += check_model(model);
            (void) model_unref(model);
        }
    globfree(&files);
    assert_true(n_steps >= least);
}

static void convolutions_run_in_strips(void **state) {
    check_group("conv", 10);
    check_group("dwconv", 10);
    check_group("int4", 2);
}

static void pools_sums_and_tables_run_in_strips(void **state) {
    check_group("pool", 10);
    check_group("arith", 2);
    check_group("act", 2);
    check_group("fc", 2);
}

static void whole_networks_run_in_strips(void **state) {
    check_group("net", 50);
    check_group("graph", 10);
}

/* A filter that begins above the image, one inside, one that ends below. */
static void a_strip_needs_the_rows_under_its_taps(void **state) {
    const struct window window = { .in_h = 9,
                                   .in_w = 1,
                                   .out_h = 5,
                                   .out_w = 1,
                                   .filter_h = 3,
                                   .filter_w = 1,
                                   .stride_h = 2,
                                   .stride_w = 1,
                                   .dilation_h = 1,
                                   .dilation_w = 1,
                                   .pad_top = 1 };
    const struct step step = { .rows = { .window = &window, .n = 5 } };
    const struct rows first = step_needs(&step, (struct rows){ 0, 1 });
    const struct rows middle = step_needs(&step, (struct rows){ 1, 3 });
    const struct rows last = step_needs(&step, (struct rows){ 4, 5 });

    assert_int_equal(first.first, 0);
    assert_int_equal(first.last, 2);
    assert_int_equal(middle.first, 1);
    assert_int_equal(middle.last, 6);
    assert_int_equal(last.first, 7);
    assert_int_equal(last.last, 9);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions_run_in_strips),
        cmocka_unit_test(pools_sums_and_tables_run_in_strips),
        cmocka_unit_test(whole_networks_run_in_strips),
        cmocka_unit_test(a_strip_needs_the_rows_under_its_taps),
    };

    if (setenv("LOOKOUT_PLAN", "whole", 1) < 0) /* inputs and outputs of all steps are there */
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
