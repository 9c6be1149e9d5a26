/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/core/ahead.h"

#include <pthread.h>
#include <sched.h>

#include "s3gw/core/pool.h"
#include "tests/lib/test.h"

enum { MOST = 4096 };

static const struct str file = STR_INIT("group1/M00/00/00/a"),
                        other = STR_INIT("group1/M00/00/00/b");

/* Files whose bytes are their offsets; reading waits while the gate is shut. */
struct world {
    struct s3_aheads all;
    struct s3_pool *pool;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool shut;      /* under lock */
    unsigned reads; /* under lock: that have begun */
    int result;
};

static uint8_t byte_at(uint64_t at)
{
    return (uint8_t)(at * 7 + (at >> 8));
}

static int read_pattern(void *arg, struct str name, uint64_t at, void *out, size_t n)
{
    struct world *w = arg;
    if (!str_eq(name, file) && !str_eq(name, other))
        return -ENOENT;
    pthread_mutex_lock(&w->lock);
    w->reads++;
    pthread_cond_broadcast(&w->changed);
    while (w->shut)
        pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)out)[i] = byte_at(at + i);
    return w->result;
}

static void world_init(struct world *w, unsigned threads, unsigned most, unsigned aheads)
{
    *w = (struct world){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    assert_int_equal(s3_pool_new("test", threads, 100, &w->pool), 0);
    w->all.pool = w->pool;
    w->all.memory.limit = aheads * s3_ahead_memory(MOST);
    w->all.read = read_pattern;
    w->all.arg = w;
    w->all.most = most;
}

static void world_fini(struct world *w)
{
    s3_aheads_stop(&w->all);
    s3_pool_free(&w->pool);
    assert_int_equal(w->all.memory.used, 0);
}

static void gate(struct world *w, bool shut)
{
    pthread_mutex_lock(&w->lock);
    w->shut = shut;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static unsigned reads(struct world *w)
{
    pthread_mutex_lock(&w->lock);
    unsigned n = w->reads;
    pthread_mutex_unlock(&w->lock);
    return n;
}

/* Until a worker reads it: one that has just been made, or has just ended a read, is not idle yet. */
static void begin(struct world *w, struct s3_ahead *a, struct str name, uint64_t at, size_t n)
{
    for (unsigned before = reads(w); reads(w) == before; sched_yield())
        s3_ahead_begin(a, name, at, n);
}

/* Until none is under way. */
static void settle(struct world *w)
{
    while (atomic_load(&w->all.now) > 0)
        sched_yield();
}

static void assert_bytes(const uint8_t *p, uint64_t at, size_t n)
{
    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(p[i], byte_at(at + i));
}

static void what_was_read_is_taken_once(void **state)
{
    (void)state;
    AUTO(world_fini) struct world w;
    world_init(&w, 2, 1, 1);
    AUTO(s3_ahead_free) struct s3_ahead *a = NULL;
    assert_int_equal(s3_ahead_new(&w.all, MOST, &a), 0);
    assert_null(s3_ahead_take(a, file, 0, 10));
    begin(&w, a, file, 100, MOST);
    settle(&w);
    uint8_t *first = s3_ahead_take(a, file, 100, MOST);
    assert_bytes(first, 100, MOST);
    assert_null(s3_ahead_take(a, file, 100, MOST));
    begin(&w, a, file, 9000, 50); /* while the first ones are still being used */
    settle(&w);
    assert_bytes(first, 100, MOST);
    assert_bytes(s3_ahead_take(a, file, 9000, 50), 9000, 50);
    s3_ahead_free(&a);
}

static void what_was_not_read_is_not_there(void **state)
{
    (void)state;
    static const struct {
        struct str file;
        uint64_t at;
        size_t n;
    } rows[] = {{STR_INIT("group1/M00/00/00/b"), 100, 50},
                {STR_INIT("group1/M00/00/00/a"), 101, 50},
                {STR_INIT("group1/M00/00/00/a"), 100, 49},
                {STR_INIT("group1/M00/00/00/a"), 100, 51}};
    AUTO(world_fini) struct world w;
    world_init(&w, 1, 1, 1);
    AUTO(s3_ahead_free) struct s3_ahead *a = NULL;
    assert_int_equal(s3_ahead_new(&w.all, MOST, &a), 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        begin(&w, a, file, 100, 50);
        settle(&w);
        assert_null(s3_ahead_take(a, rows[i].file, rows[i].at, rows[i].n));
        assert_null(s3_ahead_take(a, file, 100, 50)); /* dropped */
    }
    w.result = -EIO;
    begin(&w, a, file, 100, 50);
    settle(&w);
    assert_null(s3_ahead_take(a, file, 100, 50));
    unsigned before = reads(&w);
    s3_ahead_begin(a, file, 0, MOST + 1);
    assert_int_equal(w.all.now, 0);
    assert_int_equal(reads(&w), before);
    s3_ahead_free(&a);
}

static void nobody_waits_for_a_read_under_way(void **state)
{
    (void)state;
    AUTO(world_fini) struct world w;
    world_init(&w, 2, 1, 2);
    AUTO(s3_ahead_free) struct s3_ahead *a = NULL;
    AUTO(s3_ahead_free) struct s3_ahead *b = NULL;
    assert_int_equal(s3_ahead_new(&w.all, MOST, &a), 0);
    assert_int_equal(s3_ahead_new(&w.all, MOST, &b), 0);
    gate(&w, true);
    begin(&w, a, file, 0, 50);
    assert_null(s3_ahead_take(a, file, 0, 50));
    s3_ahead_begin(a, file, 50, 50); /* still at the first */
    s3_ahead_begin(b, other, 0, 50); /* one at a time of all together */
    assert_int_equal(w.all.now, 1);
    gate(&w, false);
    settle(&w);
    assert_null(s3_ahead_take(b, other, 0, 50));
    begin(&w, a, file, 50, 50); /* what nobody took makes room */
    settle(&w);
    assert_bytes(s3_ahead_take(a, file, 50, 50), 50, 50);
    s3_ahead_free(&a);
    s3_ahead_free(&b);
}

static void memory_has_a_ceiling_and_comes_back(void **state)
{
    (void)state;
    AUTO(world_fini) struct world w;
    world_init(&w, 1, 1, 1);
    struct s3_ahead *a, *none = NULL;
    assert_int_equal(s3_ahead_new(&w.all, MOST, &a), 0);
    assert_int_equal(s3_ahead_new(&w.all, MOST, &none), -EAGAIN);
    gate(&w, true);
    begin(&w, a, file, 0, 50);
    s3_ahead_free(&a); /* the worker still writes there */
    assert_int_equal(s3_ahead_new(&w.all, MOST, &none), -EAGAIN);
    gate(&w, false);
    settle(&w);
    test_alloc_fail_nth(1);
    assert_int_equal(s3_ahead_new(&w.all, MOST, &none), -ENOMEM);
    assert_null(none);
    assert_int_equal(s3_ahead_new(&w.all, MOST, &a), 0);
    s3_ahead_free(&a);
}

/* Reads that are withdrawn before a worker has begun them, abandoned, and taken, as it happens. */
static void any_order_of_events_gives_right_bytes_or_none(void **state)
{
    (void)state;
    enum { ROUNDS = 3000 };
    AUTO(world_fini) struct world w;
    world_init(&w, 2, 2, 8);
    for (uint64_t i = 0; i < ROUNDS; i++) {
        AUTO(s3_ahead_free) struct s3_ahead *a = NULL;
        int r = s3_ahead_new(&w.all, MOST, &a); /* abandoned ones may hold all the memory */
        for (uint64_t k = 0; r == 0 && k < i % 5; k++) {
            s3_ahead_begin(a, file, k * 64, 64);
            if (i % 3 > 0)
                sched_yield();
            const uint8_t *p = s3_ahead_take(a, file, k * 64, 64);
            if (p)
                assert_bytes(p, k * 64, 64);
        }
        if (r == 0 && i % 2 > 0)
            s3_ahead_begin(a, other, i, 64);
    }
}

static void after_stop_nothing_begins(void **state)
{
    (void)state;
    AUTO(world_fini) struct world w;
    world_init(&w, 1, 1, 1);
    AUTO(s3_ahead_free) struct s3_ahead *a = NULL;
    assert_int_equal(s3_ahead_new(&w.all, MOST, &a), 0);
    begin(&w, a, file, 0, 50);
    s3_aheads_stop(&w.all);
    assert_int_equal(w.all.now, 0);
    assert_bytes(s3_ahead_take(a, file, 0, 50), 0, 50);
    unsigned before = reads(&w);
    s3_ahead_begin(a, file, 50, 50);
    assert_int_equal(w.all.now, 0);
    assert_int_equal(reads(&w), before);
    s3_ahead_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_read_is_taken_once),
        cmocka_unit_test(what_was_not_read_is_not_there),
        cmocka_unit_test(nobody_waits_for_a_read_under_way),
        cmocka_unit_test(memory_has_a_ceiling_and_comes_back),
        cmocka_unit_test(any_order_of_events_gives_right_bytes_or_none),
        cmocka_unit_test(after_stop_nothing_begins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
