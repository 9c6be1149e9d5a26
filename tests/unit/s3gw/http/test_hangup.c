/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/http/hangup.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include "tests/lib/test.h"

enum { PATIENCE_MS = 30000 };

/* One end of a connection under an edge triggered epoll, as libmicrohttpd holds it. */
struct watched {
    int epoll, ours, theirs;
};

static struct watched connect_pair(void)
{
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    struct watched w = {.epoll = epoll_create1(EPOLL_CLOEXEC), .ours = fd[0], .theirs = fd[1]};
    assert_true(w.epoll >= 0);
    struct epoll_event e = {.events = EPOLLIN | EPOLLET};
    assert_int_equal(epoll_ctl(w.epoll, EPOLL_CTL_ADD, w.ours, &e), 0);
    return w;
}

static void disconnect(struct watched *w)
{
    dfs_close_fd(&w->epoll);
    dfs_close_fd(&w->ours);
    dfs_close_fd(&w->theirs);
}

/* Is there an edge? Then what was sent is read, and no more. */
static bool edge(struct watched *w, int timeout_ms)
{
    struct epoll_event e;
    return epoll_wait(w->epoll, &e, 1, timeout_ms) == 1;
}

static void the_end_behind_the_data_is_told_again(void **state)
{
    (void)state;
    AUTO(s3_hangup_free) struct s3_hangup *h = NULL;
    struct watched w = connect_pair();
    char half[4];
    assert_int_equal(send(w.theirs, "half", 4, 0), 4);
    assert_int_equal(shutdown(w.theirs, SHUT_WR), 0);
    assert_true(edge(&w, PATIENCE_MS));
    assert_int_equal(recv(w.ours, half, 4, 0), 4);
    assert_false(edge(&w, 0)); /* the library would wait here for ever */
    assert_int_equal(s3_hangup_new(1, &h), 0);
    s3_hangup_opened(h, w.ours);
    assert_true(edge(&w, PATIENCE_MS));
    assert_int_equal(recv(w.ours, half, 4, 0), 0);
    assert_int_equal(send(w.ours, "answer", 6, 0), 6); /* our side stays open */
    s3_hangup_closed(h, w.ours);
    disconnect(&w);
}

static void the_living_are_left_alone(void **state)
{
    (void)state;
    AUTO(s3_hangup_free) struct s3_hangup *h = NULL;
    struct watched gone = connect_pair(), living = connect_pair();
    char c;
    assert_int_equal(s3_hangup_new(1, &h), 0);
    s3_hangup_opened(h, living.ours);
    s3_hangup_opened(h, gone.ours);
    assert_int_equal(shutdown(gone.theirs, SHUT_WR), 0);
    for (int i = 0; i < 3; i++) /* its own edge, then two rounds that looked at both */
        assert_true(edge(&gone, PATIENCE_MS));
    assert_false(edge(&living, 0));
    assert_int_equal(send(living.theirs, "x", 1, 0), 1);
    assert_int_equal(recv(living.ours, &c, 1, 0), 1);
    s3_hangup_closed(h, living.ours);
    s3_hangup_closed(h, gone.ours);
    disconnect(&living);
    disconnect(&gone);
}

static void descriptors_beyond_the_table_are_ignored(void **state)
{
    (void)state;
    AUTO(s3_hangup_free) struct s3_hangup *h = NULL;
    assert_int_equal(s3_hangup_new(1000, &h), 0);
    s3_hangup_opened(h, 1 << 20);
    s3_hangup_closed(h, 1 << 20);
    s3_hangup_opened(h, -1);
    s3_hangup_closed(h, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_behind_the_data_is_told_again),
        cmocka_unit_test(the_living_are_left_alone),
        cmocka_unit_test(descriptors_beyond_the_table_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
