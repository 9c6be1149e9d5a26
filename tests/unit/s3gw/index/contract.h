/* SPDX-License-Identifier: Apache-2.0 */
/*
 * contract - what index.h promises, asked of any engine. The including test defines
 * static struct s3_index *open_engine(void); and lists CONTRACT_TESTS in its table.
 */
#ifndef TEST_INDEX_CONTRACT_H
#define TEST_INDEX_CONTRACT_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>

#include "s3gw/index/index.h"
#include "tests/lib/test.h"

static struct s3_index *open_engine(void);

/* --- updates made of changes --- */

struct change {
    struct str key, value; /* value.p == NULL: delete */
};
struct changes {
    const struct change *c;
    size_t n;
    int result; /* of the function */
    bool frees;
};

static int apply_fn(struct s3_tx *tx, void *arg)
{
    const struct changes *a = arg;
    if (a->frees)
        s3_tx_frees(tx);
    for (size_t i = 0; i < a->n; i++) {
        if (a->c[i].value.p)
            s3_tx_put(tx, a->c[i].key, a->c[i].value);
        else
            s3_tx_del(tx, a->c[i].key);
    }
    return a->result;
}

static int apply(struct s3_index *x, const struct change *c, size_t n)
{
    struct changes a = {c, n, 0, false};
    return s3_index_update(x, apply_fn, &a);
}

static int put1(struct s3_index *x, const char *key, const char *value)
{
    struct change c = {str_c(key), str_c(value)};
    return apply(x, &c, 1);
}

static void assert_value(struct s3_index *x, struct str key, struct str expect)
{
    AUTO(buf_free) struct buf v = BUF(S3_INDEX_VALUE_MAX);
    int r = s3_index_get(x, key, S3_READ_ANY, &v);
    assert_int_equal(r, expect.p ? 0 : -ENOENT);
    if (expect.p)
        assert_true(str_eq(buf_str(&v), expect));
}

static void assert_range(struct s3_iter *it, const char *const *keys)
{
    for (; *keys; keys++, s3_iter_next(it)) {
        assert_true(s3_iter_valid(it));
        assert_true(str_eq(s3_iter_key(it), str_c(*keys)));
    }
    assert_false(s3_iter_valid(it));
    assert_int_equal(s3_iter_err(it), 0);
}

/* --- tests --- */

static void what_is_put_is_got_and_what_is_deleted_is_gone(void **state)
{
    (void)state;
    AUTO(s3_index_close) struct s3_index *x = open_engine();
    assert_value(x, STR("a"), STR_NULL);
    assert_int_equal(put1(x, "a", "1"), 0);
    assert_value(x, STR("a"), STR("1"));
    assert_int_equal(put1(x, "a", ""), 0);
    assert_value(x, STR("a"), STR(""));
    assert_int_equal(put1(x, "a", NULL), 0);
    assert_value(x, STR("a"), STR_NULL);
    AUTO(buf_free) struct buf v = BUF(64);
    assert_int_equal(s3_index_get(x, STR("a"), S3_READ_CACHED, &v), -ENOENT);
}

static void keys_and_values_are_any_bytes(void **state)
{
    (void)state;
    AUTO(s3_index_close) struct s3_index *x = open_engine();
    const struct change c[] = {
        {STR("k\0\xff"), STR("\0\0")}, {STR("k"), STR("\xff")}, {STR("k\0"), STR("x")}};
    assert_int_equal(apply(x, c, 3), 0);
    for (size_t i = 0; i < 3; i++)
        assert_value(x, c[i].key, c[i].value);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    assert_int_equal(s3_iter_new(x, STR("k"), STR_NULL, &it), 0);
    assert_int_equal(s3_iter_key(it).n, 1);
    s3_iter_next(it);
    assert_int_equal(s3_iter_key(it).n, 2);
    s3_iter_next(it);
    assert_int_equal(s3_iter_key(it).n, 3);
}

static void a_failed_update_changes_nothing(void **state)
{
    (void)state;
    AUTO(s3_index_close) struct s3_index *x = open_engine();
    assert_int_equal(put1(x, "a", "old"), 0);
    const struct change c[] = {
        {STR("a"), STR("new")}, {STR("b"), STR("new")}, {STR("a"), STR_NULL}};
    struct changes a = {c, 3, -ESTALE, false};
    assert_int_equal(s3_index_update(x, apply_fn, &a), -ESTALE);
    assert_value(x, STR("a"), STR("old"));
    assert_value(x, STR("b"), STR_NULL);
}

static void a_value_too_large_fails_the_update(void **state)
{
    (void)state;
    AUTO(s3_index_close) struct s3_index *x = open_engine();
    char *big = dfs_zalloc(S3_INDEX_VALUE_MAX + 1);
    assert_non_null(big);
    const struct change c[] = {{STR("a"), STR("1")},
                               {STR("b"), str_of(big, S3_INDEX_VALUE_MAX + 1)}};
    assert_int_equal(apply(x, c, 2), -E2BIG);
    assert_value(x, STR("a"), STR_NULL);
    const struct change largest = {STR("b"), str_of(big, S3_INDEX_VALUE_MAX)};
    assert_int_equal(apply(x, &largest, 1), 0);
    assert_value(x, STR("b"), largest.value);
    free(big);
}

static void iterators_keep_bounds_and_byte_order(void **state)
{
    (void)state;
    AUTO(s3_index_close) struct s3_index *x = open_engine();
    static const char *const keys[] = {"a", "a!", "aa", "b", "b\xc3\xa4", "c"};
    for (size_t i = ARRAY_LEN(keys); i-- > 0;)
        assert_int_equal(put1(x, keys[i], "v"), 0);
    static const struct {
        const char *from, *until;
        const char *expect[7];
    } rows[] = {
        {"", "", {"a", "a!", "aa", "b", "b\xc3\xa4", "c"}},
        {"a", "b", {"a", "a!", "aa"}},
        {"a\"", "b\xc3\xa4", {"aa", "b"}},
        {"b\x01", "", {"b\xc3\xa4", "c"}},
        {"d", "", {NULL}},
        {"c", "b", {NULL}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(s3_iter_free) struct s3_iter *it = NULL;
        assert_int_equal(s3_iter_new(x, str_c(rows[i].from), str_c(rows[i].until), &it), 0);
        assert_range(it, rows[i].expect);
    }
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    assert_int_equal(s3_iter_new(x, STR("aa"), STR("c"), &it), 0);
    s3_iter_seek(it, STR("bb"));
    assert_range(it, (const char *const[]){"b\xc3\xa4", NULL});
    s3_iter_seek(it, STR("b"));
    assert_range(it, (const char *const[]){"b", "b\xc3\xa4", NULL});
    s3_iter_seek(it, STR("a")); /* before the bound */
    assert_range(it, (const char *const[]){"aa", "b", "b\xc3\xa4", NULL});
    s3_iter_seek(it, STR("c")); /* behind the bound */
    assert_false(s3_iter_valid(it));
}

static void an_iterator_sees_one_state(void **state)
{
    (void)state;
    AUTO(s3_index_close) struct s3_index *x = open_engine();
    assert_int_equal(put1(x, "a", "1"), 0);
    assert_int_equal(put1(x, "c", "1"), 0);
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    assert_int_equal(s3_iter_new(x, STR_NULL, STR_NULL, &it), 0);
    const struct change c[] = {{STR("b"), STR("2")}, {STR("c"), STR_NULL}, {STR("a"), STR("2")}};
    assert_int_equal(apply(x, c, 3), 0);
    assert_true(str_eq(s3_iter_value(it), STR("1")));
    assert_range(it, (const char *const[]){"a", "c", NULL});
}

static int look_inside_fn(struct s3_tx *tx, void *arg)
{
    (void)arg;
    AUTO(buf_free) struct buf v = BUF(64);
    s3_tx_put(tx, STR("b"), STR("new"));
    s3_tx_put(tx, STR("d"), STR("new"));
    s3_tx_put(tx, STR("z"), STR("new")); /* behind the bound */
    s3_tx_del(tx, STR("c"));
    assert_int_equal(s3_tx_get(tx, STR("b"), &v), 0);
    assert_true(str_eq(buf_str(&v), STR("new")));
    assert_int_equal(s3_tx_get(tx, STR("c"), &v), -ENOENT);
    buf_reset(&v);
    assert_int_equal(s3_tx_get(tx, STR("a"), &v), 0);
    assert_true(str_eq(buf_str(&v), STR("old")));
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    assert_int_equal(s3_tx_iter(tx, STR("a"), STR("e"), &it), 0);
    assert_range(it, (const char *const[]){"a", "b", "d", NULL});
    s3_iter_seek(it, STR("c"));
    assert_range(it, (const char *const[]){"d", NULL});
    return 0;
}

static void an_update_sees_its_own_writes(void **state)
{
    (void)state;
    AUTO(s3_index_close) struct s3_index *x = open_engine();
    const struct change c[] = {
        {STR("a"), STR("old")}, {STR("b"), STR("old")}, {STR("c"), STR("old")}};
    assert_int_equal(apply(x, c, 3), 0);
    assert_int_equal(s3_index_update(x, look_inside_fn, NULL), 0);
    assert_value(x, STR("b"), STR("new"));
    assert_value(x, STR("c"), STR_NULL);
}

static int take_numbers_fn(struct s3_tx *tx, void *arg)
{
    uint64_t *n = arg;
    n[0] = s3_tx_seq(tx);
    n[1] = s3_tx_seq(tx);
    s3_tx_put(tx, STR("n"), STR(""));
    return 0;
}

static void sequence_numbers_rise(void **state)
{
    (void)state;
    AUTO(s3_index_close) struct s3_index *x = open_engine();
    uint64_t n[2], last = 0;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(s3_index_update(x, take_numbers_fn, n), 0);
        assert_true(n[0] > last && n[1] > n[0]);
        last = n[1];
    }
}

/* --- many at once --- */

enum { CROWD = 8, ROUNDS = 200 };

static int count_fn(struct s3_tx *tx, void *arg)
{
    const int *fail = arg;
    AUTO(buf_free) struct buf v = BUF(64);
    uint64_t n = 0;
    if (s3_tx_get(tx, STR("counter"), &v) == 0) {
        struct rd rd = rd_of(buf_str(&v));
        n = rd_u64(&rd);
    }
    buf_reset(&v);
    buf_u64(&v, n + 1);
    s3_tx_put(tx, STR("counter"), buf_str(&v));
    return *fail ? -ECANCELED : 0;
}

static void *count_many(void *arg)
{
    struct s3_index *x = arg;
    for (int i = 0; i < ROUNDS; i++) {
        int fail = i % 3 == 0;
        assert_int_equal(s3_index_update(x, count_fn, &fail), fail ? -ECANCELED : 0);
    }
    return NULL;
}

static void assert_counted(struct s3_index *x, uint64_t n)
{
    AUTO(buf_free) struct buf v = BUF(64);
    assert_int_equal(s3_index_get(x, STR("counter"), S3_READ_ANY, &v), 0);
    struct rd rd = rd_of(buf_str(&v));
    assert_int_equal(rd_u64(&rd), n);
}

static void updates_of_many_threads_are_serial(void **state)
{
    (void)state;
    AUTO(s3_index_close) struct s3_index *x = open_engine();
    pthread_t t[CROWD];
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(pthread_create(&t[i], NULL, count_many, x), 0);
    for (int i = 0; i < CROWD; i++)
        pthread_join(t[i], NULL);
    assert_counted(x, CROWD * (ROUNDS - (ROUNDS + 2) / 3));
}

/* Rows that are read again and again are kept in memory (hot.h): never the old one after the new. */
enum { REWRITES = 500 };

struct watch {
    struct s3_index *x;
    _Atomic uint32_t told; /* the last value whose writer was told */
    bool went_back;
};

static void *watch_row(void *arg)
{
    struct watch *w = arg;
    uint32_t seen = 0;
    while (seen < REWRITES && !w->went_back) {
        uint32_t told = atomic_load(&w->told);
        AUTO(buf_free) struct buf v = BUF(64);
        uint32_t now = 0;
        if (s3_index_get(w->x, STR("orow"), S3_READ_ANY, &v) == 0) {
            struct rd rd = rd_of(buf_str(&v));
            now = rd_u32(&rd);
        }
        w->went_back = now < seen || now < told;
        seen = now;
    }
    return NULL;
}

static void a_row_read_often_never_goes_back(void **state)
{
    (void)state;
    AUTO(s3_index_close) struct s3_index *x = open_engine();
    struct watch w[2] = {{.x = x}, {.x = x}};
    pthread_t t[2];
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&t[i], NULL, watch_row, &w[i]), 0);
    for (uint32_t n = 1; n <= REWRITES; n++) {
        AUTO(buf_free) struct buf v = BUF(64);
        buf_u32(&v, n);
        const struct change c = {STR("orow"), buf_str(&v)};
        assert_int_equal(apply(x, &c, 1), 0);
        for (size_t i = 0; i < 2; i++)
            atomic_store(&w[i].told, n);
    }
    for (size_t i = 0; i < 2; i++) {
        pthread_join(t[i], NULL);
        assert_false(w[i].went_back);
    }
}

struct told {
    struct s3_index *x;
    struct s3_update u;
    struct change c;
    struct changes changes;
    _Atomic int *left;
    int result;
    bool visible; /* what a reader saw when it was told */
};

static int told_fn(struct s3_tx *tx, void *arg)
{
    struct told *t = arg;
    return apply_fn(tx, &t->changes);
}

static void tell(void *arg, int result)
{
    struct told *t = arg;
    AUTO(buf_free) struct buf v = BUF(64);
    t->result = result;
    t->visible = s3_index_get(t->x, t->c.key, S3_READ_ANY, &v) == 0;
    (*t->left)--;
}

static void each_of_a_batch_is_told_its_own_result_when_visible(void **state)
{
    (void)state;
    struct s3_index *x = open_engine();
    enum { N = 300 };
    static struct told t[N];
    static char keys[N][16];
    _Atomic int left = N;
    for (int i = 0; i < N; i++) {
        int n = snprintf(keys[i], sizeof(keys[i]), "k%03d", i);
        t[i] = (struct told){.x = x, .left = &left, .c = {str_of(keys[i], (size_t)n), STR("v")}};
        t[i].changes = (struct changes){&t[i].c, 1, i % 5 == 0 ? -EEXIST : 0, false};
        t[i].u = (struct s3_update){.fn = told_fn, .done = tell, .arg = &t[i]};
    }
    for (int i = 0; i < N; i++)
        s3_index_submit(x, &t[i].u);
    s3_index_close(&x); /* waits for them */
    assert_int_equal(left, 0);
    for (int i = 0; i < N; i++) {
        assert_int_equal(t[i].result, i % 5 == 0 ? -EEXIST : 0);
        assert_int_equal(t[i].visible, i % 5 != 0);
    }
}

/* --- a writer that may commit itself --- */

struct lone {
    struct s3_update update;
    sem_t begun, go, told;
    bool holds; /* fn() waits for go */
    pthread_t on;
    int result;
};

static int lone_fn(struct s3_tx *tx, void *arg)
{
    struct lone *l = arg;
    int fail = 0;
    if (l->holds) {
        sem_post(&l->begun);
        assert_int_equal(sem_wait(&l->go), 0);
    }
    return count_fn(tx, &fail);
}

static void lone_done(void *arg, int result)
{
    struct lone *l = arg;
    l->on = pthread_self();
    l->result = result;
    sem_post(&l->told);
}

static void lone_init(struct lone *l, bool holds)
{
    *l = (struct lone){.update = {.fn = lone_fn, .done = lone_done, .arg = l}, .holds = holds};
    sem_init(&l->begun, 0, 0);
    sem_init(&l->go, 0, 0);
    sem_init(&l->told, 0, 0);
}

static void *count_alone(void *arg)
{
    struct s3_index *x = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct lone l;
        lone_init(&l, false);
        s3_index_submit_alone(x, &l.update);
        sem_wait(&l.told);
        assert_int_equal(l.result, 0);
    }
    return NULL;
}

static void lone_writers_that_are_not_alone_are_serial_too(void **state)
{
    (void)state;
    AUTO(s3_index_close) struct s3_index *x = open_engine();
    pthread_t t[CROWD];
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(pthread_create(&t[i], NULL, count_alone, x), 0);
    for (int i = 0; i < ROUNDS; i++)
        assert_int_equal(put1(x, "beside", "1"), 0);
    for (int i = 0; i < CROWD; i++)
        pthread_join(t[i], NULL);
    assert_counted(x, CROWD * ROUNDS);
}

static void a_lone_writer_commits_where_the_committer_is_idle(void **state)
{
    (void)state;
    AUTO(s3_index_close) struct s3_index *x = open_engine();
    struct lone busy, l;
    lone_init(&busy, true);
    s3_index_submit(x, &busy.update);
    sem_wait(&busy.begun);
    lone_init(&l, false);
    s3_index_submit_alone(x, &l.update); /* returns: it is queued */
    assert_int_equal(sem_trywait(&l.told), -1);
    sem_post(&busy.go);
    sem_wait(&busy.told);
    sem_wait(&l.told);
    assert_false(pthread_equal(l.on, pthread_self()));
    assert_int_equal(l.result, 0);
    unsigned told = 2;
    do { /* until the committer has gone to sleep */
        lone_init(&l, false);
        s3_index_submit_alone(x, &l.update);
        sem_wait(&l.told);
        assert_int_equal(l.result, 0);
        told++;
    } while (!pthread_equal(l.on, pthread_self()));
    assert_int_equal(put1(x, "after", "1"), 0); /* the committer goes on */
    assert_counted(x, told);
}

/* --- against a model --- */

enum { MODEL_KEYS = 64, MODEL_STEPS = 1000 };

struct model {
    uint64_t random;
    bool there[MODEL_KEYS];
    uint32_t value[MODEL_KEYS];
};

static uint32_t draw(struct model *m, uint32_t below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (uint32_t)(m->random >> 33) % below;
}

static struct str model_key(unsigned i, char p[8])
{
    return str_of(p, (size_t)snprintf(p, 8, "m%02x", i));
}

static void compare_range(struct s3_iter *it, const struct model *m, unsigned from, unsigned until)
{
    for (unsigned i = from; i < until; i++) {
        if (!m->there[i])
            continue;
        char p[8];
        assert_true(s3_iter_valid(it));
        assert_true(str_eq(s3_iter_key(it), model_key(i, p)));
        struct rd rd = rd_of(s3_iter_value(it));
        assert_int_equal(rd_u32(&rd), m->value[i]);
        s3_iter_next(it);
    }
    assert_false(s3_iter_valid(it));
}

struct model_step {
    struct model *m;     /* changed as the update goes on */
    struct model before; /* to go back to when it fails */
    bool fail;
};

static int model_fn(struct s3_tx *tx, void *arg)
{
    struct model_step *s = arg;
    struct model *m = s->m;
    *m = s->before; /* the function may run twice */
    for (uint32_t n = draw(m, 6); n > 0; n--) {
        unsigned i = draw(m, MODEL_KEYS);
        char p[8];
        AUTO(buf_free) struct buf v = BUF(64);
        m->there[i] = draw(m, 3) > 0;
        m->value[i] = draw(m, 1u << 30);
        buf_u32(&v, m->value[i]);
        if (m->there[i])
            s3_tx_put(tx, model_key(i, p), buf_str(&v));
        else
            s3_tx_del(tx, model_key(i, p));
    }
    unsigned from = draw(m, MODEL_KEYS), until = from + draw(m, MODEL_KEYS - from + 1);
    char p[8], q[8];
    AUTO(s3_iter_free) struct s3_iter *it = NULL;
    assert_int_equal(s3_tx_iter(tx, model_key(from, p), model_key(until, q), &it), 0);
    compare_range(it, m, from, until);
    return s->fail ? -ECANCELED : 0;
}

static void random_updates_agree_with_a_model(void **state)
{
    (void)state;
    AUTO(s3_index_close) struct s3_index *x = open_engine();
    struct model m = {.random = 88172645463325252u};
    for (int n = 0; n < MODEL_STEPS; n++) {
        struct model_step s = {.m = &m, .before = m, .fail = n % 4 == 3};
        assert_int_equal(s3_index_update(x, model_fn, &s), s.fail ? -ECANCELED : 0);
        if (s.fail) {
            uint64_t random = m.random;
            m = s.before;
            m.random = random;
        }
        if (n % 16 != 0)
            continue;
        AUTO(s3_iter_free) struct s3_iter *it = NULL;
        assert_int_equal(s3_iter_new(x, STR("m"), STR("n"), &it), 0);
        compare_range(it, &m, 0, MODEL_KEYS);
    }
}

#define CONTRACT_TESTS                                                                             \
    cmocka_unit_test(what_is_put_is_got_and_what_is_deleted_is_gone),                              \
        cmocka_unit_test(keys_and_values_are_any_bytes),                                           \
        cmocka_unit_test(a_failed_update_changes_nothing),                                         \
        cmocka_unit_test(a_value_too_large_fails_the_update),                                      \
        cmocka_unit_test(iterators_keep_bounds_and_byte_order),                                    \
        cmocka_unit_test(an_iterator_sees_one_state),                                              \
        cmocka_unit_test(an_update_sees_its_own_writes), cmocka_unit_test(sequence_numbers_rise),  \
        cmocka_unit_test(updates_of_many_threads_are_serial),                                      \
        cmocka_unit_test(a_row_read_often_never_goes_back),                                        \
        cmocka_unit_test(each_of_a_batch_is_told_its_own_result_when_visible),                     \
        cmocka_unit_test(a_lone_writer_commits_where_the_committer_is_idle),                       \
        cmocka_unit_test(lone_writers_that_are_not_alone_are_serial_too),                          \
        cmocka_unit_test(random_updates_agree_with_a_model)

#endif
