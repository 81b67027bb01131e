/* SPDX-License-Identifier: MIT */
/*
 * setup: from no configuration to the first event. Nothing is changed before the last yes; what is
 * then written was checked by the daemon before, and is taken back if the daemon refuses it.
 */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/field.h"
#include "client/setup.h"
#include "client/setup_file.h"

#define DROP_IN "50-setup.ini"

enum { START_S = 15, POLL_MS = 250, WATCH_S = 30, WATCH_EVENTS = 3, GROUPS_MAX = 256 };

struct setup {
    struct client *client;
    struct reply devices, bundles, checked;
    struct setup_choice choice;
    char *text;
    const char *path; /* of `checked` */
};

static void setup_clear(struct setup *setup) {
    reply_clear(&setup->devices);
    reply_clear(&setup->bundles);
    reply_clear(&setup->checked);
    free(setup->text);
}

static void say(const struct setup *setup, enum colour colour, const char *text) {
    (void) screen_text(&setup->client->screen, colour, text, SIZE_MAX);
    (void) fputc('\n', setup->client->screen.out); /* ferror() is looked at by main() */
}

/* What the daemon makes of @text. Returns 0; with -EREMOTEIO the errors are said. */
static int check(struct setup *setup, const char *text, struct fault *fault) {
    _cleanup_(json_decrefp) json_t *parameters =
        json_pack("{s:s, s:s}", "name", DROP_IN, "text", text);
    const json_t *errors;
    int r;

    if (!parameters)
        return fault_set(fault, -ENOMEM, "out of memory");
    reply_clear(&setup->checked);
    r = client_ask(setup->client, "CheckConfig", parameters, &setup->checked, fault);
    if (setup->checked.error && strstr(setup->checked.error, ".NotAllowed"))
        return fault_set(fault, -EACCES, "this needs root: run `sudo lookoutctl setup`");
    setup->path = field_text(setup->checked.parameters, "path");
    errors = json_object_get(setup->checked.parameters, "errors");
    for (size_t i = 0; i < json_array_size(errors); i++)
        say(setup, COLOUR_BAD, json_string_value(json_array_get(errors, i)));
    if (json_array_size(errors) > 0)
        return fault_set(fault, r, "the configuration would be wrong; nothing was changed");
    return r;
}

/* Whether this can end well at all, before anybody is asked anything. */
static int prepare(struct setup *setup, struct fault *fault) {
    const struct options *options = &setup->client->options;
    int r;

    if (options->json)
        return fault_set(fault, -EINVAL, "`setup` has no --json; `lookoutctl status --json` has");
    if (!options->yes && !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)))
        return fault_set(fault, -EINVAL,
                         "`setup` asks questions and this is no terminal; name --camera, "
                         "--microphone and --bundle, and add --yes");
    r = client_catch_stop(setup->client, fault);
    if (r == 0)
        r = check(setup, "", fault);
    return r < 0 ? r : setup_file_check(setup->path, fault);
}

static int choose(struct setup *setup, struct fault *fault) {
    struct client *const client = setup->client;
    _cleanup_(json_decrefp) json_t *installed = json_pack("{s:b}", "installed", 1);
    const json_t *devices;
    int r = client_ask(client, "ListDevices", NULL, &setup->devices, fault);

    r = r < 0 ? r : client_ask(client, "ListBundles", installed, &setup->bundles, fault);
    if (r < 0)
        return r;
    devices = json_object_get(setup->devices.parameters, "devices");
    r = setup_device(client, devices, "camera", client->options.camera, &setup->choice.camera,
                     fault);
    if (r == 0)
        r = setup_device(client, devices, "microphone", client->options.microphone,
                         &setup->choice.microphone, fault);
    if (r == 0 && !setup->choice.camera && !setup->choice.microphone)
        r = fault_set(fault, -ENODEV,
                      "neither a camera nor a microphone; `lookoutctl devices` says what there is "
                      "and why it cannot be used");
    return r < 0 ? r : setup_bundles(client, setup->bundles.parameters, &setup->choice, fault);
}

/* A task of ours that would not run makes the whole thing useless. */
static int check_tasks(struct setup *setup, struct fault *fault) {
    json_t *stopped = json_object_get(setup->checked.parameters, "stopped");

    for (size_t i = 0; i < setup->choice.n_bundles; i++) {
        const char *name = field_text(setup->choice.bundles[i], "name");

        if (*field_text(stopped, name))
            return fault_set(fault, -EINVAL, "task %s would not run: %s; nothing was changed", name,
                             field_text(stopped, name));
    }
    return 0;
}

static void show_licences(const struct setup *setup) {
    char text[160];

    for (size_t i = 0; i < setup->choice.n_bundles; i++) {
        const json_t *bundle = setup->choice.bundles[i];

        if (!field_true(bundle, "non_commercial"))
            continue;
        (void) snprintf(text, sizeof(text), "The bundle %.40s (%.40s) is not for commercial use.",
                        field_text(bundle, "name"), field_text(bundle, "licence"));
        say(setup, COLOUR_WARN, text);
    }
}

/* Show what would be written, and what stands there. Returns 1, 0 (no), -errno. */
static int confirm(struct setup *setup, struct fault *fault) {
    const bool is_there = access(setup->path, F_OK) == 0;
    FILE *const out = setup->client->screen.out;

    (void) fprintf(out, "\n%s%s:\n\n", setup->path, /* ferror() is looked at by main() */
                   is_there ? " (the one that is there is kept as " DROP_IN ".old)" : "");
    (void) fputs(setup->text, out);
    (void) fputc('\n', out);
    show_licences(setup);
    return setup->client->options.yes ? 1
                                      : setup_confirm(setup->client, "Write this? [Y/n]", fault);
}

static int reload(struct setup *setup, struct fault *fault) {
    _cleanup_(reply_clear) struct reply reply = { 0 };

    return client_ask(setup->client, "Reload", NULL, &reply, fault);
}

static int apply(struct setup *setup, struct fault *fault) {
    struct fault undo = { "" };
    bool had_old;
    int r = setup_file_write(setup->path, setup->text, &had_old, fault);

    if (r < 0)
        return r;
    r = reload(setup, fault);
    if (r == 0)
        return 0;
    if (setup_file_undo(setup->path, had_old, &undo) < 0)
        say(setup, COLOUR_BAD, undo.text);
    return r;
}

/* --- afterwards --- */

/* Others may have either name: a camera of the settings when only a microphone was chosen. */
static bool is_ours(const struct setup *setup, const char *name) {
    return (setup->choice.camera && strcmp(name, "camera") == 0) ||
           (setup->choice.microphone && strcmp(name, "microphone") == 0);
}

/* How many of our sensors run; says what hinders the others if @final. */
static size_t count_running(const struct setup *setup, const json_t *sensors, bool final) {
    size_t n = 0;
    char text[512];

    for (size_t i = 0; i < json_array_size(sensors); i++) {
        const json_t *sensor = json_array_get(sensors, i);
        const char *name = field_text(sensor, "name"), *state = field_text(sensor, "state"),
                   *reason = field_text(sensor, "reason");
        const bool runs = strcmp(state, "running") == 0 || strcmp(state, "degraded") == 0;

        if (!is_ours(setup, name))
            continue;
        n += runs;
        (void) snprintf(text, sizeof(text), "%.64s is %.16s%s%s%s%.300s", name,
                        state, /* cut is fine */
                        runs ? ": " : "", runs ? field_text(sensor, "format") : "",
                        *reason ? ": " : "", reason);
        if (final)
            say(setup, runs ? COLOUR_GOOD : COLOUR_BAD, text);
    }
    return n;
}

/* Wait until what was chosen runs. Returns 0, -EIO if it does not. */
static int wait_until_running(struct setup *setup, struct fault *fault) {
    const size_t n_wanted = (setup->choice.camera != NULL) + (setup->choice.microphone != NULL);
    const int64_t end_ns = now_ns() + START_S * NS_PER_S;
    struct pollfd stop = { .fd = setup->client->stop_fd, .events = POLLIN };

    for (;;) {
        _cleanup_(reply_clear) struct reply reply = { 0 };
        int r = client_ask(setup->client, "ListSensors", NULL, &reply, fault);
        const json_t *sensors = json_object_get(reply.parameters, "sensors");

        if (r < 0)
            return r;
        if (count_running(setup, sensors, false) == n_wanted || now_ns() >= end_ns ||
            poll(&stop, 1, POLL_MS) > 0)
            return count_running(setup, sensors, true) == n_wanted
                       ? 0
                       : fault_set(fault, -EIO,
                                   "it is configured, but not everything runs yet; see "
                                   "`lookoutctl doctor`");
    }
}

/* Who ran sudo, if that is known and not root. */
static const struct passwd *person(void) {
    const char *name = getenv("SUDO_USER");
    const struct passwd *user = name && *name ? getpwnam(name) : getpwuid(getuid());

    return user && user->pw_uid != 0 ? user : NULL;
}

/* Who is not in the group cannot ask without sudo. */
static void show_group(const struct setup *setup) {
    const struct passwd *user = person();
    const struct group *group = getgrnam("lookout");
    const gid_t wanted = group ? group->gr_gid : 0;
    gid_t groups[GROUPS_MAX];
    int n = GROUPS_MAX;
    char text[128];

    if (!user || !group || getgrouplist(user->pw_name, user->pw_gid, groups, &n) < 0)
        return;
    for (int i = 0; i < n; i++)
        if (groups[i] == wanted)
            return;
    (void) snprintf(text, sizeof(text), "  sudo adduser %.64s lookout   and log in again",
                    user->pw_name); /* cut is fine */
    say(setup, COLOUR_NONE, "");
    say(setup, COLOUR_NONE, "To ask without sudo:");
    say(setup, COLOUR_BOLD, text);
}

static void show_next(const struct setup *setup) {
    const char *camera = setup->choice.camera ? "camera" : "microphone";

    show_group(setup);
    say(setup, COLOUR_NONE, "");
    say(setup, COLOUR_NONE, "What you can do now:");
    say(setup, COLOUR_NONE, "  lookoutctl watch                 events as they come");
    (void) fprintf(setup->client->screen.out, "  sudo lookoutctl look %-11s what the network %s\n",
                   camera, setup->choice.camera ? "sees" : "hears"); /* main() looks at ferror() */
    say(setup, COLOUR_NONE, "  lookoutctl doctor                what is not as it should be");
    say(setup, COLOUR_NONE,
        "Masks for what nobody may see, thresholds, more sensors: lookoutd.ini(5)");
}

/* The first events, for a person who waits for them. Returns 0, -errno. */
static int show_events(struct setup *setup, struct fault *fault) {
    struct client *const client = setup->client;

    if (client->options.yes)
        return 0;
    (void) fprintf(client->screen.out, /* ferror() is looked at by main() */
                   "\nThe first events, for %d s at most (^C ends it):\n\n", WATCH_S);
    client->options.for_s = WATCH_S;
    client->options.count = WATCH_EVENTS;
    return cmd_watch(client, fault);
}

int cmd_setup(struct client *client, struct fault *fault) {
    _cleanup_(setup_clear) struct setup setup = { .client = client };
    int r = prepare(&setup, fault);

    if (r == 0)
        r = choose(&setup, fault);
    if (r == 0)
        r = setup_text(&setup.choice, &setup.text, fault);
    if (r == 0)
        r = check(&setup, setup.text, fault);
    if (r == 0)
        r = check_tasks(&setup, fault);
    if (r == 0)
        r = confirm(&setup, fault);
    if (r <= 0)
        return r < 0 ? r : fault_set(fault, -ECANCELED, "nothing was changed");
    r = apply(&setup, fault);
    if (r == 0)
        r = wait_until_running(&setup, fault);
    if (r == 0)
        r = show_events(&setup, fault);
    if (r == 0)
        show_next(&setup);
    return r;
}
