/* SPDX-License-Identifier: MIT */
/* lookout-model bench: how long a run takes and how much memory it works in. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/units.h"
#include "models/runner.h"
#include "models/tool.h"

enum {
    WARM_UP_RUNS = 3,
    LEAST_RUNS = 10,
    SAMPLES_MAX = 1 << 16,
    MEASURE_MS = 1000,
    MEASURE_MS_MAX = 600000,
    RUNNERS_MAX = 64,
    STATUS_BYTES = 4096, /* of /proc/self/status; it has some 1500 */
    SEED = 1,
};

static const char help[] =
    "Usage: lookout-model bench FILE [--ms MS] [--threads N] [--runners N] [--kernels ROW] "
    "[--json]\n"
    "\n"
    "Times the .tflite FILE on made-up inputs, after a warm-up.\n"
    "\n"
    "  --ms MS        for so many milliseconds, 1 to 600000; default 1000\n"
    "  --threads N    N threads do each run together; 1 to 16, default 1\n"
    "  --runners N    N runners side by side, a thread each, that share one model and the\n"
    "                 other N - 1 of --threads; 1 to 64, default 1\n"
    "  --kernels ROW  inner loops to use, such as c; else LOOKOUT_KERNELS from the\n"
    "                 environment, else the fastest for this CPU\n"
    "  --json         one JSON object instead of lines\n"
    "\n"
    "Prints:\n"
    "  min_us, median_us  time of one run, over all runners\n"
    "  runs_per_s         of all runners together\n"
    "  arena_bytes        memory of one runner: every byte that a run writes, inputs and\n"
    "                     scratch too; outputs lie in it where they cost nothing more\n"
    "  peak_bytes         least that any arena for this plan could take\n"
    "  resident_bytes     most memory that this process had resident, code and libraries too;\n"
    "                     0: the system does not tell\n"
    "  macs               multiply-adds of one run\n"
    "  kernels            inner loops that were used\n"
    "\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage.\n"
    "\n"
    "Example:\n"
    "  lookout-model bench models/zoo/yard/sound.tflite --threads 2 --json\n";

struct bench_options {
    const char *file, *kernels;
    size_t n_threads, n_runners, ms;
    bool json;
};

/* One thread's part. */
struct lane {
    struct model *model;
    struct runner *runner;
    pthread_barrier_t *start;
    size_t ms;         /* to measure for */
    uint8_t *inputs;   /* of all inputs in turn */
    int64_t *times_ns; /* [SAMPLES_MAX] */
    size_t n_times;
    pthread_t thread;
};

/* The number in @optarg of the option @name. */
static int parse_count(const char *name, size_t most, size_t *ret) {
    char *end;
    const unsigned long n = strtoul(optarg, &end, 10);

    if (*end || optarg[0] < '0' || optarg[0] > '9' || n < 1 || n > most) {
        (void) fprintf(stderr, "lookout-model bench: --%s %s: not from 1 to %zu\n", name, optarg,
                       most);
        return -EINVAL;
    }
    *ret = n;
    return 0;
}

static int parse(int argc, char **argv, struct bench_options *ret) {
    static const struct option longs[] = {
        { "ms", required_argument, NULL, 'm' },      { "threads", required_argument, NULL, 't' },
        { "runners", required_argument, NULL, 'r' }, { "kernels", required_argument, NULL, 'k' },
        { "json", no_argument, NULL, 'j' },          { NULL, 0, NULL, 0 },
    };
    struct bench_options options = { .n_threads = 1, .n_runners = 1, .ms = MEASURE_MS };
    int c, r = 0;

    while (r == 0 && (c = getopt_long(argc, argv, "", longs, NULL)) != -1)
        if (c == 'm')
            r = parse_count("ms", MEASURE_MS_MAX, &options.ms);
        else if (c == 't')
            r = parse_count("threads", CREW_THREADS_MAX, &options.n_threads);
        else if (c == 'r')
            r = parse_count("runners", RUNNERS_MAX, &options.n_runners);
        else if (c == 'k')
            options.kernels = optarg;
        else if (c == 'j')
            options.json = true;
        else
            r = -EINVAL;
    if (r < 0 || optind != argc - 1)
        return -EINVAL;
    options.file = argv[optind];
    *ret = options;
    return 0;
}

/* Marsaglia's xorshift: the same inputs everywhere. */
static uint32_t next_random(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static uint8_t *make_inputs(const struct model *model) {
    uint32_t state = SEED;
    size_t n = 0, at = 0;
    uint8_t *bytes;

    for (size_t i = 0; i < model_n_inputs(model); i++)
        n += model_input(model, i)->n_bytes;
    bytes = malloc(n + 1);
    for (size_t i = 0; bytes && i < model_n_inputs(model); i++) {
        const struct tensor_info *info = model_input(model, i);

        for (size_t k = 0; k < info->n_items; k++) {
            const uint32_t random = next_random(&state);
            const float real = (float) (random >> 8) / (float) (1 << 23) - 1;

            if (info->type == TENSOR_INT8)
                bytes[at++] = (uint8_t) random;
            else {
                (void) memcpy(bytes + at, &real, sizeof(real));
                at += sizeof(real);
            }
        }
    }
    return bytes;
}

static int64_t run_once(struct lane *lane) {
    const uint8_t *bytes = lane->inputs;
    int64_t start_ns;

    for (size_t i = 0; i < model_n_inputs(lane->model); i++) {
        (void) memcpy(runner_input(lane->runner, i), bytes, model_input(lane->model, i)->n_bytes);
        bytes += model_input(lane->model, i)->n_bytes;
    }
    start_ns = now_ns();
    runner_run(lane->runner);
    return now_ns() - start_ns;
}

static void *lane_main(void *user) {
    struct lane *lane = user;
    int64_t end_ns;

    for (int i = 0; i < WARM_UP_RUNS; i++)
        (void) run_once(lane); /* not counted */
    (void) pthread_barrier_wait(lane->start);
    end_ns = now_ns() + (int64_t) lane->ms * NS_PER_MS;
    while (lane->n_times < SAMPLES_MAX && (lane->n_times < LEAST_RUNS || now_ns() < end_ns))
        lane->times_ns[lane->n_times++] = run_once(lane);
    return NULL;
}

static int by_time(const void *a, const void *b) {
    const int64_t x = *(const int64_t *) a, y = *(const int64_t *) b;

    return x < y ? -1 : x > y;
}

/* From proc_pid_status(5), where it is in kB. */
static size_t resident_bytes(void) {
    _cleanup_(closep) int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    char text[STATUS_BYTES];
    const ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    const char *line;

    if (n < 0)
        return 0;
    text[n] = '\0';
    line = strstr(text, "VmHWM:");
    return line ? strtoul(line + strlen("VmHWM:"), NULL, 10) * 1024 : 0;
}

static void print_result(const struct bench_options *options, const struct model *model,
                         const int64_t *times_ns, size_t n, double runs_per_s) {
    const double min_us = (double) times_ns[0] / (double) NS_PER_US;
    const double median_us = (double) times_ns[n / 2] / (double) NS_PER_US;

    if (options->json)
        (void) printf("{\"min_us\": %.3f, \"median_us\": %.3f, \"arena_bytes\": %zu, "
                      "\"peak_bytes\": %zu, \"resident_bytes\": %zu, \"macs\": %" PRIu64
                      ", \"kernels\": \"%s\", \"threads\": %zu, \"runners\": %zu, "
                      "\"runs\": %zu, \"runs_per_s\": %.1f}\n",
                      min_us, median_us, model_arena_bytes(model), model_peak_bytes(model),
                      resident_bytes(), model_macs(model), model_kernels(model), options->n_threads,
                      options->n_runners, n, runs_per_s);
    else
        (void) printf("min_us          %.3f\nmedian_us       %.3f\nruns_per_s      %.1f\n"
                      "arena_bytes     %zu\npeak_bytes      %zu\nresident_bytes  %zu\n"
                      "macs            %" PRIu64 "\nkernels         %s\nthreads         %zu\n"
                      "runners         %zu\n",
                      min_us, median_us, runs_per_s, model_arena_bytes(model),
                      model_peak_bytes(model), resident_bytes(), model_macs(model),
                      model_kernels(model), options->n_threads, options->n_runners);
}

/* Run all lanes at once; then their times in one sorted list. */
static int measure(const struct bench_options *options, struct model *model, struct lane *lanes,
                   int64_t *times_ns, struct fault *fault) {
    pthread_barrier_t start;
    size_t n = 0, started = 0;
    double runs_per_s = 0;
    int r = 0;

    if (pthread_barrier_init(&start, NULL, (unsigned) options->n_runners) != 0)
        return fault_set(fault, -ENOMEM, "threads are not to be had");
    for (size_t i = 0; i < options->n_runners; i++) {
        lanes[i].start = &start;
        lanes[i].ms = options->ms;
        lanes[i].times_ns = times_ns + i * SAMPLES_MAX;
    }
    for (; started < options->n_runners && r == 0; started += r == 0)
        r = -pthread_create(&lanes[started].thread, NULL, lane_main, &lanes[started]);
    if (r < 0) { /* those that started wait for the rest for ever: the process ends */
        return fault_set(fault, r, "thread %zu does not start: %s", started, strerror(-r));
    }
    for (size_t i = 0; i < options->n_runners; i++) {
        int64_t sum_ns = 0;

        (void) pthread_join(lanes[i].thread, NULL); /* ours, joined once */
        for (size_t k = 0; k < lanes[i].n_times; k++)
            sum_ns += lanes[i].times_ns[k];
        runs_per_s += (double) lanes[i].n_times * (double) NS_PER_S / (double) sum_ns;
        (void) memmove(times_ns + n, lanes[i].times_ns, lanes[i].n_times * sizeof(*times_ns));
        n += lanes[i].n_times;
    }
    (void) pthread_barrier_destroy(&start); /* nobody waits any more */
    qsort(times_ns, n, sizeof(*times_ns), by_time);
    print_result(options, model, times_ns, n, runs_per_s);
    return 0;
}

static int bench(const struct bench_options *options, struct fault *fault) {
    _cleanup_(model_unrefp) struct model *model = NULL;
    _cleanup_(crew_freep) struct crew *crew = NULL;
    _cleanup_(freep) int64_t *times_ns = NULL;
    _cleanup_(freep) uint8_t *inputs = NULL;
    struct lane lanes[RUNNERS_MAX] = { 0 };
    int r;

    r = model_open(options->file, options->kernels, &model, fault);
    if (r < 0)
        return r;
    if (options->n_threads > 1)
        r = crew_new(options->n_threads, &crew);
    if (r < 0)
        return fault_set(fault, r, "%zu threads are not to be had: %s", options->n_threads,
                         strerror(-r));
    times_ns = calloc(options->n_runners * SAMPLES_MAX, sizeof(*times_ns));
    inputs = make_inputs(model);
    for (size_t i = 0; i < options->n_runners && r == 0; i++) {
        lanes[i].model = model;
        lanes[i].inputs = inputs;
        r = runner_new(model, crew, &lanes[i].runner);
    }
    if (r < 0 || !times_ns || !inputs)
        r = fault_set(fault, -ENOMEM, "%s: out of memory", options->file);
    else
        r = measure(options, model, lanes, times_ns, fault);
    for (size_t i = 0; i < options->n_runners && r == 0; i++)
        (void) runner_free(lanes[i].runner);
    return r;
}

static int bench_main(int argc, char **argv) {
    struct bench_options options;
    struct fault fault;

    if (parse(argc, argv, &options) < 0)
        return TOOL_USAGE;
    if (bench(&options, &fault) < 0) {
        (void) fprintf(stderr, "lookout-model bench: %s\n", fault.text);
        return TOOL_FAILED;
    }
    return TOOL_OK;
}

const struct tool tool_bench = {
    .name = "bench",
    .summary = "time a model and tell its memory",
    .help = help,
    .main = bench_main,
};
