/* SPDX-License-Identifier: MIT */
#include "client/look.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "client/field.h"
#include "client/render_event.h"
#include "client/render_image.h"

enum {
    PANES_MAX = 5, /* the camera's picture, and what its networks got */
    CAPTION_BYTES = 96,
    GAP_COLUMNS = 2,
    /* Where the output is no terminal. */
    COLUMNS_DEFAULT = 80,
    ROWS_DEFAULT = 24,
    ROWS_LEAST = 6,   /* of a picture */
    ROWS_MOST = 40,   /* more show no more */
    ROWS_BESIDE = 4,  /* state, caption, an empty one, the shell's prompt */
    SCORES_SHOWN = 3, /* of each task */
    DB_COLUMNS = 9,   /* " -23.4 dB" */
    BAR_COLUMNS = 40,
    LABEL_COLUMNS = 14,
    PNG_HEIGHT_PX = 480,
    PNG_GAP_PX = 8,
    PNG_CELL_PX = 4, /* of sound */
    GAP_GREY = 128,
};

static const double SILENT_DB = -60; /* where the bar begins */

/* Pictures that stand beside each other. */
struct panes {
    size_t n;
    struct image *images[PANES_MAX];
    char captions[PANES_MAX][CAPTION_BYTES];
};

static void panes_clear(struct panes *panes) {
    for (size_t i = 0; i < panes->n; i++)
        panes->images[i] = image_free(panes->images[i]);
    panes->n = 0;
}

static bool is_text(const json_t *object, const char *name) {
    return *field_text(object, name) != '\0';
}

bool look_has_data(const json_t *look) {
    return json_is_object(json_object_get(look, "picture")) ||
           json_is_object(json_object_get(look, "level"));
}

bool look_is_whole(const json_t *look) {
    const json_t *inputs = json_object_get(look, "inputs");

    for (size_t i = 0; i < json_array_size(inputs); i++)
        if (!is_text(json_array_get(inputs, i), "values"))
            return false;
    return look_has_data(look);
}

static int add_input(struct panes *panes, const json_t *input) {
    const json_t *shape = json_object_get(input, "shape");
    const bool is_sound = strcmp(field_text(input, "kind"), "sound") == 0;
    int r;

    if (panes->n == PANES_MAX || !is_text(input, "values"))
        return 0;
    r = image_of_input(input, &panes->images[panes->n]);
    if (r < 0)
        return r;
    (void) snprintf(panes->captions[panes->n], CAPTION_BYTES, /* cut is fine */
                    is_sound ? "what task %.40s hears: %lld bands, low to high"
                             : "what task %.40s sees: %lldx%lld",
                    field_text(input, "task"),
                    (long long) json_integer_value(json_array_get(shape, 1)),
                    (long long) json_integer_value(json_array_get(shape, 0)));
    panes->n++;
    return 0;
}

static int panes_of(const json_t *look, struct panes *ret) {
    const json_t *picture = json_object_get(look, "picture"),
                 *inputs = json_object_get(look, "inputs");
    int r = 0;

    if (json_is_object(picture)) {
        r = image_of_picture(picture, &ret->images[0]);
        if (r < 0)
            return r;
        (void) strcpy(ret->captions[0], "the camera, masks applied"); /* fits */
        ret->n = 1;
    }
    for (size_t i = 0; r == 0 && i < json_array_size(inputs); i++)
        r = add_input(ret, json_array_get(inputs, i));
    return r;
}

/* --- on a terminal --- */

/* "gate  running  YUYV 640x480  quality 100 % (dark)" */
static void write_state(const struct screen *screen, const json_t *look) {
    const json_t *sensor = json_object_get(look, "sensor");
    const char *state = field_text(sensor, "state"), *reason = field_text(sensor, "reason");
    const char *name = is_text(sensor, "name") ? "name" : "device";
    const bool runs = strcmp(state, "running") == 0;

    (void) screen_text(screen, COLOUR_BOLD, field_text(sensor, name), 64);
    (void) fputs("  ", screen->out); /* ferror() is looked at when the program ends */
    (void) screen_text(screen, runs ? COLOUR_GOOD : COLOUR_WARN, state, 16);
    (void) fputs("  ", screen->out);
    (void) screen_text(screen, COLOUR_NONE, field_text(sensor, "format"), 64);
    if (field_number(sensor, "quality") >= 0)
        (void) fprintf(screen->out, "  quality %.0f %%", field_number(sensor, "quality") * 100);
    if (*reason) {
        (void) fputs("  ", screen->out);
        (void) screen_text(screen, COLOUR_WARN, reason, SIZE_MAX);
    }
    (void) fputc('\n', screen->out);
}

void look_level_bar(const struct screen *screen, const json_t *level, size_t columns) {
    const double rms = field_number(level, "rms_db");

    (void) fprintf(screen->out, "%6.1f dB ", isnan(rms) ? SILENT_DB : rms);
    screen_bar(screen, (rms - SILENT_DB) / -SILENT_DB,
               columns > DB_COLUMNS + 1 ? columns - DB_COLUMNS - 1 : 1);
}

static void write_level(const struct screen *screen, const json_t *level) {
    if (!json_is_object(level))
        return;
    (void) fputs("level", screen->out);
    look_level_bar(screen, level, BAR_COLUMNS);
    (void) fprintf(screen->out, "  peak %.1f dB", field_number(level, "peak_db"));
    if (field_number(level, "clipped") > 0)
        (void) screen_text(screen, COLOUR_BAD, "  too loud: clipped", SIZE_MAX);
    (void) fputc('\n', screen->out);
}

/* Rows and columns left for pictures below what else there is. */
static size_t rows_for(const struct screen *screen, const json_t *look) {
    const size_t n_rows = screen->rows ? screen->rows : ROWS_DEFAULT;
    const bool is_sound = json_is_object(json_object_get(look, "level"));
    const size_t n_beside = ROWS_BESIDE + is_sound +
                            (SCORES_SHOWN + 1) * json_array_size(json_object_get(look, "tasks"));
    const size_t n_left = n_rows > n_beside ? n_rows - n_beside : 0;

    return n_left < ROWS_LEAST ? ROWS_LEAST : n_left > ROWS_MOST ? ROWS_MOST : n_left;
}

/* Columns that @image takes at @n_rows of cells; a cell is twice as high as wide. */
static size_t columns_for(const struct image *image, size_t n_rows) {
    const size_t n = n_rows * 2 * image->width_px / image->height_px;

    return n > 0 ? n : 1;
}

/* Make the images as many pixels as the terminal will show. Spectra fill what there is. */
static int fit(const struct screen *screen, struct panes *panes, bool is_sound, size_t *ret_rows) {
    const size_t room = (screen->columns ? screen->columns : COLUMNS_DEFAULT) - 1;
    size_t n_rows = *ret_rows, n_columns;

    do {
        n_columns = (panes->n - 1) * GAP_COLUMNS;
        for (size_t i = 0; i < panes->n; i++)
            n_columns += is_sound ? 0 : columns_for(panes->images[i], n_rows);
    } while (n_columns > room && --n_rows > 1);
    if (is_sound && n_rows / panes->n > 0)
        n_rows /= panes->n; /* below each other */
    for (size_t i = 0; i < panes->n; i++) {
        struct image *scaled;
        const size_t height = n_rows * image_cell_px(screen);
        size_t width = is_sound ? room : columns_for(panes->images[i], n_rows);
        int r;

        if (is_sound && width > panes->images[i]->width_px)
            width = panes->images[i]->width_px;
        r = image_scale(panes->images[i], width, height, &scaled);
        if (r < 0)
            return r;
        (void) image_free(panes->images[i]); /* always NULL */
        panes->images[i] = scaled;
    }
    *ret_rows = n_rows;
    return 0;
}

static void write_beside(const struct screen *screen, const struct panes *panes, size_t n_rows) {
    for (size_t i = 0; i < panes->n; i++)
        screen_cell(screen, COLOUR_DIM, panes->captions[i],
                    panes->images[i]->width_px + (i + 1 < panes->n ? GAP_COLUMNS : 0));
    (void) fputc('\n', screen->out);
    for (size_t row = 0; row < n_rows; row++) {
        for (size_t i = 0; i < panes->n; i++) {
            image_row(screen, panes->images[i], row);
            screen_space(screen, i + 1 < panes->n ? GAP_COLUMNS : 0);
        }
        (void) fputc('\n', screen->out);
    }
}

static void write_below(const struct screen *screen, const struct panes *panes, size_t n_rows) {
    for (size_t i = 0; i < panes->n; i++) {
        (void) screen_text(screen, COLOUR_DIM, panes->captions[i], SIZE_MAX);
        (void) fputc('\n', screen->out);
        for (size_t row = 0; row < n_rows; row++) {
            image_row(screen, panes->images[i], row);
            (void) fputc('\n', screen->out);
        }
    }
}

static void write_scores(const struct screen *screen, const json_t *task) {
    const json_t *scores = json_object_get(task, "scores");
    struct score best[BEST_SCORES_MAX];
    const size_t n = best_scores(scores, best);

    (void) fputs("task ", screen->out);
    (void) screen_text(screen, COLOUR_BOLD, field_text(task, "name"), 64);
    (void) fprintf(screen->out, " is %s\n", field_text(task, "state"));
    for (size_t i = 0; i < n && i < SCORES_SHOWN; i++) {
        screen_space(screen, GAP_COLUMNS);
        screen_cell(screen, COLOUR_NONE, best[i].label, LABEL_COLUMNS);
        screen_bar(screen, best[i].value, BAR_COLUMNS / 2);
        (void) fprintf(screen->out, " %3.0f %%\n", best[i].value * 100);
    }
}

int look_write(const struct screen *screen, const json_t *look) {
    _cleanup_(panes_clear) struct panes panes = { 0 };
    const json_t *level = json_object_get(look, "level"), *tasks = json_object_get(look, "tasks");
    size_t n_rows = rows_for(screen, look);
    int r = panes_of(look, &panes);

    if (r == 0 && panes.n > 0)
        r = fit(screen, &panes, json_is_object(level), &n_rows);
    if (r < 0)
        return r;
    write_state(screen, look);
    write_level(screen, level);
    if (panes.n > 0 && json_is_object(level))
        write_below(screen, &panes, n_rows);
    else if (panes.n > 0)
        write_beside(screen, &panes, n_rows);
    else if (!json_is_object(level)) {
        (void) screen_text(screen, COLOUR_DIM, "nothing came yet", SIZE_MAX);
        (void) fputc('\n', screen->out); /* ferror() is looked at when the program ends */
    }
    for (size_t i = 0; i < json_array_size(tasks); i++)
        write_scores(screen, json_array_get(tasks, i));
    return 0;
}

/* --- as one picture --- */

/* Enlarge or shrink to one height, or spectra by a whole number. */
static int fit_png(struct panes *panes, bool is_sound) {
    for (size_t i = 0; i < panes->n; i++) {
        const struct image *image = panes->images[i];
        const size_t height = is_sound ? image->height_px * PNG_CELL_PX : PNG_HEIGHT_PX;
        struct image *scaled;
        const int r =
            image_scale(image, image->width_px * height / image->height_px, height, &scaled);

        if (r < 0)
            return r;
        (void) image_free(panes->images[i]); /* always NULL */
        panes->images[i] = scaled;
    }
    return 0;
}

int look_image(const json_t *look, struct image **ret) {
    _cleanup_(panes_clear) struct panes panes = { 0 };
    size_t width = 0, height = 0, x = 0;
    int r = panes_of(look, &panes);

    if (r == 0 && panes.n == 0)
        r = -ENODATA;
    if (r == 0)
        r = fit_png(&panes, json_is_object(json_object_get(look, "level")));
    for (size_t i = 0; r == 0 && i < panes.n; i++) {
        width += panes.images[i]->width_px + (i > 0 ? PNG_GAP_PX : 0);
        height = panes.images[i]->height_px > height ? panes.images[i]->height_px : height;
    }
    if (r == 0)
        r = image_new(width, height, ret);
    if (r == 0) /* grey between them: a mask is black */
        memset((*ret)->rgb, GAP_GREY, width * height * 3);
    for (size_t i = 0; r == 0 && i < panes.n; i++) {
        image_place(*ret, panes.images[i], x, 0);
        x += panes.images[i]->width_px + PNG_GAP_PX;
    }
    return r == -ERANGE ? -EBADMSG : r;
}
