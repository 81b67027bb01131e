/* SPDX-License-Identifier: MIT */
/* lookout-model conform: models with stored inputs and outputs, run and compared. */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "models/kernels/kernels.h"
#include "models/runner.h"
#include "models/tool.h"
#include "models/tool_file.h"

enum { PATH_BYTES = 4096, COLUMNS_MAX = 16 };

static const char help[] =
    "Usage: lookout-model conform DIR [--kernels ROW] [--tap]\n"
    "\n"
    "Runs the cases of DIR/manifest.tsv, or of every DIR/*/manifest.tsv, and compares.\n"
    "A case NAME is NAME.tflite and NAME.io: for each sample the raw bytes of every\n"
    "input, then of every output. The columns of a manifest have names; `name` must be\n"
    "there, `n_samples` counts samples, `compare` says how:\n"
    "  exact   equal bytes\n"
    "  tol:T   float32: |got - want| <= T x the largest |want| of that output\n"
    "  refuse  the model must be refused; so must all where there is no such column\n"
    "\n"
    "  --kernels ROW  inner loops to use, such as c; else LOOKOUT_KERNELS from the\n"
    "                 environment, else the fastest for this CPU\n"
    "  --tap          a line for each case, in the Test Anything Protocol\n"
    "\n"
    "Prints each failure with its first differing byte; ends with `N passed, M failed`.\n"
    "Exit status: 0 if none failed, 1 if any did, 2 wrong usage.\n"
    "\n"
    "Example:\n"
    "  lookout-model conform tests/conformance --kernels c\n";

/* All that goes on. */
struct conform {
    const char *kernels;
    bool tap;
    unsigned n_passed, n_failed;
};

/* One line of a manifest. */
struct conform_case {
    const char *dir, *name, *compare;
    size_t n_samples;
};

/* DIR/NAME and @suffix; one too long becomes "", which is never found. */
static const char *join(char path[PATH_BYTES], const char *dir, const char *name,
                        const char *suffix) {
    const int n = snprintf(path, PATH_BYTES, "%s/%s%s", dir, name, suffix);

    if (n < 0 || n >= PATH_BYTES)
        path[0] = '\0';
    return path;
}

/* How an output is held against what is wanted. */
struct measure {
    bool exact;
    double tolerance;
};

static int parse_compare(const struct conform_case *the, struct measure *ret, struct fault *fault) {
    char *end;

    if (strcmp(the->compare, "exact") == 0) {
        *ret = (struct measure){ .exact = true };
        return 0;
    }
    *ret = (struct measure){ .tolerance = 0 };
    if (strncmp(the->compare, "tol:", 4) == 0) {
        ret->tolerance = strtod(the->compare + 4, &end);
        if (*end == '\0' && end != the->compare + 4)
            return 0;
    }
    return fault_set(fault, -EBADMSG, "compare '%s' is not exact, tol:T or refuse", the->compare);
}

static int differ(size_t sample, size_t output, size_t byte, uint8_t got, uint8_t want,
                  struct fault *fault) {
    return fault_set(fault, -EBADMSG,
                     "sample %zu, output %zu: first differing byte %zu is 0x%02x, not 0x%02x",
                     sample, output, byte, got, want);
}

static int compare_exact(const uint8_t *got, const uint8_t *want, size_t n_bytes, size_t sample,
                         size_t output, struct fault *fault) {
    for (size_t i = 0; i < n_bytes; i++)
        if (got[i] != want[i])
            return differ(sample, output, i, got[i], want[i], fault);
    return 0;
}

static int compare_close(const uint8_t *got_bytes, const uint8_t *want_bytes, size_t n_items,
                         double tolerance, size_t sample, size_t output, struct fault *fault) {
    float got, want, most = 0;

    for (size_t i = 0; i < n_items; i++) {
        (void) memcpy(&want, want_bytes + i * sizeof(want), sizeof(want));
        most = fmaxf(most, fabsf(want));
    }
    for (size_t i = 0; i < n_items; i++) {
        (void) memcpy(&got, got_bytes + i * sizeof(got), sizeof(got));
        (void) memcpy(&want, want_bytes + i * sizeof(want), sizeof(want));
        if (memcmp(&got, &want, sizeof(got)) == 0 ||
            fabs((double) got - (double) want) <= tolerance * (double) most)
            continue;
        return fault_set(fault, -EBADMSG,
                         "sample %zu, output %zu: from byte %zu on: %.9g, not %.9g within %g",
                         sample, output, i * sizeof(got), (double) got, (double) want,
                         tolerance * (double) most);
    }
    return 0;
}

/* One sample at @io; moves it on. */
static int run_sample(const struct model *model, struct runner *runner,
                      const struct measure *measure, size_t sample, const uint8_t **io,
                      struct fault *fault) {
    for (size_t i = 0; i < model_n_inputs(model); i++) {
        (void) memcpy(runner_input(runner, i), *io, model_input(model, i)->n_bytes);
        *io += model_input(model, i)->n_bytes;
    }
    runner_run(runner);
    for (size_t i = 0; i < model_n_outputs(model); i++) {
        const struct tensor_info *info = model_output(model, i);
        const uint8_t *got = runner_output(runner, i);
        int r;

        if (measure->exact || info->type == TENSOR_INT8)
            r = compare_exact(got, *io, info->n_bytes, sample, i, fault);
        else
            r = compare_close(got, *io, info->n_items, measure->tolerance, sample, i, fault);
        if (r < 0)
            return r;
        *io += info->n_bytes;
    }
    return 0;
}

static size_t sample_bytes(const struct model *model) {
    size_t n = 0;

    for (size_t i = 0; i < model_n_inputs(model); i++)
        n += model_input(model, i)->n_bytes;
    for (size_t i = 0; i < model_n_outputs(model); i++)
        n += model_output(model, i)->n_bytes;
    return n;
}

static int run_samples(const struct conform_case *the, struct model *model, struct fault *fault) {
    _cleanup_(runner_freep) struct runner *runner = NULL;
    _cleanup_(freep) uint8_t *bytes = NULL;
    struct measure measure;
    char path[PATH_BYTES];
    const uint8_t *io;
    size_t n_bytes;
    int r;

    r = parse_compare(the, &measure, fault);
    if (r < 0)
        return r;
    (void) join(path, the->dir, the->name, ".io");
    r = tool_file_read(path, &bytes, &n_bytes, fault);
    if (r < 0)
        return r;
    if (the->n_samples == 0 || n_bytes != the->n_samples * sample_bytes(model))
        return fault_set(fault, -EBADMSG, "%s has %zu bytes, not %zu samples of %zu", path, n_bytes,
                         the->n_samples, sample_bytes(model));
    r = runner_new(model, NULL, &runner);
    if (r < 0)
        return fault_set(fault, r, "out of memory");
    io = bytes;
    for (size_t i = 0; i < the->n_samples && r == 0; i++)
        r = run_sample(model, runner, &measure, i, &io, fault);
    return r;
}

/* 0: passed; else @fault says why not. */
static int run_case(const struct conform *conform, const struct conform_case *the,
                    struct fault *fault) {
    _cleanup_(model_unrefp) struct model *model = NULL;
    const bool refuse = strcmp(the->compare, "refuse") == 0;
    char path[PATH_BYTES];
    int r;

    (void) join(path, the->dir, the->name, ".tflite");
    r = model_open(path, conform->kernels, &model, fault);
    if (refuse && r == 0)
        return fault_set(fault, -EBADMSG, "it was not refused");
    if (refuse)
        return r == -EBADMSG || r == -ENOTSUP || r == -EFBIG ? 0 : r;
    return r < 0 ? r : run_samples(the, model, fault);
}

static void report(struct conform *conform, const struct conform_case *the, int r,
                   const struct fault *fault) {
    const char *slash = strrchr(the->dir, '/'), *group = slash ? slash + 1 : the->dir;

    if (r == 0)
        conform->n_passed++;
    else
        conform->n_failed++;
    if (conform->tap)
        (void) printf("%sok %u - %s/%s\n", r == 0 ? "" : "not ",
                      conform->n_passed + conform->n_failed, group, the->name);
    if (r < 0)
        (void) printf("%s%s/%s: %s\n", conform->tap ? "# " : "FAILED ", group, the->name,
                      fault->text);
}

/* Split @line at tabs, in place. Returns the number of columns. */
static size_t split(char *line, char *columns[COLUMNS_MAX]) {
    size_t n = 0;

    for (char *next = line; next && n < COLUMNS_MAX;)
        columns[n++] = strsep(&next, "\t");
    return n;
}

static size_t find_column(char *const columns[], size_t n, const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(columns[i], name) == 0)
            return i;
    return COLUMNS_MAX;
}

/* All cases of one manifest. Returns 0 (whatever the cases said), -errno. */
static int run_manifest(struct conform *conform, const char *dir, struct fault *fault) {
    _cleanup_(freep) uint8_t *text = NULL;
    size_t n_bytes, name, compare, samples, n;
    char path[PATH_BYTES], *columns[COLUMNS_MAX], *rest, *line;
    int r;

    (void) join(path, dir, "manifest.tsv", "");
    r = tool_file_read(path, &text, &n_bytes, fault);
    if (r < 0)
        return r;
    rest = (char *) text;
    line = strsep(&rest, "\n");
    n = split(line, columns);
    name = find_column(columns, n, "name");
    compare = find_column(columns, n, "compare");
    samples = find_column(columns, n, "n_samples");
    if (name == COLUMNS_MAX)
        return fault_set(fault, -EBADMSG, "%s: has no column `name`", path);

    while (rest) {
        struct conform_case the = { .dir = dir, .compare = "refuse" };
        struct fault why = { "" };

        line = strsep(&rest, "\n");
        n = split(line, columns);
        if (*line == '\0' || name >= n)
            continue;
        the.name = columns[name];
        if (compare < n)
            the.compare = columns[compare];
        if (samples < n)
            the.n_samples = strtoul(columns[samples], NULL, 10);
        r = run_case(conform, &the, &why);
        report(conform, &the, r, &why);
    }
    return 0;
}

static bool has_manifest(const char *dir) {
    char path[PATH_BYTES];

    return access(join(path, dir, "manifest.tsv", ""), R_OK) == 0;
}

static int run_all(struct conform *conform, const char *dir, struct fault *fault) {
    struct dirent **entries = NULL;
    size_t n_manifests = 0;
    int n, r = 0;

    if (has_manifest(dir))
        return run_manifest(conform, dir, fault);
    n = scandir(dir, &entries, NULL, alphasort);
    if (n < 0)
        return fault_set(fault, -errno, "%s: %s", dir, strerror(errno));
    for (int i = 0; i < n; i++) {
        char path[PATH_BYTES];

        (void) join(path, dir, entries[i]->d_name, "");
        if (r == 0 && entries[i]->d_name[0] != '.' && has_manifest(path)) {
            n_manifests++;
            r = run_manifest(conform, path, fault);
        }
        free(entries[i]);
    }
    free(entries);
    if (r == 0 && n_manifests == 0)
        return fault_set(fault, -ENOENT, "%s: there is no manifest.tsv in it or one level below",
                         dir);
    return r;
}

static int parse(int argc, char **argv, struct conform *ret) {
    static const struct option longs[] = {
        { "kernels", required_argument, NULL, 'k' },
        { "tap", no_argument, NULL, 't' },
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
        if (c == 'k')
            ret->kernels = optarg;
        else if (c == 't')
            ret->tap = true;
        else
            return -EINVAL;
    return optind == argc - 1 ? 0 : -EINVAL;
}

static int conform_main(int argc, char **argv) {
    struct conform conform = { 0 };
    const struct kernels *row;
    struct fault fault;
    char *dir;

    if (parse(argc, argv, &conform) < 0)
        return TOOL_USAGE;
    dir = argv[optind];
    while (strlen(dir) > 1 && dir[strlen(dir) - 1] == '/')
        dir[strlen(dir) - 1] = '\0';
    if (kernels_choose(conform.kernels, &row, &fault) < 0 || run_all(&conform, dir, &fault) < 0) {
        (void) fprintf(stderr, "lookout-model conform: %s\n", fault.text);
        return TOOL_FAILED;
    }
    if (conform.tap)
        (void) printf("1..%u\n# ", conform.n_passed + conform.n_failed);
    (void) printf("%u passed, %u failed\n", conform.n_passed, conform.n_failed);
    return conform.n_failed == 0 ? TOOL_OK : TOOL_FAILED;
}

const struct tool tool_conform = {
    .name = "conform",
    .summary = "run models with stored outputs and compare",
    .help = help,
    .main = conform_main,
};
