/* SPDX-License-Identifier: MIT */
#include "daemon/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <systemd/sd-daemon.h>

#include "daemon/configure.h"
#include "daemon/device_list.h"
#include "daemon/device_watch.h"
#include "daemon/journal.h"
#include "daemon/listen.h"
#include "daemon/methods.h"
#include "daemon/publish.h"
#include "daemon/publish_bus.h"
#include "daemon/publish_socket.h"
#include "daemon/status.h"

#define DEFAULT_SOCKET "/run/lookoutd.sock"
#define DEFAULT_STATE  "/var/lib/lookout"

enum { STOP_LIMIT_USEC = 800000 }; /* a driver that hangs must not hold up the end for more */

const struct lookoutd_settings *daemon_settings(const struct daemon *daemon) {
    return &daemon->settings->sections[0].lookoutd;
}

void daemon_notify_status(const struct daemon *daemon, const char *first) {
    char sentence[512];

    status_sentence(daemon, sentence, sizeof(sentence));
    (void) sd_notifyf(0, "%sSTATUS=%s", first,
                      sentence); /* without systemd there is nobody to tell */
}

void daemon_state_failed(struct daemon *daemon, const struct fault *fault) {
    if (!daemon->state_told)
        journal_send(LOG_WARNING, JOURNAL_STATE, NULL, "%s, ignoring", fault->text);
    daemon->state_told = true;
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *user) {
    struct daemon *daemon = user;

    journal_send(LOG_NOTICE, JOURNAL_STOPPED, NULL, "ending, as process %u of user %u asks",
                 info->ssi_pid, info->ssi_uid);
    return sd_event_exit(daemon->event, 0);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *user) {
    const int r = daemon_reload(user, NULL, NULL);

    return r == -EBADMSG || r == -ENOMEM ? 0 : r; /* the old configuration stays */
}

/* Fed by what the sensors and encoders do, not by this loop being alive. */
static int on_watchdog(sd_event_source *source, uint64_t usec, void *user) {
    struct daemon *daemon = user;
    const bool progresses = pipeline_progresses(daemon->pipeline);

    if (progresses)
        (void) sd_notify(0, "WATCHDOG=1"); /* if it fails, systemd will tell */
    else if (!daemon->stalled)
        journal_send(LOG_ERR, JOURNAL_STALLED, NULL,
                     "a sensor or encoder does not move, not feeding the watchdog");
    daemon->stalled = !progresses;
    return sd_event_source_set_time_relative(source, daemon->watchdog_usec / 4);
}

static int add_watchdog(struct daemon *daemon) {
    int r = sd_watchdog_enabled(0, &daemon->watchdog_usec);

    if (r <= 0)
        return r;
    r = sd_event_add_time_relative(daemon->event, &daemon->watchdog, CLOCK_MONOTONIC, 0, 0,
                                   on_watchdog, daemon);
    return r < 0 ? r : sd_event_source_set_enabled(daemon->watchdog, SD_EVENT_ON);
}

/* Heard before anything else, however much there is to publish. */
static int add_signals(struct daemon *daemon) {
    static const struct {
        int number;
        sd_event_signal_handler_t fn;
    } signals[] = { { SIGTERM, on_stop }, { SIGINT, on_stop }, { SIGHUP, on_hangup } };
    int r = 0;

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]) && r >= 0; i++) {
        r = sd_event_add_signal(daemon->event, &daemon->signals[i], signals[i].number,
                                signals[i].fn, daemon);
        if (r >= 0)
            r = sd_event_source_set_priority(daemon->signals[i], SD_EVENT_PRIORITY_IMPORTANT - 1);
    }
    return r;
}

static int add_sources(struct daemon *daemon) {
    int r = add_signals(daemon);

    if (r >= 0)
        r = sd_event_add_io(daemon->event, &daemon->notices, pipeline_fd(daemon->pipeline), EPOLLIN,
                            publish_notices, daemon);
    if (r >= 0)
        r = sd_event_source_set_priority(daemon->notices, SD_EVENT_PRIORITY_IMPORTANT);
    return r < 0 ? r : add_watchdog(daemon);
}

static int open_state(struct daemon *daemon) {
    const char *dir = daemon->options.state ? daemon->options.state : getenv("STATE_DIRECTORY");
    const char *run_dir = daemon->options.state ? NULL : getenv("RUNTIME_DIRECTORY");
    struct fault fault = { "" };
    const int r =
        state_new(dir ? dir : DEFAULT_STATE, run_dir, daemon->boot, &daemon->state, &fault);

    if (r == 0 && fault.text[0])
        daemon_state_failed(daemon, &fault);
    return r;
}

static int open_socket(struct daemon *daemon, struct fault *fault) {
    const struct server_handlers handlers = { methods_call, methods_gone, daemon };
    const char *path = NULL;
    int fd = daemon->options.socket ? -ENOENT : listen_from_systemd(fault), r;

    if (fd == -ENOENT) {
        path = daemon->options.socket ? daemon->options.socket : DEFAULT_SOCKET;
        fd = listen_on_path(path, fault);
    }
    if (fd < 0)
        return fd;
    daemon->made_socket = path;
    r = server_new(daemon->event, fd, &handlers, (size_t) daemon_settings(daemon)->subscribers_max,
                   &daemon->server);
    if (r < 0)
        (void) close(fd); /* only listened on */
    return r;
}

/* One descriptor per client: the soft limit is for programs that use select(2). */
static void raise_descriptor_limit(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void) setrlimit(RLIMIT_NOFILE, &limit); /* accept(2) tells when they run out */
}

static int start(struct daemon *daemon, struct fault *fault) {
    int r = pipeline_new(&daemon->pipeline);

    if (r == 0)
        r = configure_first(daemon);
    if (r < 0)
        return r;
    r = ring_new((size_t) daemon_settings(daemon)->events_kept, state_sequence(daemon->state),
                 &daemon->ring);
    if (r == 0)
        r = publish_socket_new(daemon->ring,
                               (size_t) daemon_settings(daemon)->subscriber_kib * BYTES_PER_KIB,
                               &daemon->socket);
    if (r == 0)
        r = device_list_new(daemon, &daemon->devices);
    if (r == 0)
        r = device_watch_new(daemon->event, daemon->pipeline, &daemon->watch);
    if (r == 0)
        r = open_socket(daemon, fault);
    if (r == 0)
        r = configure_bus(daemon);
    return r == 0 ? add_sources(daemon) : r;
}

int daemon_new(const struct daemon_options *options, struct daemon **ret, struct fault *fault) {
    _cleanup_(daemon_freep) struct daemon *daemon = calloc(1, sizeof(*daemon));
    struct fault kept = { "" };
    int r;

    if (!daemon)
        return -ENOMEM;
    daemon->options = *options;
    daemon->load.file = options->config;
    daemon->since_ns = now_ns();
    boot_id(daemon->boot);
    raise_descriptor_limit();
    r = sd_event_new(&daemon->event);
    if (r >= 0)
        r = open_state(daemon);
    if (r >= 0)
        r = start(daemon, fault);
    if (r < 0)
        return r;
    if (problems_none(&daemon->problems) &&
        state_keep_config(daemon->state, daemon->settings, &kept) < 0)
        daemon_state_failed(daemon, &kept);
    journal_send(
        LOG_NOTICE, JOURNAL_STARTED,
        JOURNAL_FIELDS({ "VERSION", LOOKOUT_VERSION }, { "CONFIG_SHA256", daemon->config_sha256 }),
        "lookoutd " LOOKOUT_VERSION " started");
    daemon_notify_status(daemon, "READY=1\n");
    *ret = daemon;
    daemon = NULL;
    return 0;
}

static void on_stop_limit(int signal_number) {
    static const char text[] = "lookoutd: warning: a device does not let go, ending without it\n";

    (void) !write(STDERR_FILENO, text, sizeof(text) - 1); /* nothing else is left to do */
    _exit(EXIT_SUCCESS);
}

/* Closing a device may wait for its driver; whoever stops us waits a second at most. */
static void limit_stop(void) {
    const struct itimerval limit = { .it_value.tv_usec = STOP_LIMIT_USEC };
    const struct sigaction action = { .sa_handler = on_stop_limit };
    sigset_t alarms;

    (void) sigemptyset(&alarms); /* these four cannot fail for SIGALRM */
    (void) sigaddset(&alarms, SIGALRM);
    (void) sigaction(SIGALRM, &action, NULL);
    (void) pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    (void) setitimer(ITIMER_REAL, &limit, NULL); /* without it a stop may take longer */
}

int daemon_run(struct daemon *daemon) {
    const int r = sd_event_loop(daemon->event);

    (void) sd_notify(0, "STOPPING=1"); /* without systemd there is nobody to tell */
    if (r >= 0)
        limit_stop();
    journal_send(LOG_NOTICE, JOURNAL_STOPPED, NULL, "lookoutd ended its work");
    return r;
}

struct daemon *daemon_free(struct daemon *daemon) {
    if (!daemon)
        return NULL;
    for (size_t i = 0; i < sizeof(daemon->signals) / sizeof(daemon->signals[0]); i++)
        sd_event_source_disable_unref(daemon->signals[i]);
    sd_event_source_disable_unref(daemon->notices);
    sd_event_source_disable_unref(daemon->watchdog);
    if (daemon->made_socket)
        (void) unlink(daemon->made_socket); /* a dead one would be replaced anyway */
    publish_bus_free(daemon->bus);
    server_free(daemon->server);
    device_list_free(daemon->devices);
    device_watch_free(daemon->watch);
    publish_socket_free(daemon->socket);
    ring_free(daemon->ring);
    pipeline_free(daemon->pipeline);
    plan_free(daemon->plan);
    state_free(daemon->state);
    settings_free(daemon->settings);
    problems_clear(&daemon->problems);
    sd_event_unref(daemon->event);
    free(daemon);
    return NULL;
}
