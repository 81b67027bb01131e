/* SPDX-License-Identifier: MIT */
#include "daemon/options.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "config/suggest.h"

const char options_help[] =
    "lookoutd [--config FILE] [--socket PATH] [--state DIR] [--bus system|session|none]\n"
    "lookoutd --check-config [FILE]\n"
    "\n"
    "Watches cameras, listens to microphones, and publishes what it detects.\n"
    "\n"
    "  --config FILE        read this INI and FILE.d/*.ini, instead of /etc/lookout/lookoutd.ini\n"
    "                       or /usr/lib/lookout/lookoutd.ini and their drop-ins\n"
    "  --socket PATH        listen here, instead of on systemd's socket or /run/lookoutd.sock\n"
    "  --state DIR          keep the last good configuration here, instead of in /var/lib/lookout\n"
    "  --bus WHICH          publish on this D-Bus; by default the system's for a service or root,\n"
    "                       the session's for a person, none where there is none\n"
    "  --check-config [FILE]  say all that is wrong with the configuration, status 1 if it has a\n"
    "                       mistake; and which tasks will not run, which is none\n"
    "  --replay             play the configured recordings under a virtual clock, as fast as "
    "possible,\n"
    "                       print the events as JSON lines, and end\n"
    "  --print-config ini   print the INI with every setting at its default (`man`: as roff)\n"
    "  --version, --help\n"
    "\n"
    "Example, without root and without systemd:\n"
    "  lookoutd --config my.ini --socket /tmp/lookout.sock --state /tmp/lookout &\n"
    "  lookoutctl --socket /tmp/lookout.sock watch\n"
    "\n"
    "See lookoutd(8), lookoutd.ini(5).\n";

struct reader {
    int argc, at;
    char **argv;
    const char *name, *value; /* of --name=value, else value is NULL */
    char name_bytes[64];
    struct fault *fault;
};

/* The value of the present option: behind `=`, or the next argument. NULL if there is none. */
static const char *value_of(struct reader *reader) {
    if (reader->value)
        return reader->value;
    if (reader->at + 1 < reader->argc && reader->argv[reader->at + 1][0] != '-')
        return reader->argv[++reader->at];
    return NULL;
}

static int need_value(struct reader *reader, const char *what, const char **ret) {
    *ret = value_of(reader);
    if (!*ret || **ret == '\0')
        return fault_set(reader->fault, -EINVAL, "%s needs %s", reader->name, what);
    return 0;
}

static int read_bus(struct reader *reader, enum bus_choice *ret) {
    static const char *const words[] = {
        [BUS_AUTO] = "auto", [BUS_SYSTEM] = "system", [BUS_SESSION] = "session", [BUS_NONE] = "none"
    };
    const char *word;
    const int r = need_value(reader, "one of: system, session, none", &word);

    for (int i = 0; r == 0 && i < (int) (sizeof(words) / sizeof(words[0])); i++)
        if (strcmp(word, words[i]) == 0) {
            *ret = (enum bus_choice) i;
            return 0;
        }
    return r < 0 ? r
                 : fault_set(reader->fault, -EINVAL,
                             "--bus %s: it is one of: system, session, none", word);
}

static int read_print(struct reader *reader, enum action *ret) {
    const char *word;
    const int r = need_value(reader, "`ini` or `man`", &word);

    if (r < 0)
        return r;
    if (strcmp(word, "ini") != 0 && strcmp(word, "man") != 0)
        return fault_set(reader->fault, -EINVAL, "--print-config %s: it is `ini` or `man`", word);
    *ret = word[0] == 'i' ? ACTION_PRINT_INI : ACTION_PRINT_MAN;
    return 0;
}

static int refuse(struct reader *reader) {
    static const char *const known[] = { "--config",       "--socket",       "--state",
                                         "--bus",          "--check-config", "--replay",
                                         "--print-config", "--version",      "--help" };
    struct suggest suggest = { .word = reader->name };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        suggest_offer(&suggest, known[i]);
    if (reader->name[0] != '-')
        return fault_set(reader->fault, -EINVAL, "`%s` is no option; try lookoutd --help",
                         reader->name);
    return fault_set(reader->fault, -EINVAL, "unknown option %s%s%s%s try lookoutd --help",
                     reader->name, suggest.best ? "; did you mean " : "",
                     suggest.best ? suggest.best : "", suggest.best ? "?" : ";");
}

static int read_option(struct reader *reader, struct options *options) {
    struct daemon_options *daemon = &options->daemon;
    const char *const name = reader->name, *file;

    if (strcmp(name, "--config") == 0)
        return need_value(reader, "a FILE", &daemon->config);
    if (strcmp(name, "--socket") == 0)
        return need_value(reader, "a PATH", &daemon->socket);
    if (strcmp(name, "--state") == 0)
        return need_value(reader, "a DIR", &daemon->state);
    if (strcmp(name, "--bus") == 0)
        return read_bus(reader, &daemon->bus);
    if (strcmp(name, "--print-config") == 0)
        return read_print(reader, &options->action);
    if (strcmp(name, "--check-config") == 0) {
        options->action = ACTION_CHECK;
        file = value_of(reader);
        daemon->config = file ? file : daemon->config;
        return 0;
    }
    if (reader->value)
        return refuse(reader);
    if (strcmp(name, "--replay") == 0)
        options->action = ACTION_REPLAY;
    else if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        options->action = ACTION_HELP;
    else if (strcmp(name, "--version") == 0)
        options->action = ACTION_VERSION;
    else
        return refuse(reader);
    return 0;
}

/* "--socket=PATH" is the name up to the sign and the value behind it. */
static void split(struct reader *reader) {
    const char *argument = reader->argv[reader->at], *equals = strchr(argument, '=');

    reader->name = argument;
    reader->value = NULL;
    if (strncmp(argument, "--", 2) != 0 || !equals ||
        (size_t) (equals - argument) >= sizeof(reader->name_bytes))
        return;
    (void) snprintf(reader->name_bytes, sizeof(reader->name_bytes), "%.*s",
                    (int) (equals - argument), argument);
    reader->name = reader->name_bytes;
    reader->value = equals + 1;
}

int options_read(int argc, char **argv, struct options *ret, struct fault *fault) {
    struct reader reader = { .argc = argc, .argv = argv, .fault = fault };
    struct options options = { .action = ACTION_RUN };

    for (reader.at = 1; reader.at < argc; reader.at++) {
        int r;

        split(&reader);
        r = read_option(&reader, &options);
        if (r < 0)
            return r;
    }
    *ret = options;
    return 0;
}
