/* SPDX-License-Identifier: Apache-2.0 */
/* Objects that grow, and objects that change their key. */
#include "s3gw/index/usage.h"
#include "tests/unit/s3gw/index/world.h"

struct growth {
    struct world *w;
    struct str key, from;
    const struct s3_cond *cond;
    const struct s3_object *base;
    struct s3_object *o;
    uint64_t seq;
    struct str token;
};

static int fn_append(struct s3_tx *tx, void *arg)
{
    struct growth *g = arg;
    g->o->seq = s3_tx_seq(tx);
    g->o->flags = S3_OBJ_NULL_VERSION;
    return s3_object_append(tx, g->w->b.bid, g->key, g->cond, g->base, g->o);
}

static int fn_rename(struct s3_tx *tx, void *arg)
{
    struct growth *g = arg;
    struct s3_object o = {0}; /* as it was noted */
    (void)!s3_object_get(g->w->x, g->w->b.bid, g->from, S3_READ_ANY, true, &g->w->a, &o);
    o.seq = s3_tx_seq(tx);
    o.upload_id = g->token.p ? g->token : o.upload_id;
    return s3_object_rename(tx, g->w->b.bid, g->from, g->seq, g->key, g->cond, &o);
}

/* @base with ten bytes more, in @file. */
static struct s3_object *longer(struct world *w, const struct s3_object *base, struct str file)
{
    struct s3_object *o = arena_alloc(&w->a, sizeof(*o));
    *o = *base;
    o->seq = 0;
    o->size += 10;
    o->extents = arena_alloc(&w->a, (base->nextents + 1) * sizeof(*o->extents));
    if (base->nextents > 0)
        memcpy(o->extents, base->extents, base->nextents * sizeof(*o->extents));
    o->extents[o->nextents++] = (struct s3_extent){.file_id = arena_str(&w->a, file), .length = 10};
    return o;
}

static int append(struct world *w, struct str key, const struct s3_object *base, struct str file)
{
    return s3_index_update(
        w->x, fn_append,
        &(struct growth){.w = w, .key = key, .base = base, .o = longer(w, base, file)});
}

static int rename_to(struct world *w, struct str from, uint64_t seq, struct str to,
                     const struct s3_cond *cond)
{
    return s3_index_update(
        w->x, fn_rename,
        &(struct growth){.w = w, .from = from, .seq = seq, .key = to, .cond = cond});
}

static void what_was_there_stays_and_the_new_file_is_owned(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_object base, got;
    put_object(&w, STR("k"), STR("f1"));
    assert_int_equal(get_object(&w, STR("k"), &base), 0);
    assert_int_equal(append(&w, STR("k"), &base, STR("f2")), 0);
    assert_int_equal(get_object(&w, STR("k"), &got), 0);
    assert_int_equal(got.size, 20);
    assert_int_equal(got.nextents, 2);
    assert_true(got.seq > base.seq);
    assert_int_equal(got.extents[0].owner, base.seq);
    assert_int_equal(got.extents[1].owner, got.seq);
    assert_kept(&w, STR("f1"), true);
    assert_kept(&w, STR("f2"), true);
    struct s3_usage u;
    assert_int_equal(s3_usage_of_bucket(w.x, w.b.bid, S3_READ_ANY, &u), 0);
    assert_int_equal(u.objects, 1);
    assert_int_equal(u.bytes, 20);
    assert_int_equal(append(&w, STR("k"), &got, STR("f3")), 0);
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("k")}), 0);
    assert_kept(&w, STR("f1"), false);
    assert_kept(&w, STR("f2"), false);
    assert_kept(&w, STR("f3"), false);
    assert_int_equal(count_rows(&w, "f"), 0);
}

static void one_append_to_a_version_wins(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_object base, got;
    assert_int_equal(append(&w, STR("k"), object_of(&w, STR("f0")), STR("f1")), -ERANGE);
    put_object(&w, STR("k"), STR("f1"));
    assert_int_equal(get_object(&w, STR("k"), &base), 0);
    assert_int_equal(append(&w, STR("k"), &base, STR("f2")), 0);
    assert_int_equal(append(&w, STR("k"), &base, STR("f3")), -ERANGE);
    assert_int_equal(get_object(&w, STR("k"), &got), 0);
    assert_int_equal(got.size, 20);
    const struct s3_cond none = {.if_none_match_any = true};
    assert_int_equal(s3_index_update(w.x, fn_append,
                                     &(struct growth){.w = &w,
                                                      .key = STR("k"),
                                                      .cond = &none,
                                                      .base = &got,
                                                      .o = longer(&w, &got, STR("f3"))}),
                     -EEXIST);
    /* tags set meanwhile are not lost: the appender reads again */
    struct s3_object tagged = got;
    tagged.tags = STR("t");
    assert_int_equal(run(&w, fn_amend, &(struct call){.key = STR("k"), .o = &tagged}), 0);
    assert_int_equal(append(&w, STR("k"), &got, STR("f3")), -EAGAIN);
    set_versioning(&w, STR("Enabled"));
    assert_int_equal(append(&w, STR("k"), &tagged, STR("f3")), -EOPNOTSUPP);
    assert_kept(&w, STR("f2"), true);
}

static void long_manifests_leave_one_detail_row(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    put_object(&w, STR("k"), STR("f0"));
    struct s3_object got;
    for (int i = 1; i <= 300; i++) { /* from within the head to a row of its own */
        char file[16];
        snprintf(file, sizeof(file), "f%d", i);
        assert_int_equal(get_object(&w, STR("k"), &got), 0);
        assert_int_equal(append(&w, STR("k"), &got, str_c(file)), 0);
    }
    assert_int_equal(get_object(&w, STR("k"), &got), 0);
    assert_int_equal(got.nextents, 301);
    assert_int_equal(got.size, 3010);
    assert_int_equal(count_rows(&w, "d"), 1);
    assert_int_equal(count_rows(&w, "f"), 301);
    for (size_t i = 1; i < got.nextents; i++)
        assert_true(got.extents[i].owner > got.extents[i - 1].owner);
    /* copies share every file, whoever owned it first */
    struct s3_object copy = got;
    assert_int_equal(
        run(&w, fn_copy,
            &(struct call){.src = STR("k"), .src_seq = got.seq, .key = STR("c"), .o = &copy}),
        0);
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("k")}), 0);
    assert_kept(&w, STR("f150"), true);
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("c")}), 0);
    struct s3_garbage *g;
    assert_int_equal(garbage(&w, &g), 301);
    assert_int_equal(count_rows(&w, "f"), 0);
    assert_int_equal(count_rows(&w, "d"), 0);
}

static void a_renamed_object_is_the_same_elsewhere(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_object *o = object_of(&w, STR("f1")), got;
    o->tags = STR("t");
    assert_int_equal(run(&w, fn_put, &(struct call){.key = STR("a"), .o = o}), 0);
    put_object(&w, STR("b"), STR("f2"));
    assert_int_equal(rename_to(&w, STR("a"), o->seq + 100, STR("b"), NULL), -EAGAIN);
    assert_int_equal(rename_to(&w, STR("nothing"), o->seq, STR("b"), NULL), -EAGAIN);
    const struct s3_cond none = {.if_none_match_any = true};
    assert_int_equal(rename_to(&w, STR("a"), o->seq, STR("b"), &none), -EEXIST);
    assert_current(&w, STR("b"), STR("f2"));
    assert_int_equal(rename_to(&w, STR("a"), o->seq, STR("b"), NULL), 0);
    assert_current(&w, STR("a"), STR_NULL);
    assert_int_equal(get_object(&w, STR("b"), &got), 0);
    assert_true(got.seq > o->seq);
    assert_true(str_eq(got.tags, STR("t")) && got.mtime_ms == o->mtime_ms);
    assert_kept(&w, STR("f1"), true);
    assert_kept(&w, STR("f2"), false); /* what the new key had */
    assert_int_equal(rename_to(&w, STR("b"), got.seq, STR("new"), &none), 0);
    assert_current(&w, STR("new"), STR("f1"));
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("new")}), 0);
    assert_kept(&w, STR("f1"), false);
    assert_int_equal(count_rows(&w, "o"), 0);
}

static void renaming_keeps_details_and_refuses_versions(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_object got;
    put_object(&w, STR("k"), STR("f0"));
    for (int i = 1; i <= 200; i++) {
        char file[16];
        snprintf(file, sizeof(file), "f%d", i);
        assert_int_equal(get_object(&w, STR("k"), &got), 0);
        assert_int_equal(append(&w, STR("k"), &got, str_c(file)), 0);
    }
    assert_int_equal(get_object(&w, STR("k"), &got), 0);
    assert_int_equal(rename_to(&w, STR("k"), got.seq, STR("l"), NULL), 0);
    assert_int_equal(get_object(&w, STR("l"), &got), 0);
    assert_int_equal(got.nextents, 201);
    assert_int_equal(append(&w, STR("l"), &got, STR("f201")), 0); /* it goes on growing */
    assert_int_equal(get_object(&w, STR("l"), &got), 0);
    set_versioning(&w, STR("Suspended"));
    assert_int_equal(rename_to(&w, STR("l"), got.seq, STR("m"), NULL), -EOPNOTSUPP);
}

static void a_token_is_kept_with_the_object(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_object *o = put_object(&w, STR("a"), STR("f1")), got;
    assert_int_equal(s3_index_update(w.x, fn_rename,
                                     &(struct growth){.w = &w,
                                                      .from = STR("a"),
                                                      .seq = o->seq,
                                                      .key = STR("b"),
                                                      .token = STR("0123token")}),
                     0);
    assert_int_equal(get_object(&w, STR("b"), &got), 0);
    assert_true(str_eq(got.upload_id, STR("0123token")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_there_stays_and_the_new_file_is_owned),
        cmocka_unit_test(one_append_to_a_version_wins),
        cmocka_unit_test(long_manifests_leave_one_detail_row),
        cmocka_unit_test(a_renamed_object_is_the_same_elsewhere),
        cmocka_unit_test(renaming_keeps_details_and_refuses_versions),
        cmocka_unit_test(a_token_is_kept_with_the_object),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
