/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target without libFuzzer: over every file of its corpus, over
 * variants of it made by cutting and by changing bytes, and over the file again
 * with one allocation failing, each in turn. The variants come from a fixed seed,
 * so that a failure here comes back with the same command.
 *
 *   fuzz_X [FILE | FOLDER]...
 *
 * Prints TAP, one case for a file with its variants. LOOKOUT_FUZZ_VARIANTS sets
 * their number. A target must say what is wrong by abort(3); the driver then
 * names the file and the variant, and leaves it in the file `fuzz-crash`.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"

enum {
    N_VARIANTS = 300,
    N_FAILURES_MAX = 200,     /* allocations that are made to fail, one a run */
    N_CHANGES_MAX = 4,        /* bytes changed in one variant */
    FILE_BYTES_MAX = 4 << 20, /* a corpus file is small */
    PATH_BYTES = 4096,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

/* What is being tried, for the handler of a crash. */
static struct {
    char path[PATH_BYTES];
    int variant;  /* -1: the file as it is */
    long fail_at; /* as in `allocations` below */
    const uint8_t *data;
    size_t n_bytes;
} current;

static unsigned n_cases;

/* The linker brings all allocations of our own code here (--wrap); libraries keep theirs. */
static struct {
    long n_seen, fail_at; /* fail_at: which one is refused, counted from 0; -1: none */
} allocations = { .fail_at = -1 };

void *__real_malloc(size_t n_bytes);
void *__real_calloc(size_t n, size_t n_bytes);
void *__real_realloc(void *old, size_t n_bytes);
void *__real_aligned_alloc(size_t align_bytes, size_t n_bytes);
void *__wrap_malloc(size_t n_bytes);
void *__wrap_calloc(size_t n, size_t n_bytes);
void *__wrap_realloc(void *old, size_t n_bytes);
void *__wrap_aligned_alloc(size_t align_bytes, size_t n_bytes);

static bool is_refused(void) {
    return allocations.n_seen++ == allocations.fail_at;
}

void *__wrap_malloc(size_t n_bytes) {
    return is_refused() ? NULL : __real_malloc(n_bytes);
}

void *__wrap_calloc(size_t n, size_t n_bytes) {
    return is_refused() ? NULL : __real_calloc(n, n_bytes);
}

void *__wrap_realloc(void *old, size_t n_bytes) {
    return is_refused() ? NULL : __real_realloc(old, n_bytes);
}

void *__wrap_aligned_alloc(size_t align_bytes, size_t n_bytes) {
    return is_refused() ? NULL : __real_aligned_alloc(align_bytes, n_bytes);
}

static void tell_crash(int signal_number) {
    const int fd = open("fuzz-crash", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    char text[PATH_BYTES + 128];
    const int n =
        snprintf(text, sizeof(text),
                 "# signal %d on %s, variant %d, refusing allocation %ld; kept as fuzz-crash\n",
                 signal_number, current.path, current.variant, current.fail_at);

    (void) !write(STDOUT_FILENO, text, (size_t) n); /* we are going down anyway */
    if (fd >= 0)
        (void) !write(fd, current.data, current.n_bytes);
    (void) raise(signal_number); /* SA_RESETHAND: this time it ends us */
}

/* Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8(14), 2003: 13, 7, 17. */
static uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* FNV-1a, so that each file has variants of its own. */
static uint64_t seed_of(const uint8_t *data, size_t n_bytes) {
    uint64_t hash = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < n_bytes; i++)
        hash = (hash ^ data[i]) * UINT64_C(1099511628211);
    return hash | 1; /* xorshift never leaves zero */
}

/* The target gets memory of exactly the size, so that ASan sees a byte too far. */
static int try_bytes(const uint8_t *data, size_t n_bytes, long fail_at) {
    _cleanup_(freep) uint8_t *copy = malloc(n_bytes ? n_bytes : 1);

    if (!copy)
        return -ENOMEM;
    if (n_bytes)
        (void) memcpy(copy, data, n_bytes);
    current.data = copy;
    current.n_bytes = n_bytes;
    current.fail_at = allocations.fail_at = fail_at;
    allocations.n_seen = 0;
    (void) LLVMFuzzerTestOneInput(copy, n_bytes); /* always 0 */
    allocations.fail_at = -1;
    return 0;
}

/* Refuse the first allocation, then the second ..., until one run needs no more than were tried. */
static int try_failures(const uint8_t *data, size_t n_bytes) {
    for (long i = 0; i < N_FAILURES_MAX; i++) {
        const int r = try_bytes(data, n_bytes, i);

        if (r < 0 || allocations.n_seen <= i)
            return r;
    }
    return 0;
}

/* Every third variant is cut, the others have some bytes changed (interesting ones first). */
static int try_variant(const uint8_t *data, size_t n_bytes, int variant, uint64_t *random) {
    static const uint8_t interesting[] = { 0x00, 0xff, 0x7f, 0x80, 0x01, '\n', '"', '[' };
    _cleanup_(freep) uint8_t *copy = malloc(n_bytes);
    const unsigned n_changes = 1 + (unsigned) (next_random(random) % N_CHANGES_MAX);

    if (!copy)
        return -ENOMEM;
    (void) memcpy(copy, data, n_bytes);
    if (variant % 3 == 0)
        return try_bytes(copy, next_random(random) % n_bytes, -1);
    for (unsigned i = 0; i < n_changes; i++) {
        const size_t at = next_random(random) % n_bytes;
        const uint64_t value = next_random(random);

        if (variant % 3 == 1)
            copy[at] ^= (uint8_t) (1U << (value % 8));
        else
            copy[at] = interesting[value % sizeof(interesting)];
    }
    return try_bytes(copy, n_bytes, -1);
}

static int try_content(const uint8_t *data, size_t n_bytes) {
    const char *const wanted = getenv("LOOKOUT_FUZZ_VARIANTS");
    const int n_variants = n_bytes ? (wanted ? atoi(wanted) : N_VARIANTS) : 0;
    uint64_t random = seed_of(data, n_bytes);
    int r;

    current.variant = -1;
    r = try_bytes(data, n_bytes, -1);
    if (r == 0)
        r = try_failures(data, n_bytes);
    for (int i = 0; i < n_variants && r == 0; i++) {
        current.variant = i;
        r = try_variant(data, n_bytes, i, &random);
    }
    return r;
}

/* 0, or -errno; the file is read whole. */
static int try_file(const char *path) {
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    _cleanup_(freep) uint8_t *data = NULL;
    struct stat stat;
    ssize_t n;

    if (fd < 0 || fstat(fd, &stat) < 0)
        return -errno;
    if (stat.st_size > FILE_BYTES_MAX)
        return -EFBIG;
    data = malloc((size_t) stat.st_size + 1);
    if (!data)
        return -ENOMEM;
    n = read(fd, data, (size_t) stat.st_size);
    if (n != stat.st_size)
        return -EIO;
    (void) snprintf(current.path, sizeof(current.path), "%s", path); /* cut is fine */
    return try_content(data, (size_t) n);
}

static bool run_case(const char *path) {
    const char *const slash = strrchr(path, '/');
    const int r = try_file(path);

    printf("%sok %u - %s and its variants are survived%s%s\n", r == 0 ? "" : "not ", ++n_cases,
           slash ? slash + 1 : path, r == 0 ? "" : " # ", r == 0 ? "" : strerror(-r));
    (void) fflush(stdout); /* what stands is told even if the next one crashes */
    return r == 0;
}

static int is_shown(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static bool run_folder(const char *folder) {
    struct dirent **entries = NULL;
    const int n = scandir(folder, &entries, is_shown, alphasort);
    bool good = n >= 0;

    for (int i = 0; i < n; i++) {
        char path[PATH_BYTES];

        (void) snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name); /* short names */
        good = run_case(path) && good;
        free(entries[i]);
    }
    free(entries);
    return good;
}

int main(int argc, char **argv) {
    const struct sigaction action = { .sa_handler = tell_crash, .sa_flags = (int) SA_RESETHAND };
    static const int signals[] = { SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL };
    bool good = true;

#ifndef __SANITIZE_ADDRESS__ /* it has better handlers */
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        (void) sigaction(signals[i], &action, NULL); /* only costs us the message */
#else
    (void) action, (void) signals;
#endif
    (void) snprintf(current.path, sizeof(current.path), "nothing");
    good = try_content((const uint8_t *) "", 0) == 0;
    printf("%sok %u - an input of no bytes is survived\n", good ? "" : "not ", ++n_cases);
    for (int i = 1; i < argc; i++) {
        struct stat stat_of;
        const bool folder = stat(argv[i], &stat_of) == 0 && S_ISDIR(stat_of.st_mode);

        good = (folder ? run_folder(argv[i]) : run_case(argv[i])) && good;
    }
    printf("1..%u\n", n_cases);
    return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
