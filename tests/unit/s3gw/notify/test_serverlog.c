/* SPDX-License-Identifier: Apache-2.0 */
/* Piles of log lines: when they are delivered, what a failure and a ceiling do. */
#include <pthread.h>

#include "dfscore/base/buf.h"
#include "s3gw/notify/serverlog.h"
#include "tests/lib/test.h"

#define DAY INT64_C(86400000)

static struct {
    pthread_mutex_t lock;
    pthread_cond_t called;
    unsigned calls;
    int result;       /* of the next ones */
    char seen[8][64]; /* "bucket day bytes" of the first */
} to = {.lock = PTHREAD_MUTEX_INITIALIZER, .called = PTHREAD_COND_INITIALIZER};

static int deliver(void *arg, struct str bucket, int64_t day_ms, struct str lines)
{
    (void)arg;
    pthread_mutex_lock(&to.lock);
    if (to.calls < ARRAY_LEN(to.seen))
        snprintf(to.seen[to.calls], sizeof(to.seen[0]), STR_F " %lld %zu", STR_A(bucket),
                 (long long)(day_ms / DAY), lines.n);
    to.calls++;
    int r = to.result;
    pthread_cond_broadcast(&to.called);
    pthread_mutex_unlock(&to.lock);
    return r;
}

static struct s3_serverlog *start(unsigned interval_ms, int result)
{
    struct s3_serverlog *l;
    to.calls = 0;
    to.result = result;
    const struct s3_serverlog_options o = {.interval_ms = interval_ms, .deliver = deliver};
    assert_int_equal(s3_serverlog_start(&o, &l), 0);
    return l;
}

static void await(unsigned calls)
{
    pthread_mutex_lock(&to.lock);
    while (to.calls < calls)
        pthread_cond_wait(&to.called, &to.lock);
    pthread_mutex_unlock(&to.lock);
}

static bool was_seen(const char *text)
{
    for (unsigned i = 0; i < to.calls && i < ARRAY_LEN(to.seen); i++)
        if (strcmp(to.seen[i], text) == 0)
            return true;
    return false;
}

static void the_end_delivers_each_bucket_and_day(void **state)
{
    (void)state;
    struct s3_serverlog *l = start(1000000, 0);
    s3_serverlog_add(l, STR("a"), 5 * DAY, STR("12345\n"));
    s3_serverlog_add(l, STR("b"), 5 * DAY + 1, STR("1\n"));
    s3_serverlog_add(l, STR("a"), 6 * DAY - 1, STR("1\n"));
    s3_serverlog_add(l, STR("a"), 6 * DAY, STR("123\n"));
    struct s3_serverlog_counts c;
    s3_serverlog_counts(l, &c);
    assert_true(c.lines == 4 && c.pending == 14 && c.delivered == 0);
    s3_serverlog_stop(&l);
    assert_null(l);
    assert_int_equal(to.calls, 3);
    assert_true(was_seen("a 5 8") && was_seen("b 5 2") && was_seen("a 6 4"));
}

static void a_full_pile_goes_at_once_alone(void **state)
{
    (void)state;
    struct s3_serverlog *l = start(1000000, 0);
    char *line = dfs_zalloc(100000);
    memset(line, 'x', 100000);
    s3_serverlog_add(l, STR("other"), 0, STR("1\n"));
    for (unsigned i = 0; i < 11; i++)
        s3_serverlog_add(l, STR("busy"), 0, str_of(line, 100000));
    await(1);
    assert_string_equal(to.seen[0], "busy 0 1100000");
    s3_serverlog_stop(&l);
    assert_int_equal(to.calls, 2);
    free(line);
}

static void what_could_not_be_delivered_comes_again(void **state)
{
    (void)state;
    struct s3_serverlog *l = start(10, -EHOSTUNREACH);
    s3_serverlog_add(l, STR("a"), 0, STR("first\n"));
    await(2);
    assert_string_equal(to.seen[1], "a 0 6");
    pthread_mutex_lock(&to.lock);
    to.result = 0;
    unsigned calls = to.calls;
    pthread_mutex_unlock(&to.lock);
    await(calls + 1);
    s3_serverlog_stop(&l);
}

static void fill(struct s3_serverlog *l, struct str bucket)
{
    for (unsigned i = 0; i < S3_SERVERLOG_FULL / 1024; i++) {
        char line[1024];
        memset(line, 'x', sizeof(line));
        s3_serverlog_add(l, bucket, 0, str_of(line, sizeof(line)));
    }
}

static void a_full_pile_that_fails_waits_for_its_turn_like_the_others(void **state)
{
    (void)state;
    struct s3_serverlog *l = start(1000000, -EHOSTUNREACH);
    fill(l, STR("away"));
    await(1);
    fill(l, STR("more")); /* which is an occasion for both */
    await(3);
    pthread_mutex_lock(&to.lock);
    unsigned calls = to.calls;
    bool both = was_seen("away 0 1048576") && was_seen("more 0 1048576");
    pthread_mutex_unlock(&to.lock);
    s3_serverlog_stop(&l);
    assert_true(calls == 3 && both);
}

static void what_may_not_be_delivered_is_dropped(void **state)
{
    (void)state;
    struct s3_serverlog *l = start(10, -EPERM);
    struct s3_serverlog_counts c = {0};
    s3_serverlog_add(l, STR("a"), 0, STR("first\n"));
    await(1);
    while (c.dropped == 0) /* counted right behind the call */
        s3_serverlog_counts(l, &c);
    assert_true(c.pending == 0 && c.delivered == 0);
    s3_serverlog_stop(&l);
    assert_int_equal(to.calls, 1);
}

static void memory_has_a_ceiling(void **state)
{
    (void)state;
    struct s3_serverlog *l = start(1000000, 0);
    struct s3_serverlog_counts c;
    char name[16];
    char *line = dfs_zalloc(500000);
    memset(line, 'x', 500000);
    for (unsigned i = 0; i < 100; i++) { /* 50 MB, none of them full */
        snprintf(name, sizeof(name), "b%u", i);
        s3_serverlog_add(l, str_c(name), 0, str_of(line, 500000));
    }
    s3_serverlog_counts(l, &c);
    assert_true(c.pending <= S3_SERVERLOG_TOTAL_MAX && c.dropped > 0 && c.lines + c.dropped == 100);
    s3_serverlog_stop(&l);
    assert_int_equal(to.calls, c.lines);
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_delivers_each_bucket_and_day),
        cmocka_unit_test(a_full_pile_goes_at_once_alone),
        cmocka_unit_test(what_could_not_be_delivered_comes_again),
        cmocka_unit_test(a_full_pile_that_fails_waits_for_its_turn_like_the_others),
        cmocka_unit_test(what_may_not_be_delivered_is_dropped),
        cmocka_unit_test(memory_has_a_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
