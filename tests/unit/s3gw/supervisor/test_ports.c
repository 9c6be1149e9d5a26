/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/supervisor/ports.h"

#include <unistd.h>

#include "tests/lib/test.h"

static void free_ports_are_none_that_outgoing_connections_get(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *tmp = test_tmpdir();
    AUTO(s3_datadir_close) struct s3_datadir *d = NULL;
    AUTO(buf_free) struct buf err = BUF(1000);
    pid_t holder;
    struct s3_ports p;
    assert_int_equal(s3_datadir_open(tmp, &d, &holder), 0);
    assert_int_equal(s3_ports_choose(d, 0, 0, &p, &err), 0);
    assert_in_range(p.tracker, 1024, 32767);
    assert_in_range(p.storage, 1024, 32767);
    assert_int_not_equal(p.tracker, p.storage);
}

static void a_port_that_is_held_cannot_be_had_again(void **state)
{
    (void)state;
    uint16_t port, other;
    AUTO(dfs_close_fd) int held = s3_ports_hold(0, &port);
    assert_true(held >= 0);
    assert_int_equal(s3_ports_hold(port, &other), -EADDRINUSE);
    dfs_close_fd(&held);
    held = s3_ports_hold(port, &other);
    assert_true(held >= 0);
    assert_int_equal(other, port);
}

static void the_ports_of_the_last_start_are_taken_again(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *tmp = test_tmpdir();
    AUTO(s3_datadir_close) struct s3_datadir *d = NULL;
    AUTO(buf_free) struct buf err = BUF(1000);
    pid_t holder;
    struct s3_ports first, second;
    assert_int_equal(s3_datadir_open(tmp, &d, &holder), 0);
    assert_int_equal(s3_ports_choose(d, 0, 0, &first, &err), 0);
    assert_int_equal(s3_ports_choose(d, 0, 0, &second, &err), 0);
    assert_int_equal(second.tracker, first.tracker);
    assert_int_equal(second.storage, first.storage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_ports_are_none_that_outgoing_connections_get),
        cmocka_unit_test(a_port_that_is_held_cannot_be_had_again),
        cmocka_unit_test(the_ports_of_the_last_start_are_taken_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
