/* SPDX-License-Identifier: MIT */
#include "daemon/configure.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "config/describe.h"
#include "daemon/journal.h"
#include "daemon/publish_bus.h"
#include "daemon/publish_socket.h"

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

static void log_problems(const struct problems *problems) {
    for (size_t i = 0; i < problems->n; i++)
        journal_send(LOG_ERR, JOURNAL_CONFIG_BAD, NULL, "%s", problems->texts[i]);
    if (problems->n_more > 0)
        journal_send(LOG_ERR, JOURNAL_CONFIG_BAD, NULL,
                     "and %zu more problems of the configuration", problems->n_more);
}

static void log_stopped_tasks(const struct plan *plan) {
    for (size_t i = 0; i < plan->n_all_tasks; i++)
        if (plan->all_tasks[i].reason[0])
            journal_send(LOG_ERR, JOURNAL_TASK, JOURNAL_FIELDS({ "TASK", plan->all_tasks[i].name }),
                         "task %s does not run: %s", plan->all_tasks[i].name,
                         plan->all_tasks[i].reason);
}

/* Make @settings the ones in use; takes them over if it succeeds. Returns 0, -EBADMSG with @fault
 * (the old ones stay), -ENOMEM. */
static int apply(struct daemon *daemon, struct settings *settings, struct fault *fault) {
    _cleanup_(plan_freep) struct plan *plan = NULL, *old = NULL;
    char sha256[SHA256_HEX_BYTES];
    int r = hash_settings(settings, sha256);

    if (r == 0)
        r = plan_new(settings, daemon->plan, now_ns(), &plan);
    if (r < 0)
        return r;
    r = pipeline_apply(daemon->pipeline, &plan->options, fault);
    if (r == -ENOMEM)
        return r;
    if (r < 0 && !fault->text[0]) /* out of threads, descriptors ... */
        (void) fault_set(fault, r, "it cannot be started: %s", strerror(-r));
    if (r < 0)
        return -EBADMSG;
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

int configure_bus(struct daemon *daemon) {
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
    return r < 0 ? r : configure_bus(daemon);
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
            daemon_state_failed(daemon, &fault);
        journal_send(LOG_NOTICE, JOURNAL_CONFIG_APPLIED,
                     JOURNAL_FIELDS({ "CONFIG_SHA256", daemon->config_sha256 }),
                     "configuration applied");
    } else
        journal_send(LOG_ERR, JOURNAL_CONFIG_BAD, NULL,
                     "the configuration was refused, the old one stays");
    publish_bus_refresh(daemon->bus);
    daemon_notify_status(daemon, "");
    return r;
}

/* Load and apply. Returns 0, -EBADMSG with @problems, -ENOMEM. */
static int use(struct daemon *daemon, const struct load_options *load, struct problems *problems) {
    _cleanup_(settings_freep) struct settings *settings = NULL;
    struct fault fault = { "" };
    int r = settings_load(load, &settings, problems);

    if (r == 0)
        r = apply(daemon, settings, &fault);
    if (r == 0)
        settings = NULL; /* the daemon's now */
    else if (r == -EBADMSG && problems_none(problems))
        problems_add(problems, "%s", fault.text);
    return r;
}

static int use_nothing(struct daemon *daemon) {
    _cleanup_(settings_freep) struct settings *settings = NULL;
    struct problems none = { 0 };
    struct fault fault = { "" };
    int r = settings_load_text("no file", "", 0, &settings, &none);

    if (r == 0)
        r = apply(daemon, settings, &fault);
    if (r == 0)
        settings = NULL; /* the daemon's now */
    return r;
}

int configure_first(struct daemon *daemon) {
    const struct load_options last_good = { .file = state_config_path(daemon->state) };
    struct problems ignored = { 0 };
    int r = use(daemon, &daemon->load, &daemon->problems);

    if (r != -EBADMSG)
        return r;
    log_problems(&daemon->problems);
    r = access(last_good.file, F_OK) == 0 ? use(daemon, &last_good, &ignored) : -EBADMSG;
    problems_clear(&ignored);
    if (r == 0)
        journal_send(LOG_WARNING, JOURNAL_CONFIG_BAD, NULL,
                     "going on with the last good configuration, %s", last_good.file);
    if (r != -EBADMSG)
        return r;
    journal_send(LOG_WARNING, JOURNAL_CONFIG_BAD, NULL, "going on without sensors");
    return use_nothing(daemon);
}
