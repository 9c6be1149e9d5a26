/* SPDX-License-Identifier: Apache-2.0 */
/* Both sides of the proof, step by step, and the file the secret comes from. */
#include "dfscore/net/secret.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/test.h"

static struct dfs_secret *secret(const char *text)
{
    struct dfs_secret *s = NULL;
    assert_int_equal(dfs_secret_new(str_c(text), &s), 0);
    return s;
}

struct talk {
    struct dfs_auth client, server;
    uint8_t client_nonce[DFS_AUTH_LEN], server_nonce[DFS_AUTH_LEN], client_proof[DFS_AUTH_LEN],
        server_proof[DFS_AUTH_LEN];
};

#define BYTES(a) str_of((a), sizeof(a))

/* Up to the client's proof. */
static void exchange_nonces(struct talk *t, const struct dfs_secret *client)
{
    *t = (struct talk){0};
    assert_int_equal(dfs_auth_begin(&t->client, t->client_nonce), 0);
    assert_int_equal(dfs_auth_challenge(&t->server, BYTES(t->client_nonce), t->server_nonce), 0);
    assert_int_equal(dfs_auth_prove(&t->client, client, BYTES(t->server_nonce), t->client_proof),
                     0);
}

static void who_knows_the_secret_is_proved(void **state)
{
    (void)state;
    AUTO(dfs_secret_free)
    struct dfs_secret *a = secret("0123456789abcdef"), *b = secret(" 0123456789abcdef\n");
    struct talk t;
    exchange_nonces(&t, a);
    assert_int_not_equal(t.server.state, DFS_AUTH_PROVED);
    assert_int_equal(dfs_auth_check(&t.server, b, BYTES(t.client_proof), t.server_proof), 0);
    assert_int_equal(t.server.state, DFS_AUTH_PROVED);
    assert_int_equal(dfs_auth_accept(&t.client, a, BYTES(t.server_proof)), 0);
    assert_int_equal(t.client.state, DFS_AUTH_PROVED);
}

static void another_secret_proves_nothing_on_either_side(void **state)
{
    (void)state;
    AUTO(dfs_secret_free)
    struct dfs_secret *a = secret("0123456789abcdef"), *b = secret("0123456789abcdeg");
    struct talk t;
    exchange_nonces(&t, a);
    assert_int_equal(dfs_auth_check(&t.server, b, BYTES(t.client_proof), t.server_proof), -EACCES);
    assert_int_equal(t.server.state, DFS_AUTH_FAILED);
    /* A server that takes anybody, to collect what clients would tell it. */
    exchange_nonces(&t, a);
    memset(t.server_proof, 7, sizeof(t.server_proof));
    assert_int_equal(dfs_auth_accept(&t.client, a, BYTES(t.server_proof)), -EACCES);
}

static void a_proof_cannot_be_sent_back_or_used_twice(void **state)
{
    (void)state;
    AUTO(dfs_secret_free) struct dfs_secret *a = secret("0123456789abcdef");
    struct talk t, u;
    exchange_nonces(&t, a);
    assert_int_equal(dfs_auth_accept(&t.client, a, BYTES(t.client_proof)), -EACCES); /* its own */
    exchange_nonces(&t, a);
    exchange_nonces(&u, a);
    assert_int_equal(dfs_auth_check(&u.server, a, BYTES(t.client_proof), u.server_proof), -EACCES);
    assert_int_equal(dfs_auth_check(&u.server, a, BYTES(u.client_proof), u.server_proof),
                     -EACCES); /* one attempt */
}

static void steps_out_of_order_and_of_wrong_size_are_refused(void **state)
{
    (void)state;
    AUTO(dfs_secret_free) struct dfs_secret *a = secret("0123456789abcdef");
    struct talk t;
    exchange_nonces(&t, a);
    assert_int_equal(dfs_auth_challenge(&t.server, BYTES(t.client_nonce), t.server_nonce), -EACCES);
    struct dfs_auth fresh = {0};
    assert_int_equal(dfs_auth_check(&fresh, a, BYTES(t.client_proof), t.server_proof), -EACCES);
    assert_int_equal(dfs_auth_challenge(&fresh, STR("short"), t.server_nonce), -EINVAL);
    assert_int_equal(dfs_auth_check(&t.server, a, STR("short"), t.server_proof), -EACCES);
    assert_int_equal(dfs_auth_prove(&fresh, a, BYTES(t.server_nonce), t.client_proof), -EINVAL);
}

static void a_secret_has_a_least_and_a_greatest_length(void **state)
{
    (void)state;
    struct dfs_secret *s = NULL;
    char text[DFS_SECRET_MAX + 1];
    memset(text, 'x', sizeof(text));
    assert_int_equal(dfs_secret_new(STR("  0123456789abcde  "), &s), -EINVAL);
    assert_int_equal(dfs_secret_new(BYTES(text), &s), -EINVAL);
    assert_null(s);
    test_alloc_fail_nth(1);
    assert_int_equal(dfs_secret_new(STR("0123456789abcdef"), &s), -ENOMEM);
    test_alloc_fail_nth(0);
    assert_null(s);
}

static void a_file_others_may_read_is_refused(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *dir = test_tmpdir();
    char path[200];
    snprintf(path, sizeof(path), "%s/secret", dir);
    AUTO(dfs_secret_free) struct dfs_secret *s = NULL;
    assert_int_equal(dfs_secret_load(path, &s), -ENOENT);
    AUTO(dfs_close_fd) int fd = open(path, O_CREAT | O_WRONLY, 0640);
    assert_int_equal(write(fd, "0123456789abcdef\n", 17), 17);
    assert_int_equal(fchmod(fd, 0640), 0);
    assert_int_equal(dfs_secret_load(path, &s), -EPERM);
    assert_int_equal(fchmod(fd, 0600), 0);
    assert_int_equal(dfs_secret_load(path, &s), 0);
}

static void the_setting_says_what_is_wrong(void **state)
{
    (void)state;
    AUTO(buf_free) struct buf err = BUF(500);
    struct dfs_secret *s = NULL;
    assert_int_equal(dfs_secret_setting("", &s, &err), 0);
    assert_null(s);
    assert_int_equal(dfs_secret_setting("/nowhere/secret", &s, &err), -ENOENT);
    assert_true(str_eq(buf_str(&err), STR("cluster_secret_file = /nowhere/secret: "
                                          "No such file or directory")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_knows_the_secret_is_proved),
        cmocka_unit_test(another_secret_proves_nothing_on_either_side),
        cmocka_unit_test(a_proof_cannot_be_sent_back_or_used_twice),
        cmocka_unit_test(steps_out_of_order_and_of_wrong_size_are_refused),
        cmocka_unit_test(a_secret_has_a_least_and_a_greatest_length),
        cmocka_unit_test(a_file_others_may_read_is_refused),
        cmocka_unit_test(the_setting_says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
