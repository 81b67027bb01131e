/* SPDX-License-Identifier: MIT */
#include "models/model.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "model_kit.h"
#include "models/runner.h"

enum { N_THREADS = 2, N_RUNS = 50 };

static void open_net(struct model **model) {
    struct fault fault = { "" };
    char path[TEST_PATH_BYTES];

    if (model_open(source_path("tests/conformance/net/net_00.tflite", path), "c", model, &fault) <
        0)
        fail_msg("%s", fault.text);
}

static void a_model_tells_what_it_takes_and_gives(void **state) {
    struct model *model = NULL;

    open_net(&model);
    assert_int_equal(model_n_inputs(model), 1);
    assert_int_equal(model_n_outputs(model), 1);
    assert_int_equal(model_input(model, 0)->n_bytes, 25 * 12);
    assert_int_equal(model_input(model, 0)->type, TENSOR_INT8);
    assert_int_equal(model_output(model, 0)->n_items, 4);
    assert_true(model_output(model, 0)->scale == 1.0f / 256);
    assert_int_equal(model_output(model, 0)->zero_point, -128);
    assert_null(model_input(model, 1));
    assert_null(model_output(model, 1));
    assert_string_equal(model_kernels(model), "c");
    assert_int_equal(strlen(model_sha256(model)), 64);
    assert_true(model_macs(model) > 0 && model_n_parameters(model) > 0);
    (void) model_unref(model);
}

static void a_missing_file_is_said_with_its_name(void **state) {
    struct model *model = NULL;
    struct fault fault = { "" };

    assert_int_equal(model_open("/nonexistent/x.tflite", NULL, &model, &fault), -ENOENT);
    assert_non_null(strstr(fault.text, "/nonexistent/x.tflite"));
    assert_int_equal(model_open("/", NULL, &model, &fault), -EBADMSG);
}

static void unknown_kernels_are_refused_with_the_list(void **state) {
    struct model *model = NULL;
    struct fault fault = { "" };
    struct bytes bytes = read_conformance("net/net_00.tflite");

    assert_int_equal(model_open_memory("net", bytes.at, bytes.n, "quantum", &model, &fault),
                     -ENOTSUP);
    assert_non_null(strstr(fault.text, "'quantum'"));
    assert_non_null(strstr(fault.text, "c"));

    assert_int_equal(setenv("LOOKOUT_KERNELS", "nothing", 1), 0);
    assert_int_equal(model_open_memory("net", bytes.at, bytes.n, NULL, &model, &fault), -ENOTSUP);
    assert_non_null(strstr(fault.text, "'nothing'"));
    assert_int_equal(setenv("LOOKOUT_KERNELS", "c", 1), 0);
    assert_int_equal(model_open_memory("net", bytes.at, bytes.n, NULL, &model, &fault), 0);
    assert_string_equal(model_kernels(model), "c");
    assert_int_equal(unsetenv("LOOKOUT_KERNELS"), 0);
    (void) model_unref(model);
    free(bytes.at);
}

static void a_model_outlives_the_bytes_it_was_opened_from(void **state) {
    struct bytes bytes = read_conformance("net/net_00.tflite");
    struct bytes io = read_conformance("net/net_00.io");
    struct runner *runner = NULL;
    struct model *model = NULL;

    assert_int_equal(model_open_memory("net", bytes.at, bytes.n, "c", &model, NULL), 0);
    (void) memset(bytes.at, 0xa5, bytes.n);
    free(bytes.at);
    assert_int_equal(runner_new(model, NULL, &runner), 0);
    model = model_unref(model); /* the runner keeps it */
    (void) memcpy(runner_input(runner, 0), io.at, 25 * 12);
    runner_run(runner);
    assert_memory_equal(runner_output(runner, 0), io.at + 25 * 12, 4);
    (void) runner_free(runner);
    free(io.at);
}

static void places_of_inputs_are_aligned_and_there_is_none_past_the_last(void **state) {
    struct runner *runner = NULL;
    struct model *model = NULL;

    open_net(&model);
    assert_int_equal(runner_new(model, NULL, &runner), 0);
    assert_int_equal((uintptr_t) runner_input(runner, 0) % 16, 0);
    assert_null(runner_input(runner, 1));
    assert_null(runner_output(runner, 1));
    (void) runner_free(runner);
    (void) model_unref(model);
}

struct lane {
    struct model *model;
    const struct bytes *io;
    int n_wrong;
};

static void *run_many(void *user) {
    struct lane *lane = user;
    const size_t in_bytes = 25 * 12, out_bytes = 4;
    struct runner *runner = NULL;

    lane->n_wrong = runner_new(lane->model, NULL, &runner) < 0;
    for (int i = 0; i < N_RUNS && runner; i++) {
        const uint8_t *sample = lane->io->at + (size_t) (i % 4) * (in_bytes + out_bytes);

        (void) memcpy(runner_input(runner, 0), sample, in_bytes);
        runner_run(runner);
        lane->n_wrong += memcmp(runner_output(runner, 0), sample + in_bytes, out_bytes) != 0;
    }
    (void) runner_free(runner);
    return NULL;
}

static void runners_in_two_threads_share_one_model(void **state) {
    struct bytes io = read_conformance("net/net_00.io");
    struct model *model = NULL;
    struct lane lanes[N_THREADS];
    pthread_t threads[N_THREADS];

    open_net(&model);
    for (size_t i = 0; i < N_THREADS; i++) {
        lanes[i] = (struct lane){ .model = model, .io = &io };
        assert_int_equal(pthread_create(&threads[i], NULL, run_many, &lanes[i]), 0);
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(lanes[i].n_wrong, 0);
    }
    (void) model_unref(model);
    free(io.at);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_tells_what_it_takes_and_gives),
        cmocka_unit_test(a_missing_file_is_said_with_its_name),
        cmocka_unit_test(unknown_kernels_are_refused_with_the_list),
        cmocka_unit_test(a_model_outlives_the_bytes_it_was_opened_from),
        cmocka_unit_test(places_of_inputs_are_aligned_and_there_is_none_past_the_last),
        cmocka_unit_test(runners_in_two_threads_share_one_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
