/* SPDX-License-Identifier: MIT */
/*
 * Method: no row is made twice. For each strip of the last step's output, go back through the group
 * to see up to which row each step must get, then forward through it. Between two steps lies a line
 * of rows: those that were made and are still needed, moved to its beginning before more are added.
 * (Compare J. Lin et al., MCUNetV2, 2021, section 3.1, whose patches make the rows at their seams
 * twice, and M. Alwani et al., Fused-Layer CNN Accelerators, 2016, section III-C, who keep them.)
 */
#include "models/graph_strips.h"

#include <errno.h>
#include <string.h>

enum { OUTSIDE = -1 }; /* an input that no step of the group makes */

/* While the strips of a group are gone through. */
struct walk {
    const struct graph *graph;
    const struct group *group;
    const struct step *steps; /* [n] */
    size_t n;
    int from[GROUP_STEPS_MAX][STEP_ROW_INPUTS]; /* step that makes an input; OUTSIDE */
    int32_t want[GROUP_STEPS_MAX];              /* rows before this are to be made next */
    struct rows line[GROUP_STEPS_MAX];          /* rows of a step's output that are there */
    int32_t longest[GROUP_STEPS_MAX];           /* line there was */
    size_t lead;
    size_t n_calls;
    struct strip_call *calls;            /* NULL: only count them */
    size_t line_offset[GROUP_STEPS_MAX]; /* where lines begin, if there are calls */
    size_t scratch_offset;               /* and what is behind them */
};

static size_t aligned(size_t n_bytes) {
    return (n_bytes + ARENA_ALIGN_BYTES - 1) / ARENA_ALIGN_BYTES * ARENA_ALIGN_BYTES;
}

static void walk_begin(struct walk *walk, const struct graph *graph, const struct group *group) {
    *walk = (struct walk){
        .graph = graph,
        .group = group,
        .steps = graph->steps + group->first,
        .n = group->last - group->first,
    };
    for (size_t t = 0; t < walk->n; t++)
        for (size_t i = 0; i < walk->steps[t].n_inputs; i++) {
            walk->from[t][i] = OUTSIDE;
            for (size_t s = 0; s < t; s++)
                if (walk->steps[s].outputs[0].tensor == walk->steps[t].inputs[i].tensor)
                    walk->from[t][i] = (int) s;
        }
}

static bool is_last(const struct walk *walk, size_t s) {
    return s == walk->n - 1;
}

/* The first row of its inputs that step @t will still read; INT32_MAX: none. */
static int32_t next_needed(const struct walk *walk, size_t t) {
    const int32_t next = walk->line[t].last;

    if (next >= walk->steps[t].rows.n)
        return INT32_MAX;
    return step_needs(&walk->steps[t], (struct rows){ next, next + 1 }).first;
}

/* Up to row @last or beyond, as many rows as step @s best makes at a time. */
static int32_t whole_rows(const struct walk *walk, size_t s, int32_t last) {
    const struct step_rows *rows = &walk->steps[s].rows;
    const int32_t together = rows->together > 1 ? rows->together : 1;
    const int32_t first = walk->line[s].last, n = (last - first + together - 1) / together;

    return rows->n - first < n * together ? rows->n : first + n * together;
}

/* How far each step must get so that the last one can make its rows before @last. */
static void look_back(struct walk *walk, int32_t last) {
    for (size_t s = 0; s < walk->n; s++)
        walk->want[s] = is_last(walk, s) ? last : walk->line[s].last;
    for (size_t t = walk->n - 1; t > 0; t--) {
        const struct rows rows = { walk->line[t].last, walk->want[t] };

        if (rows.first >= rows.last)
            continue;
        for (size_t i = 0; i < walk->steps[t].n_inputs; i++) {
            const int s = walk->from[t][i];
            const int32_t needed = step_needs(&walk->steps[t], rows).last;

            if (s != OUTSIDE && walk->want[s] < needed)
                walk->want[s] = whole_rows(walk, (size_t) s, needed);
        }
    }
}

/* Rows that the readers of step @s are done with leave its line. Returns how many. */
static int32_t shorten_line(struct walk *walk, size_t s) {
    const int32_t before = walk->line[s].first;
    int32_t first = walk->line[s].last;

    for (size_t t = s + 1; t < walk->n; t++)
        for (size_t i = 0; i < walk->steps[t].n_inputs; i++)
            if (walk->from[t][i] == (int) s && next_needed(walk, t) < first)
                first = next_needed(walk, t);
    walk->line[s].first = first;
    return first - before;
}

/* Where rows from @row on of the output of step @s lie. */
static size_t output_offset(const struct walk *walk, size_t s, int32_t row) {
    const struct step *step = &walk->steps[s];

    if (is_last(walk, s))
        return step->outputs[0].offset + (size_t) row * step->rows.out_bytes;
    return walk->line_offset[s] + (size_t) (row - walk->line[s].first) * step->rows.out_bytes;
}

static size_t input_offset(const struct walk *walk, size_t t, size_t i, int32_t row) {
    const struct step *step = &walk->steps[t];

    if (walk->from[t][i] == OUTSIDE)
        return step->inputs[i].offset + (size_t) row * step->rows.in_bytes[i];
    return output_offset(walk, (size_t) walk->from[t][i], row);
}

/* Step @s makes the rows that are wanted; @gone have left the beginning of its line. */
static void add_call(struct walk *walk, size_t s, int32_t gone) {
    const struct step *step = &walk->steps[s];
    const struct rows rows = { walk->line[s].last, walk->want[s] };
    const size_t row_bytes = step->rows.out_bytes;
    struct strip_call *call;

    walk->n_calls++;
    if (!walk->calls)
        return;
    call = &walk->calls[walk->n_calls - 1];
    *call = (struct strip_call){
        .step = step,
        .rows = rows,
        .out = output_offset(walk, s, rows.first),
    };
    for (size_t i = 0; i < step->n_inputs; i++)
        call->in[i] = input_offset(walk, s, i, step_needs(step, rows).first);
    if (gone > 0) {
        call->kept_from = walk->line_offset[s] + (size_t) gone * row_bytes;
        call->kept_bytes = (size_t) (rows.first - walk->line[s].first) * row_bytes;
    }
}

/*
 * How far before the input that it may lie over the output must begin: what has been written by
 * now must end before the first byte that is still to be read.
 */
static void note_lead(struct walk *walk) {
    const size_t last = walk->n - 1;
    const int32_t rows_before = walk->line[last].last, rows_now = walk->want[last];
    const int64_t end = (int64_t) rows_now * (int64_t) walk->steps[last].rows.out_bytes;

    for (size_t t = 0; t < walk->n; t++)
        for (size_t i = 0; i < walk->steps[t].n_inputs; i++) {
            int32_t row = next_needed(walk, t);
            int64_t begin;

            if (walk->steps[t].inputs[i].tensor != walk->group->over)
                continue;
            if (t == last) /* it reads while it writes */
                row = step_needs(&walk->steps[t], (struct rows){ rows_before, rows_now }).first;
            begin = (int64_t) row * (int64_t) walk->steps[t].rows.in_bytes[i];
            if (row != INT32_MAX && end - begin > (int64_t) walk->lead)
                walk->lead = (size_t) (end - begin);
        }
}

/* One strip of the group's output, up to row @last. */
static void walk_strip(struct walk *walk, int32_t last) {
    look_back(walk, last);
    for (size_t s = 0; s < walk->n; s++) {
        int32_t gone = 0;

        if (walk->want[s] <= walk->line[s].last)
            continue;
        if (is_last(walk, s))
            note_lead(walk);
        else
            gone = shorten_line(walk, s);
        add_call(walk, s, gone);
        walk->line[s].last = walk->want[s];
        if (walk->longest[s] < walk->line[s].last - walk->line[s].first)
            walk->longest[s] = walk->line[s].last - walk->line[s].first;
    }
}

static void walk_all(struct walk *walk) {
    const int32_t n = walk->steps[walk->n - 1].rows.n, height = walk->group->strip_rows;

    for (int32_t y = 0; y < n && walk->n_calls <= GROUP_CALLS_MAX;) {
        y = n - y > height ? y + height : n;
        walk_strip(walk, y);
    }
}

/* Lay out lines and scratch from @offset on; returns the bytes they take. */
static size_t place_lines(struct walk *walk, size_t offset) {
    size_t n_bytes = 0, scratch_bytes = 0;

    for (size_t s = 0; s < walk->n; s++) {
        const struct step *step = &walk->steps[s];

        scratch_bytes = step->scratch_bytes > scratch_bytes ? step->scratch_bytes : scratch_bytes;
        if (is_last(walk, s))
            break;
        walk->line_offset[s] = offset + n_bytes;
        n_bytes += aligned((size_t) walk->longest[s] * step->rows.out_bytes);
    }
    walk->scratch_offset = offset + n_bytes;
    return n_bytes + scratch_bytes;
}

bool graph_strips_fit(const struct step *step, const struct step *reader, size_t i) {
    const int32_t rows = reader->rows.window ? reader->rows.window->in_h : reader->rows.n;

    return step->rows.n == rows && step->rows.out_bytes == reader->rows.in_bytes[i];
}

bool graph_strips_measure(const struct graph *graph, struct group *group) {
    struct walk walk;

    walk_begin(&walk, graph, group);
    walk_all(&walk);
    group->scratch_bytes = place_lines(&walk, 0);
    group->lead = walk.lead;
    group->n_calls = walk.n_calls;
    return walk.n_calls <= GROUP_CALLS_MAX;
}

int graph_strips_list(const struct graph *graph, struct group *group, struct pool *pool) {
    struct strip_call *calls = pool_zeros(pool, group->n_calls, sizeof(*calls));
    struct walk walk, lines;

    if (!calls)
        return -ENOMEM;
    walk_begin(&lines, graph, group);
    walk_all(&lines);
    (void) place_lines(&lines, group->scratch_offset);

    walk_begin(&walk, graph, group);
    (void) memcpy(walk.line_offset, lines.line_offset, sizeof(walk.line_offset));
    walk.calls = calls;
    walk_all(&walk);
    for (size_t s = group->first; s < group->last; s++)
        graph->steps[s].scratch_offset = lines.scratch_offset;
    group->calls = calls;
    return 0;
}

static void run_calls(const struct group *group, uint8_t *arena, const struct hands *hands) {
    for (size_t c = 0; c < group->n_calls; c++) {
        const struct strip_call *call = &group->calls[c];
        struct strip strip = {
            .rows = call->rows,
            .out = arena + call->out,
            .scratch = step_scratch(call->step, arena),
        };

        for (size_t i = 0; i < STEP_ROW_INPUTS; i++)
            strip.in[i] = arena + call->in[i];
        if (call->kept_bytes > 0)
            (void) memmove(arena + call->out - call->kept_bytes, arena + call->kept_from,
                           call->kept_bytes);
        step_run_strip(call->step, &strip, hands);
    }
}

void graph_run_group(const struct graph *graph, const struct group *group, uint8_t *arena,
                     const struct hands *hands) {
    const struct step *step = &graph->steps[group->first];

    if (group->calls)
        run_calls(group, arena, hands);
    else if (step->run)
        step_run(step, arena, hands);
}
