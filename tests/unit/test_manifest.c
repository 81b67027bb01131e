/* SPDX-License-Identifier: MIT */
#include "models/manifest.h"

#include <errno.h>
#include <string.h>

#include "common/cleanup.h"
#include "tests/test.h"

enum { TEXT_BYTES = 8192, DOC_BYTES = 1 << 16 };

#define BUNDLE "[bundle]\nformat = 1\nname = yard\nversion = 1.0.0\nlicence = CC-BY-4.0\n"
#define SOUND                                                                                      \
    "[modality sound]\nkind = sound\nencoder = sound.tflite\nwindow_ms = 2000\nhop_ms = 500\n"     \
    "features = logmel\n"
#define PICTURE                                                                                    \
    "[modality picture]\nkind = picture\nencoder = picture.tflite\nsize_px = 32x24\n"              \
    "crop = centre-square\n"
#define HEAD "[head]\nfile = head.tflite\nunknown = 0.4\n"

struct heard {
    char text[TEXT_BYTES]; /* one sentence a line */
    size_t n;
};

static void hear(const char *sentence, void *user) {
    struct heard *const heard = user;
    const size_t n = strlen(heard->text);

    (void) snprintf(heard->text + n, sizeof(heard->text) - n, "%s\n", sentence);
    heard->n++;
}

/* The manifest of @text, which must be good; to be freed. */
static struct manifest *read_good(const char *text) {
    struct manifest *m = NULL;
    struct heard heard = { .n = 0 };

    assert_int_equal(manifest_read("b.ini", text, strlen(text), &m, hear, &heard), 0);
    assert_int_equal(heard.n, 0);
    return m;
}

/* @text must be refused with exactly this one sentence. */
static void expect_problem(const char *text, const char *sentence) {
    struct manifest *m = NULL;
    struct heard heard = { .n = 0 };
    char want[TEXT_BYTES];

    assert_int_equal(manifest_read("b.ini", text, strlen(text), &m, hear, &heard), -EBADMSG);
    (void) snprintf(want, sizeof(want), "%s\n", sentence);
    assert_string_equal(heard.text, want);
    assert_null(m);
}

static void a_whole_manifest_is_read(void **state) {
    _cleanup_(freep) struct manifest *m = read_good(
        BUNDLE SOUND
        "floor = 1e-7\n" PICTURE HEAD "[calibration picture+sound]\ntemperature = "
        "1.31\n[calibration sound]\ntemperature = 2\nnone = 2.5\n"
        "[detector]\non = 0.8\nhold_ms = 3000\n[detector fire truck]\noff = 0.2\nreport = no\n");

    assert_string_equal(m->bundle.name, "yard");
    assert_string_equal(m->bundle.licence, "CC-BY-4.0");
    assert_true(m->bundle.commercial_use);
    assert_int_equal(m->n_modalities, 2);
    assert_string_equal(m->modalities[0].section.name, "sound");
    assert_int_equal(m->modalities[0].kind, MODALITY_SOUND);
    assert_float_equal(m->modalities[0].sound.window_ms, 2000, 0);
    assert_float_equal(m->modalities[0].sound.hop_ms, 500, 0);
    assert_float_equal(m->modalities[0].sound.floor, 1e-7, 0);
    assert_int_equal(m->modalities[0].sound.n_bands, 40);
    assert_int_equal(m->modalities[1].kind, MODALITY_PICTURE);
    assert_int_equal(m->modalities[1].size_px[0], 32);
    assert_int_equal(m->modalities[1].size_px[1], 24);
    assert_int_equal(m->modalities[1].colour, COLOUR_RGB);
    assert_int_equal(m->modalities[1].crop, CROP_CENTRE_SQUARE);
    assert_int_equal(m->head.scores, SCORES_LOGITS);
    assert_float_equal(m->head.unknown, 0.4, 0);
    assert_int_equal(m->calibrations[0].set, 3);
    assert_float_equal(m->calibrations[0].values.temperature, 1.31, 0);
    assert_float_equal(m->calibrations[0].values.none, BUNDLE_NONE, 0);
    assert_float_equal(m->calibrations[1].values.none, 2.5, 0);
    assert_int_equal(m->calibrations[1].set, 1);
}

static void a_label_overlays_all_labels_which_overlay_the_defaults(void **state) {
    _cleanup_(freep) struct manifest *m =
        read_good(BUNDLE SOUND HEAD "[detector fire truck]\noff = 0.2\nreport = no\n"
                                    "[detector]\non = 0.8\nhold_ms = 3000\n");
    const struct detector_options fire = manifest_detector(m, "fire truck");
    const struct detector_options dog = manifest_detector(m, "dog");

    assert_float_equal(fire.on, 0.8, 0);
    assert_float_equal(fire.off, 0.2, 0);
    assert_float_equal(fire.hold_ms, 3000, 0);
    assert_false(fire.report);
    assert_float_equal(dog.off, 0.5, 0);
    assert_float_equal(dog.update_ms, 1000, 0);
    assert_true(dog.report);
}

static void all_modalities_share_one_hop(void **state) {
    _cleanup_(freep) struct manifest *both = read_good(BUNDLE PICTURE SOUND HEAD);
    _cleanup_(freep) struct manifest *alone =
        read_good(BUNDLE PICTURE "[classifier]\nscores = logits\n");

    assert_float_equal(both->modalities[0].hop_ms, 500, 0);
    assert_float_equal(alone->modalities[0].hop_ms, 500, 0);
    expect_problem(BUNDLE SOUND PICTURE "hop_ms = 250\n" HEAD,
                   "b.ini:12: [modality picture] hop_ms = 250: all modalities must have the same "
                   "hop_ms, another has 500");
}

static void the_licence_is_mandatory(void **state) {
    expect_problem("[bundle]\nformat = 1\nname = a\nversion = 1\n" SOUND HEAD,
                   "b.ini:1: [bundle]: the key `licence` is missing");
}

static void a_file_outside_the_bundle_is_refused(void **state) {
    static const char *const names[] = { "../../x", "/etc/passwd", "..", ".hidden", "a/b", "a\\b" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[TEXT_BYTES], sentence[TEXT_BYTES];

        (void) snprintf(text, sizeof(text), BUNDLE SOUND "[head]\nfile = %s\n", names[i]);
        (void) snprintf(sentence, sizeof(sentence),
                        "b.ini:13: [head] file = %s: must be the name of a file in the bundle, "
                        "without directories and blanks",
                        names[i]);
        expect_problem(text, sentence);
    }
}

static void unknown_sections_and_keys_are_errors(void **state) {
    expect_problem(BUNDLE SOUND HEAD "[detectors]\non = 1\n",
                   "b.ini:15: [detectors]: no such section; there are bundle, modality NAME, head, "
                   "classifier, calibration NAME+NAME, detector, detector LABEL");
    expect_problem(BUNDLE SOUND HEAD "lables = x.txt\n",
                   "b.ini:15: [head] lables: no such key; there are file, labels, scores, unknown");
    expect_problem("name = x\n" BUNDLE SOUND HEAD,
                   "b.ini:1: name: stands before the first [section]");
}

static void sections_and_keys_stand_once(void **state) {
    expect_problem(BUNDLE SOUND HEAD "file = x\n",
                   "b.ini:15: [head] file: stands for the second time, first in line 13");
    expect_problem(BUNDLE SOUND HEAD "[bundle]\nname = x\n",
                   "b.ini:15: [bundle]: stands for the second time, first in line 1");
    expect_problem(BUNDLE SOUND HEAD "[detector dog]\n[detector dog]\n",
                   "b.ini:16: [detector dog]: stands for the second time, first in line 15");
}

static void values_out_of_range_are_told_with_what_is_allowed(void **state) {
    expect_problem(BUNDLE SOUND "bands = 300\n" HEAD,
                   "b.ini:12: [modality sound] bands = 300: must be a whole number from 1 to 128");
    expect_problem(BUNDLE SOUND "bands = 12.5\n" HEAD,
                   "b.ini:12: [modality sound] bands = 12.5: must be a whole number from 1 to 128");
    expect_problem(BUNDLE SOUND "rate_hz = 8000\n" HEAD,
                   "b.ini:12: [modality sound] rate_hz = 8000: must be 16000");
    expect_problem(BUNDLE SOUND "low_hz = nan\n" HEAD,
                   "b.ini:12: [modality sound] low_hz = nan: must be a number from 0 to 8000");
    expect_problem(BUNDLE SOUND "low_hz = 0x10\n" HEAD,
                   "b.ini:12: [modality sound] low_hz = 0x10: must be a number from 0 to 8000");
    expect_problem(BUNDLE SOUND "normalise = loud\n" HEAD,
                   "b.ini:12: [modality sound] normalise = loud: must be one of: none peak");
    expect_problem(BUNDLE SOUND HEAD "[detector]\nreport = maybe\n",
                   "b.ini:16: [detector] report = maybe: must be yes or no");
    expect_problem(
        BUNDLE SOUND HEAD "[calibration sound]\ntemperature = 0\n",
        "b.ini:16: [calibration sound] temperature = 0: must be a number from 0.01 to 100");
    expect_problem(BUNDLE "commercial_use =\n" SOUND HEAD,
                   "b.ini:6: [bundle] commercial_use = : must be yes or no");
}

static void sizes_are_width_x_height(void **state) {
    static const char *const sizes[] = { "32",      "32x",     "x32",    "32x0",
                                         "32x2000", "32x32x3", "3 2x32", "0x20x20" };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char text[TEXT_BYTES], sentence[TEXT_BYTES];

        (void) snprintf(text, sizeof(text),
                        BUNDLE "[modality p]\nkind = picture\nencoder = p\nsize_px = %s\n" HEAD,
                        sizes[i]);
        (void) snprintf(
            sentence, sizeof(sentence),
            "b.ini:9: [modality p] size_px = %s: must be WIDTHxHEIGHT, each from 1 to 1024",
            sizes[i]);
        expect_problem(text, sentence);
    }
}

static void keys_of_another_kind_are_refused(void **state) {
    expect_problem(BUNDLE SOUND "size_px = 32x32\n" HEAD,
                   "b.ini:12: [modality sound] size_px: is only for kind = picture");
    expect_problem(BUNDLE SOUND "coefficients = 10\n" HEAD,
                   "b.ini:12: [modality sound] coefficients: is only for features = mfcc");
    expect_problem(BUNDLE PICTURE "bands = 10\n" HEAD,
                   "b.ini:11: [modality picture] bands: is only for kind = sound");
}

static void options_of_sound_must_fit_together(void **state) {
    expect_problem(BUNDLE SOUND "frame_ms = 20\nstep_ms = 15\n" HEAD,
                   "b.ini:6: [modality sound]: hop_ms = 500: must be a multiple of step_ms (15), "
                   "at most 60000");
    expect_problem(BUNDLE SOUND "low_hz = 7700\n" HEAD,
                   "b.ini:6: [modality sound]: low_hz = 7700, high_hz = 7600: must be 0 <= low_hz "
                   "< high_hz <= 8000");
}

static void a_bundle_has_a_head_or_is_a_classifier_of_one_modality(void **state) {
    expect_problem(BUNDLE SOUND, "b.ini: neither [head] nor [classifier]");
    expect_problem(BUNDLE SOUND HEAD "[classifier]\nscores = logits\n",
                   "b.ini:15: [classifier]: a bundle has a [head] or a [classifier], not both");
    expect_problem(
        BUNDLE SOUND PICTURE "[classifier]\nscores = logits\n",
        "b.ini:17: [classifier]: is for a bundle of one modality; 2 of them need a [head]");
    expect_problem(SOUND HEAD, "b.ini: [bundle] is missing");
    expect_problem(BUNDLE HEAD, "b.ini: no [modality NAME] section");
}

static void a_calibration_names_modalities_of_the_bundle(void **state) {
    static const char *const names[] = { "smell", "sound+smell", "sound+sound", "+", "sound+" };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[TEXT_BYTES], sentence[TEXT_BYTES];

        (void) snprintf(text, sizeof(text), BUNDLE SOUND HEAD "[calibration %s]\ntemperature = 1\n",
                        names[i]);
        (void) snprintf(
            sentence, sizeof(sentence),
            "b.ini:15: [calibration %s]: must be names of modalities of this bundle, joined by +",
            names[i]);
        expect_problem(text, sentence);
    }
    expect_problem(BUNDLE SOUND PICTURE HEAD "[calibration sound+picture]\ntemperature = 1\n"
                                             "[calibration picture+sound]\ntemperature = 1\n",
                   "b.ini:22: [calibration picture+sound]: means the same as line 20");
}

static void off_must_not_be_above_on(void **state) {
    expect_problem(BUNDLE SOUND HEAD "[detector]\non = 0.6\n[detector dog]\noff = 0.9\n",
                   "b.ini:17: [detector dog]: off = 0.9 must not be above on = 0.6");
}

static void names_of_sections_are_checked(void **state) {
    expect_problem(BUNDLE SOUND HEAD "[head two]\n", "b.ini:15: [head two]: takes no name");
    expect_problem(BUNDLE SOUND HEAD "[calibration]\n",
                   "b.ini:15: [calibration]: needs a name, as in [modality sound] or [calibration "
                   "sound+picture]");
    expect_problem(BUNDLE SOUND HEAD "[modality a+b]\n",
                   "b.ini:15: [modality a+b]: a modality's name has no blank and none of + / . ,");
    expect_problem(BUNDLE SOUND HEAD "[modality head]\n",
                   "b.ini:15: [modality head]: a modality cannot be called head: selftest/head.io "
                   "is the head's");
}

static void all_problems_are_told_at_once(void **state) {
    struct manifest *m = NULL;
    struct heard heard = { .n = 0 };
    const char text[] =
        "junk\n[bundle]\nformat = 2\nname = x\n[modality sound]\nkind = smell\n[wrong]\nx = 1\n";

    assert_int_equal(manifest_read("b.ini", text, sizeof(text) - 1, &m, hear, &heard), -EBADMSG);
    assert_non_null(strstr(heard.text, "b.ini:1: `junk`: neither a [section]"));
    assert_non_null(strstr(heard.text, "b.ini:3: [bundle] format = 2: must be 1\n"));
    assert_non_null(strstr(
        heard.text, "b.ini:6: [modality sound] kind = smell: must be one of: sound picture\n"));
    assert_non_null(strstr(heard.text, "b.ini:7: [wrong]: no such section"));
    assert_non_null(strstr(heard.text, "b.ini:2: [bundle]: the key `licence` is missing\n"));
}

static void five_modalities_are_too_many(void **state) {
    struct manifest *m = NULL;
    struct heard heard = { .n = 0 };
    char text[TEXT_BYTES] = BUNDLE;

    for (int i = 0; i < 5; i++) {
        const size_t n = strlen(text);
        (void) snprintf(text + n, sizeof(text) - n,
                        "[modality m%d]\nkind = picture\nencoder = e\nsize_px = 8x8\n", i);
    }
    assert_int_equal(manifest_read("b.ini", text, strlen(text), &m, hear, &heard), -EBADMSG);
    assert_non_null(strstr(heard.text, "[modality m4]: too many sections of this kind\n"));
}

/* docs/bundle.md has a table row "| `key` | ... |" below a heading with the section's name for each
 * key. */
static void every_key_and_default_stands_in_the_documentation(void **state) {
    static char doc[DOC_BYTES];
    char path[TEST_PATH_BYTES];
    FILE *const file = fopen(source_path("docs/bundle.md", path), "r");
    const struct manifest_key *key;

    assert_non_null(file);
    doc[fread(doc, 1, sizeof(doc) - 1, file)] = '\0';
    (void) fclose(file); /* only read */
    for (size_t i = 0; (key = manifest_key(i)); i++) {
        char heading[64], row[64], value[64];
        const char *section, *line, *end;

        (void) snprintf(heading, sizeof(heading), "\n### `[%s", manifest_kind_name(key->kind));
        (void) snprintf(row, sizeof(row), "\n| `%s` |", key->key);
        (void) snprintf(value, sizeof(value), "| %s%s%s |",
                        key->default_value && *key->default_value ? "`" : "",
                        !key->default_value   ? "required"
                        : *key->default_value ? key->default_value
                                              : "–",
                        key->default_value && *key->default_value ? "`" : "");
        section = strstr(doc, heading);
        if (!section) {
            fail_msg("docs/bundle.md has no %s", heading + 1);
            return; /* gcc does not know that we do not come here */
        }
        line = strstr(section, row);
        end = strstr(section + 1, "\n### ");
        if (!line || (end && line > end)) {
            fail_msg("docs/bundle.md does not describe [%s] %s", manifest_kind_name(key->kind),
                     key->key);
            return;
        }
        end = line + 1 + strcspn(line + 1, "\n");
        line = strstr(line, value);
        if (!line || line > end)
            fail_msg("docs/bundle.md: [%s] %s should say %s", manifest_kind_name(key->kind),
                     key->key, value);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_manifest_is_read),
        cmocka_unit_test(a_label_overlays_all_labels_which_overlay_the_defaults),
        cmocka_unit_test(all_modalities_share_one_hop),
        cmocka_unit_test(the_licence_is_mandatory),
        cmocka_unit_test(a_file_outside_the_bundle_is_refused),
        cmocka_unit_test(unknown_sections_and_keys_are_errors),
        cmocka_unit_test(sections_and_keys_stand_once),
        cmocka_unit_test(values_out_of_range_are_told_with_what_is_allowed),
        cmocka_unit_test(sizes_are_width_x_height),
        cmocka_unit_test(keys_of_another_kind_are_refused),
        cmocka_unit_test(options_of_sound_must_fit_together),
        cmocka_unit_test(a_bundle_has_a_head_or_is_a_classifier_of_one_modality),
        cmocka_unit_test(a_calibration_names_modalities_of_the_bundle),
        cmocka_unit_test(off_must_not_be_above_on),
        cmocka_unit_test(names_of_sections_are_checked),
        cmocka_unit_test(all_problems_are_told_at_once),
        cmocka_unit_test(five_modalities_are_too_many),
        cmocka_unit_test(every_key_and_default_stands_in_the_documentation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
