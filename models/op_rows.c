/* SPDX-License-Identifier: MIT */
/* Steps that can be run a strip of rows at a time. */
#include "models/op_check.h"

struct rows step_needs(const struct step *step, struct rows rows) {
    const struct window *window = step->rows.window;
    struct window strip;
    int32_t first;

    if (!window)
        return rows;
    strip = window_strip(window, rows.first, rows.last - rows.first, &first);
    return (struct rows){ first, first + strip.in_h };
}

/* Rows of one image of each input. */
static size_t input_rows(const struct step *step) {
    return (size_t) (step->rows.window ? step->rows.window->in_h : step->rows.n);
}

void step_run_rows(const struct step *step, uint8_t *arena) {
    const struct step_rows *rows = &step->rows;
    struct strip strip = {
        .rows = { 0, rows->n },
        .out = step_output(step, 0, arena),
        .scratch = step_scratch(step, arena),
    };

    for (size_t i = 0; i < step->n_inputs; i++)
        strip.in[i] = step_input(step, i, arena);
    for (size_t image = 0; image < rows->n_images; image++) {
        rows->run(step, &strip);
        strip.out = (uint8_t *) strip.out + (size_t) rows->n * rows->out_bytes;
        for (size_t i = 0; i < step->n_inputs; i++)
            strip.in[i] = (const uint8_t *) strip.in[i] + input_rows(step) * rows->in_bytes[i];
    }
}

void op_by_rows(const struct op_context *context, struct step *step, step_strip_fn *run,
                const struct window *window) {
    const struct tflite_tensor *y = op_output(context, 0);
    struct step_rows rows = {
        .run = run,
        .window = window,
        .n_images = y->rank == 4 ? (size_t) y->dims[0] : 1,
        .n = y->rank == 4  ? y->dims[1]
             : y->rank > 1 ? y->dims[0]
                           : 1,
    };

    step->run = step_run_rows;
    rows.out_bytes = y->n_items * op_item_bytes(y) / (rows.n_images * (size_t) rows.n);
    step->rows = rows;
    for (size_t i = 0; i < step->n_inputs; i++) {
        const struct tflite_tensor *x = op_input(context, i);

        step->rows.in_bytes[i] = x->n_items * op_item_bytes(x) / (rows.n_images * input_rows(step));
    }
}
