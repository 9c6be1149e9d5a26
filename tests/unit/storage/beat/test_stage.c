/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/beat/stage.h"

static void only_the_drawn_moves_are_allowed(void **state)
{
    (void)state;
    static const enum sto_stage moves[][2] = {
        {STO_STAGE_AWAY, STO_STAGE_CONNECTED}, {STO_STAGE_CONNECTED, STO_STAGE_JOINED},
        {STO_STAGE_JOINED, STO_STAGE_BEATING}, {STO_STAGE_CONNECTED, STO_STAGE_AWAY},
        {STO_STAGE_JOINED, STO_STAGE_AWAY},    {STO_STAGE_BEATING, STO_STAGE_AWAY},
        {STO_STAGE_AWAY, STO_STAGE_STOPPED},   {STO_STAGE_CONNECTED, STO_STAGE_STOPPED},
        {STO_STAGE_JOINED, STO_STAGE_STOPPED}, {STO_STAGE_BEATING, STO_STAGE_STOPPED},
    };
    unsigned allowed = 0;
    for (unsigned from = 0; from < STO_STAGES_; from++)
        for (unsigned to = 0; to < STO_STAGES_; to++)
            allowed += sto_stage_may((enum sto_stage)from, (enum sto_stage)to);
    assert_int_equal(allowed, ARRAY_LEN(moves));
    for (size_t i = 0; i < ARRAY_LEN(moves); i++)
        assert_true(sto_stage_may(moves[i][0], moves[i][1]));
}

static void back_off_doubles_to_its_limit(void **state)
{
    (void)state;
    assert_int_equal(sto_stage_backoff(1, 10000, 0), 250);
    assert_int_equal(sto_stage_backoff(2, 10000, 0), 500);
    assert_int_equal(sto_stage_backoff(6, 10000, 0), 8000);
    assert_int_equal(sto_stage_backoff(7, 10000, 0), 10000);
    assert_int_equal(sto_stage_backoff(1000000, 10000, 0), 10000);
    assert_int_equal(sto_stage_backoff(1, 100, 0), 100);
}

static void noise_shortens_by_a_quarter_at_most(void **state)
{
    (void)state;
    for (uint32_t noise = 0; noise < 1000; noise++) {
        uint64_t ms = sto_stage_backoff(3, 10000, noise);
        assert_true(ms >= 750 && ms <= 1000);
    }
    assert_int_equal(sto_stage_backoff(3, 10000, 255), 750);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_drawn_moves_are_allowed),
        cmocka_unit_test(back_off_doubles_to_its_limit),
        cmocka_unit_test(noise_shortens_by_a_quarter_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
