/* SPDX-License-Identifier: MIT */
/*
 * minisign - verifies signatures made by minisign(1).
 *
 * Both kinds: `Ed` (over the file) and `ED` (over its BLAKE2b-512), and always the
 * global signature over the trusted comment too. Text is parsed with nothing trusted.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "common/fault.h"

enum {
    MINISIGN_TEXT_BYTES_MAX = 4096, /* of a .minisig or .pub file; longer ones are refused */
    MINISIGN_COMMENT_BYTES = 1024,
    MINISIGN_KEY_ID_BYTES = 17, /* 16 hex digits, as `minisign` prints them, with NUL */
};

struct minisign_key {
    uint8_t id[8], key[32];
};

struct minisign_signature {
    uint8_t algorithm[2]; /* "Ed" or "ED" */
    uint8_t key_id[8];
    uint8_t signature[64];
    uint8_t global_signature[64];
    char trusted_comment[MINISIGN_COMMENT_BYTES]; /* without its prefix */
};

/**
 * Parse the text of a public key file.
 * @name  stands for the file in @fault.
 * Returns 0, -EBADMSG.
 */
int minisign_parse_key(const char *name, const char *text, size_t n_bytes, struct minisign_key *ret,
                       struct fault *fault);

/** The same for a signature file. */
int minisign_parse_signature(const char *name, const char *text, size_t n_bytes,
                             struct minisign_signature *ret, struct fault *fault);

/** Id in the form that minisign(1) prints. */
void minisign_key_id(const uint8_t id[8], char ret[MINISIGN_KEY_ID_BYTES]);

/**
 * Hold @bytes against @signature by @key, whose ids are equal.
 * Returns 0, -EKEYREJECTED (the file or the trusted comment is not what was signed), -EIO
 * (libsodium cannot start).
 */
int minisign_verify(const struct minisign_key *key, const struct minisign_signature *signature,
                    const void *bytes, size_t n_bytes, struct fault *fault);
