/* SPDX-License-Identifier: Apache-2.0 */
#include "s3gw/index/hot.h"

#include <stdio.h>

#include "tests/lib/test.h"

static struct s3_hot *hot(void)
{
    struct s3_hot *h = NULL;
    assert_int_equal(s3_hot_new(&h), 0);
    return h;
}

/* A look that misses, and what the engine says then. */
static void miss(struct s3_hot *h, struct str key, struct s3_hot_look *look)
{
    AUTO(buf_free) struct buf v = BUF(4096);
    assert_int_equal(s3_hot_get(h, key, &v, look), -ENOENT);
    assert_int_equal(v.n, 0);
}

static void read_twice(struct s3_hot *h, struct str key, struct str value)
{
    for (int i = 0; i < 2; i++) {
        AUTO(buf_free) struct buf v = BUF(4096);
        struct s3_hot_look look;
        if (s3_hot_get(h, key, &v, &look) == -ENOENT)
            s3_hot_put(h, &look, key, value);
    }
}

static bool has(struct s3_hot *h, struct str key, struct str value)
{
    AUTO(buf_free) struct buf v = BUF(4096);
    struct s3_hot_look look;
    buf_addc(&v, '<'); /* it is appended */
    int r = s3_hot_get(h, key, &v, &look);
    assert_true(r == 0 || r == -ENOENT);
    return r == 0 && str_eq(str_from(buf_str(&v), 1), value);
}

static void only_object_rows_are_kept(void **state)
{
    (void)state;
    assert_true(s3_hot_kind(STR("o....key")));
    assert_false(s3_hot_kind(STR("v....key")));
    assert_false(s3_hot_kind(STR("bname")));
}

static void what_is_asked_for_twice_is_kept(void **state)
{
    (void)state;
    AUTO(s3_hot_free) struct s3_hot *h = hot();
    struct s3_hot_look look;
    miss(h, STR("oa"), &look);
    s3_hot_put(h, &look, STR("oa"), STR("1"));
    miss(h, STR("oa"), &look);
    s3_hot_put(h, &look, STR("oa"), STR("1"));
    assert_true(has(h, STR("oa"), STR("1")));
    assert_false(has(h, STR("ob"), STR("1")));
    read_twice(h, STR("oempty"), STR(""));
    assert_true(has(h, STR("oempty"), STR("")));
}

static void a_written_row_is_gone_and_stays_away_until_the_batch_ends(void **state)
{
    (void)state;
    AUTO(s3_hot_free) struct s3_hot *h = hot();
    read_twice(h, STR("oa"), STR("1"));
    s3_hot_changes(h, STR("oa"));
    read_twice(h, STR("oa"), STR("1")); /* not committed: the engine says the old value */
    assert_false(has(h, STR("oa"), STR("1")));
    s3_hot_end(h);
    read_twice(h, STR("oa"), STR("2"));
    assert_true(has(h, STR("oa"), STR("2")));
}

static void what_was_read_before_a_write_is_not_kept_after_it(void **state)
{
    (void)state;
    AUTO(s3_hot_free) struct s3_hot *h = hot();
    struct s3_hot_look look;
    miss(h, STR("oa"), &look);
    miss(h, STR("oa"), &look); /* "1" is read now */
    s3_hot_changes(h, STR("oa"));
    s3_hot_end(h);
    s3_hot_put(h, &look, STR("oa"), STR("1"));
    assert_false(has(h, STR("oa"), STR("1")));
}

static void nothing_is_left_of_an_engine_that_was_opened_again(void **state)
{
    (void)state;
    AUTO(s3_hot_free) struct s3_hot *h = hot();
    struct s3_hot_look look;
    read_twice(h, STR("oa"), STR("1"));
    miss(h, STR("ob"), &look);
    miss(h, STR("ob"), &look);
    s3_hot_clear(h);
    s3_hot_put(h, &look, STR("ob"), STR("1"));
    assert_false(has(h, STR("oa"), STR("1")));
    assert_false(has(h, STR("ob"), STR("1")));
    read_twice(h, STR("oa"), STR("2"));
    assert_true(has(h, STR("oa"), STR("2")));
}

static void memory_is_bounded(void **state)
{
    (void)state;
    AUTO(s3_hot_free) struct s3_hot *h = hot();
    static char big[S3_HOT_ROW_MAX];
    read_twice(h, STR("oa"), str_of(big, sizeof(big)));
    assert_false(has(h, STR("oa"), str_of(big, sizeof(big))));
    size_t kept = 0;
    char key[32];
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < 20000; i++) {
            int n = snprintf(key, sizeof(key), "o%u", i);
            if (round == 0)
                read_twice(h, str_of(key, (size_t)n), STR("v"));
            else
                kept += has(h, str_of(key, (size_t)n), STR("v"));
        }
    assert_in_range(kept, 4096, 8192);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_object_rows_are_kept),
        cmocka_unit_test(what_is_asked_for_twice_is_kept),
        cmocka_unit_test(a_written_row_is_gone_and_stays_away_until_the_batch_ends),
        cmocka_unit_test(what_was_read_before_a_write_is_not_kept_after_it),
        cmocka_unit_test(nothing_is_left_of_an_engine_that_was_opened_again),
        cmocka_unit_test(memory_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
