/* SPDX-License-Identifier: MIT */
/*
 * lookout-model features: what the network would see of a file.
 *
 * NumPy's format 1.0 (numpy/lib/format.py): magic, version, length of the header, header
 * padded so that the data is aligned to 64.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "models/tool.h"
#include "models/tool_example.h"

enum {
    NPY_HEAD_BYTES = 10, /* magic, version and length */
    NPY_ALIGN_BYTES = 64,
    NPY_HEADER_BYTES_MAX = 256,
};

static const char help[] =
    "Usage: lookout-model features FILE --bundle DIR --out NPY [--int8] [--modality NAME]\n"
    "\n"
    "Writes what the bundle's network would see of FILE (WAV, FLAC or Ogg; PNG or JPEG) as a\n"
    "NumPy file, to compare it with one's own code.\n"
    "\n"
    "  sound    float32 [windows, rows, values]: log-mel or MFCC, a window every hop_ms; a clip\n"
    "           shorter than a window is padded with zeros at its end\n"
    "  picture  float32 [1, height, width, channels]: cropped and shrunk, pixel / 255\n"
    "\n"
    "  --bundle DIR     the bundle; it need not be signed\n"
    "  --out NPY        file to write\n"
    "  --int8           the encoder's int8 input instead, in its scale and zero point\n"
    "  --modality NAME  which of the bundle's modalities, if several are of FILE's kind\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage.\n"
    "\n"
    "Example:\n"
    "  lookout-model features bark.flac --bundle models/zoo/yard --out bark.npy\n";

struct features_options {
    const char *file, *bundle, *out, *modality;
    bool int8;
};

static int parse(int argc, char **argv, struct features_options *ret) {
    static const struct option longs[] = {
        { "bundle", required_argument, NULL, 'b' },
        { "out", required_argument, NULL, 'o' },
        { "modality", required_argument, NULL, 'm' },
        { "int8", no_argument, NULL, '8' },
        { NULL, 0, NULL, 0 },
    };
    struct features_options options = { 0 };
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
        if (c == 'b')
            options.bundle = optarg;
        else if (c == 'o')
            options.out = optarg;
        else if (c == 'm')
            options.modality = optarg;
        else if (c == '8')
            options.int8 = true;
        else
            return -EINVAL;
    if (optind != argc - 1 || !options.bundle || !options.out)
        return -EINVAL;
    options.file = argv[optind];
    *ret = options;
    return 0;
}

/* The modality that FILE is for. */
static const struct modality *choose(const struct bundle *bundle,
                                     const struct features_options *options, struct fault *fault) {
    const enum modality_kind kind =
        example_is_picture(options->file) ? MODALITY_PICTURE : MODALITY_SOUND;

    for (size_t i = 0; i < bundle->n_modalities; i++) {
        const struct modality *const m = &bundle->modalities[i];

        if (options->modality ? strcmp(m->name, options->modality) == 0 : m->kind == kind)
            return m;
    }
    if (options->modality)
        (void) fault_set(fault, -ENOENT, "%s: has no modality `%s`", bundle->path,
                         options->modality);
    else
        (void) fault_set(fault, -ENOENT, "%s: has no modality of kind %s, which %s is",
                         bundle->path, kind == MODALITY_PICTURE ? "picture" : "sound",
                         options->file);
    return NULL;
}

/* Magic and header of [n_windows, shape...]. Returns bytes written. */
static size_t npy_header(const struct example *example, bool int8, char ret[NPY_HEADER_BYTES_MAX]) {
    size_t shape[3], n;
    const size_t n_dims = example_shape(example, shape);
    char *const text = ret + NPY_HEAD_BYTES;
    const size_t room = NPY_HEADER_BYTES_MAX - NPY_HEAD_BYTES;

    n = (size_t) snprintf(text, room, "{'descr': '%s', 'fortran_order': False, 'shape': (%zu",
                          int8 ? "|i1" : "<f4", example_n_windows(example));
    for (size_t i = 0; i < n_dims; i++)
        n += (size_t) snprintf(text + n, room - n, ", %zu", shape[i]);
    n += (size_t) snprintf(text + n, room - n, "), }"); /* 20 digits each at most: it fits */
    while ((NPY_HEAD_BYTES + n + 1) % NPY_ALIGN_BYTES != 0)
        text[n++] = ' ';
    text[n++] = '\n';
    memcpy(ret, "\x93NUMPY\x01\x00", 8);
    ret[8] = (char) (n & 0xff); /* little-endian */
    ret[9] = (char) (n >> 8);
    return NPY_HEAD_BYTES + n;
}

static void fclosep(FILE **file) {
    if (*file)
        (void) fclose(*file); /* flushed before on the way that matters */
}

static int write_npy(struct example *example, const char *path, bool int8, struct fault *fault) {
    _cleanup_(fclosep) FILE *file = fopen(path, "wbe");
    const size_t n_items = example_n_items(example), item_bytes = int8 ? 1 : sizeof(float);
    _cleanup_(freep) void *values = calloc(n_items, sizeof(float));
    char header[NPY_HEADER_BYTES_MAX];
    const size_t n_header = npy_header(example, int8, header);
    bool written;

    if (!file)
        return fault_set(fault, -errno, "%s: %s", path, strerror(errno));
    if (!values)
        return -ENOMEM;
    written = fwrite(header, 1, n_header, file) == n_header;
    for (size_t i = 0; i < example_n_windows(example) && written; i++) {
        if (int8)
            example_input(example, i, values);
        else
            example_values(example, i, values);
        written = fwrite(values, item_bytes, n_items, file) == n_items;
    }
    if (!written || fflush(file) != 0)
        return fault_set(fault, -EIO, "%s: cannot be written: %s", path, strerror(errno));
    return 0;
}

static int features(const struct features_options *options, struct fault *fault) {
    const struct bundle_options bundle_options = { .allow_unsigned = true, .skip_selftest = true };
    _cleanup_(bundle_freep) struct bundle *bundle = NULL;
    _cleanup_(example_freep) struct example *example = NULL;
    const struct modality *modality;
    int r;

    r = bundle_open(options->bundle, &bundle_options, &bundle, fault);
    if (r < 0)
        return r;
    if (access(options->file, R_OK) < 0)
        return fault_set(fault, -errno, "%s: %s", options->file, strerror(errno));
    modality = choose(bundle, options, fault);
    if (!modality)
        return -ENOENT;
    r = example_new(modality, &example, fault);
    if (r == 0)
        r = example_read(example, options->file, fault);
    if (r == 0)
        r = write_npy(example, options->out, options->int8, fault);
    return r;
}

static int features_main(int argc, char **argv) {
    struct features_options options;
    struct fault fault = { .text = "out of memory" };

    if (parse(argc, argv, &options) < 0)
        return TOOL_USAGE;
    if (features(&options, &fault) < 0) {
        (void) fprintf(stderr, "lookout-model features: %s\n", fault.text);
        return TOOL_FAILED;
    }
    return TOOL_OK;
}

const struct tool tool_features = {
    .name = "features",
    .summary = "write what a network would see of a file",
    .help = help,
    .main = features_main,
};
