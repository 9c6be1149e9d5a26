/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "tracker/cluster/status.h"

enum {
    I = DFS_ST_INIT,
    W = DFS_ST_WAIT_SYNC,
    S = DFS_ST_SYNCING,
    M = DFS_ST_IP_CHANGED,
    D = DFS_ST_DELETED,
    F = DFS_ST_OFFLINE,
    N = DFS_ST_ONLINE,
    A = DFS_ST_ACTIVE,
    R = DFS_ST_RECOVERY
};

static const uint8_t all[] = {I, W, S, M, D, F, N, A, R};

/* The table of semantics 7, with the differences status.h names. */
static void events_move_as_the_specification_says(void **state)
{
    (void)state;
    static const struct {
        enum trk_event event;
        uint8_t to[ARRAY_LEN(all)]; /* in the order of all[] */
    } rows[] = {
        {TRK_EV_JOIN, {I, W, S, I, I, N, N, A, N}},
        {TRK_EV_JOIN_EMPTY, {I, I, I, I, I, I, I, I, I}},
        {TRK_EV_BEAT, {I, W, S, M, D, A, A, A, R}},
        {TRK_EV_LOST, {I, W, S, M, D, F, F, F, R}},
        {TRK_EV_SOURCE, {W, W, S, M, D, F, N, A, R}},
        {TRK_EV_NO_SOURCE, {N, N, N, M, D, F, N, A, R}},
        {TRK_EV_DELETE, {D, D, D, D, D, D, N, A, R}},
        {TRK_EV_MOVED, {M, M, M, M, D, M, N, A, R}},
    };
    assert_int_equal(ARRAY_LEN(rows), TRK_EVENTS_);
    for (size_t e = 0; e < ARRAY_LEN(rows); e++) {
        for (size_t i = 0; i < ARRAY_LEN(all); i++)
            assert_int_equal(trk_status_after(all[i], rows[e].event), rows[e].to[i]);
    }
}

static void a_report_never_kills_and_never_makes_active(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        for (unsigned theirs = 0; theirs < 256; theirs++) {
            uint8_t to = trk_status_after_report(all[i], (uint8_t)theirs);
            assert_true(to == all[i] || (to != D && to != M && to != A && to != N));
        }
    }
}

static void a_report_takes_a_copy_through_its_steps(void **state)
{
    (void)state;
    assert_int_equal(trk_status_after_report(W, S), S);
    assert_int_equal(trk_status_after_report(S, F), F);
    assert_int_equal(trk_status_after_report(S, W), S); /* not back */
    assert_int_equal(trk_status_after_report(F, R), R);
    assert_int_equal(trk_status_after_report(I, F), I); /* INIT is left with a source only */
    assert_int_equal(trk_status_after_report(A, R), A);
    assert_int_equal(trk_status_after_report(R, F), R);
    assert_int_equal(trk_status_after_report(W, DFS_ST_NONE), W);
}

static void a_servers_own_word_is_stored_as_the_protocol_says(void **state)
{
    (void)state;
    assert_int_equal(trk_status_after_own_word(A, F), A); /* both complete: ignored */
    assert_int_equal(trk_status_after_own_word(N, A), N);
    assert_int_equal(trk_status_after_own_word(A, R), R);
    assert_int_equal(trk_status_after_own_word(R, A), F); /* alive must be proved */
    assert_int_equal(trk_status_after_own_word(A, W), W);
    assert_int_equal(trk_status_after_own_word(F, D), D);
}

static void a_restart_forgets_who_was_alive_and_nothing_else(void **state)
{
    (void)state;
    static const uint8_t to[] = {I, W, S, M, D, F, F, F, R};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        assert_int_equal(trk_status_reloaded(all[i]), to[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_move_as_the_specification_says),
        cmocka_unit_test(a_report_never_kills_and_never_makes_active),
        cmocka_unit_test(a_report_takes_a_copy_through_its_steps),
        cmocka_unit_test(a_servers_own_word_is_stored_as_the_protocol_says),
        cmocka_unit_test(a_restart_forgets_who_was_alive_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
