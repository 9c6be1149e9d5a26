/* SPDX-License-Identifier: Apache-2.0 */
/* A bucket whose groups have no room gets one more: when, which, once. */
#include "tests/lib/s3_fixture.h"

#include "s3gw/api/commit.h"
#include "s3gw/api/growth.h"
#include "tests/lib/log_lines.h"

static void groups_are(const struct s3_dfs_group *g, size_t n)
{
    memset(fake_dfs.groups, 0, sizeof(fake_dfs.groups));
    memcpy(fake_dfs.groups, g, n * sizeof(*g));
}

static const struct s3_dfs_group fine1 = {.name = "group1", .takes_files = true, .free_mb = 10},
                                 low1 = {.name = "group1", .takes_files = true, .low = true},
                                 drained1 = {.name = "group1", .drained = true, .free_mb = 90},
                                 away1 = {.name = "group1", .free_mb = 90},
                                 fine2 = {.name = "group2", .takes_files = true, .free_mb = 20},
                                 low2 = {.name = "group2", .takes_files = true, .low = true},
                                 fine3 = {.name = "group3", .takes_files = true, .free_mb = 30},
                                 cold3 = {.name = "group3",
                                          .takes_files = true,
                                          .of_class = true,
                                          .free_mb = 30};

static void a_group_is_added_when_none_has_room_for_long(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    setup(&f);
    const struct {
        struct s3_dfs_group g[3];
        const char *groups;
        int r;
        const char *more, *why;
    } rows[] = {
        {{fine1, fine2, fine3}, "group1", -EALREADY, NULL, NULL},
        {{low1, fine2, fine3}, "group1", 0, "group3", "low"},
        {{low1, fine2, cold3}, "group1", 0, "group2", "low"},
        {{drained1, fine2, fine3}, "group1", 0, "group3", "drained"},
        {{away1, fine2, fine3}, "group1", -EALREADY, NULL, NULL}, /* it comes back */
        {{low1, fine2, fine3}, "group1,group2", -EALREADY, NULL, NULL},
        {{low1, low2, fine3}, "group1,group2", 0, "group3", "low"},
        {{low1, low2, fine3}, "group1", 0, "group3", "low"},
        {{low1, low2, cold3}, "group1", -ENOSPC, NULL, NULL},
        {{low1, low2, fine3}, "group1,group2,group3", -EALREADY, NULL, NULL},
        {{fine1, fine2, fine3}, "group9", 0, "group3", "removed"},
        {{drained1, low2, fine3}, "group2,group1", 0, "group3", "drained"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char more[S3_GROUP_NAME_MAX + 1] = "";
        const char *why = NULL;
        groups_are(rows[i].g, 3);
        int r = s3_growth_judge(&f.gw, str_c(rows[i].groups), more, &why);
        if (r != rows[i].r)
            fail_msg("row %zu gave %d", i, r);
        if (r == 0) {
            assert_string_equal(more, rows[i].more);
            assert_string_equal(why, rows[i].why);
        }
    }
}

static void notice(struct fixture *f, const char *bucket, const char *file_id)
{
    struct s3_req q;
    struct s3_bucket b;
    s3_req_init(&q);
    q.gw = &f->gw;
    assert_int_equal(s3_bucket_get(f->gw.index, str_c(bucket), S3_READ_ANY, &q.arena, &b), 0);
    q.bkt = &b;
    s3_growth_notice(&q, b.groups, str_c(file_id));
    s3_req_fini(&q);
}

static bool has_groups(struct fixture *f, const char *bucket, const char *groups)
{
    AUTO(arena_fini) struct arena a;
    struct s3_bucket b;
    arena_init(&a, 1 << 20);
    assert_int_equal(s3_bucket_get(f->gw.index, str_c(bucket), S3_READ_ANY, &a, &b), 0);
    return str_eq(b.groups, str_c(groups));
}

static void what_was_written_elsewhere_extends_the_list_once(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    setup(&f);
    groups_are((struct s3_dfs_group[]){low1, fine2, fine3}, 3);
    assert_int_equal(call(&f, "alice", "PUT", "/one", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "PUT", "/two", NULL, NULL), S3ERR_OK);
    notice(&f, "one", "group3/M00/00/00/f"); /* nobody listens: spread_buckets is off */
    assert_int_equal(s3_growth_start(&f.gw, &f.gw.growth), 0);
    size_t notes = fake_dfs.n;
    notice(&f, "one", "group1/M00/00/00/f"); /* where it should be */
    for (int i = 0; i < 100; i++)
        notice(&f, "one", "group3/M00/00/00/f");
    notice(&f, "two", "group2/M00/00/00/f");
    log_lines_until("s3.bucket_group_added");
    log_lines_until("s3.bucket_group_added");
    assert_true(has_groups(&f, "one", "group1,group3"));
    assert_true(has_groups(&f, "two", "group1,group3")); /* where there is most space, now */
    s3_growth_stop(&f.gw.growth);
    assert_int_equal(fake_dfs.n, notes + 2);
    assert_int_equal(fake_dfs.notes[notes].kind, S3_DESC_BUCKET);
}

static int update(struct s3_tx *tx, void *arg)
{
    return s3_bucket_update(tx, arg);
}

/* The operator gives it another list while its note is written. */
static void an_operator_is_faster(void *arg)
{
    struct fixture *f = arg;
    struct s3_req q;
    struct s3_bucket b;
    fake_dfs.meanwhile = NULL;
    s3_req_init(&q);
    q.gw = &f->gw;
    assert_int_equal(s3_bucket_get(f->gw.index, STR("one"), S3_READ_ANY, &q.arena, &b), 0);
    b.groups = STR("group2");
    assert_int_equal(s3_index_update(f->gw.index, update, &b), 0);
    s3_bucket_changed(f->gw.index, b.name);
    s3_req_fini(&q);
}

static void a_list_that_has_changed_is_left_alone(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    setup(&f);
    groups_are((struct s3_dfs_group[]){low1, fine2, fine3}, 3);
    assert_int_equal(call(&f, "alice", "PUT", "/one", NULL, NULL), S3ERR_OK);
    assert_int_equal(call(&f, "alice", "PUT", "/two", NULL, NULL), S3ERR_OK);
    fake_dfs.meanwhile = an_operator_is_faster;
    fake_dfs.arg = &f;
    assert_int_equal(s3_growth_start(&f.gw, &f.gw.growth), 0);
    notice(&f, "one", "group3/M00/00/00/f");
    notice(&f, "two", "group3/M00/00/00/f"); /* its turn comes when the other is done with */
    log_lines_until("s3.bucket_group_added");
    assert_true(has_groups(&f, "two", "group1,group3"));
    assert_true(has_groups(&f, "one", "group2"));
    groups_are((struct s3_dfs_group[]){low1, low2, fine3}, 3);
    notice(&f, "one", "group3/M00/00/00/f");
    log_lines_until("s3.bucket_group_added");
    assert_true(has_groups(&f, "one", "group2,group3"));
    s3_growth_stop(&f.gw.growth);
}

int main(void)
{
    log_lines_begin();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_added_when_none_has_room_for_long),
        cmocka_unit_test(what_was_written_elsewhere_extends_the_list_once),
        cmocka_unit_test(a_list_that_has_changed_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
