/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/usage.h"

#include "s3gw/index/engine.h"
#include "tests/unit/s3gw/index/world.h"

static void expect(struct world *w, uint64_t objects, uint64_t bytes)
{
    struct s3_usage b, u;
    assert_int_equal(s3_usage_of_bucket(w->x, w->b.bid, S3_READ_ANY, &b), 0);
    assert_int_equal(s3_usage_of_user(w->x, STR("owner"), S3_READ_ANY, &u), 0);
    assert_int_equal(b.objects, objects);
    assert_int_equal(b.bytes, bytes);
    assert_int_equal(u.objects, objects);
    assert_int_equal(u.bytes, bytes);
}

static void replacing_and_deleting_count_both_ways(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    expect(&w, 0, 0);
    put_object(&w, STR("a"), STR("f1"));
    put_object(&w, STR("b"), STR("f2"));
    expect(&w, 2, 20);
    put_object(&w, STR("a"), STR("f3"));
    expect(&w, 2, 20);
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("a")}), 0);
    expect(&w, 1, 10);
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("none")}), 0);
    expect(&w, 1, 10);
    world_close(&w);
}

static void versions_and_markers_count(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    put_object(&w, STR("a"), STR("f0"));
    set_versioning(&w, STR("Enabled"));
    struct s3_object *o = put_object(&w, STR("a"), STR("f1"));
    expect(&w, 2, 20);
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("a")}), 0);
    expect(&w, 3, 20);
    struct call gone = {.key = STR("a"), .version = {.seq = o->seq}};
    assert_int_equal(run(&w, fn_delete_version, &gone), 0);
    expect(&w, 2, 10);
    set_versioning(&w, STR("Suspended"));
    put_object(&w, STR("a"), STR("f2")); /* in place of the null version */
    expect(&w, 2, 10);
    world_close(&w);
}

static void what_is_refused_counts_nothing(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    put_object(&w, STR("a"), STR("f1"));
    const struct s3_cond none = {.if_none_match_any = true};
    struct call c = {.key = STR("a"), .cond = &none, .o = object_of(&w, STR("f2"))};
    assert_int_equal(run(&w, fn_put, &c), -EEXIST);
    expect(&w, 1, 10);
    world_close(&w);
}

/* The last object and its bucket in one batch: the user's total must not keep what is gone. */
struct last {
    struct s3_update update[2];
    struct call call[2];
    _Atomic int left;
};

static void told(void *arg, int result)
{
    assert_int_equal(result, 0);
    struct call *c = arg;
    struct last *l = (struct last *)(void *)c->src.p;
    l->left--;
}

static void a_bucket_that_goes_leaves_nothing(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    put_object(&w, STR("a"), STR("f1"));
    struct last l = {.left = 2};
    l.call[0] = (struct call){.w = &w, .bid = w.b.bid, .key = STR("a"), .src = {(char *)&l, 0}};
    l.call[1] = (struct call){.w = &w, .key = w.b.name, .src = {(char *)&l, 0}};
    l.update[0] = (struct s3_update){.fn = fn_delete, .done = told, .arg = &l.call[0]};
    l.update[1] = (struct s3_update){.fn = fn_bucket_delete, .done = told, .arg = &l.call[1]};
    s3_index_submit(w.x, &l.update[0]);
    s3_index_submit(w.x, &l.update[1]);
    s3_index_close(&w.x); /* waits for both */
    assert_int_equal(l.left, 0);
    arena_fini(&w.a);

    world_open(&w);
    put_object(&w, STR("a"), STR("f1"));
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("a")}), 0);
    assert_int_equal(run(&w, fn_bucket_delete, &(struct call){.key = w.b.name}), 0);
    expect(&w, 0, 0);
    world_close(&w);
}

static uint64_t next(uint64_t *s)
{
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return *s >> 33;
}

static void a_thousand_changes_add_up(void **state)
{
    (void)state;
    struct world w;
    uint64_t seed = 7;
    world_open(&w);
    static const struct str states[] = {STR_INIT("Enabled"), STR_INIT("Suspended")};
    for (int i = 0; i < 1000; i++) {
        char key[8], file[16];
        snprintf(key, sizeof(key), "k%u", (unsigned)(next(&seed) % 20));
        snprintf(file, sizeof(file), "f%d", i);
        if (i % 97 == 96)
            set_versioning(&w, states[next(&seed) % 2]);
        if (next(&seed) % 3)
            put_object(&w, str_c(key), str_c(file));
        else if (next(&seed) % 2)
            assert_int_equal(run(&w, fn_delete, &(struct call){.key = str_c(key)}), 0);
        else
            assert_int_equal(run(&w, fn_delete_version,
                                 &(struct call){.key = str_c(key), .version = {.null = true}}),
                             0);
    }
    struct s3_list_query all = {.bid = w.b.bid, .max = 1000};
    struct s3_list_page page;
    assert_int_equal(s3_list_versions(w.x, &all, &w.a, &page), 0);
    uint64_t bytes = 0;
    for (size_t i = 0; i < page.n; i++)
        bytes += page.entries[i].object.size;
    assert_true(page.n > 20);
    expect(&w, page.n, bytes);
    world_close(&w);
}

/* As an index looks that was written before usage was counted. */
static void forget_counts(struct world *w)
{
    struct s3_index *x = w->x; /* nothing is queued: the committer sleeps */
    char row[9] = {'q'};
    for (size_t i = 0; i < 8; i++)
        row[1 + i] = (char)(w->b.bid >> 8 * (7 - i));
    assert_int_equal(x->ops->begin(x), 0);
    assert_int_equal(x->ops->tx_del(x, STR("\0u")), 0);
    assert_int_equal(x->ops->tx_del(x, STR("Qowner")), 0);
    assert_int_equal(x->ops->tx_del(x, str_of(row, sizeof(row))), 0);
    assert_int_equal(x->ops->commit(x), 0);
}

static void an_older_index_is_counted_once(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    put_object(&w, STR("a"), STR("f0"));
    set_versioning(&w, STR("Enabled"));
    put_object(&w, STR("a"), STR("f1"));
    put_object(&w, STR("b"), STR("f2"));
    forget_counts(&w);
    expect(&w, 0, 0);
    assert_int_equal(s3_usage_start(w.x), 0);
    expect(&w, 3, 30);
    assert_int_equal(s3_usage_start(w.x), 0);
    expect(&w, 3, 30);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replacing_and_deleting_count_both_ways),
        cmocka_unit_test(versions_and_markers_count),
        cmocka_unit_test(what_is_refused_counts_nothing),
        cmocka_unit_test(a_bucket_that_goes_leaves_nothing),
        cmocka_unit_test(a_thousand_changes_add_up),
        cmocka_unit_test(an_older_index_is_counted_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
