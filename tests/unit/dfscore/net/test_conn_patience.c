/* SPDX-License-Identifier: Apache-2.0 */
/* How long a peer may keep a connection waiting. */
#include "tests/lib/conn_fixture.h"
#include "tests/lib/later.h"

static void time_passes(uint64_t ms)
{
    later(ms, fx->loops, ARRAY_LEN(fx->loops));
}

static bool is_closed(int fd)
{
    char c;
    return recv(fd, &c, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

static void half_a_header_then_silence_costs_only_that_connection(void **state)
{
    (void)state;
    AUTO(dfs_peer_free) struct dfs_peer *p = peer();
    AUTO(buf_free) struct buf rsp = BUF(100);
    int half_header = raw();
    put(half_header, "\0\0\0", 3);
    int half_body = raw();
    put_header(half_body, 1000, ECHO);
    put(half_body, "abc", 3);
    int silent = raw();
    call(p, ECHO, STR("x"), &rsp);
    time_passes(PATIENCE_MS - 1000);
    assert_false(is_closed(half_header));
    assert_false(is_closed(half_body));
    assert_false(is_closed(silent));
    time_passes(2000);
    assert_true(is_closed(half_header)); /* after stall_ms */
    assert_true(is_closed(half_body));
    assert_true(is_closed(silent)); /* after first_ms */
    call(p, ECHO, STR("y"), &rsp);
    close(half_header);
    close(half_body);
    close(silent);
}

static void an_idle_connection_may_stay(void **state)
{
    (void)state;
    AUTO(dfs_peer_free) struct dfs_peer *p = peer();
    AUTO(buf_free) struct buf rsp = BUF(100);
    call(p, ECHO, STR("x"), &rsp);
    time_passes(10 * PATIENCE_MS);
    assert_false(is_closed(dfs_peer_fd(p)));
    call(p, ECHO, STR("y"), &rsp);
}

static void a_reader_that_does_not_read_is_dropped(void **state)
{
    (void)state;
    int fd = data_file();
    assert_int_equal(ftruncate(fd, 3000010), 0);
    close(fd);
    fd = raw();
    put_header(fd, 0, FILE_CMD);
    time_passes(PATIENCE_MS - 1000);
    assert_int_equal(counted(&fx->closed), 0);
    time_passes(2000);
    assert_int_equal(counted(&fx->closed), 1);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(half_a_header_then_silence_costs_only_that_connection),
        T(an_idle_connection_may_stay),
        T(a_reader_that_does_not_read_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
