/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "storage/sync/scrub.h"

static void a_place_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct sto_scrub_place p = {.state = {.rounds = 3,
                                          .began_s = 1700000000,
                                          .bytes = 1u << 31,
                                          .last_s = 1690000000,
                                          .last_bytes = UINT64_MAX},
                                .started_s = 1700000001,
                                .path = 255,
                                .log = {0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0},
                                .position = UINT64_C(7) << 32 | 4096};
    struct sto_scrub_place q;
    AUTO(buf_free) struct buf text = BUF(1024);
    sto_scrub_print(&p, &text);
    assert_int_equal(buf_err(&text), 0);
    sto_scrub_parse(buf_str(&text), &q);
    assert_int_equal(q.state.rounds, 3);
    assert_int_equal(q.state.began_s, 1700000000);
    assert_int_equal(q.state.bytes, 1u << 31);
    assert_int_equal(q.state.last_s, 1690000000);
    assert_true(q.state.last_bytes == UINT64_MAX);
    assert_int_equal(q.started_s, 1700000001);
    assert_int_equal(q.path, 255);
    assert_memory_equal(q.log, p.log, sizeof(p.log));
    assert_true(q.position == p.position);
}

static void nonsense_is_the_beginning(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "=\n==\nrounds\n",
        "rounds=-1\nbegan=99999999999999999999\npath=256\nlog=zz\nposition=1x\n",
        "path=-1\nlog=0102\nstarted=\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        static const uint8_t zero[STO_LOG_ID_LEN];
        struct sto_scrub_place p;
        sto_scrub_parse(str_c(texts[i]), &p);
        assert_int_equal(p.state.rounds, 0);
        assert_int_equal(p.state.began_s, 0);
        assert_int_equal(p.path, 0);
        assert_int_equal(p.position, 0);
        assert_memory_equal(p.log, zero, sizeof(zero));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_is_read_as_it_was_written),
        cmocka_unit_test(nonsense_is_the_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
