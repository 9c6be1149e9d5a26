/* SPDX-License-Identifier: Apache-2.0 */
/* One listener on two addresses, and calls to a server that has two. */
#include "tests/lib/test.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dfscore/net/listener.h"
#include "dfscore/net/peer.h"

static const struct dfs_service service = {.name = "test", .frame_max = 100};

struct fixture {
    struct dfs_loop *loop;
    struct dfs_listener *listener;
    uint16_t port;
};

static int setup(void **state)
{
    static struct fixture f;
    struct dfs_listen_opts o = {.max_conns = 8};
    assert_int_equal(dfs_bind_parse("127.0.0.1,127.0.0.3", 0, &o.addr), 0);
    assert_int_equal(dfs_loop_new("test", &f.loop), 0);
    assert_int_equal(dfs_listener_new(&o, &service, &f.loop, 1, &f.listener), 0);
    assert_int_equal(dfs_loop_start(f.loop), 0);
    f.port = dfs_listener_port(f.listener);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    dfs_listener_free(&f->listener);
    dfs_loop_free(&f->loop);
    return 0;
}

static int call(const struct fixture *f, const char *host, const char *alt)
{
    const struct dfs_peer_opts o = {.connect_ms = 60000, .timeout_ms = 60000};
    struct dfs_addr addr = {.port = f->port};
    struct dfs_peer *p = NULL;
    snprintf(addr.host, sizeof(addr.host), "%s", host);
    snprintf(addr.alt, sizeof(addr.alt), "%s", alt);
    int r = dfs_peer_open(&addr, &o, &p);
    if (r == 0)
        r = dfs_peer_call(p, DFS_CMD_ACTIVE_TEST, 0, NULL, 0, NULL);
    dfs_peer_free(&p);
    return r;
}

static void a_listener_answers_on_both(void **state)
{
    const struct fixture *f = *state;
    assert_int_equal(call(f, "127.0.0.1", ""), 0);
    assert_int_equal(call(f, "127.0.0.3", ""), 0);
    assert_int_equal(call(f, "127.0.0.2", ""), -ECONNREFUSED);
    assert_int_equal(dfs_listener_stats(f->listener).accepted, 2);
}

static void a_call_goes_round_by_the_other_address(void **state)
{
    const struct fixture *f = *state;
    assert_int_equal(call(f, "127.0.0.2", "127.0.0.1"), 0);
    assert_int_equal(call(f, "127.0.0.1", "127.0.0.2"), 0);
    assert_int_equal(call(f, "127.0.0.2", "127.0.0.4"), -ECONNREFUSED);
}

static void stopping_closes_both(void **state)
{
    struct fixture *f = *state;
    dfs_listener_stop(f->listener, 0);
    assert_int_equal(call(f, "127.0.0.1", "127.0.0.3"), -ECONNREFUSED);
}

static void an_address_is_held_before_anybody_listens(void **state)
{
    const struct fixture *f = *state;
    struct dfs_addr both;
    struct dfs_bound b;
    assert_int_equal(dfs_bind_parse("127.0.0.4,127.0.0.3", f->port, &both), 0);
    assert_int_equal(dfs_bound_make(&both, &b), -EADDRINUSE); /* by the fixture's second */
    assert_int_equal(b.fd[0], -1);
    assert_int_equal(b.fd[1], -1);

    assert_int_equal(dfs_bind_parse("127.0.0.4,127.0.0.5", 0, &both), 0);
    assert_int_equal(dfs_bound_make(&both, &b), 0);
    const struct fixture held = {.port = b.port};
    assert_int_equal(call(&held, "127.0.0.4", ""), -ECONNREFUSED);
    const struct dfs_listen_opts o = {.max_conns = 8, .bound = &b};
    struct dfs_listener *l = NULL;
    assert_int_equal(dfs_listener_new(&o, &service, &f->loop, 1, &l), 0);
    assert_int_equal(dfs_listener_port(l), held.port);
    assert_int_equal(call(&held, "127.0.0.4", ""), 0);
    assert_int_equal(call(&held, "127.0.0.5", ""), 0);
    dfs_bound_close(&b); /* nothing is left in it */
    assert_int_equal(call(&held, "127.0.0.5", ""), 0);
    dfs_listener_free(&l);
}

static void a_port_is_free_on_both(void **state)
{
    enum { HELD = 700, BINDS = 200 };
    int held[HELD];
    struct sockaddr_in second = {.sin_family = AF_INET};
    inet_pton(AF_INET, "127.0.0.5", &second.sin_addr);
    (void)state;
    for (size_t i = 0; i < HELD; i++) {
        held[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(held[i], (struct sockaddr *)&second, sizeof(second)), 0);
    }
    for (size_t i = 0; i < BINDS; i++) { /* one in twenty is given one of those first */
        struct dfs_addr both;
        struct dfs_bound b;
        assert_int_equal(dfs_bind_parse("127.0.0.4,127.0.0.5", 0, &both), 0);
        assert_int_equal(dfs_bound_make(&both, &b), 0);
        dfs_bound_close(&b);
    }
    for (size_t i = 0; i < HELD; i++)
        close(held[i]);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_listener_answers_on_both),
        T(a_call_goes_round_by_the_other_address),
        T(stopping_closes_both),
        T(an_address_is_held_before_anybody_listens),
        cmocka_unit_test(a_port_is_free_on_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
