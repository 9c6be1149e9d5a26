/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "dfscore/wire/messages.h"
#include "storage/group/members.h"
#include "storage/sync/state.h"

static void only_the_drawn_moves_are_allowed(void **state)
{
    (void)state;
    static const enum sto_rep_state moves[][2] = {
        {STO_REP_WAITING, STO_REP_CATCHING_UP},   {STO_REP_WAITING, STO_REP_BACKOFF},
        {STO_REP_CATCHING_UP, STO_REP_FOLLOWING}, {STO_REP_CATCHING_UP, STO_REP_BACKOFF},
        {STO_REP_FOLLOWING, STO_REP_BACKOFF},     {STO_REP_BACKOFF, STO_REP_WAITING},
        {STO_REP_WAITING, STO_REP_STOPPED},       {STO_REP_CATCHING_UP, STO_REP_STOPPED},
        {STO_REP_FOLLOWING, STO_REP_STOPPED},     {STO_REP_BACKOFF, STO_REP_STOPPED},
    };
    unsigned allowed = 0;
    for (unsigned from = 0; from < STO_REP_STATES_; from++)
        for (unsigned to = 0; to < STO_REP_STATES_; to++)
            allowed += sto_rep_may((enum sto_rep_state)from, (enum sto_rep_state)to);
    assert_int_equal(allowed, ARRAY_LEN(moves));
    for (size_t i = 0; i < ARRAY_LEN(moves); i++)
        assert_true(sto_rep_may(moves[i][0], moves[i][1]));
}

static void who_counts_can_be_reached(void **state)
{
    (void)state;
    for (unsigned status = 0; status < 256; status++)
        if (sto_in_service((uint8_t)status))
            assert_true(sto_rep_reachable((uint8_t)status));
    assert_true(sto_in_service(DFS_ST_ACTIVE));
    assert_false(sto_in_service(DFS_ST_WAIT_SYNC)); /* it waits for us as we for it */
    assert_false(sto_rep_reachable(DFS_ST_DELETED));
    assert_false(sto_rep_reachable(DFS_ST_NONE));
    assert_true(sto_rep_reachable(DFS_ST_OFFLINE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_drawn_moves_are_allowed),
        cmocka_unit_test(who_counts_can_be_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
