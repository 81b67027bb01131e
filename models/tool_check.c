/* SPDX-License-Identifier: MIT */
/* lookout-model check: open a bundle as the daemon would and say what it is. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "models/manifest.h"
#include "models/tool.h"
#include "models/tool_file.h"

static const char help[] =
    "Usage: lookout-model check BUNDLE [--keys DIR] [--trusted DIR] [--allow-unsigned] [--kernels "
    "ROW]\n"
    "\n"
    "Opens the bundle with all checks of the daemon (hashes, signature, manifest, shapes,\n"
    "self-test) and prints what it is, or every problem of bundle.ini.\n"
    "\n"
    "  --keys DIR        minisign public keys *.pub; default /etc/lookout/keys.d\n"
    "  --trusted DIR     what lies below needs no signature; default /usr/lib/lookout\n"
    "  --allow-unsigned  as allow_unsigned = yes in lookoutd.ini\n"
    "  --kernels ROW     inner loops for the self-test; else LOOKOUT_KERNELS, else the fastest\n"
    "\n"
    "Exit status: 0 the bundle is good, 1 it is not, 2 wrong usage.\n"
    "\n"
    "Example:\n"
    "  lookout-model check --allow-unsigned models/zoo/yard\n";

static int parse(int argc, char **argv, struct bundle_options *ret, const char **ret_path) {
    static const struct option longs[] = {
        { "keys", required_argument, NULL, 'k' },
        { "trusted", required_argument, NULL, 't' },
        { "kernels", required_argument, NULL, 'r' },
        { "allow-unsigned", no_argument, NULL, 'u' },
        { NULL, 0, NULL, 0 },
    };
    struct bundle_options options = {
        .keys_dir = "/etc/lookout/keys.d",
        .trusted_dir = "/usr/lib/lookout",
    };
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
        if (c == 'k')
            options.keys_dir = optarg;
        else if (c == 't')
            options.trusted_dir = optarg;
        else if (c == 'r')
            options.kernels = optarg;
        else if (c == 'u')
            options.allow_unsigned = true;
        else
            return -EINVAL;
    if (optind != argc - 1)
        return -EINVAL;
    *ret = options;
    *ret_path = argv[optind];
    return 0;
}

static void print_problem(const char *sentence, void *user) {
    (void) user;
    (void) fprintf(stderr, "lookout-model check: %s\n", sentence);
}

/* All problems of the manifest in @path, of which bundle_open() tells the first. True if there were
 * any. */
static bool print_problems(const char *path) {
    _cleanup_(freep) struct manifest *manifest = NULL;
    _cleanup_(freep) uint8_t *text = NULL;
    _cleanup_(freep) char *file = NULL;
    size_t n_bytes;

    if (asprintf(&file, "%s/bundle.ini", path) < 0) {
        file = NULL; /* undefined after a failure */
        return false;
    }
    return tool_file_read(file, &text, &n_bytes, NULL) == 0 &&
           manifest_read(file, (const char *) text, n_bytes, &manifest, print_problem, NULL) ==
               -EBADMSG;
}

static const char *trust_text(enum bundle_trust trust) {
    switch (trust) {
    case TRUST_PACKAGE:
        return "as its package is";
    case TRUST_SIGNED:
        return "signed by a trusted key";
    case TRUST_UNSIGNED:
        return "not signed";
    }
    return "";
}

static void print_module(const char *what, const struct model *model, size_t n_selftests) {
    (void) printf("%-13s %" PRIu64 " parameters, %" PRIu64 " multiply-adds, arena %zu bytes, ",
                  what, model_n_parameters(model), model_macs(model), model_arena_bytes(model));
    if (n_selftests > 0)
        (void) printf("self-test passed (%zu samples)\n", n_selftests);
    else
        (void) printf("no self-test\n");
    (void) printf("%-13s sha256 %s\n", "", model_sha256(model));
}

static void print_modality(const struct modality *m) {
    const struct sound_features *const s = &m->sound;
    const struct picture_features *const p = &m->picture;
    struct sound_shape shape;

    if (m->kind == MODALITY_SOUND && sound_shape_of(s, &shape, NULL) == 0)
        (void) printf("%-13s sound, %s %zu x %zu of %g ms, hop %g ms -> %zu values\n", m->name,
                      s->kind == FEATURES_MFCC ? "mfcc" : "logmel", shape.n_rows, shape.n_values,
                      s->window_ms, s->hop_ms, m->n_embedding);
    else
        (void) printf("%-13s picture, %s %dx%d, crop %s, hop %g ms -> %zu values\n", m->name,
                      p->colour == COLOUR_RGB ? "rgb" : "grey", (int) p->width_px,
                      (int) p->height_px, p->crop == CROP_CENTRE_SQUARE ? "centre-square" : "none",
                      p->hop_ms, m->n_embedding);
    print_module("", m->encoder, m->n_selftests);
}

static void print_bundle(const struct bundle *b) {
    (void) printf("%s %s\n", b->name, b->version);
    if (*b->description)
        (void) printf("%s\n", b->description);
    (void) printf("%-13s %s%s\n", "licence", b->licence,
                  b->non_commercial ? " (not for commercial use)" : "");
    (void) printf("%-13s %s\n", "trust", trust_text(b->trust));
    (void) printf("%-13s %s\n%-13s %s\n", "path", b->path, "identity", b->sha256);
    for (size_t i = 0; i < b->n_modalities; i++)
        print_modality(&b->modalities[i]);
    if (b->head)
        print_module("head", b->head, b->n_head_selftests);
    (void) printf("%-13s", "labels");
    for (size_t i = 0; i < b->n_labels; i++)
        (void) printf("%s %s", i ? "," : "", b->labels[i]);
    (void) printf("\n%-13s %g\n", "unknown", b->unknown);
    (void) printf("%-13s %s\n", "kernels", model_kernels(b->modalities[0].encoder));
}

static int check_main(int argc, char **argv) {
    struct bundle_options options;
    struct fault fault = { .text = "out of memory" };
    _cleanup_(bundle_freep) struct bundle *bundle = NULL;
    const char *path;

    if (parse(argc, argv, &options, &path) < 0)
        return TOOL_USAGE;
    if (bundle_open(path, &options, &bundle, &fault) < 0) {
        if (!print_problems(path))
            (void) fprintf(stderr, "lookout-model check: %s\n", fault.text);
        return TOOL_FAILED;
    }
    print_bundle(bundle);
    return TOOL_OK;
}

const struct tool tool_check = {
    .name = "check",
    .summary = "open a bundle with all checks and say what it is",
    .help = help,
    .main = check_main,
};
