/* SPDX-License-Identifier: Apache-2.0 */
/* A group is emptied: what moves, what holds up the end, that a job outlives its thread. */
#include "tests/lib/s3_fixture.h"

#include <time.h>

#include "dfscore/base/clock.h"
#include "s3gw/api/commit.h"
#include "s3gw/api/expire.h"
#include "s3gw/index/moved.h"
#include "s3gw/index/refs.h"
#include "s3gw/lifecycle/rebalance.h"

static void begin(struct fixture *f)
{
    setup(f);
    f->gw.default_group = STR("group2");
    fake_dfs.groups[0] = (struct s3_dfs_group){.name = "group1", .free_mb = 100};
    fake_dfs.groups[1] =
        (struct s3_dfs_group){.name = "group2", .takes_files = true, .free_mb = 10};
    fake_dfs.groups[2] =
        (struct s3_dfs_group){.name = "group3", .takes_files = true, .free_mb = 20};
    assert_int_equal(call(f, "alice", "PUT", "/mine", NULL,
                          "<CreateBucketConfiguration><LocationConstraint>:group1</"
                          "LocationConstraint></CreateBucketConfiguration>"),
                     S3ERR_OK);
}

static void start(struct fixture *f, struct s3_rebalance **w)
{
    const struct s3_rebalance_options o = {
        .gw = &f->gw, .move = s3_leave, .home = s3_home, .again_ms = 1};
    assert_int_equal(s3_rebalance_start(&o, w), 0);
}

static struct s3_rebalance_counts await(struct s3_rebalance *w,
                                        bool (*said)(const struct s3_rebalance_counts *n))
{
    struct s3_rebalance_counts n;
    for (int i = 0; i < 60000; i++) {
        s3_rebalance_counts(w, &n);
        if (said(&n))
            return n;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    fail_msg("state %d, left %llu, error %d", n.state, (unsigned long long)n.left, n.error);
    return n;
}

static bool is_done(const struct s3_rebalance_counts *n)
{
    return n->state == S3_REBALANCE_DONE;
}

static bool has_failed(const struct s3_rebalance_counts *n)
{
    return n->failed == 2 && n->error == -EIO;
}

static bool has_moved_two(const struct s3_rebalance_counts *n)
{
    return n->objects == 2 && n->left == 0;
}

static void lies_in(struct fixture *f, const char *key, const char *group)
{
    char target[64];
    snprintf(target, sizeof(target), "/mine/%s", key);
    assert_int_equal(call(f, "alice", "HEAD", target, NULL, NULL), S3ERR_OK);
    assert_true(str_starts(answered(f, "x-dfs-file-id"), str_c(group)));
}

static void all_versions_leave_for_the_group_with_most_space(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    struct s3_rebalance *w;
    begin(&f);
    assert_int_equal(
        call(&f, "alice", "PUT", "/mine?versioning", NULL,
             "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        S3ERR_OK);
    have_object(&f, "mine", "a", 1000); /* one version above another */
    have_object(&f, "mine", "a", 2000);
    have_object(&f, "mine", "b", 300000);
    have_object(&f, "mine", "empty", 0);
    start(&f, &w);
    assert_int_equal(s3_rebalance_begin(w, STR("group1"), STR_NULL), 0);
    struct s3_rebalance_counts n = await(w, is_done);
    assert_true(n.objects == 3 && n.bytes == 303000 && n.buckets == 1 && n.left == 0 &&
                n.failed == 0);
    lies_in(&f, "a", "group3/");
    lies_in(&f, "b", "group3/");
    assert_int_equal(s3_rebalance_end(w), 0);
    s3_rebalance_counts(w, &n);
    assert_int_equal(n.state, S3_REBALANCE_NONE);
    s3_rebalance_stop(&w);
}

static void what_fails_is_tried_again_after_a_restart_too(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    struct s3_rebalance *w;
    begin(&f);
    have_object(&f, "mine", "a", 1000);
    have_object(&f, "mine", "b", 1000);
    fake_dfs.read_fails = -EIO;
    start(&f, &w);
    assert_int_equal(s3_rebalance_begin(w, STR("group1"), STR("group2")), 0);
    struct s3_rebalance_counts n = await(w, has_failed);
    assert_int_equal(n.state, S3_REBALANCE_ON);
    assert_int_equal(s3_rebalance_begin(w, STR("group3"), STR("group2")), -EPERM);
    fake_dfs.groups[2].takes_files = false;
    assert_int_equal(s3_rebalance_begin(w, STR("group3"), STR("group2")), -EBUSY);
    s3_rebalance_stop(&w);
    fake_dfs.read_fails = 0;
    start(&f, &w); /* and nobody says what to do */
    n = await(w, is_done);
    assert_string_equal(n.from, "group1");
    assert_string_equal(n.to, "group2");
    lies_in(&f, "a", "group2/");
    s3_rebalance_stop(&w);
}

enum { REST_MS = 40, TRIES = 3 };
static uint64_t tried_ms[TRIES];
static size_t tries;

static int has_no_room(struct s3_gw *gw, const struct s3_bucket *b, struct s3_leaving *v)
{
    (void)gw;
    (void)b;
    (void)v;
    if (tries < TRIES)
        tried_ms[tries++] = dfs_mono_ms();
    return -ENOSPC;
}

static bool all_have_failed(const struct s3_rebalance_counts *n)
{
    return n->failed == TRIES && n->left == TRIES;
}

static bool has_nowhere_to_go(const struct s3_rebalance_counts *n)
{
    return n->error == -ENOSPC && !n->error_of[0];
}

static bool goes_on(const struct s3_rebalance_counts *n)
{
    return n->error_of[0];
}

static void what_fails_is_named_and_not_tried_as_fast_as_can_be(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    struct s3_rebalance *w;
    begin(&f);
    have_object(&f, "mine", "a", 1000);
    have_object(&f, "mine", "b", 1000);
    have_object(&f, "mine", "c", 1000);
    const struct s3_rebalance_options o = {
        .gw = &f.gw, .move = has_no_room, .home = s3_home, .again_ms = 1, .retry_ms = REST_MS};
    tries = 0;
    assert_int_equal(s3_rebalance_start(&o, &w), 0);
    assert_int_equal(s3_rebalance_begin(w, STR("group1"), STR("group2")), 0);
    struct s3_rebalance_counts n = await(w, all_have_failed);
    assert_true(tried_ms[TRIES - 1] - tried_ms[0] >= (TRIES - 1) * REST_MS);
    assert_int_equal(n.error, -ENOSPC);
    assert_string_equal(n.error_of, "mine/c to group2");
    fake_dfs.groups[1].takes_files = false;
    n = await(w, has_nowhere_to_go);
    assert_true(n.state == S3_REBALANCE_ON && n.left == TRIES);
    fake_dfs.groups[1].takes_files = true;
    await(w, goes_on);
    s3_rebalance_stop(&w);
}

/* Its own group, as long as that takes files; everything else as for a group. */
static void a_store_path_is_emptied_into_the_others_of_its_group(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    struct s3_rebalance *w;
    begin(&f);
    fake_dfs.groups[0].takes_files = true;
    fake_dfs.lands_on = 1;
    have_object(&f, "mine", "there", 300000);
    have_object(&f, "mine", "small", 10);
    fake_dfs.lands_on = 0;
    have_object(&f, "mine", "elsewhere", 1000);
    lies_in(&f, "there", "group1/M01/");
    start(&f, &w);
    assert_int_equal(s3_rebalance_begin(w, STR("group1/M1"), STR_NULL), -EINVAL);
    assert_int_equal(s3_rebalance_begin(w, STR("group1/"), STR_NULL), -EINVAL);
    fake_dfs.path_closed = -EPERM;
    assert_int_equal(s3_rebalance_begin(w, STR("group1/M01"), STR_NULL), -EPERM);
    fake_dfs.path_closed = 1; /* some are still on their way there */
    uint64_t files;
    assert_int_equal(s3_rebalance_look(w, STR("group1/M01"), STR_NULL, &files), 0);
    assert_int_equal(files, 2);
    assert_int_equal(s3_rebalance_begin(w, STR("group1/M01"), STR_NULL), 0);
    struct s3_rebalance_counts n = await(w, has_moved_two);
    assert_true(n.state == S3_REBALANCE_ON && n.buckets == 0 && n.bytes == 300010);
    fake_dfs.path_closed = 0;
    n = await(w, is_done);
    assert_string_equal(n.from, "group1/M01");
    lies_in(&f, "there", "group1/M00/");
    lies_in(&f, "small", "group1/M00/");
    assert_int_equal(s3_moved_is_out(f.gw.index, STR("group1")), 0);
    /* a full group sends them to the one with most space; a group may be said */
    static const struct {
        bool low;
        const char *to, *land;
    } rows[] = {{true, "", "group3/M00/"},
                {false, "group2", "group2/M00/"},
                {false, "group1", "group1/M00/"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fake_dfs.groups[0].low = false;
        fake_dfs.lands_on = 1;
        have_object(&f, "mine", "next", 1000);
        fake_dfs.lands_on = 0;
        fake_dfs.groups[0].low = rows[i].low;
        assert_int_equal(s3_rebalance_begin(w, STR("group1/M01"), str_c(rows[i].to)), 0);
        await(w, is_done);
        lies_in(&f, "next", rows[i].land);
    }
    s3_rebalance_stop(&w);
}

static void set_groups(struct fixture *f, const char *groups)
{
    struct s3_req q;
    struct s3_bucket b;
    s3_req_init(&q);
    q.gw = &f->gw;
    assert_int_equal(s3_bucket_get(f->gw.index, STR("mine"), S3_READ_ANY, &q.arena, &b), 0);
    q.bkt = &b;
    assert_int_equal(s3_commit_bucket_groups(&q, STR_NULL, str_c(groups)), 0);
    s3_req_fini(&q);
}

/* The group leaves the list; what was in it goes to the bucket's next one that has room, not to that with most. */
static void a_bucket_of_several_groups_keeps_the_others(void **state)
{
    (void)state;
    static const struct {
        const char *groups, *to;
        bool low2;
        const char *groups_then, *land;
    } rows[] = {
        {"group1", "", false, "group3", "group3/"},
        {"group1,group2", "", false, "group2", "group2/"},
        {"group2,group1", "", false, "group2", "group2/"},
        {"group1,group2", "", true, "group2", "group3/"},
        {"group1,group2", "group3", false, "group3,group2", "group3/"},
        {"group1,group2", "group2", false, "group2", "group2/"},
        {"group3,group2", "", false, "group3,group2", "group3/"}, /* objects of before */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        AUTO(teardown) struct fixture f;
        struct s3_rebalance *w;
        struct s3_bucket b;
        begin(&f);
        fake_dfs.groups[1].low = rows[i].low2;
        set_groups(&f, rows[i].groups);
        have_object(&f, "mine", "a", 1000);
        start(&f, &w);
        assert_int_equal(s3_rebalance_begin(w, STR("group1"), str_c(rows[i].to)), 0);
        await(w, is_done);
        s3_rebalance_stop(&w);
        lies_in(&f, "a", rows[i].land);
        assert_int_equal(s3_bucket_get(f.gw.index, STR("mine"), S3_READ_ANY, &f.q.arena, &b), 0);
        if (!str_eq(b.groups, str_c(rows[i].groups_then)))
            fail_msg("row %zu: " STR_F, i, STR_A(b.groups));
    }
}

/* Also those that name the file of an object, which then has one of its own. */
static void parts_of_open_uploads_move_and_can_be_completed(void **state)
{
    (void)state;
    AUTO(teardown) struct fixture f;
    struct s3_rebalance *w;
    char upload[64], target[128], document[256];
    begin(&f);
    have_object(&f, "mine", "a", 1000);
    assert_int_equal(call(&f, "alice", "POST", "/mine/m?uploads", NULL, NULL), S3ERR_OK);
    snprintf(upload, sizeof(upload), STR_F, STR_A(text_at(&f, "UploadId")));
    snprintf(target, sizeof(target), "/mine/m?partNumber=7&uploadId=%s", upload);
    assert_int_equal(call(&f, "alice", "PUT", target, "x-amz-copy-source: /mine/a", NULL),
                     S3ERR_OK);
    snprintf(document, sizeof(document),
             "<CompleteMultipartUpload><Part><PartNumber>7</PartNumber><ETag>" STR_F
             "</ETag></Part></CompleteMultipartUpload>",
             STR_A(text_at(&f, "ETag")));
    start(&f, &w);
    assert_int_equal(s3_rebalance_begin(w, STR("group1"), STR("group2")), 0);
    struct s3_rebalance_counts n = await(w, is_done);
    assert_true(n.objects == 2 && n.bytes == 2000 && n.failed == 0);
    s3_rebalance_stop(&w);
    snprintf(target, sizeof(target), "/mine/m?uploadId=%s", upload);
    assert_int_equal(call(&f, "alice", "POST", target, NULL, document), S3ERR_OK);
    struct s3_bucket b;
    struct s3_object o;
    assert_int_equal(s3_bucket_get(f.gw.index, STR("mine"), S3_READ_ANY, &f.q.arena, &b), 0);
    assert_int_equal(s3_object_get(f.gw.index, b.bid, STR("m"), S3_READ_ANY, true, &f.q.arena, &o),
                     0);
    assert_true(o.size == 1000 && o.nextents == 1);
    assert_true(str_starts(o.extents[0].file_id, STR("group2/")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_versions_leave_for_the_group_with_most_space),
        cmocka_unit_test(what_fails_is_tried_again_after_a_restart_too),
        cmocka_unit_test(what_fails_is_named_and_not_tried_as_fast_as_can_be),
        cmocka_unit_test(a_store_path_is_emptied_into_the_others_of_its_group),
        cmocka_unit_test(a_bucket_of_several_groups_keeps_the_others),
        cmocka_unit_test(parts_of_open_uploads_move_and_can_be_completed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
