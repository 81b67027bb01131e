/* SPDX-License-Identifier: MIT */
#include "client/doctor.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "client/field.h"
#include "client/render_time.h"

enum {
    TEXT_BYTES = 512,
    STATE_COLUMNS = 9,
    CHECK_COLUMNS = 20,
    LEAST_COLUMNS = 20,
    KIB_PER_MIB = 1024
};

/* From when on something is worth a person's time. */
static const double QUALITY_LOW = 0.5;    /* a modality begins to be left out */
static const double HOT_C = 80;           /* the Pi slows itself down from here on */
static const double WINDOWS_SHARE = 0.01; /* of all that were due, dropped or late */
static const double WINDOWS_LEAST = 10;   /* fewer happen when sensors start */
static const double GAPS_PER_HOUR = 10;   /* each costs a window or two */
static const double SLOW_MS = 1000;       /* from the end of a window to its event */
static const double MEMORY_SHARE = 0.1;   /* of the machine's, still free */
static const double CARD_BYTES_A_DAY =
    5e9; /* 32 GB, 3000 times over, last 50 years; cheap cards less */
static const double OWN_BYTES_A_DAY = 2e8;
static const double SETTLED_S = 600; /* before, a day cannot be told from what was written */

#define DAY_S 86400.0

static const char *const good = "good", *const note = "note", *const warning = "warning",
                         *const bad = "bad";

/* --- a finding --- */

struct doctor {
    const struct patient *patient;
    json_t *findings; /* NULL once there was no memory */
};

/* @what_to_do is NULL if there is nothing to do. */
__attribute__((format(printf, 5, 6))) static void add(struct doctor *doctor, const char *check,
                                                      const char *state, const char *what_to_do,
                                                      const char *format, ...) {
    char text[TEXT_BYTES];
    va_list arguments;
    size_t n;

    va_start(arguments, format);
    (void) vsnprintf(text, sizeof(text), format, arguments); /* cut is fine */
    va_end(arguments);
    for (n = strlen(text); n > 0 && ((unsigned char) text[n - 1] & 0xc0) == 0x80; n--)
        ; /* perhaps cut within a character, which JSON refuses */
    if (strlen(text) == sizeof(text) - 1)
        text[n > 0 ? n - 1 : 0] = '\0';
    if (doctor->findings &&
        json_array_append_new(doctor->findings,
                              json_pack("{s:s, s:s, s:s, s:s?}", "check", check, "state", state,
                                        "text", text, "what_to_do", what_to_do)) < 0) {
        json_decref(doctor->findings);
        doctor->findings = NULL;
    }
}

/* How long the daemon runs. */
static double running_s(const struct patient *patient) {
    const int64_t since = field_ns(json_object_get(patient->status, "since"), "monotonic_ns");

    return since > 0 && since < patient->now_ns
               ? (double) (patient->now_ns - since) / (double) NS_PER_S
               : 0;
}

/* --- the daemon --- */

static void check_daemon(struct doctor *doctor) {
    const json_t *status = doctor->patient->status;
    const json_t *errors = json_object_get(status, "config_errors");
    char span[TIME_BYTES];

    if (doctor->patient->unreachable) {
        add(doctor, "daemon", bad,
            "sudo systemctl start lookoutd; if it ends again: journalctl -u lookoutd -b",
            "cannot be asked: %s", doctor->patient->unreachable);
        return;
    }
    time_span((int64_t) (running_s(doctor->patient) * (double) NS_PER_S), span);
    add(doctor, "daemon", good, NULL, "lookoutd %s is %s, for %s, pid %" PRId64,
        field_text(status, "version"), field_text(status, "state"), span,
        field_integer(status, "pid"));
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const char *error = json_string_value(json_array_get(errors, i));

        add(doctor, "configuration", bad, "mend that line, then `sudo lookoutctl reload`", "%s",
            error ? error : "a mistake without a name");
    }
    if (json_array_size(errors) == 0)
        add(doctor, "configuration", good, NULL, "no mistakes");
}

static bool is_set(const struct patient *patient, const char *key, const char *value) {
    for (size_t i = 0; i < json_array_size(patient->settings); i++) {
        const json_t *setting = json_array_get(patient->settings, i);

        if (strcmp(field_text(setting, "section"), "lookoutd") == 0 &&
            strcmp(field_text(setting, "key"), key) == 0)
            return strcmp(field_text(setting, "value"), value) == 0;
    }
    return false;
}

static void check_settings(struct doctor *doctor) {
    if (is_set(doctor->patient, "allow_record", "yes"))
        add(doctor, "configuration", note,
            "set allow_record = no when you have what you need; people may be heard and seen",
            "allow_record = yes: whoever is in lookout-admin may record sound and pictures");
    if (is_set(doctor->patient, "allow_unsigned", "yes"))
        add(doctor, "configuration", note,
            "sign your bundles (bundle.md, minisign) and set it to no",
            "allow_unsigned = yes: bundles that nobody signed are used");
}

/* --- sensors and tasks --- */

static const char *what_to_do_about(const char *reason) {
    static const struct {
        const char *reason, *what_to_do;
    } cures[] = {
        { "dark", "is the lens covered, or the light off? `lookoutctl look` shows the picture" },
        { "blurred", "clean the lens, or focus it; `lookoutctl look` shows the picture" },
        { "frozen", "the camera sends one picture for ever: unplug it and plug it in again" },
        { "silent", "is it muted, or unplugged? `alsamixer -c CARD`, `lookoutctl look`" },
        { "clipped", "turn it down: `alsamixer -c CARD`, F4; `lookoutctl look` shows the level" },
        { "frequent gaps", "is the machine too busy, or the USB cable bad? `lookoutctl status`" },
    };

    for (size_t i = 0; i < sizeof(cures) / sizeof(*cures); i++)
        if (strncmp(reason, cures[i].reason, strlen(cures[i].reason)) == 0)
            return cures[i].what_to_do;
    return "is it plugged in, and free? `lookoutctl devices` says what to do";
}

/* "YUYV 640x480, 10/s, quality 98 %, 3 gaps, lost 1 times" */
static void sensor_figures(const json_t *sensor, char ret[TEXT_BYTES]) {
    const char *format = field_text(sensor, "format");
    const double rate = field_number(sensor, "rate");
    char rate_text[32] = "";

    if (rate > 0 && !strstr(format, " Hz")) /* of sound, it is in the format */
        (void) snprintf(rate_text, sizeof(rate_text), ", %g/s", rate);
    (void) snprintf(ret, TEXT_BYTES, /* cut is fine */
                    "%.128s%s, quality %.0f %%, %" PRId64 " gaps, lost %" PRId64 " times", format,
                    rate_text, field_number(sensor, "quality") * 100,
                    field_integer(sensor, "n_gaps"), field_integer(sensor, "n_lost"));
}

static void check_sensor(struct doctor *doctor, const json_t *sensor) {
    const char *state = field_text(sensor, "state"), *reason = field_text(sensor, "reason");
    const double hours = running_s(doctor->patient) / 3600, n_gaps = field_number(sensor, "n_gaps");
    char check[64], figures[TEXT_BYTES];

    (void) snprintf(check, sizeof(check), "sensor %.40s", field_text(sensor, "name")); /* fits */
    sensor_figures(sensor, figures);
    if (strcmp(state, "off") == 0)
        add(doctor, check, note, NULL, "off: %s", reason);
    else if (strcmp(state, "starting") == 0)
        add(doctor, check, note, NULL, "starting; ask again in a moment");
    else if (strcmp(state, "degraded") == 0)
        add(doctor, check, warning, what_to_do_about(reason), "degraded: %s; %s", reason, figures);
    else if (strcmp(state, "running") != 0)
        add(doctor, check, bad, what_to_do_about(reason), "%s: %s", state,
            *reason ? reason : "no reason was given");
    else if (field_number(sensor, "quality") < QUALITY_LOW)
        add(doctor, check, note,
            "`sudo lookoutctl look` shows what comes; perhaps it is only night, or quiet", "%s",
            figures);
    else if (hours > 0 && n_gaps > GAPS_PER_HOUR && n_gaps / hours > GAPS_PER_HOUR)
        add(doctor, check, warning, what_to_do_about("frequent gaps"), "%s; %.0f gaps an hour",
            figures, n_gaps / hours);
    else
        add(doctor, check, good, NULL, "%s", figures);
}

static void check_task(struct doctor *doctor, const json_t *task) {
    const char *state = field_text(task, "state"), *reason = field_text(task, "reason");
    char check[64];

    (void) snprintf(check, sizeof(check), "task %.40s", field_text(task, "name")); /* fits */
    if (strcmp(reason, "enabled = no") == 0)
        add(doctor, check, note, NULL, "stopped: %s", reason);
    else if (strcmp(state, "running") == 0)
        add(doctor, check, good, NULL, "running, bundle %s", field_text(task, "bundle"));
    else
        add(doctor, check, strcmp(state, "stopped") == 0 ? bad : warning,
            *reason ? "`lookoutctl bundles`, `lookoutctl config` and lookoutd.ini(5)"
                    : "see its sensors above",
            "%s%s%s", *state ? state : "in no state", *reason ? ": " : "", reason);
}

static void check_sensors_and_tasks(struct doctor *doctor) {
    const json_t *sensors = json_object_get(doctor->patient->status, "sensors"),
                 *tasks = json_object_get(doctor->patient->status, "tasks");

    for (size_t i = 0; i < json_array_size(sensors); i++)
        check_sensor(doctor, json_array_get(sensors, i));
    if (json_array_size(sensors) == 0)
        add(doctor, "sensors", bad, "sudo lookoutctl setup", "none is configured");
    for (size_t i = 0; i < json_array_size(tasks); i++)
        check_task(doctor, json_array_get(tasks, i));
    if (json_array_size(tasks) == 0)
        add(doctor, "tasks", bad, "sudo lookoutctl setup",
            "none is configured, so no events will come");
}

/* --- speed --- */

static void check_stages(struct doctor *doctor) {
    static const char *const stages[] = { "capture", "queue",  "features", "encode",
                                          "align",   "decide", "published" };
    const json_t *statistics = json_object_get(doctor->patient->status, "statistics");
    char text[TEXT_BYTES] = "", name[64];
    size_t n = 0;

    for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++) {
        double p50, p99;

        (void) snprintf(name, sizeof(name), "%s_ms_p50", stages[i]); /* these fit */
        p50 = field_number(statistics, name);
        (void) snprintf(name, sizeof(name), "%s_ms_p99", stages[i]);
        p99 = field_number(statistics, name);
        if (p99 > 0 && n < sizeof(text))
            n += (size_t) snprintf(text + n, sizeof(text) - n, "%s%s %.1f (%.1f)", n ? ", " : "",
                                   stages[i], p50, p99); /* cut is fine */
    }
    if (!text[0])
        return; /* nothing went through yet */
    if (field_number(statistics, "published_ms_p99") > SLOW_MS)
        add(doctor, "speed", warning, "fewer tasks, smaller pictures, or a faster machine",
            "ms, 99 %% under: %s", text);
    else
        add(doctor, "speed", good, NULL, "ms (99 %% under): %s", text);
}

static void check_windows(struct doctor *doctor) {
    const json_t *statistics = json_object_get(doctor->patient->status, "statistics");
    const double encoded = field_number(statistics, "windows_encoded"),
                 dropped = field_number(statistics, "windows_dropped"),
                 late = field_number(statistics, "windows_late"),
                 readers = field_number(statistics, "subscribers_dropped");
    const double share = (dropped + late) / fmax(encoded + dropped, 1);
    const bool many = share > WINDOWS_SHARE && dropped + late >= WINDOWS_LEAST;

    if (isnan(share))
        return;
    add(doctor, "windows", many ? warning : good,
        many ? "gaps of a sensor, or too slow a machine: see both here" : NULL,
        "%.0f encoded, %.0f dropped, %.0f late (%.1f %%)", encoded, dropped, late, share * 100);
    if (readers > 0)
        add(doctor, "subscribers", warning,
            "the journal names the process: it must read faster, or watch less",
            "%.0f read too slowly and were dropped", readers);
}

/* --- the machine --- */

static void check_heat(struct doctor *doctor) {
    const struct machine *machine = doctor->patient->machine;

    if (isnan(machine->temperature_c))
        add(doctor, "temperature", note, NULL, "this machine does not tell");
    else if (machine->temperature_c >= HOT_C)
        add(doctor, "temperature", warning, "a heat sink, a fan, or a cooler place",
            "%.0f C at %s; it slows itself down", machine->temperature_c, machine->temperature_of);
    else
        add(doctor, "temperature", good, NULL, "%.0f C at %s", machine->temperature_c,
            machine->temperature_of);
}

static void check_power(struct doctor *doctor) {
    static const char supply[] =
        "a better supply and a short, thick cable; fewer USB devices on it";
    const struct machine *machine = doctor->patient->machine;
    const unsigned now = machine->throttled, before = machine->throttled >> THROTTLED_BEFORE;

    if (!machine->knows_throttled && !machine->knows_voltage)
        add(doctor, "power", note, NULL, "this machine does not tell");
    else if (machine->under_voltage || (now & THROTTLED_UNDER_VOLTAGE))
        add(doctor, "power", bad, supply, "under-voltage now");
    else if (before & THROTTLED_UNDER_VOLTAGE)
        add(doctor, "power", warning, supply, "under-voltage since it was started");
    else
        add(doctor, "power", good, NULL, "no under-voltage");
    if (now & (THROTTLED_CAPPED | THROTTLED_NOW | THROTTLED_SOFT_LIMIT))
        add(doctor, "throttling", warning, "see temperature and power", "slowed down now");
    else if (before & (THROTTLED_CAPPED | THROTTLED_NOW | THROTTLED_SOFT_LIMIT))
        add(doctor, "throttling", warning, "see temperature and power",
            "slowed down since it was started");
    else if (machine->knows_throttled)
        add(doctor, "throttling", good, NULL, "never since it was started");
}

static void check_memory(struct doctor *doctor) {
    const struct machine *machine = doctor->patient->machine;
    const json_t *process = json_object_get(doctor->patient->diagnosis, "process");
    const double total = (double) machine->memory_kib / KIB_PER_MIB,
                 available = (double) machine->memory_available_kib / KIB_PER_MIB;
    char own[96] = "";

    if (process)
        (void) snprintf(own, sizeof(own), "lookoutd has %.1f MiB, at most %.1f; ", /* fits */
                        field_number(process, "resident_kib") / KIB_PER_MIB,
                        field_number(process, "peak_kib") / KIB_PER_MIB);
    if (total > 0)
        add(doctor, "memory", available < MEMORY_SHARE * total ? warning : good,
            available < MEMORY_SHARE * total ? "what needs so much? `ps aux --sort -rss | head`"
                                             : NULL,
            "%s%.0f of %.0f MiB free", own, available, total);
}

static void check_disk(struct doctor *doctor, const struct machine_disk *disk) {
    const double uptime_s = doctor->patient->machine->uptime_s;
    const double a_day = (double) disk->written_bytes / uptime_s * DAY_S;
    const bool is_card = strncmp(disk->name, "mmcblk", 6) == 0;
    char check[96];

    (void) snprintf(check, sizeof(check), "%s %s", is_card ? "card" : "disk", disk->name);
    if (uptime_s < SETTLED_S)
        add(doctor, check, note, NULL, "%.1f MB written; too early to say how much a day",
            (double) disk->written_bytes / 1e6);
    else if (is_card && a_day > CARD_BYTES_A_DAY)
        add(doctor, check, warning,
            "cards wear out: who writes? `sudo iotop -ao`; journald.conf: Storage=volatile",
            "%.1f GB written a day", a_day / 1e9);
    else
        add(doctor, check, good, NULL, "%.2f GB written a day", a_day / 1e9);
}

static void check_disks(struct doctor *doctor) {
    const struct machine *machine = doctor->patient->machine;
    const json_t *process = json_object_get(doctor->patient->diagnosis, "process");
    const double written = field_number(process, "written_bytes"),
                 seconds = running_s(doctor->patient);
    const double a_day = written / seconds * DAY_S;
    double all = 0;

    for (size_t i = 0; i < machine->n_disks; i++) {
        check_disk(doctor, &machine->disks[i]);
        all += (double) machine->disks[i].written_bytes;
    }
    if (isnan(written) || seconds <= 0)
        return;
    if (seconds < SETTLED_S)
        add(doctor, "own writes", note, NULL, "%.2f MB; too early to say how much a day",
            written / 1e6);
    else
        add(doctor, "own writes", a_day > OWN_BYTES_A_DAY ? warning : good,
            a_day > OWN_BYTES_A_DAY ? "is a recording going on? `journalctl -u lookoutd`" : NULL,
            "lookoutd writes %.2f MB a day, %.1f %% of all; the journal comes on top", a_day / 1e6,
            all > 0 ? 100 * a_day * machine->uptime_s / DAY_S / all : 0);
}

static void check_clock(struct doctor *doctor) {
    if (doctor->patient->synchronised)
        add(doctor, "clock", good, NULL, "synchronised");
    else
        add(doctor, "clock", warning,
            "timedatectl; sudo timedatectl set-ntp yes (apt install systemd-timesyncd)",
            "not synchronised: the times of events may be off");
}

/* --- security and licences --- */

static void check_sandbox(struct doctor *doctor) {
    const json_t *sandbox = json_object_get(doctor->patient->diagnosis, "sandbox");
    const unsigned long long capabilities =
        strtoull(field_text(sandbox, "capabilities"), NULL, 16); /* garbage reads as 0 */
    char text[TEXT_BYTES];
    size_t n = 0;

    if (!sandbox)
        return;
    const struct {
        bool missing;
        const char *words;
    } holes[] = {
        { field_integer(sandbox, "uid") == 0, "runs as root" },
        { capabilities != 0, "has capabilities" },
        { !field_true(sandbox, "no_new_privileges"), "may gain privileges" },
        { !field_true(sandbox, "seccomp"), "may make any system call" },
        { !field_true(sandbox, "read_only"), "may write to the system" },
        { field_true(sandbox, "network"), "sees the network" },
    };

    text[0] = '\0';
    for (size_t i = 0; i < sizeof(holes) / sizeof(*holes); i++)
        if (holes[i].missing)
            n += (size_t) snprintf(text + n, sizeof(text) - n, "%s%s", n ? ", " : "",
                                   holes[i].words); /* fits */
    if (text[0])
        add(doctor, "sandbox", warning,
            "let systemd start it: sudo systemctl restart lookoutd; systemctl cat lookoutd",
            "lookoutd %s", text);
    else
        add(doctor, "sandbox", good, NULL,
            "in force: no privileges, system calls filtered, system read-only, no network");
}

static void check_bundles(struct doctor *doctor) {
    for (size_t i = 0; i < json_array_size(doctor->patient->bundles); i++) {
        const json_t *bundle = json_array_get(doctor->patient->bundles, i);
        const char *trust = field_text(bundle, "trust");
        const bool non_commercial = field_true(bundle, "non_commercial"),
                   is_unsigned = strcmp(trust, "unsigned") == 0;
        char check[64];

        (void) snprintf(check, sizeof(check), "bundle %.40s",
                        field_text(bundle, "name")); /* fits */
        add(doctor, check, non_commercial || is_unsigned ? note : good,
            non_commercial ? "not for commercial use: train your own (bundle.md)"
            : is_unsigned  ? "sign it (bundle.md, minisign)"
                           : NULL,
            "%s, licence %s, %s", field_text(bundle, "version"), field_text(bundle, "licence"),
            strcmp(trust, "package") == 0 ? "from its package" : trust);
    }
}

json_t *doctor_examine(const struct patient *patient) {
    struct doctor doctor = { .patient = patient, .findings = json_array() };

    check_daemon(&doctor);
    if (!patient->unreachable) {
        check_settings(&doctor);
        check_sensors_and_tasks(&doctor);
        check_stages(&doctor);
        check_windows(&doctor);
        check_bundles(&doctor);
        check_sandbox(&doctor);
    }
    check_clock(&doctor);
    check_heat(&doctor);
    check_power(&doctor);
    check_memory(&doctor);
    check_disks(&doctor);
    return doctor.findings;
}

/* --- what a person gets --- */

static bool is_finding(const json_t *finding) {
    const char *state = field_text(finding, "state");

    return strcmp(state, warning) == 0 || strcmp(state, bad) == 0;
}

size_t doctor_n_findings(const json_t *findings) {
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(findings); i++)
        n += is_finding(json_array_get(findings, i));
    return n;
}

static enum colour colour_of(const char *state) {
    if (strcmp(state, good) == 0)
        return COLOUR_GOOD;
    if (strcmp(state, bad) == 0)
        return COLOUR_BAD;
    return strcmp(state, warning) == 0 ? COLOUR_WARN : COLOUR_DIM;
}

/* @text by whole words, in the columns behind @indent, where the terminal has an end. */
static void write_wrapped(const struct screen *screen, enum colour colour, const char *text,
                          size_t indent) {
    const size_t room =
        screen->columns > indent + LEAST_COLUMNS ? screen->columns - indent : SIZE_MAX;
    char line[TEXT_BYTES];

    while (*text) {
        size_t n = strcspn(text, " "), next = n;

        while (text[next]) { /* the next word fits too */
            next += 1 + strcspn(text + next + 1, " ");
            (void) snprintf(line, sizeof(line), "%.*s", (int) next, text); /* cut is fine */
            if (screen_columns(screen, line) > room)
                break;
            n = next;
        }
        (void) snprintf(line, sizeof(line), "%.*s", (int) n, text);
        (void) screen_text(screen, colour, line, SIZE_MAX);
        (void) fputc('\n', screen->out); /* ferror() is looked at when the program ends */
        text += n + (text[n] == ' ');
        screen_space(screen, *text ? indent : 0);
    }
}

void doctor_write(const struct screen *screen, const json_t *findings) {
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *finding = json_array_get(findings, i);
        const char *state = field_text(finding, "state"),
                   *what_to_do = field_text(finding, "what_to_do");

        screen_cell(screen, colour_of(state), state, STATE_COLUMNS);
        screen_cell(screen, COLOUR_BOLD, field_text(finding, "check"), CHECK_COLUMNS);
        write_wrapped(screen, COLOUR_NONE, field_text(finding, "text"),
                      STATE_COLUMNS + CHECK_COLUMNS);
        if (!*what_to_do)
            continue;
        screen_space(screen, STATE_COLUMNS + CHECK_COLUMNS);
        (void) screen_text(screen, colour_of(state), screen->unicode ? "\xe2\x86\x92 " : "> ", 2);
        write_wrapped(screen, colour_of(state), what_to_do, STATE_COLUMNS + CHECK_COLUMNS + 2);
    }
}
