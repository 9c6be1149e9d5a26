/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "storage/disk/iopool.h"

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool open;
    unsigned passed;
};

struct job {
    struct sto_iotask task; /* first: run() gets its address */
    struct gate *gate;
    bool waits;
    struct sto_iopool *again; /* push once more */
};

/* Pushed to one queue, it is pushed to another by the thread of that, and run there. */
struct passed_on {
    struct sto_iotask task;
    struct sto_iopool *to;
    unsigned path;
};

static struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0};

static void run(struct sto_iotask *t)
{
    struct job *j = (struct job *)t;
    pthread_mutex_lock(&gate.lock);
    while (j->waits && !gate.open)
        pthread_cond_wait(&gate.wake, &gate.lock);
    gate.passed++;
    pthread_cond_broadcast(&gate.wake);
    pthread_mutex_unlock(&gate.lock);
    if (j->again)
        sto_iopool_push(TAKE(j->again), 0, STO_IO_WRITE, t);
}

static void arrive(struct sto_iotask *t)
{
    (void)t;
    pthread_mutex_lock(&gate.lock);
    gate.passed++;
    pthread_cond_broadcast(&gate.wake);
    pthread_mutex_unlock(&gate.lock);
}

static void run_passed_on(struct sto_iotask *t)
{
    struct passed_on *j = (struct passed_on *)t;
    t->run = arrive;
    sto_iopool_push(j->to, j->path, STO_IO_READ, t);
}

static struct sto_iopool *pool_of(unsigned paths)
{
    struct sto_iopool *p = NULL;
    gate.open = false;
    gate.passed = 0;
    assert_int_equal(sto_iopool_new(&(struct sto_iopool_options){paths, {1, 1}}, &p), 0);
    return p;
}

static void wait_passed(unsigned n)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.passed < n)
        pthread_cond_wait(&gate.wake, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

static void a_stuck_disk_delays_only_its_own_files(void **state)
{
    (void)state;
    AUTO(sto_iopool_free) struct sto_iopool *p = pool_of(2);
    struct job stuck = {{run, NULL}, &gate, true, NULL}, behind = {{run, NULL}, &gate, false, NULL};
    struct job read = {{run, NULL}, &gate, false, NULL}, other = {{run, NULL}, &gate, false, NULL};
    sto_iopool_push(p, 0, STO_IO_WRITE, &stuck.task);
    sto_iopool_push(p, 0, STO_IO_WRITE, &behind.task);
    sto_iopool_push(p, 0, STO_IO_READ, &read.task);
    sto_iopool_push(p, 1, STO_IO_WRITE, &other.task);
    wait_passed(2);
    assert_true(sto_iopool_waiting(p) >= 1);
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_mutex_unlock(&gate.lock);
    pthread_cond_broadcast(&gate.wake);
    wait_passed(4);
}

static void free_runs_what_is_queued(void **state)
{
    (void)state;
    struct sto_iopool *p = pool_of(1);
    struct job jobs[100];
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        jobs[i] = (struct job){{run, NULL}, &gate, false, i == 99 ? p : NULL};
        sto_iopool_push(p, 0, STO_IO_WRITE, &jobs[i].task);
    }
    sto_iopool_free(&p);
    assert_null(p);
    assert_int_equal(gate.passed, 101);
}

/* The thread sanitizer (make tsan) sees whether the queue is still there when it is woken. */
static void what_a_thread_pushed_elsewhere_may_be_done_before_it_knows(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct sto_iopool *p = pool_of(2);
        struct passed_on job = {{run_passed_on, NULL}, p, 0};
        sto_iopool_push(p, 1, STO_IO_READ, &job.task);
        wait_passed(1);
        sto_iopool_free(&p);
    }
    for (int i = 0; i < 20; i++) {
        struct sto_iopool *p = pool_of(1), *other = pool_of(1);
        struct passed_on there = {{run_passed_on, NULL}, other, 0},
                         back = {{run_passed_on, NULL}, p, 0};
        sto_iopool_push(p, 0, STO_IO_READ, &there.task);
        sto_iopool_push(other, 0, STO_IO_READ, &back.task);
        wait_passed(2);
        sto_iopool_end(other);
        sto_iopool_free(&p);
        sto_iopool_free(&other);
    }
}

static int fail_at;
static bool fail_nth(size_t size)
{
    (void)size;
    return --fail_at == 0;
}

static void no_memory_leaves_ret_alone(void **state)
{
    (void)state;
    struct sto_iopool *p = NULL;
    dfs_alloc_hook = fail_nth;
    for (int n = 1; n <= 4; n++) {
        fail_at = n;
        assert_int_equal(sto_iopool_new(&(struct sto_iopool_options){1, {1, 1}}, &p), -ENOMEM);
        assert_null(p);
    }
    dfs_alloc_hook = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stuck_disk_delays_only_its_own_files),
        cmocka_unit_test(free_runs_what_is_queued),
        cmocka_unit_test(what_a_thread_pushed_elsewhere_may_be_done_before_it_knows),
        cmocka_unit_test(no_memory_leaves_ret_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
