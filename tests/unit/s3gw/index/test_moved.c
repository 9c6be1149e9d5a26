/* SPDX-License-Identifier: Apache-2.0 */
/* Files that left a group: found under their old names, and gone with what they became. What was read about an object
 * before it moved can no longer be built upon. */
#include "s3gw/index/moved.h"
#include "tests/unit/s3gw/index/world.h"

static int fn_moved(struct s3_tx *tx, void *arg)
{
    const struct str *files = arg;
    s3_moved_put(tx, files[0], files[1]);
    return 0;
}

static void moved(struct world *w, struct str old, struct str now)
{
    struct str files[] = {old, now};
    assert_int_equal(s3_index_update(w->x, fn_moved, files), 0);
}

static int fn_drop(struct s3_tx *tx, void *arg)
{
    return s3_moved_drop(tx, *(const struct str *)arg);
}

static void drop(struct world *w, struct str now)
{
    assert_int_equal(s3_index_update(w->x, fn_drop, &now), 0);
}

static void expect_at(struct world *w, struct str old, struct str now)
{
    struct str at;
    int r = s3_moved_get(w->x, old, &w->a, &at);
    assert_int_equal(r, now.p ? 0 : -ENOENT);
    assert_true(!now.p || str_eq(at, now));
}

static void an_old_name_leads_to_where_the_file_is_in_the_end(void **state)
{
    (void)state;
    struct world w;
    world_open(&w);
    assert_int_equal(s3_moved_any(w.x), 0);
    moved(&w, STR("group1/a"), STR("group2/b"));
    moved(&w, STR("group2/b"), STR("group3/c"));
    moved(&w, STR("group1/x"), STR("group2/bb")); /* a name that begins like another */
    assert_int_equal(s3_moved_any(w.x), 1);
    expect_at(&w, STR("group1/a"), STR("group3/c"));
    expect_at(&w, STR("group2/b"), STR("group3/c"));
    expect_at(&w, STR("group3/c"), STR_NULL);
    drop(&w, STR("group3/c")); /* a step at a time, as the files are deleted */
    assert_true(is_garbage(&w, STR("group2/b")));
    assert_false(is_garbage(&w, STR("group1/a")));
    drop(&w, STR("group2/b"));
    assert_true(is_garbage(&w, STR("group1/a")));
    expect_at(&w, STR("group1/a"), STR_NULL);
    expect_at(&w, STR("group1/x"), STR("group2/bb"));
    drop(&w, STR("group2/bb"));
    assert_int_equal(count_rows(&w, "w") + count_rows(&w, "W"), 0);
    world_close(&w);
}

static void a_circle_is_an_error_not_a_trap(void **state)
{
    (void)state;
    struct world w;
    struct str at;
    world_open(&w);
    moved(&w, STR("group1/a"), STR("group2/b"));
    moved(&w, STR("group2/b"), STR("group1/a"));
    assert_int_equal(s3_moved_get(w.x, STR("group1/a"), &w.a, &at), -EBADMSG);
    world_close(&w);
}

/* @o lies in @file from now on; its class stays. */
static int move_to(struct world *w, struct str key, const struct s3_object *o, struct str file)
{
    struct s3_object *to = object_of(w, file);
    to->seq = o->seq;
    return run(w, fn_move, &(struct call){.key = key, .o = to, .was = STR("")});
}

static int fn_append(struct s3_tx *tx, void *arg)
{
    struct call *c = arg;
    struct s3_object longer = *c->o;
    struct s3_extent e[2] = {c->o->extents[0], {.file_id = STR("group2/more"), .length = 10}};
    longer.seq = s3_tx_seq(tx);
    longer.flags = S3_OBJ_NULL_VERSION;
    longer.size += 10;
    longer.extents = e;
    longer.nextents = 2;
    return s3_object_append(tx, c->bid, c->key, NULL, c->o, &longer);
}

static void what_was_read_before_a_move_is_read_again(void **state)
{
    (void)state;
    struct world w;
    struct s3_object before, now, copy;
    world_open(&w);
    put_object(&w, STR("k"), STR("group1/f"));
    assert_int_equal(get_object(&w, STR("k"), &before), 0);
    assert_int_equal(move_to(&w, STR("k"), &before, STR("group2/f")), 0);
    assert_current(&w, STR("k"), STR("group2/f"));
    assert_kept(&w, STR("group1/f"), false);
    assert_int_equal(run(&w, fn_append, &(struct call){.key = STR("k"), .o = &before}), -EAGAIN);
    copy = before;
    assert_int_equal(
        run(&w, fn_copy,
            &(struct call){.key = STR("c"), .src = STR("k"), .src_seq = before.seq, .o = &copy}),
        -EAGAIN);
    assert_kept(&w, STR("group1/f"), false);
    assert_int_equal(get_object(&w, STR("k"), &now), 0);
    copy = now;
    assert_int_equal(
        run(&w, fn_copy,
            &(struct call){.key = STR("c"), .src = STR("k"), .src_seq = now.seq, .o = &copy}),
        0);
    assert_int_equal(get_object(&w, STR("k"), &now), 0);
    assert_int_equal(run(&w, fn_append, &(struct call){.key = STR("k"), .o = &now}), 0);
    world_close(&w);
}

static void copies_move_to_one_file_and_share_it(void **state)
{
    (void)state;
    struct world w;
    struct s3_object k, c, copy;
    world_open(&w);
    put_object(&w, STR("k"), STR("group1/f"));
    assert_int_equal(get_object(&w, STR("k"), &k), 0);
    copy = k;
    assert_int_equal(
        run(&w, fn_copy,
            &(struct call){.key = STR("c"), .src = STR("k"), .src_seq = k.seq, .o = &copy}),
        0);
    assert_int_equal(get_object(&w, STR("c"), &c), 0);
    assert_int_equal(move_to(&w, STR("k"), &k, STR("group2/f")), 0);
    assert_kept(&w, STR("group1/f"), true); /* the copy has it */
    assert_int_equal(move_to(&w, STR("c"), &c, STR("group2/f")), 0);
    assert_kept(&w, STR("group1/f"), false);
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("k")}), 0);
    assert_kept(&w, STR("group2/f"), true);
    assert_current(&w, STR("c"), STR("group2/f"));
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("c")}), 0);
    assert_kept(&w, STR("group2/f"), false);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_old_name_leads_to_where_the_file_is_in_the_end),
        cmocka_unit_test(a_circle_is_an_error_not_a_trap),
        cmocka_unit_test(what_was_read_before_a_move_is_read_again),
        cmocka_unit_test(copies_move_to_one_file_and_share_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
