/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/dfs/waiting.h"
#include "tests/lib/test.h"

static void one_question_answers_all_who_came_before_it(void **state)
{
    (void)state;
    struct s3_waiting w;
    struct s3_dfs_wait a, b, late;
    s3_waiting_init(&w);
    assert_false(s3_waiting_wants(&w));
    assert_true(s3_waiting_join(&w, &a, 100));
    assert_true(s3_waiting_join(&w, &b, 101));
    assert_true(s3_waiting_wants(&w));
    assert_null(s3_waiting_due(&w, 102));

    s3_waiting_ask(&w);
    assert_false(s3_waiting_wants(&w));
    assert_true(s3_waiting_join(&w, &late, 103)); /* the trackers may have answered already */
    assert_true(s3_waiting_wants(&w));
    s3_waiting_answer(&w);
    assert_ptr_equal(s3_waiting_due(&w, 104), &a);
    assert_ptr_equal(s3_waiting_due(&w, 104), &b);
    assert_null(s3_waiting_due(&w, 104));

    s3_waiting_ask(&w);
    assert_null(s3_waiting_due(&w, 105));
    s3_waiting_answer(&w);
    assert_ptr_equal(s3_waiting_due(&w, 105), &late);
    assert_null(s3_waiting_due(&w, UINT64_MAX));
    assert_false(s3_waiting_wants(&w));
    assert_int_equal(w.n, 0);
}

static void nobody_waits_longer_than_the_deadline(void **state)
{
    (void)state;
    struct s3_waiting w;
    struct s3_dfs_wait a, b;
    s3_waiting_init(&w);
    assert_int_equal(s3_waiting_until(&w), UINT64_MAX);
    assert_true(s3_waiting_join(&w, &a, 100));
    assert_true(s3_waiting_join(&w, &b, 150));
    s3_waiting_ask(&w); /* and no answer comes */
    assert_int_equal(s3_waiting_until(&w), 100 + S3_WAIT_MS);
    assert_null(s3_waiting_due(&w, 100 + S3_WAIT_MS - 1));
    assert_ptr_equal(s3_waiting_due(&w, 100 + S3_WAIT_MS), &a);
    assert_null(s3_waiting_due(&w, 100 + S3_WAIT_MS));
    assert_int_equal(s3_waiting_until(&w), 150 + S3_WAIT_MS);
    assert_ptr_equal(s3_waiting_due(&w, 150 + S3_WAIT_MS), &b);
    assert_int_equal(s3_waiting_until(&w), UINT64_MAX);
}

static void there_is_a_ceiling_on_who_waits(void **state)
{
    (void)state;
    struct s3_waiting w;
    static struct s3_dfs_wait many[S3_WAITERS_MAX], surplus;
    s3_waiting_init(&w);
    for (size_t i = 0; i < S3_WAITERS_MAX; i++)
        assert_true(s3_waiting_join(&w, &many[i], 1));
    assert_false(s3_waiting_join(&w, &surplus, 1));
    assert_ptr_equal(s3_waiting_due(&w, UINT64_MAX), &many[0]);
    assert_true(s3_waiting_join(&w, &surplus, 1));
    assert_false(s3_waiting_join(&w, &many[0], 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_question_answers_all_who_came_before_it),
        cmocka_unit_test(nobody_waits_longer_than_the_deadline),
        cmocka_unit_test(there_is_a_ceiling_on_who_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
