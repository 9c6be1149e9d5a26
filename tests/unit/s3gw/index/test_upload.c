/* SPDX-License-Identifier: Apache-2.0 */
#include "dfscore/base/clock.h"
#include "s3gw/index/trash.h"
#include "tests/unit/s3gw/index/world.h"

static struct s3_upload open_upload(struct world *w, struct str key)
{
    struct s3_upload u = {
        .key = key, .initiator_id = STR("me"), .started_ms = 5, .proto.owner_id = STR("owner")};
    assert_int_equal(run(w, fn_upload_create, &(struct call){.u = &u}), 0);
    return u;
}

static struct str id_of(struct world *w, const struct s3_upload *u)
{
    char id[33];
    s3_upload_id_format(u, id);
    return arena_str(&w->a, str_of(id, 32));
}

static int put_part(struct world *w, struct s3_upload *u, uint32_t number, struct str file)
{
    struct s3_extent e = {.file_id = file, .length = 5};
    struct s3_upart p = {.number = number, .size = 5, .mtime_ms = 9, .extents = &e, .nextents = 1};
    return run(w, fn_put_part, &(struct call){.key = u->key, .u = u, .part = &p});
}

/* The object that the numbered parts make, as they are stored now. */
static struct s3_object *gather(struct world *w, const struct s3_upload *u, const uint32_t *numbers,
                                size_t n)
{
    struct s3_upart *p;
    size_t np;
    bool more;
    assert_int_equal(s3_upload_parts(w->x, u->useq, 0, 10000, &w->a, &p, &np, &more), 0);
    struct s3_object *o = arena_alloc(&w->a, sizeof(*o));
    o->owner_id = STR("owner");
    o->upload_id = id_of(w, u);
    o->etag.parts = (uint32_t)n;
    o->extents = arena_alloc(&w->a, np * 4 * sizeof(*o->extents));
    o->parts = arena_alloc(&w->a, n * sizeof(*o->parts));
    o->nparts = n;
    for (size_t i = 0, at = 0; i < n; i++) {
        while (at < np && p[at].number != numbers[i])
            at++;
        assert_true(at < np);
        o->parts[i] = (struct s3_part){.number = numbers[i], .size = p[at].size};
        for (size_t k = 0; k < p[at].nextents; k++)
            o->extents[o->nextents++] = p[at].extents[k];
        o->size += p[at].size;
    }
    return o;
}

static int complete(struct world *w, struct s3_upload *u, const uint32_t *numbers, size_t n,
                    struct s3_object *o, bool *gone)
{
    struct call c = {.key = u->key, .u = u, .numbers = numbers, .n = n, .o = o};
    int r = run(w, fn_complete, &c);
    *gone = c.gone;
    return r;
}

static void ids_are_read_back_and_strict(void **state)
{
    (void)state;
    struct s3_upload u = {.useq = 0x0123456789abcdef, .check = 0xfedcba9876543210};
    char id[33];
    s3_upload_id_format(&u, id);
    assert_string_equal(id, "0123456789abcdeffedcba9876543210");
    uint64_t useq, check;
    assert_int_equal(s3_upload_id_parse(str_c(id), &useq, &check), 0);
    assert_true(useq == u.useq && check == u.check);
    static const struct str bad[] = {STR_INIT(""), STR_INIT("0123456789abcdeffedcba987654321"),
                                     STR_INIT("0123456789abcdeffedcba98765432100"),
                                     STR_INIT("0123456789abcdefXedcba9876543210")};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(s3_upload_id_parse(bad[i], &useq, &check), -EINVAL);
}

static void an_upload_is_found_by_its_whole_id_and_key_only(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_upload u = open_upload(&w, STR("k")), got;
    struct str id = id_of(&w, &u);
    assert_int_equal(s3_upload_get(w.x, w.b.bid, STR("k"), id, S3_READ_ANY, &w.a, &got), 0);
    assert_true(got.useq == u.useq && got.check == u.check && str_eq(got.key, STR("k")));
    assert_true(str_eq(got.initiator_id, STR("me")) && str_eq(got.proto.owner_id, STR("owner")));
    assert_int_equal(s3_upload_get(w.x, w.b.bid, STR("other"), id, S3_READ_ANY, &w.a, &got),
                     -ENOENT);
    assert_int_equal(s3_upload_get(w.x, w.b.bid + 1, STR("k"), id, S3_READ_ANY, &w.a, &got),
                     -ENOENT);
    u.check ^= 1;
    assert_int_equal(s3_upload_get(w.x, w.b.bid, STR("k"), id_of(&w, &u), S3_READ_ANY, &w.a, &got),
                     -ENOENT);
    assert_int_equal(s3_upload_get(w.x, w.b.bid, STR("k"), STR("junk"), S3_READ_ANY, &w.a, &got),
                     -ENOENT);
}

static void parts_are_listed_in_order_and_pages(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_upload u = open_upload(&w, STR("k")), other = open_upload(&w, STR("k"));
    static const uint32_t order[] = {300, 1, 10000, 2};
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        assert_int_equal(put_part(&w, &u, order[i], arena_printf(&w.a, "f%u", order[i])), 0);
    assert_int_equal(put_part(&w, &other, 7, STR("g")), 0);
    static const struct {
        uint32_t after;
        size_t max;
        uint32_t expect[5];
        bool more;
    } rows[] = {
        {0, 10, {1, 2, 300, 10000}, false}, {0, 4, {1, 2, 300, 10000}, false},
        {0, 3, {1, 2, 300}, true},          {2, 1, {300}, true},
        {299, 5, {300, 10000}, false},      {10000, 5, {0}, false},
        {UINT32_MAX, 5, {0}, false},        {0, 0, {0}, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct s3_upart *p;
        size_t n;
        bool more;
        assert_int_equal(
            s3_upload_parts(w.x, u.useq, rows[i].after, rows[i].max, &w.a, &p, &n, &more), 0);
        for (size_t k = 0; k < n; k++)
            assert_int_equal(p[k].number, rows[i].expect[k]);
        assert_int_equal(rows[i].expect[n], 0);
        assert_int_equal(more, rows[i].more);
    }
}

static void a_part_put_again_replaces_its_file(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_upload u = open_upload(&w, STR("k"));
    assert_int_equal(put_part(&w, &u, 1, STR("f1")), 0);
    assert_int_equal(put_part(&w, &u, 1, STR("f2")), 0);
    assert_kept(&w, STR("f1"), false);
    assert_kept(&w, STR("f2"), true);
}

static void parts_of_many_pieces_are_listed_and_thrown_away_in_slices(void **state)
{
    (void)state;
    enum { PIECES = 30000, PARTS = 40 };
    static struct s3_extent pieces[PIECES];
    AUTO(world_close) struct world w;
    struct s3_upart *p;
    size_t n;
    bool more;
    world_open(&w);
    struct s3_upload u = open_upload(&w, STR("k"));
    for (uint32_t number = 1; number <= PARTS; number++) {
        char id[16];
        snprintf(id, sizeof(id), "f%u", number);
        for (size_t i = 0; i < PIECES; i++)
            pieces[i] = (struct s3_extent){.file_id = str_c(id), .offset = 2 * i, .length = 1};
        struct s3_upart part = {
            .number = number, .size = PIECES, .extents = pieces, .nextents = PIECES};
        assert_int_equal(run(&w, fn_put_part, &(struct call){.key = u.key, .u = &u, .part = &part}),
                         0);
    }
    assert_int_equal(s3_upload_parts(w.x, u.useq, 0, PARTS, &w.a, &p, &n, &more), 0);
    assert_true(n == 2 && more);
    assert_int_equal(run(&w, fn_abort, &(struct call){.key = u.key, .u = &u}), 0);
    assert_int_equal(s3_trash_empty(w.x), 0);
    assert_kept(&w, STR("f1"), false);
    assert_kept(&w, STR("f40"), false);
    assert_int_equal(s3_upload_parts(w.x, u.useq, 0, PARTS, &w.a, &p, &n, &more), 0);
    assert_true(n == 0 && !more);
}

struct part_move {
    uint64_t bid;
    const struct s3_upload *u;
    const struct s3_upart *was;
    struct s3_extent to;
};

static int fn_move_part(struct s3_tx *tx, void *arg)
{
    const struct part_move *m = arg;
    return s3_upload_move_part(tx, m->bid, m->u->key, m->u->useq, m->was, &m->to);
}

static void a_part_moves_only_while_it_is_that_one(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    struct s3_upart *p;
    size_t n;
    bool more;
    world_open(&w);
    struct s3_upload u = open_upload(&w, STR("k")), found;
    assert_int_equal(put_part(&w, &u, 1, STR("f1")), 0);
    assert_int_equal(s3_upload_by_number(w.x, w.b.bid, STR("k"), u.useq, &w.a, &found), 0);
    assert_true(found.useq == u.useq && found.check == u.check && found.started_ms == 5);
    assert_int_equal(s3_upload_by_number(w.x, w.b.bid, STR("k"), u.useq + 1, &w.a, &found),
                     -ENOENT);
    assert_int_equal(s3_upload_parts(w.x, u.useq, 0, 10, &w.a, &p, &n, &more), 0);
    struct part_move m = {w.b.bid, &u, p, {.file_id = STR("moved"), .length = 5}};
    assert_int_equal(s3_index_update(w.x, fn_move_part, &m), 0);
    assert_int_equal(s3_index_update(w.x, fn_move_part, &m), -ESTALE); /* it has moved */
    struct s3_upart *now;
    assert_int_equal(s3_upload_parts(w.x, u.useq, 0, 10, &w.a, &now, &n, &more), 0);
    assert_true(n == 1 && now->seq == p->seq && now->mtime_ms == 9 && now->nextents == 1);
    assert_true(str_eq(now->extents[0].file_id, STR("moved")) && now->extents[0].owner == p->seq);
    assert_kept(&w, STR("moved"), true);
    assert_kept(&w, STR("f1"), false);
    m = (struct part_move){w.b.bid, &u, now, {.file_id = STR("late"), .length = 5}};
    assert_int_equal(put_part(&w, &u, 1, STR("f2")), 0);
    assert_int_equal(s3_index_update(w.x, fn_move_part, &m), -ESTALE); /* uploaded again */
    assert_int_equal(s3_ref_used(w.x, STR("late")), 0);
    assert_int_equal(run(&w, fn_abort, &(struct call){.key = u.key, .u = &u}), 0);
    assert_int_equal(s3_index_update(w.x, fn_move_part, &m), -ENOENT);
}

static void complete_keeps_the_listed_parts_and_drops_the_others(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    put_object(&w, STR("k"), STR("old"));
    struct s3_upload u = open_upload(&w, STR("k"));
    for (uint32_t i = 1; i <= 5; i++)
        assert_int_equal(put_part(&w, &u, i, arena_printf(&w.a, "f%u", i)), 0);
    static const uint32_t numbers[] = {2, 5};
    struct s3_object *o = gather(&w, &u, numbers, 2), got;
    bool gone;
    assert_int_equal(complete(&w, &u, numbers, 2, o, &gone), 0);
    assert_int_equal(get_object(&w, STR("k"), &got), 0);
    assert_int_equal(got.nextents, 2);
    assert_int_equal(got.nparts, 2);
    assert_int_equal(got.parts[1].number, 5);
    assert_true(str_eq(got.upload_id, id_of(&w, &u)));
    static const struct {
        struct str file;
        bool kept;
    } files[] = {{STR_INIT("old"), false}, {STR_INIT("f1"), false}, {STR_INIT("f2"), true},
                 {STR_INIT("f3"), false},  {STR_INIT("f4"), false}, {STR_INIT("f5"), true}};
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        assert_kept(&w, files[i].file, files[i].kept);
    assert_int_equal(count_rows(&w, "m") + count_rows(&w, "p"), 0);
    assert_int_equal(complete(&w, &u, numbers, 2, o, &gone), -ENOENT);
    assert_true(gone);
    assert_int_equal(put_part(&w, &u, 1, STR("late")), -ENOENT);
    assert_int_equal(s3_ref_used(w.x, STR("late")), 0);
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("k")}), 0);
    assert_kept(&w, STR("f2"), false);
}

static void a_finished_upload_is_remembered_while_current(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_upload u = open_upload(&w, STR("k")), wrong;
    static const uint32_t numbers[] = {1};
    bool gone;
    struct s3_object got;
    assert_int_equal(put_part(&w, &u, 1, STR("f")), 0);
    assert_int_equal(s3_upload_finished(w.x, w.b.bid, STR("k"), id_of(&w, &u), &w.a, &got),
                     -ENOENT);
    assert_int_equal(complete(&w, &u, numbers, 1, gather(&w, &u, numbers, 1), &gone), 0);
    assert_int_equal(s3_upload_finished(w.x, w.b.bid, STR("k"), id_of(&w, &u), &w.a, &got), 0);
    wrong = u;
    wrong.check++;
    assert_int_equal(s3_upload_finished(w.x, w.b.bid, STR("k"), id_of(&w, &wrong), &w.a, &got),
                     -ENOENT);
    assert_int_equal(s3_upload_finished(w.x, w.b.bid, STR("j"), id_of(&w, &u), &w.a, &got),
                     -ENOENT);
    put_object(&w, STR("k"), STR("newer"));
    assert_int_equal(s3_upload_finished(w.x, w.b.bid, STR("k"), id_of(&w, &u), &w.a, &got),
                     -ENOENT);
    struct call forget = {.time_ms = dfs_now_ms() - 1000, .n = 10};
    assert_int_equal(run(&w, fn_forget_finished, &forget), 0);
    assert_int_equal(count_rows(&w, "c"), 1);
    forget.time_ms = dfs_now_ms() + 1000;
    assert_int_equal(run(&w, fn_forget_finished, &forget), 0);
    assert_int_equal(count_rows(&w, "c"), 0);
}

static void parts_changed_since_are_to_be_read_again(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    static const uint32_t numbers[] = {1, 2};
    struct s3_upload u = open_upload(&w, STR("k"));
    assert_int_equal(put_part(&w, &u, 1, STR("f1")), 0);
    assert_int_equal(put_part(&w, &u, 2, STR("f2")), 0);
    struct s3_object *o = gather(&w, &u, numbers, 2);
    assert_int_equal(put_part(&w, &u, 2, STR("f3")), 0);
    bool gone;
    assert_int_equal(complete(&w, &u, numbers, 2, o, &gone), -EAGAIN);
    assert_false(gone);
    assert_current(&w, STR("k"), STR_NULL);
    assert_kept(&w, STR("f1"), true); /* nothing of the failed one stayed */
    assert_kept(&w, STR("f3"), true);
    struct s3_cond cond = {.has_if_match = true, .if_match_any = true};
    struct call c = {.key = u.key,
                     .u = &u,
                     .numbers = numbers,
                     .n = 2,
                     .o = gather(&w, &u, numbers, 2),
                     .cond = &cond};
    assert_int_equal(run(&w, fn_complete, &c), -ENOENT);
    assert_false(c.gone); /* the condition's, not the upload's */
    assert_int_equal(complete(&w, &u, numbers, 2, gather(&w, &u, numbers, 2), &gone), 0);
}

static void a_copied_part_shares_its_source_files(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_object *src = put_object(&w, STR("src"), STR("f"));
    struct s3_upload u = open_upload(&w, STR("k"));
    struct s3_extent e = {.file_id = STR("f"), .offset = 2, .length = 3, .owner = src->seq};
    struct s3_upart p = {.number = 1, .size = 3, .extents = &e, .nextents = 1};
    struct call c = {.key = u.key, .u = &u, .part = &p, .src = STR("src"), .src_seq = src->seq + 1};
    assert_int_equal(run(&w, fn_copy_part, &c), -EAGAIN);
    c.src_seq = src->seq;
    assert_int_equal(run(&w, fn_copy_part, &c), 0);
    assert_int_equal(run(&w, fn_delete, &(struct call){.key = STR("src")}), 0);
    assert_kept(&w, STR("f"), true);
    assert_int_equal(run(&w, fn_abort, &(struct call){.key = u.key, .u = &u}), 0);
    assert_kept(&w, STR("f"), false);
}

static void an_abort_of_many_parts_is_taken_apart_later(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_upload u = open_upload(&w, STR("k"));
    enum { N = 600 }; /* more than a slice */
    for (uint32_t i = 1; i <= N; i++)
        assert_int_equal(put_part(&w, &u, i, arena_printf(&w.a, "f%u", i)), 0);
    struct call c = {.key = u.key, .u = &u};
    assert_int_equal(run(&w, fn_abort, &c), 0);
    assert_int_equal(run(&w, fn_abort, &c), -ENOENT);
    assert_int_equal(put_part(&w, &u, 1, STR("late")), -ENOENT);
    struct s3_garbage *g;
    assert_int_equal(garbage(&w, &g), N);
    assert_int_equal(count_rows(&w, "p") + count_rows(&w, "f") + count_rows(&w, "t"), 0);
}

static void a_deleted_bucket_ends_its_uploads(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_upload u = open_upload(&w, STR("k")), v = open_upload(&w, STR("l"));
    assert_int_equal(put_part(&w, &u, 1, STR("f1")), 0);
    assert_int_equal(put_part(&w, &v, 1, STR("f2")), 0);
    assert_int_equal(run(&w, fn_bucket_delete, &(struct call){.key = STR("bucket")}), 0);
    assert_int_equal(put_part(&w, &u, 2, STR("late")), -ENODEV);
    assert_kept(&w, STR("f1"), false);
    assert_kept(&w, STR("f2"), false);
    assert_int_equal(
        count_rows(&w, "m") + count_rows(&w, "p") + count_rows(&w, "f") + count_rows(&w, "t"), 0);
}

static void ten_thousand_parts_complete_at_once(void **state)
{
    (void)state;
    AUTO(world_close) struct world w;
    world_open(&w);
    struct s3_upload u = open_upload(&w, STR("k"));
    enum { N = 10000 };
    static uint32_t numbers[N];
    for (uint32_t i = 0; i < N; i++) {
        numbers[i] = i + 1;
        struct str file =
            arena_printf(&w.a, "group1/M00/00/00/wKgABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ab%u", i);
        assert_int_equal(put_part(&w, &u, i + 1, file), 0);
    }
    struct s3_object got;
    bool gone;
    assert_int_equal(complete(&w, &u, numbers, N, gather(&w, &u, numbers, N), &gone), 0);
    assert_int_equal(get_object(&w, STR("k"), &got), 0);
    assert_int_equal(got.nextents, N);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_read_back_and_strict),
        cmocka_unit_test(an_upload_is_found_by_its_whole_id_and_key_only),
        cmocka_unit_test(parts_are_listed_in_order_and_pages),
        cmocka_unit_test(a_part_put_again_replaces_its_file),
        cmocka_unit_test(parts_of_many_pieces_are_listed_and_thrown_away_in_slices),
        cmocka_unit_test(a_part_moves_only_while_it_is_that_one),
        cmocka_unit_test(complete_keeps_the_listed_parts_and_drops_the_others),
        cmocka_unit_test(a_finished_upload_is_remembered_while_current),
        cmocka_unit_test(parts_changed_since_are_to_be_read_again),
        cmocka_unit_test(a_copied_part_shares_its_source_files),
        cmocka_unit_test(an_abort_of_many_parts_is_taken_apart_later),
        cmocka_unit_test(a_deleted_bucket_ends_its_uploads),
        cmocka_unit_test(ten_thousand_parts_complete_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
