/* SPDX-License-Identifier: MIT */
/*
 * Format: https://jedisct1.github.io/minisign/, "Signature format" and "Public key format".
 * Ed25519 (RFC 8032) and BLAKE2b (RFC 7693) are libsodium's.
 */
#include "models/minisign.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

enum {
    ALGORITHM_BYTES = 2,
    KEY_ID_BYTES = 8,
    KEY_BLOB_BYTES = ALGORITHM_BYTES + KEY_ID_BYTES + crypto_sign_PUBLICKEYBYTES,
    SIGNATURE_BLOB_BYTES = ALGORITHM_BYTES + KEY_ID_BYTES + crypto_sign_BYTES,
    PREHASH_BYTES = 64,
};

static const char untrusted_prefix[] = "untrusted comment: ";
static const char trusted_prefix[] = "trusted comment: ";

/* What is left of a text that is read line by line. */
struct lines {
    const char *next, *end;
};

/* The next line without its end; false if there is none. */
static bool next_line(struct lines *lines, const char **ret, size_t *ret_n) {
    const char *newline, *end;

    if (lines->next == lines->end)
        return false;
    newline = memchr(lines->next, '\n', (size_t) (lines->end - lines->next));
    end = newline ? newline : lines->end;
    *ret = lines->next;
    lines->next = newline ? newline + 1 : lines->end;
    if (end > *ret && end[-1] == '\r')
        end--;
    *ret_n = (size_t) (end - *ret);
    return true;
}

static bool starts_with(const char *line, size_t n, const char *prefix) {
    return n >= strlen(prefix) && memcmp(line, prefix, strlen(prefix)) == 0;
}

/* A line that begins with @prefix; what follows goes to @ret unless NULL. */
static int read_comment(struct lines *lines, const char *prefix, char *ret, size_t room) {
    const char *line;
    size_t n;

    if (!next_line(lines, &line, &n) || !starts_with(line, n, prefix))
        return -EBADMSG;
    line += strlen(prefix);
    n -= strlen(prefix);
    if (!ret)
        return 0;
    if (n >= room || memchr(line, '\0', n))
        return -EBADMSG;
    memcpy(ret, line, n);
    ret[n] = '\0';
    return 0;
}

/* A line of base64 that decodes to exactly @n_bytes. */
static int read_base64(struct lines *lines, uint8_t *ret, size_t n_bytes) {
    const char *line, *stopped;
    size_t n, got;

    if (!next_line(lines, &line, &n) ||
        sodium_base642bin(ret, n_bytes, line, n, NULL, &got, &stopped,
                          sodium_base64_VARIANT_ORIGINAL) != 0 ||
        got != n_bytes || stopped != line + n)
        return -EBADMSG;
    return 0;
}

int minisign_parse_key(const char *name, const char *text, size_t n_bytes, struct minisign_key *ret,
                       struct fault *fault) {
    struct lines lines = { text, text + n_bytes };
    uint8_t blob[KEY_BLOB_BYTES];

    if (n_bytes > MINISIGN_TEXT_BYTES_MAX || read_comment(&lines, untrusted_prefix, NULL, 0) < 0 ||
        read_base64(&lines, blob, sizeof(blob)) < 0 || memcmp(blob, "Ed", ALGORITHM_BYTES) != 0)
        return fault_set(fault, -EBADMSG, "%s: is not a minisign public key", name);
    memcpy(ret->id, blob + ALGORITHM_BYTES, KEY_ID_BYTES);
    memcpy(ret->key, blob + ALGORITHM_BYTES + KEY_ID_BYTES, sizeof(ret->key));
    return 0;
}

int minisign_parse_signature(const char *name, const char *text, size_t n_bytes,
                             struct minisign_signature *ret, struct fault *fault) {
    struct lines lines = { text, text + n_bytes };
    uint8_t blob[SIGNATURE_BLOB_BYTES];
    struct minisign_signature s;

    if (n_bytes > MINISIGN_TEXT_BYTES_MAX || read_comment(&lines, untrusted_prefix, NULL, 0) < 0 ||
        read_base64(&lines, blob, sizeof(blob)) < 0 ||
        read_comment(&lines, trusted_prefix, s.trusted_comment, sizeof(s.trusted_comment)) < 0 ||
        read_base64(&lines, s.global_signature, sizeof(s.global_signature)) < 0)
        return fault_set(fault, -EBADMSG, "%s: is not a minisign signature", name);
    memcpy(s.algorithm, blob, ALGORITHM_BYTES);
    memcpy(s.key_id, blob + ALGORITHM_BYTES, KEY_ID_BYTES);
    memcpy(s.signature, blob + ALGORITHM_BYTES + KEY_ID_BYTES, sizeof(s.signature));
    if (memcmp(s.algorithm, "Ed", ALGORITHM_BYTES) != 0 &&
        memcmp(s.algorithm, "ED", ALGORITHM_BYTES) != 0)
        return fault_set(fault, -EBADMSG, "%s: is signed with an algorithm we do not know", name);
    *ret = s;
    return 0;
}

void minisign_key_id(const uint8_t id[8], char ret[MINISIGN_KEY_ID_BYTES]) {
    uint64_t number = 0;

    for (int i = KEY_ID_BYTES - 1; i >= 0; i--) /* little-endian */
        number = number << 8 | id[i];
    (void) snprintf(ret, MINISIGN_KEY_ID_BYTES, "%016" PRIX64, number);
}

static bool verify_file(const struct minisign_key *key, const struct minisign_signature *s,
                        const void *bytes, size_t n_bytes) {
    uint8_t hash[PREHASH_BYTES];

    if (s->algorithm[1] == 'd')
        return crypto_sign_verify_detached(s->signature, bytes, n_bytes, key->key) == 0;
    (void) crypto_generichash(hash, sizeof(hash), bytes, n_bytes, NULL,
                              0); /* fails for bad sizes */
    return crypto_sign_verify_detached(s->signature, hash, sizeof(hash), key->key) == 0;
}

/* The global signature covers the signature's bytes and the trusted comment behind them. */
static bool verify_comment(const struct minisign_key *key, const struct minisign_signature *s) {
    uint8_t message[sizeof(s->signature) + MINISIGN_COMMENT_BYTES];
    const size_t n_comment = strlen(s->trusted_comment);

    memcpy(message, s->signature, sizeof(s->signature));
    memcpy(message + sizeof(s->signature), s->trusted_comment, n_comment);
    return crypto_sign_verify_detached(s->global_signature, message,
                                       sizeof(s->signature) + n_comment, key->key) == 0;
}

int minisign_verify(const struct minisign_key *key, const struct minisign_signature *signature,
                    const void *bytes, size_t n_bytes, struct fault *fault) {
    char id[MINISIGN_KEY_ID_BYTES];

    assert(key && signature);

    if (sodium_init() < 0)
        return fault_set(fault, -EIO, "libsodium cannot start");
    minisign_key_id(key->id, id);
    if (!verify_file(key, signature, bytes, n_bytes))
        return fault_set(fault, -EKEYREJECTED, "is not what key %s signed", id);
    if (!verify_comment(key, signature))
        return fault_set(fault, -EKEYREJECTED, "has a trusted comment that key %s did not sign",
                         id);
    return 0;
}
