/* SPDX-License-Identifier: Apache-2.0 */
/* When a server that did not answer is asked again: against a socket that hangs up on everybody. */
#include "s3gw/dfs/store.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dfscore/log/log.h"
#include "tests/lib/test.h"

static struct {
    int fd;
    pthread_t thread;
    atomic_uint calls;
} listener;

static void *hang_up(void *arg)
{
    (void)arg;
    for (int fd; (fd = accept(listener.fd, NULL, NULL)) >= 0;) {
        atomic_fetch_add(&listener.calls, 1);
        close(fd);
    }
    return NULL;
}

static void listen_at(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener.fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(listener.fd, 8), 0);
    assert_int_equal(pthread_create(&listener.thread, NULL, hang_up, NULL), 0);
}

/* One that hangs, or whose machine is gone, would cost every caller a wait. */
static void only_who_says_no_at_once_is_asked_before_the_hold_down_is_over(void **state)
{
    (void)state;
    static const struct {
        int failure;
        unsigned calls;
    } rows[] = {{-ECONNREFUSED, 1}, {-ENOENT, 1},    {-ECONNRESET, 1}, {-EPIPE, 1},
                {-ETIMEDOUT, 0},    {-EHOSTDOWN, 0}, {-EPROTO, 0}};
    AUTO(test_tmpdir_free) char *dir = test_tmpdir();
    struct dfs_addr there = {.port = 0}, other = {.port = 1, .host = "127.0.0.1"};
    snprintf(there.host, sizeof(there.host), "%s/s", dir);
    listen_at(there.host);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_dfs d = {.magic = S3_DFS_MAGIC, .o = {.hold_down_ms = 3600000}};
        struct s3_group *g = s3_group_make(&d, STR("group1"));
        struct s3_store *s, *second;
        struct s3_store_conn c;
        assert_int_equal(s3_group_add(g, &d, &there, "one", &s), 0);
        assert_int_equal(s3_group_add(g, &d, &other, "two", &second), 0);
        s3_store_conn_init(&c);
        atomic_store(&listener.calls, 0);
        s3_store_suspect(s, rows[i].failure);
        assert_int_equal(s3_store_connect(s, &c), -EHOSTUNREACH);
        if (atomic_load(&listener.calls) != rows[i].calls)
            fail_msg("row %zu: asked %u times", i, atomic_load(&listener.calls));
        s3_store_conn_fini(&c);
        s3_store_free(&d.stores[0]);
        s3_store_free(&d.stores[1]);
        free(g);
    }
    assert_int_equal(shutdown(listener.fd, SHUT_RDWR), 0);
    pthread_join(listener.thread, NULL);
    close(listener.fd);
}

int main(void)
{
    dfs_log_threshold = LOG_ERROR + 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_who_says_no_at_once_is_asked_before_the_hold_down_is_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
