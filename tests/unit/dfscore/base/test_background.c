/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/test.h"

#include "dfscore/base/background.h"
#include "dfscore/base/clock.h"

struct counter {
    struct dfs_background bg;
    int rounds; /* under bg.lock */
};

static void *count(void *arg)
{
    struct counter *c = arg;
    pthread_mutex_lock(&c->bg.lock);
    for (c->rounds = 1; !c->bg.stopping; c->rounds++) {
        struct timespec at = dfs_mono_after((uint64_t)24 * 3600 * 1000);
        pthread_cond_timedwait(&c->bg.wake, &c->bg.lock, &at);
    }
    pthread_mutex_unlock(&c->bg.lock);
    return NULL;
}

static void the_end_wakes_the_thread_and_waits_for_it(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) { /* the end may come before, in or after the first round */
        struct counter c = {.rounds = 0};
        dfs_background_init(&c.bg);
        assert_int_equal(dfs_background_start(&c.bg, "counter", count, &c), 0);
        dfs_background_fini(&c.bg);
        assert_true(c.rounds >= 1);
    }
}

static void what_was_never_started_ends_too(void **state)
{
    (void)state;
    struct counter c = {.rounds = 0};
    dfs_background_init(&c.bg);
    dfs_background_fini(&c.bg);
    assert_true(c.bg.stopping && c.rounds == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_end_wakes_the_thread_and_waits_for_it),
        cmocka_unit_test(what_was_never_started_ends_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
