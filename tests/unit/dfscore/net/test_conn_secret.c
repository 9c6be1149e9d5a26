/* SPDX-License-Identifier: Apache-2.0 */
/* Who has proved that he knows the secret. The steps themselves: test_secret.c. */
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/lib/conn_fixture.h"

static void a_proof_is_refused_by_a_service_without_a_secret(void **state)
{
    (void)state;
    AUTO(dfs_secret_free) struct dfs_secret *secret = NULL;
    assert_int_equal(dfs_secret_new(STR("0123456789abcdef"), &secret), 0);
    struct dfs_peer_opts opts = peer_opts;
    struct dfs_peer *p = NULL;
    opts.secret = secret;
    assert_int_equal(dfs_peer_open(&fx->addr, &opts, &p), -EACCES);
}

static void who_proves_the_secret_is_known_to_the_service(void **state)
{
    (void)state;
    AUTO(dfs_secret_free) struct dfs_secret *right = NULL, *wrong = NULL;
    AUTO(buf_free) struct buf rsp = BUF(100);
    assert_int_equal(dfs_secret_new(STR("0123456789abcdef"), &right), 0);
    assert_int_equal(dfs_secret_new(STR("0123456789abcdeX"), &wrong), 0);
    struct dfs_peer_opts opts = peer_opts;
    struct dfs_peer *p = NULL;
    opts.secret = right;
    service.secret = right; /* before there is a connection whose thread might look */
    assert_int_equal(dfs_peer_open(&fx->addr, &opts, &p), 0);
    assert_true(str_eq(call(p, PROVED, STR(""), &rsp), STR("yes")));
    dfs_peer_free(&p);
    opts.secret = wrong;
    assert_int_equal(dfs_peer_open(&fx->addr, &opts, &p), -EACCES);
    AUTO(dfs_peer_free) struct dfs_peer *stranger = peer();
    assert_true(str_eq(call(stranger, PROVED, STR(""), &rsp), STR("no")));
    dfs_peer_free(&stranger);
    dfs_listener_stop(fx->listener, 5000); /* nobody looks at the secret any more */
}

static void a_failed_proof_ends_the_connection(void **state)
{
    (void)state;
    AUTO(dfs_secret_free) struct dfs_secret *right = NULL;
    assert_int_equal(dfs_secret_new(STR("0123456789abcdef"), &right), 0);
    service.secret = right;
    char bytes[DFS_AUTH_LEN] = {0}, body[100];
    size_t n;
    int fd = raw();
    put_header(fd, sizeof(bytes), 178);
    put(fd, bytes, sizeof(bytes));
    assert_int_equal(answer(fd, body, sizeof(body), &n), 0);
    assert_int_equal(n, DFS_AUTH_LEN);
    put_header(fd, sizeof(bytes), 179);
    put(fd, bytes, sizeof(bytes));
    assert_int_equal(answer(fd, body, sizeof(body), &n), EACCES);
    expect_eof(fd);
    dfs_listener_stop(fx->listener, 5000);
}

/* The kernel connects to a process that hangs; network_timeout is for what takes long. */
static void a_proof_has_the_time_of_a_connection(void **state)
{
    (void)state;
    AUTO(dfs_secret_free) struct dfs_secret *secret = NULL;
    assert_int_equal(dfs_secret_new(STR("0123456789abcdef"), &secret), 0);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(sa);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, n), 0);
    assert_int_equal(listen(fd, 1), 0); /* and says nothing */
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    struct dfs_addr addr = {.host = "127.0.0.1", .port = ntohs(sa.sin_port)};
    const struct dfs_peer_opts o = {.connect_ms = 100, .timeout_ms = 3600000, .secret = secret};
    struct dfs_peer *p = NULL;
    assert_int_equal(dfs_peer_open(&addr, &o, &p), -ETIMEDOUT);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_proof_is_refused_by_a_service_without_a_secret),
        T(who_proves_the_secret_is_known_to_the_service),
        T(a_failed_proof_ends_the_connection),
        T(a_proof_has_the_time_of_a_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
