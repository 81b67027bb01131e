/* SPDX-License-Identifier: MIT */
#include "models/bundle_dir.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <sys/stat.h>

#include "models/minisign.h"

enum {
    FILES_MAX = 64,
    FILE_NAME_BYTES = 128, /* with one directory and NUL */
    SUMS_BYTES_MAX = 64 * 1024,
    SHA256_HEX_ITEMS = SHA256_HEX_BYTES - 1,
};

static const char sums_name[] = "SHA256SUMS";
static const char signature_name[] = "SHA256SUMS.minisig";
static const char selftest_dir[] = "selftest/";

struct listed {
    char name[FILE_NAME_BYTES];
    uint8_t sha256[crypto_hash_sha256_BYTES];
};

struct bundle_dir {
    char *path;
    int fd;
    enum bundle_trust trust;
    char sha256[SHA256_HEX_BYTES];
    size_t n_files;
    struct listed files[FILES_MAX];
};

struct bundle_dir *bundle_dir_free(struct bundle_dir *dir) {
    if (!dir)
        return NULL;
    if (dir->fd >= 0)
        (void) close(dir->fd); /* only read from */
    free(dir->path);
    free(dir);
    return NULL;
}

const char *bundle_dir_path(const struct bundle_dir *dir) {
    return dir->path;
}

enum bundle_trust bundle_dir_trust(const struct bundle_dir *dir) {
    return dir->trust;
}

const char *bundle_dir_sha256(const struct bundle_dir *dir) {
    return dir->sha256;
}

const char *bundle_dir_file(const struct bundle_dir *dir, size_t i) {
    return i < dir->n_files ? dir->files[i].name : NULL;
}

/* All of the open file @fd; -EFBIG past @max_bytes. A NUL is put behind the last byte. */
static int read_whole(int fd, size_t max_bytes, char **ret_bytes, size_t *ret_n) {
    _cleanup_(freep) char *bytes = NULL;
    struct stat st;
    size_t n = 0;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    if ((uint64_t) st.st_size > max_bytes)
        return -EFBIG;
    bytes = malloc((size_t) st.st_size + 1);
    if (!bytes)
        return -ENOMEM;
    while (n < (size_t) st.st_size) {
        const ssize_t got = read(fd, bytes + n, (size_t) st.st_size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break; /* it shrank; its hash will tell */
        n += (size_t) got;
    }
    bytes[n] = '\0';
    *ret_bytes = bytes;
    *ret_n = n;
    bytes = NULL; /* now the caller's */
    return 0;
}

/* Open @name, which may lie in selftest/, following no link. */
static int open_below(int dir_fd, const char *name) {
    _cleanup_(closep) int sub_fd = -1;
    const size_t n_dir = sizeof(selftest_dir) - 1;
    int fd;

    if (strncmp(name, selftest_dir, n_dir) == 0) {
        sub_fd = openat(dir_fd, "selftest", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (sub_fd < 0)
            return -errno;
        name += n_dir;
    }
    fd =
        openat(sub_fd >= 0 ? sub_fd : dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

static int read_below(const struct bundle_dir *dir, const char *name, size_t max_bytes,
                      char **ret_bytes, size_t *ret_n, struct fault *fault) {
    _cleanup_(closep) int fd = open_below(dir->fd, name);
    int r;

    if (fd == -ELOOP || fd == -EMLINK)
        return fault_set(fault, -EBADMSG,
                         "%s/%s: is a symbolic link; a bundle holds its files itself", dir->path,
                         name);
    if (fd == -ENOENT)
        return fault_set(fault, -ENOENT, "%s/%s: is missing", dir->path, name);
    if (fd < 0)
        return fault_set(fault, fd, "%s/%s: cannot be opened: %s", dir->path, name, strerror(-fd));
    r = read_whole(fd, max_bytes, ret_bytes, ret_n);
    if (r == -EFBIG)
        return fault_set(fault, r, "%s/%s: is larger than %zu KiB", dir->path, name,
                         max_bytes / 1024);
    if (r == -EINVAL)
        return fault_set(fault, -EBADMSG, "%s/%s: is not a regular file", dir->path, name);
    if (r < 0)
        return fault_set(fault, r, "%s/%s: cannot be read: %s", dir->path, name, strerror(-r));
    return 0;
}

/* `name` or `selftest/name`, made of plain characters. */
static bool is_file_name(const char *name, size_t n) {
    const size_t n_dir = sizeof(selftest_dir) - 1;

    if (n > n_dir && memcmp(name, selftest_dir, n_dir) == 0) {
        name += n_dir;
        n -= n_dir;
    }
    if (n == 0 || n >= FILE_NAME_BYTES - n_dir || name[0] == '.')
        return false;
    for (size_t i = 0; i < n; i++)
        if (name[i] == '/' || name[i] == '\\' || (unsigned char) name[i] <= ' ' || name[i] == 0x7f)
            return false;
    return true;
}

/* "HASH  name" or "HASH *name", as sha256sum(1) writes it. Returns what is wrong, or NULL. */
static const char *read_sum(struct bundle_dir *dir, const char *line, size_t n) {
    struct listed *const file = &dir->files[dir->n_files];
    size_t n_hash = 0;

    if (n < SHA256_HEX_ITEMS + 2 ||
        sodium_hex2bin(file->sha256, sizeof(file->sha256), line, SHA256_HEX_ITEMS, NULL, &n_hash,
                       NULL) != 0 ||
        n_hash != sizeof(file->sha256) || line[SHA256_HEX_ITEMS] != ' ' ||
        (line[SHA256_HEX_ITEMS + 1] != ' ' && line[SHA256_HEX_ITEMS + 1] != '*'))
        return "is not 64 hex digits, two blanks and a file name, as sha256sum writes them";
    line += SHA256_HEX_ITEMS + 2;
    n -= SHA256_HEX_ITEMS + 2;
    if (!is_file_name(line, n))
        return "names a file outside the bundle; allowed are NAME and selftest/NAME";
    memcpy(file->name, line, n);
    file->name[n] = '\0';
    for (size_t i = 0; i < dir->n_files; i++)
        if (strcmp(dir->files[i].name, file->name) == 0)
            return "lists a file for the second time";
    dir->n_files++;
    return NULL;
}

static int read_sums(struct bundle_dir *dir, const char *text, size_t n_bytes,
                     struct fault *fault) {
    const char *next = text, *const end = text + n_bytes;

    for (unsigned line = 1; next < end; line++) {
        const char *const newline = memchr(next, '\n', (size_t) (end - next));
        const size_t n = (size_t) ((newline ? newline : end) - next);
        const char *problem;

        if (dir->n_files == FILES_MAX)
            return fault_set(fault, -EBADMSG, "%s/%s:%u: more than %d files", dir->path, sums_name,
                             line, FILES_MAX);
        problem = read_sum(dir, next, n);
        if (problem)
            return fault_set(fault, -EBADMSG, "%s/%s:%u: %s", dir->path, sums_name, line, problem);
        next = newline ? newline + 1 : end;
    }
    return 0;
}

/* True if @path, which has no symbolic links, lies below @trusted_dir. */
static bool is_below(const char *path, const char *trusted_dir) {
    char trusted[PATH_MAX];
    size_t n;

    if (!trusted_dir || !realpath(trusted_dir, trusted))
        return false;
    n = strlen(trusted);
    return n > 1 && strncmp(path, trusted, n) == 0 && path[n] == '/';
}

static int read_key(const char *path, struct minisign_key *ret, struct fault *fault) {
    _cleanup_(closep) int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    _cleanup_(freep) char *text = NULL;
    size_t n;
    int r;

    if (fd < 0)
        return fault_set(fault, -EKEYREJECTED, "%s: cannot be opened: %s", path, strerror(errno));
    r = read_whole(fd, MINISIGN_TEXT_BYTES_MAX, &text, &n);
    if (r < 0)
        return fault_set(fault, -EKEYREJECTED, "%s: cannot be read as a public key: %s", path,
                         strerror(-r));
    return minisign_parse_key(path, text, n, ret, fault);
}

static int is_key_name(const struct dirent *entry) {
    const char *const suffix = strrchr(entry->d_name, '.');

    return suffix && strcmp(suffix, ".pub") == 0;
}

/* The key in @keys_dir with @id. Returns 1, 0 if there is none, -errno if one there cannot be read.
 */
static int find_key(const char *keys_dir, const uint8_t id[8], struct minisign_key *ret,
                    struct fault *fault) {
    struct dirent **entries = NULL;
    const int n = keys_dir ? scandir(keys_dir, &entries, is_key_name, alphasort) : 0;
    int result = 0;

    for (int i = 0; i < n; i++) { /* no early end: all entries are to be freed */
        char path[PATH_MAX];
        struct minisign_key key;

        if (result != 1 && snprintf(path, sizeof(path), "%s/%s", keys_dir, entries[i]->d_name) <
                               (int) sizeof(path)) {
            const int r = read_key(path, &key, fault);

            if (r == 0 && memcmp(key.id, id, sizeof(key.id)) == 0) {
                *ret = key;
                result = 1;
            } else if (r < 0) {
                result = r;
            }
        }
        free(entries[i]);
    }
    free(entries);
    return result;
}

/* What to do about a bundle that nobody we know has signed. */
static int unsigned_bundle(struct bundle_dir *dir, const struct bundle_options *options,
                           struct fault *fault, const char *why) {
    if (options->allow_unsigned) {
        dir->trust = TRUST_UNSIGNED;
        return 0;
    }
    return fault_set(fault, -EKEYREJECTED,
                     "%s: %s; sign it, add its key to %s, or set allow_unsigned = yes", dir->path,
                     why, options->keys_dir ? options->keys_dir : "the trusted keys");
}

static int check_signature(struct bundle_dir *dir, const struct bundle_options *options,
                           const char *sums, size_t n_sums, struct fault *fault) {
    _cleanup_(freep) char *text = NULL;
    struct fault why = { .text = "" };
    struct minisign_signature signature;
    struct minisign_key key;
    char id[MINISIGN_KEY_ID_BYTES], path[PATH_MAX];
    size_t n_bytes;
    int r;

    (void) snprintf(path, sizeof(path), "%s/%s", dir->path, signature_name); /* for messages */
    r = read_below(dir, signature_name, MINISIGN_TEXT_BYTES_MAX, &text, &n_bytes, fault);
    if (r == -ENOENT)
        return unsigned_bundle(dir, options, fault, "is not signed (no SHA256SUMS.minisig)");
    if (r == 0)
        r = minisign_parse_signature(path, text, n_bytes, &signature, fault);
    if (r < 0)
        return r;

    minisign_key_id(signature.key_id, id);
    r = find_key(options->keys_dir, signature.key_id, &key, fault);
    if (r < 0)
        return r;
    if (r == 0) {
        (void) snprintf(why.text, sizeof(why.text),
                        "is signed by key %s, which is not among the trusted keys", id);
        return unsigned_bundle(dir, options, fault, why.text);
    }
    r = minisign_verify(&key, &signature, sums, n_sums, &why);
    if (r < 0)
        return fault_set(fault, r, "%s/%s: %s", dir->path, sums_name, why.text);
    dir->trust = TRUST_SIGNED;
    return 0;
}

static void hash_hex(const char *bytes, size_t n, char ret[SHA256_HEX_BYTES]) {
    uint8_t hash[crypto_hash_sha256_BYTES];

    (void) crypto_hash_sha256(hash, (const uint8_t *) bytes, n); /* always 0 */
    (void) sodium_bin2hex(ret, SHA256_HEX_BYTES, hash, sizeof(hash));
}

/* Open @path itself and remember where it really is. */
static int open_dir(struct bundle_dir *dir, const char *path, struct fault *fault) {
    dir->path = realpath(path, NULL);
    if (!dir->path)
        return fault_set(fault, -errno, "%s: no bundle there: %s", path, strerror(errno));
    dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir->fd < 0)
        return fault_set(fault, -errno, "%s: cannot be opened as a directory: %s", dir->path,
                         strerror(errno));
    return 0;
}

int bundle_dir_open(const char *path, const struct bundle_options *options, struct bundle_dir **ret,
                    struct fault *fault) {
    _cleanup_(bundle_dir_freep) struct bundle_dir *dir = NULL;
    _cleanup_(freep) char *sums = NULL;
    size_t n_sums;
    int r;

    assert(path && options && ret);

    if (sodium_init() < 0)
        return fault_set(fault, -EIO, "libsodium cannot start");
    dir = calloc(1, sizeof(*dir));
    if (!dir)
        return -ENOMEM;
    dir->fd = -1;
    r = open_dir(dir, path, fault);
    if (r < 0)
        return r;
    r = read_below(dir, sums_name, SUMS_BYTES_MAX, &sums, &n_sums, fault);
    if (r == -ENOENT)
        return fault_set(fault, -EBADMSG, "%s: has no SHA256SUMS; is this a bundle?", dir->path);
    if (r < 0)
        return r;
    hash_hex(sums, n_sums, dir->sha256);

    if (is_below(dir->path, options->trusted_dir))
        dir->trust = TRUST_PACKAGE;
    else
        r = check_signature(dir, options, sums, n_sums, fault);
    if (r == 0)
        r = read_sums(dir, sums, n_sums, fault);
    if (r < 0)
        return r;

    *ret = dir;
    dir = NULL; /* now the caller's */
    return 0;
}

int bundle_dir_read(const struct bundle_dir *dir, const char *name, char **ret_bytes, size_t *ret_n,
                    struct fault *fault) {
    _cleanup_(freep) char *bytes = NULL;
    uint8_t hash[crypto_hash_sha256_BYTES];
    size_t i = 0, n;
    int r;

    while (i < dir->n_files && strcmp(dir->files[i].name, name) != 0)
        i++;
    if (i == dir->n_files)
        return fault_set(fault, -EBADMSG, "%s/%s: is not listed in SHA256SUMS", dir->path, name);
    r = read_below(dir, name, BUNDLE_FILE_BYTES_MAX, &bytes, &n, fault);
    if (r < 0)
        return r == -ENOENT ? -EBADMSG : r;
    (void) crypto_hash_sha256(hash, (const uint8_t *) bytes, n); /* always 0 */
    if (memcmp(hash, dir->files[i].sha256, sizeof(hash)) != 0)
        return fault_set(fault, -EBADMSG,
                         "%s/%s: is not what SHA256SUMS lists; the bundle is damaged", dir->path,
                         name);

    *ret_bytes = bytes;
    *ret_n = n;
    bytes = NULL; /* now the caller's */
    return 0;
}
