/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "dfscore/wire/header.h"
#include "dfscore/wire/status.h"

static void the_numbers_of_the_specification(void **state)
{
    (void)state;
    static const struct {
        uint8_t byte;
        int err;
    } rows[] = {{1, EPERM},   {2, ENOENT},      {5, EIO},        {11, EAGAIN},     {13, EACCES},
                {16, EBUSY},  {17, EEXIST},     {22, EINVAL},    {28, ENOSPC},     {61, ENODATA},
                {64, ENONET}, {95, EOPNOTSUPP}, {107, ENOTCONN}, {110, ETIMEDOUT}, {114, EALREADY}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(dfs_status_errno(rows[i].byte), -rows[i].err);
        assert_int_equal(dfs_status_byte(-rows[i].err), rows[i].byte);
    }
    assert_int_equal(dfs_status_errno(0), 0);
    assert_int_equal(dfs_status_byte(0), 0);
    assert_int_equal(dfs_status_byte(7), 0);
}

static void every_byte_becomes_an_error_and_every_error_a_byte(void **state)
{
    (void)state;
    for (int b = 1; b < 256; b++)
        assert_true(dfs_status_errno((uint8_t)b) < 0);
    for (int e = 1; e < 5000; e++)
        assert_int_not_equal(dfs_status_byte(-e), 0);
    assert_int_equal(dfs_status_byte(-4000), 5);
}

static void all_64_bits_of_a_length_count(void **state)
{
    (void)state;
    static const uint8_t rows[][DFS_HEADER_LEN] = {
        {0x80, 0, 0, 0, 0, 0, 0, 0, 11, 0},
        {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 11, 0},
    };
    struct dfs_header h = {1, 2, 3};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(dfs_header_get(rows[i], &h), -EBADMSG);
    assert_int_equal(h.len, 1);
    static const uint8_t high[DFS_HEADER_LEN] = {0, 0, 0, 1, 0, 0, 0, 0, 14, 1};
    assert_int_equal(dfs_header_get(high, &h), 0);
    assert_true(h.len == UINT64_C(1) << 32);
    assert_int_equal(h.cmd, DFS_CMD_DOWNLOAD);
    assert_int_equal(h.status, 1);
}

static void commands_have_one_code_and_one_name(void **state)
{
    (void)state;
    unsigned known = 0;
    for (int i = 0; i < 256; i++)
        for (int j = i + 1; j < 256; j++)
            if (strcmp(dfs_cmd_name((uint8_t)i), "unknown") != 0)
                assert_string_not_equal(dfs_cmd_name((uint8_t)i), dfs_cmd_name((uint8_t)j));
    for (int i = 0; i < 256; i++)
        known += dfs_cmd_known((uint8_t)i, 'S') || dfs_cmd_known((uint8_t)i, 'T');
    assert_int_equal(known, 80);
    assert_true(dfs_cmd_known(DFS_CMD_JOIN, 'T') && !dfs_cmd_known(DFS_CMD_JOIN, 'S'));
    assert_true(dfs_cmd_known(DFS_CMD_QUIT, 'S') && !dfs_cmd_known(DFS_CMD_RESPONSE, 'T'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_numbers_of_the_specification),
        cmocka_unit_test(every_byte_becomes_an_error_and_every_error_a_byte),
        cmocka_unit_test(all_64_bits_of_a_length_count),
        cmocka_unit_test(commands_have_one_code_and_one_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
