/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "s3gw/dfs/pieces.h"
#include "tests/lib/test.h"

enum { MAX = 8 };

static void told(void *arg)
{
    ++*(int *)arg;
}

static void who_finds_none_is_told_when_one_is_back(void **state)
{
    (void)state;
    struct s3_pieces ps;
    struct s3_piece *p[MAX];
    int times = 0, never = 0;
    struct s3_starved who = {.more = told, .arg = &times}, leaves = {.more = told, .arg = &never};
    s3_pieces_init(&ps, MAX);
    for (size_t i = 0; i < MAX; i++) {
        assert_true(s3_pieces_low(&ps) == (i > MAX / 2));
        assert_non_null(p[i] = s3_piece_take(&ps, &who));
    }
    assert_null(s3_piece_take(&ps, &who));
    assert_null(s3_piece_take(&ps, &who)); /* asked twice, told once */
    assert_null(s3_piece_take(&ps, &leaves));
    s3_pieces_starve_no_more(&ps, &leaves);
    s3_piece_give(&ps, p[3]);
    assert_int_equal(times, 1);
    assert_ptr_equal(s3_piece_take(&ps, &who), p[3]);
    for (size_t i = 0; i < MAX; i++)
        s3_piece_give(&ps, p[i]);
    assert_int_equal(times, 1);
    assert_int_equal(never, 0);
    s3_pieces_fini(&ps);
}

static void a_quarter_may_be_kept(void **state)
{
    (void)state;
    struct s3_pieces ps;
    s3_pieces_init(&ps, MAX);
    assert_true(s3_pieces_keep(&ps));
    assert_true(s3_pieces_keep(&ps));
    assert_false(s3_pieces_keep(&ps));
    s3_pieces_kept_no_more(&ps, 1);
    assert_true(s3_pieces_keep(&ps));
    assert_false(s3_pieces_keep(&ps));
    s3_pieces_kept_no_more(&ps, 2);
    s3_pieces_fini(&ps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_finds_none_is_told_when_one_is_back),
        cmocka_unit_test(a_quarter_may_be_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
