/* SPDX-License-Identifier: MIT */
#include "models/arena.h"

#include <stdbool.h>

#include "tests/test.h"

enum { N_BUFFERS = 40, N_ROUNDS = 200, N_MANY = 2000 /* of a net with a thousand operators */ };

static bool meet(const struct arena_buffer *a, const struct arena_buffer *b) {
    return a->first <= b->last && b->first <= a->last;
}

static bool overlap(const struct arena_buffer *a, const struct arena_buffer *b) {
    return a->offset < b->offset + b->n_bytes && b->offset < a->offset + a->n_bytes;
}

static void no_two_buffers_share_a_byte_at_one_moment(void **state) {
    srand(1);
    for (int round = 0; round < N_ROUNDS; round++) {
        struct arena_buffer buffers[N_BUFFERS] = { 0 };
        size_t bytes;

        for (size_t i = 0; i < N_BUFFERS; i++) {
            buffers[i].n_bytes = (size_t) (rand() % 1000);
            buffers[i].first = rand() % 50;
            buffers[i].last = buffers[i].first + rand() % 10;
        }
        assert_int_equal(arena_place(buffers, N_BUFFERS, &bytes), 0);
        assert_true(bytes >= arena_peak(buffers, N_BUFFERS));
        for (size_t i = 0; i < N_BUFFERS; i++) {
            assert_true(buffers[i].offset + buffers[i].n_bytes <= bytes);
            assert_int_equal(buffers[i].offset % ARENA_ALIGN_BYTES, 0);
            for (size_t k = 0; k < i; k++)
                assert_false(meet(&buffers[i], &buffers[k]) && overlap(&buffers[i], &buffers[k]));
        }
    }
}

static void a_chain_takes_no_more_than_two_neighbours(void **state) {
    struct arena_buffer buffers[] = {
        { .n_bytes = 480, .first = 0, .last = 1 },  { .n_bytes = 8000, .first = 1, .last = 2 },
        { .n_bytes = 8000, .first = 2, .last = 3 }, { .n_bytes = 4000, .first = 3, .last = 4 },
        { .n_bytes = 16, .first = 4, .last = 5 },
    };
    size_t bytes;

    assert_int_equal(arena_place(buffers, 5, &bytes), 0);
    assert_int_equal(bytes, 16000);
    assert_int_equal(arena_peak(buffers, 5), 16000);
}

static void a_second_round_mends_what_largest_first_wastes(void **state) {
    /* Largest first alone takes 608: the two that live longest end up apart. */
    struct arena_buffer buffers[] = {
        { .n_bytes = 112, .first = 5, .last = 5 }, { .n_bytes = 128, .first = 4, .last = 5 },
        { .n_bytes = 144, .first = 3, .last = 5 }, { .n_bytes = 192, .first = 6, .last = 7 },
        { .n_bytes = 176, .first = 6, .last = 8 }, { .n_bytes = 128, .first = 5, .last = 6 },
    };
    size_t bytes;

    assert_int_equal(arena_place(buffers, 6, &bytes), 0);
    assert_int_equal(bytes, 512);
    assert_int_equal(arena_peak(buffers, 6), 512);
}

static void a_chain_of_very_many_buffers_is_placed_too(void **state) {
    static struct arena_buffer buffers[N_MANY];
    size_t bytes;

    for (int i = 0; i < N_MANY; i++)
        buffers[i] = (struct arena_buffer){ .n_bytes = 64, .first = i, .last = i + 1 };
    assert_int_equal(arena_place(buffers, N_MANY, &bytes), 0);
    assert_int_equal(bytes, 128);
    for (int i = 1; i < N_MANY; i++)
        assert_false(overlap(&buffers[i], &buffers[i - 1]));
}

/* Pairs of which the later may lie over the earlier one. */
static void make_pairs(struct arena_buffer *buffers, size_t n) {
    for (size_t i = 0; i < n; i++) {
        buffers[i].n_bytes = (size_t) (rand() % 1000);
        buffers[i].first = i % 2 ? buffers[i - 1].last : rand() % 50;
        buffers[i].last = buffers[i].first + rand() % 10;
        if (i % 2) {
            buffers[i].over = &buffers[i - 1];
            buffers[i].lead = (size_t) (rand() % 300);
        }
    }
}

static void what_lies_over_another_begins_its_lead_before(void **state) {
    size_t n_shared = 0;

    srand(2);
    for (int round = 0; round < N_ROUNDS; round++) {
        struct arena_buffer buffers[N_BUFFERS] = { 0 };
        size_t bytes;

        make_pairs(buffers, N_BUFFERS);
        assert_int_equal(arena_place(buffers, N_BUFFERS, &bytes), 0);
        assert_true(bytes >= arena_peak(buffers, N_BUFFERS));
        for (size_t i = 0; i < N_BUFFERS; i++)
            for (size_t k = 0; k < i; k++) {
                if (!meet(&buffers[i], &buffers[k]) || !overlap(&buffers[i], &buffers[k]))
                    continue;
                assert_ptr_equal(buffers[i].over, &buffers[k]);
                assert_true(buffers[i].offset + buffers[i].lead <= buffers[k].offset);
                n_shared++;
            }
    }
    assert_true(n_shared > N_ROUNDS);
}

static void a_chain_that_works_in_place_creeps_by_its_leads(void **state) {
    struct arena_buffer buffers[] = {
        { .n_bytes = 8000, .first = 0, .last = 1 },
        { .n_bytes = 8000, .first = 1, .last = 2, .over = &buffers[0], .lead = 320 },
        { .n_bytes = 8000, .first = 2, .last = 3, .over = &buffers[1], .lead = 320 },
        { .n_bytes = 64, .first = 3, .last = 4, .over = &buffers[2], .lead = 64 },
    };
    size_t bytes;

    assert_int_equal(arena_place(buffers, 4, &bytes), 0);
    assert_int_equal(arena_peak(buffers, 4), 8320);
    assert_int_equal(bytes, 8000 + 2 * 320); /* the last finds room above those that went */
}

static void nothing_takes_nothing(void **state) {
    size_t bytes = 7;

    assert_int_equal(arena_place(NULL, 0, &bytes), 0);
    assert_int_equal(bytes, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_two_buffers_share_a_byte_at_one_moment),
        cmocka_unit_test(a_chain_takes_no_more_than_two_neighbours),
        cmocka_unit_test(a_second_round_mends_what_largest_first_wastes),
        cmocka_unit_test(a_chain_of_very_many_buffers_is_placed_too),
        cmocka_unit_test(what_lies_over_another_begins_its_lead_before),
        cmocka_unit_test(a_chain_that_works_in_place_creeps_by_its_leads),
        cmocka_unit_test(nothing_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
