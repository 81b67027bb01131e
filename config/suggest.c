/* SPDX-License-Identifier: MIT */
/*
 * Method: edit distance with insertions, deletions and substitutions
 * (V. Levenshtein, Soviet Physics Doklady 10(8), 1966), two rows at a time. A
 * word that begins another counts as one step away ("rate" for "rate_hz").
 */
#include "config/suggest.h"

#include <string.h>

enum { WORD_ITEMS_MAX = 48 };

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

static size_t distance(const char *a, const char *b) {
    const size_t n_a = strlen(a), n_b = strlen(b);
    size_t row[WORD_ITEMS_MAX + 1];

    if (n_a > WORD_ITEMS_MAX || n_b > WORD_ITEMS_MAX)
        return WORD_ITEMS_MAX;
    if (least(n_a, n_b) >= 3 && strncmp(a, b, least(n_a, n_b)) == 0)
        return 1;
    for (size_t j = 0; j <= n_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            const size_t above = row[j];

            row[j] = least(least(above, row[j - 1]) + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[n_b];
}

void suggest_offer(struct suggest *s, const char *candidate) {
    const size_t d = distance(s->word, candidate);

    if (d > 1 + strlen(s->word) / 4 || d >= strlen(candidate) || (s->best && d >= s->distance))
        return;
    s->best = candidate;
    s->distance = d;
}
