/* SPDX-License-Identifier: MIT */
/* lookoutctl - asks lookoutd over its socket and shows the answer. */
#include <errno.h>
#include <locale.h>
#include <string.h>
#include <unistd.h>

#include "client/command.h"

struct command {
    const char *name, *arguments;
    command_fn *run;
    size_t n_words_min, n_words_max; /* behind the name */
    const char *summary, *details, *example;
};

static const struct command commands[] = {
    { "setup", "[OPTIONS]", cmd_setup, 0, 0, "choose camera, microphone, bundle, and begin",
      "Shows the devices that can be used, each with what it sees or hears now, and the bundles\n"
      "that are installed; writes a drop-in of your choice, checks it first, keeps the old one,\n"
      "and reloads. With --yes nothing is asked. Needs root.",
      "sudo lookoutctl setup --camera none --bundle yard --yes" },
    { "status", "", cmd_status, 0, 0, "what runs, and how well",
      "State of the daemon, its sensors and tasks, mistakes in its configuration, statistics.",
      "lookoutctl status" },
    { "watch", "[OPTIONS]", cmd_watch, 0, 0, "events as they come",
      "One line per event: time, phase, label, confidence, and what each modality contributed:\n"
      "the confidence with all modalities less the confidence without this one. Goes on from\n"
      "where it was when the daemon restarts. ^C ends with a summary.",
      "lookoutctl watch --label siren --min-confidence 0.8" },
    { "events", "[OPTIONS]", cmd_events, 0, 0, "the last events",
      "What the daemon still keeps of the past, oldest first.", "lookoutctl events --count 5" },
    { "sensors", "", cmd_sensors, 0, 0, "cameras, microphones, recordings",
      "Each sensor with its state, since when, its format and how good its data is.",
      "lookoutctl sensors --json" },
    { "tasks", "", cmd_tasks, 0, 0, "what is asked of the sensors",
      "Each task with its bundle, the modalities it has now, and its best scores.",
      "lookoutctl tasks" },
    { "bundles", "", cmd_bundles, 0, 0, "bundles that were found",
      "Each bundle with version, licence, trust and path.", "lookoutctl bundles" },
    { "config", "[SECTION | KIND]", cmd_config, 0, 1, "every setting and where it was set",
      "Every key with its value and the file:line that set it. SECTION shows\none only, KIND all "
      "of a kind.",
      "lookoutctl config 'camera gate'" },
    { "reload", "", cmd_reload, 0, 0, "read the configuration again",
      "What did not change goes on running. Lists what changed; with a mistake in the files the\n"
      "old configuration stays and every mistake is listed. Needs root or group lookout-admin.",
      "lookoutctl reload" },
    { "devices", "", cmd_devices, 0, 0, "cameras and microphones of this box",
      "What could be named as `device` in a [camera] or [microphone] section.",
      "lookoutctl devices" },
    { "record", "--sensor NAME... --for SECONDS DIR", cmd_record, 1, 1, "record sensors to files",
      "Writes WAV and Motion JPEG, privacy masks applied, into the new directory DIR, with\n"
      "pairs.csv (times) and replay.ini ([recording] sections that play it back). The daemon\n"
      "must allow it (allow_record = yes) and you must be root or in group lookout-admin.",
      "lookoutctl record --sensor gate --sensor yard-mic --for 60 ./monday" },
    { "look", "SENSOR | DEVICE", cmd_look, 1, 1, "what a camera sees, a microphone hears",
      "The camera's picture, privacy masks applied, and what the network gets of it; or the level\n"
      "and the spectra; with the scores now. Five times a second until ^C; once where the output\n"
      "is no terminal. DEVICE is one of `lookoutctl devices` that is not configured yet. Needs\n"
      "root or group lookout-admin, and the journal names who looked.",
      "lookoutctl look gate --png gate.png" },
    { "doctor", "", cmd_doctor, 0, 0, "what is not as it should be, and what to do",
      "Sensors, tasks, speed, bundles and their licences, the sandbox, the clock, heat, power,\n"
      "memory and what is written to the card, each with what to do. Status 1 if there is\n"
      "something to do. Runs without the daemon too, and then says so.",
      "lookoutctl doctor --json" },
    { "call", "METHOD [JSON]", cmd_call, 1, 2, "any method of the interface",
      "Sends METHOD (of " LOOKOUT_INTERFACE " unless it names its own) with JSON as\n"
      "parameters and prints the reply's.",
      "lookoutctl call org.varlink.service.GetInfo" },
};

enum { N_COMMANDS = sizeof(commands) / sizeof(*commands) };

static const struct command *find(const char *name) {
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void help_all(FILE *out) {
    (void) fputs("Usage: lookoutctl [--socket PATH] [--json] COMMAND ...\n"
                 "Asks lookoutd what it sees and hears.\n\nCommands:\n",
                 out);
    for (size_t i = 0; i < N_COMMANDS; i++)
        (void) fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    (void) fprintf(out, "  %-10s %s\n\nOptions:\n", "help",
                   "the same as --help, also `help COMMAND`");
    options_help(out, NULL);
    (void) fputs("\nExit status: 0 done, 1 failed, 2 wrong usage, 3 the daemon cannot be reached.\n"
                 "Example: lookoutctl watch --min-confidence 0.8\n"
                 "More: lookoutctl COMMAND --help, lookoutctl(1)\n",
                 out);
}

static void help_one(const struct command *command, FILE *out) {
    (void) fprintf(out, "Usage: lookoutctl %s%s%s\n%s\n\nOptions:\n", command->name,
                   *command->arguments ? " " : "", command->arguments, command->details);
    options_help(out, command->name);
    options_help(out, NULL);
    (void) fprintf(out, "\nExample: %s\n", command->example);
}

static int help(const char *name, struct fault *fault) {
    const struct command *command = name ? find(name) : NULL;

    if (name && strcmp(name, "help") != 0 && !command)
        return fault_set(fault, -EINVAL, "unknown command `%s`", name);
    if (command)
        help_one(command, stdout);
    else
        help_all(stdout);
    return 0;
}

/* Find and run what was asked for. */
static int dispatch(struct client *client, int argc, char **argv, struct fault *fault) {
    const struct options *options = &client->options;
    const char *name = options->n_words > 0 ? options->words[0] : NULL;
    const struct command *command;
    int r;

    if (options->version)
        return printf("lookoutctl " LOOKOUT_VERSION "\n") < 0 ? -EIO : 0;
    if (name && strcmp(name, "help") == 0)
        return help(options->n_words > 1 ? options->words[1] : NULL, fault);
    if (options->help)
        return help(name, fault);
    if (!name)
        return fault_set(fault, -EINVAL, "no command");

    command = find(name);
    if (!command)
        return fault_set(fault, -EINVAL, "unknown command `%s`", name);
    r = options_check(argc, argv, name, fault);
    if (r < 0)
        return r;
    if (options->n_words - 1 < command->n_words_min)
        return fault_set(fault, -EINVAL, "`%s` needs %s", name, command->arguments);
    if (options->n_words - 1 > command->n_words_max)
        return fault_set(fault, -EINVAL, "`%s` is one word too many for `%s`",
                         options->words[command->n_words_max + 1], name);
    return command->run(client, fault);
}

/* The sentence on stderr, made harmless: parts of it came from the socket. */
static void complain(const struct fault *fault, int error) {
    const struct screen screen = screen_of(stderr);

    (void) fputs("lookoutctl: ", stderr); /* stderr has no reader to tell */
    (void) screen_text(&screen, COLOUR_NONE, *fault->text ? fault->text : strerror(-error),
                       SIZE_MAX);
    (void) fputs(error == -EINVAL ? "\nTry `lookoutctl --help`.\n" : "\n", stderr);
}

static int exit_status(int error) {
    if (error >= 0)
        return EXIT_OK;
    if (error == -EINVAL)
        return EXIT_USAGE;
    return error == -EHOSTDOWN ? EXIT_NO_DAEMON : EXIT_FAILED;
}

int main(int argc, char **argv) {
    struct client client = { .stop_fd = -1 };
    struct fault fault = { "" };
    int r;

    (void) setlocale(LC_CTYPE, ""); /* an unknown locale leaves C: plain ASCII */
    client.screen = screen_of(stdout);
    r = options_parse(argc, argv, &client.options, &fault);
    if (r == 0)
        r = dispatch(&client, argc, argv, &fault);
    if (fflush(stdout) == EOF || ferror(stdout))
        r = r < 0 ? r : fault_set(&fault, -EIO, "cannot write the output: %s", strerror(errno));
    if (r < 0)
        complain(&fault, r);
    return exit_status(r);
}
