/* SPDX-License-Identifier: MIT */
#include "daemon/state.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/units.h"
#include "config/describe.h"

enum { SEQUENCE_BYTES = 64, STATE_DIR_MODE = 0750 };

struct state {
    char *config, *config_new; /* paths */
    char *sequence_path;
    int sequence_fd;
    int64_t sequence;
    char boot[BOOT_ID_BYTES];
};

struct state *state_free(struct state *state) {
    if (!state)
        return NULL;
    closep(&state->sequence_fd);
    free(state->config);
    free(state->config_new);
    free(state->sequence_path);
    free(state);
    return NULL;
}

/* "BOOT-ID SEQUENCE" of an earlier start in the same boot. */
static void read_sequence(struct state *state) {
    char text[SEQUENCE_BYTES + 1] = "", boot[BOOT_ID_BYTES];
    int64_t sequence;

    if (pread(state->sequence_fd, text, SEQUENCE_BYTES, 0) > 0 &&
        sscanf(text, "%36s %" SCNd64, boot, &sequence) == 2 && strcmp(boot, state->boot) == 0 &&
        sequence > 0)
        state->sequence = sequence;
}

int state_new(const char *dir, const char *run_dir, const char *boot, struct state **ret,
              struct fault *fault) {
    _cleanup_(state_freep) struct state *state = calloc(1, sizeof(*state));

    if (!state)
        return -ENOMEM;
    state->sequence_fd = -1;
    (void) snprintf(state->boot, sizeof(state->boot), "%s", boot); /* same size */
    if (asprintf(&state->config, "%s/last-good.ini", dir) < 0 ||
        asprintf(&state->config_new, "%s/last-good.ini.new", dir) < 0 ||
        asprintf(&state->sequence_path, "%s/sequence", run_dir ? run_dir : dir) < 0)
        return -ENOMEM;
    if (mkdir(dir, STATE_DIR_MODE) < 0 && errno != EEXIST)
        (void) fault_set(fault, -errno, "%s: cannot be made: %s", dir, strerror(errno));
    state->sequence_fd =
        open(state->sequence_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (state->sequence_fd >= 0)
        read_sequence(state);
    else if (fault && fault->text[0] == '\0')
        (void) fault_set(fault, -errno, "%s: cannot be opened: %s", state->sequence_path,
                         strerror(errno));
    *ret = state;
    state = NULL;
    return 0;
}

const char *state_config_path(const struct state *state) {
    return state->config;
}

static bool holds(const char *path, const char *text, size_t n_bytes) {
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    _cleanup_(freep) char *there = malloc(n_bytes + 1);

    return fd >= 0 && there && read(fd, there, n_bytes + 1) == (ssize_t) n_bytes &&
           memcmp(there, text, n_bytes) == 0;
}

/* The whole text is on the disk before it takes the old file's place. */
static int write_file(const char *path, const char *path_new, const char *text, size_t n_bytes) {
    _cleanup_(closep) int fd =
        open(path_new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = write(fd, text, n_bytes);
    if (n < 0 || fsync(fd) < 0)
        return -errno;
    if ((size_t) n < n_bytes)
        return -ENOSPC;
    return rename(path_new, path) < 0 ? -errno : 0;
}

int state_keep_config(struct state *state, const struct settings *settings, struct fault *fault) {
    _cleanup_(freep) char *text = NULL;
    size_t n_bytes;
    FILE *to = open_memstream(&text, &n_bytes);
    int r;

    if (!to)
        return -ENOMEM;
    (void) fputs("# The last good configuration, kept by lookoutd; changes made here are lost.\n",
                 to);
    describe_settings(settings, to);
    if (fclose(to) != 0)
        return -ENOMEM;
    if (holds(state->config, text, n_bytes))
        return 0;
    r = write_file(state->config, state->config_new, text, n_bytes);
    if (r < 0)
        return fault_set(fault, r, "%s: the last good configuration cannot be kept: %s",
                         state->config_new, strerror(-r));
    return 0;
}

int64_t state_sequence(const struct state *state) {
    return state->sequence;
}

int state_keep_sequence(struct state *state, int64_t sequence, struct fault *fault) {
    char text[SEQUENCE_BYTES];
    int n;

    state->sequence = sequence;
    if (state->sequence_fd < 0)
        return 0; /* was told at the start */
    n = snprintf(text, sizeof(text), "%s %20" PRId64 "\n", state->boot, sequence);
    if (pwrite(state->sequence_fd, text, (size_t) n, 0) != n)
        return fault_set(fault, -EIO, "%s: cannot be written: %s", state->sequence_path,
                         strerror(errno));
    return 0;
}
