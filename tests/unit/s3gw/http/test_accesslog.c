/* SPDX-License-Identifier: Apache-2.0 */
/* Lines that stay lines of twelve fields, and a disk that nobody but the log's own thread waits for. */
#include "tests/lib/test.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "s3gw/http/accesslog.h"

static void write_line(struct s3_accesslog *l, struct str user, struct str path)
{
    struct s3_req q;
    s3_req_init(&q);
    q.now_ms = 1000;
    q.peer = STR("10.0.0.1");
    q.who.user_id = user;
    q.method_name = STR("GET");
    q.raw_path = path;
    q.resp.status = 200;
    (void)snprintf(q.request_id, sizeof(q.request_id), "R");
    s3_accesslog_write(l, &q, 1, 2, 3, true);
    s3_req_fini(&q);
}

static void no_client_makes_a_field_or_a_line(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *dir = test_tmpdir();
    char path[PATH_MAX], text[1024];
    (void)snprintf(path, sizeof(path), "%s/log", dir);
    struct s3_accesslog *l = NULL;
    assert_int_equal(s3_accesslog_open(path, &l), 0);
    write_line(l, STR("ann b"), STR("/a 500 9\n\x7f/\xc3\xa4%20"));
    s3_accesslog_close(&l);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof(text), f);
    (void)fclose(f);
    struct str want = STR("1970-01-01T00:00:01.000Z 10.0.0.1 ann%20b - GET "
                          "/a%20500%209%0A%7F/\xc3\xa4%20 200 1 2 3 R\n");
    assert_int_equal(n, want.n);
    assert_memory_equal(text, want.p, n);
}

static void *read_all(void *arg)
{
    int fd = *(int *)arg;
    static char piece[65536];
    static char last;
    ssize_t n;
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
    while ((n = read(fd, piece, sizeof(piece))) > 0)
        last = piece[n - 1];
    return n == 0 ? &last : NULL;
}

/* A pipe that nobody reads is a disk that is stuck: who waits for it here waits for ever. */
static void a_stuck_disk_costs_lines_and_no_time(void **state)
{
    (void)state;
    AUTO(test_tmpdir_free) char *dir = test_tmpdir();
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/pipe", dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    AUTO(dfs_close_fd) int out = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(out >= 0);
    struct s3_accesslog *l = NULL;
    assert_int_equal(s3_accesslog_open(path, &l), 0);
    for (int i = 0; i < 20000; i++) /* several times what pipe and buffers hold */
        write_line(l, STR("ann"), STR("/bucket/key-of-some-length"));
    assert_int_equal(s3_accesslog_reopen(l), 0);
    assert_int_equal(s3_accesslog_reopen(l), 0);
    pthread_t reader;
    void *last = NULL;
    assert_int_equal(pthread_create(&reader, NULL, read_all, &out), 0);
    s3_accesslog_close(&l);
    assert_int_equal(pthread_join(reader, &last), 0);
    assert_non_null(last);
    assert_int_equal(*(char *)last, '\n'); /* lines are dropped whole */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_client_makes_a_field_or_a_line),
        cmocka_unit_test(a_stuck_disk_costs_lines_and_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
