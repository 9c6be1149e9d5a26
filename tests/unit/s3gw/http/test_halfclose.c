/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/http/halfclose.h"

#include <sys/socket.h>

#include "tests/lib/test.h"

static void the_end_of_a_held_stream_is_nothing_yet(void **state)
{
    (void)state;
    int fd[2];
    char c;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    assert_int_equal(send(fd[1], "x", 1, 0), 1);
    assert_int_equal(shutdown(fd[1], SHUT_WR), 0);
    s3_halfclose_hold(fd[0], true);
    assert_int_equal(recv(fd[0], &c, 1, 0), 1); /* data are data */
    assert_int_equal(recv(fd[0], &c, 0, 0), 0); /* as is asking for none */
    errno = 0;
    assert_int_equal(recv(fd[0], &c, 1, 0), -1);
    assert_int_equal(errno, EAGAIN);
    s3_halfclose_hold(fd[0], false);
    assert_int_equal(recv(fd[0], &c, 1, 0), 0);
    dfs_close_fd(&fd[0]);
    dfs_close_fd(&fd[1]);
}

static void descriptors_beyond_the_table_are_not_held(void **state)
{
    (void)state;
    char c;
    s3_halfclose_hold(1 << 20, true);
    s3_halfclose_hold(-1, true);
    assert_int_equal(recv(-1, &c, 1, 0), -1);
    assert_int_equal(errno, EBADF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_of_a_held_stream_is_nothing_yet),
        cmocka_unit_test(descriptors_beyond_the_table_are_not_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
