/* SPDX-License-Identifier: Apache-2.0 */
/* The lifecycle worker on the memory index: what it takes, what it leaves, where it goes on. */
#include "tests/lib/s3_fixture.h"

#include "s3gw/api/expire.h"
#include "s3gw/index/lock.h"
#include "s3gw/lifecycle/rules.h"
#include "s3gw/lifecycle/worker.h"
#include "tests/lib/log_lines.h"
#include "tests/lib/still_clock.h"

#define RULES(inside)                                                                              \
    "<LifecycleConfiguration><Rule><ID>r</ID><Filter/><Status>Enabled</Status>" inside             \
    "</Rule></LifecycleConfiguration>"
#define DAY_ONE "<Expiration><Days>1</Days></Expiration>"
#define OLD_ONE                                                                                    \
    "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></"                            \
    "NoncurrentVersionExpiration>"
#define LONE_MARKERS                                                                               \
    "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"

enum { DAY_MS = 1 };

static int fail_with; /* errno for every removal; 0: remove */
static unsigned retry_ms;
static struct str fails; /* the bucket whose removals fail; absent: all */
static unsigned removals;

static void remove_or_fail(struct s3_gw *gw, const struct s3_bucket *b, struct s3_expiry *e,
                           size_t n)
{
    removals++;
    if (fail_with == 0 || (fails.p && !str_eq(fails, b->name)))
        s3_expire(gw, b, e, n);
    else
        for (size_t i = 0; i < n; i++)
            e[i].result = fail_with;
}

static void have_bucket(struct fixture *f, const char *name, const char *rules,
                        const char *versioning)
{
    char target[64], body[256];
    snprintf(target, sizeof(target), "/%s", name);
    assert_int_equal(call(f, "alice", "PUT", target, NULL, NULL), S3ERR_OK);
    if (versioning) {
        snprintf(target, sizeof(target), "/%s?versioning", name);
        snprintf(body, sizeof(body),
                 "<VersioningConfiguration><Status>%s</Status></VersioningConfiguration>",
                 versioning);
        assert_int_equal(call(f, "alice", "PUT", target, NULL, body), S3ERR_OK);
    }
    if (rules) {
        snprintf(target, sizeof(target), "/%s?lifecycle", name);
        assert_int_equal(call(f, "alice", "PUT", target, "content-md5: x", rules), S3ERR_OK);
    }
}

/* Rows of a versions listing, as "k*k-m" : key, '*' latest, '-' older, 'm' marker. */
static const char *rows_of(struct fixture *f, const char *bucket)
{
    static char out[512];
    char target[64];
    size_t n = 0;
    snprintf(target, sizeof(target), "/%s?versions", bucket);
    assert_int_equal(call(f, "alice", "GET", target, NULL, NULL), S3ERR_OK);
    out[0] = 0;
    for (const struct s3_node *c = f->xml->child; c; c = c->next) {
        bool marker = str_eq(c->name, STR("DeleteMarker"));
        if (!marker && !str_eq(c->name, STR("Version")))
            continue;
        n += (size_t)snprintf(
            out + n, sizeof(out) - n, STR_F "%s%s ", STR_A(s3_node_text(c, "Key")),
            str_eq(s3_node_text(c, "IsLatest"), STR("true")) ? "*" : "-", marker ? "m" : "");
    }
    return out;
}

static struct s3_life_worker *start(struct fixture *f, unsigned slice)
{
    struct s3_life_worker *w = NULL;
    const struct s3_life_options o = {
        .gw = &f->gw, .remove = remove_or_fail, .slice = slice, .retry_ms = retry_ms};
    assert_int_equal(s3_life_worker_start(&o, &w), 0);
    return w;
}

/* When the pass that is due or under way has ended. */
static struct s3_life_counts ended(struct s3_life_worker *w)
{
    struct s3_life_counts c;
    log_lines_until("lifecycle.pass");
    s3_life_worker_counts(w, &c);
    return c;
}

/* One pass over everything; all that was put until now is older than a day. */
static struct s3_life_counts pass(struct fixture *f, unsigned slice)
{
    clock_pass(DAY_MS);
    struct s3_life_worker *w = start(f, slice);
    struct s3_life_counts c = ended(w);
    s3_life_worker_stop(&w);
    assert_null(w);
    return c;
}

static void begin(struct fixture *f)
{
    setup(f);
    f->gw.lifecycle_day_ms = DAY_MS;
    fail_with = 0;
    fails = STR_NULL;
    retry_ms = 0;
    removals = 0;
}

static void current_objects_go_with_a_note_each(void **state)
{
    (void)state;
    static const unsigned slices[] = {1, 2, 3, 500};
    for (size_t i = 0; i < ARRAY_LEN(slices); i++) {
        struct fixture f;
        begin(&f);
        have_bucket(&f, "one", RULES(DAY_ONE), NULL);
        have_bucket(&f, "two", NULL, NULL);
        for (int k = 0; k < 5; k++) {
            char key[16];
            snprintf(key, sizeof(key), "k%d", k);
            have_object(&f, "one", key, 10);
            have_object(&f, "two", key, 10);
        }
        size_t notes = fake_dfs.n;
        struct s3_life_counts c = pass(&f, slices[i]);
        assert_string_equal(rows_of(&f, "one"), "");
        assert_string_equal(rows_of(&f, "two"), "k0* k1* k2* k3* k4* ");
        assert_true(c.last.expired <= 5 && c.last.buckets == 1);
        assert_int_equal(fake_dfs.n - notes, 5);
        assert_int_equal(fake_dfs.notes[notes].kind, S3_DESC_GONE);
        teardown(&f);
    }
}

static void versions_get_markers_then_go_then_markers_go(void **state)
{
    (void)state;
    static const unsigned slices[] = {1, 2, 500};
    for (size_t i = 0; i < ARRAY_LEN(slices); i++) {
        struct fixture f;
        begin(&f);
        have_bucket(&f, "bkt", NULL, "Enabled");
        for (int k = 0; k < 3; k++)
            have_object(&f, "bkt", "k", 10);
        have_object(&f, "bkt", "l", 10);
        assert_string_equal(rows_of(&f, "bkt"), "k* k- k- l* ");
        call(&f, "alice", "PUT", "/bkt?lifecycle", "content-md5: x", RULES(OLD_ONE));
        (void)pass(&f, slices[i]);
        assert_string_equal(rows_of(&f, "bkt"), "k* l* ");
        call(&f, "alice", "PUT", "/bkt?lifecycle", "content-md5: x", RULES(DAY_ONE));
        (void)pass(&f, slices[i]);
        assert_string_equal(rows_of(&f, "bkt"), "k*m k- l*m l- ");
        call(&f, "alice", "PUT", "/bkt?lifecycle", "content-md5: x", RULES(LONE_MARKERS));
        (void)pass(&f, slices[i]);
        assert_string_equal(rows_of(&f, "bkt"), "k*m k- l*m l- "); /* they are not alone */
        call(&f, "alice", "PUT", "/bkt?lifecycle", "content-md5: x", RULES(LONE_MARKERS OLD_ONE));
        (void)pass(&f, slices[i]);
        (void)pass(&f, slices[i]);
        assert_string_equal(rows_of(&f, "bkt"), "");
        teardown(&f);
    }
}

static int lock_newest(struct s3_tx *tx, void *arg)
{
    const struct put *p = arg;
    AUTO(buf_free) struct buf b = BUF(64);
    s3_lock_encode(&(struct s3_lock){.legal_hold = true}, &b);
    struct s3_amendment m = {p->o.seq, s3_tx_seq(tx), S3_SECTION_LOCK, buf_str(&b), NULL};
    return s3_object_amend(tx, p->bid, p->key, &m);
}

static void locked_versions_stay(void **state)
{
    (void)state;
    struct fixture f;
    struct arena a;
    struct s3_bucket b;
    begin(&f);
    have_bucket(&f, "bkt", RULES(OLD_ONE), "Enabled");
    have_object(&f, "bkt", "k", 10);
    arena_init(&a, 1 << 20);
    struct put p = {.key = STR("k")};
    assert_int_equal(s3_bucket_get(f.gw.index, STR("bkt"), S3_READ_ANY, &a, &b), 0);
    p.bid = b.bid;
    assert_int_equal(s3_object_get(f.gw.index, b.bid, p.key, S3_READ_ANY, true, &a, &p.o), 0);
    assert_int_equal(s3_index_update(f.gw.index, lock_newest, &p), 0);
    have_object(&f, "bkt", "k", 11);
    have_object(&f, "bkt", "k", 12);
    size_t notes = fake_dfs.n;
    struct s3_life_counts c = pass(&f, 500);
    assert_string_equal(rows_of(&f, "bkt"), "k* k- ");
    assert_true(c.last.locked == 1);
    assert_int_equal(fake_dfs.n - notes, 1); /* nothing is noted that a lock keeps */
    arena_fini(&a);
    teardown(&f);
}

static void what_has_changed_since_stays(void **state)
{
    (void)state;
    struct fixture f;
    struct arena a;
    struct s3_bucket b;
    begin(&f);
    have_bucket(&f, "bkt", NULL, NULL);
    have_object(&f, "bkt", "k", 10);
    arena_init(&a, 1 << 20);
    struct s3_object o;
    assert_int_equal(s3_bucket_get(f.gw.index, STR("bkt"), S3_READ_ANY, &a, &b), 0);
    assert_int_equal(s3_object_get(f.gw.index, b.bid, STR("k"), S3_READ_ANY, true, &a, &o), 0);
    have_object(&f, "bkt", "k", 10);
    struct s3_expiry e = {.what = S3_EXPIRE_CURRENT, .key = STR("k"), .seq = o.seq};
    s3_expire(&f.gw, &b, &e, 1);
    assert_int_equal(e.result, -ESTALE);
    e = (struct s3_expiry){
        .what = S3_EXPIRE_VERSION, .key = STR("k"), .seq = o.seq, .null_version = true};
    s3_expire(&f.gw, &b, &e, 1);
    assert_int_equal(e.result, -ENOENT);
    assert_string_equal(rows_of(&f, "bkt"), "k* ");
    arena_fini(&a);
    teardown(&f);
}

static void uploads_are_aborted(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    have_bucket(&f, "bkt",
                RULES("<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>"
                      "</AbortIncompleteMultipartUpload>"),
                NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(call(&f, "alice", "POST", "/bkt/k?uploads", NULL, NULL), S3ERR_OK);
    assert_true(answered(&f, "x-amz-abort-date").p != NULL);
    assert_true(str_eq(answered(&f, "x-amz-abort-rule-id"), STR("r")));
    struct s3_life_counts c = pass(&f, 2);
    (void)c;
    assert_int_equal(call(&f, "alice", "GET", "/bkt?uploads", NULL, NULL), S3ERR_OK);
    assert_null(s3_node_child(f.xml, "Upload"));
    teardown(&f);
}

static void a_failure_and_a_restart_go_on_where_it_was(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    have_bucket(&f, "bkt", RULES(DAY_ONE), NULL);
    have_object(&f, "bkt", "k1", 10);
    have_object(&f, "bkt", "k2", 10);
    fail_with = -EHOSTUNREACH;
    clock_pass(1000); /* failures are logged once a second */
    struct s3_life_worker *w = start(&f, 1);
    struct s3_life_counts c;
    log_lines_until("lifecycle.failed");
    s3_life_worker_counts(w, &c);
    assert_true(c.running && c.failures == 1);
    assert_string_equal(c.bucket, "bkt");
    s3_life_worker_stop(&w);
    assert_string_equal(rows_of(&f, "bkt"), "k1* k2* ");
    fail_with = 0;
    w = start(&f, 1);
    assert_int_equal(ended(w).last_begun_ms, c.begun_ms);
    s3_life_worker_stop(&w);
    assert_string_equal(rows_of(&f, "bkt"), "");
    teardown(&f);
}

static void a_pass_can_be_had_before_it_is_due(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    have_bucket(&f, "bkt", RULES(DAY_ONE), NULL);
    struct s3_life_worker *w = start(&f, 500);
    assert_int_equal(ended(w).last.rows, 0);
    have_object(&f, "bkt", "k", 10);
    s3_life_worker_run(w);
    assert_int_equal(ended(w).last.expired, 1);
    s3_life_worker_stop(&w);
    teardown(&f);
}

static void a_bucket_that_cannot_be_done_holds_up_no_other(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    static const char *const names[] = {"one", "two", "six"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        have_bucket(&f, names[i], RULES(DAY_ONE), NULL);
        have_object(&f, names[i], "k", 10);
    }
    fail_with = -EHOSTUNREACH;
    fails = STR("six"); /* between the others */
    retry_ms = 1;
    struct s3_life_counts c = pass(&f, 1);
    assert_true(c.failures > 1);
    assert_string_equal(rows_of(&f, "one"), "");
    assert_string_equal(rows_of(&f, "six"), "k* ");
    assert_string_equal(rows_of(&f, "two"), "");
    fail_with = 0;
    (void)pass(&f, 1);
    assert_string_equal(rows_of(&f, "six"), "");
    teardown(&f);
}

static void answers_tell_when_an_object_goes(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f);
    f.gw.lifecycle_day_ms = 0;
    have_bucket(&f, "bkt", RULES(DAY_ONE), NULL);
    have_object(&f, "bkt", "k", 10);
    assert_int_equal(call(&f, "alice", "HEAD", "/bkt/k", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(answered(&f, "x-amz-expiration")),
                        "expiry-date=\"Sun, 04 Jan 2026 00:00:00 GMT\", rule-id=\"r\"");
    assert_int_equal(call(&f, "alice", "DELETE", "/bkt?lifecycle", NULL, NULL), S3ERR_OK);
    assert_int_equal(f.q.resp.status, 204);
    assert_int_equal(call(&f, "alice", "HEAD", "/bkt/k", NULL, NULL), S3ERR_OK);
    assert_null(answered(&f, "x-amz-expiration").p);
    assert_int_equal(call(&f, "alice", "GET", "/bkt?lifecycle", NULL, NULL),
                     S3ERR_NO_SUCH_LIFECYCLE_CONFIGURATION);
    assert_int_equal(call(&f, "alice", "PUT", "/bkt?lifecycle", NULL, RULES(DAY_ONE)),
                     S3ERR_INVALID_REQUEST); /* digest */
    teardown(&f);
}

/* --- transitions --- */

#define ANY_SIZE "<Filter><ObjectSizeGreaterThan>0</ObjectSizeGreaterThan></Filter>"
#define MOVES(inside)                                                                              \
    "<LifecycleConfiguration><Rule><ID>r</ID>" ANY_SIZE "<Status>Enabled</Status>" inside          \
    "</Rule></LifecycleConfiguration>"
#define MOVE_TO(class)                                                                             \
    "<Transition><Days>0</Days><StorageClass>" class "</StorageClass></Transition>"
#define OLD_MOVE_TO(class)                                                                         \
    "<NoncurrentVersionTransition><NoncurrentDays>0</NoncurrentDays><StorageClass>" class          \
        "</StorageClass></NoncurrentVersionTransition>"

static const struct s3_class two_groups[] = {{STR_INIT("WARM"), STR_INIT("")},
                                             {STR_INIT("COLD"), STR_INIT("group2")}};

static void begin_with_classes(struct fixture *f)
{
    begin(f);
    f->gw.classes = (struct s3_classes){two_groups, ARRAY_LEN(two_groups)};
}

/* Classes of a versions listing, newest first. */
static const char *classes_of(struct fixture *f)
{
    static char out[256];
    size_t n = 0;
    out[0] = 0;
    assert_int_equal(call(f, "alice", "GET", "/bkt?versions", NULL, NULL), S3ERR_OK);
    for (const struct s3_node *c = f->xml->child; c; c = c->next)
        if (str_eq(c->name, STR("Version")))
            n += (size_t)snprintf(out + n, sizeof(out) - n, STR_F " ",
                                  STR_A(s3_node_text(c, "StorageClass")));
    return out;
}

static void a_label_changes_the_record_only(void **state)
{
    (void)state;
    struct fixture f;
    begin_with_classes(&f);
    have_bucket(&f, "bkt", MOVES(MOVE_TO("WARM")), NULL);
    have_object(&f, "bkt", "k", 10);
    assert_int_equal(call(&f, "alice", "HEAD", "/bkt/k", NULL, NULL), S3ERR_OK);
    char before[2][64];
    snprintf(before[0], 64, "%s", shown(answered(&f, "Last-Modified")));
    snprintf(before[1], 64, "%s", shown(answered(&f, "x-dfs-file-id")));
    size_t notes = fake_dfs.n;
    struct s3_life_counts c = pass(&f, 500);
    assert_true(c.last.moved <= 1 && c.last.failed == 0 &&
                c.last.expired == 0);        /* the worker may pass twice */
    assert_int_equal(fake_dfs.n - notes, 1); /* for a rebuild */
    assert_int_equal(fake_dfs.files, 0);
    assert_int_equal(call(&f, "alice", "HEAD", "/bkt/k", NULL, NULL), S3ERR_OK);
    assert_string_equal(shown(answered(&f, "x-amz-storage-class")), "WARM");
    assert_string_equal(shown(answered(&f, "Last-Modified")), before[0]);
    assert_string_equal(shown(answered(&f, "x-dfs-file-id")), before[1]);
    c = pass(&f, 500);
    assert_true(c.last.moved == 0); /* it is there */
    teardown(&f);
}

static void data_move_to_the_group_of_their_class(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {10, 300000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        struct fixture f;
        begin_with_classes(&f);
        have_bucket(&f, "bkt", MOVES(MOVE_TO("COLD")), NULL);
        have_object(&f, "bkt", "k", sizes[i]);
        have_object(&f, "bkt", "empty", 0);
        (void)pass(&f, 500);
        assert_int_equal(fake_dfs.files, 1);
        assert_int_equal(fake_dfs.file.kind, S3_DESC_PUT);
        assert_int_equal(call(&f, "alice", "HEAD", "/bkt/k", NULL, NULL), S3ERR_OK);
        assert_string_equal(shown(answered(&f, "x-dfs-file-id")), "group2/M00/00/00/new000001");
        teardown(&f);
    }
}

static void older_versions_move_by_their_own_rule(void **state)
{
    (void)state;
    struct fixture f;
    begin_with_classes(&f);
    have_bucket(&f, "bkt", MOVES(OLD_MOVE_TO("COLD")), "Enabled");
    for (int i = 0; i < 3; i++)
        have_object(&f, "bkt", "k", 10);
    size_t notes = fake_dfs.n;
    (void)pass(&f, 500);
    assert_string_equal(classes_of(&f), "STANDARD COLD COLD ");
    assert_int_equal(fake_dfs.n, notes); /* nothing a rebuild would take for the newest */
    teardown(&f);
}

/* A group that is away, or damaged bytes, cost that object its move, nobody else anything. */
static void what_cannot_move_stays_and_the_rest_goes_on(void **state)
{
    (void)state;
    static const int errors[] = {-EHOSTUNREACH, -EBADMSG, -EIO};
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        struct fixture f;
        begin_with_classes(&f);
        have_bucket(&f, "bkt", MOVES(MOVE_TO("COLD")), NULL);
        have_bucket(&f, "other", RULES(DAY_ONE), NULL);
        have_object(&f, "bkt", "k", 10);
        have_object(&f, "other", "k", 10);
        fake_dfs.read_fails = errors[i];
        struct s3_life_counts c = pass(&f, 500);
        assert_true(c.last.failed == 1 && c.last.moved == 0);
        assert_string_equal(classes_of(&f), "STANDARD ");
        assert_string_equal(rows_of(&f, "other"), "");
        fake_dfs.read_fails = 0;
        c = pass(&f, 500);
        assert_true(c.last.failed == 0);
        assert_string_equal(classes_of(&f), "COLD ");
        teardown(&f);
    }
}

/* With spread_buckets a write may end in another group than asked: no move, and the file is given up. */
static void a_file_that_landed_elsewhere_is_no_move(void **state)
{
    (void)state;
    struct fixture f;
    begin_with_classes(&f);
    have_bucket(&f, "bkt", MOVES(MOVE_TO("COLD")), NULL);
    have_object(&f, "bkt", "k", 10);
    fake_dfs.elsewhere = true;
    struct s3_life_counts c = pass(&f, 500);
    assert_true(c.last.failed == 1 && c.last.moved == 0);
    assert_string_equal(classes_of(&f), "STANDARD ");
    fake_dfs.elsewhere = false;
    (void)pass(&f, 500);
    assert_string_equal(classes_of(&f), "COLD ");
    teardown(&f);
}

static void removal_goes_before_a_move_and_a_move_before_a_marker(void **state)
{
    (void)state;
    for (int versioned = 0; versioned < 2; versioned++) {
        struct fixture f;
        begin_with_classes(&f);
        have_bucket(&f, "bkt", MOVES(DAY_ONE MOVE_TO("WARM")), versioned ? "Enabled" : NULL);
        have_object(&f, "bkt", "k", 10);
        (void)pass(&f, 500);
        assert_string_equal(classes_of(&f), versioned ? "WARM " : "");
        teardown(&f);
    }
}

static void what_was_replaced_meanwhile_does_not_move(void **state)
{
    (void)state;
    struct fixture f;
    struct arena a;
    struct s3_bucket b;
    struct s3_object o;
    begin_with_classes(&f);
    have_bucket(&f, "bkt", NULL, NULL);
    have_object(&f, "bkt", "k", 10);
    arena_init(&a, 1 << 20);
    assert_int_equal(s3_bucket_get(f.gw.index, STR("bkt"), S3_READ_ANY, &a, &b), 0);
    assert_int_equal(s3_object_get(f.gw.index, b.bid, STR("k"), S3_READ_ANY, true, &a, &o), 0);
    have_object(&f, "bkt", "k", 11);
    struct s3_expiry e = {.what = S3_EXPIRE_MOVE,
                          .key = STR("k"),
                          .seq = o.seq,
                          .null_version = true,
                          .storage_class = STR("COLD")};
    s3_expire(&f.gw, &b, &e, 1);
    assert_int_equal(e.result, -ENOENT);
    assert_string_equal(classes_of(&f), "STANDARD ");
    arena_fini(&a);
    teardown(&f);
}

int main(void)
{
    dfs_log_threshold = LOG_DEBUG; /* a pass that found nothing to do is told there */
    log_lines_begin();
    clock_begin(INT64_C(1790000000000)); /* after whatever the fixture stores */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(current_objects_go_with_a_note_each),
        cmocka_unit_test(versions_get_markers_then_go_then_markers_go),
        cmocka_unit_test(locked_versions_stay),
        cmocka_unit_test(what_has_changed_since_stays),
        cmocka_unit_test(uploads_are_aborted),
        cmocka_unit_test(a_failure_and_a_restart_go_on_where_it_was),
        cmocka_unit_test(a_pass_can_be_had_before_it_is_due),
        cmocka_unit_test(a_bucket_that_cannot_be_done_holds_up_no_other),
        cmocka_unit_test(answers_tell_when_an_object_goes),
        cmocka_unit_test(a_label_changes_the_record_only),
        cmocka_unit_test(data_move_to_the_group_of_their_class),
        cmocka_unit_test(older_versions_move_by_their_own_rule),
        cmocka_unit_test(what_cannot_move_stays_and_the_rest_goes_on),
        cmocka_unit_test(a_file_that_landed_elsewhere_is_no_move),
        cmocka_unit_test(removal_goes_before_a_move_and_a_move_before_a_marker),
        cmocka_unit_test(what_was_replaced_meanwhile_does_not_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
