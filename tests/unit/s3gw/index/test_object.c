/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/s3gw/index/world.h"

static void a_put_is_got_back(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_object *o = object_of(&w, STR("f1")), got;
    struct s3_pair h[] = {{STR("content-type"), STR("text/plain")}, {STR("x-amz-meta-a"), STR("")}};
    o->headers = h;
    o->nheaders = 2;
    o->tags = STR("t");
    assert_int_equal(run(&w, fn_put, &(struct call){.key = STR("k"), .o = o}), 0);
    assert_true(o->seq > 0);
    assert_int_equal(get_object(&w, STR("k"), &got), 0);
    assert_int_equal(got.seq, o->seq);
    assert_int_equal(got.flags, S3_OBJ_NULL_VERSION);
    assert_int_equal(got.extents[0].owner, o->seq);
    assert_int_equal(got.nheaders, 2);
    assert_true(str_eq(got.headers[1].name, STR("x-amz-meta-a")) && got.headers[1].value.n == 0);
    assert_true(str_eq(got.tags, STR("t")) && !got.acl.p);
    assert_kept(&w, STR("f1"), true);
    assert_int_equal(get_object(&w, STR("k2"), &got), -ENOENT);
}

static void replaced_and_deleted_files_go_to_the_outbox(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    put_object(&w, STR("k"), STR("f1"));
    put_object(&w, STR("k"), STR("f2"));
    assert_kept(&w, STR("f1"), false);
    assert_kept(&w, STR("f2"), true);
    struct call c = {.key = STR("k")};
    assert_int_equal(run(&w, fn_delete, &c), 0);
    assert_true(c.deleted.had && !c.deleted.marker);
    assert_kept(&w, STR("f2"), false);
    assert_current(&w, STR("k"), STR_NULL);
    assert_int_equal(run(&w, fn_delete, &c), 0);
    assert_false(c.deleted.had);
    struct s3_garbage *g;
    assert_int_equal(garbage(&w, &g), 2);
    assert_int_equal(run(&w, fn_forget_garbage, &(struct call){.file = g[0].row}), 0);
    assert_int_equal(garbage(&w, &g), 1);
}

static void an_update_that_runs_again_owns_its_files_again(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_object *o = object_of(&w, STR("f1"));
    struct s3_cond match = {.has_if_match = true};
    o->seq = s3_index_number(w.x);
    o->flags = S3_OBJ_NULL_VERSION;
    struct call c = {.key = STR("k"), .o = o, .cond = &match};
    assert_int_equal(run(&w, fn_put_as_it_is, &c), -ENOENT);
    o->extents[0].owner = o->seq; /* as a run that was undone leaves it */
    c.cond = NULL;
    assert_int_equal(run(&w, fn_put_as_it_is, &c), 0);
    struct s3_object got;
    assert_int_equal(get_object(&w, STR("k"), &got), 0);
    assert_int_equal(got.extents[0].owner, got.seq);
    assert_kept(&w, STR("f1"), true);
}

/* What was described is what is committed, or nothing is. */
static void a_change_that_is_not_as_described_comes_again(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_object *early = object_of(&w, STR("early")), *late = object_of(&w, STR("late"));
    struct call c = {.key = STR("k"), .o = early}, d = {.key = STR("k"), .o = late};
    early->flags = late->flags = S3_OBJ_NULL_VERSION;
    early->seq = s3_index_number(w.x);
    late->seq = s3_index_number(w.x);
    assert_int_equal(run(&w, fn_put_as_it_is, &d), 0);
    assert_int_equal(run(&w, fn_put_as_it_is, &c), -ERESTART); /* described before what is there */
    assert_int_equal(run(&w, fn_put_as_it_is, &c),
                     -ERESTART); /* and again while nothing was said */
    assert_current(&w, STR("k"), STR("late"));
    assert_int_equal(s3_ref_used(w.x, STR("early")), 0);
    early->seq = s3_index_number(w.x);
    early->flags &= ~S3_OBJ_UNSAID;
    assert_int_equal(run(&w, fn_put_as_it_is, &c), 0);

    early->seq = s3_index_number(w.x);
    struct s3_object *third = put_object(&w, STR("k"), STR("third"));
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("k")}), 0);
    assert_int_equal(run(&w, fn_put_as_it_is, &c), -ERESTART); /* what replaced it is gone by now */

    early->seq = s3_index_number(w.x);
    early->flags = 0;
    assert_int_equal(run(&w, fn_put_as_it_is, &c), -ERESTART); /* not a null version */
    assert_int_equal(early->flags, S3_OBJ_NULL_VERSION | S3_OBJ_UNSAID);

    third = put_object(&w, STR("k"), STR("fourth"));
    early->seq = s3_index_number(w.x);
    early->flags = S3_OBJ_NULL_VERSION;
    early->mtime_ms = third->mtime_ms - 1;
    assert_int_equal(run(&w, fn_put_as_it_is, &c), -ERESTART); /* times of a key do not go back */
    assert_int_equal(early->mtime_ms, third->mtime_ms);
}

static void amendments_come_in_the_order_they_were_described(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_object *o = put_object(&w, STR("k"), STR("f")), got;
    struct s3_amendment early = {o->seq, s3_index_number(w.x), S3_SECTION_TAGS, STR("early"), NULL},
                        late = {o->seq, s3_index_number(w.x), S3_SECTION_ACL, STR("late"), NULL};
    struct call c = {.key = STR("k"), .m = &late};
    assert_int_equal(run(&w, fn_amend_as_it_is, &c), 0);
    c.m = &early;
    assert_int_equal(run(&w, fn_amend_as_it_is, &c), -ERESTART);
    early.number = s3_index_number(w.x);
    uint64_t touched = s3_index_number(w.x);
    assert_int_equal(
        run(&w, fn_touch,
            &(struct call){.key = STR("k"), .src_seq = o->seq, .owner = touched, .o = &got}),
        0);
    assert_true(str_eq(got.acl, STR("late")) && !got.tags.p && got.amended == touched);
    assert_int_equal(run(&w, fn_amend_as_it_is, &c), -ERESTART);
    early.number = s3_index_number(w.x);
    assert_int_equal(run(&w, fn_amend_as_it_is, &c), 0);
    assert_int_equal(get_object(&w, STR("k"), &got), 0);
    assert_true(str_eq(got.acl, STR("late")) && str_eq(got.tags, STR("early")));
    assert_int_equal(
        run(&w, fn_touch,
            &(struct call){.key = STR("k"), .src_seq = 1, .owner = touched, .o = &got}),
        -ENOENT);
}

static void conditions_are_judged_at_commit(void **state)
{
    (void)state;
    const struct s3_etag right = {.md5 = {'f', '1'}}, wrong = {.md5 = {1}}, list[] = {wrong, right};
    const struct s3_cond none_any = {.if_none_match_any = true},
                         match_any = {.has_if_match = true, .if_match_any = true},
                         match_right = {.has_if_match = true, .if_match = right},
                         match_wrong = {.has_if_match = true, .if_match = wrong},
                         match_list = {.has_if_match = true,
                                       .if_match = wrong,
                                       .if_match_list = list,
                                       .if_match_n = 2};
    const struct {
        const struct s3_cond *cond;
        int with, without; /* an object there */
    } rows[] = {
        {NULL, 0, 0},
        {&none_any, -EEXIST, 0},
        {&match_any, 0, -ENOENT},
        {&match_right, 0, -ENOENT},
        {&match_wrong, -ESTALE, -ENOENT},
        {&match_list, 0, -ENOENT},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(world_close) struct world w;
        world_open(&w);
        struct call put = {
            .key = STR("absent"), .o = object_of(&w, STR("n1")), .cond = rows[i].cond};
        assert_int_equal(run(&w, fn_put, &put), rows[i].without);
        put_object(&w, STR("k"), STR("f1"));
        put = (struct call){.key = STR("k"), .o = object_of(&w, STR("n2")), .cond = rows[i].cond};
        assert_int_equal(run(&w, fn_put, &put), rows[i].with);
        assert_current(&w, STR("k"), rows[i].with ? STR("f1") : STR("n2"));
        put_object(&w, STR("k"), STR("f1"));
        struct call del = {.key = STR("k"), .cond = rows[i].cond};
        assert_int_equal(run(&w, fn_delete, &del), rows[i].with);
        assert_current(&w, STR("k"), rows[i].with ? STR("f1") : STR_NULL);
        del = (struct call){.key = STR("gone"), .cond = rows[i].cond};
        assert_int_equal(run(&w, fn_delete, &del), rows[i].without);
    }
}

static void a_bucket_that_is_gone_takes_no_writes(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct call c = {.key = STR("k"), .o = object_of(&w, STR("f")), .bid = 999};
    assert_int_equal(run(&w, fn_put, &c), -ENODEV);
    assert_int_equal(run(&w, fn_delete, &c), -ENODEV);
    assert_int_equal(s3_ref_used(w.x, STR("f")), 0);
}

static void time_of_a_key_never_goes_back(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_object *o = object_of(&w, STR("f1"));
    o->mtime_ms = 5000;
    assert_int_equal(run(&w, fn_put, &(struct call){.key = STR("k"), .o = o}), 0);
    assert_int_equal(put_object(&w, STR("k"), STR("f2"))->mtime_ms, 5000);
}

static void a_copy_shares_files_until_the_last_owner_goes(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_object *src = put_object(&w, STR("src"), STR("f"));
    struct s3_object copy;
    assert_int_equal(get_object(&w, STR("src"), &copy), 0);
    struct call c = {.key = STR("dst"), .src = STR("src"), .src_seq = src->seq, .o = &copy};
    assert_int_equal(run(&w, fn_copy, &c), 0);
    assert_int_equal(copy.extents[0].owner, copy.seq);
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("src")}), 0);
    assert_kept(&w, STR("f"), true);
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("dst")}), 0);
    assert_kept(&w, STR("f"), false);
}

static void an_adopted_file_is_never_garbage(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_extent whole = {.file_id = STR("native"), .length = 3};
    struct s3_object o = {.size = 3,
                          .flags = S3_OBJ_ADOPTED | S3_OBJ_NULL_VERSION,
                          .extents = &whole,
                          .nextents = 1},
                     now;
    struct s3_garbage *g;
    assert_int_equal(s3_ref_kept(w.x, STR("native")), 0);
    assert_int_equal(run(&w, fn_put, &(struct call){.key = STR("k"), .o = &o}), 0);
    assert_int_equal(s3_ref_kept(w.x, STR("native")), 1);
    assert_int_equal(get_object(&w, STR("k"), &now), 0);
    assert_true(now.flags & S3_OBJ_ADOPTED);
    struct s3_object moved = {.seq = o.seq,
                              .size = 3,
                              .extents = &(struct s3_extent){.file_id = STR("own"), .length = 3},
                              .nextents = 1,
                              .storage_class = STR("COLD")};
    assert_int_equal(
        run(&w, fn_move, &(struct call){.key = STR("k"), .o = &moved, .was = STR_NULL}), 0);
    assert_int_equal(get_object(&w, STR("k"), &now), 0);
    assert_false(now.flags & S3_OBJ_ADOPTED); /* it lies elsewhere now */
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("k")}), 0);
    assert_int_equal(garbage(&w, &g), 1);
    assert_true(str_eq(g[0].file_id, STR("own")));
    whole.owner = 0;
    assert_int_equal(run(&w, fn_put, &(struct call){.key = STR("k"), .o = &o}), 0);
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("k")}), 0);
    assert_int_equal(garbage(&w, &g), 1);
    assert_int_equal(s3_ref_kept(w.x, STR("native")), 1);
    assert_int_equal(s3_ref_used(w.x, STR("native")), 1);
}

static void a_copy_onto_itself_keeps_its_files(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    put_object(&w, STR("k"), STR("f"));
    for (int i = 0; i < 3; i++) {
        struct s3_object copy;
        assert_int_equal(get_object(&w, STR("k"), &copy), 0);
        struct call c = {.key = STR("k"), .src = STR("k"), .src_seq = copy.seq, .o = &copy};
        assert_int_equal(run(&w, fn_copy, &c), 0);
        assert_kept(&w, STR("f"), true);
        assert_int_equal(count_rows(&w, "f"), 1);
    }
}

static void a_copy_of_what_was_replaced_is_to_be_read_again(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_object *src = put_object(&w, STR("src"), STR("f1"));
    put_object(&w, STR("src"), STR("f2"));
    struct call c = {
        .key = STR("dst"), .src = STR("src"), .src_seq = src->seq, .o = object_of(&w, STR("f1"))};
    assert_int_equal(run(&w, fn_copy, &c), -EAGAIN);
    assert_kept(&w, STR("f1"), false);
}

static void restored_objects_may_share_files(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_object *a = object_of(&w, STR("f")), *b = object_of(&w, STR("f"));
    a->flags = b->flags = S3_OBJ_NULL_VERSION;
    a->seq = s3_index_number(w.x);
    b->seq = s3_index_number(w.x);
    assert_int_equal(run(&w, fn_restore, &(struct call){.key = STR("a"), .o = a}), 0);
    assert_int_equal(run(&w, fn_restore, &(struct call){.key = STR("b"), .o = b}), 0);
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("a")}), 0);
    assert_kept(&w, STR("f"), true);
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("b")}), 0);
    assert_kept(&w, STR("f"), false);
}

/* --- big manifests --- */

static struct s3_object *big_object(struct world *w, size_t n)
{
    struct s3_object *o = object_of(w, STR("x"));
    o->extents = arena_alloc(&w->a, n * sizeof(*o->extents));
    o->parts = arena_alloc(&w->a, n * sizeof(*o->parts));
    for (size_t i = 0; i < n; i++) {
        o->extents[i] = (struct s3_extent){
            .file_id = arena_printf(&w->a, "group1/M00/00/00/file%zu", i), .length = 7};
        o->parts[i] = (struct s3_part){.number = (uint32_t)i + 1, .size = 7};
    }
    o->nextents = o->nparts = n;
    o->size = 7 * n;
    return o;
}

static void a_big_manifest_is_kept_apart_and_taken_apart(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    enum { N = 3000 };
    struct s3_object *o = big_object(&w, N), got;
    assert_int_equal(run(&w, fn_put, &(struct call){.key = STR("k"), .o = o}), 0);
    assert_int_equal(s3_object_get(w.x, w.b.bid, STR("k"), S3_READ_ANY, false, &w.a, &got), 0);
    assert_int_equal(got.nextents, 0);
    assert_int_equal(got.size, o->size);
    assert_int_equal(get_object(&w, STR("k"), &got), 0);
    assert_int_equal(got.nextents, N);
    assert_int_equal(got.nparts, N);
    assert_true(str_eq(got.extents[N - 1].file_id, o->extents[N - 1].file_id));
    assert_int_equal(got.parts[N - 1].number, N);
    assert_int_equal(count_rows(&w, "d"), 1);
    assert_int_equal(count_rows(&w, "f"), N);
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("k")}), 0);
    assert_current(&w, STR("k"), STR_NULL);
    struct s3_garbage *g;
    assert_int_equal(garbage(&w, &g), N);
    assert_int_equal(count_rows(&w, "d") + count_rows(&w, "f") + count_rows(&w, "t"), 0);
}

/* --- amend --- */

static void amend_changes_sections_only(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    for (size_t extents = 1; extents <= 500; extents += 499) {
        struct s3_object *o = big_object(&w, extents), now;
        assert_int_equal(run(&w, fn_put, &(struct call){.key = STR("k"), .o = o}), 0);
        struct s3_object with = {
            .seq = o->seq, .tags = STR("tags"), .acl = STR("stale"), .lock = STR("stale")};
        assert_int_equal(run(&w, fn_amend, &(struct call){.key = STR("k"), .o = &with}), 0);
        assert_int_equal(get_object(&w, STR("k"), &now), 0);
        assert_true(str_eq(now.tags, STR("tags")) && !now.acl.p); /* the one asked for, only */
        with = (struct s3_object){.seq = o->seq, .acl = STR("acl"), .lock = STR("stale")};
        assert_int_equal(run(&w, fn_amend_acl, &(struct call){.key = STR("k"), .o = &with}), 0);
        assert_int_equal(get_object(&w, STR("k"), &now), 0);
        assert_true(str_eq(now.tags, STR("tags")) && str_eq(now.acl, STR("acl")) && !now.lock.p);
        assert_int_equal(now.seq, o->seq);
        assert_int_equal(now.nextents, extents);
        assert_int_equal(now.nparts, extents);
        with.seq++;
        assert_int_equal(run(&w, fn_amend, &(struct call){.key = STR("k"), .o = &with}), -EAGAIN);
        assert_int_equal(run(&w, fn_amend, &(struct call){.key = STR("none"), .o = &with}),
                         -ENOENT);
    }
}

static void a_lock_is_changed_by_compare_and_set(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_object *o = put_object(&w, STR("k"), STR("f")), now;
    o->lock = STR("one");
    assert_int_equal(
        run(&w, fn_amend_lock, &(struct call){.key = STR("k"), .o = o, .was = STR("other")}),
        -EAGAIN);
    assert_int_equal(
        run(&w, fn_amend_lock, &(struct call){.key = STR("k"), .o = o, .was = STR_NULL}), 0);
    o->lock = STR("two");
    assert_int_equal(
        run(&w, fn_amend_lock, &(struct call){.key = STR("k"), .o = o, .was = STR_NULL}), -EAGAIN);
    assert_int_equal(
        run(&w, fn_amend_lock, &(struct call){.key = STR("k"), .o = o, .was = STR("one")}), 0);
    assert_int_equal(get_object(&w, STR("k"), &now), 0);
    assert_true(str_eq(now.lock, STR("two")));
}

/* --- move --- */

/* Whatever the shapes of before and after: the old files go, number, size and sections stay. */
static void a_version_moves_to_other_files(void **state)
{
    (void)state;
    static const struct {
        size_t extents, parts;
        bool versioned; /* then it is an older version that moves */
    } rows[] = {{1, 0, false},   {3, 3, false}, {500, 500, false},
                {500, 0, false}, {1, 0, true},  {500, 500, true}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(world_close) struct world w;
        world_open(&w);
        if (rows[i].versioned)
            set_versioning(&w, STR("Enabled"));
        struct s3_object *o = big_object(&w, rows[i].extents), now;
        o->nparts = rows[i].parts;
        o->tags = STR("tags");
        assert_int_equal(run(&w, fn_put, &(struct call){.key = STR("k"), .o = o}), 0);
        if (rows[i].versioned)
            put_object(&w, STR("k"), STR("newer"));
        struct s3_extent to = {.file_id = STR("group2/M00/new"), .length = o->size};
        struct s3_object moved = *o;
        moved.storage_class = STR("COLD");
        moved.extents = &to;
        moved.nextents = 1;
        struct call c = {.key = STR("k"), .o = &moved, .was = STR("WARM")};
        assert_int_equal(run(&w, fn_move, &c), -EAGAIN); /* another class than was read */
        c.was = STR_NULL;
        moved.tags = STR("stale");
        assert_int_equal(run(&w, fn_move, &c), -EAGAIN); /* other tags */
        moved.tags = STR("tags");
        assert_int_equal(run(&w, fn_move, &c), 0);
        const struct s3_version v = {.seq = o->seq};
        assert_int_equal(rows[i].versioned ? s3_object_get_version(w.x, w.b.bid, STR("k"), &v,
                                                                   S3_READ_ANY, true, &w.a, &now)
                                           : get_object(&w, STR("k"), &now),
                         0);
        assert_true(now.seq == o->seq && now.size == o->size && now.mtime_ms == o->mtime_ms);
        assert_true(str_eq(now.tags, STR("tags")) && str_eq(now.storage_class, STR("COLD")));
        assert_true(now.nextents == 1 && now.nparts == rows[i].parts &&
                    str_eq(now.extents[0].file_id, to.file_id));
        struct s3_garbage *g;
        assert_int_equal(garbage(&w, &g), rows[i].extents);
        assert_kept(&w, STR("group1/M00/00/00/file0"), false);
        assert_kept(&w, to.file_id, true);
        assert_int_equal(count_rows(&w, "t"), 0);
        assert_int_equal(count_rows(&w, "d"), rows[i].parts > 100);
        assert_int_equal(run(&w, fn_move, &c), -EAGAIN); /* it has moved */
    }
}

static void copies_keep_the_files_a_version_moved_from(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_object *o = put_object(&w, STR("a"), STR("f")), copy;
    assert_int_equal(get_object(&w, STR("a"), &copy), 0);
    assert_int_equal(
        run(&w, fn_copy,
            &(struct call){.key = STR("b"), .src = STR("a"), .src_seq = o->seq, .o = &copy}),
        0);
    struct s3_extent to = {.file_id = STR("g"), .length = 10};
    struct s3_object moved = *o;
    moved.extents = &to;
    moved.storage_class = STR("COLD");
    assert_int_equal(run(&w, fn_move, &(struct call){.key = STR("a"), .o = &moved}), 0);
    assert_kept(&w, STR("f"), true);
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("b")}), 0);
    assert_kept(&w, STR("f"), false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_put_is_got_back),
        cmocka_unit_test(replaced_and_deleted_files_go_to_the_outbox),
        cmocka_unit_test(an_update_that_runs_again_owns_its_files_again),
        cmocka_unit_test(a_change_that_is_not_as_described_comes_again),
        cmocka_unit_test(amendments_come_in_the_order_they_were_described),
        cmocka_unit_test(conditions_are_judged_at_commit),
        cmocka_unit_test(a_bucket_that_is_gone_takes_no_writes),
        cmocka_unit_test(time_of_a_key_never_goes_back),
        cmocka_unit_test(a_copy_shares_files_until_the_last_owner_goes),
        cmocka_unit_test(an_adopted_file_is_never_garbage),
        cmocka_unit_test(a_copy_onto_itself_keeps_its_files),
        cmocka_unit_test(a_copy_of_what_was_replaced_is_to_be_read_again),
        cmocka_unit_test(restored_objects_may_share_files),
        cmocka_unit_test(a_big_manifest_is_kept_apart_and_taken_apart),
        cmocka_unit_test(amend_changes_sections_only),
        cmocka_unit_test(a_lock_is_changed_by_compare_and_set),
        cmocka_unit_test(a_version_moves_to_other_files),
        cmocka_unit_test(copies_keep_the_files_a_version_moved_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
