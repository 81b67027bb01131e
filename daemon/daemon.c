/* SPDX-License-Identifier: MIT */
#include "daemon/daemon.h"

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <systemd/sd-daemon.h>

#include "config/describe.h"
#include "daemon/journal.h"
#include "daemon/listen.h"
#include "daemon/methods.h"
#include "daemon/publish_bus.h"
#include "daemon/publish_socket.h"
#include "daemon/status.h"

#define DEFAULT_SOCKET "/run/lookoutd.sock"
#define DEFAULT_STATE  "/var/lib/lookout"

enum {
    NOTICES_PER_TURN = 64,    /* clients and signals get their turn between them */
    STOP_LIMIT_USEC = 800000, /* a driver that hangs must not hold up the end for more */
    BYTES_PER_KIB = 1024,
};

const struct lookoutd_settings *daemon_settings(const struct daemon *daemon) {
    return &daemon->settings->sections[0].lookoutd;
}

static void log_problems(const struct problems *problems) {
    for (size_t i = 0; i < problems->n; i++)
        journal_send(LOG_ERR, JOURNAL_CONFIG_BAD, NULL, "%s", problems->texts[i]);
    if (problems->n_more > 0)
        journal_send(LOG_ERR, JOURNAL_CONFIG_BAD, NULL,
                     "and %zu more problems of the configuration", problems->n_more);
}

static void notify_status(const struct daemon *daemon, const char *first) {
    char sentence[512];

    status_sentence(daemon, sentence, sizeof(sentence));
    (void) sd_notifyf(0, "%sSTATUS=%s", first,
                      sentence); /* without systemd there is nobody to tell */
}

/* Each text counts with its section and key, so the same hash means the same configuration. */
static int hash_settings(const struct settings *settings, char ret[SHA256_HEX_BYTES]) {
    unsigned char hash[crypto_hash_sha256_BYTES];
    _cleanup_(freep) char *text = NULL;
    size_t n_bytes;
    FILE *to = open_memstream(&text, &n_bytes);

    if (!to)
        return -ENOMEM;
    describe_settings(settings, to);
    if (fclose(to) != 0)
        return -ENOMEM;
    (void) crypto_hash_sha256(hash, (const unsigned char *) text, n_bytes); /* always 0 */
    (void) sodium_bin2hex(ret, SHA256_HEX_BYTES, hash, sizeof(hash));       /* always ret */
    return 0;
}

static void state_failed(struct daemon *daemon, const struct fault *fault) {
    if (!daemon->state_told)
        journal_send(LOG_WARNING, JOURNAL_STATE, NULL, "%s, ignoring", fault->text);
    daemon->state_told = true;
}

static void log_stopped_tasks(const struct plan *plan) {
    for (size_t i = 0; i < plan->n_all_tasks; i++)
        if (plan->all_tasks[i].reason[0])
            journal_send(LOG_ERR, JOURNAL_TASK, JOURNAL_FIELDS({ "TASK", plan->all_tasks[i].name }),
                         "task %s does not run: %s", plan->all_tasks[i].name,
                         plan->all_tasks[i].reason);
}

/* Make @settings the ones in use; takes them over if it succeeds. Returns 0, -EBADMSG with @fault,
 * -ENOMEM. */
static int apply(struct daemon *daemon, struct settings *settings, struct fault *fault) {
    _cleanup_(plan_freep) struct plan *plan = NULL, *old = NULL;
    char sha256[SHA256_HEX_BYTES];
    int r = hash_settings(settings, sha256);

    if (r == 0)
        r = plan_new(settings, daemon->plan, now_ns(), &plan);
    if (r < 0)
        return r;
    r = pipeline_apply(daemon->pipeline, &plan->options, fault);
    if (r < 0)
        return r == -ENOMEM ? r : -EBADMSG;
    old = daemon->plan; /* freed behind this: the pipeline no longer uses its bundles */
    daemon->plan = plan;
    plan = NULL;
    settings_free(daemon->settings);
    daemon->settings = settings;
    memcpy(daemon->config_sha256, sha256, sizeof(sha256));
    daemon->ended = false;
    log_stopped_tasks(daemon->plan);
    return 0;
}

static int set_bus(struct daemon *daemon) {
    const enum bus_choice choice =
        daemon_settings(daemon)->dbus ? publish_bus_choice(daemon->options.bus) : BUS_NONE;

    if (choice == BUS_NONE)
        daemon->bus = publish_bus_free(daemon->bus);
    else if (!daemon->bus)
        return publish_bus_new(daemon, choice, &daemon->bus);
    return 0;
}

/* The limits of [lookoutd] where they are used. */
static int apply_limits(struct daemon *daemon) {
    const struct lookoutd_settings *settings = daemon_settings(daemon);
    const int r = ring_resize(daemon->ring, (size_t) settings->events_kept);

    publish_socket_set_limit(daemon->socket, (size_t) settings->subscriber_kib * BYTES_PER_KIB);
    server_set_n_max(daemon->server, (size_t) settings->subscribers_max);
    return r < 0 ? r : set_bus(daemon);
}

int daemon_reload(struct daemon *daemon, settings_line_fn *fn, void *user) {
    _cleanup_(settings_freep) struct settings *settings = NULL;
    struct problems problems = { 0 };
    struct fault fault = { "" };
    int r = settings_load(&daemon->load, &settings, &problems);

    if (r == 0 && fn)
        r = settings_changes(daemon->settings, settings, fn, user);
    if (r == 0)
        r = apply(daemon, settings, &fault);
    if (r == 0)
        settings = NULL; /* the daemon's now */
    if (r == -EBADMSG && problems_none(&problems))
        problems_add(&problems, "%s", fault.text);
    problems_clear(&daemon->problems);
    daemon->problems = problems;
    log_problems(&problems);
    if (r == 0)
        r = apply_limits(daemon);
    if (r == 0) {
        if (state_keep_config(daemon->state, daemon->settings, &fault) < 0)
            state_failed(daemon, &fault);
        journal_send(LOG_NOTICE, JOURNAL_CONFIG_APPLIED,
                     JOURNAL_FIELDS({ "CONFIG_SHA256", daemon->config_sha256 }),
                     "configuration applied");
    } else
        journal_send(LOG_ERR, JOURNAL_CONFIG_BAD, NULL,
                     "the configuration was refused, the old one stays");
    publish_bus_refresh(daemon->bus);
    notify_status(daemon, "");
    return r;
}

/* At the start: the INI, else the last good copy of it, else nothing at all. */
static int load_first(struct daemon *daemon, struct settings **ret) {
    struct problems ignored = { 0 };
    struct load_options last_good = { .file = state_config_path(daemon->state) };
    int r = settings_load(&daemon->load, ret, &daemon->problems);

    if (r != -EBADMSG)
        return r;
    log_problems(&daemon->problems);
    r = access(last_good.file, F_OK) == 0 ? settings_load(&last_good, ret, &ignored) : -EBADMSG;
    problems_clear(&ignored);
    if (r == 0)
        journal_send(LOG_WARNING, JOURNAL_CONFIG_BAD, NULL,
                     "going on with the last good configuration, %s", last_good.file);
    if (r != -EBADMSG)
        return r;
    journal_send(LOG_WARNING, JOURNAL_CONFIG_BAD, NULL, "going on without sensors");
    return settings_load_text("no file", "", 0, ret, &ignored);
}

static void log_event(const struct daemon *daemon, const struct event *event) {
    const bool began = event->phase == EVENT_BEGIN;
    char confidence[16];

    if (!daemon_settings(daemon)->journal_events || event->phase == EVENT_UPDATE)
        return;
    (void) snprintf(confidence, sizeof(confidence), "%.3f", event->confidence);
    journal_send(LOG_NOTICE, began ? JOURNAL_EVENT_BEGAN : JOURNAL_EVENT_ENDED,
                 JOURNAL_FIELDS({ "TASK", event->task }, { "LABEL", event->label },
                                { "CONFIDENCE", confidence }, { "EVENT_ID", event->id },
                                { "BUNDLE_SHA256", event->bundle_sha256 }),
                 "%s: %s %s (%.0f %%)", event->task, event->label, began ? "began" : "ended",
                 event->confidence * 100);
}

static void on_event(struct daemon *daemon, const struct event *event) {
    const struct event_context context = { daemon->boot, daemon->config_sha256,
                                           ring_next_sequence(daemon->ring) };
    struct fault fault = { "" };

    if (publish_socket_event(daemon->socket, event, &context) < 0)
        return; /* out of memory: neither kept nor said, and the sequence stays */
    publish_bus_event(daemon->bus, event);
    log_event(daemon, event);
    if (state_keep_sequence(daemon->state, context.sequence, &fault) < 0)
        state_failed(daemon, &fault);
}

static void on_sensor(struct daemon *daemon, const struct sensor_status *sensor) {
    const struct event_context context = { daemon->boot, daemon->config_sha256,
                                           ring_next_sequence(daemon->ring) - 1 };
    const char *state = sensor_state_name(sensor->state);

    (void) publish_socket_change(daemon->socket, sensor,
                                 &context); /* out of memory: status still has it */
    publish_bus_change(daemon->bus, sensor);
    journal_send(sensor->state == SENSOR_LOST ? LOG_WARNING : LOG_INFO, JOURNAL_SENSOR,
                 JOURNAL_FIELDS({ "SENSOR", sensor->name }, { "STATE", state },
                                { "DEVICE", sensor->device }, { "REASON", sensor->reason }),
                 "sensor %s is %s%s%s", sensor->name, state, sensor->reason[0] ? ": " : "",
                 sensor->reason);
}

static void on_ended(struct daemon *daemon) {
    daemon->ended = true;
    journal_send(LOG_INFO, JOURNAL_SENSOR, NULL, "all recordings have ended");
    if (daemon_settings(daemon)->exit_at_end)
        (void) sd_event_exit(daemon->event, 0); /* cannot fail: we run in it */
}

static void on_notice(struct daemon *daemon, const struct notice *notice) {
    switch (notice->kind) {
    case NOTICE_EVENT:
        on_event(daemon, &notice->event);
        return;
    case NOTICE_SENSOR:
        on_sensor(daemon, &notice->sensor);
        return;
    case NOTICE_SCORES:
        (void) publish_socket_scores(daemon->socket, &notice->scores,
                                     daemon->boot); /* the next come soon */
        histogram_add(&daemon->published, now_ns() - notice->scores.at_ns);
        return;
    case NOTICE_ENDED:
        on_ended(daemon);
        return;
    }
}

static int on_notices(sd_event_source *source, int fd, uint32_t revents, void *user) {
    struct daemon *daemon = user;
    struct notice notice;
    bool changed = false;
    int r = 0;

    for (int i = 0; i < NOTICES_PER_TURN && (r = pipeline_next(daemon->pipeline, &notice)) > 0;
         i++) {
        on_notice(daemon, &notice);
        changed = changed || notice.kind == NOTICE_SENSOR;
    }
    publish_bus_refresh(daemon->bus);
    if (changed)
        notify_status(daemon, "");
    return r < 0 ? r : 0;
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *user) {
    struct daemon *daemon = user;

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
                            on_notices, daemon);
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
        state_failed(daemon, &fault);
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
    _cleanup_(settings_freep) struct settings *settings = NULL;
    int r = load_first(daemon, &settings);

    if (r == 0)
        r = pipeline_new(&daemon->pipeline);
    if (r == 0)
        r = apply(daemon, settings, fault);
    if (r < 0)
        return r;
    settings = NULL; /* the daemon's now */
    r = ring_new((size_t) daemon_settings(daemon)->events_kept, state_sequence(daemon->state),
                 &daemon->ring);
    if (r == 0)
        r = publish_socket_new(daemon->ring,
                               (size_t) daemon_settings(daemon)->subscriber_kib * BYTES_PER_KIB,
                               &daemon->socket);
    if (r == 0)
        r = open_socket(daemon, fault);
    if (r == 0)
        r = set_bus(daemon);
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
        state_failed(daemon, &kept);
    journal_send(
        LOG_NOTICE, JOURNAL_STARTED,
        JOURNAL_FIELDS({ "VERSION", LOOKOUT_VERSION }, { "CONFIG_SHA256", daemon->config_sha256 }),
        "lookoutd " LOOKOUT_VERSION " started");
    notify_status(daemon, "READY=1\n");
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
    journal_send(LOG_NOTICE, JOURNAL_STOPPED, NULL, "lookoutd ends");
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
