/* SPDX-License-Identifier: MIT */
/*
 * bundle_dir - a bundle's directory: trust, hashes, and files read once.
 *
 * Every byte that is used comes out of bundle_dir_read(), which has held it against
 * SHA256SUMS; what is used is what was checked. No symbolic link is followed
 * inside the directory.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/fault.h"
#include "models/bundle.h"

enum { BUNDLE_FILE_BYTES_MAX = 256 << 20 };

struct bundle_dir;

/**
 * Open the directory @path, read SHA256SUMS and decide how far it is trusted.
 * Returns 0, -ENOENT, -ENOTDIR, -EACCES ..., -EBADMSG, -EKEYREJECTED, -ENOMEM.
 */
int bundle_dir_open(const char *path, const struct bundle_options *options, struct bundle_dir **ret,
                    struct fault *fault);

/** NULL is allowed. Returns NULL. */
struct bundle_dir *bundle_dir_free(struct bundle_dir *dir);
DEFINE_CLEANUP(struct bundle_dir *, bundle_dir_free)

/** The absolute path without symbolic links; valid as long as @dir. */
const char *bundle_dir_path(const struct bundle_dir *dir);

enum bundle_trust bundle_dir_trust(const struct bundle_dir *dir);

/** SHA-256 of SHA256SUMS, lower-case hex; valid as long as @dir. */
const char *bundle_dir_sha256(const struct bundle_dir *dir);

/** Name of the @i-th file that SHA256SUMS lists, or NULL past the last; valid as long as @dir. */
const char *bundle_dir_file(const struct bundle_dir *dir, size_t i);

/**
 * Read the file @name (`labels.txt`, `selftest/sound.io`) whole and check its hash.
 * @ret_bytes  owned by the caller, to be released by free(); one NUL stands behind the last byte
 * Returns 0, -EBADMSG (not listed, not there, or not what is listed), -EFBIG, -ENOMEM, -errno.
 */
int bundle_dir_read(const struct bundle_dir *dir, const char *name, char **ret_bytes, size_t *ret_n,
                    struct fault *fault);
