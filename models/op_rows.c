/* SPDX-License-Identifier: MIT */
/* Steps that can be run a strip of rows at a time. */
#include <stdalign.h>

#include "models/crew.h"
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

/* Elements touched by @n_rows rows, about. */
static uint64_t rows_work(const struct step *step, int32_t n_rows) {
    const uint64_t all = (uint64_t) step->rows.n_images * (uint64_t) step->rows.n;
    const uint64_t least = all * step->rows.out_bytes;

    return (step->work > least ? step->work : least) / all * (uint64_t) n_rows;
}

/* How many parts to make @n_rows in. */
static size_t parts_of(const struct step *step, int32_t n_rows, const struct hands *hands) {
    uint64_t most = (uint64_t) n_rows;
    size_t n;

    if (!hands->crew)
        return 1;
    if (hands->n_parts == 0 && rows_work(step, n_rows) / hands->part_work < most)
        most = rows_work(step, n_rows) / hands->part_work;
    if (most <= 1)
        return 1;
    n = hands->n_parts > 0 ? hands->n_parts : crew_ready(hands->crew);
    return n < most ? n : (size_t) most;
}

/* A strip that several threads make. All in one cache line, for they all begin with reading it. */
struct shared_strip {
    alignas(64) const struct step *step;
    const struct hands *hands;
    size_t n_parts;
    struct strip strip;
};

static void make_part(void *user, size_t part, size_t thread) {
    const struct shared_strip *shared = user;
    const struct step_rows *rows = &shared->step->rows;
    const struct rows all = shared->strip.rows;
    const int64_t n = all.last - all.first, n_parts = (int64_t) shared->n_parts;
    struct strip strip = shared->strip;
    size_t skipped;

    strip.rows.first = all.first + (int32_t) (n * (int64_t) part / n_parts);
    strip.rows.last = all.first + (int32_t) (n * ((int64_t) part + 1) / n_parts);
    strip.out = (uint8_t *) strip.out + (size_t) (strip.rows.first - all.first) * rows->out_bytes;
    skipped =
        (size_t) (step_needs(shared->step, strip.rows).first - step_needs(shared->step, all).first);
    for (size_t i = 0; i < shared->step->n_inputs; i++)
        strip.in[i] = (const uint8_t *) strip.in[i] + skipped * rows->in_bytes[i];
    if (thread > 0)
        strip.scratch = shared->hands->scratch + (thread - 1) * shared->hands->scratch_bytes;
    rows->run(shared->step, &strip);
}

static void share(const struct step *step, const struct strip *strip, const struct hands *hands,
                  size_t n_parts) {
    struct shared_strip shared = { step, hands, n_parts, *strip };

    crew_run(hands->crew, make_part, &shared, n_parts);
}

void step_run_strip(const struct step *step, const struct strip *strip, const struct hands *hands) {
    const size_t n_parts = parts_of(step, strip->rows.last - strip->rows.first, hands);

    if (n_parts > 1)
        share(step, strip, hands, n_parts);
    else
        step->rows.run(step, strip);
}

static void run_images(const struct step *step, uint8_t *arena, const struct hands *hands) {
    const struct step_rows *rows = &step->rows;
    struct strip strip = {
        .rows = { 0, rows->n },
        .out = step_output(step, 0, arena),
        .scratch = step_scratch(step, arena),
    };

    for (size_t i = 0; i < step->n_inputs; i++)
        strip.in[i] = step_input(step, i, arena);
    for (size_t image = 0; image < rows->n_images; image++) {
        step_run_strip(step, &strip, hands);
        strip.out = (uint8_t *) strip.out + (size_t) rows->n * rows->out_bytes;
        for (size_t i = 0; i < step->n_inputs; i++)
            strip.in[i] = (const uint8_t *) strip.in[i] + input_rows(step) * rows->in_bytes[i];
    }
}

void step_run_rows(const struct step *step, uint8_t *arena) {
    run_images(step, arena, &(const struct hands){ 0 });
}

void step_run(const struct step *step, uint8_t *arena, const struct hands *hands) {
    if (step->rows.run)
        run_images(step, arena, hands);
    else
        step->run(step, arena);
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
