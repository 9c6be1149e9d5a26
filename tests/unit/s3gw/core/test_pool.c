/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/pool.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "s3gw/core/budget.h"
#include "tests/lib/test.h"

static void count_up(void *arg)
{
    atomic_fetch_add((_Atomic unsigned *)arg, 1);
}

static void everything_queued_runs_before_free_returns(void **state)
{
    (void)state;
    enum { N = 500 };
    _Atomic unsigned done = 0;
    struct s3_job jobs[N];
    AUTO(s3_pool_free) struct s3_pool *p = NULL;
    assert_int_equal(s3_pool_new("test", 3, N, &p), 0);
    for (size_t i = 0; i < N; i++) {
        jobs[i] = (struct s3_job){.run = count_up, .arg = &done};
        assert_int_equal(s3_pool_submit(p, &jobs[i]), 0);
    }
    s3_pool_free(&p);
    assert_null(p);
    assert_int_equal(done, N);
}

struct blocked {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool running, go;
};

static void block(void *arg)
{
    struct blocked *b = arg;
    pthread_mutex_lock(&b->lock);
    b->running = true;
    pthread_cond_broadcast(&b->cond);
    while (!b->go)
        pthread_cond_wait(&b->cond, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

static void a_full_queue_says_so(void **state)
{
    (void)state;
    struct blocked b = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    _Atomic unsigned done = 0;
    struct s3_job busy = {.run = block, .arg = &b}, one = {.run = count_up, .arg = &done},
                  two = one;
    AUTO(s3_pool_free) struct s3_pool *p = NULL;
    assert_int_equal(s3_pool_new("test", 1, 1, &p), 0);
    assert_int_equal(s3_pool_submit(p, &busy), 0);
    pthread_mutex_lock(&b.lock);
    while (!b.running)
        pthread_cond_wait(&b.cond, &b.lock);
    pthread_mutex_unlock(&b.lock);

    assert_int_equal(s3_pool_submit(p, &one), 0);
    assert_int_equal(s3_pool_submit(p, &two), -EAGAIN);

    pthread_mutex_lock(&b.lock);
    b.go = true;
    pthread_cond_broadcast(&b.cond);
    pthread_mutex_unlock(&b.lock);
    s3_pool_free(&p);
    assert_int_equal(done, 1);
}

static void what_is_for_idle_threads_waits_for_none(void **state)
{
    (void)state;
    struct blocked b = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    _Atomic unsigned done = 0;
    struct s3_job busy = {.run = block, .arg = &b}, one = {.run = count_up, .arg = &done};
    AUTO(s3_pool_free) struct s3_pool *p = NULL;
    assert_int_equal(s3_pool_new("test", 1, 10, &p), 0);
    while (s3_pool_submit_idle(p, &busy) < 0)
        sched_yield(); /* the thread has just been made */
    assert_int_equal(s3_pool_submit_idle(p, &one), -EAGAIN);
    pthread_mutex_lock(&b.lock);
    while (!b.running)
        pthread_cond_wait(&b.cond, &b.lock);
    pthread_mutex_unlock(&b.lock);
    assert_int_equal(s3_pool_submit_idle(p, &one), -EAGAIN);

    pthread_mutex_lock(&b.lock);
    b.go = true;
    pthread_cond_broadcast(&b.cond);
    pthread_mutex_unlock(&b.lock);
    while (s3_pool_submit_idle(p, &one) < 0)
        sched_yield();
    s3_pool_free(&p);
    assert_int_equal(done, 1);
}

static void a_budget_never_passes_its_limit(void **state)
{
    (void)state;
    struct s3_budget b = {.limit = 100};
    assert_true(s3_budget_take(&b, 60));
    assert_false(s3_budget_take(&b, 41));
    assert_false(s3_budget_take(&b, UINT64_MAX)); /* no wrap-around */
    assert_true(s3_budget_take(&b, 40));
    s3_budget_give(&b, 100);
    assert_true(s3_budget_take(&b, 100));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_queued_runs_before_free_returns),
        cmocka_unit_test(a_full_queue_says_so),
        cmocka_unit_test(what_is_for_idle_threads_waits_for_none),
        cmocka_unit_test(a_budget_never_passes_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
