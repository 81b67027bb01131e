/* SPDX-License-Identifier: MIT */
/* Method: proc_pid_status(5), proc_pid_io(5), proc_pid_mountinfo(5), proc_pid_net(5). */
#include "daemon/diagnose.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/cleanup.h"

/* Handed every line of a file, without its end. */
typedef void line_fn(const char *line, struct diagnosis *diagnosis);

/* Returns whether all of it could be read. */
static bool each_line(const char *proc, const char *name, line_fn *fn,
                      struct diagnosis *diagnosis) {
    _cleanup_(freep) char *line = NULL;
    char path[PATH_MAX];
    size_t n_bytes = 0;
    FILE *from;
    bool all;

    (void) snprintf(path, sizeof(path), "%s/%s", proc, name); /* short names */
    from = fopen(path, "re");
    if (!from)
        return false;
    while (getline(&line, &n_bytes, from) > 0) {
        line[strcspn(line, "\n")] = '\0';
        fn(line, diagnosis);
    }
    all = !ferror(from);
    (void) fclose(from); /* only read from */
    return all;
}

static void take_status(const char *line, struct diagnosis *ret) {
    int64_t value;

    if (sscanf(line, "VmRSS: %" SCNd64, &value) == 1)
        ret->resident_kib = value;
    else if (sscanf(line, "VmHWM: %" SCNd64, &value) == 1)
        ret->peak_kib = value;
    else if (sscanf(line, "Threads: %" SCNd64, &value) == 1)
        ret->n_threads = value;
    else if (sscanf(line, "NoNewPrivs: %" SCNd64, &value) == 1)
        ret->no_new_privileges = value != 0;
    else if (sscanf(line, "Seccomp: %" SCNd64, &value) == 1)
        ret->seccomp = value != 0;
    else if (strncmp(line, "CapEff:", 7) == 0)
        (void) sscanf(line + 7, "%" SCNx64, &ret->capabilities); /* all, if it is unreadable */
    else if (strncmp(line, "Uid:", 4) == 0)
        (void) sscanf(line + 4, "%*u %" SCNu32, &ret->uid); /* the effective one */
}

static void take_io(const char *line, struct diagnosis *ret) {
    int64_t value;

    if (sscanf(line, "write_bytes: %" SCNd64, &value) == 1)
        ret->written_bytes = value;
}

/* The last mount on `/` is the one in use: ID PARENT DEVICE ROOT PLACE OPTIONS ... */
static void take_mount(const char *line, struct diagnosis *ret) {
    char place[8], options[8];

    if (sscanf(line, "%*s %*s %*s %*s %7s %7s", place, options) == 2 && strcmp(place, "/") == 0)
        ret->read_only = strncmp(options, "ro", 2) == 0;
}

/* "  eth0: 123 ..." behind two lines of headings. */
static void take_interface(const char *line, struct diagnosis *ret) {
    char name[32];

    if (sscanf(line, " %31[^: |]:", name) == 1 && strchr(line, ':') && strcmp(name, "lo") != 0)
        ret->network = true;
}

void diagnosis_read(const char *proc, struct diagnosis *ret) {
    *ret = (struct diagnosis){ .written_bytes = -1, .capabilities = UINT64_MAX };
    /* Each begins as if there were no sandbox, and stays so if its line does not come. */
    (void) each_line(proc, "status", take_status, ret);
    (void) each_line(proc, "io", take_io, ret);
    (void) each_line(proc, "mountinfo", take_mount, ret);
    if (!each_line(proc, "net/dev", take_interface, ret))
        ret->network = true; /* only a whole list can be without an interface */
}

json_t *diagnosis_json(const struct diagnosis *diagnosis) {
    char capabilities[24];

    (void) snprintf(capabilities, sizeof(capabilities), "%016" PRIx64, diagnosis->capabilities);
    return json_pack(
        "{s:{s:I, s:I, s:I, s:o}, s:{s:I, s:b, s:b, s:s, s:b, s:b}}", "process", "resident_kib",
        (json_int_t) diagnosis->resident_kib, "peak_kib", (json_int_t) diagnosis->peak_kib,
        "threads", (json_int_t) diagnosis->n_threads, "written_bytes",
        diagnosis->written_bytes < 0 ? json_null() : json_integer(diagnosis->written_bytes),
        "sandbox", "uid", (json_int_t) diagnosis->uid, "no_new_privileges",
        diagnosis->no_new_privileges, "seccomp", diagnosis->seccomp, "capabilities", capabilities,
        "read_only", diagnosis->read_only, "network", diagnosis->network);
}
