/* SPDX-License-Identifier: Apache-2.0 */
/* Requests and answers, one after the other, and how a connection ends. */
#include "tests/lib/conn_fixture.h"

#include <poll.h>

static void answers_come_back_at_once_and_from_other_threads(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf rsp = BUF(2000000);
    AUTO(buf_free) struct buf big = BUF(2000000);
    for (int i = 0; i < 900000; i++)
        buf_addc(&big, (char)i);
    AUTO(dfs_peer_free) struct dfs_peer *p = peer(); /* now: it may be silent for 150 ms */
    assert_true(str_eq(call(p, ECHO, STR("hello"), &rsp), STR("hello")));
    assert_true(str_eq(call(p, ECHO, STR(""), &rsp), STR("")));
    assert_true(str_eq(call(p, ECHO, buf_str(&big), &rsp), buf_str(&big)));
    assert_true(str_eq(call(p, LATER, STR(""), &rsp), STR("later")));
    assert_true(str_eq(call(p, ECHO, STR("again"), &rsp), STR("again")));
}

static void requests_sent_in_one_piece_are_answered_in_order(void **state)
{
    (void)state;
    int fd = raw();
    char bytes[3 * 11 + 10], body[16];
    for (int i = 0; i < 3; i++) {
        uint8_t head[DFS_HEADER_LEN];
        dfs_header_put(&(struct dfs_header){1, ECHO, 0}, head);
        memcpy(bytes + i * 11, head, sizeof(head));
        bytes[i * 11 + 10] = (char)('a' + i);
    }
    put(fd, bytes, 33);
    for (int i = 0; i < 3; i++) {
        size_t n;
        assert_int_equal(answer(fd, body, sizeof(body), &n), 0);
        assert_int_equal(body[0], 'a' + i);
    }
    close(fd);
}

static void lying_lengths_are_refused_or_cost_nothing(void **state)
{
    (void)state;
    char body[16];
    size_t n;
    int fd = raw();
    put_header(fd, UINT64_MAX, ECHO); /* negative */
    expect_eof(fd);
    fd = raw();
    put_header(fd, UINT64_C(1) << 62, ECHO); /* beyond the row: dropped as it comes */
    assert_int_equal(answer(fd, body, sizeof(body), &n), 22);
    close(fd);
    fd = raw();
    put_header(fd, 0xFFFFFFFF00000001, 111);
    expect_eof(fd);
    service.frame_max = 100;
    fd = raw();
    put_header(fd, 101, ECHO);
    expect_eof(fd);
}

static void unknown_commands_and_active_test(void **state)
{
    (void)state;
    char body[16];
    size_t n;
    int fd = raw();
    put_header(fd, 3, 200);
    put(fd, "xyz", 3);
    assert_int_equal(answer(fd, body, sizeof(body), &n), 22);
    put_header(fd, 0, DFS_CMD_ACTIVE_TEST);
    assert_int_equal(answer(fd, body, sizeof(body), &n), 0);
    put_header(fd, 1, DFS_CMD_ACTIVE_TEST);
    put(fd, "x", 1);
    assert_int_equal(answer(fd, body, sizeof(body), &n), 22);
    put_header(fd, 0, DFS_CMD_QUIT);
    expect_eof(fd);
}

static void storages_close_after_einval(void **state)
{
    (void)state;
    char body[16];
    size_t n;
    service.close_on_einval = true;
    int fd = raw();
    put_header(fd, 0, 200);
    assert_int_equal(answer(fd, body, sizeof(body), &n), 22);
    expect_eof(fd);
}

static void connections_beyond_the_limit_are_closed(void **state)
{
    (void)state;
    int fds[8];
    for (int i = 0; i < 8; i++) {
        char body[4];
        size_t n;
        fds[i] = raw();
        put_header(fds[i], 0, ECHO);
        assert_int_equal(answer(fds[i], body, sizeof(body), &n), 0);
    }
    expect_eof(raw());
    assert_int_equal(dfs_listener_stats(fx->listener).refused_full, 1);
    for (int i = 0; i < 8; i++)
        close(fds[i]);
}

static void stopping_lets_begun_requests_finish(void **state)
{
    (void)state;
    AUTO(dfs_peer_free) struct dfs_peer *p = peer();
    AUTO(buf_free) struct buf rsp = BUF(100);
    uint64_t len;
    call(p, ECHO, STR("x"), &rsp);
    assert_int_equal(dfs_peer_send(p, LATER, 0, NULL, 0, 0), 0);
    int fd = dfs_peer_fd(p);
    struct pollfd pfd = {fd, POLLIN, 0};
    assert_int_equal(poll(&pfd, 1, 5000), 1); /* it has begun: the answer is here */
    dfs_listener_stop(fx->listener, 5000);
    assert_int_equal(dfs_peer_answer(p, &len), 0);
    assert_int_equal(access(fx->addr.host, F_OK), -1);
}

static void a_connection_can_leave_its_loop(void **state)
{
    (void)state;
    char c;
    int fd = raw();
    put_header(fd, 0, DETACH);
    assert_int_equal(recv(fd, &c, 1, 0), 1);
    expect_eof(fd); /* its new owner has closed it */
    fd = raw();
    uint8_t two[2 * DFS_HEADER_LEN];
    dfs_header_put(&(struct dfs_header){0, DETACH, 0}, two);
    dfs_header_put(&(struct dfs_header){0, ECHO, 0}, two + DFS_HEADER_LEN);
    put(fd, two, sizeof(two)); /* more than the new owner would see */
    expect_eof(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(answers_come_back_at_once_and_from_other_threads),
        T(requests_sent_in_one_piece_are_answered_in_order),
        T(lying_lengths_are_refused_or_cost_nothing),
        T(unknown_commands_and_active_test),
        T(storages_close_after_einval),
        T(connections_beyond_the_limit_are_closed),
        T(stopping_lets_begun_requests_finish),
        T(a_connection_can_leave_its_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
