/* SPDX-License-Identifier: MIT */
#include "models/tool_tally.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>

enum { MISTAKES_SHOWN = 5, PRECISION_DIGITS = 6 };

static const char *const way_names[TALLY_WAYS] = { "both", "sound", "picture" };

void tally_add(struct tally *tally, enum tally_way way, size_t label, size_t answer) {
    tally->counts[way][label][answer]++;
}

/* Files of @label, and of them the right ones. */
static size_t count(const struct tally *t, size_t way, size_t label, size_t *ret_right) {
    size_t n = 0;

    for (size_t answer = 0; answer < t->bundle->n_labels; answer++)
        n += t->counts[way][label][answer];
    *ret_right = t->counts[way][label][label];
    return n;
}

static size_t count_all(const struct tally *t, size_t way, size_t *ret_right) {
    size_t n = 0, right;

    *ret_right = 0;
    for (size_t label = 0; label < t->bundle->n_labels; label++) {
        n += count(t, way, label, &right);
        *ret_right += right;
    }
    return n;
}

/* null where there is nothing to count. */
static json_t *fraction(size_t part, size_t whole) {
    return whole > 0 ? json_real((double) part / (double) whole) : json_null();
}

/* {"both": ..., "sound": ..., "picture": ...} of one label. */
static json_t *label_json(const struct tally *t, size_t label) {
    json_t *const object = json_object();

    for (size_t way = 0; way < TALLY_WAYS; way++) {
        size_t right;
        const size_t n = count(t, way, label, &right);

        (void) json_object_set_new(object, way_names[way],
                                   fraction(right, n)); /* checked as a whole */
    }
    return object;
}

/* {"fire": {"fire": 0.95, "car": 0.05}, ...}: what each label was taken for; zeros left out. */
static json_t *confusion_json(const struct tally *t, size_t way) {
    json_t *const object = json_object();

    for (size_t label = 0; label < t->bundle->n_labels; label++) {
        size_t right;
        const size_t n = count(t, way, label, &right);
        json_t *const row = json_object();

        for (size_t answer = 0; answer < t->bundle->n_labels; answer++)
            if (t->counts[way][label][answer] > 0)
                (void) json_object_set_new(row, t->bundle->labels[answer],
                                           fraction(t->counts[way][label][answer], n));
        (void) json_object_set_new(object, t->bundle->labels[label], row);
    }
    return object;
}

int tally_print_json(const struct tally *tally, const char *split) {
    json_t *const root = json_object(), *const n = json_object(), *const per_label = json_object(),
                  *const confusion = json_object();
    size_t right;
    int r = 0;

    r |= json_object_set_new(root, "split", json_string(split));
    r |= json_object_set_new(root, "n", n);
    for (size_t way = 0; way < TALLY_WAYS; way++) {
        const size_t n_way = count_all(tally, way, &right);

        r |= json_object_set_new(n, way_names[way], json_integer((json_int_t) n_way));
        r |= json_object_set_new(root, way_names[way], fraction(right, n_way));
        r |= json_object_set_new(confusion, way_names[way], confusion_json(tally, way));
    }
    for (size_t label = 0; label < tally->bundle->n_labels; label++)
        r |= json_object_set_new(per_label, tally->bundle->labels[label], label_json(tally, label));
    r |= json_object_set_new(root, "per_label", per_label);
    r |= json_object_set_new(root, "confusion", confusion);

    if (r == 0 && json_dumpf(root, stdout, JSON_REAL_PRECISION(PRECISION_DIGITS)) < 0)
        r = -EIO;
    json_decref(root);
    (void) puts("");
    return r == -1 ? -ENOMEM : r;
}

static void print_share(size_t right, size_t n) {
    if (n > 0)
        (void) printf("  %6.1f %% of %-6zu", 100.0 * (double) right / (double) n, n);
    else
        (void) printf("  %6s        %-4s", "-", "");
}

struct mistake {
    size_t label, answer;
    double share; /* of the label's files */
};

/* The largest share of one label taken for another below @below, or 0. */
static struct mistake worst_mistake(const struct tally *t, size_t way,
                                    const struct mistake *below) {
    struct mistake worst = { .share = 0.0 };

    for (size_t label = 0; label < t->bundle->n_labels; label++) {
        size_t right;
        const size_t n = count(t, way, label, &right);

        for (size_t answer = 0; answer < t->bundle->n_labels; answer++) {
            const double share = n > 0 ? (double) t->counts[way][label][answer] / (double) n : 0.0;
            const bool told =
                share > below->share ||
                (share == below->share &&
                 (label < below->label || (label == below->label && answer <= below->answer)));

            if (label != answer && share > worst.share && !told)
                worst = (struct mistake){ label, answer, share };
        }
    }
    return worst;
}

/* The commonest wrong answers of one way, worst first. */
static void print_mistakes(const struct tally *t, size_t way) {
    struct mistake mistake = { .share = 2.0 }; /* above any share */

    for (int i = 0; i < MISTAKES_SHOWN; i++) {
        mistake = worst_mistake(t, way, &mistake);
        if (mistake.share == 0.0)
            return;
        (void) printf("%s %s for %s (%.0f %%)", i == 0 ? way_names[way] : ",",
                      t->bundle->labels[mistake.label], t->bundle->labels[mistake.answer],
                      100.0 * mistake.share);
    }
}

void tally_print_table(const struct tally *tally, const char *dataset, const char *split) {
    size_t right, n;

    (void) printf("%s %s on %s, split %s\n\n%-16s", tally->bundle->name, tally->bundle->version,
                  dataset, split, "right");
    for (size_t way = 0; way < TALLY_WAYS; way++)
        (void) printf("  %-18s", way_names[way]);
    (void) printf("\n%-16s", "all");
    for (size_t way = 0; way < TALLY_WAYS; way++) {
        n = count_all(tally, way, &right);
        print_share(right, n);
    }
    (void) puts("");
    for (size_t label = 0; label < tally->bundle->n_labels; label++) {
        (void) printf("%-16s", tally->bundle->labels[label]);
        for (size_t way = 0; way < TALLY_WAYS; way++) {
            n = count(tally, way, label, &right);
            print_share(right, n);
        }
        (void) puts("");
    }
    (void) puts("\nmistaken most often");
    for (size_t way = 0; way < TALLY_WAYS; way++) {
        n = count_all(tally, way, &right);
        if (n > right) {
            (void) fputs("  ", stdout);
            print_mistakes(tally, way);
            (void) puts("");
        }
    }
}
