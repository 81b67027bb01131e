/* SPDX-License-Identifier: MIT */
/* Each test spoils a copy of tests/bundles/tiny in one way; keys are made here and now. */
#include "models/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/test.h"

enum { PATH_BYTES = 512, FILE_BYTES = 8192 };

static const char *const files[] = {
    "bundle.ini",  "labels.txt",        "sound.tflite",     "picture.tflite",
    "head.tflite", "selftest/sound.io", "selftest/head.io", "selftest/picture.io",
};

enum { N_FILES = sizeof(files) / sizeof(files[0]) };

/* A directory of its own for each test: trusted/bundle, keys/, elsewhere/. */
struct place {
    char root[PATH_BYTES], bundle[2 * PATH_BYTES], trusted[2 * PATH_BYTES], keys[2 * PATH_BYTES];
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES], secret_key[crypto_sign_SECRETKEYBYTES];
};

static size_t read_at(const char *folder, const char *name, char bytes[FILE_BYTES]) {
    char path[3 * PATH_BYTES];
    FILE *file;
    size_t n;

    (void) snprintf(path, sizeof(path), "%s/%s", folder, name); /* short names */
    file = fopen(path, "rb");
    assert_non_null(file);
    n = fread(bytes, 1, FILE_BYTES - 1, file);
    bytes[n] = '\0';
    (void) fclose(file); /* only read */
    return n;
}

static void write_at(const char *folder, const char *name, const void *bytes, size_t n) {
    char path[3 * PATH_BYTES];
    FILE *file;

    (void) snprintf(path, sizeof(path), "%s/%s", folder, name); /* short names */
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

/* SHA256SUMS over the files that are there. */
static void seal(const struct place *place) {
    char sums[FILE_BYTES] = "", bytes[FILE_BYTES], hex[SHA256_HEX_BYTES], path[3 * PATH_BYTES];
    uint8_t hash[crypto_hash_sha256_BYTES];

    for (size_t i = 0; i < N_FILES; i++) {
        const size_t n_sums = strlen(sums);
        size_t n;

        (void) snprintf(path, sizeof(path), "%s/%s", place->bundle, files[i]);
        if (access(path, F_OK) < 0)
            continue;
        n = read_at(place->bundle, files[i], bytes);
        crypto_hash_sha256(hash, (const uint8_t *) bytes, n);
        sodium_bin2hex(hex, sizeof(hex), hash, sizeof(hash));
        (void) snprintf(sums + n_sums, sizeof(sums) - n_sums, "%s  %s\n", hex, files[i]);
    }
    write_at(place->bundle, "SHA256SUMS", sums, strlen(sums));
}

/* A line of base64 behind @text. */
static void append_base64(char *text, const uint8_t *bytes, size_t n) {
    char base64[256];

    sodium_bin2base64(base64, sizeof(base64), bytes, n, sodium_base64_VARIANT_ORIGINAL);
    (void) strcat(strcat(text, base64), "\n");
}

/* As `minisign -S -l` would: the key's id is its first eight bytes. */
static void sign(const struct place *place) {
    char sums[FILE_BYTES], text[1024] = "untrusted comment: test\n";
    uint8_t blob[2 + 8 + crypto_sign_BYTES] = "Ed", global[crypto_sign_BYTES],
                         message[crypto_sign_BYTES + 4];
    const size_t n = read_at(place->bundle, "SHA256SUMS", sums);

    memcpy(blob + 2, place->public_key, 8);
    crypto_sign_detached(blob + 10, NULL, (const uint8_t *) sums, n, place->secret_key);
    append_base64(text, blob, sizeof(blob));
    (void) strcat(text, "trusted comment: tiny\n");
    memcpy(message, blob + 10, crypto_sign_BYTES);
    memcpy(message + crypto_sign_BYTES, "tiny", 4);
    crypto_sign_detached(global, NULL, message, sizeof(message), place->secret_key);
    append_base64(text, global, sizeof(global));
    write_at(place->bundle, "SHA256SUMS.minisig", text, strlen(text));
}

static void trust_key(const struct place *place) {
    char text[512] = "untrusted comment: test key\n";
    uint8_t blob[2 + 8 + crypto_sign_PUBLICKEYBYTES] = "Ed";

    memcpy(blob + 2, place->public_key, 8);
    memcpy(blob + 10, place->public_key, sizeof(place->public_key));
    append_base64(text, blob, sizeof(blob));
    write_at(place->keys, "test.pub", text, strlen(text));
}

static void make_dir(const char *folder, const char *name) {
    char path[3 * PATH_BYTES];

    (void) snprintf(path, sizeof(path), "%s/%s", folder, name); /* short names */
    assert_int_equal(mkdir(path, 0700), 0);
}

static int set_up(void **state) {
    struct place *const place = calloc(1, sizeof(*place));
    char tiny[TEST_PATH_BYTES], bytes[FILE_BYTES];
    const char *const tmp = getenv("TMPDIR");

    assert_non_null(place);
    assert_true(sodium_init() >= 0);
    (void) snprintf(place->root, sizeof(place->root), "%s/lookout-bundle-XXXXXX",
                    tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(place->root));
    (void) snprintf(place->trusted, sizeof(place->trusted), "%s/trusted", place->root);
    (void) snprintf(place->bundle, sizeof(place->bundle), "%s/trusted/bundle", place->root);
    (void) snprintf(place->keys, sizeof(place->keys), "%s/keys", place->root);
    make_dir(place->root, "trusted");
    make_dir(place->root, "elsewhere");
    make_dir(place->root, "keys");
    make_dir(place->root, "trusted/bundle");
    make_dir(place->root, "trusted/bundle/selftest");
    source_path("tests/bundles/tiny", tiny);
    for (size_t i = 0; i < N_FILES; i++)
        write_at(place->bundle, files[i], bytes, read_at(tiny, files[i], bytes));
    seal(place);
    crypto_sign_keypair(place->public_key, place->secret_key);
    *state = place;
    return 0;
}

static int tear_down(void **state) {
    struct place *const place = *state;

    assert_int_equal(remove_folder(place->root), 0);
    free(place);
    return 0;
}

static int open_with(const struct place *place, const struct bundle_options *options,
                     struct bundle **ret, struct fault *fault) {
    fault->text[0] = '\0';
    return bundle_open(place->bundle, options, ret, fault);
}

/* Opened as an unsigned bundle outside any trusted place. */
static int open_unsigned(const struct place *place, struct bundle **ret, struct fault *fault) {
    const struct bundle_options options = { .allow_unsigned = true };

    return open_with(place, &options, ret, fault);
}

/* Refused with @error and with @sentence behind the path of the bundle. */
static void expect_refusal(const struct place *place, const struct bundle_options *options,
                           int error, const char *sentence) {
    _cleanup_(bundle_freep) struct bundle *bundle = NULL;
    char want[FILE_BYTES];
    struct fault fault;

    assert_int_equal(open_with(place, options, &bundle, &fault), error);
    (void) snprintf(want, sizeof(want), "%s%s", place->bundle, sentence);
    assert_string_equal(fault.text, want);
    assert_null(bundle);
}

static void expect_bad(const struct place *place, const char *sentence) {
    const struct bundle_options options = { .allow_unsigned = true, .kernels = "c" };

    expect_refusal(place, &options, -EBADMSG, sentence);
}

/* Replace @old by @new in @file of the bundle, and seal again. */
static void replace(const struct place *place, const char *file, const char *old, const char *new) {
    char text[FILE_BYTES], result[2 * FILE_BYTES];
    char *found;

    (void) read_at(place->bundle, file, text);
    found = strstr(text, old);
    assert_non_null(found);
    (void) snprintf(result, sizeof(result), "%.*s%s%s", (int) (found - text), text, new,
                    found + strlen(old));
    write_at(place->bundle, file, result, strlen(result));
    seal(place);
}

static void a_good_bundle_is_opened_whole(void **state) {
    _cleanup_(bundle_freep) struct bundle *b = NULL;
    struct fault fault;

    assert_int_equal(open_unsigned(*state, &b, &fault), 0);
    assert_string_equal(b->name, "tiny");
    assert_string_equal(b->version, "0.1");
    assert_string_equal(b->licence, "MIT");
    assert_false(b->non_commercial);
    assert_int_equal(b->trust, TRUST_UNSIGNED);
    assert_int_equal(b->n_modalities, 2);
    assert_string_equal(b->modalities[0].name, "sound");
    assert_int_equal(b->modalities[0].n_embedding, 2);
    assert_int_equal(b->modalities[0].n_selftests, 4);
    assert_int_equal(b->n_head_selftests, 4);
    assert_float_equal(b->hop_ms, 50, 0);
    assert_float_equal(b->modalities[1].picture.hop_ms, 50, 0);
    assert_float_equal(b->calibrations[3].temperature, 0.5, 0);
    assert_float_equal(b->calibrations[1].temperature, 1, 0);
    assert_float_equal(b->calibrations[1].none, BUNDLE_NONE, 0);
    assert_int_equal(b->n_labels, 2);
    assert_int_equal(bundle_label(b, "noon"), 1);
    assert_int_equal(bundle_label(b, "night"), -ENOENT);
    assert_float_equal(b->detectors[0].least_ms, 0, 0);
    assert_float_equal(b->detectors[1].least_ms, 100, 0);
    assert_int_equal(strlen(b->sha256), 64);
}

static void a_non_commercial_licence_is_seen(void **state) {
    _cleanup_(bundle_freep) struct bundle *b = NULL;
    struct fault fault;

    replace(*state, "bundle.ini", "licence = MIT", "licence = CC-BY-NC-3.0");
    assert_int_equal(open_unsigned(*state, &b, &fault), 0);
    assert_true(b->non_commercial);
}

static void a_bundle_below_the_trusted_place_needs_no_signature(void **state) {
    const struct place *const place = *state;
    const struct bundle_options options = { .trusted_dir = place->trusted };
    _cleanup_(bundle_freep) struct bundle *b = NULL;
    struct fault fault;

    assert_int_equal(open_with(place, &options, &b, &fault), 0);
    assert_int_equal(b->trust, TRUST_PACKAGE);
}

static void a_link_does_not_carry_trust_with_it(void **state) {
    const struct place *const place = *state;
    char elsewhere[2 * PATH_BYTES], link[3 * PATH_BYTES];
    const struct bundle_options options = { .trusted_dir = place->trusted };
    _cleanup_(bundle_freep) struct bundle *b = NULL;
    struct fault fault;

    (void) snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere/bundle", place->root);
    (void) snprintf(link, sizeof(link), "%s/link", place->trusted);
    assert_int_equal(rename(place->bundle, elsewhere), 0);
    assert_int_equal(symlink(elsewhere, link), 0);
    assert_int_equal(bundle_open(link, &options, &b, &fault), -EKEYREJECTED);
    assert_non_null(strstr(fault.text, "elsewhere/bundle: is not signed"));
    assert_int_equal(rename(elsewhere, place->bundle), 0);
}

static void a_place_whose_name_begins_alike_is_not_trusted(void **state) {
    struct place *const place = *state;
    char trusted[2 * PATH_BYTES];
    const struct bundle_options options = { .trusted_dir = trusted };
    struct bundle *b = NULL;
    struct fault fault;

    (void) snprintf(trusted, sizeof(trusted), "%s/trust", place->root);
    assert_int_equal(mkdir(trusted, 0700), 0);
    assert_int_equal(open_with(place, &options, &b, &fault), -EKEYREJECTED);
}

static void an_unsigned_bundle_is_refused_unless_the_settings_allow_it(void **state) {
    const struct place *const place = *state;
    const struct bundle_options options = { .keys_dir = "/etc/lookout/keys.d" };

    expect_refusal(place, &options, -EKEYREJECTED,
                   ": is not signed (no SHA256SUMS.minisig); sign it, add its key to "
                   "/etc/lookout/keys.d, or set allow_unsigned = yes");
}

static void a_signature_by_a_trusted_key_opens(void **state) {
    const struct place *const place = *state;
    const struct bundle_options options = { .keys_dir = place->keys };
    _cleanup_(bundle_freep) struct bundle *b = NULL;
    struct fault fault;

    sign(place);
    trust_key(place);
    write_at(place->keys, "README", "not a key", 9); /* other files are let be */
    assert_int_equal(open_with(place, &options, &b, &fault), 0);
    assert_int_equal(b->trust, TRUST_SIGNED);
}

static void a_signature_by_another_key_names_that_key(void **state) {
    const struct place *const place = *state;
    const struct bundle_options options = { .keys_dir = place->keys };
    char sentence[FILE_BYTES];

    sign(place);
    (void) snprintf(sentence, sizeof(sentence),
                    ": is signed by key %02X%02X%02X%02X%02X%02X%02X%02X, which is not among the "
                    "trusted keys; sign it, add its key to %s, or set allow_unsigned = yes",
                    place->public_key[7], place->public_key[6], place->public_key[5],
                    place->public_key[4], place->public_key[3], place->public_key[2],
                    place->public_key[1], place->public_key[0], place->keys);
    expect_refusal(place, &options, -EKEYREJECTED, sentence);
}

static void a_change_after_signing_is_refused_even_if_unsigned_is_allowed(void **state) {
    const struct place *const place = *state;
    const struct bundle_options options = { .keys_dir = place->keys, .allow_unsigned = true };
    struct bundle *b = NULL;
    struct fault fault;

    sign(place);
    trust_key(place);
    replace(place, "bundle.ini", "unknown = 0.55", "unknown = 0.99");
    assert_int_equal(open_with(place, &options, &b, &fault), -EKEYREJECTED);
    assert_non_null(strstr(fault.text, "/SHA256SUMS: is not what key "));
}

static void a_broken_signature_is_refused(void **state) {
    const struct place *const place = *state;
    const struct bundle_options options = { .keys_dir = place->keys, .allow_unsigned = true };

    write_at(place->bundle, "SHA256SUMS.minisig", "hello\n", 6);
    expect_refusal(place, &options, -EBADMSG, "/SHA256SUMS.minisig: is not a minisign signature");
}

static void a_broken_key_is_told(void **state) {
    const struct place *const place = *state;
    const struct bundle_options options = { .keys_dir = place->keys };
    struct bundle *b = NULL;
    struct fault fault;

    sign(place);
    write_at(place->keys, "a.pub", "hello\n", 6);
    assert_int_equal(open_with(place, &options, &b, &fault), -EBADMSG);
    assert_non_null(strstr(fault.text, "/keys/a.pub: is not a minisign public key"));
    trust_key(place); /* the right one beside it is enough */
    assert_int_equal(open_with(place, &options, &b, &fault), 0);
    bundle_free(b);
}

static void a_place_without_a_bundle_is_told(void **state) {
    struct place *const place = *state;
    struct bundle *b = NULL;
    struct fault fault;
    const struct bundle_options options = { .allow_unsigned = true };

    assert_int_equal(bundle_open("/nowhere/yard", &options, &b, &fault), -ENOENT);
    assert_string_equal(fault.text, "/nowhere/yard: no bundle there: No such file or directory");
    assert_int_equal(bundle_open(place->keys, &options, &b, &fault), -EBADMSG);
    assert_non_null(strstr(fault.text, "/keys: has no SHA256SUMS; is this a bundle?"));
}

static void a_changed_file_is_refused(void **state) {
    const struct place *const place = *state;

    write_at(place->bundle, "labels.txt", "noon\ndusk\n", 10);
    expect_bad(place, "/labels.txt: is not what SHA256SUMS lists; the bundle is damaged");
}

static void a_missing_file_is_refused(void **state) {
    const struct place *const place = *state;
    char path[3 * PATH_BYTES];

    (void) snprintf(path, sizeof(path), "%s/selftest/head.io", place->bundle);
    assert_int_equal(unlink(path), 0);
    expect_bad(place, "/selftest/head.io: is missing");
}

static void a_file_that_is_used_must_be_listed(void **state) {
    const struct place *const place = *state;

    replace(place, "bundle.ini", "labels = labels.txt", "labels = other.txt");
    write_at(place->bundle, "other.txt", "dusk\nnoon\n", 10);
    expect_bad(place, "/other.txt: is not listed in SHA256SUMS");
}

static void a_link_inside_is_not_followed(void **state) {
    const struct place *const place = *state;
    char from[3 * PATH_BYTES], to[3 * PATH_BYTES];

    (void) snprintf(from, sizeof(from), "%s/labels.txt", place->bundle);
    (void) snprintf(to, sizeof(to), "%s/elsewhere/labels.txt", place->root);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(symlink(to, from), 0);
    expect_bad(place, "/labels.txt: is a symbolic link; a bundle holds its files itself");
}

static void the_list_of_hashes_is_read_strictly(void **state) {
    static const char hash[] = "35dc853b805afcc91ccb67b39533b09605930c2a8887e0e1df66263f4f703994";
    static const struct {
        const char *behind, *sentence;
    } cases[] = {
        { "  ../x", "names a file outside the bundle; allowed are NAME and selftest/NAME" },
        { "  /etc/passwd", "names a file outside the bundle; allowed are NAME and selftest/NAME" },
        { "  selftest/../x",
          "names a file outside the bundle; allowed are NAME and selftest/NAME" },
        { "  other/x", "names a file outside the bundle; allowed are NAME and selftest/NAME" },
        { "  ", "names a file outside the bundle; allowed are NAME and selftest/NAME" },
        { " x", "is not 64 hex digits, two blanks and a file name, as sha256sum writes them" },
        { "", "is not 64 hex digits, two blanks and a file name, as sha256sum writes them" },
    };
    const struct place *const place = *state;
    char text[FILE_BYTES], sentence[FILE_BYTES];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void) snprintf(text, sizeof(text), "%s  a\n%s%s\n", hash, hash, cases[i].behind);
        write_at(place->bundle, "SHA256SUMS", text, strlen(text));
        (void) snprintf(sentence, sizeof(sentence), "/SHA256SUMS:2: %s", cases[i].sentence);
        expect_bad(place, sentence);
    }
    (void) snprintf(text, sizeof(text), "%s  a\n%s *a\n", hash, hash);
    write_at(place->bundle, "SHA256SUMS", text, strlen(text));
    expect_bad(place, "/SHA256SUMS:2: lists a file for the second time");
}

static void a_wrong_manifest_is_told_with_its_line(void **state) {
    replace(*state, "bundle.ini", "bands = 6", "bands = 600");
    expect_bad(
        *state,
        "/bundle.ini:16: [modality sound] bands = 600: must be a whole number from 1 to 128");
}

static void several_problems_are_counted(void **state) {
    replace(*state, "bundle.ini", "bands = 6", "bands = 600\nbend = 2\nbond = 7");
    expect_bad(*state,
               "/bundle.ini:16: [modality sound] bands = 600: must be a whole number from 1 "
               "to 128 (and 2 more; see `lookout-model check`)");
}

static void features_must_fill_the_encoders_input(void **state) {
    replace(*state, "bundle.ini", "bands = 6", "bands = 7");
    expect_bad(
        *state,
        "/sound.tflite: its input is int8[1,4,6,1], but [modality sound] makes 4 rows of 7 values");
}

static void pictures_must_fill_the_encoders_input(void **state) {
    replace(*state, "bundle.ini", "size_px = 4x4", "size_px = 4x5");
    expect_bad(*state, "/picture.tflite: its input is int8[1,4,4,3], but [modality picture] makes "
                       "pictures of 4x5 with 3 channels");
}

static void labels_must_count_the_outputs(void **state) {
    replace(*state, "labels.txt", "noon\n", "noon\nnight\n");
    expect_bad(*state, "/head.tflite: its output is int8[1,2], but there are 3 labels");
}

static void a_head_takes_embeddings_and_a_mask(void **state) {
    replace(*state, "bundle.ini", "file = head.tflite", "file = sound.tflite");
    expect_bad(
        *state,
        "/sound.tflite: has 1 input(s); with 2 modalities a head has 3 (embeddings, then mask)");
}

static void an_encoder_has_one_input(void **state) {
    replace(*state, "bundle.ini", "encoder = sound.tflite", "encoder = head.tflite");
    expect_bad(*state, "/head.tflite: has 3 inputs; an encoder has one");
}

static void a_damaged_module_is_refused(void **state) {
    const struct place *const place = *state;
    struct bundle *b = NULL;
    struct fault fault;

    write_at(place->bundle, "head.tflite", "TFL3", 4);
    seal(place);
    assert_int_equal(open_unsigned(place, &b, &fault), -EBADMSG);
    assert_non_null(strstr(fault.text, "/head.tflite"));
}

static void wrong_labels_are_told_with_their_line(void **state) {
    static const struct {
        const char *text, *sentence;
    } cases[] = {
        { "dusk\n\n", "/labels.txt:2: the label is empty" },
        { "dusk\ndusk\n", "/labels.txt:2: the label stands there for the second time" },
        { "unknown\n", "/labels.txt:1: the label is `unknown`, which is what Lookout answers below "
                       "the threshold of that name" },
        { "a\tb\n", "/labels.txt:1: the label holds a control character or a ]" },
        { "", "/labels.txt: holds no label" },
        { "d\xfcsk\n", "/labels.txt: is not UTF-8 text" },
    };
    const struct place *const place = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        write_at(place->bundle, "labels.txt", cases[i].text, strlen(cases[i].text));
        seal(place);
        expect_bad(place, cases[i].sentence);
    }
}

static void a_detector_of_no_label_is_refused(void **state) {
    replace(*state, "bundle.ini", "[detector noon]", "[detector night]");
    expect_bad(*state, "/bundle.ini:39: [detector night]: there is no such label");
}

static void a_self_test_that_fails_is_refused(void **state) {
    const struct place *const place = *state;
    char bytes[FILE_BYTES];
    const size_t n = read_at(place->bundle, "selftest/head.io", bytes);

    bytes[n - 1] ^= 1; /* the last output of the last sample */
    write_at(place->bundle, "selftest/head.io", bytes, n);
    seal(place);
    expect_bad(place,
               "/selftest/head.io: sample 3 gave other outputs; this module does not compute "
               "here (kernels c) what it was made to");
}

static void a_self_test_of_another_size_is_refused(void **state) {
    const struct place *const place = *state;

    write_at(place->bundle, "selftest/head.io", "1234567", 7);
    seal(place);
    expect_bad(place, "/selftest/head.io: has 7 bytes; its module takes and gives 8 a sample");
}

static void tools_may_leave_the_self_test_out(void **state) {
    const struct place *const place = *state;
    const struct bundle_options options = { .allow_unsigned = true, .skip_selftest = true };
    _cleanup_(bundle_freep) struct bundle *b = NULL;
    struct fault fault;

    write_at(place->bundle, "selftest/head.io", "1234567", 7);
    seal(place);
    assert_int_equal(open_with(place, &options, &b, &fault), 0);
    assert_int_equal(b->n_head_selftests, 0);
}

#define IN_A_PLACE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_A_PLACE(a_good_bundle_is_opened_whole),
        IN_A_PLACE(a_non_commercial_licence_is_seen),
        IN_A_PLACE(a_bundle_below_the_trusted_place_needs_no_signature),
        IN_A_PLACE(a_link_does_not_carry_trust_with_it),
        IN_A_PLACE(a_place_whose_name_begins_alike_is_not_trusted),
        IN_A_PLACE(an_unsigned_bundle_is_refused_unless_the_settings_allow_it),
        IN_A_PLACE(a_signature_by_a_trusted_key_opens),
        IN_A_PLACE(a_signature_by_another_key_names_that_key),
        IN_A_PLACE(a_change_after_signing_is_refused_even_if_unsigned_is_allowed),
        IN_A_PLACE(a_broken_signature_is_refused),
        IN_A_PLACE(a_broken_key_is_told),
        IN_A_PLACE(a_place_without_a_bundle_is_told),
        IN_A_PLACE(a_changed_file_is_refused),
        IN_A_PLACE(a_missing_file_is_refused),
        IN_A_PLACE(a_file_that_is_used_must_be_listed),
        IN_A_PLACE(a_link_inside_is_not_followed),
        IN_A_PLACE(the_list_of_hashes_is_read_strictly),
        IN_A_PLACE(a_wrong_manifest_is_told_with_its_line),
        IN_A_PLACE(several_problems_are_counted),
        IN_A_PLACE(features_must_fill_the_encoders_input),
        IN_A_PLACE(pictures_must_fill_the_encoders_input),
        IN_A_PLACE(labels_must_count_the_outputs),
        IN_A_PLACE(a_head_takes_embeddings_and_a_mask),
        IN_A_PLACE(an_encoder_has_one_input),
        IN_A_PLACE(a_damaged_module_is_refused),
        IN_A_PLACE(wrong_labels_are_told_with_their_line),
        IN_A_PLACE(a_detector_of_no_label_is_refused),
        IN_A_PLACE(a_self_test_that_fails_is_refused),
        IN_A_PLACE(a_self_test_of_another_size_is_refused),
        IN_A_PLACE(tools_may_leave_the_self_test_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
