/* SPDX-License-Identifier: MIT */
/* A run gives the same bytes whatever the number of threads, and runners can share a crew. */
#include <glob.h>
#include <pthread.h>
#include <string.h>

#include "model_kit.h"
#include "models/kernels/kernels.h"
#include "models/model_graph.h"
#include "models/runner.h"

enum { MOST_THREADS = 4, N_LANES = 3, N_RUNS = 20, SEED = 11 };

static const char *const groups[] = { "conv",  "dwconv", "int4",  "pool",
                                      "arith", "act",    "graph", "net" };

static uint32_t random_state = SEED;

static uint8_t next_byte(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 17;
    random_state ^= random_state << 5;
    return (uint8_t) (random_state & 63); /* as float32: small */
}

/* What @model makes of @arena, in as many parts as there are rows and threads. */
static void run_in_parts(const struct model *model, struct crew *crew, uint8_t *arena) {
    const struct graph *graph = model_graph(model);
    struct hands hands = { .crew = crew, .n_parts = crew_n_threads(crew) };

    for (size_t s = 0; s < graph->n_steps; s++)
        if (graph->steps[s].scratch_bytes > hands.scratch_bytes)
            hands.scratch_bytes = graph->steps[s].scratch_bytes;
    hands.scratch = calloc(MOST_THREADS, hands.scratch_bytes + 1);
    assert_non_null(hands.scratch);
    assert_true(crew_take(crew));
    for (size_t g = 0; g < graph->n_groups; g++)
        graph_run_group(graph, &graph->groups[g], arena, &hands);
    crew_give(crew);
    free(hands.scratch);
}

static void check_outputs(const struct model *model, const uint8_t *a, const uint8_t *b) {
    const struct graph *graph = model_graph(model);

    for (size_t i = 0; i < graph->n_outputs; i++) {
        const struct graph_tensor *tensor = &graph->tensors[graph->outputs[i]];

        if (!tensor->constant)
            assert_memory_equal(a + graph->buffers[tensor->buffer].offset,
                                b + graph->buffers[tensor->buffer].offset, tensor->info.n_bytes);
    }
}

static void check_model(const struct model *model, struct crew *const crews[MOST_THREADS + 1]) {
    const size_t n_bytes = model_graph(model)->arena_bytes;
    uint8_t *before = malloc(n_bytes + 1), *alone = malloc(n_bytes + 1);
    uint8_t *together = malloc(n_bytes + 1);

    assert_non_null(before);
    assert_non_null(alone);
    assert_non_null(together);
    for (size_t i = 0; i < n_bytes; i++)
        before[i] = next_byte();
    for (size_t n = 1; n <= MOST_THREADS; n++) {
        uint8_t *arena = n == 1 ? alone : together;

        (void) memcpy(arena, before, n_bytes);
        run_in_parts(model, crews[n], arena);
        check_outputs(model, alone, arena);
    }
    free(before);
    free(alone);
    free(together);
}

static void try_plan(const char *plan) {
    struct crew *crews[MOST_THREADS + 1] = { NULL };
    const struct kernels *row;
    size_t n_models = 0;

    assert_int_equal(setenv("LOOKOUT_PLAN", plan, 1), 0);
    for (size_t n = 1; n <= MOST_THREADS; n++)
        assert_int_equal(crew_new(n, &crews[n]), 0);
    for (size_t g = 0; g < sizeof(groups) / sizeof(*groups); g++) {
        char relative[64], pattern[TEST_PATH_BYTES];
        glob_t found = { 0 };

        (void) snprintf(relative, sizeof(relative), "tests/conformance/%s/*.tflite", groups[g]);
        assert_int_equal(glob(source_path(relative, pattern), 0, NULL, &found), 0);
        for (size_t i = 0; (row = kernels_row(i)); i++)
            for (size_t f = 0; (row->needs & ~cpu_features()) == 0 && f < found.gl_pathc; f++) {
                _cleanup_(model_unrefp) struct model *model = NULL;
                struct fault fault;

                if (model_open(found.gl_pathv[f], row->name, &model, &fault) < 0)
                    continue; /* one of those that must be refused */
                check_model(model, crews);
                n_models++;
            }
        globfree(&found);
    }
    assert_true(n_models > 200);
    for (size_t n = 1; n <= MOST_THREADS; n++)
        (void) crew_free(crews[n]);
    assert_int_equal(unsetenv("LOOKOUT_PLAN"), 0);
}

static void any_number_of_threads_gives_the_same_bytes(void **state) {
    (void) state;
    try_plan("whole");
}

static void so_it_does_in_strips(void **state) {
    (void) state;
    try_plan("least");
    try_plan("rows");
}

/* One of several threads that run one model with one crew. */
struct lane {
    struct model *model;
    struct crew *crew;
    uint8_t *in, *out; /* of one run alone */
    bool differs;
    pthread_t thread;
};

static void *lane_main(void *user) {
    struct lane *lane = user;
    struct runner *runner = NULL;

    lane->differs = runner_new(lane->model, lane->crew, &runner) < 0;
    for (int i = 0; i < N_RUNS && !lane->differs; i++) {
        (void) memcpy(runner_input(runner, 0), lane->in, model_input(lane->model, 0)->n_bytes);
        runner_run(runner);
        lane->differs =
            memcmp(runner_output(runner, 0), lane->out, model_output(lane->model, 0)->n_bytes) != 0;
    }
    (void) runner_free(runner);
    return NULL;
}

static void runners_share_a_crew(void **state) {
    _cleanup_(model_unrefp) struct model *model = NULL;
    _cleanup_(runner_freep) struct runner *alone = NULL;
    _cleanup_(crew_freep) struct crew *crew = NULL;
    struct lane lanes[N_LANES];
    char path[TEST_PATH_BYTES];
    struct fault fault;
    uint8_t *in;
    (void) state;

    assert_int_equal(
        model_open(source_path("models/zoo/yard/sound.tflite", path), NULL, &model, &fault), 0);
    assert_int_equal(runner_new(model, NULL, &alone), 0);
    in = malloc(model_input(model, 0)->n_bytes);
    assert_non_null(in);
    for (size_t i = 0; i < model_input(model, 0)->n_bytes; i++)
        in[i] = next_byte();
    (void) memcpy(runner_input(alone, 0), in, model_input(model, 0)->n_bytes);
    runner_run(alone);

    assert_int_equal(crew_new(3, &crew), 0);
    for (size_t i = 0; i < N_LANES; i++) {
        lanes[i] = (struct lane){ .model = model,
                                  .crew = crew,
                                  .in = in,
                                  .out = (uint8_t *) (uintptr_t) runner_output(alone, 0) };
        assert_int_equal(pthread_create(&lanes[i].thread, NULL, lane_main, &lanes[i]), 0);
    }
    for (size_t i = 0; i < N_LANES; i++) {
        assert_int_equal(pthread_join(lanes[i].thread, NULL), 0);
        assert_false(lanes[i].differs);
    }
    free(in);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_threads_gives_the_same_bytes),
        cmocka_unit_test(so_it_does_in_strips),
        cmocka_unit_test(runners_share_a_crew),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
