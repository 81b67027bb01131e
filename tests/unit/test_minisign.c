/* SPDX-License-Identifier: MIT */
/* Key and signatures below were made by minisign 0.11; the secret key is gone. */
#include "models/minisign.h"

#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/test.h"

static const char signed_text[] = "abc  file\n";

static const char public_key[] = "untrusted comment: minisign public key B858596E27442650\n"
                                 "RWRQJkQnbllYuGx7/sKJ3z2eRkMqhTUJUI1XWvBpMfdiNrjCW5pu+z7a\n";

static const char prehashed[] =
    "untrusted comment: signature from minisign secret key\n"
    "RURQJkQnbllYuIpnAmNqAB4n8xNFMkCw2K6y/ZYvvNEvEtqU1IMS3UjfCds0xUdoI/ejxtsTbaQZ/AxqUU/"
    "Hvp6FkWIH9CIQJwY=\n"
    "trusted comment: yard 1.0.0\n"
    "9iE8Y9BpF2z6EvGz88+csAD98C67T+eVaZDvzBJeFF2RGQT2Vow89L2A0w8QmtsDIKPm80AVxT7n9sOtidg4Ag==\n";

static const char legacy[] =
    "untrusted comment: signature from minisign secret key\n"
    "RWRQJkQnbllYuKkczBQONF/1p2YRk00vE0DkWb2RfBLL3gIFfYTkzXWg8yFRaIsrVzbjFS90olH3LgDlIQuT4qY/"
    "k2Xgqbworww=\n"
    "trusted comment: yard 1.0.0\n"
    "cshdrzFfCTGpZNzJTJmzhIma/LFbKOh7d+1XD4cd0ESSvMoAxidWRRHKYmWtC1YXUF7taudOoX+sfseqZN82Dg==\n";

static struct minisign_key parse_key(void) {
    struct minisign_key key;

    assert_int_equal(minisign_parse_key("k.pub", public_key, strlen(public_key), &key, NULL), 0);
    return key;
}

static struct minisign_signature parse_signature(const char *text) {
    struct minisign_signature signature;

    assert_int_equal(minisign_parse_signature("s", text, strlen(text), &signature, NULL), 0);
    return signature;
}

static void a_key_has_the_id_that_minisign_prints(void **state) {
    const struct minisign_key key = parse_key();
    char id[MINISIGN_KEY_ID_BYTES];

    minisign_key_id(key.id, id);
    assert_string_equal(id, "B858596E27442650");
}

static void both_kinds_of_signatures_of_minisign_are_valid(void **state) {
    static const char *const texts[] = { prehashed, legacy };
    const struct minisign_key key = parse_key();

    for (int i = 0; i < 2; i++) {
        const struct minisign_signature signature = parse_signature(texts[i]);

        assert_string_equal(signature.trusted_comment, "yard 1.0.0");
        assert_memory_equal(signature.key_id, key.id, sizeof(key.id));
        assert_int_equal(minisign_verify(&key, &signature, signed_text, strlen(signed_text), NULL),
                         0);
    }
}

static void another_text_is_rejected(void **state) {
    static const char *const texts[] = { prehashed, legacy };
    const struct minisign_key key = parse_key();

    for (int i = 0; i < 2; i++) {
        const struct minisign_signature signature = parse_signature(texts[i]);
        struct fault fault;

        assert_int_equal(minisign_verify(&key, &signature, "abc  filf\n", 10, &fault),
                         -EKEYREJECTED);
        assert_string_equal(fault.text, "is not what key B858596E27442650 signed");
    }
}

static void another_trusted_comment_is_rejected(void **state) {
    const struct minisign_key key = parse_key();
    struct minisign_signature signature = parse_signature(prehashed);
    struct fault fault;

    (void) strcpy(signature.trusted_comment, "yard 9.0.0");
    assert_int_equal(minisign_verify(&key, &signature, signed_text, strlen(signed_text), &fault),
                     -EKEYREJECTED);
    assert_string_equal(fault.text, "has a trusted comment that key B858596E27442650 did not sign");
}

static void a_signature_of_one_kind_is_not_taken_for_the_other(void **state) {
    const struct minisign_key key = parse_key();
    struct minisign_signature signature = parse_signature(prehashed);

    signature.algorithm[1] = 'd';
    assert_int_equal(minisign_verify(&key, &signature, signed_text, strlen(signed_text), NULL),
                     -EKEYREJECTED);
}

/* Every cut of a good text must be refused, and nothing behind it read (the sanitizer looks on). */
static void a_text_cut_anywhere_is_refused(void **state) {
    const size_t n_key = strlen(public_key) - 1, n_signature = strlen(prehashed) - 1;

    for (size_t n = 0; n <= n_signature; n++) {
        _cleanup_(freep) char *cut = malloc(n ? n : 1);
        struct minisign_signature signature;
        struct minisign_key key;
        struct fault fault;

        memcpy(cut, prehashed, n);
        assert_int_equal(minisign_parse_signature("s", cut, n, &signature, &fault),
                         n == n_signature ? 0 : -EBADMSG);
        if (n < n_signature)
            assert_string_equal(fault.text, "s: is not a minisign signature");
        if (n > n_key)
            continue;
        memcpy(cut, public_key, n);
        assert_int_equal(minisign_parse_key("k", cut, n, &key, &fault), n == n_key ? 0 : -EBADMSG);
        if (n < n_key)
            assert_string_equal(fault.text, "k: is not a minisign public key");
    }
}

static void an_unknown_algorithm_is_named(void **state) {
    char text[sizeof(prehashed)];
    struct minisign_signature signature;
    struct fault fault;

    memcpy(text, prehashed, sizeof(text));
    memcpy(strstr(text, "RURQ"), "RUFQ", 4); /* "EA" */
    assert_int_equal(minisign_parse_signature("s", text, strlen(text), &signature, &fault),
                     -EBADMSG);
    assert_string_equal(fault.text, "s: is signed with an algorithm we do not know");
}

static void a_comment_too_long_is_refused(void **state) {
    static char text[MINISIGN_TEXT_BYTES_MAX + 2];
    struct minisign_signature signature;
    const char *const comment = strstr(prehashed, "yard");
    const size_t n = (size_t) (comment - prehashed);

    for (size_t n_more = MINISIGN_COMMENT_BYTES; n_more < MINISIGN_TEXT_BYTES_MAX - n;
         n_more += 1000) {
        memcpy(text, prehashed, n);
        memset(text + n, 'x', n_more);
        (void) snprintf(text + n + n_more, sizeof(text) - n - n_more, "%s", comment);
        assert_int_equal(minisign_parse_signature("s", text, strlen(text), &signature, NULL),
                         -EBADMSG);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_the_id_that_minisign_prints),
        cmocka_unit_test(both_kinds_of_signatures_of_minisign_are_valid),
        cmocka_unit_test(another_text_is_rejected),
        cmocka_unit_test(another_trusted_comment_is_rejected),
        cmocka_unit_test(a_signature_of_one_kind_is_not_taken_for_the_other),
        cmocka_unit_test(a_text_cut_anywhere_is_refused),
        cmocka_unit_test(an_unknown_algorithm_is_named),
        cmocka_unit_test(a_comment_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
