/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include <pthread.h>

#include "dfscore/metrics/metrics.h"

enum { PUTS = DFS_METRICS_COMMON, DEPTH, WAIT };

static const struct dfs_metric rows[] = {
    {DFS_COUNTER, "t_puts_total", "op", "Puts"},
    {DFS_GAUGE, "t_depth", NULL, "Depth"},
    {DFS_HISTOGRAM, "t_wait_seconds", "q", "Wait"},
};

static void the_text_is_what_prometheus_reads(void **state)
{
    (void)state;
    AUTO(dfs_metrics_free) struct dfs_metrics *m = NULL;
    AUTO(buf_free) struct buf out = BUF(100000);
    assert_int_equal(dfs_metrics_new(rows, ARRAY_LEN(rows), &m), 0);
    dfs_count(dfs_metrics_series(m, PUTS, "a\"b"), 3);
    dfs_count(dfs_metrics_series(m, PUTS, "c"), 1);
    dfs_count(dfs_metrics_series(m, PUTS, "c"), 1);
    dfs_gauge_add(dfs_metrics_series(m, DEPTH, NULL), 7);
    dfs_gauge_add(dfs_metrics_series(m, DEPTH, NULL), -2);
    dfs_observe_us(dfs_metrics_series(m, WAIT, "x"), 100);
    dfs_observe_us(dfs_metrics_series(m, WAIT, "x"), 101);
    dfs_observe_us(dfs_metrics_series(m, WAIT, "x"), 3600000000);
    dfs_metrics_print(m, &out);
    static const char *const lines[] = {
        "# HELP t_puts_total Puts\n# TYPE t_puts_total counter\n",
        "t_puts_total{op=\"a\\\"b\"} 3\nt_puts_total{op=\"c\"} 2\n",
        "# TYPE t_depth gauge\nt_depth 5\n",
        "t_wait_seconds_bucket{q=\"x\",le=\"0.000100\"} 1\n",
        "t_wait_seconds_bucket{q=\"x\",le=\"0.000200\"} 2\n",
        "t_wait_seconds_bucket{q=\"x\",le=\"+Inf\"} 3\n",
        "t_wait_seconds_sum{q=\"x\"} 3600.000201\nt_wait_seconds_count{q=\"x\"} 3\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++)
        if (str_find(buf_str(&out), str_c(lines[i])) == SIZE_MAX)
            fail_msg("missing: %s", lines[i]);
    assert_true(str_find(buf_str(&out), STR("dfs_requests_total")) ==
                SIZE_MAX); /* no series, no lines */
}

static void *count_much(void *arg)
{
    for (int i = 0; i < 100000; i++)
        dfs_count(arg, 1);
    return NULL;
}

static void counts_of_many_threads_add_up(void **state)
{
    (void)state;
    AUTO(dfs_metrics_free) struct dfs_metrics *m = NULL;
    assert_int_equal(dfs_metrics_new(rows, ARRAY_LEN(rows), &m), 0);
    struct dfs_cell *c = dfs_metrics_series(m, PUTS, "x");
    pthread_t t[6];
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        assert_int_equal(pthread_create(&t[i], NULL, count_much, c), 0);
    for (size_t i = 0; i < ARRAY_LEN(t); i++)
        pthread_join(t[i], NULL);
    assert_int_equal(dfs_cell_value(c), 600000);
}

static void make_and_count(void)
{
    AUTO(dfs_metrics_free) struct dfs_metrics *m = NULL;
    if (dfs_metrics_new(rows, ARRAY_LEN(rows), &m) < 0)
        return;
    dfs_count(dfs_metrics_series(m, PUTS, "x"), 1);
    dfs_observe_us(dfs_metrics_series(m, WAIT, "x"), 1);
}

static void no_memory_means_no_cell_and_no_harm(void **state)
{
    (void)state;
    TEST_EVERY_ALLOC_FAILS(make_and_count());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_is_what_prometheus_reads),
        cmocka_unit_test(counts_of_many_threads_add_up),
        cmocka_unit_test(no_memory_means_no_cell_and_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
