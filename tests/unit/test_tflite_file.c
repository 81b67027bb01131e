/* SPDX-License-Identifier: MIT */
#include "models/tflite_file.h"

#include <errno.h>
#include <string.h>

#include "model_kit.h"

static int read_bytes(const struct bytes *bytes, struct fault *fault) {
    struct pool *pool = pool_new();
    struct tflite_file file;
    int r;

    assert_non_null(pool);
    r = tflite_file_read("test", bytes->at, bytes->n, pool, &file, fault);
    (void) pool_free(pool);
    return r;
}

static void a_net_is_read_as_it_is(void **state) {
    struct bytes bytes = read_conformance("net/net_00.tflite");
    struct pool *pool = pool_new();
    struct tflite_file file;

    assert_int_equal(tflite_file_read("net", bytes.at, bytes.n, pool, &file, NULL), 0);
    assert_int_equal(file.n_inputs, 1);
    assert_int_equal(file.n_outputs, 1);
    assert_true(file.n_operators >= 6);
    assert_int_equal(file.tensors[file.inputs[0]].rank, 4);
    assert_int_equal(file.tensors[file.inputs[0]].dims[1], 25);
    assert_int_equal(file.tensors[file.inputs[0]].type, TFLITE_INT8);
    assert_null(file.tensors[file.inputs[0]].data);
    assert_int_equal(file.operators[0].code, 3);
    (void) pool_free(pool);
    free(bytes.at);
}

static void every_shorter_file_is_refused_or_read_inside_its_bytes(void **state) {
    struct bytes bytes = read_conformance("fc/fc_01.tflite");

    for (size_t n = 0; n < bytes.n; n++) {
        struct bytes cut = { malloc(n + 1), n }; /* exact, so that ASan sees a byte too far */
        struct fault fault = { "" };

        assert_non_null(cut.at);
        cut.at = realloc(cut.at, n ? n : 1);
        (void) memcpy(cut.at, bytes.at, n);
        if (read_bytes(&cut, &fault) < 0)
            assert_true(strlen(fault.text) > 10);
        free(cut.at);
    }
    free(bytes.at);
}

static void every_changed_byte_is_refused_or_read_inside_its_bytes(void **state) {
    static const uint8_t changes[] = { 0x01, 0x80, 0xff };
    struct bytes bytes = read_conformance("fc/fc_01.tflite");

    for (size_t i = 0; i < bytes.n; i++)
        for (size_t k = 0; k < sizeof(changes); k++) {
            struct fault fault = { "" };

            bytes.at[i] ^= changes[k];
            if (read_bytes(&bytes, &fault) < 0)
                assert_true(strlen(fault.text) > 10);
            bytes.at[i] ^= changes[k];
        }
    assert_int_equal(read_bytes(&bytes, NULL), 0);
    free(bytes.at);
}

static void sizes_of_types_are_known(void **state) {
    assert_int_equal(tflite_type_bytes(TFLITE_FLOAT32, 3), 12);
    assert_int_equal(tflite_type_bytes(TFLITE_INT8, 3), 3);
    assert_int_equal(tflite_type_bytes(TFLITE_INT4, 3), 2);
    assert_string_equal(tflite_type_name(9), "INT8");
    assert_string_equal(tflite_type_name(22), "FLOAT8_E5M2");
    assert_string_equal(tflite_type_name(-1), "an unknown type");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_net_is_read_as_it_is),
        cmocka_unit_test(every_shorter_file_is_refused_or_read_inside_its_bytes),
        cmocka_unit_test(every_changed_byte_is_refused_or_read_inside_its_bytes),
        cmocka_unit_test(sizes_of_types_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
