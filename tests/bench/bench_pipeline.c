/* SPDX-License-Identifier: MIT */
/*
 * What capture, encoders and decisions cost without a daemon around them.
 *
 *   bench_pipeline BUNDLE SOUND PICTURES [SECONDS]
 *
 * SOUND is a WAV, PICTURES raw YUYV of 640x480 (make_recordings makes both); they play in a loop in
 * real time. After 4 s to fill windows, measures for SECONDS (20) and prints one JSON object a
 * line: {"what", "measured", "unit", "below"}.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "common/units.h"
#include "models/bundle.h"
#include "pipeline/pipeline.h"

enum {
    WARM_UP_S = 4,
    SECONDS = 20,
    CPU_BELOW_PERCENT = 5,
    RSS_BELOW_MIB = 24,
    TOTAL_BELOW_MS = 50
};

static const struct sensor_options microphone = {
    .name = "microphone",
    .source = { .kind = SOURCE_RECORDING, .data = SOURCE_SOUND, .format = "auto", .loop = true },
};

static const struct sensor_options camera = {
    .name = "camera",
    .source = { .kind = SOURCE_RECORDING,
                .data = SOURCE_PICTURE,
                .format = "yuyv",
                .loop = true,
                .width_px = 640,
                .height_px = 480,
                .rate_hz = 10 },
};

static void row(const char *what, double measured, const char *unit, int below) {
    printf("{\"what\": \"pipeline alone: %s\", \"measured\": %.3f, \"unit\": \"%s\"", what,
           measured, unit);
    if (below > 0)
        printf(", \"below\": %d", below);
    puts("}");
}

static double cpu_s(void) {
    struct rusage usage;

    (void) getrusage(RUSAGE_SELF, &usage); /* cannot fail for ourselves */
    return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double rss_mib(void) {
    FILE *const file = fopen("/proc/self/statm", "r");
    long n_size = 0, n_resident = 0;

    if (!file || fscanf(file, "%ld %ld", &n_size, &n_resident) != 2)
        n_resident = 0;
    if (file)
        (void) fclose(file); /* only read from */
    return (double) n_resident * (double) sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void run_for(struct pipeline *pipeline, double seconds) {
    const int64_t until_ns = now_ns() + (int64_t) (seconds * (double) NS_PER_S);
    struct pollfd fd = { .fd = pipeline_fd(pipeline), .events = POLLIN };
    struct notice notice;

    for (int64_t left_ns; (left_ns = until_ns - now_ns()) > 0;) {
        (void) poll(&fd, 1, (int) (left_ns / NS_PER_MS) + 1);
        while (pipeline_next(pipeline, &notice) == 1)
            ;
    }
}

static double statistic(const struct pipeline *pipeline, const char *name) {
    struct statistic s;

    for (size_t i = 0; pipeline_statistic(pipeline, i, &s) == 0; i++)
        if (strcmp(s.name, name) == 0)
            return s.value;
    return 0;
}

static void report(const struct pipeline *pipeline, double cpu_percent) {
    static const char *const stages[] = { "capture", "queue", "features",
                                          "encode",  "align", "decide" };
    struct sensor_status status;
    char what[64], name[32];
    double n_gaps = 0;

    for (size_t i = 0; pipeline_sensor(pipeline, i, &status) == 0; i++)
        n_gaps += (double) status.n_gaps;
    row("of one core", cpu_percent, "%", CPU_BELOW_PERCENT);
    row("resident memory", rss_mib(), "MiB", RSS_BELOW_MIB);
    row("end of window to decision, p50", statistic(pipeline, "total_ms_p50"), "ms", 0);
    row("end of window to decision, p99", statistic(pipeline, "total_ms_p99"), "ms",
        TOTAL_BELOW_MS);
    for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++) {
        (void) snprintf(what, sizeof(what), "%s, p50", stages[i]);   /* short */
        (void) snprintf(name, sizeof(name), "%s_ms_p50", stages[i]); /* short */
        row(what, statistic(pipeline, name), "ms", 0);
    }
    row("decisions", statistic(pipeline, "decisions"), "", 0);
    row("gaps and dropped windows", n_gaps + statistic(pipeline, "windows_dropped"), "", 1);
}

static int measure(const struct pipeline_options *options, double seconds, struct fault *fault) {
    _cleanup_(pipeline_freep) struct pipeline *pipeline = NULL;
    double began_s;
    int r;

    r = pipeline_new(&pipeline);
    if (r < 0)
        return r;
    r = pipeline_apply(pipeline, options, fault);
    if (r < 0)
        return r;
    run_for(pipeline, WARM_UP_S);
    began_s = cpu_s();
    run_for(pipeline, seconds);
    report(pipeline, (cpu_s() - began_s) / seconds * 100);
    return 0;
}

int main(int argc, char **argv) {
    const struct bundle_options bundle_options = { .allow_unsigned = true };
    _cleanup_(bundle_freep) struct bundle *bundle = NULL;
    struct sensor_options sensors[] = { microphone, camera };
    struct task_options task = { .name = "bench" };
    const struct pipeline_options options = { 2, 1, sensors, &task };
    struct fault fault = { "" };
    int r;

    if (argc < 4) {
        fprintf(stderr, "bench_pipeline BUNDLE SOUND PICTURES [SECONDS]\n");
        return 2;
    }
    r = bundle_open(argv[1], &bundle_options, &bundle, &fault);
    if (r == 0) {
        (void) snprintf(sensors[0].source.device, SOURCE_PATH_BYTES, "%s",
                        argv[2]); /* cut: not found */
        (void) snprintf(sensors[1].source.device, SOURCE_PATH_BYTES, "%s", argv[3]); /* as above */
        task.bundle = bundle;
        task.unknown = bundle->unknown;
        memcpy(task.detectors, bundle->detectors, sizeof(task.detectors));
        for (size_t i = 0; i < bundle->n_modalities; i++)
            (void) strcpy(task.sensors[i], bundle->modalities[i].kind == MODALITY_SOUND
                                               ? microphone.name
                                               : camera.name); /* one size */
        r = measure(&options, argc > 4 ? atof(argv[4]) : SECONDS, &fault);
    }
    if (r < 0)
        fprintf(stderr, "%s: %s\n", strerror(-r), fault.text);
    return r < 0;
}
