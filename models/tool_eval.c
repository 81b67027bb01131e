/* SPDX-License-Identifier: MIT */
/*
 * lookout-model eval: how often a bundle is right on labelled files, with the daemon's own front
 * ends, engine and fusion.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "models/tool.h"
#include "models/tool_dataset.h"
#include "models/tool_score.h"
#include "models/tool_tally.h"

static const char help[] =
    "Usage: lookout-model eval BUNDLE DATASET [--split NAME] [--kernels ROW] [--json]\n"
    "\n"
    "Scores DATASET/{audio,images}/SPLIT/LABEL/FILE with the bundle, which need not be signed.\n"
    "Files are taken in the order of their names' bytes.\n"
    "\n"
    "  sound    each clip once: the mean of the probabilities over its windows, one every\n"
    "           hop_ms; a clip shorter than a window is padded with zeros at its end\n"
    "  picture  each picture once\n"
    "  both     pairs of one label, the i-th clip with the i-th picture, the shorter list\n"
    "           repeated; the picture stands still while the windows pass\n"
    "\n"
    "Quality weighting and `unknown` are off: the best label counts.\n"
    "\n"
    "  --split NAME   test (default), train ...\n"
    "  --kernels ROW  inner loops to use; else LOOKOUT_KERNELS, else the fastest here\n"
    "  --json         one JSON object: split, n, both, sound, picture, per_label, confusion;\n"
    "                 fractions; null where there is nothing to count\n"
    "\n"
    "Exit status: 0 done, 1 failed (a broken file is named), 2 wrong usage.\n"
    "\n"
    "Example:\n"
    "  lookout-model eval models/zoo/yard ../shared/data/yard\n";

struct eval_options {
    const char *bundle, *dataset, *split, *kernels;
    bool json;
};

static int parse(int argc, char **argv, struct eval_options *ret) {
    static const struct option longs[] = {
        { "split", required_argument, NULL, 's' },
        { "kernels", required_argument, NULL, 'k' },
        { "json", no_argument, NULL, 'j' },
        { NULL, 0, NULL, 0 },
    };
    struct eval_options options = { .split = "test" };
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
        if (c == 's')
            options.split = optarg;
        else if (c == 'k')
            options.kernels = optarg;
        else if (c == 'j')
            options.json = true;
        else
            return -EINVAL;
    if (optind != argc - 2 || !*options.split || strchr(options.split, '/'))
        return -EINVAL;
    options.bundle = argv[optind];
    options.dataset = argv[optind + 1];
    *ret = options;
    return 0;
}

/* Clips and pictures alone. */
static void count_alone(struct scorer *scorer, const struct scored *all, enum tally_way way,
                        struct tally *tally) {
    for (size_t label = 0; label < BUNDLE_LABELS_MAX; label++)
        for (size_t i = 0; i < all->n_files[label]; i++) {
            const struct scored_file *const file = &all->files[label][i];

            tally_add(tally, way, label,
                      way == TALLY_SOUND ? scorer_best(scorer, file, NULL)
                                         : scorer_best(scorer, NULL, file));
        }
}

static void count_pairs(struct scorer *scorer, const struct scored *sounds,
                        const struct scored *pictures, struct tally *tally) {
    for (size_t label = 0; label < BUNDLE_LABELS_MAX; label++) {
        const size_t n_sounds = sounds->n_files[label], n_pictures = pictures->n_files[label];
        const size_t n = n_sounds > n_pictures ? n_sounds : n_pictures;

        for (size_t i = 0; i < n && n_sounds > 0 && n_pictures > 0; i++)
            tally_add(tally, TALLY_BOTH, label,
                      scorer_best(scorer, &sounds->files[label][i % n_sounds],
                                  &pictures->files[label][i % n_pictures]));
    }
}

static int eval(const struct eval_options *options, struct fault *fault) {
    const struct bundle_options bundle_options = { .allow_unsigned = true,
                                                   .kernels = options->kernels };
    _cleanup_(bundle_freep) struct bundle *bundle = NULL;
    _cleanup_(dataset_freep) struct dataset *dataset = NULL;
    _cleanup_(scorer_freep) struct scorer *scorer = NULL;
    _cleanup_(scored_done) struct scored sounds = { 0 }, pictures = { 0 };
    struct tally tally = { .bundle = NULL };
    int r;

    r = bundle_open(options->bundle, &bundle_options, &bundle, fault);
    if (r == 0)
        r = scorer_new(bundle, &scorer, fault);
    if (r == 0)
        r = dataset_new(options->dataset, options->split, bundle, &dataset, fault);
    if (r == 0)
        r = scorer_encode(scorer, MODALITY_SOUND, dataset, &sounds, fault);
    if (r == 0)
        r = scorer_encode(scorer, MODALITY_PICTURE, dataset, &pictures, fault);
    if (r < 0)
        return r;

    tally.bundle = bundle;
    count_alone(scorer, &sounds, TALLY_SOUND, &tally);
    count_alone(scorer, &pictures, TALLY_PICTURE, &tally);
    count_pairs(scorer, &sounds, &pictures, &tally);
    if (options->json)
        return tally_print_json(&tally, options->split);
    tally_print_table(&tally, options->dataset, options->split);
    return 0;
}

static int eval_main(int argc, char **argv) {
    struct eval_options options;
    struct fault fault = { .text = "out of memory" };

    if (parse(argc, argv, &options) < 0)
        return TOOL_USAGE;
    if (eval(&options, &fault) < 0) {
        (void) fprintf(stderr, "lookout-model eval: %s\n", fault.text);
        return TOOL_FAILED;
    }
    return TOOL_OK;
}

const struct tool tool_eval = {
    .name = "eval",
    .summary = "count how often a bundle is right on labelled files",
    .help = help,
    .main = eval_main,
};
