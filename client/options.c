/* SPDX-License-Identifier: MIT */
#include "client/options.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET_DEFAULT "/run/lookoutd.sock"

enum option_type { OPTION_FLAG, OPTION_TEXT, OPTION_NAMES, OPTION_NUMBER, OPTION_WHOLE };

struct option_row {
    const char *name, *argument;
    enum option_type type;
    size_t offset; /* in struct options */
    double min, max;
    const char *commands; /* whose it is, between spaces; NULL: everyone's */
    const char *help;
};

#define AT(field) offsetof(struct options, field)

static const struct option_row rows[] = {
    { "task", "NAME", OPTION_NAMES, AT(tasks), 0, 0, " watch events ",
      "only events of this task; may be repeated" },
    { "label", "NAME", OPTION_NAMES, AT(labels), 0, 0, " watch events ",
      "only events with this label; may be repeated" },
    { "min-confidence", "X", OPTION_NUMBER, AT(min_confidence), 0, 1, " watch events ",
      "only events at least this sure, 0 to 1" },
    { "since", "CURSOR", OPTION_TEXT, AT(since), 0, 0, " watch events ",
      "begin after this event: BOOT_ID:SEQUENCE, or SEQUENCE of this boot; 0 is the oldest kept" },
    { "scores", NULL, OPTION_FLAG, AT(scores), 0, 0, " watch ",
      "also show the scores of every decision" },
    { "count", "N", OPTION_WHOLE, AT(count), 1, 1e9, " watch events ",
      "watch: end after N events; events: show the last N (default 20)" },
    { "for", "SECONDS", OPTION_NUMBER, AT(for_s), 0.1, 1e9, " watch record look ",
      "end after this time" },
    { "long", NULL, OPTION_FLAG, AT(long_form), 0, 0, " watch events ",
      "a second line for each event: sensors, ages, latencies, bundle" },
    { "sensor", "NAME", OPTION_NAMES, AT(sensors), 0, 0, " record ",
      "record this sensor; may be repeated" },
    { "once", NULL, OPTION_FLAG, AT(once), 0, 0, " look ", "show it once and end" },
    { "png", "FILE", OPTION_TEXT, AT(png), 0, 0, " look ", "write it into a picture, once" },
    { "camera", "DEVICE", OPTION_TEXT, AT(camera), 0, 0, " setup ",
      "this one, by a name that `devices` lists, or none" },
    { "microphone", "DEVICE", OPTION_TEXT, AT(microphone), 0, 0, " setup ",
      "this one, by a name that `devices` lists, or none" },
    { "bundle", "NAME", OPTION_NAMES, AT(bundles), 0, 0, " setup ",
      "what to detect; may be repeated" },
    { "yes", NULL, OPTION_FLAG, AT(yes), 0, 0, " setup ",
      "ask nothing; what is not named is the first that can be used" },
    { "more", NULL, OPTION_FLAG, AT(more), 0, 0, " call ",
      "ask for a stream of replies, until it ends or ^C" },
    { "json", NULL, OPTION_FLAG, AT(json), 0, 0, NULL, "for programs: one JSON value a line" },
    { "socket", "PATH", OPTION_TEXT, AT(socket), 0, 0, NULL,
      "the daemon's socket (default: LOOKOUT_SOCKET, or " SOCKET_DEFAULT ")" },
    { "help", NULL, OPTION_FLAG, AT(help), 0, 0, NULL, "what a command does, with an example" },
    { "version", NULL, OPTION_FLAG, AT(version), 0, 0, NULL, "print the version" },
};

enum { N_ROWS = sizeof(rows) / sizeof(*rows) };

static bool is_of(const struct option_row *row, const char *command) {
    char word[32];

    if (!row->commands)
        return true;
    (void) snprintf(word, sizeof(word), " %.28s ", command); /* no command is that long */
    return strstr(row->commands, word) != NULL;
}

static const struct option_row *find(const char *name, size_t n_bytes) {
    for (size_t i = 0; i < N_ROWS; i++)
        if (strncmp(rows[i].name, name, n_bytes) == 0 && !rows[i].name[n_bytes])
            return &rows[i];
    return NULL;
}

static int store_number(const struct option_row *row, const char *value, double *ret,
                        struct fault *fault) {
    char *end;
    const double number = strtod(value, &end);

    if (end == value || *end || !(number >= row->min && number <= row->max))
        return fault_set(fault, -EINVAL, "--%s takes a number from %g to %g, not `%s`", row->name,
                         row->min, row->max, value);
    if (row->type == OPTION_WHOLE && number != floor(number))
        return fault_set(fault, -EINVAL, "--%s takes a whole number, not `%s`", row->name, value);
    *ret = number;
    return 0;
}

static int store_name(const struct option_row *row, const char *value, struct names *names,
                      struct fault *fault) {
    if (!*value)
        return fault_set(fault, -EINVAL, "--%s takes a name", row->name);
    if (names->n == OPTION_NAMES_MAX)
        return fault_set(fault, -EINVAL, "--%s may be given at most %d times", row->name,
                         OPTION_NAMES_MAX);
    names->items[names->n++] = value;
    return 0;
}

static int store(const struct option_row *row, const char *value, struct options *options,
                 struct fault *fault) {
    char *field = (char *) options + row->offset;

    switch (row->type) {
    case OPTION_FLAG:
        *(bool *) field = true;
        return 0;
    case OPTION_TEXT:
        *(const char **) (void *) field = value;
        return *value ? 0 : fault_set(fault, -EINVAL, "--%s takes %s", row->name, row->argument);
    case OPTION_NAMES:
        return store_name(row, value, (struct names *) (void *) field, fault);
    case OPTION_NUMBER:
    case OPTION_WHOLE:
        return store_number(row, value, (double *) (void *) field, fault);
    }
    return -EINVAL;
}

/* Take the option at argv[*i], and the word behind it if that is its value. */
static int take(int argc, char **argv, int *i, struct options *options, struct fault *fault) {
    const char *name = argv[*i] + 2, *equals = strchr(name, '=');
    const struct option_row *row = find(name, equals ? (size_t) (equals - name) : strlen(name));
    const char *value = equals ? equals + 1 : NULL;

    if (!row)
        return fault_set(fault, -EINVAL, "unknown option %s", argv[*i]);
    if (row->type == OPTION_FLAG && value)
        return fault_set(fault, -EINVAL, "--%s takes no value", row->name);
    if (row->type != OPTION_FLAG && !value) {
        if (*i + 1 >= argc)
            return fault_set(fault, -EINVAL, "--%s needs %s behind it", row->name, row->argument);
        value = argv[++*i];
    }
    return store(row, value, options, fault);
}

int options_parse(int argc, char **argv, struct options *ret, struct fault *fault) {
    const char *socket = getenv("LOOKOUT_SOCKET");
    struct options options = { .socket = socket && *socket ? socket : SOCKET_DEFAULT };
    bool is_open = true; /* no `--` yet */

    for (int i = 1; i < argc; i++) {
        int r = 0;
        if (is_open && strcmp(argv[i], "--") == 0)
            is_open = false;
        else if (is_open && strcmp(argv[i], "-h") == 0)
            options.help = true;
        else if (is_open && strncmp(argv[i], "--", 2) == 0)
            r = take(argc, argv, &i, &options, fault);
        else if (is_open && argv[i][0] == '-' && argv[i][1])
            r = fault_set(fault, -EINVAL, "unknown option %s", argv[i]);
        else if (options.n_words == OPTION_WORDS_MAX)
            r = fault_set(fault, -EINVAL, "too many words, from `%s` on", argv[i]);
        else
            options.words[options.n_words++] = argv[i];
        if (r < 0)
            return r;
    }
    *ret = options;
    return 0;
}

int options_check(int argc, char **argv, const char *command, struct fault *fault) {
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const char *name = argv[i] + 2;
        const struct option_row *row = NULL;
        if (strncmp(argv[i], "--", 2) == 0)
            row = find(name, strcspn(name, "="));
        if (!row)
            continue;
        if (!is_of(row, command))
            return fault_set(fault, -EINVAL, "`%s` has no option --%s", command, row->name);
        if (row->type != OPTION_FLAG && !strchr(name, '='))
            i++; /* its value */
    }
    return 0;
}

void options_help(FILE *out, const char *command) {
    for (size_t i = 0; i < N_ROWS; i++) {
        char head[40];
        if (command ? !is_of(&rows[i], command) || !rows[i].commands : rows[i].commands != NULL)
            continue;
        (void) snprintf(head, sizeof(head), "--%s%s%s", rows[i].name, rows[i].argument ? " " : "",
                        rows[i].argument ? rows[i].argument
                                         : ""); /* the longest has 20 characters */
        (void) fprintf(out, "  %-20s %s\n", head, rows[i].help);
    }
}
