/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/beat/notice.h"

static void add_brief(struct buf *b, uint8_t status, int32_t port, const char *id)
{
    struct dfs_brief brief = {.status = status, .port = port};
    assert_int_equal(dfs_text_set(brief.id, sizeof(brief.id), str_c(id)), 0);
    assert_int_equal(dfs_text_set(brief.ip, sizeof(brief.ip), str_c(id)), 0);
    dfs_brief_put(b, &brief);
}

static void nothing_new_is_one_byte(void **state)
{
    (void)state;
    struct sto_notice n;
    assert_int_equal(sto_notice_parse(STR("\0"), &n), 0);
    assert_false(n.has_leader || n.has_trunk_server || n.has_members);
}

static void parts_come_in_the_order_of_their_bits(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf b = BUF(4096);
    struct sto_notice n;
    buf_u8(&b, 7);
    add_brief(&b, 0, 22122, "10.0.0.1");
    add_brief(&b, 7, 23000, "10.0.0.2");
    add_brief(&b, 7, 23000, "10.0.0.2");
    add_brief(&b, 1, 23001, "10.0.0.3");
    assert_int_equal(sto_notice_parse(buf_str(&b), &n), 0);
    assert_int_equal(n.leader.port, 22122);
    assert_string_equal(n.trunk_server.id, "10.0.0.2");
    assert_int_equal(n.member_count, 2);
    assert_string_equal(n.members[1].ip, "10.0.0.3");
    assert_int_equal(n.members[1].status, DFS_ST_WAIT_SYNC);
}

static void lying_bodies_are_refused(void **state)
{
    (void)state;
    struct sto_notice n;
    AUTO(buf_free) struct buf b = BUF(8192);
    assert_int_equal(sto_notice_parse(STR(""), &n), -EINVAL);
    assert_int_equal(sto_notice_parse(STR("\x08"), &n), -EINVAL);
    assert_int_equal(sto_notice_parse(STR("\x01"), &n), -EINVAL); /* no leader behind the bit */
    assert_int_equal(sto_notice_parse(STR("\0x"), &n), -EINVAL);  /* bytes behind nothing */
    buf_u8(&b, 4);
    add_brief(&b, 7, 1, "10.0.0.1");
    assert_int_equal(sto_notice_parse(str_head(buf_str(&b), b.n - 1), &n), -EINVAL);
    for (int i = 0; i < DFS_SERVERS_MAX; i++)
        add_brief(&b, 7, 1, "10.0.0.1");
    assert_int_equal(sto_notice_parse(buf_str(&b), &n), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_new_is_one_byte),
        cmocka_unit_test(parts_come_in_the_order_of_their_bits),
        cmocka_unit_test(lying_bodies_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
