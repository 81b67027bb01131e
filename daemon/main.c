/* SPDX-License-Identifier: MIT */
/* lookoutd - sees and hears, and says what it detects. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "config/describe.h"
#include "daemon/daemon.h"
#include "daemon/options.h"
#include "daemon/replay_print.h"

enum { EXIT_USAGE = 2 };

/* A task that will not run is no bad configuration, but worth knowing before. Returns how many. */
static size_t warn_of_tasks(const struct settings *settings) {
    _cleanup_(plan_freep) struct plan *plan = NULL;
    size_t n = 0;

    if (plan_new(settings, NULL, now_ns(), &plan) < 0)
        return 0;
    for (size_t i = 0; i < plan->n_all_tasks; i++)
        if (plan->all_tasks[i].reason[0]) {
            (void) fprintf(stderr, "task %s will not run: %s\n", plan->all_tasks[i].name,
                           plan->all_tasks[i].reason);
            n++;
        }
    return n;
}

static int check_config(const struct daemon_options *options) {
    const struct load_options load = { .file = options->config };
    _cleanup_(settings_freep) struct settings *settings = NULL;
    struct problems problems = { 0 };
    const int r = settings_load(&load, &settings, &problems);

    for (size_t i = 0; i < problems.n; i++)
        (void) fprintf(stderr, "%s\n", problems.texts[i]);
    if (problems.n_more > 0)
        (void) fprintf(stderr, "and %zu more\n", problems.n_more);
    problems_clear(&problems);
    if (r == -ENOMEM)
        (void) fprintf(stderr, "lookoutd: out of memory\n");
    if (r == 0) {
        const size_t n = warn_of_tasks(settings);

        if (n == 0)
            (void) printf("The configuration is good.\n");
        else
            (void) printf("The configuration has no mistake, but %zu task%s will not run.\n", n,
                          n == 1 ? "" : "s");
    }
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* No thread may take a signal: all come through the event loop. */
static void block_signals(void) {
    sigset_t all;

    (void) sigfillset(&all); /* cannot fail */
    (void) sigprocmask(SIG_SETMASK, &all, NULL);
}

static int run(const struct daemon_options *options) {
    _cleanup_(daemon_freep) struct daemon *daemon = NULL;
    struct fault fault = { "" };
    int r;

    block_signals();
    r = daemon_new(options, &daemon, &fault);
    if (r >= 0)
        r = daemon_run(daemon);
    if (r < 0)
        (void) fprintf(stderr, "lookoutd: %s\n", fault.text[0] ? fault.text : strerror(-r));
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    struct options options;
    struct fault fault;

    if (options_read(argc, argv, &options, &fault) < 0) {
        (void) fprintf(stderr, "lookoutd: %s\n", fault.text);
        return EXIT_USAGE;
    }
    switch (options.action) {
    case ACTION_RUN:
        return run(&options.daemon);
    case ACTION_CHECK:
        return check_config(&options.daemon);
    case ACTION_REPLAY:
        return replay_print(options.daemon.config) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
    case ACTION_PRINT_INI:
        describe_ini(stdout);
        return EXIT_SUCCESS;
    case ACTION_PRINT_MAN:
        describe_man(stdout);
        return EXIT_SUCCESS;
    case ACTION_HELP:
        (void) fputs(options_help, stdout);
        return EXIT_SUCCESS;
    case ACTION_VERSION:
        (void) printf("lookoutd %s\n", LOOKOUT_VERSION);
        return EXIT_SUCCESS;
    }
    return EXIT_FAILURE;
}
