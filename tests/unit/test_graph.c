/* SPDX-License-Identifier: MIT */
#include "models/graph.h"

#include <errno.h>
#include <string.h>

#include "model_kit.h"
#include "models/model_graph.h"

static struct model *open_model(const char *name) {
    struct bytes bytes = read_conformance(name);
    struct model *model = NULL;
    struct fault fault = { "" };

    if (model_open_memory(name, bytes.at, bytes.n, "c", &model, &fault) < 0)
        fail_msg("%s", fault.text);
    free(bytes.at);
    return model;
}

static void a_residual_add_takes_over_memory_that_dies(void **state) {
    struct model *model = open_model("graph/graph_01.tflite"); /* three convolutions, + the input */
    const struct graph *graph = model_graph(model);

    assert_string_equal(graph->steps[3].op->name, "ADD");
    assert_true(graph->steps[3].in_place);
    (void) model_unref(model);
}

static void an_output_is_not_overwritten_by_what_reads_it(void **state) {
    struct model *model =
        open_model("graph/graph_10.tflite"); /* RELU6 of a tensor that ADD wants too */
    const struct graph *graph = model_graph(model);

    assert_string_equal(graph->steps[1].op->name, "RELU6");
    assert_false(graph->steps[1].in_place);
    assert_true(graph->steps[2].in_place);
    (void) model_unref(model);
}

static void a_reshape_costs_nothing(void **state) {
    struct model *model = open_model("graph/graph_04.tflite");
    const struct graph *graph = model_graph(model);
    const struct step *reshape = &graph->steps[1];

    assert_string_equal(reshape->op->name, "RESHAPE");
    assert_null(reshape->run);
    assert_int_equal(graph->tensors[reshape->inputs[0].tensor].buffer,
                     graph->tensors[reshape->outputs[0].tensor].buffer);
    (void) model_unref(model);
}

/* No tensor may be written while another that is still needed lies in the same bytes, unless it is
 * written behind what is read. */
static void check_arena(const struct graph *graph) {
    for (size_t i = 0; i < graph->n_buffers; i++)
        for (size_t k = 0; k < i; k++) {
            const struct arena_buffer *a = &graph->buffers[i], *b = &graph->buffers[k];
            const bool at_once = a->first <= b->last && b->first <= a->last;

            assert_true(a->offset + a->n_bytes <= graph->arena_bytes);
            if (at_once && a->offset < b->offset + b->n_bytes &&
                b->offset < a->offset + a->n_bytes) {
                assert_ptr_equal(a->over, b);
                assert_true(a->offset + a->lead <= b->offset);
            }
        }
}

static void live_tensors_never_share_bytes(void **state) {
    static const char *const names[] = { "net/net_00.tflite",     "net/net_01.tflite",
                                         "net/net_02.tflite",     "net/net_03.tflite",
                                         "graph/graph_07.tflite", "graph/graph_05.tflite" };
    static const char *const plans[] = { "whole", "balanced", "least", "rows" };

    (void) state;
    for (size_t m = 0; m < sizeof(names) / sizeof(*names); m++)
        for (size_t p = 0; p < sizeof(plans) / sizeof(*plans); p++) {
            struct model *model;

            assert_int_equal(setenv("LOOKOUT_PLAN", plans[p], 1), 0);
            model = open_model(names[m]);
            check_arena(model_graph(model));
            if (p == 0)
                assert_true(model_graph(model)->arena_bytes <=
                            model_graph(model)->peak_bytes + model_graph(model)->peak_bytes / 10);
            (void) model_unref(model);
        }
    assert_int_equal(unsetenv("LOOKOUT_PLAN"), 0);
}

/* What stays inside a group has no place of its own; the groups are all steps in turn. */
static void fused_steps_pass_rows_not_tensors(void **state) {
    struct model *model;
    const struct graph *graph;
    size_t next = 0, n_inside = 0;

    (void) state;
    assert_int_equal(setenv("LOOKOUT_PLAN", "rows", 1), 0);
    model = open_model("net/net_00.tflite");
    graph = model_graph(model);
    for (size_t g = 0; g < graph->n_groups; g++) {
        assert_int_equal(graph->groups[g].first, next);
        next = graph->groups[g].last;
        for (size_t s = graph->groups[g].first; s + 1 < next; s++, n_inside++)
            assert_int_equal(graph->tensors[graph->steps[s].outputs[0].tensor].buffer,
                             GRAPH_NO_BUFFER);
    }
    assert_int_equal(next, graph->n_steps);
    assert_true(n_inside >= 4);
    (void) model_unref(model);
    assert_int_equal(unsetenv("LOOKOUT_PLAN"), 0);
}

static void an_unknown_plan_is_refused_with_the_list(void **state) {
    struct bytes bytes = read_conformance("net/net_00.tflite");
    struct model *model = NULL;
    struct fault fault = { "" };

    (void) state;
    assert_int_equal(setenv("LOOKOUT_PLAN", "clever", 1), 0);
    assert_int_equal(model_open_memory("net", bytes.at, bytes.n, "c", &model, &fault), -ENOTSUP);
    assert_non_null(strstr(fault.text, "'clever'"));
    assert_non_null(strstr(fault.text, "balanced, least, whole"));
    free(bytes.at);
    assert_int_equal(unsetenv("LOOKOUT_PLAN"), 0);
}

static void refusals_name_the_operator_and_the_tensor(void **state) {
    static const struct {
        const char *name, *words;
        int error;
    } cases[] = {
        { "bad/stride_zero.tflite", "CONV_2D: width: stride 0", -EBADMSG },
        { "bad/op_custom.tflite", "custom operator", -ENOTSUP },
        { "bad/op_unknown.tflite", "kind 9999", -ENOTSUP },
        { "bad/scale_nan.tflite", "scale nan", -EBADMSG },
        { "bad/zp_high.tflite", "zero point 300", -EBADMSG },
        { "bad/order_twice.tflite", "written already", -EBADMSG },
        { "bad/order_output.tflite", "nothing writes", -EBADMSG },
        { "bad/shape_output.tflite", "follows", -EBADMSG },
        { "bad/op_options.tflite", "options are missing", -EBADMSG },
        { "bad/version.tflite", "schema version 99", -ENOTSUP },
        { "bad/shape_rank40.tflite", "rank 40", -ENOTSUP },
        { "bad/int4_short.tflite", "its buffer has", -EBADMSG },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct bytes bytes = read_conformance(cases[i].name);
        struct model *model = NULL;
        struct fault fault = { "" };

        assert_int_equal(model_open_memory(cases[i].name, bytes.at, bytes.n, "c", &model, &fault),
                         cases[i].error);
        assert_null(model);
        if (!strstr(fault.text, cases[i].words))
            fail_msg("'%s' has no '%s'", fault.text, cases[i].words);
        free(bytes.at);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_residual_add_takes_over_memory_that_dies),
        cmocka_unit_test(an_output_is_not_overwritten_by_what_reads_it),
        cmocka_unit_test(a_reshape_costs_nothing),
        cmocka_unit_test(live_tensors_never_share_bytes),
        cmocka_unit_test(fused_steps_pass_rows_not_tensors),
        cmocka_unit_test(an_unknown_plan_is_refused_with_the_list),
        cmocka_unit_test(refusals_name_the_operator_and_the_tensor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
