/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "s3gw/index/refs.h"
#include "s3gw/lifecycle/tracks.h"
#include "tests/lib/test.h"

static struct s3_log log_of(unsigned i, unsigned path, uint64_t end)
{
    struct s3_log log = {.path = path, .end = end};
    (void)snprintf(log.name, sizeof(log.name), "group1/%032x", i);
    return log;
}

static int remember(struct s3_tx *tx, void *arg)
{
    const struct s3_log *log = arg;
    s3_scan_position_put(tx, str_c(log->name), log->path, 77);
    return 0;
}

static void a_log_goes_on_where_it_was_left(void **state)
{
    (void)state;
    struct s3_index *x = NULL;
    AUTO(s3_tracks_fini) struct s3_tracks t = {.n = 0};
    assert_int_equal(s3_index_open_mem(&x), 0);
    struct s3_log logs[] = {log_of(1, 0, 100), log_of(2, 0, 200), log_of(2, 1, 300)};
    assert_int_equal(s3_index_update(x, remember, &logs[1]), 0);
    assert_int_equal(s3_tracks_aim(&t, x, logs, 3), 0);
    assert_int_equal(t.n, 3);
    assert_int_equal(t.v[0].at, 0);
    assert_int_equal(t.v[1].at, 77);
    assert_int_equal(t.v[2].at, 0);
    assert_int_equal(t.v[2].until, 300);
    t.v[2].at = 250;
    logs[2].end = 400;
    struct s3_log later[] = {logs[2], logs[1]}; /* in another order, one is not heard of */
    assert_int_equal(s3_tracks_aim(&t, x, later, 2), 0);
    assert_int_equal(t.n, 2);
    assert_int_equal(t.v[0].at, 250);
    assert_int_equal(t.v[0].until, 400);
    assert_int_equal(t.v[1].at, 77);
    s3_index_close(&x);
}

/* However many there have been. */
static void logs_that_are_gone_are_not_followed(void **state)
{
    (void)state;
    struct s3_index *x = NULL;
    AUTO(s3_tracks_fini) struct s3_tracks t = {.n = 0};
    assert_int_equal(s3_index_open_mem(&x), 0);
    for (unsigned i = 0; i < 3000; i++) {
        const struct s3_log log = log_of(i, 0, 100);
        assert_int_equal(s3_tracks_aim(&t, x, &log, 1), 0);
        assert_int_equal(t.n, 1);
        assert_int_equal(t.v[0].until, 100);
    }
    assert_int_equal(s3_tracks_aim(&t, x, NULL, 0), 0);
    assert_int_equal(t.n, 0);
    s3_index_close(&x);
}

static void no_memory_leaves_all_as_it_was(void **state)
{
    (void)state;
    struct s3_index *x = NULL;
    AUTO(s3_tracks_fini) struct s3_tracks t = {.n = 0};
    assert_int_equal(s3_index_open_mem(&x), 0);
    const struct s3_log logs[] = {log_of(1, 0, 100), log_of(2, 0, 200)};
    assert_int_equal(s3_tracks_aim(&t, x, logs, 2), 0);
    test_alloc_fail_nth(1);
    assert_int_equal(s3_tracks_aim(&t, x, logs, 1), -ENOMEM);
    assert_int_equal(t.n, 2);
    s3_index_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_goes_on_where_it_was_left),
        cmocka_unit_test(logs_that_are_gone_are_not_followed),
        cmocka_unit_test(no_memory_leaves_all_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
