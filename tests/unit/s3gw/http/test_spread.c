/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/http/spread.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <unistd.h>

#include "tests/lib/test.h"

enum { THREADS = 3, MAX_FDS = 32 };

/* Threads are numbers here: what each would accept is asked for in turn. */
struct fixture {
    struct s3_spread *s;
    struct sockaddr_in address;
    int listener[THREADS];
    bool fails;          /* give() does */
    unsigned n[THREADS]; /* connections accepted by it, or given to it */
    unsigned given;      /* of those */
    int fd[MAX_FDS];     /* of all */
    int client[MAX_FDS];
    unsigned fds, clients;
};

static bool give(void *arg, unsigned thread, int fd, const struct sockaddr *peer, socklen_t n)
{
    struct fixture *f = arg;
    assert_int_equal(peer->sa_family, AF_INET);
    assert_int_equal(n, sizeof(f->address));
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    if (f->fails) {
        close(fd);
        return false;
    }
    f->n[thread]++;
    f->given++;
    f->fd[f->fds++] = fd;
    return true;
}

static void setup(struct fixture *f)
{
    socklen_t n = sizeof(f->address);
    *f = (struct fixture){
        .address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    assert_int_equal(s3_spread_new(THREADS, give, f, &f->s), 0);
    f->listener[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(f->listener[0] >= 0);
    assert_int_equal(bind(f->listener[0], (struct sockaddr *)&f->address, n), 0);
    assert_int_equal(listen(f->listener[0], MAX_FDS), 0);
    assert_int_equal(getsockname(f->listener[0], (struct sockaddr *)&f->address, &n), 0);
    for (unsigned t = 0; t < THREADS; t++) {
        if (t > 0)
            f->listener[t] = fcntl(f->listener[0], F_DUPFD_CLOEXEC, 0);
        assert_true(f->listener[t] >= 0);
        s3_spread_listen(f->s, t, f->listener[t]);
        s3_spread_ready(f->s, t);
    }
}

static void teardown(struct fixture *f)
{
    s3_spread_stop(f->s);
    for (unsigned t = 0; t < THREADS; t++) {
        s3_spread_forget(f->listener[t]);
        dfs_close_fd(&f->listener[t]);
    }
    while (f->fds > 0)
        dfs_close_fd(&f->fd[--f->fds]);
    while (f->clients > 0)
        dfs_close_fd(&f->client[--f->clients]);
    s3_spread_free(&f->s);
}

static void connect_clients(struct fixture *f, unsigned n)
{
    while (n-- > 0) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (const struct sockaddr *)&f->address, sizeof(f->address)), 0);
        f->client[f->clients++] = fd;
    }
}

/* As libmicrohttpd does, until there are none. */
static void accept_all(struct fixture *f, unsigned thread)
{
    for (;;) {
        struct sockaddr_in6 peer;
        socklen_t n = sizeof(peer);
        int fd = accept4(f->listener[thread], (struct sockaddr *)&peer, &n,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            break;
        assert_int_equal(n, sizeof(f->address));
        f->n[thread]++;
        f->fd[f->fds++] = fd;
    }
    assert_int_equal(errno, EAGAIN);
}

static void expect(const struct fixture *f, unsigned a, unsigned b, unsigned c)
{
    assert_int_equal(f->n[0], a);
    assert_int_equal(f->n[1], b);
    assert_int_equal(f->n[2], c);
}

static void what_comes_at_once_is_everybodys(void **state)
{
    struct fixture f;
    (void)state;
    setup(&f);
    connect_clients(&f, 8);
    accept_all(&f, 1);
    expect(&f, 3, 3, 2);
    assert_int_equal(f.given, 5);
    teardown(&f);
}

static void equals_keep_what_they_accept(void **state)
{
    struct fixture f;
    (void)state;
    setup(&f);
    for (unsigned i = 0; i < 2 * THREADS; i++) {
        connect_clients(&f, 1);
        accept_all(&f, i % THREADS);
    }
    expect(&f, 2, 2, 2);
    assert_int_equal(f.given, 0);
    teardown(&f);
}

static void who_has_lost_some_gets_the_next(void **state)
{
    struct fixture f;
    (void)state;
    setup(&f);
    connect_clients(&f, 6);
    accept_all(&f, 0);
    s3_spread_ended(f.s, 2);
    s3_spread_ended(f.s, 2);
    connect_clients(&f, 2);
    accept_all(&f, 0);
    expect(&f, 2, 2, 4);
    teardown(&f);
}

static void one_that_could_not_be_given_is_not_counted(void **state)
{
    struct fixture f;
    (void)state;
    setup(&f);
    connect_clients(&f, 1);
    accept_all(&f, 0);
    f.fails = true;
    connect_clients(&f, 3);
    accept_all(&f, 0);
    expect(&f, 1, 0, 0);
    f.fails = false;
    connect_clients(&f, 2);
    accept_all(&f, 0);
    expect(&f, 1, 1, 1);
    teardown(&f);
}

static void only_those_that_are_ready_are_given_any(void **state)
{
    struct fixture f;
    (void)state;
    setup(&f);
    s3_spread_stop(f.s);
    connect_clients(&f, 2);
    accept_all(&f, 0);
    expect(&f, 2, 0, 0);
    s3_spread_ready(f.s, 2);
    connect_clients(&f, 2);
    accept_all(&f, 0);
    expect(&f, 2, 0, 2);
    teardown(&f);
}

static void others_listeners_are_left_alone(void **state)
{
    struct fixture f;
    (void)state;
    setup(&f);
    s3_spread_forget(f.listener[0]);
    connect_clients(&f, 3);
    accept_all(&f, 0);
    expect(&f, 3, 0, 0);
    assert_int_equal(accept4(-1, NULL, NULL, 0), -1);
    assert_int_equal(errno, EBADF);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_at_once_is_everybodys),
        cmocka_unit_test(equals_keep_what_they_accept),
        cmocka_unit_test(who_has_lost_some_gets_the_next),
        cmocka_unit_test(one_that_could_not_be_given_is_not_counted),
        cmocka_unit_test(only_those_that_are_ready_are_given_any),
        cmocka_unit_test(others_listeners_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
