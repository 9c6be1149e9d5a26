/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "dfscore/wire/internal.h"
#include "storage/service/op.h"

static const struct dfs_command *row(uint8_t cmd)
{
    for (size_t i = 0; i < sto_command_count; i++)
        if (sto_commands[i].cmd == cmd)
            return &sto_commands[i];
    return NULL;
}

static void every_command_of_a_storage_has_one_row(void **state)
{
    (void)state;
    for (unsigned cmd = 0; cmd < 180; cmd++) {
        unsigned rows = 0;
        for (size_t i = 0; i < sto_command_count; i++)
            rows += sto_commands[i].cmd == cmd;
        assert_int_equal(rows, dfs_cmd_known((uint8_t)cmd, 'S') ? 1 : 0);
    }
}

static void rows_make_sense(void **state)
{
    (void)state;
    for (size_t i = 0; i < sto_command_count; i++) {
        const struct dfs_command *c = &sto_commands[i];
        assert_non_null(c->handle);
        assert_non_null(c->done);
        assert_true(c->min_len <= c->max_len);
        /* Only file content may be longer than what a connection may hold in memory. */
        assert_true(c->content != NULL || c->max_len <= STO_META_BODY_MAX);
        assert_true((c->content != NULL) == (c->max_len == INT64_MAX));
        assert_true(!c->content || c->abort);
    }
}

static void lengths_follow_the_specification(void **state)
{
    (void)state;
    static const struct {
        uint8_t cmd;
        uint64_t min;
    } rows[] = {
        {DFS_CMD_UPLOAD, 15},       {DFS_CMD_UPLOAD_APPENDER, 15}, {DFS_CMD_UPLOAD_SLAVE, 38},
        {DFS_CMD_APPEND, 16},       {DFS_CMD_MODIFY, 24},          {DFS_CMD_TRUNCATE, 17},
        {DFS_CMD_DELETE, 17},       {DFS_CMD_SET_METADATA, 34},    {DFS_CMD_GET_METADATA, 17},
        {DFS_CMD_DOWNLOAD, 33},     {DFS_CMD_FILE_INFO, 17},       {DFS_CMD_CREATE_LINK, 63},
        {DFS_CMD_SYNC_CREATE, 36},  {DFS_CMD_SYNC_UPDATE, 36},     {DFS_CMD_SYNC_APPEND, 44},
        {DFS_CMD_SYNC_MODIFY, 44},  {DFS_CMD_SYNC_DELETE, 21},     {DFS_CMD_SYNC_TRUNCATE, 45},
        {DFS_CMD_FETCH_BINLOG, 17}, {DFS_CMD_ACTIVE_TEST, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(row(rows[i].cmd)->min_len, rows[i].min);
    assert_int_equal(row(DFS_CMD_ACTIVE_TEST)->max_len, 0);
    assert_int_equal(row(DFS_CMD_FETCH_BINLOG)->max_len, 17);
}

static void counters_belong_to_client_operations(void **state)
{
    (void)state;
    assert_int_equal(sto_command_stat(DFS_CMD_UPLOAD), STO_STAT_UPLOAD);
    assert_int_equal(sto_command_stat(DFS_CMD_UPLOAD_SLAVE), STO_STAT_UPLOAD);
    assert_int_equal(sto_command_stat(DFS_CMD_DOWNLOAD), STO_STAT_DOWNLOAD);
    assert_int_equal(sto_command_stat(DFS_CMD_SYNC_CREATE), STO_STAT_NONE);
    assert_int_equal(sto_command_stat(DFS_INT_SYNC_PULL), STO_STAT_NONE);
    assert_int_equal(sto_command_stat(255), STO_STAT_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_of_a_storage_has_one_row),
        cmocka_unit_test(rows_make_sense),
        cmocka_unit_test(lengths_follow_the_specification),
        cmocka_unit_test(counters_belong_to_client_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
