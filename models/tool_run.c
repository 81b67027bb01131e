/* SPDX-License-Identifier: MIT */
/* lookout-model run: one sample through a model. */
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "models/runner.h"
#include "models/tool.h"
#include "models/tool_file.h"

static const char help[] =
    "Usage: lookout-model run FILE --in RAW --out RAW [--kernels ROW]\n"
    "\n"
    "Runs the .tflite FILE once.\n"
    "\n"
    "  --in RAW       the raw bytes of every model input, one after the other\n"
    "  --out RAW      where to write the raw bytes of every model output\n"
    "  --kernels ROW  inner loops to use, such as c; else LOOKOUT_KERNELS from the\n"
    "                 environment, else the fastest for this CPU\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage.\n"
    "\n"
    "Example:\n"
    "  head -c 784 /dev/zero >in.raw\n"
    "  lookout-model run models/zoo/digits/picture.tflite --in in.raw --out out.raw\n";

struct run_options {
    const char *file, *in, *out, *kernels;
};

static int parse(int argc, char **argv, struct run_options *ret) {
    static const struct option longs[] = {
        { "in", required_argument, NULL, 'i' },
        { "out", required_argument, NULL, 'o' },
        { "kernels", required_argument, NULL, 'k' },
        { NULL, 0, NULL, 0 },
    };
    struct run_options options = { 0 };
    int c;

    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
        if (c == 'i')
            options.in = optarg;
        else if (c == 'o')
            options.out = optarg;
        else if (c == 'k')
            options.kernels = optarg;
        else
            return -EINVAL;
    if (optind != argc - 1 || !options.in || !options.out)
        return -EINVAL;
    options.file = argv[optind];
    *ret = options;
    return 0;
}

static size_t inputs_bytes(const struct model *model) {
    size_t n = 0;

    for (size_t i = 0; i < model_n_inputs(model); i++)
        n += model_input(model, i)->n_bytes;
    return n;
}

static size_t outputs_bytes(const struct model *model) {
    size_t n = 0;

    for (size_t i = 0; i < model_n_outputs(model); i++)
        n += model_output(model, i)->n_bytes;
    return n;
}

static void copy_in(struct runner *runner, const struct model *model, const uint8_t *bytes) {
    for (size_t i = 0; i < model_n_inputs(model); i++) {
        (void) memcpy(runner_input(runner, i), bytes, model_input(model, i)->n_bytes);
        bytes += model_input(model, i)->n_bytes;
    }
}

static void copy_out(const struct runner *runner, const struct model *model, uint8_t *bytes) {
    for (size_t i = 0; i < model_n_outputs(model); i++) {
        (void) memcpy(bytes, runner_output(runner, i), model_output(model, i)->n_bytes);
        bytes += model_output(model, i)->n_bytes;
    }
}

static int run(const struct run_options *options, struct fault *fault) {
    _cleanup_(model_unrefp) struct model *model = NULL;
    _cleanup_(runner_freep) struct runner *runner = NULL;
    _cleanup_(freep) uint8_t *in = NULL, *out = NULL;
    size_t n_bytes;
    int r;

    r = model_open(options->file, options->kernels, &model, fault);
    if (r < 0)
        return r;
    r = tool_file_read(options->in, &in, &n_bytes, fault);
    if (r < 0)
        return r;
    if (n_bytes != inputs_bytes(model))
        return fault_set(fault, -EBADMSG, "%s: has %zu bytes; the inputs of %s take %zu",
                         options->in, n_bytes, options->file, inputs_bytes(model));
    out = malloc(outputs_bytes(model));
    if (!out || runner_new(model, NULL, &runner) < 0)
        return fault_set(fault, -ENOMEM, "%s: out of memory", options->file);

    copy_in(runner, model, in);
    runner_run(runner);
    copy_out(runner, model, out);
    return tool_file_write(options->out, out, outputs_bytes(model), fault);
}

static int run_main(int argc, char **argv) {
    struct run_options options;
    struct fault fault;

    if (parse(argc, argv, &options) < 0)
        return TOOL_USAGE;
    if (run(&options, &fault) < 0) {
        (void) fprintf(stderr, "lookout-model run: %s\n", fault.text);
        return TOOL_FAILED;
    }
    return TOOL_OK;
}

const struct tool tool_run = {
    .name = "run",
    .summary = "run a model on one raw sample",
    .help = help,
    .main = run_main,
};
