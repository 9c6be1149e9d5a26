/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include <pthread.h>
#include <stdatomic.h>

#include "dfscore/base/atonce.h"

enum { MANY = 31 };

static atomic_uint times[MANY];
static pthread_barrier_t together;

static void count(void *arg, unsigned i)
{
    assert_ptr_equal(arg, times);
    atomic_fetch_add(&times[i], 1);
}

/* Nobody goes on before all have come. */
static void meet(void *arg, unsigned i)
{
    count(arg, i);
    (void)pthread_barrier_wait(&together);
}

static void assert_once(unsigned n)
{
    for (unsigned i = 0; i < MANY; i++)
        assert_int_equal(atomic_exchange(&times[i], 0), i < n);
}

static void all_are_under_way_at_once(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= MANY; n += 10) {
        assert_int_equal(pthread_barrier_init(&together, NULL, n), 0);
        dfs_at_once(n, meet, times);
        assert_once(n);
        pthread_barrier_destroy(&together);
    }
}

static void none_are_none(void **state)
{
    (void)state;
    dfs_at_once(0, count, times);
    assert_once(0);
}

static void without_memory_they_run_one_after_the_other(void **state)
{
    (void)state;
    test_alloc_fail_nth(1);
    dfs_at_once(MANY, count, times);
    assert_once(MANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_are_under_way_at_once),
        cmocka_unit_test(none_are_none),
        cmocka_unit_test(without_memory_they_run_one_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
